//! UNKNOWN: looked up by our id, sent again only after proof of absence, with the same id and payload.

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, AlertKind, Category, Contracts, Event, OrderState, Push, Severity, Side, VenueOrderId, VenueOrderState,
};

use crate::answers::*;
use crate::harness::*;

#[test]
fn absence_is_proven_after_twelve_seconds_and_not_before() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let (_, _, first) = bench.placed().remove(0);
    bench.lose(no);
    bench.looked_up(no, None);
    let early = bench.pass_absent(std::time::Duration::from_millis(11_900));
    assert_eq!(placements(&early, no), 0, "the request itself may still arrive");
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    let asked = bench.pass_absent(secs(1));
    let again = placed(&asked);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1, 2);
    assert_eq!(again[0].2, first, "the same id, the same payload");
    assert_eq!(bench.state_of(no), OrderState::Submitting);
    bench.check_replay();
}

#[test]
fn i3_a_partial_exit_waits_for_the_proof_and_goes_out_under_a_new_id() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "ZE1", "BTC_USDT", "sell", "40%"));
    let (_, _, first) = bench.placed().remove(0);
    assert_eq!(first.position_id, None, "the exchange has not named the position yet");
    bench.lose(no);
    bench.looked_up(no, None);
    assert!(placed(&bench.pass_absent(secs(3))).is_empty(), "else too much would be closed");
    // Meanwhile its id and its margin mode become known.
    let mut report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166");
    report.margin_mode = perpdeck::model::MarginMode::Cross;
    bench.push(Push::Position(report));
    assert!(bench.position("BTC_USDT", Side::Long).unwrap().venue_id.is_some());
    bench.asked_so_far.clear();
    bench.pass_absent(secs(13));
    let again = placed(&bench.asked_so_far);
    assert_eq!(again.len(), 1, "{:?} {:?}", bench.state().targets, bench.order(no));
    assert_ne!(again[0].2.client_id, first.client_id, "no id goes out with two payloads");
    assert_eq!(again[0].2.contracts, first.contracts);
    assert!(again[0].2.position_id.is_some(), "and it says what is known now");
}

#[test]
fn an_entry_is_not_sent_again_when_its_signal_is_too_old() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.looked_up(no, None);
    bench.pass_quoted(secs(31));
    bench.looked_up(no, None);
    assert!(bench.placed().is_empty());
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("31 s old"), "{:?}", bench.order(no).note);
}

#[test]
fn an_exit_whose_answer_was_lost_goes_out_anew_at_once_and_the_first_is_never_given_up() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.lose(no);
    assert!(bench.asked(|request| matches!(request, Request::Positions)), "what is held is asked at once");
    bench.looked_up(no, None);
    let again = placed(&bench.pass_quoted(secs(1)));
    assert_eq!(again.len(), 1, "a full close cannot turn the position");
    // Ten minutes without any answer, far beyond the order's time-out.
    bench.pass_quoted(secs(600));
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    assert!(bench.order(no).cancel.is_none(), "giving up would leave the position open");
    bench.looked_up(no, None);
    assert_eq!(bench.state_of(no), OrderState::Failed, "proven absent: the one that is on its way does it");
    assert_eq!(placements(&bench.requests, no), 0, "one id is not sent twice when another does its work");
    bench.accept(again[0].0);
    bench.fill(again[0].0, "100", "50000");
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
}

#[test]
fn a_late_acceptance_ends_unknown() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.accept(no);
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    // The question that was out comes back with nothing: it was asked too early to prove anything.
    bench.looked_up(no, None);
    assert!(bench.placed().is_empty(), "an order that the exchange has is never sent again");
    assert!(bench.order(no).is_working());
}

#[test]
fn a_push_or_a_fill_ends_unknown() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.push_order(no, VenueOrderState::Resting, "0", 1);
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    let other = bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.lose(other);
    let contracts = bench.order(other).contracts.to_string();
    bench.fill(other, &contracts, "2000");
    assert_eq!(bench.state_of(other), OrderState::Filled);
}

#[test]
fn a_failed_look_up_proves_nothing() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    let mut asked = 0;
    for _ in 0..8 {
        let error = error(perpdeck::model::ErrorClass::Retryable, false, "510");
        bench.reply(Reply::LookedUp { no, asked_at: bench.now, result: Err(error) });
        let requests = bench.pass_quoted(secs(3));
        asked += lookups(&requests);
        assert_eq!(placements(&requests, no), 0);
        assert_eq!(bench.state_of(no), OrderState::Unknown, "I7");
    }
    assert!(asked >= 6, "asked on, {asked} times");
}

#[test]
fn b11_what_the_exchange_does_not_list_is_asked_for_and_ends_only_after_a_while() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.now = bench.now.plus(secs(2));
    bench.open_orders(Vec::new());
    assert_eq!(lookups(&bench.requests), 1);
    bench.looked_up(no, None);
    assert_eq!(bench.state_of(no), OrderState::Unknown, "one miss is no verdict");
    bench.pass_absent(secs(10));
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    let asked = bench.pass_absent(secs(5));
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert_eq!(placements(&asked, no), 0, "it was there once: never sent again");
    assert_eq!(bench.state().orders.working_count(), 0);
}

#[test]
fn an_operator_is_told_after_five_seconds_and_told_when_it_is_over() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.pass_quoted(secs(4));
    assert!(!bench.has_alert(AlertKind::OrderUnknown));
    bench.pass_quoted(secs(2));
    let alert = &bench.alerts(AlertKind::OrderUnknown)[0];
    assert_eq!(alert.severity, Severity::Warning);
    assert!(alert.is_active());
    bench.push_order(no, VenueOrderState::Resting, "0", 1);
    bench.pass_quoted(secs(1));
    assert!(!bench.alerts(AlertKind::OrderUnknown)[0].is_active());
}

#[test]
fn i21_no_entry_in_a_symbol_with_an_unknown_order() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.001");
    bench.lose(no);
    assert!(reason(&bench.signal("s2", "S1", "BTC_USDT", "buy", "0.001")).contains("UNKNOWN"));
    ordered(bench.signal("s3", "S1", "ETH_USDT", "buy", "0.01"));
}

#[test]
fn an_id_that_was_used_before_leads_to_the_first_order() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut twin = bench.report(no, VenueOrderState::Invalid, "0", 1);
    (twin.error_code, twin.refusal) = (22, perpdeck::model::Refusal::DuplicateId);
    twin.venue_id = VenueOrderId::new("777").unwrap();
    bench.push(Push::Order(twin.clone()));
    assert_eq!(bench.state_of(no), OrderState::Unknown, "not failed: the first one may work");
    assert_eq!(lookups(&bench.requests), 1);
    // The same answer again does not make it ask again at once.
    bench.looked_up(no, Some(twin.clone()));
    assert_eq!(lookups(&bench.requests), 0);
    let report = bench.report(no, VenueOrderState::Resting, "0", 1);
    bench.looked_up(no, Some(report));
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    // A refused twin is harmless, a working one is not.
    bench.push(Push::Order(twin.clone()));
    assert!(!bench.has_alert(AlertKind::VenueAnswerUnknown));
    twin.state = VenueOrderState::Resting;
    bench.push(Push::Order(twin));
    assert_eq!(bench.alerts(AlertKind::VenueAnswerUnknown)[0].severity, Severity::Critical);
    assert_eq!(bench.cancelled()[0].venue_id, Some(VenueOrderId::new("777").unwrap()));
}

#[test]
fn an_order_that_ended_here_and_works_there_is_cancelled_there() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, refusal());
    assert_eq!(bench.state_of(no), OrderState::Failed);
    bench.now = bench.now.plus(secs(1));
    bench.push_order(no, VenueOrderState::Resting, "0", 1);
    assert_eq!(bench.cancelled().len(), 1);
    assert_eq!(bench.alerts(AlertKind::OrderUnknown)[0].severity, Severity::Critical);
}

#[test]
fn a_late_fill_after_the_end_still_moves_the_position() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    bench.fill(no, "30", "49900");
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert_eq!(bench.order(no).filled_contracts, Contracts(d("30")));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("30")));
    bench.fill(no, "70", "49900");
    assert_eq!(bench.state_of(no), OrderState::Filled, "all of it filled after all");
    assert_eq!(bench.state().orders.reservations().count(), 0);
    bench.check_replay();
}

#[test]
fn cancelling_an_unknown_order_asks_first_and_ends_it_either_way() {
    let mut bench = Bench::ready();
    let there = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(there);
    bench.command("c1", Action::Cancel { orders: vec![there] });
    let report = bench.report(there, VenueOrderState::Resting, "0", 1);
    bench.looked_up(there, Some(report));
    assert_eq!(bench.cancelled().len(), 1, "found, so cancelled");
    let absent = bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.lose(absent);
    bench.command("c2", Action::Cancel { orders: vec![absent] });
    bench.looked_up(absent, None);
    let asked = bench.pass_absent(secs(13));
    assert_eq!(placements(&asked, absent), 0, "never sent again once its cancel is wanted");
    assert_eq!(bench.state_of(absent), OrderState::Cancelled);
}

#[test]
fn push_and_poll_agree_whatever_comes_first() {
    let reports = |bench: &Bench, no| {
        [
            bench.report(no, VenueOrderState::Resting, "0", 1),
            bench.report(no, VenueOrderState::Resting, "40", 2),
            bench.report(no, VenueOrderState::Cancelled, "40", 3),
        ]
    };
    let mut ends = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for by_poll in [false, true] {
            let mut bench = Bench::ready();
            let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
            bench.fill(no, "40", "49900");
            let reports = reports(&bench, no);
            bench.now = bench.now.plus(secs(1));
            for which in order {
                let report = reports[which].clone();
                if by_poll { bench.open_orders(vec![report]) } else { bench.push(Push::Order(report)) }
            }
            assert_eq!(reports[0].category, Category::Normal);
            ends.push((bench.state_of(no), bench.order(no).filled, bench.order(no).venue_filled));
        }
    }
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
    assert_eq!(ends[0].0, OrderState::Cancelled);
}

#[test]
fn no_unknown_order_is_asked_for_more_than_once_at_a_time() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    let asked = bench.pass_quoted(secs(20));
    assert_eq!(asked.iter().filter(|request| matches!(request, Request::Lookup { .. })).count(), 0);
    assert_eq!(bench.events(|event| matches!(event, Event::OrderLost { .. })).len(), 1);
}

#[test]
fn an_unknown_entry_of_a_leg_that_is_being_closed_is_not_sent_again() {
    let mut bench = Bench::ready();
    bench.open_position("s0", "BTC_USDT", "buy", "0.01", "50000");
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.looked_up(no, None);
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    // Refused, and tried again in a minute: no other order is in question meanwhile.
    let error = error(perpdeck::model::ErrorClass::Fatal, false, "no such contract");
    bench.refuse(exit, perpdeck::model::CallError { refusal: perpdeck::model::Refusal::ContractUnknown, ..error });
    let asked = bench.pass_absent(secs(20));
    assert_eq!(placements(&asked, no), 0, "it would open again what is being closed");
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("being closed"), "{:?}", bench.order(no).note);
}

#[test]
fn an_unknown_entry_is_not_sent_again_into_another_position_mode_or_a_closed_market() {
    for closed in [false, true] {
        let mut bench = Bench::ready();
        let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
        bench.lose(no);
        bench.looked_up(no, None);
        if closed {
            let mut spec = contract("BTC_USDT");
            spec.enabled = false;
            bench.reply(Reply::Contracts { result: Ok(vec![spec]) });
        } else {
            bench.reply(Reply::PositionMode { result: Ok(perpdeck::model::PositionMode::OneWay) });
        }
        let asked = bench.pass_absent(secs(20));
        assert_eq!(placements(&asked, no), 0);
        assert_eq!(bench.state_of(no), OrderState::Failed);
    }
}

#[test]
fn one_empty_answer_is_no_proof_however_late_it_is() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    bench.pass_quoted(secs(13));
    bench.looked_up(no, None);
    assert_eq!((placements(&bench.requests, no), bench.state_of(no)), (0, OrderState::Unknown));
    // A second one that is as old as a list may lag proves no more.
    bench.pass_quoted(secs(2));
    bench.looked_up(no, None);
    assert_eq!((placements(&bench.requests, no), bench.state_of(no)), (0, OrderState::Unknown));
    bench.pass_quoted(secs(4));
    bench.looked_up(no, None);
    assert_eq!(placements(&bench.requests, no), 1);
}

#[test]
fn an_answer_that_shows_it_makes_earlier_empty_ones_worthless() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.now = bench.now.plus(secs(1));
    bench.looked_up(no, None);
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    let report = bench.report(no, VenueOrderState::Resting, "0", 1);
    bench.looked_up(no, Some(report));
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    bench.pass_quoted(secs(20));
    bench.looked_up(no, None);
    bench.pass_quoted(secs(13));
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    bench.looked_up(no, None);
    assert_eq!(bench.state_of(no), OrderState::Failed);
}

#[test]
fn after_a_restart_the_proof_counts_from_the_start_and_takes_twelve_seconds() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.now = bench.now.plus(secs(11));
    let mut again = bench.restarted();
    let started = again.now;
    again.answer_restart(Vec::new());
    again.looked_up(no, None);
    let early = again.pass_absent(std::time::Duration::from_millis(11_900));
    assert_eq!(placements(&early, no), 0, "it may have left just before the end");
    assert_eq!(again.state_of(no), OrderState::Unknown);
    again.pass_absent(secs(3));
    assert_ne!(
        again.state_of(no),
        OrderState::Unknown,
        "resolved {} s after the start",
        again.now.since(started).as_secs()
    );
}
