//! Orders per second through risk gate and order manager: from a parsed signal to the request that
//! leaves, and the whole life of an order (accepted, partly filled, cancelled).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use perpdeck::config::Settings;
use perpdeck::engine::{Input, Out, Reply, Request};
use perpdeck::model::{
    Category, Decimal, Intent, OrderReport, Push, RawSignal, Refusal, SessionTime, Side, Symbol, VenueOrderId,
    VenueOrderState, VenueTime, mul,
};

use crate::fixture;
use crate::report::{Table, per_second, rate};

const ORDERS: u64 = 200_000;
const BATCH: u64 = 800;

pub fn run(table: &mut Table) {
    let (submit, life) = engine();
    let reference = naive();
    let (submit_rate, reference_rate) = (rate(ORDERS, submit), rate(ORDERS, reference));
    table.row(
        "orders through risk and order manager (signal to request)",
        per_second(submit_rate),
        format!("{} (a hash-map insert and six decimal comparisons)", per_second(reference_rate)),
        "500 thousand/s",
        submit_rate >= 500_000.0,
    );
    table.row(
        "whole life of an order (signal, acceptance, cancel, end)",
        per_second(rate(ORDERS, life)),
        format!("{} (the same)", per_second(reference_rate)),
        "-",
        true,
    );
}

fn engine() -> (Duration, Duration) {
    let mut now = SessionTime::from_secs(1_767_225_600);
    let mut settings = Settings::default();
    settings.orders.max_working = 1_000;
    settings.risk.max_position_pct = Decimal::from(50);
    settings.risk.symbol_concentration_pct = Decimal::from(90);
    let mut engine = fixture::ready(settings, &["BTC_USDT"], now);
    let symbol = Symbol::new("BTC_USDT").unwrap();
    let mut out = Out::default();
    let (mut submit, mut life) = (Duration::ZERO, Duration::ZERO);
    let mut made = 0;
    while made < ORDERS {
        let signals: Vec<Box<RawSignal>> =
            (0..BATCH).map(|n| Box::new(fixture::entry(format!("s{}", made + n), "BTC_USDT"))).collect();
        now = now.plus(Duration::from_millis(1));
        engine.step(now, Input::Push(Box::new(fixture::quote("BTC_USDT", "50000", now))), &mut out);
        out.clear();
        let begun = Instant::now();
        for signal in signals {
            engine.step(now, Input::Signal(signal), &mut out);
        }
        let sent = begun.elapsed();
        submit += sent;
        let placed: Vec<_> = out
            .requests
            .drain(..)
            .map(|request| match request {
                Request::Place { no, attempt, order } => (no, attempt, order),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(placed.len() as u64, BATCH, "every signal must become an order: {:?}", out.events.last());
        out.clear();
        let inputs: Vec<Input> = placed
            .iter()
            .flat_map(|(no, attempt, order)| {
                let venue_id = VenueOrderId::new(&format!("81421808341{:08}", no.0)).unwrap();
                let report = OrderReport {
                    venue_id: venue_id.clone(),
                    client_id: Some(order.client_id.clone()),
                    symbol: symbol.clone(),
                    intent: Intent::open(Side::Long),
                    state: VenueOrderState::Cancelled,
                    contracts: order.contracts,
                    filled: perpdeck::model::Contracts::ZERO,
                    average_price: None,
                    category: Category::Normal,
                    error_code: 0,
                    refusal: Refusal::Unspecified,
                    version: 2,
                    updated_at: VenueTime::from_micros(now.micros()),
                    created_at: None,
                    limit: None,
                };
                [
                    Input::Reply(Box::new(Reply::Placed { no: *no, attempt: *attempt, result: Ok(venue_id) })),
                    Input::Push(Box::new(Push::Order(report))),
                ]
            })
            .collect();
        let begun = Instant::now();
        for input in inputs {
            engine.step(now, input, &mut out);
        }
        life += sent + begun.elapsed();
        out.clear();
        assert_eq!(engine.state().orders.working_count(), 0);
        made += BATCH;
        if made % (BATCH * 16) == 0 {
            // What a session forgets after an hour is forgotten here too, outside the clock.
            now = now.plus(Duration::from_secs(3_700));
            engine.step(now, Input::Tick, &mut out);
            let reply = Reply::Positions {
                asked_at: now,
                result: Ok(Vec::new().into()),
                account: Ok(vec![fixture::account("100000000")].into()),
            };
            engine.step(now, Input::Reply(Box::new(reply)), &mut out);
            out.clear();
        }
    }
    (submit, life)
}

/// What any order manager has to do at least: find the order by its id, and compare six numbers.
fn naive() -> Duration {
    let ids: Vec<String> = (0..ORDERS).map(|n| format!("bench001-{n}")).collect();
    let (price, quantity, limit) = (fixture::d("50000.1"), fixture::d("0.01"), fixture::d("10000"));
    let mut orders: HashMap<String, Decimal> = HashMap::new();
    let mut exposure = Decimal::ZERO;
    let begun = Instant::now();
    for id in ids {
        let notional = mul(price, quantity);
        let fits = (1..=6).all(|n| notional < mul(limit, Decimal::from(n)));
        if fits && !orders.contains_key(&id) {
            exposure += notional;
            orders.insert(id, notional);
        }
    }
    let time = begun.elapsed();
    assert!(orders.len() as u64 == ORDERS && exposure > Decimal::ZERO);
    time
}
