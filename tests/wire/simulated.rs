//! The contract of `trait Exchange` against the simulator: in memory on paused time, and over
//! sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use perpdeck::clock::{Clock, Speed};
use perpdeck::exchange::mexc::{Adapter, Channels, Link};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{
    CancelOutcome, Category, Contracts, ErrorClass, FillReport, MarginMode, OrderReport, OrderType, PlaceOrder,
    PositionKey, PositionMode, Price, Push, SessionTime, Side, Usdt, VenueOrderState, VenueTime, round_down,
};
use perpdeck::simulator::{Credentials, InMemory, NoAnswer, Scenario, Server, Settings};
use tokio::sync::mpsc;

use super::stub::{KEY, SECRET, Stub, cancel, client_id, dec, entry, exit, in_turn, paused, real, symbol};

pub fn settings(scenario: &str) -> Settings {
    Settings::new(7, Scenario::load(scenario).unwrap(), Credentials::new(KEY, SECRET))
}

pub struct Simulated {
    pub exchange: Arc<InMemory>,
    pub adapter: Adapter,
    pub clock: Clock,
}

impl Simulated {
    /// Inside a paused runtime.
    pub fn open(scenario: &str) -> Self {
        let clock = Clock::starting_at(SessionTime::from_secs(1_795_401_565), Speed::Max);
        let exchange = Arc::new(InMemory::open(&settings(scenario), clock.clone()).unwrap());
        let streams = Arc::clone(&exchange);
        let connect = Channels::shared(move || {
            let pair = streams.connect();
            Ok((pair.to_exchange, pair.from_exchange))
        });
        let link = Link::memory(exchange.router(), |answer| answer.extensions().get::<NoAnswer>().is_some(), connect);
        let options = Stub::options("http://127.0.0.1:1", "ws://127.0.0.1:1/edge");
        let adapter = Adapter::new(options, clock.clone(), Some(link)).unwrap();
        Self { exchange, adapter, clock }
    }

    /// A switch of the simulator.
    pub async fn fault(&self, spec: &str) {
        let request = Request::post("/sim/faults").body(Bytes::from(spec.to_owned())).unwrap();
        let answer = self.exchange.call(request).await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.body());
    }

    pub async fn seconds(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// The mark price, on the tick.
    pub async fn price(&self, percent: &str) -> Price {
        let mut pushes = self.adapter.stream(vec![symbol("BTC_USDT")]);
        loop {
            if let Push::Quote(quote) = pushes.recv().await.unwrap() {
                return at_percent(quote.mark.unwrap(), percent);
            }
        }
    }
}

fn at_percent(price: Price, percent: &str) -> Price {
    Price(round_down(price.times(dec(percent)).times(dec("0.01")).0, dec("0.1")).unwrap())
}

fn limit(id: &str, price: Price) -> PlaceOrder {
    PlaceOrder { order_type: OrderType::Limit(price), ..entry(id) }
}

pub fn market(id: &str) -> PlaceOrder {
    PlaceOrder { order_type: OrderType::Market, ..entry(id) }
}

pub fn long() -> PositionKey {
    PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long }
}

/// Everything that a session asks of an exchange, once.
async fn whole_contract(adapter: &Adapter, mark: Price) {
    let btc = symbol("BTC_USDT");
    let offset = adapter.server_time().await.unwrap();
    assert!(offset.offset_us.abs() <= 1_000_000, "{offset:?}");
    let all = adapter.contracts(&[]).await.unwrap();
    assert!(all.len() >= 5 && all.iter().all(|spec| !spec.tiers.is_empty()));
    assert_eq!(adapter.contracts(std::slice::from_ref(&btc)).await.unwrap()[0].symbol, btc);
    assert_eq!(adapter.position_mode().await.unwrap(), PositionMode::Hedge);
    adapter.set_leverage(&long(), 10, MarginMode::Isolated).await.unwrap();
    assert_eq!(adapter.positions().await.unwrap().rows, []);
    let begin = adapter.account().await.unwrap().rows.remove(0);
    assert_eq!(begin.equity, Some(Usdt(dec("10000"))));

    // A resting order is found in three ways, and cancelled by either id.
    let far = at_percent(mark, "95");
    let first = in_turn(adapter, &limit("k-1", far)).await.unwrap();
    in_turn(adapter, &limit("k-2", far)).await.unwrap();
    let open = adapter.open_orders().await.unwrap().rows;
    let ids: Vec<_> =
        open.iter().filter_map(|order| order.client_id.as_ref()).map(|id| id.as_str().to_owned()).collect();
    assert!(ids.len() == 2 && ids.contains(&"k-1".to_owned()) && ids.contains(&"k-2".to_owned()), "{ids:?}");
    let found = adapter.order(&btc, &client_id("k-1")).await.unwrap().unwrap();
    assert_eq!((&found.venue_id, found.state), (&first, VenueOrderState::Resting));
    assert_eq!(adapter.order(&btc, &client_id("nobody")).await.unwrap(), None);
    assert!(adapter.account().await.unwrap().rows.remove(0).order_margin.is_positive());
    let cancels = [cancel(1, Some(first.as_str())), cancel(2, None), cancel(3, None), cancel(4, Some("5"))];
    let outcomes: Vec<_> = adapter.cancel(&cancels).await.unwrap().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(
        outcomes,
        [CancelOutcome::Accepted, CancelOutcome::Accepted, CancelOutcome::NotFound, CancelOutcome::NotFound]
    );
    let ended = adapter.order(&btc, &client_id("k-1")).await.unwrap().unwrap();
    assert_eq!(ended.state, VenueOrderState::Cancelled);
    let again = adapter.cancel(&[cancel(1, Some(first.as_str()))]).await.unwrap().remove(0).1;
    assert_eq!(again, CancelOutcome::NotCancellable);
    assert_eq!(adapter.open_orders().await.unwrap().rows, []);

    // A market order fills, becomes a position, and is closed again.
    let since = found.updated_at;
    let opened = in_turn(adapter, &market("k-5")).await.unwrap();
    let filled = until_filled(adapter, "k-5").await;
    assert_eq!((filled.filled, &filled.venue_id), (Contracts(dec("20")), &opened));
    let fills = adapter.order_fills(&btc, &opened).await.unwrap().rows;
    assert_eq!(fills.iter().map(|fill| fill.contracts).sum::<Contracts>(), Contracts(dec("20")));
    assert!(fills.iter().all(|fill| fill.fee.is_some() && fill.taker == Some(true)));
    let position = adapter.positions().await.unwrap().rows.remove(0);
    assert_eq!((&position.key, position.contracts, position.leverage), (&long(), Contracts(dec("20")), Some(10)));
    assert!(position.liquidation_price.is_some() && position.margin.is_some());
    let mut closing = exit("k-6");
    closing.position_id = Some(position.venue_id.clone());
    let closed = adapter.place(&closing, &Departure::default()).await.unwrap();
    until_filled(adapter, "k-6").await;
    assert_eq!(adapter.positions().await.unwrap().rows, []);
    let all = adapter.fills_since(&[btc], since).await.unwrap().rows;
    let of = |id| {
        all.iter().filter(|fill| fill.venue_order.as_ref() == Some(id)).map(|fill| fill.contracts).sum::<Contracts>()
    };
    assert_eq!((of(&opened), of(&closed)), (Contracts(dec("20")), Contracts(dec("20"))));
    assert_eq!(adapter.evidence(&long(), since).await.unwrap().system_orders, []);

    // Refusals are told as such.
    let mut large = market("k-7");
    large.contracts = Contracts(dec("200000"));
    let refused = in_turn(adapter, &large).await.unwrap_err();
    assert_eq!((refused.class, refused.counts), (ErrorClass::Fatal, false), "{refused}");
    assert_eq!(adapter.place(&exit("k-8"), &Departure::default()).await.unwrap_err().class, ErrorClass::Fatal);
}

async fn until_filled(adapter: &Adapter, id: &str) -> OrderReport {
    loop {
        let order = adapter.order(&symbol("BTC_USDT"), &client_id(id)).await.unwrap().unwrap();
        if order.state == VenueOrderState::Filled {
            return order;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_whole_contract_in_memory() {
    paused(async {
        let simulated = Simulated::open("calm");
        let mark = simulated.price("100").await;
        whole_contract(&simulated.adapter, mark).await;
    });
}

#[test]
fn the_whole_contract_over_sockets() {
    real(async {
        let clock = Clock::wall();
        let server = Server::start(&settings("calm"), "127.0.0.1:0".parse().unwrap(), clock.clone()).await.unwrap();
        let adapter = Adapter::new(Stub::options(&server.rest_url(), &server.ws_url()), clock, None).unwrap();
        let mut pushes = adapter.stream(vec![symbol("BTC_USDT")]);
        let mark = loop {
            if let Push::Quote(quote) = pushes.recv().await.unwrap() {
                break quote.mark.unwrap();
            }
        };
        whole_contract(&adapter, mark).await;
        // The pushes of all that are on their way, or here already.
        let mut fills: Vec<FillReport> = Vec::new();
        while fills.iter().map(|fill| fill.contracts).sum::<Contracts>() < Contracts(dec("40")) {
            match pushes.recv().await.unwrap() {
                Push::Fill(fill) => fills.push(fill),
                Push::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        assert_eq!(adapter.stream_health().skipped(), 0, "{:?}", adapter.stream_health());
    });
}

/// Paper is the real adapter on the same trait: prices, fees, margin and balance are the exchange's.
#[test]
fn b30_on_paper_a_limit_waits_for_its_price_and_money_is_accounted_for() {
    paused(async {
        let simulated = Simulated::open("volatile");
        let adapter = &simulated.adapter;
        let btc = symbol("BTC_USDT");
        let begin = adapter.account().await.unwrap().rows.remove(0);
        let bid = simulated.price("99.7").await;
        adapter.place(&limit("k-1", bid), &Departure::default()).await.unwrap();
        let rests = adapter.order(&btc, &client_id("k-1")).await.unwrap().unwrap();
        assert_eq!((rests.state, rests.filled), (VenueOrderState::Resting, Contracts(dec("0"))), "not at any price");
        let held = adapter.account().await.unwrap().rows.remove(0);
        assert!(held.order_margin.is_positive() && held.available < begin.available, "its margin is held back");
        // The market comes to it, not the other way round.
        let mut waited = 0;
        let filled = loop {
            let order = adapter.order(&btc, &client_id("k-1")).await.unwrap().unwrap();
            if order.state == VenueOrderState::Filled {
                break order;
            }
            waited += 1;
            assert!(waited < 7_200, "never within two hours of a volatile market");
            simulated.seconds(1).await;
        };
        assert!(waited > 0, "it took session time");
        let fills = adapter.order_fills(&btc, &filled.venue_id).await.unwrap().rows;
        assert!(fills.iter().all(|fill| fill.price <= bid), "never worse than its limit: {fills:?}");
        let fees: Usdt = fills.iter().map(|fill| fill.fee.unwrap()).sum();
        assert!(fees.is_positive() && fills.iter().all(|fill| fill.taker == Some(false)), "a maker's fee: {fills:?}");
        let position = adapter.positions().await.unwrap().rows.remove(0);
        assert!(position.margin.unwrap().is_positive() && position.liquidation_price.unwrap() < bid);
        let account = adapter.account().await.unwrap().rows.remove(0);
        let wallet = account.equity.unwrap() - account.unrealised.unwrap();
        let began = begin.equity.unwrap() - begin.unrealised.unwrap();
        let funding = position.funding.unwrap_or(Usdt::ZERO);
        assert_eq!(wallet, began - fees + funding, "the balance moved by the fee and the funding alone");
    });
}

#[test]
fn the_same_seed_gives_the_same_pushes() {
    let pushes = || {
        paused(async {
            let simulated = Simulated::open("volatile");
            let mut pushes = simulated.adapter.stream(vec![symbol("BTC_USDT"), symbol("ETH_USDT")]);
            simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap();
            let mut seen = Vec::new();
            for _ in 0..200 {
                seen.push(pushes.recv().await.unwrap());
            }
            seen
        })
    };
    assert_eq!(pushes(), pushes());
}

/// Faults of the exchange and what a place makes of them: class, whether it counts, whether the
/// order exists.
#[test]
fn faults_are_classed_and_the_lookup_tells_the_truth() {
    use ErrorClass::{Ambiguous, Retryable};
    for (kind, class, counts, exists) in [
        ("refuse", Ambiguous, true, false),
        ("hang", Ambiguous, true, false),
        ("reply_lost", Ambiguous, true, true),
        ("error_before", Ambiguous, true, false),
        ("error_after", Ambiguous, true, true),
        ("wrong_json", Ambiguous, true, true),
        ("too_frequent", Retryable, false, false),
    ] {
        paused(async {
            let simulated = Simulated::open("calm");
            simulated.fault(&format!(r#"{{"kind":"{kind}","endpoint":"place","count":1}}"#)).await;
            let error = simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap_err();
            assert_eq!((error.class, error.counts), (class, counts), "{kind}: {error}");
            let found = simulated.adapter.order(&symbol("BTC_USDT"), &client_id("k-1")).await.unwrap();
            assert_eq!(found.is_some(), exists, "{kind}");
        });
    }
}

#[test]
fn a_reply_after_the_time_out_is_in_doubt() {
    paused(async {
        let simulated = Simulated::open("calm");
        simulated.fault(r#"{"kind":"reply_delayed","endpoint":"place","count":1,"delay_ms":60000}"#).await;
        let error = simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.counts), (ErrorClass::Ambiguous, true));
        assert!(simulated.adapter.order(&symbol("BTC_USDT"), &client_id("k-1")).await.unwrap().is_some());
    });
}

#[test]
fn a_clock_that_jumps_is_measured_again() {
    paused(async {
        let simulated = Simulated::open("calm");
        simulated.fault(r#"{"kind":"clock_skew","skew_ms":45000,"seconds":600}"#).await;
        let error = simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.code), (ErrorClass::Retryable, Some(513)));
        simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap();
    });
}

#[test]
fn one_id_is_one_order_however_often_it_is_sent() {
    paused(async {
        let simulated = Simulated::open("calm");
        simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap();
        let error = simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.code), (ErrorClass::Ambiguous, Some(2042)));
    });
}

#[test]
fn a_stream_that_drops_comes_back_and_one_that_stalls_is_given_up() {
    paused(async {
        let simulated = Simulated::open("calm");
        let mut pushes = simulated.adapter.stream(vec![symbol("BTC_USDT")]);
        for fault in [r#"{"kind":"ws_drop","count":1}"#, r#"{"kind":"ws_stall","seconds":40}"#] {
            until(&mut pushes, |push| matches!(push, Push::Connected)).await;
            until(&mut pushes, |push| matches!(push, Push::Quote(_))).await;
            let begun = simulated.clock.now();
            simulated.fault(fault).await;
            until(&mut pushes, |push| matches!(push, Push::Disconnected { .. })).await;
            assert!(simulated.clock.now().since(begun) <= Duration::from_secs(45));
        }
        until(&mut pushes, |push| matches!(push, Push::Quote(_))).await;
    });
}

#[test]
fn a_liquidation_leaves_notices_and_evidence() {
    paused(async {
        let simulated = Simulated::open("calm");
        let begun = simulated.clock.now();
        let mut pushes = simulated.adapter.stream(vec![symbol("BTC_USDT")]);
        until(&mut pushes, |push| matches!(push, Push::Connected)).await;
        simulated.adapter.place(&market("k-1"), &Departure::default()).await.unwrap();
        until_filled(&simulated.adapter, "k-1").await;
        simulated.fault(r#"{"kind":"forced_liquidation","symbol":"BTC_USDT"}"#).await;
        until(&mut pushes, |push| matches!(push, Push::LiquidationNotice { liquidated: true, .. })).await;
        simulated.seconds(1).await;
        assert_eq!(simulated.adapter.positions().await.unwrap().rows, []);
        let evidence = simulated.adapter.evidence(&long(), VenueTime::from_micros(begun.micros())).await.unwrap();
        assert!(evidence.system_orders.iter().any(|order| order.category == Category::Liquidation), "{evidence:?}");
        assert!(evidence.fills.iter().any(|fill| fill.category == Category::Liquidation), "{evidence:?}");
    });
}

pub async fn until(pushes: &mut mpsc::Receiver<Push>, wanted: impl Fn(&Push) -> bool) {
    let found = async { while !wanted(&pushes.recv().await.unwrap()) {} };
    tokio::time::timeout(Duration::from_mins(10), found)
        .await
        .expect("the push came within ten minutes of session time");
}
