//! The exchange's clock: measured every minute, told when ours is off or when it cannot be measured, and
//! waited for by nothing for ever.

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, Alert, AlertKind, CallError, Category, Chore, ClockOffset, Event, FillReport, Intent, OrderNo,
    PositionMode, Push, Severity, Side, VenueTime,
};

use crate::harness::*;

fn asks_time(request: &Request) -> bool {
    matches!(request, Request::ServerTime)
}

fn told(bench: &mut Bench, offset_us: i64, round_trip_us: u64) {
    bench.reply(Reply::ServerTime { result: Ok(ClockOffset { offset_us, round_trip_us }) });
}

fn standing(bench: &Bench, kind: AlertKind, subject: &str) -> Option<Alert> {
    bench.alerts(kind).into_iter().find(|alert| alert.is_active() && alert.key.subject == subject)
}

/// Time passes at an exchange that answers what is asked of the clock, the mode and the contracts with this.
fn pass_failing(bench: &mut Bench, time: Duration, error: &CallError) {
    let end = bench.now.plus(time);
    while bench.now < end {
        for request in bench.pass_quoted(secs(1)) {
            match request {
                Request::ServerTime => bench.reply(Reply::ServerTime { result: Err(error.clone()) }),
                Request::PositionMode => bench.reply(Reply::PositionMode { result: Err(error.clone()) }),
                Request::Contracts => bench.reply(Reply::Contracts { result: Err(error.clone()) }),
                _ => {}
            }
        }
    }
}

#[test]
fn it_is_measured_every_minute() {
    let mut bench = Bench::ready();
    let mut times = Vec::new();
    for _ in 0..300 {
        if bench.pass(secs(1)).iter().any(asks_time) {
            times.push(bench.now);
            let offset = clock_offset();
            told(&mut bench, offset.offset_us, offset.round_trip_us);
        }
    }
    assert!(times.len() >= 4, "{times:?}");
    for pair in times.windows(2) {
        assert_eq!(pair[1].since(pair[0]), secs(60), "{times:?}");
    }
}

#[test]
fn a_clock_that_is_off_is_told_with_its_sign_its_size_and_how_sure_that_is() {
    for (offset_ms, round_trip_ms, severity, words) in [
        (900, 0, None, ""),
        // 1.2 s, measured within 0.3 s.
        (1_200, 600, None, ""),
        (1_500, 0, Some(Severity::Warning), "is 1.5 s behind the exchange's"),
        (-1_500, 200, Some(Severity::Warning), "is 1.5 s ahead of the exchange's"),
        (10_500, 3_000, Some(Severity::Warning), "is 10.5 s behind the exchange's"),
        (10_500, 40, Some(Severity::Critical), "is 10.5 s behind the exchange's"),
        (-45_000, 40, Some(Severity::Critical), "is 45.0 s ahead of the exchange's"),
    ] {
        let mut bench = Bench::ready();
        told(&mut bench, 0, 0);
        assert_eq!(standing(&bench, AlertKind::ClockOff, "exchange"), None);
        // What this run's exchange made of it is over and seen.
        let alerts = bench.alerts(AlertKind::ClockOff).iter().map(|alert| alert.id).collect();
        bench.command("ack", Action::Acknowledge { alerts });
        told(&mut bench, offset_ms * 1_000, round_trip_ms * 1_000);
        let alert = standing(&bench, AlertKind::ClockOff, "exchange");
        assert_eq!(alert.as_ref().map(|alert| alert.severity), severity, "{offset_ms} within {round_trip_ms}");
        let Some(alert) = alert else { continue };
        assert!(alert.message.contains(words) && alert.message.contains("timedatectl"), "{}", alert.message);
        assert_eq!(alert.details["offset_ms"], offset_ms.to_string());
        assert_eq!(alert.details["uncertainty_ms"], (round_trip_ms / 2 + 1).to_string());
        // The same again is no news; the other way round is; and it ends.
        told(&mut bench, offset_ms * 1_000, round_trip_ms * 1_000);
        assert_eq!(standing(&bench, AlertKind::ClockOff, "exchange"), Some(alert.clone()));
        told(&mut bench, -offset_ms * 1_000, round_trip_ms * 1_000);
        let turned = standing(&bench, AlertKind::ClockOff, "exchange").unwrap();
        assert_eq!((turned.id, turned.severity), (alert.id, alert.severity));
        assert_eq!(turned.details["offset_ms"], (-offset_ms).to_string());
        assert!(!turned.message.contains(words), "{}", turned.message);
        told(&mut bench, 0, 0);
        assert_eq!(standing(&bench, AlertKind::ClockOff, "exchange"), None);
        bench.check_replay();
    }
}

#[test]
fn a_clock_that_cannot_be_measured_is_told_until_it_is() {
    let mut bench = Bench::ready();
    pass_failing(&mut bench, secs(170), &refusal());
    assert_eq!(standing(&bench, AlertKind::ReconciliationStale, "clock"), None, "not before two of its intervals");
    pass_failing(&mut bench, secs(20), &refusal());
    let alert = standing(&bench, AlertKind::ReconciliationStale, "clock").unwrap();
    assert_eq!((alert.severity, alert.count), (Severity::Warning, 1));
    for words in ["for 120 s", "last measurement", "timedatectl", "Balance insufficient"] {
        assert!(alert.message.contains(words), "{words}: {}", alert.message);
    }
    pass_failing(&mut bench, secs(200), &refusal());
    assert_eq!(standing(&bench, AlertKind::ReconciliationStale, "clock").unwrap().count, 1, "told once");
    let offset = clock_offset();
    told(&mut bench, offset.offset_us, offset.round_trip_us);
    assert_eq!(standing(&bench, AlertKind::ReconciliationStale, "clock"), None);
    bench.check_replay();
}

#[test]
fn a_clock_that_was_never_measured_is_critical_when_anything_is_open() {
    let mut bench = Bench::started_with(|_| {});
    bench.reply(Reply::ServerTime { result: Err(refusal()) });
    bench.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
    bench.pass_quoted(secs(10));
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    pass_failing(&mut bench, secs(130), &refusal());
    let alert = standing(&bench, AlertKind::ReconciliationStale, "clock").unwrap();
    assert_eq!(alert.severity, Severity::Critical);
    assert!(alert.message.contains("it is unknown: orders and exits go on"), "{}", alert.message);
    // And the breaker that holds the question back is an answer that did not come.
    assert!(!bench.placed().iter().any(|(_, _, order)| order.intent.reduces()));
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 1, "an exit goes on");
}

#[test]
fn a_mode_and_contracts_that_cannot_be_read_are_told_until_they_are() {
    let mut bench = Bench::ready();
    bench.now = bench.now.plus(secs(3_600));
    bench.tick();
    let asked = |what: fn(&Request) -> bool| bench.requests.iter().any(what);
    assert!(asked(|request| matches!(request, Request::Contracts)), "hourly");
    assert!(asked(|request| matches!(request, Request::PositionMode)), "hourly, too");
    bench.reply(Reply::PositionMode { result: Err(refusal()) });
    bench.reply(Reply::Contracts { result: Err(refusal()) });
    pass_failing(&mut bench, secs(110), &refusal());
    let subjects = [("position mode", "was switched"), ("contract details", "margin tiers may have changed")];
    for (subject, _) in subjects {
        assert_eq!(standing(&bench, AlertKind::ReconciliationStale, subject), None);
    }
    pass_failing(&mut bench, secs(20), &refusal());
    for (subject, words) in subjects {
        let alert = standing(&bench, AlertKind::ReconciliationStale, subject).unwrap();
        assert_eq!((alert.severity, alert.count), (Severity::Warning, 1));
        assert!(alert.message.contains(words) && alert.message.contains("Balance insufficient"), "{}", alert.message);
    }
    bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
    bench.reply(Reply::Contracts { result: Ok(vec![contract("BTC_USDT")]) });
    for (subject, _) in subjects {
        assert_eq!(standing(&bench, AlertKind::ReconciliationStale, subject), None);
    }
}

#[test]
fn fills_of_others_wait_ten_seconds_for_the_clock_and_not_for_ever() {
    let mut bench = Bench::started_with(|_| {});
    bench.reply(Reply::ServerTime { result: Err(refusal()) });
    bench.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
    let started = bench.now;
    bench.pass_quoted(secs(1));
    let fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Long), "100", "50000", Category::Normal);
    bench.push(Push::Fill(fill.clone()));
    assert!(bench.position("BTC_USDT", Side::Long).is_none(), "the clock may be measured yet");
    bench.pass_quoted(secs(10));
    // By the stamps of prices this one is of before the session, whatever our clock says.
    let before = FillReport { at: venue(started).minus(secs(2)), ..fill.clone() };
    bench.push(Push::Fill(FillReport { id: perpdeck::model::FillId::new("before").unwrap(), ..before }));
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    assert!(bench.events(|event| matches!(event, Event::FillsBegin { .. })).is_empty(), "a guess is no fact");
    let offset = clock_offset();
    told(&mut bench, offset.offset_us, offset.round_trip_us);
    assert_eq!(bench.events(|event| matches!(event, Event::FillsBegin { .. })).len(), 1);
    bench.check_replay();
}

#[test]
fn a_recovery_by_lists_goes_on_without_the_clock_and_proves_no_absence_by_it() {
    let mut bench = Bench::ready();
    let orders: Vec<OrderNo> = (0..6).map(|n| bench.enter(&format!("s{n}"), "BTC_USDT", "buy", "0.0001")).collect();
    let mut again = bench.restarted();
    again.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
    let lists = |requests: &[Request]| {
        let since = |request: &Request| match request {
            Request::OrderHistory { since } => Some(*since),
            _ => None,
        };
        requests.iter().filter_map(since).collect::<Vec<VenueTime>>()
    };
    assert!(lists(&again.pass_quoted(secs(9))).is_empty(), "the clock may be measured yet");
    let asked = lists(&again.pass_quoted(secs(3)));
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0] < venue(bench.now).minus(secs(3_600)), "{asked:?}: by what it may be at worst");
    again.reply(Reply::OpenOrders { asked_at: again.now, result: Ok(Vec::new().into()) });
    again.pass_quoted(secs(20));
    for _ in 0..3 {
        let asked_at = again.now;
        again.reply(Reply::OrderHistory { asked_at, since: asked[0], result: Ok(Vec::new().into()) });
        again.pass_quoted(secs(10));
    }
    assert_eq!(again.state().orders.unknown().count(), orders.len(), "an empty list of a guessed time is no proof");
    let before = again.log.len();
    again.pass(secs(5));
    let moved = again.log[before..]
        .iter()
        .filter(|record| matches!(record.event, Event::ChoreMoved { chore: Chore::RecoverOrders, .. }));
    assert!(moved.count() <= 5, "nothing spins");
    // Measured, the list is asked for by the right time.
    let offset = clock_offset();
    told(&mut again, offset.offset_us, offset.round_trip_us);
    let asked = lists(&again.pass_quoted(secs(1)));
    assert!(asked.first().is_some_and(|since| *since > venue(bench.now).minus(secs(3_600))), "{asked:?}");
}
