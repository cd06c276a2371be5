//! Panics. On the dashboard's own thread the terminal is given back before the message is printed.
//! On any other thread the terminal is left alone: giving it back there would leave a live session
//! behind dead keys. The message is kept, and the dashboard raises it as a critical alert.

use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::screen::restore;

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Watches panics until it is dropped.
pub struct PanicWatch {
    kept: Arc<Mutex<Vec<String>>>,
    before: Arc<Hook>,
    mine: ThreadId,
}

impl PanicWatch {
    /// Begins; the calling thread is the dashboard's.
    pub fn begin() -> Self {
        let before: Arc<Hook> = Arc::from(std::panic::take_hook());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mine = thread::current().id();
        let (hook_kept, hook_before) = (Arc::clone(&kept), Arc::clone(&before));
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().id() == mine {
                restore();
                hook_before(info);
            } else {
                hook_kept.lock().unwrap_or_else(PoisonError::into_inner).push(words(info));
            }
        }));
        Self { kept, before, mine }
    }

    /// The panics of other threads since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        // While a panic unwinds the hook cannot be changed, and need not be.
        if !thread::panicking() && thread::current().id() == self.mine {
            let before = Arc::clone(&self.before);
            std::panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let what = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    let name = thread::current().name().unwrap_or("unnamed").to_owned();
    format!("thread {name}: {what}{place}")
}
