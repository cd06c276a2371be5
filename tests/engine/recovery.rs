//! Restarts in mid-flight: what was on its way is looked up, nothing is lost, nothing is doubled.

use perpdeck::engine::{Engine, Input, Out, Reply, Request};
use perpdeck::model::{
    Action, Contracts, OrderNo, OrderState, Phase, PositionMode, RawSignal, Record, SessionState, Side, SignalOutcome,
    VenueOrderState,
};

use crate::answers::*;
use crate::harness::*;

#[test]
fn an_order_on_its_way_is_looked_up_at_once_and_nothing_opens_beside_it() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let mut again = bench.restarted();
    assert_eq!(again.state_of(no), OrderState::Unknown);
    assert_eq!(lookups(&again.requests), 1);
    again.answer_restart(Vec::new());
    assert_eq!(again.state().phase, Phase::Ready, "positions are known, so exits may leave");
    assert!(reason(&again.signal("s2", "S1", "BTC_USDT", "buy", "0.01")).contains("UNKNOWN"));
    let report = again.report(no, VenueOrderState::Resting, "0", 1);
    again.looked_up(no, Some(report));
    again.tick();
    assert_eq!(again.state().phase, Phase::Ready);
    assert_eq!(again.state_of(no), OrderState::Submitted);
    again.check_replay();
}

#[test]
fn an_order_that_never_left_is_sent_with_the_same_id_and_only_after_proof() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let (_, _, first) = bench.placed().remove(0);
    let mut again = bench.restarted();
    again.answer_restart(Vec::new());
    again.looked_up(no, None);
    assert!(again.placed().is_empty());
    let asked = placed(&again.pass_absent(secs(13)));
    match asked.as_slice() {
        [] => assert_eq!(again.state_of(no), OrderState::Failed),
        [(placed, attempt, place)] => {
            assert_eq!((*placed, *attempt), (no, 2));
            assert_eq!(*place, first);
        }
        more => panic!("sent {} times", more.len()),
    }
    assert_eq!(again.state().phase, Phase::Ready);
}

#[test]
fn a_pending_entry_waits_until_the_session_is_ready() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, not_sent());
    let mut again = bench.restarted();
    assert!(placed(&again.pass(secs(5))).is_empty(), "nothing opens before the exchange has told what is open");
    again.answer_restart(Vec::new());
    assert_eq!(again.state().phase, Phase::Ready);
    let asked = placed(&again.pass_quoted(secs(1)));
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].0, asked[0].1), (no, 2));
}

#[test]
fn a_pending_exit_leaves_as_soon_as_the_mode_is_known() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.refuse(no, not_sent());
    let mut again = bench.restarted();
    let asked = placed(&again.pass(secs(2)));
    assert_eq!(asked.len(), 1, "the mode is on record; protection does not wait for the rest");
    assert_ne!(asked[0].0, no, "what surely failed ended; the target sends anew");
    assert_eq!(asked[0].2.contracts, bench.order(no).contracts);
}

#[test]
fn i34_a_restart_changes_no_fact_but_the_start() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    bench.check_replay();
    let again = bench.restarted();
    assert!(again.state().orders.all(None).eq(bench.state().orders.all(None)));
    assert_eq!(again.state().positions, bench.state().positions);
    assert_eq!(again.state().signals, bench.state().signals);
    assert_eq!(again.state().info.as_ref().unwrap().starts, 2);
}

#[test]
fn a_command_that_waits_for_orders_goes_on() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.command("c1", Action::Cancel { orders: vec![no] });
    let mut again = bench.restarted();
    assert!(!again.command_status("c1").is_final());
    let asked = again.pass_quoted(secs(3));
    assert_eq!(cancels(&asked)[0].no, no, "the cancel is sent again");
    again.push_order(no, VenueOrderState::Cancelled, "0", 2);
    assert!(again.command_status("c1").is_final());
}

/// A journal may end after any fact: whatever the cut, the next start sends nothing twice and ends
/// in a state that can be replayed.
#[test]
fn any_cut_of_the_journal_can_be_started_from() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    bench.push_order(resting, VenueOrderState::Cancelled, "0", 2);
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "40", "50000");
    bench.command("f1", Action::Flatten);
    let facts: Vec<Record> = bench.log.iter().filter(|record| record.event.is_fact()).cloned().collect();
    for cut in 1..=facts.len() {
        let state = replay(&facts[..cut]);
        let known: std::collections::BTreeMap<_, _> =
            state.orders.all(None).map(|order| (order.no, order.attempts)).collect();
        let mut again = bench.on(state, facts[..cut].to_vec());
        again.check_replay();
        for (no, attempt, _) in placed(&again.requests) {
            assert_eq!(known.get(&no).copied().unwrap_or_default() + 1, attempt, "cut {cut}");
            assert_eq!(attempt, 1, "cut {cut}: only what was never sent leaves without a look-up");
        }
        // A redelivery of every signal makes no second order for any of them.
        again.answer_restart(Vec::new());
        for raw in [raw("s1", "S1", "BTC_USDT", "buy", "0.01"), raw("s2", "S1", "ETH_USDT", "buy", "0.01")] {
            again.signal_raw(RawSignal { price: None, ..raw });
        }
        for id in ["s1", "s2"] {
            let of_signal = again
                .state()
                .orders
                .all(None)
                .filter(|order| order.signal_id.as_ref().is_some_and(|signal| signal.as_str() == id))
                .count();
            assert!(of_signal <= 1, "cut {cut}: {of_signal} orders of {id}");
        }
        again.check_replay();
    }
}

#[test]
fn a_number_that_a_cut_left_unused_is_not_mistaken_for_the_signals_order() {
    let mut bench = Bench::ready();
    bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01");
    let decided = bench
        .log
        .iter()
        .position(|record| matches!(record.event, perpdeck::model::Event::SignalDecided { .. }))
        .unwrap();
    let facts: Vec<Record> = bench.log[..=decided].iter().filter(|record| record.event.is_fact()).cloned().collect();
    let mut again = bench.on(replay(&facts), facts);
    again.answer_restart(Vec::new());
    let other = again.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    assert_eq!(again.outcome("s1"), SignalOutcome::Ordered { order: other }, "the number was free");
    again.signal_raw(RawSignal { cancels: Some("s1".into()), ..raw("o1", "O1", "BTC_USDT", "", "") });
    assert!(matches!(again.outcome("o1"), SignalOutcome::Rejected { .. }), "another signal's order is left alone");
    assert!(again.cancelled().is_empty());
}

#[test]
fn fills_that_came_while_it_was_down_are_applied_once() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.fill(no, "40", "49900");
    let seen = bench.fill_of(no, "30", "49900");
    let mut again = bench.restarted();
    again.now = again.now.plus(secs(5));
    let held = again.position_report("BTC_USDT", Side::Long, "70", "49900", "34000", "120");
    again.answer_start(PositionMode::Hedge, vec![held]);
    again.fills_told(Ok(vec![seen.clone(), seen].into()));
    assert_eq!(again.order(no).filled_contracts, Contracts(d("70")));
    assert_eq!(again.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("70")));
    again.check_replay();
}

#[test]
fn the_engine_wants_to_be_woken_while_anything_is_open() {
    let mut engine = Engine::new(perpdeck::config::Settings::default(), SessionState::default());
    assert!(engine.next_wakeup().is_none());
    let mut bench = Bench::ready();
    bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    let wakeup = bench.engine.next_wakeup().unwrap();
    assert!(wakeup.since(bench.now) <= secs(1));
    let mut out = Out::default();
    engine.step(bench.now, Input::Tick, &mut out);
    assert!(out.requests.iter().all(|request| !matches!(request, Request::Place { .. })));
}

/// Orders on their way when the program ended: so many, of which the exchange has every other one.
fn in_flight(count: usize) -> (Bench, Bench, Vec<perpdeck::model::OrderNo>) {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_positions = 10);
    let signal =
        |n: usize| RawSignal { price: Some("1900".into()), ..raw(&format!("s{n}"), "S1", "ETH_USDT", "buy", "0.001") };
    let orders: Vec<_> = (0..count)
        .map(|n| {
            bench.signal_raw(signal(n));
            ordered(bench.outcome(&format!("s{n}")))
        })
        .collect();
    let mut again = bench.restarted();
    again.now = again.now.plus(secs(1));
    (bench, again, orders)
}

#[test]
fn hundreds_of_orders_in_flight_are_recovered_by_lists_and_not_one_by_one() {
    let (before, mut again, orders) = in_flight(45);
    assert_eq!(again.state().orders.unknown().count(), 45);
    assert_eq!(lookups(&again.requests), 0);
    let begin = again.now;
    again.answer_start(PositionMode::Hedge, Vec::new());
    again.fills_told(Ok(Vec::new().into()));
    assert_eq!(again.state().phase, Phase::Ready, "exits are allowed at once");
    let since = venue(before.now.minus(secs(600)));
    again.reply(Reply::OrderHistory { asked_at: again.now, since, result: Ok(Vec::new().into()) });
    assert!(reason(&again.signal("n1", "S1", "ETH_USDT", "buy", "0.001")).contains("UNKNOWN"));
    let other = ordered(again.signal("n2", "S1", "BTC_USDT", "buy", "0.001"));
    again.accept(other);
    let mut works: Vec<_> =
        orders.iter().step_by(3).map(|no| before.report(*no, VenueOrderState::Resting, "0", 1)).collect();
    works.push(again.report(other, VenueOrderState::Resting, "0", 1));
    let ended: Vec<_> =
        orders.iter().skip(1).step_by(3).map(|no| before.report(*no, VenueOrderState::Cancelled, "0", 2)).collect();
    // The login made the start ask once more.
    again.open_orders(works.clone());
    let (mut single, mut queue) = (0, again.requests.clone());
    while again.state().orders.unknown().count() > 0 && again.now.since(begin) < secs(60) {
        for request in std::mem::take(&mut queue) {
            let asked_at = again.now;
            match request {
                Request::Lookup { no, .. } => {
                    single += 1;
                    again.looked_up(no, None);
                }
                Request::OpenOrders => again.open_orders(works.clone()),
                Request::OrderHistory { since } => {
                    let result = Ok(ended.clone().into());
                    again.reply(Reply::OrderHistory { asked_at, since, result });
                }
                Request::Place { no, .. } => again.accept(no),
                _ => {}
            }
        }
        queue = again.pass_quoted(std::time::Duration::from_millis(100));
    }
    let took = again.now.since(before.now);
    assert!(took <= secs(15), "{took:?}");
    assert!(took >= secs(12), "absence is not proven before its time: {took:?}");
    assert_eq!(single, 0, "no single look-up");
    for (at, no) in orders.iter().enumerate() {
        let mut expected = [OrderState::Submitted, OrderState::Cancelled, OrderState::Failed][at % 3];
        if at == 44 {
            // Proven absent when no other of its contract is UNKNOWN any more, and still young: sent again.
            expected = OrderState::Submitting;
        }
        assert_eq!(again.state_of(*no), expected, "order {at}: {:?}", again.order(*no).note);
    }
    again.check_replay();
}

#[test]
fn the_lists_that_prove_absence_are_asked_for_as_soon_as_they_do() {
    let (_, mut again, _) = in_flight(45);
    let proof_at = again.state().last_start.unwrap().plus(again.engine.settings().orders.lookup_proof_after);
    again.answer_start(PositionMode::Hedge, Vec::new());
    // The login made the start ask once more.
    again.open_orders(Vec::new());
    let mut asked = Vec::new();
    while again.now < proof_at.plus(secs(3)) {
        // It takes a while, so that its turns come at any time.
        if again.pass_quoted(std::time::Duration::from_millis(100)).iter().any(|it| matches!(it, Request::OpenOrders)) {
            asked.push(again.now);
            again.pass_quoted(std::time::Duration::from_millis(500));
            again.reply(Reply::OpenOrders { asked_at: *asked.last().unwrap(), result: Ok(Vec::new().into()) });
        }
    }
    let (from, to) = (proof_at, proof_at.plus(std::time::Duration::from_millis(200)));
    assert!(asked.iter().any(|at| (from..=to).contains(at)), "{proof_at} {asked:?}");
}

#[test]
fn a_list_with_an_unreadable_row_proves_no_absence_and_a_list_that_fails_is_not_waited_for() {
    let (_, mut again, orders) = in_flight(6);
    again.answer_start(PositionMode::Hedge, Vec::new());
    again.now = again.now.plus(secs(20));
    again.open_orders(Vec::new());
    let mut history = perpdeck::model::Listing::default();
    let row = perpdeck::model::UnreadableRow { symbol: None, text: "{}".into(), why: "no id".into() };
    history.unreadable.push(row);
    let since = venue(again.now.minus(secs(600)));
    again.reply(Reply::OrderHistory { asked_at: again.now, since, result: Ok(history) });
    assert!(orders.iter().all(|no| again.state_of(*no) == OrderState::Unknown));
    for _ in 0..3 {
        again.reply(Reply::OrderHistory { asked_at: again.now, since, result: Err(not_sent()) });
    }
    let asked = again.pass_quoted(secs(3));
    assert!(lookups(&asked) >= 6, "then each is looked up: {}", lookups(&asked));
}

/// What was filled while the engine was off for days is as much ours as what was filled a second ago.
#[test]
fn a_fill_of_an_order_that_is_known_counts_however_old_it_is() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "ETH_USDT", "buy", "0.2", "2000");
    let no = bench.resting("rest", "BTC_USDT", "buy", "0.01", "49000");
    bench.now = bench.now.plus(secs(60));
    let fill = bench.fill_of(no, "100", "49000");
    bench.now = bench.now.plus(secs(60 * 3600));
    let mut again = bench.restarted();
    again.tick();
    let held = vec![again.position_report("ETH_USDT", Side::Long, "20", "2000", "1000", "100")];
    again.answer_restart(held);
    let asked = again.asked_so_far.iter().find_map(|request| match request {
        Request::FillsSince { since, .. } => Some(*since),
        _ => None,
    });
    assert!(asked.unwrap() <= fill.at, "{asked:?}");
    again.push(perpdeck::model::Push::Fill(fill));
    assert_eq!(again.state_of(no), OrderState::Filled);
    assert_eq!(again.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("100")));
    // And later, when what ended is forgotten, it still counts once.
    again.check_replay();
}

/// The first look at the past must not be by a clock that was not compared with the exchange's.
#[test]
fn a_start_by_a_clock_that_is_days_ahead_drops_no_fill() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "ETH_USDT", "buy", "0.2", "2000");
    let no = bench.resting("rest", "BTC_USDT", "buy", "0.01", "49000");
    let before = bench.now;
    bench.now = bench.now.plus(secs(48 * 3600));
    let mut again = bench.restarted();
    again.tick();
    let back = before.micros() - again.now.micros();
    let right = clock_offset();
    let offset = perpdeck::model::ClockOffset { offset_us: right.offset_us + back, ..right };
    again.reply(Reply::ServerTime { result: Ok(offset) });
    again.pass(secs(120));
    let fill = perpdeck::model::FillReport { at: venue(before).plus(secs(60)), ..again.fill_of(no, "100", "49000") };
    again.push(perpdeck::model::Push::Fill(fill));
    assert_eq!(again.state_of(no), OrderState::Filled);
    // Those of others count too, also after the clock is right again.
    let mut right = again.restarted();
    right.now = before.plus(secs(300));
    assert!(right.state().orders.fills_from() <= venue(before), "{:?}", right.state().orders.fills_from());
}

#[test]
fn while_the_exchange_s_clock_is_not_known_many_orders_are_asked_for_one_by_one() {
    let mut bench = Bench::ready();
    let orders: Vec<OrderNo> = (0..6).map(|n| bench.enter(&format!("s{n}"), "BTC_USDT", "buy", "0.0001")).collect();
    let mut again = bench.restarted();
    // Nobody says what time it is there; lists of ended orders cannot be asked for without.
    again.pass_absent(secs(40));
    assert!(again.state().upkeep.link.clock.is_none());
    assert_eq!(again.state().orders.unknown().count(), 0, "{orders:?}");
}
