//! Who is connected and what they listen to.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;

use super::frames::{self, Seen};
use crate::model::{SessionTime, Symbol};
use crate::simulator::faults::{FaultKind, FaultSpec};
use crate::simulator::venue::{Push, Venue};

/// Frames that may wait for a connection that does not read; one more and it is cut off.
const BACKLOG: usize = 16_384;

/// A public channel that somebody listens to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Tickers,
    Ticker(Symbol),
    Deal(Symbol),
    Depth(Symbol),
    DepthFull(Symbol, usize),
    Kline(Symbol, String),
    FundingRate(Symbol),
    IndexPrice(Symbol),
    FairPrice(Symbol),
    Contract,
}

/// One connection's side of the hub.
#[derive(Debug)]
pub struct Session {
    outbound: mpsc::Sender<String>,
    pub logged_in: bool,
    /// Whether private pushes were asked for (they are, unless login says `subscribe:false`).
    pub private: bool,
    /// Filters by name with the contracts they are for; `None` is everything.
    pub filters: Option<Vec<(String, Vec<String>)>>,
    pub topics: BTreeSet<Topic>,
    /// A private frame that waits for the next one (fault `ws_reorder`).
    held: Option<String>,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Hub {
    sessions: BTreeMap<u64, Session>,
    next: u64,
    seen: Seen,
    /// Private frames that come later (fault `ws_delay`): when, to whom, in this order.
    later: BTreeMap<(SessionTime, u64), (u64, String)>,
    delayed: u64,
    /// Whether nothing is sent at present.
    pub stalled: bool,
}

impl Hub {
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// A new connection: its number, and what it is to send.
    pub fn join(&mut self) -> (u64, mpsc::Receiver<String>) {
        let (outbound, frames) = mpsc::channel(BACKLOG);
        let id = self.next;
        self.next = self.next.saturating_add(1);
        let session =
            Session { outbound, logged_in: false, private: true, filters: None, topics: BTreeSet::new(), held: None };
        self.sessions.insert(id, session);
        (id, frames)
    }

    pub fn leave(&mut self, id: u64) {
        self.sessions.remove(&id);
    }

    /// Cuts off everybody.
    pub fn drop_all(&mut self) {
        self.sessions.clear();
    }

    pub fn session(&mut self, id: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Sends a frame to one connection.
    pub fn send(&mut self, id: u64, frame: String) {
        if self.stalled {
            return;
        }
        let full = self.sessions.get(&id).is_some_and(|session| session.outbound.try_send(frame).is_err());
        if full {
            self.sessions.remove(&id);
        }
    }

    /// Starts a public channel; what is pushed from here on follows what REST shows now.
    pub fn subscribe(&mut self, id: u64, topic: &Topic, venue: &Venue) {
        self.seen.begin(topic, venue, !self.sessions.values().any(|session| session.topics.contains(topic)));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.topics.insert(topic.clone());
        }
        if let Some(frame) = frames::first(topic, venue) {
            self.send(id, frame);
        }
    }

    /// Sends a private message to those who are logged in and want it, as a fault may twist it.
    pub fn private(&mut self, push: &Push, fault: Option<&FaultSpec>, now: SessionTime) {
        let twist = fault.map(|spec| spec.kind);
        let frame = frames::private(push);
        let ids: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| session.wants(push)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(spec) = fault.filter(|spec| spec.kind == FaultKind::WsDelay) {
                self.delayed = self.delayed.saturating_add(1);
                self.later.insert((now.plus(spec.delay()), self.delayed), (id, frame.clone()));
                continue;
            }
            let before = match (self.sessions.get_mut(&id), twist) {
                (_, Some(FaultKind::WsLose)) | (None, _) => continue,
                (Some(session), Some(FaultKind::WsReorder)) if session.held.is_none() => {
                    session.held = Some(frame.clone());
                    continue;
                }
                (Some(session), _) => session.held.take(),
            };
            self.send(id, frame.clone());
            if twist == Some(FaultKind::WsDuplicate) {
                self.send(id, frame.clone());
            }
            if let Some(before) = before {
                self.send(id, before);
            }
        }
    }

    /// Sends what is new in the markets. A frame that was held back goes at last.
    pub fn public(&mut self, venue: &Venue) {
        let topics: BTreeSet<Topic> =
            self.sessions.values().flat_map(|session| session.topics.iter().cloned()).collect();
        for topic in &topics {
            for frame in self.seen.frames(topic, venue) {
                let ids: Vec<u64> = self
                    .sessions
                    .iter()
                    .filter(|(_, session)| session.topics.contains(topic))
                    .map(|(id, _)| *id)
                    .collect();
                for id in ids {
                    self.send(id, frame.clone());
                }
            }
        }
        self.release_held(venue.now);
        self.release_later(venue.now);
    }

    fn release_later(&mut self, now: SessionTime) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let (id, frame) = entry.remove();
            self.send(id, frame);
        }
    }

    fn release_held(&mut self, now: SessionTime) {
        if self.seen.held_since.is_none_or(|since| now.since(since) < frames::HOLD) {
            if self.seen.held_since.is_none() && self.sessions.values().any(|session| session.held.is_some()) {
                self.seen.held_since = Some(now);
            }
            return;
        }
        self.seen.held_since = None;
        let held: Vec<(u64, String)> =
            self.sessions.iter_mut().filter_map(|(id, session)| Some((*id, session.held.take()?))).collect();
        for (id, frame) in held {
            self.send(id, frame);
        }
    }
}

impl Session {
    fn wants(&self, push: &Push) -> bool {
        if !self.logged_in || !self.private {
            return false;
        }
        let Some(filters) = &self.filters else { return true };
        filters.iter().any(|(name, symbols)| {
            name == push.filter
                && (symbols.is_empty()
                    || push.symbol.as_ref().is_none_or(|symbol| symbols.iter().any(|s| s == symbol.as_str())))
        })
    }
}
