//! Orders: defects of the predecessor that lose fills, hold slots or repeat ids, each under its name.

use perpdeck::engine::Request;
use perpdeck::model::{Action, AlertKind, Contracts, Event, Intent, OrderState, Side, SignalOutcome, VenueOrderState};

use crate::answers::*;
use crate::harness::*;

#[test]
fn a10_an_older_report_moves_nothing_back() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.push_order(no, VenueOrderState::Resting, "40", 5);
    bench.fill(no, "40", "49900");
    bench.push_order(no, VenueOrderState::Cancelled, "0", 3);
    assert_eq!(bench.state_of(no), OrderState::PartiallyFilled, "version 3 is older than 5");
    bench.push_order(no, VenueOrderState::Resting, "0", 2);
    assert_eq!(bench.order(no).venue_filled, Contracts(d("40")));
    bench.fill(no, "60", "49900");
    bench.push_order(no, VenueOrderState::Resting, "40", 5);
    assert_eq!(bench.state_of(no), OrderState::Filled, "a filled order is never reopened");
    bench.check_replay();
}

#[test]
fn a10_a_fill_told_twice_counts_once() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    let fill = bench.fill_of(no, "40", "49900");
    bench.push(perpdeck::model::Push::Fill(fill.clone()));
    bench.push(perpdeck::model::Push::Fill(fill.clone()));
    bench.fills_told(Ok(vec![fill].into()));
    assert_eq!(bench.order(no).filled_contracts, Contracts(d("40")));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("40")));
}

#[test]
fn a11_refused_after_acceptance_frees_the_place() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    let mut report = bench.report(no, VenueOrderState::Invalid, "0", 2);
    (report.error_code, report.refusal) = (2, perpdeck::model::Refusal::Balance);
    bench.push(perpdeck::model::Push::Order(report));
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("balance"));
    assert_eq!(bench.state().orders.working_count(), 0);
}

#[test]
fn a11_an_undefined_state_is_an_alert_and_the_order_is_polled_on() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.push_order(no, VenueOrderState::Unrecognised(42), "0", 2);
    assert!(bench.order(no).is_working());
    assert!(bench.alerts(AlertKind::VenueAnswerUnknown)[0].message.contains("42"));
    let asked = bench.pass_quoted(secs(5));
    assert!(asked.iter().any(|request| matches!(request, Request::OpenOrders)));
}

#[test]
fn a12_a_partly_filled_order_can_be_cancelled_and_times_out() {
    let mut bench = Bench::ready();
    let by_hand = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49900");
    bench.fill(by_hand, "4", "49900");
    bench.command("c1", Action::Cancel { orders: vec![by_hand] });
    assert_eq!(bench.cancelled().len(), 1);
    let by_time = bench.resting("s2", "ETH_USDT", "buy", "0.1", "1990");
    bench.fill(by_time, "400", "1990");
    let asked = bench.pass_quoted(secs(61));
    assert!(cancels(&asked).iter().any(|cancel| cancel.no == by_time));
    assert_eq!(bench.order(by_time).cancel.as_ref().unwrap().by, "time-out");
}

#[test]
fn a13_finished_orders_take_no_place_and_exits_have_room() {
    let mut bench = Bench::ready_with(|settings| {
        settings.orders.max_working = 4;
        settings.orders.reserved_for_exits = 2;
    });
    for n in 0..10 {
        bench.open_position(&format!("s{n}"), "BTC_USDT", "buy", "0.001", "50000");
    }
    bench.resting("r1", "BTC_USDT", "buy", "0.001", "49000");
    bench.resting("r2", "BTC_USDT", "buy", "0.001", "49000");
    assert!(reason(&bench.signal("r3", "S1", "BTC_USDT", "buy", "0.001")).contains("queue full"));
    for n in 0..4 {
        ordered(bench.signal(&format!("x{n}"), "ZE1", "BTC_USDT", "sell", "0.001"));
        assert_eq!(bench.placed().len(), 1, "an exit is never refused for the queue");
    }
}

#[test]
fn a14_the_bound_holds_under_a_burst() {
    let mut bench = Bench::ready_with(|settings| {
        settings.orders.max_working = 10;
        settings.orders.reserved_for_exits = 4;
    });
    let mut taken = 0;
    for n in 0..50 {
        let outcome = bench.signal(&format!("s{n}"), "S1", "BTC_USDT", "buy", "0.0001");
        taken += usize::from(matches!(outcome, SignalOutcome::Ordered { .. }));
        assert!(bench.state().orders.working_count() <= 6);
    }
    assert_eq!(taken, 6);
}

#[test]
fn a24_an_exit_is_sized_from_the_position() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "BTC_USDT", "buy", "0.005", "50000");
    bench.signal("ze1", "ZE1", "BTC_USDT", "sell", "50%");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("75")));
    bench.signal("ze2", "ZE1", "BTC_USDT", "sell", "7");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("75")), "capped at what is held and not closing yet");
}

#[test]
fn a24_e1_closes_all_and_ignores_a_quantity() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.0123", "50000");
    bench.signal("e1", "E1", "BTC_USDT", "sell", "0.001");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("123")));
}

#[test]
fn a32_a_tripped_limit_never_blocks_an_exit() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "ETH_USDT", "buy", "0.4", "2000");
    // An outside close at a ruinous price: more than 5 % of 10,000 is lost.
    let fill =
        bench.foreign_fill("ETH_USDT", Intent::close(Side::Long), "4000", "100", perpdeck::model::Category::Normal);
    bench.push(perpdeck::model::Push::Fill(fill));
    assert!(!bench.state().limits.is_empty(), "the daily loss limit has tripped");
    assert!(matches!(bench.signal("s3", "S1", "SOL_USDT", "buy", "1"), SignalOutcome::Rejected { .. }));
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.placed().len(), 1);
}

#[test]
fn a34_a_refusal_is_final_and_costs_one_request() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, refusal());
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(placed(&bench.pass_quoted(secs(40))).is_empty());
}

#[test]
fn b2_events_are_published_after_the_state_has_moved() {
    // Whoever reads back while handling an event sees at least what the event says: a replay up to
    // each record is the state that the engine had.
    let mut bench = Bench::ready();
    let no = bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    assert_eq!(bench.state_of(no), OrderState::Filled);
    let sent = bench.log.iter().position(|record| matches!(record.event, Event::Filled { .. })).unwrap();
    let seen = replay(&bench.log[..=sent]);
    assert_eq!(seen.orders.get(no).unwrap().state, OrderState::Filled);
    assert!(seen.positions.get(&key("BTC_USDT", Side::Long)).is_some());
}

#[test]
fn b10_a_thousand_orders_are_one_question_and_few_look_ups() {
    let mut bench = Bench::ready();
    let mut orders = Vec::new();
    for n in 0..50 {
        orders.push(bench.resting(&format!("s{n}"), "BTC_USDT", "buy", "0.0001", "49000"));
    }
    let asked = bench.pass_quoted(secs(3));
    let polls = asked.iter().filter(|request| matches!(request, Request::OpenOrders)).count();
    assert_eq!(polls, 1, "one bulk query, and the next when it is answered");
    assert_eq!(lookups(&asked), 0);
    // None is listed: looked up one by one, so many a cycle.
    bench.open_orders(Vec::new());
    assert_eq!(lookups(&bench.requests), bench.engine.settings().orders.lookup_max_per_poll);
    let first: Vec<_> = bench.requests.clone();
    bench.now = bench.now.plus(secs(2));
    bench.open_orders(Vec::new());
    assert_eq!(lookups(&bench.requests), bench.engine.settings().orders.lookup_max_per_poll);
    assert!(
        bench.requests.iter().all(|request| !matches!(request, Request::Lookup { .. }) || !first.contains(request)),
        "those whose answer is awaited are not asked for again"
    );
}

#[test]
fn b12_one_transition_is_one_event() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(bench.events(|event| matches!(event, Event::OrderCancelled { .. })).len(), 1, "told by the exchange");
    let refused = bench.enter("s2", "BTC_USDT", "buy", "0.01");
    bench.refuse(refused, refusal());
    assert_eq!(bench.events(|event| matches!(event, Event::OrderFailed { .. })).len(), 1);
    assert_eq!(bench.events(|event| matches!(event, Event::OrderCreated { .. })).len(), 2);
}

#[test]
fn b13_history_is_kept_from_the_end_not_from_creation() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.001", "50000");
    let exit = bench.resting_exit("ze1", "BTC_USDT", "sell", "50%", "51000");
    bench.pass(secs(3540));
    bench.fill(exit, "5", "51000");
    assert_eq!(bench.state_of(exit), OrderState::Filled);
    bench.pass(secs(180));
    assert!(bench.state().orders.get(exit).is_some(), "an hour after its end, not after its birth");
    bench.pass(secs(3600));
    assert!(bench.state().orders.get(exit).is_none());
}

#[test]
fn b14_ids_come_from_a_counter_and_never_repeat() {
    let mut bench = Bench::ready();
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..20 {
        let no = bench.enter(&format!("s{n}"), "BTC_USDT", "buy", "0.0001");
        assert!(seen.insert(bench.order(no).client_id.clone()), "at one instant of one clock");
    }
    let mut again = bench.restarted();
    again.answer_start(perpdeck::model::PositionMode::Hedge, Vec::new());
    let next = again.state().orders.next_no();
    assert!(next.0 > 20, "and not after a restart");
}

#[test]
fn a_fill_faster_than_the_acceptance_tells_the_order_its_id() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut fill = bench.fill_of(no, "40", "50000");
    fill.venue_order = Some(venue_id(no));
    bench.push(perpdeck::model::Push::Fill(fill));
    assert_eq!(bench.state_of(no), OrderState::PartiallyFilled);
    assert_eq!(bench.order(no).venue_id, Some(venue_id(no)));
    // The answer itself is lost: nothing to look up, it is known to be there.
    bench.refuse(no, reply_lost());
    assert_eq!(bench.state_of(no), OrderState::PartiallyFilled);
    bench.command("c1", Action::Cancel { orders: vec![no] });
    assert_eq!(bench.state_of(no), OrderState::PendingCancel);
    assert_eq!(bench.cancelled()[0].venue_id, Some(venue_id(no)));
}

#[test]
fn a_deal_without_our_id_waits_for_the_order_that_may_have_made_it() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    let fill = bench.bare_fill(Intent::open(Side::Long), "100", "50000", no);
    bench.fills_told(Ok(vec![fill.clone()].into()));
    assert!(!bench.has_alert(AlertKind::PositionOpenedOutside), "it may be ours");
    let report = bench.report(no, VenueOrderState::Filled, "100", 2);
    bench.looked_up(no, Some(report));
    bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(vec![fill].into()) });
    assert_eq!(bench.state_of(no), OrderState::Filled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("100")));
    assert!(!bench.has_alert(AlertKind::PositionOpenedOutside));
}
