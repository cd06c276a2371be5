//! The one way in for signals, whatever sends them. Each gets one answer, and the answer is given
//! only when the journal holds it.

use tokio::sync::{mpsc, oneshot};

use crate::model::{RawSignal, SignalId, SignalOutcome};

/// Signals that may wait for the engine.
const CAPACITY: usize = 10_000;

/// What became of a signal that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalAnswer {
    /// It was understood and decided; a second delivery gets the first one's outcome.
    Decided {
        /// Its id.
        id: SignalId,
        /// The outcome.
        outcome: SignalOutcome,
    },
    /// It could not be understood, or was not taken.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// It was taken, and it cannot be told what became of it.
    Unknown {
        /// Why, for people.
        reason: String,
    },
}

/// Why a signal was not taken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Too many wait already.
    #[error("{CAPACITY} signals wait already; send it again later")]
    Full,
    /// The session has ended.
    #[error("the session has ended and takes no signals")]
    Ended,
}

/// A signal on its way to the engine.
#[derive(Debug)]
pub struct Submitted {
    /// As it came.
    pub signal: Box<RawSignal>,
    /// Where the answer goes, when somebody wants it.
    pub answer: Option<oneshot::Sender<SignalAnswer>>,
}

/// Takes signals, from any thread.
#[derive(Clone, Debug)]
pub struct Intake(mpsc::Sender<Submitted>);

impl Intake {
    /// An intake and the end at which signals come out.
    pub fn channel() -> (Self, mpsc::Receiver<Submitted>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Hands a signal in without waiting; the answer arrives later, or never when the session ends
    /// first.
    ///
    /// # Errors
    /// When too many wait, or the session has ended. The signal was not taken then.
    pub fn submit(&self, signal: RawSignal) -> Result<oneshot::Receiver<SignalAnswer>, IntakeError> {
        let (answer, receiver) = oneshot::channel();
        let submitted = Submitted { signal: Box::new(signal), answer: Some(answer) };
        match self.0.try_send(submitted) {
            Ok(()) => Ok(receiver),
            Err(mpsc::error::TrySendError::Full(_)) => Err(IntakeError::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(IntakeError::Ended),
        }
    }
}
