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
    bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(vec![fill].into()) });
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
                bench.reply(perpdeck::engine::Reply::OrderFills { no, result: Ok(Vec::new().into()) });
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

/// I38: what is kept is bounded by time and settings, not by how much was traded.
#[test]
fn i38_thousands_of_orders_leave_no_more_behind_than_hundreds() {
    let mut bench = Bench::ready();
    let mut kept = Vec::new();
    for n in 0..4_000_u32 {
        let no = bench.enter(&format!("in{n}"), "ETH_USDT", "buy", "0.01");
        bench.accept(no);
        let contracts = bench.order(no).contracts.to_string();
        bench.fill(no, &contracts, "2000");
        let out = ordered(bench.signal(&format!("out{n}"), "E1", "ETH_USDT", "sell", ""));
        bench.accept(out);
        bench.fill(out, &contracts, "2000");
        bench.signal(&format!("bad{n}"), "S1", "NOPE_USDT", "buy", "1");
        // Five seconds later: 4,000 rounds are five and a half hours.
        bench.now = bench.now.plus(secs(5));
        let quotes: Vec<_> = bench.state().quotes.values().cloned().collect();
        for quote in quotes {
            bench.push(perpdeck::model::Push::Quote(perpdeck::model::Quote { at: venue(bench.now), ..quote }));
        }
        bench.tick();
        bench.log.clear();
        if n % 1_000 == 999 {
            // Ids are never forgotten: 24 bytes each, and they are counted apart.
            let ids = serde_json::to_string(&bench.state().known_signals).unwrap().len();
            assert_eq!(ids, 2 + 48 * 3 * (usize::try_from(n).unwrap() + 1));
            kept.push(serde_json::to_string(bench.state()).unwrap().len() - ids);
        }
    }
    let (early, late) = (kept[1], kept[3]);
    assert!(late < early + early / 10, "the state grows: {kept:?} bytes after each thousand rounds");
}
