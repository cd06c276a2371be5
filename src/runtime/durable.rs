//! How far the facts are on disk, for whoever must not answer before they are.

use tokio::sync::watch;

/// What is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Number of the last fact that is on disk.
    pub safe: u64,
    /// Why the disk does not take more; `None` when all is well.
    pub trouble: Option<String>,
}

/// Tells how far the facts are.
#[derive(Debug)]
pub struct TellDurable {
    last: Durable,
    tell: watch::Sender<Durable>,
}

impl TellDurable {
    /// One end that tells and one that listens.
    pub fn channel() -> (Self, watch::Receiver<Durable>) {
        let (tell, listen) = watch::channel(Durable::default());
        (Self { last: Durable::default(), tell }, listen)
    }

    /// Tells it when it changed.
    pub fn tell(&mut self, safe: u64, trouble: Option<&String>) {
        if self.last.safe != safe || self.last.trouble.as_ref() != trouble {
            self.last = Durable { safe, trouble: trouble.cloned() };
            self.tell.send_replace(self.last.clone());
        }
    }
}
