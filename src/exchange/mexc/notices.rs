//! What the adapter tells of its own accord, through the stream's channel.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::model::Push;

/// The way to whoever listens to the stream. It does not keep the channel open.
#[derive(Debug, Default)]
pub struct Notices(Mutex<Option<mpsc::WeakSender<Push>>>);

impl Notices {
    /// From now on to this channel.
    pub fn attach(&self, sender: &mpsc::Sender<Push>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.downgrade());
    }

    /// Tells it, should somebody listen; a full channel gets it as soon as it has room.
    pub fn tell(&self, push: Push) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(mpsc::WeakSender::upgrade);
        let Some(sender) = sender else { return };
        if let Err(mpsc::error::TrySendError::Full(push)) = sender.try_send(push) {
            tokio::spawn(async move { sender.send(push).await });
        }
    }
}
