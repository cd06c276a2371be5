//! Named points at which a test ends the process as `kill -9` would: at once, nothing flushed.
//!
//! `PERPDECK_TEST_KILL_AT="before-journal-write:3"` ends it the third time that this point is reached.
//! Release builds know nothing of it.

/// The points, in the order in which an order passes them.
pub const KILL_POINTS: &[&str] = &[
    "after-recovery",
    "before-signal",
    "after-signal",
    "before-command",
    "before-journal-append",
    "before-journal-write",
    "after-journal-write",
    "after-journal-sync",
    "before-publish",
    "after-publish",
    "before-entry-sent",
    "before-exit-sent",
    "before-cancel-sent",
    "after-entry-reply",
    "after-exit-reply",
    "after-cancel-reply",
    "before-reply",
    "after-reply",
    "before-order-push",
    "before-fill-push",
    "after-fill-push",
    "before-position-push",
    "before-snapshot",
    "after-snapshot",
    "before-projection",
    "after-projection",
];

/// Ends the process when the environment names this point and its turn has come.
#[cfg(debug_assertions)]
pub fn kill_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("PERPDECK_TEST_KILL_AT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = wanted
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn kill_point(_name: &str) {}
