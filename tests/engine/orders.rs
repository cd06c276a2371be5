//! `LiveOrderManager`: the behaviours of the predecessor's tests as they are decided here, retry,
//! and partial fills.

use perpdeck::config::Settings;
use perpdeck::engine::{Engine, Request};
use perpdeck::model::{
    Action, AlertKind, CancelOutcome, Contracts, Event, Intent, OrderState, OrderType, Phase, Price, Qty, RawSignal,
    RiskCheck, SessionState, Side, SignalOutcome, VenueOrderId, VenueOrderState,
};

use crate::answers::*;
use crate::harness::*;

#[test]
fn om01_a_fresh_session_is_empty_and_has_room_for_a_thousand() {
    let engine = Engine::new(Settings::default(), SessionState::default());
    assert_eq!(engine.settings().orders.max_working, 1000);
    assert!(engine.state().orders.is_empty());
    assert_eq!(engine.state().phase, Phase::Starting);
}

#[test]
fn om02_a_market_entry_is_placed_once_and_its_id_is_kept() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let placed = bench.placed();
    assert_eq!(placed.len(), 1);
    let (_, attempt, place) = &placed[0];
    assert_eq!(*attempt, 1);
    assert_eq!(place.symbol, symbol("BTC_USDT"));
    assert_eq!(place.intent, Intent::open(Side::Long));
    assert_eq!(place.order_type, OrderType::Market);
    assert_eq!(place.contracts, Contracts(d("100")));
    assert_eq!(place.client_id, bench.order(no).client_id);
    bench.accept(no);
    assert_eq!(bench.order(no).venue_id, Some(venue_id(no)));
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    assert!(bench.placed().is_empty());
}

#[test]
fn om03_a_limit_entry_carries_its_price_on_the_tick_never_worse_than_asked() {
    let mut bench = Bench::ready();
    bench.signal_raw(RawSignal { price: Some("49900.57".into()), ..raw("s1", "S1", "BTC_USDT", "buy", "0.01") });
    assert_eq!(bench.placed()[0].2.order_type, OrderType::Limit(Price(d("49900.5"))));
    bench.signal_raw(RawSignal { price: Some("2100.51".into()), ..raw("s2", "S1", "ETH_USDT", "sell", "0.1") });
    assert_eq!(bench.placed()[0].2.order_type, OrderType::Limit(Price(d("2100.6"))));
}

#[test]
fn om03_stop_loss_and_take_profit_go_with_the_entry() {
    let mut bench = Bench::ready();
    bench.signal_raw(RawSignal {
        stop_loss: Some("49000".into()),
        take_profit: Some("52000".into()),
        ..raw("s1", "S1", "BTC_USDT", "buy", "0.01")
    });
    let (_, _, place) = bench.placed().remove(0);
    assert_eq!(place.stop_loss, Some(Price(d("49000"))));
    assert_eq!(place.take_profit, Some(Price(d("52000"))));
    bench.signal_raw(RawSignal { stop_loss: Some("51000".into()), ..raw("s2", "S1", "BTC_USDT", "buy", "0.001") });
    assert!(reason(&bench.outcome("s2")).contains("must be below its entry price"));
}

#[test]
fn om04_a_full_queue_refuses_entries_by_name() {
    let mut bench = Bench::ready_with(|settings| {
        settings.orders.max_working = 3;
        settings.orders.reserved_for_exits = 1;
    });
    bench.enter("s1", "BTC_USDT", "buy", "0.001");
    bench.enter("s2", "BTC_USDT", "buy", "0.001");
    let outcome = bench.signal("s3", "S1", "BTC_USDT", "buy", "0.001");
    assert!(reason(&outcome).contains("queue full"), "{outcome:?}");
    assert!(bench.placed().is_empty());
}

#[test]
fn om05_an_open_breaker_fails_an_entry_at_once() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    let no = bench.enter("s1", "ETH_USDT", "buy", "0.1");
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("circuit"));
    assert!(bench.placed().is_empty());
    assert_eq!(bench.order(no).attempts, 0);
}

#[test]
fn om06_two_failures_then_success_are_three_calls_one_and_two_seconds_apart() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let first = bench.placed();
    let begin = bench.now;
    bench.refuse(no, not_sent());
    assert_eq!(bench.state_of(no), OrderState::Pending);
    let due = bench.order(no).next_attempt_at.unwrap().since(begin);
    assert!(due >= secs(1) && due <= secs(1).mul_f64(1.1), "{due:?}");
    let second = placed(&bench.pass_quoted(secs(2)));
    assert_eq!(second.len(), 1);
    let begin = bench.now;
    bench.refuse(no, not_sent());
    let due = bench.order(no).next_attempt_at.unwrap().since(begin);
    assert!(due >= secs(2) && due <= secs(2).mul_f64(1.1), "{due:?}");
    let third = placed(&bench.pass_quoted(secs(3)));
    assert_eq!(third.len(), 1);
    assert_eq!(first[0].2, second[0].2);
    assert_eq!(first[0].2, third[0].2);
    bench.accept(no);
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    assert_eq!(bench.order(no).attempts, 3);
    bench.check_replay();
}

#[test]
fn om06_the_jitter_depends_on_the_order_alone_and_is_at_most_a_tenth() {
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let mut bench = Bench::ready();
        for id in ["s1", "s2", "s3"] {
            let no = bench.enter(id, "BTC_USDT", "buy", "0.001");
            let begin = bench.now;
            bench.refuse(no, not_sent());
            waits.insert((no, bench.order(no).next_attempt_at.unwrap().since(begin)));
        }
    }
    assert_eq!(waits.len(), 3, "the same for each run, another for each order: {waits:?}");
    assert!(waits.iter().all(|(_, wait)| *wait >= secs(1) && *wait <= secs(1).mul_f64(1.1)));
    let distinct: std::collections::BTreeSet<_> = waits.iter().map(|(_, wait)| wait).collect();
    assert!(distinct.len() > 1, "jitter spreads: {waits:?}");
}

#[test]
fn om07_three_failures_end_it_with_the_number_of_attempts() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, not_sent());
    bench.pass_quoted(secs(2));
    bench.refuse(no, not_sent());
    bench.pass_quoted(secs(3));
    bench.refuse(no, not_sent());
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("after 3 attempts"), "{:?}", bench.order(no).note);
    assert!(placed(&bench.pass_quoted(secs(70))).is_empty(), "no fourth call, ever");
    assert!(bench.has_alert(AlertKind::OrderRejected));
}

#[test]
fn om08_the_risk_gate_refuses_by_name() {
    let mut bench = Bench::ready();
    let outcome = bench.signal("s1", "S1", "BTC_USDT", "buy", "0.03");
    assert!(reason(&outcome).contains("risk check failed"), "{outcome:?}");
    let SignalOutcome::Rejected { failed_checks, .. } = &outcome else { panic!() };
    assert_eq!(failed_checks.as_slice(), [RiskCheck::MaxPositionSize]);
    assert!(bench.placed().is_empty());
    assert!(bench.state().orders.is_empty(), "a refusal is no order");
}

#[test]
fn om09_a_cancel_names_symbol_and_both_ids_and_ends_when_the_end_is_proven() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.command("c1", Action::Cancel { orders: vec![no] });
    let asked = bench.cancelled();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].symbol, symbol("BTC_USDT"));
    assert_eq!(asked[0].venue_id, Some(venue_id(no)));
    assert_eq!(asked[0].client_id, bench.order(no).client_id);
    bench.answer_cancel(no, CancelOutcome::Accepted);
    assert_eq!(bench.state_of(no), OrderState::PendingCancel, "a yes is not the end");
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
}

#[test]
fn om10_cancelling_what_is_not_known_is_refused() {
    let mut bench = Bench::ready();
    let record = bench.command("c1", Action::Cancel { orders: vec![perpdeck::model::OrderNo(77)] });
    assert!(matches!(record.status, perpdeck::model::CommandStatus::Rejected { ref why } if why.contains("no order")));
    assert!(bench.requests.is_empty());
}

#[test]
fn om11_a_filled_order_cannot_be_cancelled() {
    let mut bench = Bench::ready();
    let no = bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let record = bench.command("c1", Action::Cancel { orders: vec![no] });
    assert!(matches!(record.status, perpdeck::model::CommandStatus::Rejected { ref why } if why.contains("filled")));
    assert_eq!(bench.state_of(no), OrderState::Filled);
    assert!(bench.cancelled().is_empty());
}

#[test]
fn om12_the_order_knows_its_signal() {
    let mut bench = Bench::ready();
    let no = bench.enter("my-signal", "BTC_USDT", "buy", "0.01");
    assert_eq!(bench.order(no).signal_id.as_ref().unwrap().as_str(), "my-signal");
    assert_eq!(bench.order(no).strategy.as_str(), "tester");
}

#[test]
fn om13_z1_is_recorded_and_does_nothing() {
    let mut bench = Bench::ready();
    let outcome = bench.signal("z1", "Z1", "BTC_USDT", "buy", "0.01");
    assert_eq!(outcome, SignalOutcome::Recorded);
    assert!(bench.requests.is_empty() && bench.state().orders.is_empty());
}

#[test]
fn om14_and_15_orders_are_found_by_number_and_by_symbol() {
    let mut bench = Bench::ready();
    let btc = bench.enter("s1", "BTC_USDT", "buy", "0.001");
    let eth = bench.enter("s2", "ETH_USDT", "buy", "0.01");
    assert!(bench.state().orders.get(btc).is_some());
    assert!(bench.state().orders.get(perpdeck::model::OrderNo(99)).is_none());
    assert_eq!(bench.state().orders.all(None).count(), 2);
    let of_eth: Vec<_> = bench.state().orders.all(Some(&symbol("ETH_USDT"))).map(|order| order.no).collect();
    assert_eq!(of_eth, [eth]);
}

#[test]
fn om16_counters_count_each_end_once() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.001", "50000");
    let cancelled = bench.resting("s2", "BTC_USDT", "buy", "0.001", "49000");
    bench.command("c1", Action::Cancel { orders: vec![cancelled] });
    bench.push_order(cancelled, VenueOrderState::Cancelled, "0", 2);
    bench.push_order(cancelled, VenueOrderState::Cancelled, "0", 2);
    let failed = bench.enter("s3", "BTC_USDT", "buy", "0.001");
    bench.refuse(failed, refusal());
    bench.enter("s4", "BTC_USDT", "buy", "0.001");
    let counters = &bench.state().counters;
    assert_eq!((counters.orders, counters.filled, counters.cancelled, counters.failed), (4, 1, 1, 1));
    assert_eq!(bench.state().orders.working_count(), 1);
}

#[test]
fn om18_partial_then_full_publishes_each_fill_once_with_totals() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Resting, "40", 2);
    bench.fill(no, "40", "50000");
    assert_eq!(bench.state_of(no), OrderState::PartiallyFilled);
    bench.fill(no, "60", "50010");
    bench.push_order(no, VenueOrderState::Filled, "100", 3);
    let order = bench.order(no);
    assert_eq!(order.state, OrderState::Filled);
    assert_eq!(order.filled, Qty(d("0.01")));
    assert_eq!(order.average_price().unwrap().0, d("50006"));
    assert_eq!(order.fees.0, d("0.02"));
    assert_eq!(bench.events(|event| matches!(event, Event::Filled { .. })).len(), 2);
    bench.check_replay();
}

#[test]
fn om20_cleanup_forgets_only_what_ended_more_than_an_hour_ago() {
    let mut bench = Bench::ready();
    let filled = bench.open_position("s1", "BTC_USDT", "buy", "0.001", "50000");
    bench.pass(secs(3500));
    assert!(bench.state().orders.get(filled).is_some());
    let exit = bench.resting_exit_late("ze1");
    bench.pass(secs(200));
    assert!(bench.state().orders.get(filled).is_none(), "ended 3700 s ago");
    assert!(bench.state().orders.get(exit).is_some(), "still works");
    bench.check_replay();
}

impl Bench {
    fn resting_exit_late(&mut self, id: &str) -> perpdeck::model::OrderNo {
        self.resting_exit(id, "BTC_USDT", "sell", "50%", "60000")
    }
}

#[test]
fn retry_waits_double_up_to_the_longest_when_attempts_are_raised() {
    let mut bench = Bench::ready_with(|settings| {
        settings.orders.attempts = 9;
        settings.orders.signal_max_age = secs(10_000);
        settings.orders.time_out = secs(20_000);
        settings.breaker.failures = 100;
    });
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut waits = Vec::new();
    for _ in 0..8 {
        let begin = bench.now;
        bench.refuse(no, not_sent());
        waits.push(bench.order(no).next_attempt_at.unwrap().since(begin).as_secs());
        bench.pass_quoted(secs(67));
    }
    let bases = [1, 2, 4, 8, 16, 32, 60, 60];
    for (wait, base) in waits.iter().zip(bases) {
        assert!(*wait >= base && *wait <= base + base / 10, "{waits:?}");
    }
}

#[test]
fn a_retry_of_an_entry_passes_the_gate_again() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, not_sent());
    bench.command("p1", Action::Pause { cancel_entries: false });
    assert!(placed(&bench.pass_quoted(secs(3))).is_empty(), "paused: not sent again");
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert!(bench.order(no).note.as_ref().unwrap().contains("paused"));
}

#[test]
fn a1_a_lost_reply_is_looked_up_and_never_sent_blindly() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    assert!(bench.asked(|request| matches!(request, Request::Lookup { no: asked, .. } if *asked == no)));
    let asked = bench.pass_quoted(secs(25));
    assert_eq!(placements(&asked, no), 0, "without an answer nothing proves absence");
    let report = bench.report(no, VenueOrderState::Resting, "0", 1);
    bench.looked_up(no, Some(report));
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    assert_eq!(bench.order(no).attempts, 1);
}

#[test]
fn a2_one_signal_is_at_most_three_requests() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut sent = 1;
    for _ in 0..6 {
        if bench.state_of(no) == OrderState::Submitting {
            bench.refuse(no, not_sent());
        }
        sent += placements(&bench.pass_quoted(secs(5)), no);
    }
    assert_eq!(sent, 3);
    assert_eq!(bench.state_of(no), OrderState::Failed);
}

#[test]
fn a3_closing_a_long_never_opens_a_short() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    let (_, _, place) = bench.placed().remove(0);
    assert_eq!(place.intent, Intent::close(Side::Long));
    assert!(place.intent.reduces());
    bench.open_position("s2", "ETH_USDT", "sell", "0.1", "2000");
    bench.signal("e2", "E1", "ETH_USDT", "buy", "");
    assert_eq!(bench.placed()[0].2.intent, Intent::close(Side::Short));
}

#[test]
fn a4_an_empty_exchange_id_cannot_be_stored() {
    assert!(VenueOrderId::new("").is_err());
    // The adapter answers such a reply as ambiguous: the order is looked up, not forgotten.
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, error(perpdeck::model::ErrorClass::Ambiguous, false, "the reply has no order id"));
    assert_eq!(bench.state_of(no), OrderState::Unknown);
    assert!(bench.asked(|request| matches!(request, Request::Lookup { .. })));
}

#[test]
fn a6_every_entry_passes_the_gate_and_no_exit_does() {
    let mut bench = Bench::ready();
    for (n, price) in [None, Some("50000".to_owned())].into_iter().enumerate() {
        let id = format!("s{n}");
        bench.signal_raw(RawSignal { price, ..raw(&id, "S1", "BTC_USDT", "buy", "0.05") });
        assert!(reason(&bench.outcome(&id)).contains("risk check failed"), "market and limit alike");
        assert!(bench.placed().is_empty());
    }
    bench.open_position("s9", "BTC_USDT", "buy", "0.02", "50000");
    bench.quote("BTC_USDT", "90000");
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.placed().len(), 1, "its size is above every limit by now");
}

#[test]
fn a8_a_partial_fill_moves_the_position_even_if_the_rest_is_cancelled() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.fill(no, "30", "49900");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().quantity, Qty(d("0.003")));
    bench.command("c1", Action::Cancel { orders: vec![no] });
    bench.push_order(no, VenueOrderState::Cancelled, "30", 3);
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert_eq!(bench.order(no).filled, Qty(d("0.003")));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().quantity, Qty(d("0.003")));
    assert_eq!(bench.state().orders.reservations().count(), 0, "nothing stays reserved");
}

#[test]
fn a8_a_cancel_that_speaks_of_fills_waits_for_them() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.push_order(no, VenueOrderState::Cancelled, "30", 3);
    assert!(bench.order(no).is_working(), "its fill has not arrived");
    let asked = bench.pass_quoted(secs(2));
    assert!(asked.iter().any(|request| matches!(request, Request::OrderFills { .. })), "it is asked for");
    let fill = bench.fill_of(no, "30", "49900");
    bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(vec![fill]) });
    let report = bench.report(no, VenueOrderState::Cancelled, "30", 3);
    bench.looked_up(no, Some(report));
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().quantity, Qty(d("0.003")));
}

#[test]
fn fills_that_do_not_come_are_asked_for_at_a_calm_pace() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.push_order(no, VenueOrderState::Filled, "100", 3);
    let mut asked = 0;
    for _ in 0..100 {
        let requests = bench.pass_quoted(std::time::Duration::from_millis(100));
        for request in requests {
            if let Request::OrderFills { .. } = request {
                asked += 1;
                bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(Vec::new()) });
                let report = bench.report(no, VenueOrderState::Filled, "100", 3);
                bench.looked_up(no, Some(report));
            }
        }
    }
    assert!((5..=10).contains(&asked), "asked {asked} times in 10 s");
    assert!(bench.order(no).is_working());
}

#[test]
fn a9_a_filled_report_without_price_is_no_end_before_its_deals() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Filled, "100", 2);
    assert_eq!(bench.state_of(no), OrderState::Submitted, "the state moves with the fill, in one step");
    let asked = bench.pass_quoted(secs(2));
    assert!(asked.iter().any(|request| matches!(request, Request::OrderFills { .. })));
    bench.fill(no, "100", "50000");
    assert_eq!(bench.state_of(no), OrderState::Filled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().quantity, Qty(d("0.01")));
}

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
    bench.reply(perpdeck::engine::Reply::Fills { result: Ok(vec![fill]) });
    assert_eq!(bench.order(no).filled_contracts, Contracts(d("40")));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("40")));
}

#[test]
fn a11_refused_after_acceptance_frees_the_place() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    let mut report = bench.report(no, VenueOrderState::Invalid, "0", 2);
    report.error_code = 2;
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
    bench.reply(perpdeck::engine::Reply::Fills { result: Ok(vec![fill.clone()]) });
    assert!(!bench.has_alert(AlertKind::PositionOpenedOutside), "it may be ours");
    let report = bench.report(no, VenueOrderState::Filled, "100", 2);
    bench.looked_up(no, Some(report));
    bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(vec![fill]) });
    assert_eq!(bench.state_of(no), OrderState::Filled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("100")));
    assert!(!bench.has_alert(AlertKind::PositionOpenedOutside));
}
