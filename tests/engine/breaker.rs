//! Circuit breakers: five failures, sixty seconds, three successes, one for each class of call.

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{Action, AlertKind, BreakerState, CallClass, ErrorClass, Event, OrderState};

use crate::answers::*;
use crate::harness::*;

fn state(bench: &Bench, class: CallClass) -> BreakerState {
    bench.state().breaker(class).state
}

/// One entry, answered so; returns whether a request left.
fn one_entry(bench: &mut Bench, id: &str, good: bool) -> bool {
    bench.now = bench.now.plus(std::time::Duration::from_millis(100));
    let no = ordered(bench.signal(id, "S1", "ETH_USDT", "buy", "0.001"));
    if bench.placed().is_empty() {
        return false;
    }
    if good {
        bench.accept(no)
    } else {
        bench.refuse(no, error(ErrorClass::Fatal, true, "502"))
    }
    true
}

#[test]
fn five_failures_open_it_and_sixty_seconds_later_three_successes_close_it() {
    let mut bench = Bench::ready();
    for n in 0..4 {
        assert!(one_entry(&mut bench, &format!("f{n}"), false));
    }
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed);
    one_entry(&mut bench, "f4", false);
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Open);
    assert!(bench.alerts(AlertKind::BreakerOpen)[0].is_active());
    assert!(!one_entry(&mut bench, "held", true), "held back");
    bench.pass_quoted(secs(59));
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Open);
    bench.pass_quoted(secs(1));
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::HalfOpen);
    for n in 0..3 {
        assert_eq!(state(&bench, CallClass::Entries), BreakerState::HalfOpen);
        assert!(one_entry(&mut bench, &format!("g{n}"), true));
    }
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed);
    assert!(!bench.alerts(AlertKind::BreakerOpen)[0].is_active());
    bench.check_replay();
}

#[test]
fn a_success_between_starts_the_count_again() {
    let mut bench = Bench::ready();
    for n in 0..20 {
        one_entry(&mut bench, &format!("s{n}"), n % 5 == 4);
    }
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed);
}

#[test]
fn a_failed_probe_opens_it_again_for_the_whole_time() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    bench.pass_quoted(secs(61));
    assert!(one_entry(&mut bench, "probe", false));
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Open);
    bench.pass_quoted(secs(59));
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Open);
}

#[test]
fn b7_half_open_lets_one_call_through_at_a_time() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    bench.pass_quoted(secs(61));
    let probe = ordered(bench.signal("p1", "S1", "ETH_USDT", "buy", "0.001"));
    assert_eq!(bench.placed().len(), 1);
    let second = ordered(bench.signal("p2", "S1", "SOL_USDT", "buy", "0.01"));
    assert!(bench.placed().is_empty());
    assert_eq!(bench.state_of(second), OrderState::Failed);
    assert!(bench.order(second).note.as_ref().unwrap().contains("half-open"));
    bench.accept(probe);
    ordered(bench.signal("p3", "S1", "SOL_USDT", "buy", "0.01"));
    assert_eq!(bench.placed().len(), 1, "answered: the next one may go");
}

#[test]
fn a34_refusals_never_open_a_breaker() {
    let mut bench = Bench::ready();
    for n in 0..30 {
        let no = bench.enter(&format!("s{n}"), "BTC_USDT", "buy", "0.001");
        bench.refuse(no, refusal());
    }
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed);
    assert!(bench.events(|event| matches!(event, Event::BreakerMoved { .. })).is_empty());
}

#[test]
fn a34_an_open_breaker_of_entries_blocks_neither_cancels_nor_exits_nor_reads() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    break_entries(&mut bench);
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    assert_eq!(bench.cancelled().len(), 1);
    bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 1);
    assert_eq!(state(&bench, CallClass::Exits), BreakerState::Closed);
    assert_eq!(state(&bench, CallClass::Reads), BreakerState::Closed);
}

#[test]
fn i22_an_open_breaker_of_exits_still_lets_every_exit_and_cancel_probe() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    for _ in 0..5 {
        bench.now = bench.now.plus(secs(2));
        bench.reply(Reply::Cancelled { orders: vec![resting], result: Err(reply_lost()) });
    }
    assert_eq!(state(&bench, CallClass::Exits), BreakerState::Open);
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.placed().len(), 1);
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    assert_eq!(bench.cancelled().len(), 1);
    bench.accept(exit);
    assert_eq!(state(&bench, CallClass::Exits), BreakerState::HalfOpen, "it got through");
}

#[test]
fn b6_a_time_out_is_an_error_like_any_other_and_counts() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.lose(no);
    let breaker = bench.state().breaker(CallClass::Entries);
    assert_eq!((breaker.failures, breaker.failed_calls), (1, 1));
    assert!(breaker.last_failure.unwrap().contains("10 s"));
    assert_eq!(bench.engine.settings().exchange.call_timeout, secs(10));
}

#[test]
fn b8_every_attempt_counts_inside_the_retry() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    for failures in 1..=3 {
        bench.refuse(no, not_sent());
        assert_eq!(bench.state().breaker(CallClass::Entries).failures, failures);
        bench.pass_quoted(secs(3));
    }
}

#[test]
fn b9_a_clock_that_jumps_back_neither_opens_nor_holds_it() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    let opened = bench.now;
    bench.pass_quoted(secs(30));
    let before = bench.now;
    bench.now = opened.minus(secs(600));
    bench.signal("z1", "Z1", "BTC_USDT", "buy", "1");
    assert!(bench.log.last().unwrap().at >= before, "time never runs backwards");
    bench.now = before;
    bench.pass_quoted(secs(31));
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::HalfOpen);
}

/// Questions that a dead exchange is asked in five minutes.
fn asked_in_vain(bench: &mut Bench) -> u32 {
    bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    let mut asked = 0;
    let begin = bench.now;
    // The start left this question open.
    bench.reply(Reply::Positions { asked_at: begin, result: Err(not_sent()), account: Err(not_sent()) });
    let mut queue = std::collections::VecDeque::new();
    while bench.now.since(begin) < secs(300) {
        queue.extend(bench.pass_quoted(std::time::Duration::from_millis(100)));
        // An answer may lead to the next question; each one is answered.
        while let Some(request) = queue.pop_front() {
            let at = bench.now;
            match request {
                Request::OpenOrders => bench.reply(Reply::OpenOrders { asked_at: at, result: Err(not_sent()) }),
                Request::Positions => {
                    bench.reply(Reply::Positions { asked_at: at, result: Err(not_sent()), account: Err(not_sent()) })
                }
                Request::FillsSince { .. } => bench.fills_told(Err(not_sent())),
                Request::Lookup { no, .. } => {
                    bench.reply(Reply::LookedUp { no, asked_at: at, result: Err(not_sent()) })
                }
                _ => continue,
            }
            asked += 1;
            queue.extend(bench.requests.clone());
        }
    }
    asked
}

#[test]
fn b1_i29_a_dead_exchange_is_asked_ever_more_rarely() {
    let mut bench = Bench::ready();
    let asked = asked_in_vain(&mut bench);
    assert!(asked < 40, "{asked} questions in 300 s");
    // Five failures open it at once, and then one probe leaves each 60 s.
    assert!(asked >= 4, "and still some: {asked}");
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed, "reads are a class of their own");
    // Not thanks to the breaker alone: each chore backs off by itself.
    let mut bench = Bench::ready_with(|settings| settings.breaker.failures = 1_000_000);
    let asked = asked_in_vain(&mut bench);
    assert!((10..40).contains(&asked), "{asked} questions in 300 s, no breaker in the way");
}

#[test]
fn an_operator_can_close_it_by_hand() {
    let mut bench = Bench::ready();
    let record = bench.command("r0", Action::ResetBreaker { class: CallClass::Entries });
    assert!(matches!(record.status, perpdeck::model::CommandStatus::Rejected { .. }));
    break_entries(&mut bench);
    bench.command("r1", Action::ResetBreaker { class: CallClass::Entries });
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::Closed);
    assert_eq!(bench.state().breaker(CallClass::Entries).failures, 0);
    assert!(one_entry(&mut bench, "s9", true));
}

#[test]
fn a_breaker_that_opens_between_reservation_and_send_releases_the_reservation() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    bench.pass_quoted(secs(10));
    let no = bench.enter("s1", "ETH_USDT", "buy", "0.1");
    assert_eq!(bench.state_of(no), OrderState::Failed);
    assert_eq!(bench.state().orders.reserved(&bench.order(no).position_key()).0, d("0"));
    assert_eq!(bench.state().orders.reservations().count(), 0);
}

#[test]
fn it_stays_open_across_a_restart() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    let again = bench.restarted();
    assert_eq!(state(&again, CallClass::Entries), BreakerState::Open);
}

/// Five entries on their way at once.
fn five(bench: &mut Bench, round: &str) -> Vec<perpdeck::model::OrderNo> {
    bench.now = bench.now.plus(std::time::Duration::from_millis(100));
    (0..5).map(|n| bench.enter(&format!("{round}{n}"), "ETH_USDT", "buy", "0.001")).collect()
}

#[test]
fn calls_that_fail_side_by_side_are_one_failure_and_rounds_in_a_row_are_as_many() {
    let mut bench = Bench::ready();
    for round in 1..=5 {
        let orders = five(&mut bench, &format!("r{round}-"));
        for no in orders {
            // Their answers come one after the other: all were under way when the first one failed.
            bench.now = bench.now.plus(secs(1));
            bench.quote("ETH_USDT", "2000");
            bench.refuse(no, error(ErrorClass::Fatal, true, "502"));
        }
        let breaker = bench.state().breaker(CallClass::Entries);
        assert_eq!((breaker.failures, breaker.failed_calls), (round, u64::from(round) * 5));
        let expected = if round < 5 { BreakerState::Closed } else { BreakerState::Open };
        assert_eq!(breaker.state, expected, "round {round}");
    }
    bench.check_replay();
}

#[test]
fn reads_of_one_bad_second_are_one_failure_however_many_there_are() {
    let mut bench = Bench::ready();
    let asked_at = bench.now.plus(secs(5));
    bench.now = bench.now.plus(secs(6));
    bench.reply(Reply::OpenOrders { asked_at, result: Err(not_sent()) });
    bench.now = bench.now.plus(secs(9));
    bench.reply(Reply::Positions { asked_at, result: Err(not_sent()), account: Err(not_sent()) });
    bench.reply(Reply::LookedUp { no: perpdeck::model::OrderNo(1), asked_at, result: Err(not_sent()) });
    assert_eq!(bench.state().breaker(CallClass::Reads).failures, 1);
    bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Err(not_sent()) });
    let late = bench.now;
    bench.now = bench.now.plus(secs(1));
    bench.reply(Reply::Positions { asked_at: late, result: Err(not_sent()), account: Err(not_sent()) });
    assert_eq!(bench.state().breaker(CallClass::Reads).failures, 2);
}

#[test]
fn what_never_left_counts_for_nothing_and_closes_no_breaker() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    for _ in 0..5 {
        bench.now = bench.now.plus(secs(2));
        bench.reply(Reply::Cancelled { orders: vec![resting], result: Err(reply_lost()) });
    }
    assert_eq!(state(&bench, CallClass::Exits), BreakerState::Open);
    let succeeded = bench.state().breaker(CallClass::Exits).succeeded_calls;
    let mut local = error(ErrorClass::NeverLeft, false, "not sent: our own rate limit had no free slot");
    local.refusal = perpdeck::model::Refusal::NoSlot;
    let mut defect = error(ErrorClass::Ambiguous, false, "the call ended by a defect");
    defect.refusal = perpdeck::model::Refusal::Defect;
    for failure in [local, defect] {
        for _ in 0..10 {
            bench.now = bench.now.plus(secs(2));
            bench.reply(Reply::Cancelled { orders: vec![resting], result: Err(failure.clone()) });
        }
    }
    let breaker = bench.state().breaker(CallClass::Exits);
    assert_eq!((breaker.state, breaker.succeeded_calls), (BreakerState::Open, succeeded));
}

#[test]
fn a_probe_that_never_left_gives_its_permit_back() {
    let mut bench = Bench::ready();
    break_entries(&mut bench);
    bench.pass_quoted(secs(61));
    let probe = ordered(bench.signal("p1", "S1", "ETH_USDT", "buy", "0.001"));
    assert_eq!(bench.placed().len(), 1);
    let mut revoked = error(ErrorClass::NeverLeft, false, "taken back before it left");
    revoked.refusal = perpdeck::model::Refusal::Revoked;
    bench.refuse(probe, revoked);
    assert_eq!(state(&bench, CallClass::Entries), BreakerState::HalfOpen, "neither failed nor succeeded");
    ordered(bench.signal("p2", "S1", "ETH_USDT", "buy", "0.001"));
    assert_eq!(bench.placed().len(), 1, "the next one may probe");
}

#[test]
fn a_read_breaker_is_forgotten_at_a_start_and_holds_back_no_question_of_it() {
    let mut bench = Bench::ready();
    bench.break_open(CallClass::Reads);
    assert_eq!(state(&bench, CallClass::Reads), BreakerState::Open);
    let mut again = bench.restarted();
    assert_eq!(state(&again, CallClass::Reads), BreakerState::Closed);
    assert!(!again.alerts(AlertKind::BreakerOpen)[0].is_active());
    again.break_open(CallClass::Reads);
    let asked = again.pass(secs(5));
    assert!(asked.iter().any(|request| matches!(request, Request::Positions)), "a start asks on");
    again.answer_restart(Vec::new());
    assert_eq!(again.state().phase, perpdeck::model::Phase::Ready);
    again.check_replay();
}

#[test]
fn a_stream_that_logs_in_lets_one_round_of_questions_through_an_open_breaker() {
    let mut bench = Bench::ready();
    bench.pass_quoted(secs(2));
    bench.break_open(CallClass::Reads);
    bench.reply(Reply::Positions { asked_at: bench.now, result: Err(not_sent()), account: Err(not_sent()) });
    let asked = bench.pass_quoted(secs(15));
    assert!(!asked.iter().any(|request| matches!(request, Request::Positions)), "held back");
    bench.push(perpdeck::model::Push::Connected);
    let mut asked = bench.requests.clone();
    asked.extend(bench.pass_quoted(std::time::Duration::from_millis(100)));
    let is_asked = |what: fn(&Request) -> bool| asked.iter().any(what);
    assert!(is_asked(|request| matches!(request, Request::Positions)), "the account is read at once");
    assert_eq!(state(&bench, CallClass::Reads), BreakerState::HalfOpen);
    bench.sync(Vec::new());
    bench.open_orders(Vec::new());
    bench.sync(Vec::new());
    assert_eq!(state(&bench, CallClass::Reads), BreakerState::Closed);
}

#[test]
fn a_question_that_hangs_holds_up_nothing_that_a_login_or_a_suspend_wants_to_know() {
    let positions = |request: &Request| matches!(request, Request::Positions);
    let time = |request: &Request| matches!(request, Request::ServerTime);
    for suspended in [false, true] {
        let mut bench = Bench::ready();
        for _ in 0..4 {
            bench.reply(Reply::Positions { asked_at: bench.now, result: Err(not_sent()), account: Err(not_sent()) });
            bench.reply(Reply::ServerTime { result: Err(not_sent()) });
        }
        // Both questions are out, and nothing answers them.
        let out = bench.pass_quoted(secs(300));
        assert!(out.iter().any(positions) && out.iter().any(time));
        let asked = if suspended {
            bench.step(perpdeck::engine::Input::Suspended { slept: secs(60) });
            bench.pass_quoted(std::time::Duration::from_millis(100))
        } else {
            bench.push(perpdeck::model::Push::Connected);
            bench.pass_quoted(std::time::Duration::from_millis(100))
        };
        assert!(asked.iter().any(positions), "suspended {suspended}");
        assert_eq!(asked.iter().any(time), suspended);
        // That the first of them fails at last does not put the next off.
        bench.push(perpdeck::model::Push::Connected);
        bench.reply(Reply::Positions { asked_at: bench.now, result: Err(not_sent()), account: Err(not_sent()) });
        assert!(bench.pass_quoted(secs(1)).iter().any(positions), "suspended {suspended}");
    }
}

#[test]
fn what_an_exit_needs_to_know_passes_an_open_breaker_of_reads() {
    let mut bench = Bench::ready();
    bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
    bench.signal("out", "ZE1", "BTC_USDT", "sell", "50%");
    let (no, ..) = bench.placed().remove(0);
    let entry = bench.enter("s1", "ETH_USDT", "buy", "0.1");
    bench.break_open(CallClass::Reads);
    bench.requests.clear();
    bench.reply(Reply::Placed { no, attempt: 1, result: Err(reply_lost()) });
    let mut asked = bench.requests.clone();
    asked.extend(bench.pass_quoted(secs(3)));
    let looked_up = |wanted| asked.iter().any(|request| matches!(request, Request::Lookup { no, .. } if *no == wanted));
    assert!(looked_up(no), "what became of it is asked");
    bench.break_open(CallClass::Reads);
    bench.reply(Reply::Placed { no: entry, attempt: 1, result: Err(reply_lost()) });
    asked = bench.requests.clone();
    let looked_up = |wanted| asked.iter().any(|request| matches!(request, Request::Lookup { no, .. } if *no == wanted));
    assert!(!looked_up(entry), "an entry waits");
    // The mode, as long as an exit stands.
    let refusal = perpdeck::model::Refusal::PositionMode;
    let error = perpdeck::model::CallError { refusal, ..error(ErrorClass::Fatal, false, "mode") };
    bench.signal("all", "E1", "BTC_USDT", "sell", "");
    let (no, attempt, _) = bench.placed().pop().unwrap();
    bench.break_open(CallClass::Reads);
    bench.reply(Reply::Placed { no, attempt, result: Err(error) });
    let asked = bench.pass_quoted(std::time::Duration::from_millis(200));
    assert!(asked.iter().any(|request| matches!(request, Request::PositionMode)), "{asked:?}");
}
