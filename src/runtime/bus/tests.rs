//! What the bus promises: engine.md sections 1 and 3, B4 and B5.

use super::*;
use crate::model::{Decimal, Event, Price, Quote, RiskLimit, SessionTime, Symbol};

fn fact(seq: u64) -> Record {
    let event = Event::LimitReset { limit: RiskLimit::DailyLoss, by: "test".into() };
    Record { seq, at: SessionTime::from_secs(1), event }
}

fn quote(seq: u64) -> Record {
    let quote = Quote {
        symbol: Symbol::new("BTC_USDT").unwrap(),
        last: Some(Price(Decimal::ONE)),
        mark: None,
        bid: None,
        ask: None,
        funding_rate: None,
        at: crate::model::VenueTime::from_secs(1),
    };
    Record { seq, at: SessionTime::from_secs(1), event: Event::Quoted { quote: Box::new(quote) } }
}

fn facts(seqs: std::ops::RangeInclusive<u64>) -> Arc<[Record]> {
    seqs.map(fact).collect()
}

fn state(seq: u64) -> SessionState {
    SessionState { seq, ..SessionState::default() }
}

/// What a subscriber has in its queue: the numbers of events, and snapshots as `-seq`.
fn drain(subscription: &mut Subscription) -> Vec<i64> {
    let mut seen = Vec::new();
    while let Some(update) = subscription.try_next() {
        match update {
            Update::Events(events) => seen.extend(events.iter().map(|r| i64::try_from(r.seq).unwrap())),
            Update::Snapshot(state) => seen.push(-i64::try_from(state.seq).unwrap()),
        }
    }
    seen
}

#[test]
fn a_subscriber_gets_every_event_in_order() {
    let mut bus = EventBus::new();
    let mut one = bus.subscriptions().lossy("one", Interest::Everything, 100);
    bus.publish(&facts(1..=3)).unwrap();
    bus.publish(&facts(4..=4)).unwrap();
    assert_eq!(drain(&mut one), [1, 2, 3, 4]);
}

#[test]
fn many_subscribers_get_the_same_and_none_is_no_error() {
    let mut bus = EventBus::new();
    bus.publish(&facts(1..=1)).unwrap();
    let mut all: Vec<_> =
        (0..50).map(|n| bus.subscriptions().lossy(&format!("s{n}"), Interest::Everything, 9)).collect();
    bus.publish(&facts(2..=3)).unwrap();
    for subscription in &mut all {
        assert_eq!(drain(subscription), [2, 3]);
    }
    assert_eq!(bus.subscribers().len(), 50);
    assert_eq!(bus.subscribers().first().map(String::as_str), Some("s0"));
}

#[test]
fn unsubscribing_leaves_nothing_behind_over_10_000_cycles() {
    let mut bus = EventBus::new();
    let mut stays = bus.subscriptions().lossy("stays", Interest::Everything, 100_000);
    for n in 1..=10_000 {
        let passing = bus.subscriptions().lossy("passing", Interest::Everything, 4);
        bus.publish(&facts(n..=n)).unwrap();
        drop(passing);
    }
    assert_eq!(bus.subscribers(), ["stays"]);
    assert_eq!(bus.queues.len(), 1);
    assert_eq!(drain(&mut stays).len(), 10_000);
}

#[test]
fn b23_subscribing_and_leaving_are_complete_when_they_return() {
    let mut bus = EventBus::new();
    let mut early = bus.subscriptions().lossy("early", Interest::Everything, 9);
    let leaver = bus.subscriptions().lossy("leaver", Interest::Everything, 9);
    // No task in between: the very next event is delivered.
    bus.publish(&facts(1..=1)).unwrap();
    assert_eq!(drain(&mut early), [1]);
    drop(leaver);
    // Somebody leaves and somebody comes while another one is being served.
    let mut late = bus.subscriptions().lossy("late", Interest::Everything, 9);
    bus.publish(&facts(2..=2)).unwrap();
    assert_eq!((drain(&mut early), drain(&mut late)), (vec![2], vec![2]));
    assert_eq!(bus.subscribers(), ["early", "late"], "who left is gone, and nothing is kept for it");
}

#[test]
fn an_empty_batch_is_not_delivered() {
    let mut bus = EventBus::new();
    let mut one = bus.subscriptions().lossy("one", Interest::Everything, 1);
    bus.publish(&Arc::from(Vec::new())).unwrap();
    assert!(one.try_next().is_none());
}

#[test]
fn a_batch_larger_than_the_queue_fits_when_it_is_empty() {
    let mut bus = EventBus::new();
    let mut one = bus.subscriptions().lossy("one", Interest::Everything, 2);
    bus.publish(&facts(1..=5)).unwrap();
    assert_eq!(drain(&mut one), [1, 2, 3, 4, 5]);
}

#[test]
fn those_who_want_facts_are_not_told_quotes() {
    let mut bus = EventBus::new();
    let mut facts_only = bus.subscriptions().lossy("facts", Interest::Facts, 2);
    let mut everything = bus.subscriptions().lossy("everything", Interest::Everything, 100);
    for _ in 0..50 {
        bus.publish(&Arc::from(vec![quote(0)])).unwrap();
    }
    bus.publish(&Arc::from(vec![quote(0), fact(1), quote(1), fact(2)])).unwrap();
    assert_eq!(drain(&mut facts_only), [1, 2]);
    assert_eq!(drain(&mut everything).len(), 54);
    assert!(bus.dropped().is_empty());
}

#[test]
fn b4_i31_a_stuck_subscriber_delays_nobody() {
    let mut bus = EventBus::new();
    let stuck = bus.subscriptions().folding("stuck", Interest::Everything, 8);
    let mut well = bus.subscriptions().lossy("well", Interest::Everything, 1_000_000);
    // It has begun to follow, and then takes nothing.
    bus.serve_snapshots(&state(0));
    // Publishing is not async and holds no lock that a subscriber holds across a wait: that all of
    // this returns is the proof, and the well one has everything.
    for n in 1..=100_000 {
        bus.publish(&facts(n..=n)).unwrap();
    }
    bus.serve_snapshots(&state(100_000));
    assert_eq!(drain(&mut well).len(), 100_000);
    assert!(stuck.queue.lock().updates.len() <= 9, "the stuck one holds a bounded queue");
}

#[tokio::test]
async fn b4_a_subscriber_that_panics_is_merely_gone() {
    let mut bus = EventBus::new();
    let mut bad = bus.subscriptions().lossy("bad", Interest::Everything, 10);
    let mut well = bus.subscriptions().lossy("well", Interest::Everything, 10);
    let task = tokio::spawn(async move {
        bad.next().await;
        panic!("a defect of the subscriber");
    });
    bus.publish(&facts(1..=1)).unwrap();
    assert!(task.await.is_err());
    bus.publish(&facts(2..=2)).unwrap();
    assert_eq!(bus.subscribers(), ["well"]);
    assert_eq!(drain(&mut well), [1, 2]);
}

#[test]
fn b5_two_subscriptions_under_one_name_each_get_an_event_once() {
    let mut bus = EventBus::new();
    let mut first = bus.subscriptions().lossy("same", Interest::Everything, 10);
    let mut second = bus.subscriptions().lossy("same", Interest::Everything, 10);
    bus.publish(&facts(1..=1)).unwrap();
    assert_eq!((drain(&mut first), drain(&mut second)), (vec![1], vec![1]));
}

#[tokio::test]
async fn b5_publishing_after_shutdown_is_an_error_and_what_came_before_is_delivered() {
    let mut bus = EventBus::new();
    let subscriptions = bus.subscriptions();
    let mut one = subscriptions.lossy("one", Interest::Everything, 10);
    bus.publish(&facts(1..=1)).unwrap();
    bus.shut_down();
    assert_eq!(bus.publish(&facts(2..=2)), Err(ShutDown));
    assert!(matches!(one.next().await, Some(Update::Events(events)) if events.len() == 1));
    assert!(one.next().await.is_none(), "nothing follows the end");
    assert!(one.is_ended());
    let mut late = subscriptions.folding("late", Interest::Everything, 10);
    assert!(late.next().await.is_none(), "a subscriber that comes too late is told so");
}

#[tokio::test]
async fn a_publisher_that_is_gone_ends_its_subscriptions() {
    let bus = EventBus::new();
    let mut one = bus.subscriptions().folding("one", Interest::Everything, 10);
    drop(bus);
    assert!(one.next().await.is_none());
}

#[test]
fn i31_a_lossy_subscriber_counts_what_it_lost_and_keeps_what_it_had() {
    let mut bus = EventBus::new();
    let mut lossy = bus.subscriptions().lossy("lossy", Interest::Everything, 3);
    for n in 1..=10 {
        bus.publish(&facts(n..=n)).unwrap();
    }
    assert_eq!(bus.dropped(), [("lossy".to_owned(), 7)]);
    assert_eq!(drain(&mut lossy), [1, 2, 3]);
    bus.publish(&facts(11..=11)).unwrap();
    assert_eq!(drain(&mut lossy), [11], "it gets events again as soon as there is room");
}

#[test]
fn a_folding_subscriber_starts_with_a_snapshot_and_follows_from_there() {
    let mut bus = EventBus::new();
    bus.publish(&facts(1..=4)).unwrap();
    let mut folding = bus.subscriptions().folding("folding", Interest::Everything, 10);
    assert!(bus.is_wanted());
    bus.publish(&facts(5..=5)).unwrap();
    bus.serve_snapshots(&state(5));
    bus.publish(&facts(6..=6)).unwrap();
    assert_eq!(drain(&mut folding), [-5, 6], "event 5 is in the snapshot and is not told again");
}

#[test]
fn i40_on_overflow_a_folding_subscriber_gets_a_snapshot_only_when_it_listens_again() {
    let mut bus = EventBus::new();
    let mut folding = bus.subscriptions().folding("folding", Interest::Everything, 3);
    bus.serve_snapshots(&state(0));
    for n in 1..=10 {
        bus.publish(&facts(n..=n)).unwrap();
        bus.serve_snapshots(&state(n));
    }
    assert!(folding.queue.lock().updates.is_empty(), "no state was copied for one that does not listen");
    assert!(folding.try_next().is_none(), "it asks");
    bus.serve_snapshots(&state(10));
    bus.publish(&facts(11..=11)).unwrap();
    assert_eq!(drain(&mut folding), [-10, 11]);
    assert!(bus.dropped().is_empty(), "nothing was lost: the snapshot holds it");
}

#[tokio::test]
async fn waiting_for_a_snapshot_wakes_the_publisher_and_then_the_subscriber() {
    let mut bus = EventBus::new();
    let mut folding = bus.subscriptions().folding("folding", Interest::Everything, 3);
    let listener = tokio::spawn(async move { folding.next().await });
    bus.wanted().await;
    bus.serve_snapshots(&state(7));
    assert!(matches!(listener.await.unwrap(), Some(Update::Snapshot(state)) if state.seq == 7));
}

#[test]
fn subscribing_while_others_publish_loses_no_event_for_those_who_are_there() {
    let mut bus = EventBus::new();
    let mut there = bus.subscriptions().lossy("there", Interest::Everything, 100_000);
    let subscriptions = bus.subscriptions();
    let coming = std::thread::spawn(move || {
        (0..200).map(|n| subscriptions.lossy(&format!("n{n}"), Interest::Everything, 100_000)).collect::<Vec<_>>()
    });
    for n in 1..=5_000 {
        bus.publish(&facts(n..=n)).unwrap();
    }
    let came = coming.join().unwrap();
    bus.publish(&facts(5_001..=5_001)).unwrap();
    assert_eq!(drain(&mut there), (1..=5_001).collect::<Vec<i64>>());
    for mut subscription in came {
        let seen = drain(&mut subscription);
        let first = *seen.first().unwrap();
        assert_eq!(seen, (first..=5_001).collect::<Vec<i64>>(), "from its first event on without a gap");
    }
}
