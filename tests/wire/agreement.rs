//! Pushes and polling agree: what each alone says of the same session is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{
    AccountReport, FillId, FillReport, Intent, OrderReport, PlaceOrder, PositionKey, PositionReport, Push, Side,
    VenueOrderId, VenueOrderState,
};

use super::simulated::{Simulated, market, until};
use super::stub::{cancel, exit, in_turn, paused, symbol};

/// What is known of the account, from wherever.
#[derive(Debug, Default, PartialEq)]
struct Known {
    orders: BTreeMap<VenueOrderId, OrderReport>,
    fills: BTreeMap<FillId, FillReport>,
    positions: BTreeMap<PositionKey, PositionReport>,
    account: Option<AccountReport>,
}

impl Known {
    /// The one way in, for pushes and answers alike: newer versions win, fills count once.
    fn order(&mut self, order: OrderReport) {
        let known = self.orders.entry(order.venue_id.clone()).or_insert_with(|| order.clone());
        if order.version >= known.version {
            *known = order;
        }
    }

    fn fill(&mut self, fill: FillReport) {
        // Answers do not carry the client id; the order does.
        self.fills.insert(fill.id.clone(), FillReport { client_id: None, ..fill });
    }

    fn position(&mut self, position: PositionReport) {
        // What resting orders hold changes without a push about the position.
        let position = PositionReport { frozen: None, ..position };
        let known = self.positions.entry(position.key.clone()).or_insert_with(|| position.clone());
        if position.version >= known.version {
            *known = position;
        }
        self.positions.retain(|_, position| !position.contracts.is_zero());
    }

    fn account(&mut self, account: &AccountReport) {
        self.account = Some(AccountReport { equity: None, unrealised: None, ..account.clone() });
    }
}

/// Trades for a while: entries on both legs of two symbols, partial and whole exits, cancels.
async fn trade(simulated: &Simulated) {
    let adapter = &simulated.adapter;
    let far = simulated.price("95").await;
    let on = |order: PlaceOrder, name: &str, intent: Intent| PlaceOrder { symbol: symbol(name), intent, ..order };
    for round in 0..5u64 {
        let id = |kind: &str| format!("{kind}-{round}");
        in_turn(adapter, &market(&id("a"))).await.unwrap();
        in_turn(adapter, &on(market(&id("b")), "ETH_USDT", Intent::open(Side::Short))).await.unwrap();
        let resting =
            PlaceOrder { order_type: perpdeck::model::OrderType::Limit(far), ..market(&format!("k-{round}")) };
        let venue_id = in_turn(adapter, &resting).await.unwrap();
        simulated.seconds(1).await;
        if round % 2 == 0 {
            adapter.cancel(&[cancel(round, Some(venue_id.as_str()))]).await.unwrap();
        }
        let mut closing = on(exit(&id("c")), "ETH_USDT", Intent::close(Side::Short));
        closing.contracts = perpdeck::model::Contracts(super::stub::dec("7"));
        adapter.place(&closing, &Departure::default()).await.unwrap();
        simulated.seconds(2).await;
    }
}

fn compare(scenario: &str, fault: Option<&str>) {
    paused(async {
        let simulated = Simulated::open(scenario).await;
        let begun = simulated.venue_now();
        let mut stream = simulated.adapter.stream(vec![symbol("BTC_USDT"), symbol("ETH_USDT")]);
        until(&mut stream, |push| matches!(push, Push::Connected)).await;
        if let Some(fault) = fault {
            simulated.fault(fault).await;
        }
        trade(&simulated).await;

        let mut pushed = Known::default();
        let drained = tokio::time::Instant::now() + Duration::from_secs(3);
        while let Ok(push) = tokio::time::timeout_at(drained, stream.recv()).await {
            match push.unwrap() {
                Push::Order(order) => pushed.order(order),
                Push::Fill(fill) => pushed.fill(fill),
                Push::Position(position) => pushed.position(position),
                Push::Account(account) => pushed.account(&account),
                Push::Disconnected { reason, .. }
                | Push::Skipped { last: reason, .. }
                | Push::Failed { what: reason } => panic!("{reason}"),
                Push::Quote(_)
                | Push::Clock(_)
                | Push::Mode(_)
                | Push::Silenced { .. }
                | Push::LiquidationNotice { .. }
                | Push::Connected => {}
            }
        }

        let mut polled = Known::default();
        let adapter = &simulated.adapter;
        for order in pushed.orders.values() {
            let client_id = order.client_id.clone().unwrap();
            polled.order(adapter.order(&order.symbol, &client_id).await.unwrap().unwrap());
        }
        for order in adapter.open_orders().await.unwrap().rows {
            assert_eq!(order.state, VenueOrderState::Resting);
            polled.order(order);
        }
        for fill in adapter.fills_since(&[symbol("BTC_USDT"), symbol("ETH_USDT")], begun).await.unwrap().rows {
            polled.fill(fill);
        }
        for position in adapter.positions().await.unwrap().rows {
            polled.position(position);
        }
        polled.account(&adapter.account().await.unwrap().rows[0]);

        assert!(pushed.orders.len() == 20 && pushed.fills.len() >= 15 && pushed.positions.len() == 2, "{pushed:?}");
        assert_eq!(pushed.orders, polled.orders);
        assert_eq!(pushed.fills, polled.fills);
        assert_eq!(pushed.positions, polled.positions);
        assert_eq!(pushed.account, polled.account);
        assert_eq!(adapter.stream_health().skipped(), 0);
    });
}

#[test]
fn pushes_and_polling_lead_to_the_same_facts() {
    compare("calm", None);
}

#[test]
fn they_still_do_when_pushes_come_twice_or_out_of_order() {
    compare("calm", Some(r#"{"kind":"ws_duplicate"}"#));
    compare("calm", Some(r#"{"kind":"ws_reorder"}"#));
}
