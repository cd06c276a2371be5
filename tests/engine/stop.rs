//! The end of a session.

use perpdeck::model::{Action, CommandStatus, OrderState, Phase, SignalOutcome, StopPolicy, VenueOrderState};

use crate::answers::*;
use crate::harness::*;

fn note(bench: &Bench) -> String {
    match bench.command_status("stop") {
        CommandStatus::Done { note } => note,
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn leave_keeps_every_order_and_says_how_many() {
    let mut bench = Bench::ready();
    let entry = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    assert!(bench.cancelled().is_empty());
    assert_eq!(bench.state().phase, Phase::Stopped);
    assert!(note(&bench).contains("1 working order stays"));
    assert_eq!(bench.state_of(entry), OrderState::Submitted);
}

#[test]
fn cancel_entries_ends_when_each_cancel_is_proven_and_keeps_protection() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let protection = bench.resting_exit("ze1", "BTC_USDT", "sell", "50%", "51000");
    let first = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let second = bench.resting("s3", "ETH_USDT", "buy", "0.01", "1900");
    bench.command("stop", Action::Stop { policy: StopPolicy::CancelEntries });
    assert_eq!(bench.cancelled().iter().map(|cancel| cancel.no).collect::<Vec<_>>(), [first, second]);
    assert_eq!(bench.state().phase, Phase::Stopping);
    bench.push_order(first, VenueOrderState::Cancelled, "0", 2);
    assert!(!bench.command_status("stop").is_final());
    bench.push_order(second, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(bench.state().phase, Phase::Stopped, "the session ends with the last cancel");
    assert!(note(&bench).contains("1 working order stays"), "{}", note(&bench));
    assert_eq!(bench.state_of(protection), OrderState::Submitted);
}

#[test]
fn a_stop_names_each_order_whose_fate_is_open() {
    let mut bench = Bench::ready();
    let resting = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    let lost = bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.lose(lost);
    bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    let note = note(&bench);
    let id = bench.order(lost).client_id.to_string();
    for part in ["2 working orders stay", &lost.to_string(), "ETH_USDT", &id, "whether it reached the exchange"] {
        assert!(note.contains(part), "{part:?} is not in {note}");
    }
    assert!(!note.contains(&bench.order(resting).client_id.to_string()), "{note}");
    let open = bench.state().open_fates();
    assert_eq!(open.iter().map(|fate| fate.order_no).collect::<Vec<_>>(), [lost]);
}

#[test]
fn a_stop_during_a_submit_waits_for_its_answer() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    assert_eq!(bench.state().phase, Phase::Stopping);
    bench.accept(no);
    bench.tick();
    assert_eq!(bench.state().phase, Phase::Stopped);
    assert!(note(&bench).contains("1 working"));
}

#[test]
fn what_waits_for_a_retry_is_not_sent_any_more() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, not_sent());
    bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    assert!(placed(&bench.pass_quoted(secs(3))).is_empty());
    assert_eq!(bench.state_of(no), OrderState::Cancelled, "taken back before it left");
    assert_eq!(bench.state().phase, Phase::Stopped);
}

#[test]
fn an_unknown_order_is_named_as_such() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    assert!(note(&bench).contains("1 of them UNKNOWN"), "{}", note(&bench));
}

#[test]
fn nothing_opens_while_it_stops() {
    let mut bench = Bench::ready();
    bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    bench.command("stop", Action::Stop { policy: StopPolicy::CancelEntries });
    let outcome = bench.signal("s2", "S1", "ETH_USDT", "buy", "0.01");
    assert!(matches!(outcome, SignalOutcome::Rejected { ref reason, .. } if reason.contains("stopping")));
    assert!(matches!(
        bench.command("again", Action::Stop { policy: StopPolicy::Leave }).status,
        CommandStatus::Rejected { .. }
    ));
}

#[test]
fn om17_a_stop_that_was_cut_off_does_not_hang_over_the_next_start() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    bench.command("stop", Action::Stop { policy: StopPolicy::CancelEntries });
    let mut again = bench.restarted();
    assert!(matches!(again.command_status("stop"), CommandStatus::Unknown { .. }));
    again.answer_restart(Vec::new());
    assert_eq!(again.state().phase, Phase::Ready);
    let asked = again.pass_quoted(secs(3));
    assert!(cancels(&asked).iter().any(|cancel| cancel.no == no) || lookups(&asked) > 0, "its cancel is still wanted");
    again.command("next", Action::Stop { policy: StopPolicy::Leave });
    assert!(again.command_status("next").is_final());
}
