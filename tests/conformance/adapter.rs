//! The adapter against a server that was written from the documents by somebody else, over sockets.

use std::time::{Duration, Instant};

use perpdeck::clock::Clock;
use perpdeck::config::{ExchangeSettings, PaperPeer};
use perpdeck::exchange::mexc::{Adapter, Options, Permit};
use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{
    CallGroup, CancelOrder, CancelOutcome, ClientOrderId, Contracts, ErrorClass, Intent, MarginMode, OrderNo,
    OrderType, PlaceOrder, PositionMode, Price, Push, Refusal, Side, Symbol, VenueOrderId, VenueOrderState, VenueTime,
};
use tokio::sync::mpsc;

use super::server::Independent;

const CREATE: &str = "private/order/create";
const JSON: &str = "application/json";
const PATIENCE: Duration = Duration::from_secs(20);

fn adapter(server: &Independent, call_timeout: Duration) -> Adapter {
    let settings = ExchangeSettings { paper_peer: PaperPeer::Any, call_timeout, ..ExchangeSettings::default() };
    let options = Options {
        rest_url: server.rest_url(),
        ws_url: server.ws_url(),
        api_key: "mx0testkey".to_owned().into(),
        api_secret: "testsecret".to_owned().into(),
        settings,
        permit: Permit::Loopback,
    };
    Adapter::new(options, Clock::wall(), None).unwrap()
}

/// Runs a test against a server of its own, unless there is no python.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Independent) -> F) {
    let Some(server) = Independent::start() else { return };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(server));
}

fn btc() -> Symbol {
    Symbol::new("BTC_USDT").unwrap()
}

fn id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text).unwrap()
}

fn order(client_id: &str, intent: Intent, order_type: OrderType) -> PlaceOrder {
    PlaceOrder {
        client_id: id(client_id),
        symbol: btc(),
        intent,
        order_type,
        contracts: Contracts("20".parse().unwrap()),
        leverage: 10,
        margin_mode: MarginMode::Isolated,
        position_mode: PositionMode::OneWay,
        position_id: None,
        stop_loss: None,
        take_profit: None,
    }
}

fn resting(client_id: &str) -> PlaceOrder {
    order(client_id, Intent::open(Side::Long), OrderType::Limit(Price("49000".parse().unwrap())))
}

fn cancel(no: u64, venue_id: Option<&VenueOrderId>, client_id: &str) -> CancelOrder {
    CancelOrder { no: OrderNo(no), symbol: btc(), venue_id: venue_id.cloned(), client_id: id(client_id) }
}

async fn until(pushes: &mut mpsc::Receiver<Push>, wanted: impl Fn(&Push) -> bool) -> Push {
    tokio::time::timeout(PATIENCE, async {
        loop {
            let push = pushes.recv().await.expect("the stream goes on");
            if wanted(&push) {
                return push;
            }
        }
    })
    .await
    .expect("it is pushed")
}

#[test]
fn an_order_is_placed_found_listed_and_cancelled_each_in_its_own_words() {
    with_server(|server| async move {
        let adapter = adapter(&server, Duration::from_secs(10));
        let since = VenueTime::from_micros(Clock::wall().now().micros()).minus(Duration::from_secs(60));
        let placed = adapter.place(&resting("k-1"), &Departure::default()).await.unwrap();
        assert_eq!(adapter.order(&btc(), &id("k-9")).await.unwrap(), None);
        assert_eq!(adapter.order(&btc(), &id("k-1")).await.unwrap().unwrap().state, VenueOrderState::Resting);
        assert_eq!(adapter.open_orders().await.unwrap().rows[0].venue_id, placed);
        let asked = [cancel(1, Some(&placed), "k-1"), cancel(2, None, "k-9"), cancel(3, None, "k-1")];
        let outcomes: Vec<_> = adapter.cancel(&asked).await.unwrap().into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(outcomes, [CancelOutcome::Accepted, CancelOutcome::NotFound, CancelOutcome::NotCancellable]);
        assert_eq!(adapter.open_orders().await.unwrap().rows, []);
        let ended = adapter.order_history(since).await.unwrap().rows;
        assert_eq!(ended.iter().map(|order| order.state).collect::<Vec<_>>(), [VenueOrderState::Cancelled]);
        let twice = adapter.place(&resting("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((twice.class, twice.refusal), (ErrorClass::Ambiguous, Refusal::DuplicateId));
        let log = server.log();
        let agent = concat!("\"User-Agent\": \"perpdeck/", env!("CARGO_PKG_VERSION"), "\"");
        let requests = log.lines().filter(|line| line.contains("\"path\": \"/api/"));
        assert!(
            requests.clone().count() > 6
                && requests.clone().all(|line| line.to_lowercase().contains(&agent.to_lowercase())),
            "{log}"
        );
    });
}

#[test]
fn a_position_is_opened_seen_and_closed_with_its_profit_by_push_and_by_answer() {
    with_server(|server| async move {
        let adapter = adapter(&server, Duration::from_secs(10));
        let mut pushes = adapter.stream(vec![btc()]);
        until(&mut pushes, |push| matches!(push, Push::Connected)).await;
        until(&mut pushes, |push| matches!(push, Push::Quote(_))).await;
        let since = VenueTime::from_micros(Clock::wall().now().micros()).minus(Duration::from_secs(60));
        let entry = order("k-1", Intent::open(Side::Long), OrderType::Market);
        adapter.place(&entry, &Departure::default()).await.unwrap();
        until(&mut pushes, |push| matches!(push, Push::Position(position) if !position.contracts.is_zero())).await;
        let position = adapter.positions().await.unwrap().rows.remove(0);
        assert_eq!(position.frozen, Some(Contracts::ZERO));
        let mut exit =
            order("k-2", Intent::close(Side::Long), OrderType::ImmediateOrCancel(Price("49000".parse().unwrap())));
        exit.position_id = Some(position.venue_id);
        adapter.place(&exit, &Departure::default()).await.unwrap();
        let closing = |push: &Push| matches!(push, Push::Fill(fill) if fill.intent.reduces());
        let Push::Fill(pushed) = until(&mut pushes, closing).await else { unreachable!() };
        assert_eq!(adapter.positions().await.unwrap().rows, []);
        let fills = adapter.fills_since(&[btc()], since).await.unwrap().rows;
        let told = fills.iter().find(|fill| fill.intent.reduces()).unwrap();
        assert_eq!((told.profit, &told.id), (pushed.profit, &pushed.id));
        assert!(told.profit.is_some());
    });
}

#[test]
fn odd_rows_are_named_and_the_others_are_used() {
    with_server(|server| async move {
        let adapter = adapter(&server, Duration::from_secs(10));
        adapter.place(&order("k-1", Intent::open(Side::Long), OrderType::Market), &Departure::default()).await.unwrap();
        server.control("R['positions'] += [dict(positionId=7, symbol='币安人生_USDT', positionType=1, openType=1, state=1, holdVol=3), None]");
        let listing = adapter.positions().await.unwrap();
        assert_eq!(listing.rows.len(), 1);
        let named: Vec<_> = listing.unreadable.iter().map(|row| row.symbol.as_deref()).collect();
        assert_eq!(named, [Some("币安人生_USDT"), None]);
        server.control("R['orders'] += [dict(orderId='8', symbol='PEPE_USDT', vol=1, side=5, state=2, dealVol=0)]");
        let listing = adapter.open_orders().await.unwrap();
        assert!(listing.rows.is_empty() && !listing.is_whole_for(&Symbol::new("PEPE_USDT").unwrap()));
        assert!(listing.is_whole_for(&btc()));
        server.says("private/position/open_positions", 200, r#"{"success":true,"code":0,"data":null}"#, 1, JSON);
        assert_eq!(adapter.positions().await.unwrap().rows, []);
    });
}

#[test]
fn refusals_say_what_is_known_of_a_placement_and_no_more() {
    with_server(|server| async move {
        let adapter = adapter(&server, Duration::from_secs(10));
        let mut pushes = adapter.stream(vec![btc()]);
        until(&mut pushes, |push| matches!(push, Push::Connected)).await;
        let no = |code: i32| format!(r#"{{"success":false,"code":{code},"message":"because"}}"#);
        for (at, (status, body, kind, class, refusal)) in [
            (200, no(6008), JSON, ErrorClass::Ambiguous, Refusal::Unspecified),
            (200, no(123_456), JSON, ErrorClass::Ambiguous, Refusal::Unspecified),
            (403, "<html>Access Denied</html>".into(), "text/html", ErrorClass::Ambiguous, Refusal::Edge),
            (200, no(2078), JSON, ErrorClass::Fatal, Refusal::BeyondLiquidation),
            (200, no(510), JSON, ErrorClass::Retryable, Refusal::TooFrequent),
        ]
        .into_iter()
        .enumerate()
        {
            server.says(CREATE, status, &body, 1, kind);
            let exit = order(&format!("k-{at}"), Intent::close(Side::Long), OrderType::Market);
            let error = adapter.place(&exit, &Departure::default()).await.unwrap_err();
            assert_eq!((error.class, error.refusal), (class, refusal), "{status} {body}: {error}");
        }
        until(
            &mut pushes,
            |push| matches!(push, Push::Silenced { call, calls: CallGroup::Placements, .. } if call == "place order"),
        )
        .await;
        server.says("private/order/list/open_orders", 403, "<html>Access Denied</html>", 1, "text/html");
        let error = adapter.open_orders().await.unwrap_err();
        assert_eq!((error.class, error.refusal), (ErrorClass::Retryable, Refusal::Edge));
        adapter.open_orders().await.unwrap();
    });
}

#[test]
fn an_exchange_45_seconds_ahead_is_signed_for_and_prices_come_at_once() {
    with_server(|server| async move {
        server.control("global now\nnow = lambda: int(time.time() * 1000) + 45000");
        let adapter = adapter(&server, Duration::from_secs(10));
        let started = Instant::now();
        let mut pushes = adapter.stream(vec![btc()]);
        let Push::Clock(offset) = until(&mut pushes, |push| matches!(push, Push::Clock(_))).await else {
            unreachable!()
        };
        assert!(offset.offset_us.abs_diff(45_000_000) < 1_000_000, "{offset:?}");
        until(&mut pushes, |push| matches!(push, Push::Quote(_))).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        adapter.place(&resting("k-1"), &Departure::default()).await.unwrap();
        // It moves while the session runs: one refusal, then right again.
        server.control("global now\nnow = lambda: int(time.time() * 1000) - 45000");
        let error = adapter.place(&resting("k-2"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.refusal), (ErrorClass::Retryable, Refusal::ClockWrong));
        // The third placement within two seconds: without a slot it never leaves, and comes again.
        while let Err(error) = adapter.place(&resting("k-2"), &Departure::default()).await {
            assert_eq!((error.class, error.refusal), (ErrorClass::NeverLeft, Refusal::NoSlot), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        until(&mut pushes, |push| matches!(push, Push::Clock(offset) if offset.offset_us < 0)).await;
    });
}

#[test]
fn a_lost_answer_is_unknown_and_the_order_is_found_by_our_id() {
    with_server(|server| async move {
        let adapter = adapter(&server, Duration::from_secs(2));
        adapter.contracts(&[btc()]).await.unwrap();
        server.control(
            "global create\nfirst = create\nasync def lost(b, bare):\n    await first(b, bare)\n    await asyncio.sleep(60)\ncreate = lost",
        );
        let error = adapter.place(&resting("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.counts), (ErrorClass::Ambiguous, true), "{error}");
        assert_eq!(adapter.order(&btc(), &id("k-1")).await.unwrap().unwrap().state, VenueOrderState::Resting);
    });
}
