//! Client ids: used once for ever, whatever becomes of the journal; what it lost is taken back; what a
//! second copy does is not ours.

use std::collections::BTreeSet;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, ClientOrderId, Contracts, Control, Event, OrderNo, OrderReport, OrderState, PositionMode, Push, Record,
    Severity, Side, VenueOrderId, VenueOrderState,
};
use proptest::prelude::*;

use crate::answers::*;
use crate::harness::*;

fn facts(bench: &Bench) -> Vec<Record> {
    bench.log.iter().filter(|record| record.event.is_fact()).cloned().collect()
}

/// Every client id that left in these requests and in all events of a bench.
fn ids_sent(bench: &Bench) -> BTreeSet<ClientOrderId> {
    let created = bench.log.iter().filter_map(|record| match &record.event {
        Event::OrderCreated { order } => Some(order.client_id.clone()),
        _ => None,
    });
    created.collect()
}

/// A story with entries, exits and a flatten.
fn story() -> Bench {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let exit = ordered(bench.signal("e1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(exit);
    bench.fill(exit, "50", "50000");
    bench.open_position("s3", "SOL_USDT", "sell", "0.1", "100");
    bench
}

fn go_on(bench: &mut Bench, tag: &str) {
    bench.answer_restart(Vec::new());
    for n in 0..3 {
        bench.signal(&format!("{tag}{n}"), "S1", "XRP_USDT", "buy", "10");
    }
}

#[test]
fn i49_no_client_id_is_made_twice_whatever_the_journal_lost() {
    let bench = story();
    let facts = facts(&bench);
    let mut used = ids_sent(&bench);
    assert!(used.len() >= 4);
    for cut in 1..=facts.len() {
        let incarnation = format!("cut{:03}", cut % 1000);
        let mut again = bench.on_as(replay(&facts[..cut]), facts[..cut].to_vec(), &incarnation);
        let before = again.log.len();
        go_on(&mut again, "n");
        let made = again.log[before..].iter().filter_map(|record| match &record.event {
            Event::OrderCreated { order } => Some(order.client_id.clone()),
            _ => None,
        });
        for id in made {
            assert!(id.as_str().len() <= 32);
            assert!(used.insert(id.clone()), "cut {cut}: {id} was used before");
        }
        again.check_replay();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// I49: restored backups of backups, cut at any fact, each going on.
    #[test]
    fn i49_restored_backups_never_use_an_id_again(cuts in prop::collection::vec(0.0_f64..1.0, 1..6)) {
        let mut bench = story();
        let mut used = ids_sent(&bench);
        for (n, part) in cuts.into_iter().enumerate() {
            let facts = facts(&bench);
            let cut = ((facts.len() as f64 * part) as usize).max(1);
            let mut again = bench.on_as(replay(&facts[..cut]), facts[..cut].to_vec(), &format!("back{n:02}"));
            let kept = ids_sent(&again);
            go_on(&mut again, &format!("b{n}-"));
            for id in ids_sent(&again).difference(&kept) {
                prop_assert!(used.insert(id.clone()), "{id} was used before");
            }
            again.check_replay();
            bench = again;
        }
    }
}

#[test]
fn orders_of_version_0_1_0_keep_their_ids_and_are_found_by_them() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    // As version 0.1.0 wrote it: no incarnation, ids of session and number.
    let old = client_id("test0001-1");
    let mut log = facts(&bench);
    for record in &mut log {
        match &mut record.event {
            Event::SessionStarted { info } => info.incarnation = None,
            Event::OrderCreated { order } => order.client_id = old.clone(),
            _ => {}
        }
    }
    let mut again = bench.on_as(replay(&log), log, "second");
    again.answer_restart(Vec::new());
    assert_eq!(again.order(no).client_id, old);
    again.push_order(no, VenueOrderState::Cancelled, "0", 5);
    assert_eq!(again.state_of(no), OrderState::Cancelled);
    let next = again.enter("s2", "BTC_USDT", "buy", "0.01");
    assert_eq!(again.order(next).client_id, client_id("test0001second2"));
}

/// What the exchange knows of an order that only `lost` has on record.
fn report_of(lost: &Bench, no: OrderNo, state: VenueOrderState, filled: &str) -> OrderReport {
    OrderReport {
        created_at: Some(venue(lost.order(no).created_at)),
        venue_id: VenueOrderId::new(&format!("4700{}", no.0)).unwrap(),
        ..lost.report(no, state, filled, 3)
    }
}

/// A bench whose journal was cut before its newest order, which the exchange has, and that order.
fn with_lost_order() -> (Bench, Bench, OrderNo) {
    let mut bench = Bench::ready();
    bench.resting("s1", "ETH_USDT", "buy", "0.01", "1900");
    bench.now = bench.now.plus(secs(10));
    bench.quote("BTC_USDT", "50000");
    let backup = facts(&bench);
    let lost = bench.resting("s2", "BTC_USDT", "buy", "0.01", "49000");
    bench.now = bench.now.plus(secs(20));
    let again = bench.on_as(replay(&backup), backup, "second");
    (bench, again, lost)
}

#[test]
fn an_order_of_ours_that_the_journal_lost_is_taken_back_and_told() {
    let (before, mut again, lost) = with_lost_order();
    again.answer_restart(Vec::new());
    let other = again.resting("n1", "SOL_USDT", "buy", "0.1", "99");
    assert_eq!(other, lost, "its number was free here");
    again.open_orders(vec![report_of(&before, lost, VenueOrderState::Resting, "0")]);
    let back = again.state().orders.all(None).last().unwrap().clone();
    assert_eq!((back.no, back.client_id.clone()), (OrderNo(3), before.order(lost).client_id.clone()));
    assert_eq!(
        (back.state, back.contracts, back.intent),
        (OrderState::PendingCancel, Contracts(d("100")), before.order(lost).intent),
        "facts are missing: entries are halted"
    );
    assert_ne!(again.order(other).symbol, back.symbol, "the order with its number is another one");
    let alert = again.alerts(AlertKind::Recovered).pop().unwrap();
    assert_eq!(alert.severity, Severity::Critical, "it opens: {}", alert.message);
    assert!(again.state().orders.reserved(&key("BTC_USDT", Side::Long)).is_positive(), "it counts for the limits");
    // From here on it is an order like any other.
    again.open_orders(vec![report_of(&before, lost, VenueOrderState::Resting, "0")]);
    assert_eq!(again.state().orders.all(None).count(), 3, "taken back once");
    again.fill(back.no, "100", "49000");
    assert_eq!(again.state_of(back.no), OrderState::Filled);
    assert_eq!(again.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("100")));
    again.check_replay();
    let third = again.restarted();
    assert_eq!(
        third.state().orders.by_client_id(&third.state().info.as_ref().unwrap().id, &back.client_id),
        Some(back.no)
    );
}

#[test]
fn a_lost_order_that_filled_is_asked_for_and_its_fills_are_ours() {
    let (mut before, mut again, lost) = with_lost_order();
    let fill = before.fill_of(lost, "100", "49000");
    let held = again.position_report("BTC_USDT", Side::Long, "100", "49000", "33000", "160");
    again.answer_restart(vec![held]);
    again.push(Push::Fill(fill.clone()));
    let asked = again.requests.iter().any(
        |request| matches!(request, Request::Lookup { client_id, .. } if *client_id == before.order(lost).client_id),
    );
    assert!(asked, "{:?}", again.requests);
    again.push(Push::Fill(fill.clone()));
    assert_eq!(lookups(&again.requests), 0, "the question is out already");
    let report = report_of(&before, lost, VenueOrderState::Filled, "100");
    again.reply(Reply::LookedUp { no: OrderNo(0), asked_at: again.now, result: Ok(Some(report)) });
    again.fills_told(Ok(vec![fill].into()));
    let back = again.state().orders.all(None).last().unwrap();
    assert_eq!((back.state, back.filled_contracts), (OrderState::Filled, Contracts(d("100"))));
    let told = again.events(|event| matches!(event, Event::Filled { .. }));
    let [Event::Filled { fill }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(fill.order, Some(back.no));
    again.check_replay();
}

#[test]
fn an_id_of_the_same_start_that_is_taken_back_moves_the_counter_past_it() {
    // Under virtual time a restored copy starts with the incarnation that it had.
    let bench = Bench::ready();
    let backup = facts(&bench);
    let mut bench = bench.on_as(replay(&backup), backup.clone(), "second");
    bench.answer_restart(Vec::new());
    let orders: Vec<OrderNo> =
        (0..3).map(|n| bench.resting(&format!("s{n}"), "ETH_USDT", "buy", "0.01", "1900")).collect();
    let mut again = bench.on_as(replay(&backup), backup, "second");
    again.answer_restart(Vec::new());
    let reports: Vec<OrderReport> =
        [orders[2], orders[0]].iter().map(|no| report_of(&bench, *no, VenueOrderState::Resting, "0")).collect();
    again.open_orders(reports);
    for no in [orders[2], orders[0]] {
        assert_eq!(again.order(no).client_id, bench.order(no).client_id);
    }
    again.command("r1", perpdeck::model::Action::Resume);
    let next = again.enter("n1", "XRP_USDT", "buy", "10");
    assert!(next > orders[2] && !ids_sent(&bench).contains(&again.order(next).client_id));
    again.check_replay();
}

#[test]
fn an_order_that_was_forgotten_after_its_end_is_not_taken_for_a_lost_one() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    let report = bench.report(no, VenueOrderState::Cancelled, "0", 2);
    bench.push(Push::Order(report.clone()));
    bench.pass(secs(3700));
    assert!(bench.state().orders.get(no).is_none(), "forgotten");
    bench.push(Push::Order(report.clone()));
    let mut again = bench.restarted();
    again.answer_restart(Vec::new());
    again.push(Push::Order(report));
    for bench in [&bench, &again] {
        assert!(bench.events(|event| matches!(event, Event::OrderRecovered { .. })).is_empty());
    }
}

#[test]
fn a_start_that_is_not_ours_and_trades_after_us_stops_entries_and_nothing_is_adopted() {
    let mut bench = Bench::ready();
    let resting = bench.resting("s1", "ETH_USDT", "buy", "0.01", "1900");
    bench.now = bench.now.plus(secs(30));
    bench.quote("BTC_USDT", "50000");
    let mut report = bench.report(resting, VenueOrderState::Resting, "0", 1);
    report.client_id = Some(client_id("test0001zzzzzz7"));
    report.venue_id = VenueOrderId::new("4711").unwrap();
    report.created_at = Some(venue(bench.now));
    bench.push(Push::Order(report.clone()));
    assert_eq!(bench.state().control, Control::Paused);
    let alert = bench.alerts(AlertKind::SecondCopy).pop().unwrap();
    assert_eq!(alert.severity, Severity::Critical);
    assert!(alert.message.contains("zzzzzz"), "{}", alert.message);
    assert_eq!(bench.state().orders.all(None).count(), 1, "nothing is adopted");
    assert!(reason(&bench.signal("s2", "S1", "BTC_USDT", "buy", "0.001")).contains("paused"));
    assert!(bench.order(resting).is_working(), "what works stays");
    // Whoever resumes against it is stopped by its next order.
    bench.command("r1", perpdeck::model::Action::Resume);
    report.version = 2;
    bench.push(Push::Order(report));
    assert_eq!(bench.state().control, Control::Paused);
    // Its fills are those of somebody else: they are not asked for, and move the position.
    let mut fill = bench.foreign_fill(
        "ETH_USDT",
        perpdeck::model::Intent::open(Side::Long),
        "10",
        "1900",
        perpdeck::model::Category::Normal,
    );
    fill.client_id = Some(client_id("test0001zzzzzz7"));
    bench.push(Push::Fill(fill));
    assert_eq!(lookups(&bench.requests), 0);
    assert!(bench.position("ETH_USDT", Side::Long).is_some());
    bench.check_replay();
}

#[test]
fn a_start_that_our_journal_lost_is_ours_when_its_orders_are_older_than_this_start() {
    let mut bench = Bench::ready();
    let backup = facts(&bench);
    bench.now = bench.now.plus(secs(5));
    let mut lost_start = bench.on_as(replay(&backup), backup.clone(), "gone00");
    lost_start.answer_restart(Vec::new());
    let no = lost_start.resting("s1", "ETH_USDT", "buy", "0.01", "1900");
    bench.now = bench.now.plus(secs(60));
    let mut again = bench.on_as(replay(&backup), backup, "second");
    again.answer_start(PositionMode::Hedge, Vec::new());
    again.push(Push::Order(report_of(&lost_start, no, VenueOrderState::Resting, "0")));
    assert!(!again.has_alert(AlertKind::SecondCopy));
    assert_eq!(again.state().control, Control::Halted, "facts are missing: a person looks first");
    assert_eq!(again.state().orders.working_count(), 1, "taken back");
}
