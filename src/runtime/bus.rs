//! The event bus: one publisher, any number of subscribers, a bounded queue for each.
//!
//! Publishing never waits and never calls a subscriber, so a stuck one delays nobody. A subscriber
//! that folds state loses its queue when it falls behind and gets a fresh snapshot when it listens
//! again; the copy of the state is made only then. One that only watches loses events, counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::handle::Update;
use crate::model::{Record, SessionState};

/// Events that a subscriber may be behind before it counts as stuck.
pub const DEFAULT_CAPACITY: usize = 65_536;

/// What a subscriber wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Facts and quotes.
    Everything,
    /// Facts only: batches without any are not even queued.
    Facts,
}

/// How a subscriber is treated when it falls behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folding,
    Lossy,
}

/// The bus was shut down; what was published is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event bus is shut down: the events were not delivered")]
pub struct ShutDown;

#[derive(Debug)]
struct Hub {
    newcomers: Mutex<Vec<Arc<Queue>>>,
    /// Somebody came, left or wants a snapshot: the publisher has to look.
    attention: AtomicBool,
    wake: Notify,
    over: AtomicBool,
}

impl Hub {
    fn call_publisher(&self) {
        self.attention.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Gets every event.
    Following,
    /// Lost its queue; gets nothing until it listens again.
    Behind,
    /// Listens and waits for a snapshot.
    WantsSnapshot,
}

#[derive(Debug)]
struct Waiting {
    updates: VecDeque<Update>,
    events: usize,
    place: Place,
    dropped: u64,
    ended: bool,
    left: bool,
}

#[derive(Debug)]
struct Queue {
    name: String,
    kind: Kind,
    interest: Interest,
    capacity: usize,
    waiting: Mutex<Waiting>,
    ready: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a batch; says whether the subscriber is still there.
    fn push(&self, batch: &Arc<[Record]>) -> bool {
        let mut waiting = self.lock();
        if waiting.left {
            return false;
        }
        if waiting.place != Place::Following {
            return true;
        }
        // One batch always fits into an empty queue, however large it is.
        if waiting.events > 0 && waiting.events + batch.len() > self.capacity {
            match self.kind {
                Kind::Folding => {
                    waiting.updates.clear();
                    waiting.events = 0;
                    waiting.place = Place::Behind;
                }
                Kind::Lossy => {
                    waiting.dropped = waiting.dropped.saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
                    return true;
                }
            }
        } else {
            waiting.events += batch.len();
            waiting.updates.push_back(Update::Events(Arc::clone(batch)));
        }
        drop(waiting);
        self.ready.notify_one();
        true
    }
}

/// The publishing end; the session loop owns it.
#[derive(Debug)]
pub struct EventBus {
    queues: Vec<Arc<Queue>>,
    hub: Arc<Hub>,
}

/// Where new subscribers come in, from any thread.
#[derive(Clone, Debug)]
pub struct Subscriptions(Arc<Hub>);

/// The listening end. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
    hub: Arc<Hub>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBus {
    /// A bus without subscribers.
    pub fn new() -> Self {
        Self {
            queues: Vec::new(),
            hub: Arc::new(Hub {
                newcomers: Mutex::new(Vec::new()),
                attention: AtomicBool::new(false),
                wake: Notify::new(),
                over: AtomicBool::new(false),
            }),
        }
    }

    /// Where new subscribers come in.
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions(Arc::clone(&self.hub))
    }

    /// Queues events for every subscriber; never waits.
    ///
    /// # Errors
    /// After [`EventBus::shut_down`].
    pub fn publish(&mut self, batch: &Arc<[Record]>) -> Result<(), ShutDown> {
        if self.hub.over.load(Ordering::Acquire) {
            return Err(ShutDown);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.admit();
        let mut facts: Option<Arc<[Record]>> = None;
        self.queues.retain(|queue| match queue.interest {
            Interest::Everything => queue.push(batch),
            Interest::Facts => {
                let facts = facts.get_or_insert_with(|| facts_of(batch));
                facts.is_empty() || queue.push(facts)
            }
        });
        Ok(())
    }

    /// Gives snapshots to those who wait for one. `state` must be what the events published so far
    /// lead to.
    pub fn serve_snapshots(&mut self, state: &SessionState) {
        if !self.hub.attention.swap(false, Ordering::AcqRel) {
            return;
        }
        self.admit();
        let mut snapshot: Option<Arc<SessionState>> = None;
        self.queues.retain(|queue| {
            let mut waiting = queue.lock();
            if waiting.left {
                return false;
            }
            if waiting.place == Place::WantsSnapshot {
                let snapshot = snapshot.get_or_insert_with(|| Arc::new(state.clone()));
                waiting.updates.push_back(Update::Snapshot(Arc::clone(snapshot)));
                waiting.place = Place::Following;
                drop(waiting);
                queue.ready.notify_one();
            }
            true
        });
    }

    /// Waits until a subscriber needs something of the publisher.
    pub async fn wanted(&self) {
        while !self.hub.attention.load(Ordering::Acquire) {
            self.hub.wake.notified().await;
        }
    }

    /// Whether a subscriber needs something of the publisher.
    pub fn is_wanted(&self) -> bool {
        self.hub.attention.load(Ordering::Acquire)
    }

    /// How many events each lossy subscriber has lost in all; those that lost none are left out.
    pub fn dropped(&self) -> Vec<(String, u64)> {
        let lost = self.queues.iter().filter(|queue| queue.kind == Kind::Lossy);
        lost.map(|queue| (queue.name.clone(), queue.lock().dropped)).filter(|(_, dropped)| *dropped > 0).collect()
    }

    /// The names of the subscribers, in order of arrival.
    pub fn subscribers(&mut self) -> Vec<String> {
        self.admit();
        self.queues.retain(|queue| !queue.lock().left);
        self.queues.iter().map(|queue| queue.name.clone()).collect()
    }

    /// Ends every subscription after what is queued, and refuses what is published from now on.
    pub fn shut_down(&mut self) {
        self.hub.over.store(true, Ordering::Release);
        self.admit();
        for queue in self.queues.drain(..) {
            queue.lock().ended = true;
            queue.ready.notify_one();
        }
    }

    fn admit(&mut self) {
        let mut newcomers = self.hub.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
        self.queues.append(&mut newcomers);
    }
}

impl Drop for EventBus {
    /// A subscriber never waits for a publisher that is gone.
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn facts_of(batch: &Arc<[Record]>) -> Arc<[Record]> {
    if batch.iter().all(|record| record.event.is_fact()) {
        return Arc::clone(batch);
    }
    batch.iter().filter(|record| record.event.is_fact()).cloned().collect()
}

impl Subscriptions {
    /// Subscribes one that folds state: its first update is a snapshot, and another one follows
    /// whenever it has fallen behind by more than `capacity` events.
    pub fn folding(&self, name: &str, interest: Interest, capacity: usize) -> Subscription {
        self.subscribe(name, Kind::Folding, interest, capacity, Place::WantsSnapshot)
    }

    /// Subscribes one that folds state and holds the state already that the next event follows on:
    /// nothing was published yet. It gets every event from the first on, and a snapshot only after it
    /// has fallen behind.
    pub fn from_start(&self, name: &str, interest: Interest, capacity: usize) -> Subscription {
        self.subscribe(name, Kind::Folding, interest, capacity, Place::Following)
    }

    /// Subscribes one that only watches: it loses what does not fit, counted.
    pub fn lossy(&self, name: &str, interest: Interest, capacity: usize) -> Subscription {
        self.subscribe(name, Kind::Lossy, interest, capacity, Place::Following)
    }

    fn subscribe(&self, name: &str, kind: Kind, interest: Interest, capacity: usize, place: Place) -> Subscription {
        let queue = Arc::new(Queue {
            name: name.to_owned(),
            kind,
            interest,
            capacity,
            waiting: Mutex::new(Waiting {
                updates: VecDeque::new(),
                events: 0,
                place,
                dropped: 0,
                ended: false,
                left: false,
            }),
            ready: Notify::new(),
        });
        {
            // The flag is read under the lock that shutting down takes to admit newcomers, so a
            // subscriber is either ended with the others or sees that it is too late.
            let mut newcomers = self.0.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
            if self.0.over.load(Ordering::Acquire) {
                queue.lock().ended = true;
            } else {
                newcomers.push(Arc::clone(&queue));
            }
        }
        self.0.call_publisher();
        Subscription { queue, hub: Arc::clone(&self.0) }
    }
}

impl Subscription {
    /// The next update; `None` when the session has ended and everything was taken.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            match self.take() {
                Taken::Update(update) => return Some(update),
                Taken::Ended => return None,
                Taken::Nothing => self.queue.ready.notified().await,
            }
        }
    }

    /// The next update if one is there. One that has fallen behind asks for its snapshot here.
    pub fn try_next(&mut self) -> Option<Update> {
        match self.take() {
            Taken::Update(update) => Some(update),
            Taken::Ended | Taken::Nothing => None,
        }
    }

    /// Whether the session has ended and everything was taken.
    pub fn is_ended(&self) -> bool {
        let waiting = self.queue.lock();
        waiting.ended && waiting.updates.is_empty()
    }

    fn take(&mut self) -> Taken {
        let mut waiting = self.queue.lock();
        if let Some(update) = waiting.updates.pop_front() {
            if let Update::Events(events) = &update {
                waiting.events = waiting.events.saturating_sub(events.len());
            }
            return Taken::Update(update);
        }
        if waiting.ended {
            return Taken::Ended;
        }
        if waiting.place == Place::Behind {
            waiting.place = Place::WantsSnapshot;
            drop(waiting);
            self.hub.call_publisher();
        }
        Taken::Nothing
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        {
            let mut waiting = self.queue.lock();
            waiting.left = true;
            waiting.updates.clear();
        }
        self.hub.call_publisher();
    }
}

enum Taken {
    Update(Update),
    Nothing,
    Ended,
}

#[cfg(test)]
mod tests;
