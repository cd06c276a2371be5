//! Facts that the journal has lost: whether the session was halted in them is not known, so nothing opens
//! until a person resumes. And to whom the data belong, which only an exchange that accepted the key can say.

use perpdeck::engine::{Engine, Input, Reply, Request};
use perpdeck::model::{
    Action, AlertKind, Control, Environment, ErrorClass, Event, Identity, Incarnation, PositionMode, Push, SessionId,
    SessionInfo, SessionState, Severity, Side, VenueOrderId, VenueOrderState,
};

use crate::harness::*;

fn lost() -> Input {
    Input::FactsLost { which: "facts 8 to 12".into(), what: "the journal ends with fact 7".into() }
}

#[test]
fn missing_facts_halt_entries_until_a_person_resumes_and_exits_work() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let mut again = bench.restarted();
    again.step(lost());
    assert_eq!(again.state().control, Control::Halted);
    let held = again.position_report("BTC_USDT", Side::Long, "100", "50000", "33000", "160");
    again.answer_restart(vec![held]);
    let alert = again.alerts(AlertKind::Recovered).pop().unwrap();
    assert_eq!((alert.severity, alert.key.subject.as_str()), (Severity::Critical, "missing facts"));
    for told in ["ends with fact 7", "until a person resumes", "signal id", "carried out again"] {
        assert!(alert.message.contains(told), "{}", alert.message);
    }
    assert!(again.state().control_note.as_ref().unwrap().contains("facts 8 to 12 are missing"));
    assert!(again.order(resting).cancel.is_some(), "a halt cancels entries");
    assert!(reason(&again.signal("n1", "S1", "SOL_USDT", "buy", "0.1")).contains("halted"));
    let exit = ordered(again.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert!(again.order(exit).reduces(), "exits work");
    // The next start knows without being told again.
    let mut third = again.restarted();
    assert_eq!(third.state().control, Control::Halted);
    let held = third.position_report("BTC_USDT", Side::Long, "100", "50000", "33000", "160");
    third.answer_restart(vec![held]);
    third.command("r1", Action::Resume);
    assert_eq!(third.state().control, Control::Running);
    third.enter("n2", "SOL_USDT", "buy", "0.1");
    third.check_replay();
}

#[test]
fn where_a_loss_is_on_record_the_halt_is_whatever_was_written_after_it() {
    let mut again = Bench::ready().restarted();
    let before = again.log.len();
    again.step(lost());
    let facts: Vec<_> = again.log.iter().filter(|record| record.event.is_fact()).cloned().collect();
    for cut in before..=facts.len() {
        let state = replay(&facts[..cut.min(facts.len())]);
        assert!(state.loss.is_none() || state.control == Control::Halted, "cut {cut}");
    }
}

/// A bench that went on from a backup, and the report of an entry that only the other one knew.
fn restored() -> (Bench, Bench, perpdeck::model::OrderReport) {
    let mut bench = Bench::ready();
    let backup: Vec<_> = bench.log.iter().filter(|record| record.event.is_fact()).cloned().collect();
    bench.now = bench.now.plus(secs(10));
    bench.quote("BTC_USDT", "50000");
    let no = bench.resting("s2", "BTC_USDT", "buy", "0.01", "49000");
    let report = perpdeck::model::OrderReport {
        created_at: Some(venue(bench.order(no).created_at)),
        venue_id: VenueOrderId::new("4700").unwrap(),
        ..bench.report(no, VenueOrderState::Resting, "0", 3)
    };
    bench.now = bench.now.plus(secs(20));
    let again = bench.on_as(replay(&backup), backup, "second");
    (bench, again, report)
}

#[test]
fn an_order_that_only_lost_facts_explain_halts_entries_once_a_start() {
    let (_, mut again, report) = restored();
    again.answer_restart(Vec::new());
    again.open_orders(vec![report.clone()]);
    assert_eq!(again.state().control, Control::Halted);
    assert_eq!(again.alerts(AlertKind::Recovered).iter().filter(|a| a.key.subject == "missing facts").count(), 1);
    let back = again.state().orders.all(None).last().unwrap().clone();
    assert!(back.cancel.is_some(), "a halt cancels entries, those that the journal lost too");
    let cancels = again.asked_so_far.iter().any(|request| matches!(request, Request::Cancel { .. }));
    assert!(cancels, "and they are sent: {:?}", again.last);
    again.command("r1", Action::Resume);
    assert_eq!(again.state().control, Control::Running);
    // What else comes up of it was known to whoever resumed.
    let mut more = report;
    more.client_id = Some(client_id("test0001start09"));
    more.venue_id = VenueOrderId::new("4701").unwrap();
    again.open_orders(vec![more]);
    assert_eq!(again.state().orders.all(None).count(), 2, "taken back all the same");
    assert_eq!(again.state().control, Control::Running);
    again.check_replay();
}

#[test]
fn a_fill_that_only_lost_facts_explain_halts_before_its_order_is_known() {
    let (mut before, mut again, report) = restored();
    let no = before.state().orders.all(None).last().unwrap().no;
    let fill = before.fill_of(no, "100", "49000");
    again.answer_start(PositionMode::Hedge, Vec::new());
    again.push(Push::Fill(fill));
    assert_eq!(again.state().control, Control::Halted);
    assert!(report.client_id.is_some());
}

fn identity(account: &str) -> Identity {
    Identity::apart(Environment::Paper, "http://127.0.0.1:1", Some(account.to_owned()))
}

fn start_as(bench: &mut Bench, state: SessionState, account: &str) {
    bench.engine = Engine::new(bench.engine.settings().clone(), state);
    let info = SessionInfo {
        id: SessionId::new("test0001").unwrap(),
        environment: Environment::Paper,
        exchange: "http://127.0.0.1:1".to_owned(),
        label: "test".to_owned(),
        started_at: bench.now,
        starts: 1,
        incarnation: Incarnation::new("start9").ok(),
        identity: Some(identity(account)),
    };
    bench.step(Input::Start { info: Box::new(info), note: None });
}

fn owner(bench: &Bench) -> Option<String> {
    bench.state().info.as_ref().unwrap().identity.as_ref().unwrap().account.clone()
}

#[test]
fn a_key_binds_the_data_when_the_exchange_has_accepted_it_and_not_before() {
    let mut bench = Bench::started_with(|_| {});
    start_as(&mut bench, SessionState::default(), "mistyped");
    assert_eq!(owner(&bench), None);
    let refused = error(ErrorClass::AccessRefused, false, "the key is not known");
    bench.reply(Reply::PositionMode { result: Err(refused.clone()) });
    bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Err(refused) });
    bench.reply(Reply::Contracts { result: Ok(vec![contract("BTC_USDT")]) });
    assert_eq!(owner(&bench), None, "what anybody may ask proves nothing");
    let facts = bench.state().facts();
    start_as(&mut bench, facts, "right");
    assert_eq!(owner(&bench), None);
    bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
    assert_eq!(owner(&bench).as_deref(), Some("right"));
    assert!(!bench.has_alert(AlertKind::Recovered), "{:?}", bench.alerts(AlertKind::Recovered));
    // A renewed key, which a person confirmed before this: told once.
    let facts = bench.state().facts();
    start_as(&mut bench, facts, "renewed");
    assert_eq!(owner(&bench).as_deref(), Some("right"));
    for _ in 0..2 {
        bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
    }
    assert_eq!(owner(&bench).as_deref(), Some("renewed"));
    assert_eq!(bench.alerts(AlertKind::Recovered).len(), 1);
    let bound = bench.events(|event| matches!(event, Event::IdentityBound { .. }));
    assert_eq!(bound.len(), 2);
}
