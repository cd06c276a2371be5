//! What a dashboard holds of a session, be it in this process or elsewhere: the state to start
//! from, what happens from then on, a way to send commands, and the time.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::archive::Archive;
use super::bus::Subscription;
use super::durable::Durable;
use super::sink::SinkView;
use crate::clock::Clock;
use crate::model::{Command, Record, SessionState};

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub enum Update {
    /// Events in their order, to be applied to the state held so far.
    Events(Arc<[Record]>),
    /// A state that replaces the one held so far: at the start, and after the subscriber was too
    /// slow to be told every event.
    Snapshot(Arc<SessionState>),
}

/// The session has ended, or is ending, and takes no commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended and takes no commands")]
pub struct Gone;

/// Hands commands to a session.
#[derive(Clone, Debug)]
pub struct CommandSender(mpsc::UnboundedSender<Command>);

impl CommandSender {
    /// A sender and the end at which its commands come out. The queue has no bound because people
    /// fill it; whoever feeds it from a file waits for the answers.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Hands a command over, without waiting. What becomes of it comes back as events.
    ///
    /// # Errors
    /// When the session has ended.
    pub fn send(&self, command: Command) -> Result<(), Gone> {
        self.0.send(command).map_err(|_| Gone)
    }
}

/// A session, seen from outside.
#[derive(Debug)]
pub struct SessionHandle {
    /// The state to start from; a fresh one follows as the first update when the session is still
    /// being recovered.
    pub snapshot: Arc<SessionState>,
    /// What happens from then on.
    pub updates: Subscription,
    /// Takes commands.
    pub commands: CommandSender,
    /// How far the facts are on disk: nothing is done before.
    pub durable: watch::Receiver<Durable>,
    /// The session's time.
    pub clock: Clock,
    /// What has been, here and in sessions before.
    pub archive: Archive,
    /// How far the copy elsewhere is, when there is one.
    pub sink: SinkView,
}
