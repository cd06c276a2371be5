//! Exits are targets: they go on until the position is where it is wanted (engine.md 8.2, 8.3).

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, AlertKind, CallError, CallGroup, CommandStatus, Contracts, Control, ErrorClass, OrderState, OrderType,
    Price, Push, Refusal, Severity, Side, SignalOutcome, VenueCapabilities, VenueOrderState,
};

use crate::harness::*;

fn refused_as(class: ErrorClass, refusal: Refusal) -> CallError {
    CallError { class, counts: false, code: Some(1), refusal, message: format!("refused: {refusal:?}") }
}

fn held(bench: &Bench) -> Option<Contracts> {
    bench.position("BTC_USDT", Side::Long).map(|position| position.contracts)
}

fn long(contracts: &str) -> Bench {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("100"));
    let quantity = d(contracts) * d("0.0001");
    bench.open_position("in", "BTC_USDT", "buy", &quantity.normalize().to_string(), "50000");
    bench
}

/// An exchange with this pace.
fn paced(bench: Bench, placements: usize) -> Bench {
    let capabilities =
        VenueCapabilities { placements: Some(placements), placement_window: secs(2), ..VenueCapabilities::default() };
    Bench { engine: bench.engine.with_capabilities(capabilities), ..bench }
}

/// Lets time pass and fills every exit that goes out, whole.
fn fill_what_leaves(bench: &mut Bench, time: Duration) {
    let end = bench.now.plus(time);
    while bench.now < end {
        bench.pass_quoted(Duration::from_millis(100));
        for (no, _, place) in placed(&std::mem::take(&mut bench.asked_so_far)) {
            bench.accept(no);
            bench.fill(no, &place.contracts.to_string(), "50000");
        }
    }
}

#[test]
fn f1_what_one_order_may_not_hold_is_closed_in_parts_side_by_side() {
    let mut bench = long("100");
    let mut spec = contract("BTC_USDT");
    spec.max_contracts = Contracts(d("30"));
    bench.reply(Reply::Contracts { result: Ok(vec![spec]) });
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    let parts: Vec<_> = bench.placed();
    let sizes: Vec<String> = parts.iter().map(|(_, _, place)| place.contracts.to_string()).collect();
    assert_eq!(sizes, ["30", "30", "30", "10"]);
    for (no, _, place) in parts {
        bench.accept(no);
        bench.fill(no, &place.contracts.to_string(), "50000");
    }
    assert_eq!(held(&bench), None);
    assert!(bench.state().targets.is_empty());
    bench.check_replay();
}

#[test]
fn what_the_exchange_calls_too_large_is_halved_until_it_takes_it() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::TooLarge));
    bench.asked_so_far.clear();
    bench.pass_quoted(secs(1));
    let sizes: Vec<String> =
        placed(&bench.asked_so_far).iter().map(|(_, _, place)| place.contracts.to_string()).collect();
    assert_eq!(sizes, ["50", "50"]);
}

#[test]
fn f4_no_kind_of_refusal_ends_an_exit_and_the_pace_stays_civil() {
    let kinds = [
        (ErrorClass::Retryable, Refusal::TooFrequent),
        (ErrorClass::Retryable, Refusal::Maintenance),
        (ErrorClass::Retryable, Refusal::ClockWrong),
        (ErrorClass::Retryable, Refusal::MarketClosed),
        (ErrorClass::Retryable, Refusal::CloseInProgress),
        (ErrorClass::Ambiguous, Refusal::Edge),
        (ErrorClass::Ambiguous, Refusal::Internal),
        (ErrorClass::Ambiguous, Refusal::Unspecified),
        (ErrorClass::Fatal, Refusal::ClosableTooSmall),
        (ErrorClass::Fatal, Refusal::PositionMode),
        (ErrorClass::Fatal, Refusal::TooManyOrders),
        (ErrorClass::Fatal, Refusal::BeyondLiquidation),
        (ErrorClass::Fatal, Refusal::Unspecified),
        (ErrorClass::NeverLeft, Refusal::NoSlot),
    ];
    for (class, refusal) in kinds {
        let mut bench = long("100");
        bench.asked_so_far.clear();
        bench.signal("out", "E1", "BTC_USDT", "sell", "");
        let mut sent = 0;
        for _ in 0..200 {
            for (no, ..) in placed(&std::mem::take(&mut bench.asked_so_far)) {
                sent += 1;
                bench.refuse(no, refused_as(class, refusal));
            }
            bench.pass_quoted(Duration::from_millis(100));
        }
        assert!((8..=20).contains(&sent), "{class:?} {refusal:?}: {sent} orders in 20 s");
        let target = bench.state().target(&key("BTC_USDT", Side::Long)).unwrap();
        assert!(target.waits_for.as_ref().is_some_and(|what| what.contains("refused")), "{target:?}");
        let alert = &bench.alerts(AlertKind::ExitRefused)[0];
        assert!(alert.severity == Severity::Critical && alert.is_active() && alert.count == 1, "{alert:?}");
        fill_what_leaves(&mut bench, secs(3));
        assert_eq!(held(&bench), None, "{class:?} {refusal:?}");
        assert!(!bench.alerts(AlertKind::ExitRefused)[0].is_active());
        bench.check_replay();
    }
}

#[test]
fn a_refused_key_is_told_at_once_and_tried_once_a_minute() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::AccessRefused, Refusal::Access));
    assert!(bench.alerts(AlertKind::ExitRefused)[0].is_active());
    assert!(placed(&bench.pass_quoted(secs(59))).is_empty());
    assert_eq!(placed(&bench.pass_quoted(secs(2))).len(), 1);
}

#[test]
fn a_partial_exit_never_closes_too_much_whatever_becomes_of_its_answers() {
    let mut bench = long("100");
    let no = ordered(bench.signal("part", "ZE1", "BTC_USDT", "sell", "40%"));
    bench.lose(no);
    assert!(placed(&bench.pass_quoted(secs(5))).is_empty(), "it may have arrived");
    // It had: the fill comes late, and nothing more goes out.
    bench.fill(no, "40", "50000");
    assert_eq!(held(&bench), Some(Contracts(d("60"))));
    assert!(placed(&bench.pass_quoted(secs(20))).is_empty());
    assert!(bench.state().targets.is_empty());
}

#[test]
fn reductions_compound_and_flat_wins_over_all() {
    let mut bench = long("100");
    bench.signal("a", "ZE1", "BTC_USDT", "sell", "50%");
    bench.signal("b", "ZE1", "BTC_USDT", "sell", "50%");
    let target = bench.state().target(&key("BTC_USDT", Side::Long)).unwrap();
    assert_eq!(target.to, Contracts(d("25")), "50 % twice leaves a quarter");
    bench.signal("c", "E1", "BTC_USDT", "sell", "");
    assert!(bench.state().target(&key("BTC_USDT", Side::Long)).unwrap().is_flat());
    let outcome = bench.signal("d", "ZE1", "BTC_USDT", "sell", "10%");
    assert!(reason(&outcome).contains("being closed already"), "{outcome:?}");
    let outcome = bench.signal("e", "S1", "BTC_USDT", "buy", "0.001");
    assert!(reason(&outcome).contains("is being closed"), "{outcome:?}");
}

#[test]
fn a_person_can_withdraw_a_target_and_nothing_else_goes_out() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::Retryable, Refusal::Maintenance));
    let action = Action::WithdrawExit { symbol: symbol("BTC_USDT"), side: Side::Long };
    assert!(matches!(bench.command("w", action.clone()).status, CommandStatus::Done { .. }));
    assert!(placed(&bench.pass_quoted(secs(10))).is_empty());
    assert_eq!(held(&bench), Some(Contracts(d("100"))));
    assert!(matches!(bench.command("w2", action).status, CommandStatus::Rejected { .. }));
}

#[test]
fn a_target_is_bound_to_its_opening() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::Retryable, Refusal::Maintenance));
    // Somebody else closes it, and opens another.
    let close = perpdeck::model::Intent::close(Side::Long);
    let fill = bench.foreign_fill("BTC_USDT", close, "100", "50000", perpdeck::model::Category::Normal);
    bench.push(Push::Fill(fill));
    assert!(bench.state().targets.is_empty());
    let open = perpdeck::model::Intent::open(Side::Long);
    let fill = bench.foreign_fill("BTC_USDT", open, "50", "50000", perpdeck::model::Category::Normal);
    bench.push(Push::Fill(fill));
    assert!(placed(&bench.pass_quoted(secs(10))).is_empty(), "that one needs a new wish");
}

#[test]
fn f5_beyond_liquidation_it_goes_out_as_a_limit_on_our_side_of_it() {
    let mut bench = long("100");
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "49500", "10");
    bench.now = bench.now.plus(secs(5));
    bench.sync(vec![report]);
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::BeyondLiquidation));
    let again = placed(&bench.pass_quoted(secs(1)));
    assert_eq!(again[0].2.order_type, OrderType::ImmediateOrCancel(Price(d("49500.1"))));
    // It finds nobody: it is repeated, at a limit made anew, as long as liquidation is so near.
    bench.accept(again[0].0);
    let mut report = bench.report(again[0].0, VenueOrderState::Cancelled, "0", 3);
    report.refusal = Refusal::RestCancelled;
    bench.push(Push::Order(report));
    bench.quote("BTC_USDT", "50100");
    let third = placed(&bench.pass_quoted(secs(1)));
    assert_eq!(third[0].2.order_type, OrderType::ImmediateOrCancel(Price(d("49500.1"))));
}

#[test]
fn a_mode_that_was_switched_is_learnt_and_the_exit_leaves_in_the_right_one() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.asked_so_far.clear();
    bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::PositionMode));
    bench.pass_quoted(Duration::from_millis(200));
    assert!(bench.asked_so_far.iter().any(|request| matches!(request, Request::PositionMode)));
    bench.reply(Reply::PositionMode { result: Ok(perpdeck::model::PositionMode::OneWay) });
    let again = placed(&bench.pass_quoted(secs(1)));
    assert_eq!(again[0].2.position_mode, perpdeck::model::PositionMode::OneWay);
}

#[test]
fn after_a_reconnect_an_exit_asks_first_and_leaves_with_the_size_that_is_true() {
    let mut bench = long("100");
    bench.now = bench.now.plus(secs(5));
    bench.push(Push::Disconnected { reason: "gone".into(), attempt: 1 });
    bench.now = bench.now.plus(secs(5));
    bench.push(Push::Connected);
    let outcome = bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert!(matches!(outcome, SignalOutcome::Closing { .. }), "{outcome:?}");
    assert!(bench.asked(|request| matches!(request, Request::Positions)) && bench.placed().is_empty());
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    bench.now = bench.now.plus(Duration::from_millis(50));
    bench.sync(vec![report]);
    assert_eq!(bench.placed().len(), 1, "told: it leaves at once");
}

#[test]
fn reads_that_fail_delay_an_exit_by_one_second_at_most() {
    let mut bench = long("100");
    bench.now = bench.now.plus(secs(5));
    bench.push(Push::Disconnected { reason: "gone".into(), attempt: 1 });
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    bench.reply(Reply::Positions { asked_at: bench.now, result: Err(reply_lost()), account: Err(reply_lost()) });
    assert!(placed(&bench.pass(Duration::from_millis(900))).is_empty());
    assert_eq!(placed(&bench.pass(Duration::from_millis(300))).len(), 1, "at the last known size");
}

#[test]
fn an_exit_of_what_is_not_known_yet_waits_for_the_exchange_to_speak() {
    let mut bench = long("100").restarted();
    bench.signal_raw(raw("out", "E1", "ETH_USDT", "sell", ""));
    assert!(bench.state().signals.get(&perpdeck::model::SignalId::new("out").unwrap()).is_none(), "not decided yet");
    let eth = bench.position_report("ETH_USDT", Side::Long, "50", "2000", "1000", "10");
    let btc = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    bench.answer_restart(vec![btc, eth]);
    bench.pass_quoted(secs(2));
    let outcome = bench.outcome("out");
    assert!(!matches!(outcome, SignalOutcome::Recorded), "{outcome:?}");
}

#[test]
fn targets_survive_a_restart() {
    let mut bench = long("100");
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, refused_as(ErrorClass::Retryable, Refusal::Maintenance));
    let mut again = bench.restarted();
    let report = again.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    again.answer_restart(vec![report]);
    let sent = placed(&again.asked_so_far.clone());
    let sent = if sent.is_empty() { placed(&again.pass_quoted(secs(3))) } else { sent };
    assert_eq!(sent.len(), 1);
}

// --- the pace, and taking back

#[test]
fn exits_leave_at_the_pace_that_the_exchange_allows_and_no_faster() {
    let mut bench = paced(long("100"), 3);
    let mut spec = contract("BTC_USDT");
    spec.max_contracts = Contracts(d("10"));
    bench.reply(Reply::Contracts { result: Ok(vec![spec]) });
    bench.now = bench.now.plus(secs(3));
    bench.asked_so_far.clear();
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 3);
    let mut sent = vec![3];
    for _ in 0..3 {
        sent.push(placed(&bench.pass_quoted(Duration::from_millis(2_100))).len());
    }
    assert_eq!(sent, [3, 3, 3, 1], "ten parts, three in two seconds");
}

fn silenced(bench: &mut Bench, secs_long: u64, calls: CallGroup) {
    bench.push(Push::Silenced { for_how_long: secs(secs_long), call: "place order".to_owned(), calls });
}

#[test]
fn nothing_is_accepted_into_a_silence_that_outlasts_its_signal_and_exits_try_all_the_same() {
    let mut bench = paced(long("100"), 3);
    silenced(&mut bench, 60, CallGroup::Other);
    let first = ordered(bench.signal("s0", "S1", "ETH_USDT", "buy", "0.01"));
    assert_eq!(bench.state_of(first), OrderState::Submitting, "a silence of reads is none of entries");
    silenced(&mut bench, 60, CallGroup::Placements);
    let until = bench.now.plus(secs(60));
    // A later silence of reads changes nothing of it.
    silenced(&mut bench, 5, CallGroup::Other);
    let outcome = bench.signal("s1", "S1", "ETH_USDT", "buy", "0.01");
    assert!(reason(&outcome).starts_with(&format!("no new entry until {until}")), "{outcome:?}");
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 1, "an exit");
}

#[test]
fn an_entry_that_a_silence_held_back_is_judged_again_by_price_and_risk() {
    for (price, leaves) in [("2000", true), ("0.0001", false)] {
        let mut bench = paced(Bench::ready(), 3);
        silenced(&mut bench, 10, CallGroup::Placements);
        let no = ordered(bench.signal("s1", "S1", "ETH_USDT", "buy", "0.01"));
        assert!(bench.placed().is_empty() && bench.state_of(no) == OrderState::Pending);
        assert!(placed(&bench.pass_quoted(Duration::from_millis(9_900))).is_empty());
        bench.quote("ETH_USDT", price);
        assert_eq!(placed(&bench.pass(Duration::from_millis(400))).len(), usize::from(leaves), "{price}");
        assert_eq!(bench.state_of(no), if leaves { OrderState::Submitting } else { OrderState::Failed });
    }
}

#[test]
fn an_entry_that_never_left_is_no_attempt_and_no_failure() {
    let mut bench = paced(Bench::ready(), 3);
    let no = ordered(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.001"));
    for _ in 0..6 {
        assert_eq!((bench.state_of(no), bench.order(no).attempts), (OrderState::Submitting, 1));
        bench.refuse(no, refused_as(ErrorClass::NeverLeft, Refusal::NoSlot));
        assert_eq!((bench.state_of(no), bench.order(no).attempts), (OrderState::Pending, 0));
        assert_eq!(placed(&bench.pass_quoted(Duration::from_millis(2_100))).len(), 1);
    }
    assert_eq!(bench.state().breaker(perpdeck::model::CallClass::Entries).failed_calls, 0);
    bench.check_replay();
    // It is as old as its signal may be, and no older.
    silenced(&mut bench, 60, CallGroup::Placements);
    bench.refuse(no, refused_as(ErrorClass::NeverLeft, Refusal::NoSlot));
    let order = bench.order(no);
    assert_eq!(order.state, OrderState::Failed);
    assert!(order.note.as_deref().unwrap_or_default().contains("signal_max_age"), "{order:?}");
}

#[test]
fn i53_no_entry_leaves_after_a_halt_and_what_waited_is_taken_back() {
    for what in ["halt", "pause", "flatten", "stop"] {
        let mut bench = paced(Bench::ready(), 3);
        let mut orders = Vec::new();
        for n in 0..6 {
            orders.push(ordered(bench.signal(&format!("s{n}"), "S1", "BTC_USDT", "buy", "0.001")));
        }
        let sent: Vec<_> = orders.iter().filter(|no| bench.state_of(**no) == OrderState::Submitting).collect();
        assert_eq!(sent.len(), 2, "one place is kept for exits");
        // The first has left; the second waits for the disk or a slot.
        bench.reply(Reply::Left { no: *sent[0], attempt: 1 });
        let action = match what {
            "halt" => Action::Halt,
            "pause" => Action::Pause { cancel_entries: true },
            "flatten" => Action::Flatten,
            _ => Action::Stop { policy: perpdeck::model::StopPolicy::Leave },
        };
        bench.command("c", action);
        let revoked: Vec<_> = bench
            .requests
            .iter()
            .filter_map(|request| match request {
                Request::Revoke { orders } => Some(orders.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(revoked, [*sent[1]], "{what}");
        bench.refuse(*sent[1], refused_as(ErrorClass::NeverLeft, Refusal::Revoked));
        assert_eq!(bench.state_of(*sent[1]), OrderState::Cancelled);
        assert!(placed(&bench.pass_quoted(secs(10))).is_empty(), "{what}: nothing leaves any more");
        for no in &orders[2..] {
            assert_eq!(bench.state_of(*no), OrderState::Cancelled, "{what}");
        }
    }
}

#[test]
fn i53_a_limit_that_trips_takes_back_what_has_not_left() {
    let mut bench = paced(long("150"), 3);
    bench.now = bench.now.plus(secs(3));
    for n in 0..4 {
        bench.signal(&format!("s{n}"), "S1", "ETH_USDT", "buy", "0.01");
    }
    let waiting = bench.state().orders.working().filter(|order| order.state == OrderState::Pending).count();
    assert_eq!(waiting, 2);
    let close = perpdeck::model::Intent::close(Side::Long);
    let fill = bench.foreign_fill("BTC_USDT", close, "150", "1000", perpdeck::model::Category::Normal);
    bench.push(Push::Fill(fill));
    assert!(!bench.state().limits.is_empty(), "the loss of the day");
    assert_eq!(bench.state().control, Control::Running);
    assert!(bench.asked(|request| matches!(request, Request::Revoke { orders } if orders.len() == 2)));
    assert!(placed(&bench.pass_quoted(secs(10))).is_empty());
}

#[test]
fn nothing_is_accepted_that_cannot_leave_in_time() {
    let mut bench = paced(Bench::ready(), 3);
    let outcomes: Vec<SignalOutcome> =
        (0..60).map(|n| bench.signal(&format!("s{n}"), "S1", "BTC_USDT", "buy", "0.0001")).collect();
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, SignalOutcome::Ordered { .. })).count();
    assert!((25..=34).contains(&taken), "two in two seconds, for thirty seconds: {taken}");
    assert!(reason(outcomes.last().unwrap()).contains("wait for their turn"), "{:?}", outcomes.last());
    // And what was taken does leave, looked at again when its turn comes.
    bench.asked_so_far.clear();
    bench.pass_quoted(secs(31));
    assert_eq!(placed(&bench.asked_so_far).len(), taken - 2);
}

/// Signals come faster than they can leave, all the time: the queue is always as long as it may be.
#[test]
fn what_is_accepted_at_the_edge_of_its_time_leaves() {
    for placements in [3, 4, 5] {
        let mut bench = paced(Bench::ready(), placements);
        let mut taken = Vec::new();
        for n in 0..600 {
            let id = format!("s{n}");
            if matches!(bench.signal(&id, "S1", "BTC_USDT", "buy", "0.0001"), SignalOutcome::Ordered { .. }) {
                taken.push(id);
            }
            for (no, ..) in placed(&bench.pass_quoted(Duration::from_millis(100))) {
                bench.accept(no);
            }
        }
        bench.pass_quoted(secs(31));
        let failed = bench.events(|event| matches!(event, perpdeck::model::Event::OrderFailed { .. }));
        assert!(failed.is_empty(), "{placements} a window, {} taken: {failed:?}", taken.len());
        assert!(taken.len() > 30 * (placements - 1), "{}", taken.len());
    }
}

#[test]
fn an_entry_whose_turn_comes_is_judged_again() {
    let mut bench = paced(Bench::ready(), 3);
    for n in 0..3 {
        bench.enter(&format!("s{n}"), "BTC_USDT", "buy", "0.001");
    }
    bench.command("p", Action::Pause { cancel_entries: false });
    assert!(placed(&bench.pass_quoted(secs(5))).is_empty(), "no new exposure while paused");
}
