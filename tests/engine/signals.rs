//! Signals: what each type does, which sides fit, and what is refused by name.

use perpdeck::engine::Reply;
use perpdeck::model::{
    AlertKind, ClockOffset, Contracts, Event, Intent, OrderState, OrderType, PositionMode, Price, RawSignal, Record,
    Side, SignalOutcome,
};

use crate::harness::*;

fn refused(bench: &Bench) -> Vec<String> {
    bench
        .events(|event| matches!(event, Event::SignalRefused { .. }))
        .into_iter()
        .map(|event| match event {
            Event::SignalRefused { reason, .. } => reason,
            _ => unreachable!(),
        })
        .collect()
}

#[test]
fn s1_opens_the_side_that_it_names() {
    for (word, side) in [("buy", Side::Long), ("long", Side::Long), ("sell", Side::Short), ("SHORT", Side::Short)] {
        let mut bench = Bench::ready();
        bench.enter("s1", "BTC_USDT", word, "0.01");
        assert_eq!(bench.placed()[0].2.intent, Intent::open(side), "{word}");
    }
}

#[test]
fn exits_close_the_leg_that_they_name() {
    for kind in ["ZE1", "E1", "EMERGENCY_EXIT"] {
        for (word, side) in [
            ("sell", Side::Long),
            ("long", Side::Long),
            ("buy", Side::Short),
            ("cover", Side::Short),
            ("short", Side::Short),
        ] {
            let mut bench = Bench::ready();
            bench.open_position("l", "BTC_USDT", "buy", "0.01", "50000");
            bench.open_position("s", "BTC_USDT", "sell", "0.01", "50000");
            bench.signal("x", kind, "BTC_USDT", word, "100%");
            let (_, _, place) = bench.placed().remove(0);
            assert_eq!(place.intent, Intent::close(side), "{kind} {word}");
            assert_eq!(place.contracts, Contracts(d("100")));
        }
    }
}

#[test]
fn a22_sides_that_do_not_fit_are_refused_by_name() {
    let mut bench = Bench::ready();
    for (id, kind, side) in [("a", "S1", "cover"), ("b", "S1", ""), ("c", "E1", "up"), ("d", "ZE1", "BUYSELL")] {
        bench.signal_raw(raw(id, kind, "BTC_USDT", side, "0.01"));
        assert!(bench.placed().is_empty());
    }
    let reasons = refused(&bench);
    assert_eq!(reasons.len(), 4);
    assert!(reasons[0].contains("\"cover\"") && reasons[0].contains("S1") && reasons[0].contains("buy or long"));
    assert!(reasons[2].contains("\"up\"") && reasons[2].contains("cover or short"));
}

#[test]
fn a22_cover_never_adds_to_the_short() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "short", "0.01", "50000");
    bench.signal("e1", "E1", "BTC_USDT", "cover", "");
    let (no, _, place) = bench.placed().remove(0);
    assert!(place.intent.reduces());
    bench.accept(no);
    bench.fill(no, "100", "49000");
    assert!(bench.position("BTC_USDT", Side::Short).is_none());
}

#[test]
fn a_second_leg_is_taken_in_hedge_mode_and_refused_in_one_way_mode() {
    let mut bench = Bench::ready();
    bench.open_position("l", "BTC_USDT", "buy", "0.01", "50000");
    ordered(bench.signal("s", "S1", "BTC_USDT", "sell", "0.01"));
    let mut bench = Bench::started_with(|_| {});
    bench.answer_start(PositionMode::OneWay, Vec::new());
    bench.open_position("l", "BTC_USDT", "buy", "0.01", "50000");
    let outcome = bench.signal("s", "S1", "BTC_USDT", "sell", "0.01");
    assert!(reason(&outcome).contains("one-way"), "{outcome:?}");
    // A working entry of the other side counts as the leg that it will be.
    bench.enter("e", "ETH_USDT", "sell", "0.1");
    assert!(reason(&bench.signal("f", "S1", "ETH_USDT", "buy", "0.1")).contains("one-way"));
}

#[test]
fn ze1_takes_base_units_or_a_share_and_is_capped() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.signal("a", "ZE1", "BTC_USDT", "sell", "0.002");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("20")));
    bench.signal("b", "ZE1", "BTC_USDT", "sell", "12.55%");
    assert_eq!(
        bench.placed()[0].2.contracts,
        Contracts(d("10")),
        "of where it is being brought, rounded down to the lot"
    );
    bench.signal("c", "ZE1", "BTC_USDT", "sell", "100%");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("70")), "only what is not closing yet");
    let outcome = bench.signal("d", "ZE1", "BTC_USDT", "sell", "100%");
    assert!(reason(&outcome).contains("being closed already"));
    assert!(bench.placed().is_empty());
}

#[test]
fn ze1_shares_outside_0_to_100_and_crumbs_are_refused() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.001", "50000");
    for (n, share) in ["0%", "100.1%", "-5%", "x%", "%", "", "1e400"].into_iter().enumerate() {
        bench.signal_raw(raw(&format!("z{n}"), "ZE1", "BTC_USDT", "sell", share));
        assert!(bench.placed().is_empty(), "{share}");
    }
    assert_eq!(refused(&bench).len(), 7);
    assert!(refused(&bench)[1].contains("100.1%"), "{:?}", refused(&bench));
    let outcome = bench.signal("crumb", "ZE1", "BTC_USDT", "sell", "1%");
    assert!(reason(&outcome).contains("below the smallest order"), "{outcome:?}");
}

#[test]
fn entries_are_rounded_down_to_the_step_and_must_reach_the_minimum() {
    let mut bench = Bench::ready();
    bench.enter("s1", "BTC_USDT", "buy", "0.01239");
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("123")));
    let outcome = bench.signal("s2", "S1", "BTC_USDT", "buy", "0.00005");
    assert!(reason(&outcome).contains("below the minimum"), "{outcome:?}");
    let outcome = bench.signal("s3", "S1", "DOGE_USDT", "buy", "1");
    assert!(reason(&outcome).contains("DOGE_USDT is not a contract"), "{outcome:?}");
}

#[test]
fn an_exit_of_nothing_is_refused() {
    let mut bench = Bench::ready();
    let outcome = bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    assert!(reason(&outcome).contains("no LONG position"), "{outcome:?}");
}

#[test]
fn a23_unknown_types_raise_a_warning_and_are_counted() {
    let mut bench = Bench::ready();
    for (n, kind) in ["BUY", "SELL", "HOLD", "s1", ""].into_iter().enumerate() {
        bench.signal_raw(raw(&format!("u{n}"), kind, "BTC_USDT", "buy", "0.01"));
    }
    assert_eq!(bench.state().counters.signals_refused, 5);
    assert_eq!(bench.alerts(AlertKind::SignalRefused).len(), 5, "one for each type");
    bench.signal_raw(raw("again", "BUY", "BTC_USDT", "buy", "0.01"));
    assert_eq!(bench.alerts(AlertKind::SignalRefused).len(), 5, "the same type again is counted, not raised");
    assert!(refused(&bench)[0].contains("\"BUY\"") && refused(&bench)[0].contains("EMERGENCY_EXIT"));
}

#[test]
fn a23_emergency_exit_is_e1() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "EMERGENCY_EXIT", "BTC_USDT", "sell", ""));
    let (_, _, place) = bench.placed().remove(0);
    assert_eq!((place.contracts, place.order_type), (Contracts(d("100")), OrderType::Market));
    assert_eq!(bench.order(no).purpose, perpdeck::model::Purpose::FullExit);
}

#[test]
fn a23_o1_cancels_the_entry_that_it_names() {
    let mut bench = Bench::ready();
    let no = bench.resting_limit("s1");
    bench.signal_raw(RawSignal { cancels: Some("s1".into()), ..raw("o1", "O1", "BTC_USDT", "", "") });
    assert_eq!(bench.outcome("o1"), SignalOutcome::Cancelling { order: no });
    assert_eq!(bench.cancelled()[0].no, no);
    bench.push_order(no, perpdeck::model::VenueOrderState::Cancelled, "0", 2);
    assert!(bench.order(no).note.as_ref().unwrap().contains("signal o1"));
    bench.signal_raw(RawSignal { cancels: Some("s1".into()), ..raw("o2", "O1", "BTC_USDT", "", "") });
    assert!(reason(&bench.outcome("o2")).contains("nothing to cancel"));
    bench.signal_raw(RawSignal { cancels: Some("nope".into()), ..raw("o3", "O1", "BTC_USDT", "", "") });
    assert!(reason(&bench.outcome("o3")).contains("no entry of signal nope"));
    bench.signal_raw(raw("o4", "O1", "BTC_USDT", "", ""));
    assert!(refused(&bench)[0].contains("O1 needs cancels"));
}

#[test]
fn o1_never_cancels_an_exit() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.signal_raw(RawSignal { cancels: Some("e1".into()), ..raw("o1", "O1", "BTC_USDT", "", "") });
    assert!(matches!(bench.outcome("o1"), SignalOutcome::Rejected { .. }));
    assert!(bench.cancelled().is_empty());
}

#[test]
fn a7_the_same_signal_again_is_the_same_signal() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let before = bench.log.len();
    // While it is on its way, after its end, after a restart: nothing happens.
    bench.signal_raw(raw("s1", "S1", "BTC_USDT", "buy", "0.01"));
    assert!(bench.placed().is_empty());
    assert_eq!(bench.log.len(), before);
    bench.accept(no);
    bench.fill(no, "100", "50000");
    assert_eq!(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01"), SignalOutcome::Ordered { order: no });
    assert!(bench.placed().is_empty());
    let mut again = bench.restarted();
    again.answer_start(
        PositionMode::Hedge,
        vec![again.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166")],
    );
    again.signal_raw(raw("s1", "S1", "BTC_USDT", "buy", "0.01"));
    assert!(again.placed().is_empty());
    assert_eq!(again.state().orders.all(None).count(), 1);
}

#[test]
fn a7_a_refused_signal_stays_refused() {
    let mut bench = Bench::ready();
    bench.command("p1", perpdeck::model::Action::Pause { cancel_entries: false });
    let first = bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01");
    assert!(reason(&first).contains("paused"));
    bench.command("r1", perpdeck::model::Action::Resume);
    assert_eq!(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01"), first, "never held back for later");
    assert!(bench.placed().is_empty());
}

fn stamped(id: &str, ms: i64) -> RawSignal {
    RawSignal { timestamp: Some(ms), ..raw(id, "S1", "BTC_USDT", "buy", "0.001") }
}

#[test]
fn stale_and_future_signals_are_refused_with_their_age() {
    let mut bench = Bench::ready();
    let now = bench.now.millis();
    // Where the clocks differ it has to be wrong by both.
    let (first, last) = (now.min(venue(bench.now).millis()), now.max(venue(bench.now).millis()));
    bench.signal_raw(stamped("old", first - 31_000));
    let age = (now - first) / 1000 + 31;
    assert!(reason(&bench.outcome("old")).contains(&format!("stale: made {age} s ago, at most 30 s")));
    bench.signal_raw(stamped("early", last + 31_000));
    let ahead = (last - now) / 1000 + 31;
    assert!(reason(&bench.outcome("early")).contains(&format!("{ahead} s in the future")));
    bench.signal_raw(stamped("seconds", now / 1000));
    assert!(reason(&bench.outcome("seconds")).contains("stale"), "seconds are not ms");
    bench.signal_raw(stamped("young", now - 30_000));
    ordered(bench.outcome("young"));
    bench.signal_raw(stamped("soon", now + 30_000));
    ordered(bench.outcome("soon"));
}

/// A session whose exchange was measured to be so far ahead, in a round trip of so long.
fn measured(offset_ms: i64, round_trip_ms: u64) -> Bench {
    let mut bench = Bench::ready();
    let offset = ClockOffset { offset_us: offset_ms * 1_000, round_trip_us: round_trip_ms * 1_000 };
    bench.reply(Reply::ServerTime { result: Ok(offset) });
    bench
}

#[test]
fn a_true_stamp_of_another_machine_counts_while_our_clock_is_off() {
    for offset_ms in [-45_000, -20_000, -300, 300, 20_000, 45_000] {
        let mut bench = measured(offset_ms, 0);
        let (ours, theirs) = (bench.now.millis(), bench.now.millis() + offset_ms);
        let made_at = |bench: &Bench, id: &str| {
            let decided = |event: &Event| match event {
                Event::SignalDecided { signal, .. } if signal.id.as_str() == id => Some(signal.made_at),
                _ => None,
            };
            bench.log.iter().find_map(|record| decided(&record.event)).unwrap()
        };
        bench.signal_raw(stamped("here", ours));
        bench.signal_raw(stamped("there", theirs));
        for id in ["here", "there"] {
            ordered(bench.outcome(id));
        }
        assert_eq!(made_at(&bench, "here"), bench.now);
        if offset_ms.abs() > 30_000 {
            assert_eq!(made_at(&bench, "there"), bench.now, "kept by our clock");
        }
        // Again it is the same signal, whatever the clocks say by then.
        let orders = bench.state().counters.orders;
        bench.reply(Reply::ServerTime { result: Ok(clock_offset()) });
        bench.signal_raw(stamped("there", theirs));
        assert_eq!(bench.state().counters.orders, orders);
        bench.check_replay();
    }
}

#[test]
fn a_stamp_that_is_wrong_by_both_clocks_is_refused_and_uncertainty_lets_nothing_pass() {
    // 30 s are allowed; the resolution of a stamp is 1 ms.
    for (offset_ms, round_trip_ms, age_there_ms, passes) in [
        // The exchange is ahead: by its clock up to 30 s in the future, by ours up to 75 s old there.
        (45_000, 0, -29_999, true),
        (45_000, 0, -30_000, false),
        (45_000, 0, 75_000, true),
        (45_000, 0, 75_001, false),
        // It is behind: the other way round.
        (-45_000, 0, 29_999, true),
        (-45_000, 0, 30_000, false),
        (-45_000, 0, -75_000, true),
        (-45_000, 0, -75_001, false),
        // Measured within 10 s: so much less passes.
        (45_000, 20_000, -19_999, true),
        (45_000, 20_000, -20_000, false),
        (-45_000, 20_000, 19_999, true),
        (-45_000, 20_000, 20_000, false),
        (-45_000, 60_000, 0, false),
    ] {
        let mut bench = measured(offset_ms, round_trip_ms);
        let stamp = bench.now.millis() + offset_ms - age_there_ms;
        bench.signal_raw(stamped("s", stamp));
        let taken = matches!(bench.outcome("s"), SignalOutcome::Ordered { .. });
        assert_eq!(taken, passes, "{offset_ms} {round_trip_ms} {age_there_ms}: {:?}", bench.outcome("s"));
    }
}

#[test]
fn a_clock_that_is_not_measured_excuses_no_stamp() {
    let mut bench = Bench::started_with(|_| {});
    bench.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
    bench.pass_quoted(secs(10));
    let now = bench.now.millis();
    bench.signal_raw(stamped("old", now - 31_000));
    assert!(reason(&bench.outcome("old")).contains("stale"));
    bench.signal_raw(stamped("early", now + 31_000));
    assert!(reason(&bench.outcome("early")).contains("future"));
    bench.signal_raw(stamped("young", now));
    ordered(bench.outcome("young"));
}

#[test]
fn a_signal_that_comes_again_gets_the_first_outcome_however_late_it_comes() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.fill(no, "100", "50000");
    bench.command("p1", perpdeck::model::Action::Pause { cancel_entries: false });
    bench.signal("refused", "S1", "ETH_USDT", "buy", "0.01");
    bench.command("r1", perpdeck::model::Action::Resume);
    bench.pass(secs(8000));
    assert!(bench.state().signals.is_empty(), "the records are bounded");
    let held = |bench: &Bench| vec![bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166")];
    let mut again = bench.restarted();
    again.answer_restart(held(&again));
    for bench in [&mut bench, &mut again] {
        let orders = bench.state().counters.orders;
        let before = bench.state().seq;
        assert_eq!(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.010"), SignalOutcome::Ordered { order: no });
        assert!(matches!(bench.signal("refused", "S1", "ETH_USDT", "buy", "0.01"), SignalOutcome::Rejected { .. }));
        assert_eq!((bench.state().counters.orders, bench.state().seq), (orders, before), "nothing happens");
        bench.check_replay();
    }
}

#[test]
fn a_signal_id_for_other_content_is_refused_and_told_at_any_age() {
    let mut bench = Bench::ready();
    bench.enter("same", "ETH_USDT", "buy", "0.01");
    for (round, wait) in [0, 8000].into_iter().enumerate() {
        bench.pass(secs(wait));
        for raw in [
            raw("same", "S1", "XRP_USDT", "buy", "0.01"),
            raw("same", "S1", "ETH_USDT", "sell", "0.01"),
            raw("same", "S1", "ETH_USDT", "buy", "0.02"),
            RawSignal { price: Some("1999".into()), ..raw("same", "S1", "ETH_USDT", "buy", "0.01") },
            raw("same", "E1", "ETH_USDT", "long", ""),
        ] {
            bench.signal_raw(raw);
            assert!(bench.placed().is_empty());
        }
        let reasons = refused(&bench);
        assert_eq!(reasons.len(), 5 * (round + 1));
        assert!(reasons.iter().all(|reason| reason.contains("id used for something else")), "{reasons:?}");
        assert!(reasons[0].contains("order #1"), "{reasons:?}");
    }
    let alert = &bench.alerts(AlertKind::SignalRefused)[0];
    assert_eq!(alert.severity, perpdeck::model::Severity::Warning);
    bench.check_replay();
}

#[test]
fn ids_that_version_0_1_0_forgot_are_known_again_from_its_journal() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut log = bench.log.clone();
    let seq = bench.state().seq + 1;
    log.push(Record { seq, at: bench.now, event: Event::SignalsForgotten { before: bench.now.plus(secs(1)) } });
    let state = replay(&log);
    assert!(state.signals.is_empty());
    let id = perpdeck::model::SignalId::new("s1").unwrap();
    assert_eq!(state.signal_outcome(&id), Some(SignalOutcome::Ordered { order: no }));
}

#[test]
fn hostile_text_is_harmless_in_what_is_kept() {
    let mut bench = Bench::ready();
    bench.signal_raw(raw("ok", "\u{1b}]0;pwned\u{7}", "BTC_USDT", "buy", "0.01"));
    bench.signal_raw(raw("evil\u{1b}[2J", "S1", "BTC_USDT", "buy", "0.01"));
    let text = serde_json::to_string(&bench.log).unwrap();
    assert!(!text.contains("\\u001b"), "{text}");
    assert_eq!(refused(&bench).len(), 2);
}

#[test]
fn a_torn_market_and_an_old_price_take_no_entries_but_exits() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.pass(bench.engine.settings().risk.max_price_age + secs(1));
    let outcome = bench.signal("s2", "S1", "BTC_USDT", "buy", "0.001");
    assert!(reason(&outcome).contains("s old"), "{outcome:?}");
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
}

impl Bench {
    fn resting_limit(&mut self, id: &str) -> perpdeck::model::OrderNo {
        self.signal_raw(RawSignal { price: Some("49000".into()), ..raw(id, "S1", "BTC_USDT", "buy", "0.01") });
        let no = ordered(self.outcome(id));
        assert_eq!(self.placed()[0].2.order_type, OrderType::Limit(Price(d("49000"))));
        self.accept(no);
        assert_eq!(self.state_of(no), OrderState::Submitted);
        no
    }
}

#[test]
fn digits_with_underscores_are_no_number_in_any_field() {
    let mut bench = Bench::ready();
    let base = || raw("u", "S1", "BTC_USDT", "buy", "0.01");
    let grouped = Some("1_000".to_owned());
    let odd = [
        RawSignal { quantity: grouped.clone(), ..base() },
        RawSignal { price: grouped.clone(), ..base() },
        RawSignal { stop_loss: grouped.clone(), ..base() },
        RawSignal { confidence: Some("0_1".to_owned()), ..base() },
        RawSignal {
            signal_type: "ZE1".to_owned(),
            side: "sell".to_owned(),
            quantity: Some("1_0%".to_owned()),
            ..base()
        },
    ];
    for (n, raw) in odd.into_iter().enumerate() {
        bench.signal_raw(RawSignal { signal_id: format!("u{n}"), ..raw });
        assert_eq!(refused(&bench).len(), n + 1, "{:?}", refused(&bench));
    }
}
