//! B26: one limiter for each group, with priorities, and never more than the quota in any window.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::Speed;

fn limiter(share: i64) -> Arc<Limiter> {
    let clock = Clock::starting_at(SessionTime::from_secs(1_000), Speed::Max);
    Arc::new(Limiter::new(clock, Decimal::from(share)))
}

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
}

const LONG: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, Debug)]
struct Arrival {
    after_ms: u64,
    lane: Lane,
}

fn arrivals(lanes: &'static [Lane]) -> impl Strategy<Value = Vec<Arrival>> {
    prop::collection::vec((0u64..900, prop::sample::select(lanes)), 1..60)
        .prop_map(|list| list.into_iter().map(|(after_ms, lane)| Arrival { after_ms, lane }).collect())
}

/// When each request of a schedule went, with when it came, sorted by going.
fn schedule(share: i64, group: Group, arrivals: Vec<Arrival>) -> (usize, Vec<(Lane, SessionTime, SessionTime)>) {
    run(async {
        let limiter = limiter(share);
        let mut tasks = Vec::new();
        let mut at = Duration::ZERO;
        for arrival in arrivals {
            at += Duration::from_millis(arrival.after_ms);
            let limiter = Arc::clone(&limiter);
            tasks.push(tokio::spawn(async move {
                limiter.clock.sleep(at).await;
                let came = limiter.clock.now();
                limiter.slot(group, arrival.lane, LONG).await.unwrap();
                (arrival.lane, came, limiter.clock.now())
            }));
        }
        let mut gone = Vec::new();
        for task in tasks {
            gone.push(task.await.unwrap());
        }
        gone.sort_by_key(|&(_, _, went)| went);
        (limiter.quota(group), gone)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn b26_no_window_holds_more_than_the_quota(
        share in 10i64..=100,
        arrivals in arrivals(&[Lane::Cancel, Lane::Exit, Lane::Entry, Lane::Account, Lane::Read]),
        group in prop::sample::select(&[Group::Orders, Group::Leverage, Group::Details, Group::General][..]),
    ) {
        let count = arrivals.len();
        let (quota, gone) = schedule(share, group, arrivals);
        prop_assert_eq!(gone.len(), count, "nobody waits for ever");
        let (limit, window) = group.limit();
        prop_assert!(quota <= limit && quota >= 1);
        for (index, &(_, _, first)) in gone.iter().enumerate() {
            let inside = gone.iter().skip(index).take_while(|&&(_, _, went)| went <= first.plus(window)).count();
            prop_assert!(inside <= quota, "{inside} in a window from {first}, quota {quota}");
        }
    }

    #[test]
    fn b26_a_cancel_waits_behind_one_slot_at_most(arrivals in arrivals(&[Lane::Cancel, Lane::Entry, Lane::Read])) {
        let (_, gone) = schedule(80, Group::General, arrivals);
        for &(lane, came, went) in &gone {
            if lane == Lane::Cancel {
                let overtaken = gone
                    .iter()
                    .filter(|&&(other, _, other_went)| other != Lane::Cancel && other_went > came && other_went < went)
                    .count();
                prop_assert!(overtaken <= 1, "{overtaken} others went between {came} and {went}");
            }
        }
    }
}

#[test]
fn b26_lanes_go_in_order_when_slots_come_free() {
    let order = run(async {
        let limiter = limiter(25);
        limiter.slot(Group::Orders, Lane::Entry, LONG).await.unwrap();
        let (sender, mut gone) = tokio::sync::mpsc::unbounded_channel();
        for lane in [Lane::Read, Lane::Account, Lane::Entry, Lane::Exit, Lane::Cancel, Lane::Exit] {
            let (limiter, sender) = (Arc::clone(&limiter), sender.clone());
            tokio::spawn(async move {
                limiter.slot(Group::Orders, lane, LONG).await.unwrap();
                sender.send(lane).unwrap();
            });
        }
        drop(sender);
        let mut order = Vec::new();
        while let Some(lane) = gone.recv().await {
            order.push(lane);
        }
        order
    });
    assert_eq!(order, [Lane::Cancel, Lane::Exit, Lane::Exit, Lane::Entry, Lane::Account, Lane::Read]);
}

#[test]
fn entries_leave_a_slot_for_an_exit_and_groups_do_not_share() {
    run(async {
        let limiter = limiter(80);
        let start = limiter.clock.now();
        for _ in 0..2 {
            limiter.slot(Group::Orders, Lane::Entry, Duration::ZERO).await.unwrap();
        }
        assert_eq!(limiter.slot(Group::Orders, Lane::Entry, Duration::from_secs(1)).await, Err(NoSlot));
        limiter.slot(Group::Orders, Lane::Exit, Duration::ZERO).await.unwrap();
        limiter.slot(Group::General, Lane::Cancel, Duration::ZERO).await.unwrap();
        assert_eq!(limiter.clock.now(), start);
    });
}

#[test]
fn a_group_is_silent_after_too_many_requests() {
    run(async {
        let limiter = limiter(80);
        let start = limiter.clock.now();
        limiter.silence(Group::General, Some(Duration::from_secs(7)));
        assert_eq!(limiter.slot(Group::General, Lane::Read, Duration::from_secs(5)).await, Err(NoSlot));
        limiter.slot(Group::Orders, Lane::Entry, Duration::ZERO).await.unwrap();
        limiter.slot(Group::General, Lane::Read, LONG).await.unwrap();
        assert!(limiter.clock.now().since(start) >= Duration::from_secs(7));
    });
}

#[test]
fn silence_holds_no_cancel_and_no_exit_back_for_longer_than_a_second() {
    run(async {
        let urgent = [(Group::General, Lane::Cancel), (Group::General, Lane::Account), (Group::Orders, Lane::Exit)];
        for (group, lane) in urgent {
            let limiter = limiter(80);
            limiter.silence(group, Some(Duration::from_secs(u64::MAX)));
            let start = limiter.clock.now();
            for second in 0..30 {
                limiter.slot(group, lane, Duration::from_secs(1)).await.unwrap();
                assert_eq!(limiter.clock.now().since(start), Duration::from_secs(second), "{lane:?}");
            }
            assert_eq!(limiter.slot(group, Lane::Entry, Duration::from_secs(10)).await, Err(NoSlot));
        }
    });
}

#[test]
fn what_is_urgent_waits_for_no_silence_after_an_answer_and_polls_wait_to_its_end() {
    run(async {
        let limiter = limiter(80);
        let silence = Some(Duration::from_secs(30));
        for _ in 0..2 {
            limiter.silence(Group::General, silence);
            // One try a second of each kind until one is answered.
            limiter.slot(Group::General, Lane::Account, LONG).await.unwrap();
            limiter.slot(Group::General, Lane::Cancel, LONG).await.unwrap();
            let start = limiter.clock.now();
            assert_eq!(limiter.slot(Group::General, Lane::Account, Duration::ZERO).await, Err(NoSlot));
            limiter.answered(Group::Orders);
            assert_eq!(limiter.slot(Group::General, Lane::Account, Duration::ZERO).await, Err(NoSlot), "another group");
            limiter.answered(Group::General);
            for _ in 0..4 {
                limiter.slot(Group::General, Lane::Account, Duration::ZERO).await.unwrap();
            }
            assert_eq!(limiter.clock.now(), start);
            assert_eq!(limiter.slot(Group::General, Lane::Read, Duration::from_secs(28)).await, Err(NoSlot));
        }
    });
}

#[test]
fn a_list_in_many_pages_holds_up_nothing_that_exits_need() {
    run(async {
        let limiter = limiter(80);
        while limiter.slot(Group::General, Lane::Read, Duration::ZERO).await.is_ok() {}
        let start = limiter.clock.now();
        for _ in 0..2 {
            limiter.slot(Group::General, Lane::Account, LONG).await.unwrap();
        }
        assert_eq!(limiter.clock.now(), start);
    });
}

#[test]
fn silence_ends_after_a_minute_whatever_was_asked() {
    run(async {
        for asked in [Duration::from_hours(1), Duration::MAX, Duration::from_secs(u64::MAX)] {
            let limiter = limiter(80);
            let start = limiter.clock.now();
            assert_eq!(limiter.silence(Group::General, Some(asked)), Duration::from_mins(1));
            limiter.slot(Group::General, Lane::Read, LONG).await.unwrap();
            assert_eq!(limiter.clock.now().since(start), Duration::from_mins(1));
        }
        let limiter = limiter(80);
        assert_eq!(
            limiter.silence(Group::General, Some(Duration::ZERO)),
            Duration::from_secs(2),
            "never below a window"
        );
        assert_eq!(limiter.silence(Group::General, None), Duration::from_secs(2));
    });
}

#[test]
fn a_flood_of_questions_leaves_room_for_cancels_at_every_share() {
    for (share, flood) in [10, 25, 50, 80, 100].map(|share| [(share, Lane::Read), (share, Lane::Account)]).concat() {
        run(async {
            let limiter = limiter(share);
            for _ in 0..40 {
                let _ = limiter.slot(Group::General, flood, Duration::ZERO).await;
            }
            let start = limiter.clock.now();
            limiter.slot(Group::General, Lane::Cancel, LONG).await.unwrap();
            assert_eq!(limiter.clock.now(), start, "{flood:?}, share {share}");
        });
    }
}

#[test]
fn who_stops_waiting_blocks_nobody() {
    run(async {
        let limiter = limiter(25);
        limiter.slot(Group::Orders, Lane::Entry, LONG).await.unwrap();
        let waiting = Arc::clone(&limiter);
        let first = tokio::spawn(async move { waiting.slot(Group::Orders, Lane::Cancel, LONG).await });
        tokio::task::yield_now().await;
        let waiting = Arc::clone(&limiter);
        let second = tokio::spawn(async move { waiting.slot(Group::Orders, Lane::Entry, LONG).await });
        tokio::task::yield_now().await;
        first.abort();
        second.await.unwrap().unwrap();
    });
}
