//! Exits with a price stand as well: placed again until they rest, kept while they rest, never larger
//! than what is held, and withdrawn by their cancel.

use std::time::Duration;

use perpdeck::model::{
    Action, AlertKind, CallError, Contracts, ErrorClass, OrderNo, OrderState, OrderType, PositionReport, Price, Push,
    RawSignal, Refusal, Severity, Side, VenueOrderState,
};

use crate::harness::*;

fn refused_as(class: ErrorClass, refusal: Refusal) -> CallError {
    CallError { class, counts: false, code: Some(1), refusal, message: format!("refused: {refusal:?}") }
}

fn long() -> Bench {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("100"));
    bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
    tell(&mut bench, "100", 1);
    bench.asked_so_far.clear();
    bench
}

fn tell(bench: &mut Bench, contracts: &str, version: u64) {
    let report = bench.position_report("BTC_USDT", Side::Long, contracts, "50000", "34000", "166");
    bench.push(Push::Position(PositionReport { version, ..report }));
}

fn priced(bench: &mut Bench, id: &str, kind: &str, amount: &str, price: &str) -> OrderNo {
    bench.signal_raw(RawSignal { price: Some(price.to_owned()), ..raw(id, kind, "BTC_USDT", "sell", amount) });
    ordered(bench.outcome(id))
}

fn resting(bench: &Bench) -> Vec<(Contracts, OrderState)> {
    let working = bench.state().orders.working().filter(|order| order.reduces());
    working.map(|order| (order.contracts, order.state)).collect()
}

#[test]
fn no_kind_of_refusal_ends_an_exit_with_a_price() {
    let kinds = [
        (ErrorClass::Retryable, Refusal::TooFrequent),
        (ErrorClass::Retryable, Refusal::Maintenance),
        (ErrorClass::Fatal, Refusal::MarketClosed),
        (ErrorClass::Fatal, Refusal::ClosableTooSmall),
        (ErrorClass::Fatal, Refusal::TooLarge),
        (ErrorClass::Fatal, Refusal::PriceBand),
        (ErrorClass::Fatal, Refusal::PositionMode),
        (ErrorClass::Fatal, Refusal::Unspecified),
        (ErrorClass::NeverLeft, Refusal::NoSlot),
        (ErrorClass::NeverLeft, Refusal::Journal),
        (ErrorClass::AccessRefused, Refusal::Access),
    ];
    for (kind, amount) in [("E1", ""), ("ZE1", "60%")] {
        for (class, refusal) in kinds {
            let mut bench = long();
            let first = priced(&mut bench, "tp", kind, amount, "51000");
            let wanted = bench.order(first).contracts;
            let mut sent = 0;
            for _ in 0..300 {
                for (no, ..) in placed(&std::mem::take(&mut bench.asked_so_far)) {
                    sent += 1;
                    bench.refuse(no, refused_as(class, refusal));
                }
                bench.pass_quoted(Duration::from_millis(100));
            }
            // What is too large goes out in parts, each with its own tries.
            let most = if refusal == Refusal::TooLarge { 45 } else { 30 };
            assert!((1..=most).contains(&sent), "{class:?} {refusal:?}: {sent} orders in 30 s");
            let told = bench.alerts(AlertKind::ExitRefused);
            assert!(told[0].is_active() && told[0].severity == Severity::Critical, "{class:?} {refusal:?}: {told:?}");
            // It goes on for as long as it takes, then it rests, whole.
            for _ in 0..130 {
                for (no, _, place) in placed(&std::mem::take(&mut bench.asked_so_far)) {
                    assert_eq!(place.order_type, OrderType::Limit(Price(d("51000"))));
                    bench.accept(no);
                    bench.push_order(no, VenueOrderState::Resting, "0", 1);
                }
                bench.pass_quoted(Duration::from_millis(500));
            }
            let rests: Contracts = resting(&bench).into_iter().map(|(contracts, _)| contracts).sum();
            assert_eq!(rests, wanted, "{class:?} {refusal:?}: {:?}", resting(&bench));
            assert!(resting(&bench).iter().all(|(_, state)| *state == OrderState::Submitted), "it does not time out");
            assert!(!bench.alerts(AlertKind::ExitRefused)[0].is_active());
            bench.check_replay();
        }
    }
}

#[test]
fn what_the_exchange_ends_of_its_own_is_placed_again_and_what_a_person_cancels_is_not() {
    let mut bench = long();
    let no = priced(&mut bench, "tp", "E1", "", "51000");
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Resting, "0", 1);
    bench.asked_so_far.clear();
    let mut ended = bench.report(no, VenueOrderState::Cancelled, "0", 2);
    (ended.error_code, ended.refusal) = (10, Refusal::RiskLimit);
    bench.push(Push::Order(ended));
    bench.pass_quoted(secs(3));
    let again = placed(&std::mem::take(&mut bench.asked_so_far));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].2.contracts, Contracts(d("100")));
    bench.accept(again[0].0);
    // By hand at the exchange: no reason is given.
    bench.push_order(again[0].0, VenueOrderState::Cancelled, "0", 2);
    assert!(placed(&bench.pass_quoted(secs(30))).is_empty());
    assert!(resting(&bench).is_empty());
    // By an operator here, while it waits for its next try.
    let third = priced(&mut bench, "tp3", "ZE1", "50%", "51000");
    bench.refuse(third, refused_as(ErrorClass::Retryable, Refusal::Maintenance));
    bench.command("c", Action::Cancel { orders: vec![third] });
    assert!(placed(&bench.pass_quoted(secs(30))).is_empty());
    assert!(resting(&bench).is_empty());
}

#[test]
fn a_position_that_shrinks_makes_its_resting_exits_smaller_and_one_that_is_gone_ends_them() {
    let mut bench = long();
    let first = priced(&mut bench, "tp1", "ZE1", "50%", "51000");
    bench.accept(first);
    let second = priced(&mut bench, "tp2", "ZE1", "50%", "52000");
    bench.accept(second);
    // Deleveraged to 70, and the exchange says so.
    let close = perpdeck::model::Intent::close(Side::Long);
    let fill = bench.foreign_fill("BTC_USDT", close, "30", "50000", perpdeck::model::Category::Adl);
    bench.push(Push::Fill(fill));
    tell(&mut bench, "70", 2);
    bench.asked_so_far.clear();
    bench.pass_quoted(secs(1));
    let cancelled = cancels(&bench.asked_so_far);
    assert_eq!(cancelled.iter().map(|order| order.no).collect::<Vec<_>>(), [second], "the last one gives way");
    bench.push_order(second, VenueOrderState::Cancelled, "0", 2);
    bench.pass_quoted(secs(2));
    let again = placed(&bench.asked_so_far);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(
        (again[0].2.contracts, again[0].2.order_type),
        (Contracts(d("20")), OrderType::Limit(Price(d("52000"))))
    );
    bench.accept(again[0].0);
    // Gone: nothing of it rests on, to close what is opened later.
    let fill = bench.foreign_fill("BTC_USDT", close, "70", "50000", perpdeck::model::Category::Adl);
    bench.push(Push::Fill(fill));
    tell(&mut bench, "0", 3);
    bench.asked_so_far.clear();
    bench.pass_quoted(secs(1));
    let mut cancelled: Vec<OrderNo> = cancels(&bench.asked_so_far).iter().map(|order| order.no).collect();
    cancelled.sort();
    assert_eq!(cancelled, [first, again[0].0]);
}

#[test]
fn a_refused_exit_with_a_price_survives_a_restart() {
    let mut bench = long();
    let no = priced(&mut bench, "tp", "E1", "", "51000");
    bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::MarketClosed));
    let mut again = bench.restarted();
    let report = again.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    again.answer_restart(vec![report]);
    again.pass_quoted(secs(15));
    assert_eq!(placed(&again.asked_so_far).len(), 1);
}

#[test]
fn an_emergency_exit_ignores_its_price_and_says_so() {
    let mut bench = long();
    let no = priced(&mut bench, "out", "EMERGENCY_EXIT", "", "51000");
    assert_eq!(bench.order(no).order_type, OrderType::Market);
    let told = bench.alerts(AlertKind::SignalRefused);
    assert!(told[0].message.contains("51000") && told[0].message.contains("market"), "{told:?}");
    assert!(bench.state().target(&key("BTC_USDT", Side::Long)).is_some());
}

#[test]
fn an_exit_with_a_price_that_the_exchange_took_and_knows_no_longer_is_placed_anew() {
    let mut bench = long();
    let first = priced(&mut bench, "tp", "ZE1", "60%", "51000");
    bench.accept(first);
    for _ in 0..400 {
        bench.pass_quoted(Duration::from_millis(100));
        for request in std::mem::take(&mut bench.asked_so_far) {
            match request {
                perpdeck::engine::Request::OpenOrders => bench.open_orders(Vec::new()),
                perpdeck::engine::Request::Lookup { no, .. } => bench.looked_up(no, None),
                _ => {}
            }
        }
        if bench.state_of(first) == OrderState::Failed {
            break;
        }
    }
    assert_eq!(bench.state_of(first), OrderState::Failed, "{:?}", bench.order(first));
    let again = bench.pass_quoted(secs(2));
    let sent = placed(&again);
    assert_eq!(sent.len(), 1, "it stands until it rests");
    assert_eq!(
        (sent[0].2.contracts, sent[0].2.order_type),
        (bench.order(first).contracts, bench.order(first).order_type)
    );
    bench.check_replay();
}
