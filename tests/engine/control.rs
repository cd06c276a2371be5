//! Session control: pause, resume, halt; commands taken once and never done early.

use perpdeck::engine::Input;
use perpdeck::model::{
    Action, AlertKind, CallError, Command, CommandId, CommandStatus, Control, ErrorClass, Event, OrderNo, OrderState,
    Push, RiskLimit, Side, VenueOrderState,
};

use crate::harness::*;

fn done(status: &CommandStatus) -> &str {
    match status {
        CommandStatus::Done { note } => note,
        other => panic!("not done: {other:?}"),
    }
}

fn refused(status: &CommandStatus) -> &str {
    match status {
        CommandStatus::Rejected { why } => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn pause_stops_new_exposure_and_nothing_else() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let record = bench.command("p1", Action::Pause { cancel_entries: false });
    assert_eq!(done(&record.status), "paused, 1 working entries stay");
    assert_eq!(bench.state().control, Control::Paused);
    assert!(bench.cancelled().is_empty());
    assert!(reason(&bench.signal("s3", "S1", "SOL_USDT", "buy", "0.1")).contains("paused"));
    ordered(bench.signal("ze1", "ZE1", "BTC_USDT", "sell", "50%"));
    assert_eq!(bench.placed().len(), 1);
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    assert_eq!(bench.cancelled().len(), 1);
    let asked = bench.pass_quoted(secs(11));
    assert!(!asked.is_empty(), "reconciliation goes on");
}

#[test]
fn pause_with_cancels_is_done_when_each_cancel_is_proven() {
    for control in [Control::Running, Control::Halted] {
        let mut bench = Bench::ready();
        let resting = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
        if control == Control::Halted {
            bench.command("h1", Action::Halt);
        }
        let record = bench.command("p1", Action::Pause { cancel_entries: true });
        assert!(matches!(record.status, CommandStatus::Working { .. }), "{control:?}: {:?}", record.status);
        bench.answer_cancel(resting, perpdeck::model::CancelOutcome::Accepted);
        assert!(!bench.command_status("p1").is_final());
        bench.push_order(resting, VenueOrderState::Cancelled, "0", 2);
        assert!(done(&bench.command_status("p1")).contains("1 of 1 cancelled"));
    }
}

#[test]
fn pause_survives_a_restart() {
    let mut bench = Bench::ready();
    bench.command("p1", Action::Pause { cancel_entries: false });
    let mut again = bench.restarted();
    again.answer_start(perpdeck::model::PositionMode::Hedge, Vec::new());
    assert_eq!(again.state().control, Control::Paused);
    assert!(reason(&again.signal("s1", "S1", "BTC_USDT", "buy", "0.01")).contains("paused"));
}

#[test]
fn resume_is_refused_while_anything_speaks_against_it() {
    let mut bench = Bench::ready();
    assert!(refused(&bench.command("r0", Action::Resume).status).contains("running"));
    bench.command("p1", Action::Pause { cancel_entries: false });
    bench.push(Push::Disconnected { reason: "reset".into(), attempt: 1 });
    assert!(refused(&bench.command("r1", Action::Resume).status).contains("link"));
    bench.push(Push::Connected);
    bench.step(Input::Journal { error: Some("disk full".into()) });
    assert!(refused(&bench.command("r2", Action::Resume).status).contains("disk full"));
    bench.step(Input::Journal { error: None });
    done(&bench.command("r3", Action::Resume).status);
}

#[test]
fn resume_is_refused_while_a_limit_has_tripped() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "ETH_USDT", "buy", "0.4", "2000");
    bench.command("p1", Action::Pause { cancel_entries: false });
    let fill = bench.foreign_fill(
        "ETH_USDT",
        perpdeck::model::Intent::close(Side::Long),
        "4000",
        "100",
        perpdeck::model::Category::Normal,
    );
    bench.push(Push::Fill(fill));
    assert!(refused(&bench.command("r1", Action::Resume).status).contains("reset it first"));
    let limits: Vec<RiskLimit> = bench.state().limits.keys().copied().collect();
    for (n, limit) in limits.into_iter().enumerate() {
        done(&bench.command(&format!("l{n}"), Action::ResetLimit { limit }).status);
    }
    assert_eq!(done(&bench.command("r2", Action::Resume).status), "running");
    assert_eq!(bench.state().control, Control::Running);
}

#[test]
fn halt_cancels_entries_and_keeps_protection() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let protection = bench.resting_exit("ze1", "BTC_USDT", "sell", "50%", "51000");
    let entry = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let record = bench.command("h1", Action::Halt);
    assert_eq!(bench.cancelled().iter().map(|cancel| cancel.no).collect::<Vec<_>>(), [entry]);
    assert!(!record.status.is_final());
    bench.push_order(entry, VenueOrderState::Cancelled, "0", 2);
    done(&bench.command_status("h1"));
    assert_eq!(bench.state_of(protection), OrderState::Submitted);
    assert!(reason(&bench.signal("s3", "S1", "SOL_USDT", "buy", "0.1")).contains("halted"));
}

#[test]
fn a_halt_catches_what_is_on_its_way_and_what_waits_for_a_retry() {
    let mut bench = Bench::ready();
    let waiting = bench.enter("s1", "BTC_USDT", "buy", "0.001");
    bench.refuse(waiting, not_sent());
    let sending = bench.enter("s2", "ETH_USDT", "buy", "0.01");
    bench.command("h1", Action::Halt);
    assert_eq!(bench.state_of(waiting), OrderState::Cancelled);
    bench.accept(sending);
    assert_eq!(bench.cancelled()[0].no, sending);
    assert!(!bench.command_status("h1").is_final());
    bench.push_order(sending, VenueOrderState::Cancelled, "0", 2);
    done(&bench.command_status("h1"));
    assert!(placed(&bench.pass_quoted(secs(10))).is_empty());
}

#[test]
fn a_refused_key_halts_the_session() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let error = CallError {
        class: ErrorClass::AccessRefused,
        counts: false,
        code: Some(402),
        refusal: perpdeck::model::Refusal::Access,
        message: "API key expired".to_owned(),
    };
    bench.refuse(no, error);
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert_eq!(bench.state().control, Control::Halted);
    assert!(bench.has_alert(AlertKind::AccessRefused));
}

#[test]
fn the_same_command_again_is_the_same_command() {
    let mut bench = Bench::ready();
    let resting = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    let before = bench.log.len();
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    assert_eq!(bench.log.len(), before, "nothing happens");
    assert!(bench.requests.is_empty());
}

#[test]
fn a_command_id_for_another_command_is_refused_and_told_and_nothing_happens() {
    let mut bench = Bench::ready();
    let resting = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    let record = bench.command("c1", Action::Flatten);
    assert!(matches!(record.command.action, Action::Cancel { .. }), "the first one's record stands");
    assert!(bench.state().flatten.is_none() && bench.requests.is_empty());
    let refused = bench.events(|event| matches!(event, Event::CommandRefused { .. }));
    let [Event::CommandRefused { why, .. }] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(why.contains("id used for something else") && why.contains("cancel #1"), "{why}");
    assert!(bench.alerts(AlertKind::SignalRefused)[0].message.contains("flatten"));
    bench.check_replay();
}

#[test]
fn a_command_is_remembered_for_ever_with_its_outcome_and_content() {
    let mut bench = Bench::ready();
    bench.command("first", Action::Pause { cancel_entries: false });
    for n in 0..300 {
        let action = if n % 2 == 0 { Action::Resume } else { Action::Pause { cancel_entries: false } };
        bench.command(&format!("c{n}"), action);
    }
    let first = CommandId::new("first").unwrap();
    assert!(bench.state().command(&first).is_none(), "its record is gone");
    let mut again = bench.restarted();
    again.answer_restart(Vec::new());
    let control = again.state().control;
    let send = |bench: &mut Bench, action: Action| {
        let command = Command { id: CommandId::new("first").unwrap(), by: "op".to_owned(), action };
        let before = bench.log.len();
        bench.step(Input::Command(Box::new(command)));
        bench.log[before..].iter().map(|record| record.event.clone()).collect::<Vec<_>>()
    };
    let events = send(&mut again, Action::Pause { cancel_entries: false });
    assert!(matches!(&events[0], Event::CommandMoved { status: CommandStatus::Done { .. }, .. }), "{events:?}");
    let events = send(&mut again, Action::Halt);
    assert!(matches!(&events[0], Event::CommandRefused { .. }), "{events:?}");
    assert_eq!(again.state().control, control, "neither was done");
    again.check_replay();
}

#[test]
fn a_command_counts_all_its_orders_whenever_each_one_ends_and_after_a_restart() {
    for (id, action) in [
        ("all", Action::CancelAll { symbol: None }),
        ("halt", Action::Halt),
        ("pause", Action::Pause { cancel_entries: true }),
    ] {
        let mut bench = Bench::ready_with(|settings| settings.risk.max_positions = 10);
        let orders: Vec<OrderNo> =
            (0..7).map(|n| bench.resting(&format!("s{n}"), "ETH_USDT", "buy", "0.01", &format!("19{n}0"))).collect();
        let filled = &orders[..2];
        bench.command(id, action);
        for no in filled {
            bench.fill(*no, "100", "1900");
        }
        for no in &orders[2..4] {
            bench.push_order(*no, VenueOrderState::Cancelled, "0", 2);
            bench.pass(secs(1));
        }
        assert!(!bench.command_status(id).is_final(), "{id}");
        let mut again = bench.restarted();
        let held = again.position_report("ETH_USDT", Side::Long, "200", "1900", "1300", "10");
        again.answer_restart(vec![held]);
        for no in &orders[4..] {
            again.push_order(*no, VenueOrderState::Cancelled, "0", 2);
        }
        assert_eq!(done(&again.command_status(id)), "5 of 7 cancelled, 2 filled first", "{id}");
        again.check_replay();
    }
}

#[test]
fn a_set_of_cancels_is_done_when_the_last_is_proven_and_says_what_became_of_each() {
    let mut bench = Bench::ready();
    let first = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    let second = bench.resting("s2", "ETH_USDT", "buy", "0.1", "1990");
    let third = bench.enter("s3", "SOL_USDT", "buy", "0.1");
    bench.lose(third);
    bench.command("c1", Action::Cancel { orders: vec![first, second, third] });
    bench.push_order(first, VenueOrderState::Cancelled, "0", 2);
    assert!(!bench.command_status("c1").is_final());
    bench.fill(second, "1000", "1990");
    assert!(!bench.command_status("c1").is_final(), "one is UNKNOWN");
    bench.looked_up(third, None);
    assert!(!bench.command_status("c1").is_final(), "not yet proven");
    bench.pass_absent(secs(13));
    assert_eq!(done(&bench.command_status("c1")), "2 of 3 cancelled, 1 filled first");
    bench.check_replay();
}

#[test]
fn i22_a_journal_that_cannot_be_written_stops_entries_only() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.step(Input::Journal { error: Some("no space left".into()) });
    assert!(reason(&bench.signal("s2", "S1", "ETH_USDT", "buy", "0.01")).contains("journal"));
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.placed().len(), 1);
    bench.step(Input::Journal { error: None });
    ordered(bench.signal("s3", "S1", "ETH_USDT", "buy", "0.01"));
}
