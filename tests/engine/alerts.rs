//! Alerts: one for each thing, latched until seen, never hidden while they hold.

use std::collections::BTreeMap;

use perpdeck::engine::Input;
use perpdeck::model::{
    Action, Alert, AlertId, AlertKey, AlertKind, Event, KEPT_ALERTS, Push, Record, SessionState, SessionTime, Severity,
};

use crate::harness::*;

fn alert(id: u64, severity: Severity, holds: bool) -> Alert {
    Alert {
        id: AlertId(id),
        key: AlertKey { kind: AlertKind::OrderRejected, subject: id.to_string() },
        severity,
        symbol: None,
        position: None,
        message: "x".to_owned(),
        details: BTreeMap::new(),
        raised_at: SessionTime::ZERO,
        updated_at: SessionTime::ZERO,
        count: 1,
        cleared_at: (!holds).then_some(SessionTime::ZERO),
        acknowledged: None,
    }
}

fn apply(state: &mut SessionState, event: Event) {
    let seq = state.seq + 1;
    state.apply(&Record { seq, at: SessionTime::from_secs(1), event });
}

fn raise(state: &mut SessionState, alert: Alert) {
    apply(state, Event::AlertRaised { alert: Box::new(alert) });
}

#[test]
fn the_same_thing_again_counts_and_after_it_was_seen_it_is_new() {
    let mut bench = Bench::ready();
    for index in 0..3 {
        bench.signal(&format!("s{index}"), "S1", "BTC_USDT", "buy", "1");
    }
    let alerts = bench.alerts(AlertKind::PositionSizeExceeded);
    assert_eq!((alerts.len(), alerts[0].count), (1, 3));
    bench.command("c1", Action::Acknowledge { alerts: vec![alerts[0].id] });
    bench.signal("s9", "S1", "BTC_USDT", "buy", "1");
    assert_eq!(bench.alerts(AlertKind::PositionSizeExceeded).len(), 2);
}

#[test]
fn worse_than_what_was_seen_has_to_be_seen_again_and_clearing_does_not_hide_it() {
    let mut bench = Bench::ready();
    bench.sync_with_equity(Vec::new(), "8700");
    let id = bench.alerts(AlertKind::MaxDrawdown)[0].id;
    bench.command("c1", Action::Acknowledge { alerts: vec![id] });
    assert!(!bench.alerts(AlertKind::MaxDrawdown)[0].is_unacknowledged());
    bench.sync_with_equity(Vec::new(), "8400");
    let worse = &bench.alerts(AlertKind::MaxDrawdown)[0];
    assert_eq!((worse.id, worse.severity, worse.is_unacknowledged()), (id, Severity::Critical, true));
    bench.command("c2", Action::ResetLimit { limit: perpdeck::model::RiskLimit::Drawdown });
    let over = &bench.alerts(AlertKind::MaxDrawdown)[0];
    assert!(!over.is_active() && over.is_unacknowledged(), "over, and still to be seen");
}

#[test]
fn a_worse_one_on_an_alert_that_had_ended_is_active() {
    let mut bench = Bench::ready();
    bench.sync_with_equity(Vec::new(), "8700");
    bench.sync_with_equity(Vec::new(), "9900");
    assert!(!bench.alerts(AlertKind::MaxDrawdown)[0].is_active());
    bench.sync_with_equity(Vec::new(), "8400");
    let alert = &bench.alerts(AlertKind::MaxDrawdown)[0];
    assert!(alert.is_active() && alert.severity == Severity::Critical, "{alert:?}");
    bench.check_replay();
}

#[test]
fn a_standing_alert_that_is_raised_again_shows_the_figures_of_now() {
    let mut bench = Bench::ready();
    for total in [3, 7] {
        bench.push(Push::Skipped { total, last: "odd".to_owned() });
        let alerts = bench.alerts(AlertKind::VenueAnswerUnknown);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(alerts[0].details.get("skipped"), Some(&total.to_string()));
        assert!(alerts[0].message.starts_with(&total.to_string()));
    }
    bench.check_replay();
}

#[test]
fn a_storm_pushes_out_no_open_critical() {
    let mut state = SessionState::default();
    for id in 1..=10 {
        raise(&mut state, alert(id, Severity::Critical, id % 2 == 0));
    }
    for id in 11..=5_000 {
        raise(&mut state, alert(id, if id % 3 == 0 { Severity::Info } else { Severity::Warning }, true));
    }
    assert_eq!(state.alerts.all().count(), KEPT_ALERTS);
    assert!((1..=10).all(|id| state.alerts.get(AlertId(id)).is_some()));
}

#[test]
fn open_criticals_are_kept_even_beyond_the_bound_and_seen_ones_go_first() {
    let mut state = SessionState::default();
    let more = u64::try_from(KEPT_ALERTS).unwrap() + 5;
    for id in 1..=more {
        raise(&mut state, alert(id, Severity::Critical, false));
    }
    assert_eq!(state.alerts.all().count(), KEPT_ALERTS + 5);
    apply(&mut state, Event::AlertsAcknowledged { ids: (1..=6).map(AlertId).collect(), by: "op".to_owned() });
    raise(&mut state, alert(more + 1, Severity::Warning, false));
    assert_eq!(state.alerts.all().count(), KEPT_ALERTS);
    assert!(state.alerts.get(AlertId(7)).is_some());
    assert_eq!(state.alerts.next_id(), AlertId(more + 2));
}

#[test]
fn text_from_outside_is_escaped() {
    let mut bench = Bench::ready();
    bench.step(perpdeck::engine::Input::Failure { what: "\u{1b}[2J".to_owned() });
    assert!(!bench.alerts(AlertKind::InternalFailure)[0].message.contains('\u{1b}'));
}

#[test]
fn a_stream_that_is_down_is_critical_as_soon_as_a_position_is_open() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.push(Push::Disconnected { reason: "gone".into(), attempt: 1 });
    bench.tick();
    assert_eq!(bench.alerts(AlertKind::FeedLost)[0].severity, Severity::Warning);
    bench.fill(no, "100", "50000");
    bench.pass(secs(1));
    let lost = bench.alerts(AlertKind::FeedLost);
    assert_eq!((lost.len(), lost[0].severity, lost[0].count), (1, Severity::Critical, 1), "{lost:?}");
    assert_eq!(lost[0].details["open_then"], "1");
    bench.check_replay();
}

#[test]
fn only_a_condition_that_has_ended_is_ended() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.step(Input::Failure { what: "a part".into() });
    let happened = &bench.alerts(AlertKind::InternalFailure)[0];
    assert_eq!((happened.standing(), happened.ended_at()), ("happened", None));
    bench.now = bench.now.plus(secs(1));
    bench.step(Input::Failure { what: "a part".into() });
    assert_eq!(bench.alerts(AlertKind::InternalFailure)[0].standing(), "happened");
    bench.push(Push::Disconnected { reason: "gone".into(), attempt: 1 });
    let lost = &bench.alerts(AlertKind::FeedLost)[0];
    assert_eq!(lost.standing(), "holds");
    assert!(!lost.message.contains("1 position"), "what moves is not in the words: {}", lost.message);
    bench.now = bench.now.plus(secs(1));
    bench.push(Push::Connected);
    assert_eq!(bench.alerts(AlertKind::FeedLost)[0].standing(), "ended");
}
