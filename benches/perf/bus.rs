//! Events per second through the bus to one subscriber on another thread, against a bounded channel
//! of the standard library that carries the same batches.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use perpdeck::model::{CallClass, Event, Record, SessionState, SessionTime};
use perpdeck::runtime::{EventBus, Interest, Update};

use crate::report::{Table, per_second, rate};

const EVENTS: u64 = 20_000_000;
const BATCH: u64 = 64;

pub fn run(table: &mut Table) {
    let bus = rate(EVENTS, through_bus());
    let channel = rate(EVENTS, through_channel());
    table.row(
        "events through the bus to one subscriber (batches of 64)",
        per_second(bus),
        format!("{} (std bounded channel, same batches)", per_second(channel)),
        "10 million/s",
        bus >= 10e6,
    );
}

fn batch() -> Arc<[Record]> {
    (0..BATCH)
        .map(|_| Record { seq: 1, at: SessionTime::ZERO, event: Event::CallHeldBack { class: CallClass::Reads } })
        .collect()
}

fn through_bus() -> Duration {
    let mut bus = EventBus::new();
    let mut subscription = bus.subscriptions().folding("bench", Interest::Everything, EVENTS as usize);
    let state = SessionState::default();
    bus.serve_snapshots(&state);
    let reader = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut seen = 0_u64;
            while let Some(update) = subscription.next().await {
                if let Update::Events(events) = update {
                    seen += events.len() as u64;
                }
            }
            seen
        })
    });
    let batch = batch();
    let begun = Instant::now();
    for _ in 0..EVENTS / BATCH {
        bus.publish(&batch).unwrap();
        bus.serve_snapshots(&state);
    }
    bus.shut_down();
    // The queue holds all of them, so none may be missing.
    assert_eq!(reader.join().unwrap(), EVENTS);
    begun.elapsed()
}

fn through_channel() -> Duration {
    let (sender, receiver) = mpsc::sync_channel::<Arc<[Record]>>(1024);
    let reader = std::thread::spawn(move || {
        let mut seen = 0_u64;
        while let Ok(events) = receiver.recv() {
            seen += events.len() as u64;
        }
        seen
    });
    let batch = batch();
    let begun = Instant::now();
    for _ in 0..EVENTS / BATCH {
        sender.send(Arc::clone(&batch)).unwrap();
    }
    drop(sender);
    assert_eq!(reader.join().unwrap(), EVENTS);
    begun.elapsed()
}
