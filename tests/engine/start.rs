//! A start: what it asks, what it is ready with, and an exchange that does not answer.

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{ErrorClass, Phase, PositionMode, Side, SignalOutcome};

use crate::harness::{Bench, account_of, clock_offset, contract, error, ordered, reason, secs};

/// A restart with a position and many orders whose list is on its way: everything else was told.
fn without_the_list() -> Bench {
    let mut before = Bench::ready();
    before.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let mut bench = before.restarted();
    bench.reply(Reply::ServerTime { result: Ok(clock_offset()) });
    bench.reply(Reply::Contracts { result: Ok(vec![contract("BTC_USDT"), contract("ETH_USDT")]) });
    bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
    bench.quote("BTC_USDT", "50000");
    bench.quote("ETH_USDT", "2000");
    bench.fills_told(Ok(Vec::new().into()));
    bench.sync(vec![bench.position_report("BTC_USDT", Side::Long, "100", "50000", "34000", "166")]);
    bench
}

#[test]
fn a_start_is_ready_for_exits_before_a_long_list_of_orders_came() {
    let mut bench = without_the_list();
    assert_eq!(bench.state().phase, Phase::Starting, "a short list comes with the rest");
    let asked = bench.pass_quoted(Duration::from_millis(400));
    assert_eq!(bench.state().phase, Phase::Ready);
    assert!(!asked.iter().any(|request| matches!(request, Request::OpenOrders)), "asked again it would begin anew");
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 1, "an exit leaves");
    bench.check_replay();
}

#[test]
fn no_entry_leaves_before_the_open_orders_were_told_and_then_it_may() {
    let mut bench = without_the_list();
    bench.pass_quoted(secs(3));
    assert!(reason(&bench.signal("early", "S1", "ETH_USDT", "buy", "0.1")).contains("list of open orders"));
    assert!(bench.placed().is_empty());
    bench.open_orders(Vec::new());
    ordered(bench.signal("then", "S1", "ETH_USDT", "buy", "0.1"));
    assert_eq!(bench.placed().len(), 1);
    bench.check_replay();
}

#[test]
fn no_entry_leaves_before_the_time_there_was_told_or_could_not_be_for_ten_seconds() {
    for told in [true, false] {
        let mut bench = Bench::started_with(|_| {});
        bench.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
        bench.pass_quoted(secs(2));
        assert!(reason(&bench.signal("early", "S1", "ETH_USDT", "buy", "0.1")).contains("the exchange's time"));
        if told {
            bench.reply(Reply::ServerTime { result: Ok(clock_offset()) });
        } else {
            bench.pass_quoted(secs(8));
        }
        ordered(bench.signal("then", "S1", "ETH_USDT", "buy", "0.1"));
    }
}

#[test]
fn a_time_that_is_never_told_is_asked_for_ever_more_rarely_whatever_else_is_answered() {
    let mut bench = Bench::started_with(|_| {});
    bench.answer_start_but_the_clock(PositionMode::Hedge, Vec::new());
    let blocked = || Reply::ServerTime { result: Err(error(ErrorClass::Retryable, false, "blocked")) };
    bench.reply(blocked());
    let mut asked = 0;
    for _ in 0..600 {
        for request in bench.pass_quoted(secs(1)) {
            match request {
                Request::ServerTime => {
                    asked += 1;
                    bench.reply(blocked());
                }
                Request::Positions => bench.sync(Vec::new()),
                Request::FillsSince { .. } => bench.fills_told(Ok(Vec::new().into())),
                _ => {}
            }
        }
    }
    assert!((10..=20).contains(&asked), "{asked} times in ten minutes");
}

#[test]
fn a_list_that_fails_after_the_start_is_asked_for_again_until_it_comes() {
    let mut bench = without_the_list();
    bench.pass_quoted(secs(1));
    for _ in 0..5 {
        let failed = error(ErrorClass::Retryable, true, "503");
        bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Err(failed) });
        let asked = bench.pass_quoted(secs(5));
        assert!(asked.iter().any(|request| matches!(request, Request::OpenOrders)), "soon");
        assert!(matches!(bench.signal("early", "S1", "ETH_USDT", "buy", "0.1"), SignalOutcome::Rejected { .. }));
    }
    bench.open_orders(Vec::new());
    ordered(bench.signal("then", "S1", "ETH_USDT", "buy", "0.1"));
}

#[test]
fn of_two_questions_that_are_out_the_answer_to_the_older_is_no_newer_than_it_is() {
    let mut bench = Bench::ready();
    let older = bench.now;
    bench.push(perpdeck::model::Push::Connected);
    bench.tick();
    bench.now = bench.now.plus(secs(5));
    bench.push(perpdeck::model::Push::Connected);
    bench.pass_quoted(secs(1));
    let sync = |bench: &Bench| bench.state().upkeep.chore(perpdeck::model::Chore::SyncPositions);
    let newer = sync(&bench).asked_at.unwrap();
    assert!(newer > older.plus(secs(4)), "two are out");
    let told = |bench: &mut Bench, asked_at| {
        let account = Ok(vec![account_of("10000")].into());
        bench.reply(Reply::Positions { asked_at, result: Ok(Vec::new().into()), account });
    };
    told(&mut bench, older);
    assert_eq!((sync(&bench).told_of, sync(&bench).asked_at), (Some(older), Some(newer)));
    told(&mut bench, newer);
    assert_eq!((sync(&bench).told_of, sync(&bench).asked_at), (Some(newer), None));
    // What comes later and is older takes nothing back.
    told(&mut bench, older);
    assert_eq!(sync(&bench).told_of, Some(newer));
    bench.check_replay();
}

/// What the exchange does with a question while it is down.
#[derive(Clone, Copy, Debug)]
enum Down {
    /// Refuses it.
    Refuses,
    /// Never answers it.
    Hangs,
    /// Never answers the open orders, refuses the others.
    Both,
}

/// A start during an outage: how long after its end the session is ready.
fn ready_after(down: Down, outage: Duration) -> Duration {
    let mut bench = Bench::started_with(|_| {});
    let (mut queue, begin) = (std::collections::VecDeque::new(), bench.now);
    let down_until = begin.plus(outage);
    queue.extend(bench.requests.clone());
    while bench.now.since(begin) < outage + secs(60) {
        let up = bench.now >= down_until;
        while let Some(request) = queue.pop_front() {
            let asked_at = bench.now;
            let bad = || error(ErrorClass::Retryable, true, "503");
            let hangs = match down {
                Down::Refuses => false,
                Down::Hangs => true,
                Down::Both => matches!(request, Request::OpenOrders),
            };
            match request {
                _ if hangs && !up => continue,
                Request::ServerTime if up => bench.reply(Reply::ServerTime { result: Ok(clock_offset()) }),
                Request::ServerTime => bench.reply(Reply::ServerTime { result: Err(bad()) }),
                Request::Contracts if up => bench.reply(Reply::Contracts { result: Ok(vec![contract("BTC_USDT")]) }),
                Request::Contracts => bench.reply(Reply::Contracts { result: Err(bad()) }),
                Request::PositionMode if up => bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) }),
                Request::PositionMode => bench.reply(Reply::PositionMode { result: Err(bad()) }),
                Request::OpenOrders if up => bench.open_orders(Vec::new()),
                Request::OpenOrders => bench.reply(Reply::OpenOrders { asked_at, result: Err(bad()) }),
                Request::Positions if up => bench.sync(Vec::new()),
                Request::Positions => {
                    bench.reply(Reply::Positions { asked_at, result: Err(bad()), account: Err(bad()) })
                }
                Request::FillsSince { .. } if up => bench.fills_told(Ok(Vec::new().into())),
                Request::FillsSince { .. } => bench.fills_told(Err(bad())),
                _ => continue,
            }
            queue.extend(bench.requests.clone());
        }
        if bench.state().phase == Phase::Ready {
            return bench.now.since(down_until);
        }
        queue.extend(bench.pass(Duration::from_millis(100)));
    }
    panic!("{down:?} for {outage:?}: never ready");
}

#[test]
fn a_start_is_ready_a_second_after_the_exchange_answers_again() {
    for down in [Down::Refuses, Down::Hangs, Down::Both] {
        // Whatever was just asked when it comes back.
        for phase in 0..25 {
            let outage = Duration::from_millis(40_000 + 100 * phase);
            let took = ready_after(down, outage);
            assert!(took <= Duration::from_millis(1_200), "{down:?} for {outage:?}: ready after {took:?}");
        }
    }
}
