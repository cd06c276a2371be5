//! Flatten, step by step (engine.md 6.14).

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, AlertKind, CommandStatus, Contracts, Control, FlattenStep, OrderNo, OrderState, OrderType, Purpose, Push,
    Severity, Side, VenueCapabilities, VenueOrderState,
};

use crate::harness::*;
use crate::position_sync::settle;

fn step(bench: &Bench) -> FlattenStep {
    bench.state().flatten.as_ref().unwrap().step
}

/// Answers the sync that proves zero.
fn verify_zero(bench: &mut Bench) {
    assert_eq!(step(bench), FlattenStep::VerifyZero);
    // The first answer is to a question that was out before; the next one was asked afterwards.
    for _ in 0..2 {
        bench.now = bench.now.plus(secs(1));
        bench.sync(Vec::new());
        bench.tick();
        if bench.state().flatten.is_none() {
            return;
        }
    }
}

#[test]
fn closes_leave_at_once_beside_the_cancels_of_entries() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let entry = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    bench.now = bench.now.plus(secs(1));
    let record = bench.command("f1", Action::Flatten);
    assert!(matches!(record.status, CommandStatus::Working { .. }));
    assert_eq!(bench.state().control, Control::Paused);
    assert_eq!(bench.cancelled()[0].no, entry);
    assert_eq!(step(&bench), FlattenStep::ClosePositions);
    let (close, _, place) = bench.placed().remove(0);
    assert!(place.intent.reduces());
    assert_eq!((place.order_type, place.contracts), (OrderType::Market, Contracts(d("100"))));
    assert_eq!(bench.order(close).purpose, Purpose::Flatten);
    bench.accept(close);
    bench.fill(close, "100", "50000");
    assert_eq!(step(&bench), FlattenStep::AwaitCancels, "an entry may still fill");
    bench.push_order(entry, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(step(&bench), FlattenStep::VerifyZero);
    assert!(!bench.command_status("f1").is_final(), "our own count is not the proof");
    verify_zero(&mut bench);
    bench.tick();
    assert!(bench.state().flatten.is_none());
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
    assert_eq!(bench.state().control, Control::Paused, "and stays paused");
    bench.check_replay();
}

#[test]
fn the_position_nearest_to_liquidation_goes_first() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "ETH_USDT", "sell", "0.1", "2000");
    let far = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    let near = bench.position_report("ETH_USDT", Side::Short, "1000", "2000", "2100", "66");
    bench.now = bench.now.plus(secs(5));
    bench.sync(vec![far, near]);
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let symbols: Vec<String> = bench.placed().iter().map(|(_, _, place)| place.symbol.to_string()).collect();
    assert_eq!(symbols, ["ETH_USDT", "BTC_USDT"]);
}

#[test]
fn an_unknown_entry_delays_no_close_but_the_end_until_it_is_proven() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let unknown = bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.lose(unknown);
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let closes = bench.placed();
    assert_eq!(closes.len(), 1);
    let close = closes[0].0;
    bench.accept(close);
    bench.fill(close, "100", "50000");
    bench.pass_quoted(secs(20));
    assert_eq!(step(&bench), FlattenStep::AwaitCancels, "an entry may still fill");
    let alert = &bench.alerts(AlertKind::FlattenIncomplete)[0];
    assert_eq!(alert.severity, Severity::Critical);
    assert!(alert.message.contains("unknown"), "{}", alert.message);
    // It was there, and filled.
    let report = bench.report(unknown, VenueOrderState::Filled, "1000", 2);
    bench.looked_up(unknown, Some(report));
    bench.fill(unknown, "1000", "2000");
    let closes = bench.placed();
    assert_eq!(closes.len(), 1, "what it filled is closed too");
    assert_eq!(closes[0].2.symbol, symbol("ETH_USDT"));
    bench.accept(closes[0].0);
    bench.fill(closes[0].0, "1000", "2000");
    verify_zero(&mut bench);
    bench.tick();
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
    assert!(!bench.alerts(AlertKind::FlattenIncomplete)[0].is_active());
}

#[test]
fn a_stuck_position_is_tried_again_and_told() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let mut closes: Vec<OrderNo> = bench.placed().iter().map(|(no, ..)| *no).collect();
    for _ in 0..5 {
        bench.refuse(*closes.last().unwrap(), refusal());
        let mut next = bench.placed();
        next.extend(placed(&bench.pass_quoted(std::time::Duration::from_millis(2100))));
        assert_eq!(next.len(), 1, "one order a round");
        closes.push(next[0].0);
    }
    assert_eq!(bench.alerts(AlertKind::FlattenIncomplete)[0].severity, Severity::Critical);
    assert!(bench.alerts(AlertKind::FlattenIncomplete)[0].message.contains("BTC_USDT"));
    let last = *closes.last().unwrap();
    bench.accept(last);
    bench.fill(last, "100", "50000");
    verify_zero(&mut bench);
    bench.tick();
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
}

#[test]
fn what_is_left_is_named_also_when_only_the_exchange_holds_it_or_does_not_answer() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let close = bench.placed()[0].0;
    bench.accept(close);
    bench.fill(close, "100", "50000");
    assert_eq!(step(&bench), FlattenStep::VerifyZero);
    // It shows what is not ours yet, and its fills are never told: nothing is open here.
    let held = bench.position_report("ETH_USDT", Side::Long, "1000", "2000", "1700", "66");
    bench.now = bench.now.plus(secs(1));
    bench.sync(vec![held.clone()]);
    bench.now = bench.now.plus(secs(1));
    bench.sync(vec![held]);
    bench.pass(secs(60));
    let alerts = bench.alerts(AlertKind::FlattenIncomplete);
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(!alert.message.contains(":  left"), "nothing is named: {}", alert.message);
        assert!(alert.message.contains("has not answered since"), "{}", alert.message);
    }
}

#[test]
fn zero_is_proven_only_by_an_answer_to_a_question_asked_afterwards() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    // The question of the periodic sync is out since the start.
    let asked_at = bench.state().upkeep.chore(perpdeck::model::Chore::SyncPositions).asked_at.unwrap();
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let close = bench.placed()[0].0;
    bench.accept(close);
    bench.now = bench.now.plus(secs(1));
    bench.fill(close, "100", "50000");
    assert_eq!(step(&bench), FlattenStep::VerifyZero);
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::Positions)), "asked again");
    let account = Ok(vec![account_of("10000")].into());
    bench.reply(Reply::Positions { asked_at, result: Ok(Vec::new().into()), account });
    bench.tick();
    assert_eq!(step(&bench), FlattenStep::VerifyZero, "that one was asked before the close");
    bench.sync(Vec::new());
    bench.tick();
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
}

#[test]
fn protective_orders_go_last() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let protection = bench.resting_exit("ze1", "BTC_USDT", "sell", "40%", "51000");
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let (close, _, place) = bench.placed().remove(0);
    assert_eq!(place.contracts, Contracts(d("60")));
    bench.accept(close);
    bench.fill(close, "60", "50000");
    bench.push_order(protection, VenueOrderState::Cancelled, "0", 2);
    let (rest, _, place) = bench.placed().remove(0);
    assert_eq!(place.contracts, Contracts(d("40")), "what the protection held is closed as well");
    bench.accept(rest);
    bench.fill(rest, "40", "50000");
    bench.pass_quoted(secs(3));
    verify_zero(&mut bench);
    bench.tick();
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
    assert_eq!(bench.state().orders.working_count(), 0);
}

#[test]
fn one_flatten_at_a_time_and_nothing_opens_during_it() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    assert!(matches!(bench.command("f2", Action::Flatten).status, CommandStatus::Rejected { .. }));
    assert!(matches!(bench.command("r1", Action::Resume).status, CommandStatus::Rejected { .. }));
    assert!(matches!(
        bench.signal("s2", "S1", "ETH_USDT", "buy", "0.01"),
        perpdeck::model::SignalOutcome::Rejected { .. }
    ));
}

#[test]
fn a_flatten_goes_on_after_a_restart() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    let close = bench.placed()[0].0;
    let mut again = bench.restarted();
    assert_eq!(again.state_of(close), OrderState::Unknown, "it was on its way");
    let held = again.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    again.answer_restart(vec![held]);
    assert!(!again.command_status("f1").is_final());
    let report = again.report(close, VenueOrderState::Filled, "100", 2);
    again.looked_up(close, Some(report));
    let second = again.state().orders.working().find(|order| order.no != close).unwrap().no;
    again.fill(close, "100", "50000");
    again.refuse(second, refusal());
    again.pass_quoted(secs(3));
    verify_zero(&mut again);
    again.tick();
    assert!(matches!(again.command_status("f1"), CommandStatus::Done { .. }));
}

#[test]
fn flat_already_is_done_after_the_proof() {
    let mut bench = Bench::ready();
    bench.now = bench.now.plus(secs(1));
    bench.command("f1", Action::Flatten);
    assert!(!bench.command_status("f1").is_final());
    verify_zero(&mut bench);
    bench.tick();
    assert!(matches!(bench.command_status("f1"), CommandStatus::Done { .. }));
}

#[test]
fn a_position_at_zero_of_which_fills_are_missing_is_waited_for_and_what_comes_is_closed() {
    let mut bench = Bench::ready();
    let entry = bench.enter("in", "BTC_USDT", "buy", "0.002");
    bench.accept(entry);
    bench.fill(entry, "10", "50000");
    let exit = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    // Ours closes the ten; ten more of the entry were filled before, as the exchange's word on the
    // position says, and their fill is late.
    let (missing, closed) = (bench.fill_of(entry, "10", "50000"), bench.fill_of(exit, "10", "50000"));
    bench.pass(Duration::from_millis(10));
    let held = bench.position_report("BTC_USDT", Side::Long, "10", "50000", "1", "100");
    bench.push(Push::Position(held));
    bench.push(Push::Fill(closed));
    let open = bench.position("BTC_USDT", Side::Long).expect("it waits for what is missing");
    assert!(open.contracts.is_zero());

    bench.command("f", Action::Flatten);
    assert!(matches!(bench.command_status("f"), CommandStatus::Working { .. }));
    let waits: Vec<_> = bench.state().targets.values().map(|target| target.waits_for.clone().unwrap()).collect();
    assert_eq!(waits, ["the exchange to say that nothing is left of BTC_USDT LONG"]);

    bench.asked_so_far.clear();
    bench.push(Push::Fill(missing));
    let closes: Vec<_> = placed(&bench.asked_so_far).iter().map(|(_, _, place)| place.contracts).collect();
    assert_eq!(closes, [Contracts(d("10"))], "what came late is closed");
    bench.check_replay();
}

/// The exchange takes so many placements in so long; each leg needs one.
#[test]
fn a_hundred_legs_reach_zero_at_the_pace_that_the_exchange_allows() {
    for positions_are_told in [true, false] {
        a_hundred_legs(positions_are_told);
    }
}

fn a_hundred_legs(positions_are_told: bool) {
    const A_WINDOW: usize = 3;
    let window = secs(2);
    let capabilities =
        VenueCapabilities { placements: Some(A_WINDOW), placement_window: window, ..VenueCapabilities::default() };
    let bench = Bench::ready();
    let mut bench = Bench { engine: bench.engine.with_capabilities(capabilities), ..bench };
    let names: Vec<String> = (0..50).map(|n| format!("C{n}_USDT")).collect();
    bench.reply(Reply::Contracts { result: Ok(names.iter().map(|name| contract(name)).collect()) });
    let legs: Vec<(&String, Side)> = names.iter().flat_map(|name| [(name, Side::Long), (name, Side::Short)]).collect();
    let report = |bench: &Bench, (name, side): &(&String, Side)| {
        let liquidation = if *side == Side::Long { "40000" } else { "60000" };
        bench.position_report(name, *side, "10", "50000", liquidation, "10")
    };
    for name in &names {
        bench.quote(name, "50000");
    }
    let reports = legs.iter().map(|leg| report(&bench, leg)).collect();
    settle(&mut bench, reports);
    assert_eq!(bench.state().positions.open_count(), legs.len());

    bench.asked_so_far.clear();
    let begin = bench.now;
    bench.command("f1", Action::Flatten);
    let mut sent = 0;
    while bench.state().positions.open_count() > 0 {
        for request in std::mem::take(&mut bench.asked_so_far) {
            match request {
                Request::Place { no, order, .. } => {
                    sent += 1;
                    bench.accept(no);
                    bench.fill(no, &order.contracts.to_string(), "50000");
                }
                Request::Positions if positions_are_told => {
                    let open = legs.iter().filter(|(name, side)| bench.position(name, *side).is_some());
                    let reports = open.map(|leg| report(&bench, leg)).collect();
                    bench.sync(reports);
                }
                _ => {}
            }
        }
        bench.now = bench.now.plus(Duration::from_millis(20));
        bench.tick();
        assert!(bench.now.since(begin) < secs(120), "{} legs are left", bench.state().positions.open_count());
    }
    let took = bench.now.since(begin);
    let allowed = window * u32::try_from((legs.len() - 1) / A_WINDOW).unwrap();
    println!("{} legs at zero after {took:?}; the exchange's limits allow {allowed:?}", legs.len());
    assert_eq!(sent, legs.len(), "one close each");
    assert!(took <= allowed.mul_f64(1.02) + Duration::from_millis(100), "{took:?}, allowed {allowed:?}");
}
