//! The link to the exchange, the journal, and parts of the program that fail.

use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::turn::Turn;
use crate::engine::{chores, circuit_breaker};
use crate::model::{AlertKey, AlertKind, Chore, Event, LinkState, Severity};

/// The streams are up (again): whatever was missed is asked for.
pub(in crate::engine) fn on_connected(turn: &mut Turn) {
    turn.emit(Event::LinkMoved { link: LinkState::Up });
    circuit_breaker::on_login(turn);
    clear(turn, AlertKind::FeedLost, "stream");
    resync_soon(turn);
}

/// A stream is down.
pub(in crate::engine) fn on_disconnected(turn: &mut Turn, reason: &str, attempt: u32) {
    let first = !matches!(turn.state().upkeep.link.state, LinkState::Down { .. });
    turn.emit(Event::LinkMoved { link: LinkState::Down { reason: reason.to_owned(), attempt } });
    if !first {
        return;
    }
    feed_lost(turn, reason);
}

/// A position that is opened while the stream is down makes its loss critical.
pub(super) fn watch(turn: &mut Turn) {
    let LinkState::Down { reason, .. } = &turn.state().upkeep.link.state else { return };
    let key = AlertKey { kind: AlertKind::FeedLost, subject: "stream".to_owned() };
    if turn.state().alerts.active(&key).is_none_or(|known| known.severity < severity(turn)) {
        let reason = reason.clone();
        feed_lost(turn, &reason);
    }
}

fn severity(turn: &Turn) -> Severity {
    if turn.state().positions.open_count() > 0 { Severity::Critical } else { Severity::Warning }
}

fn feed_lost(turn: &mut Turn, reason: &str) {
    // How many are open moves while it stands: who shows it counts.
    let (severity, open) = (severity(turn), turn.state().positions.open_count());
    let message = format!("prices and private pushes are lost: {reason}; connecting again");
    raise(turn, NewAlert::holds(AlertKind::FeedLost, "stream", severity, message).detail("open_then", open));
}

/// Pushes came that are not understood. What they said is asked for, and a person is told: the
/// exchange may have changed its protocol.
pub(in crate::engine) fn on_skipped(turn: &mut Turn, total: u64, last: &str) {
    let message = format!(
        "{total} messages of the exchange's stream were not understood and skipped since the start; \
         orders, fills and positions are asked for instead; the last: {last}"
    );
    let alert = NewAlert::happened(AlertKind::VenueAnswerUnknown, "stream", Severity::Warning, message);
    raise(turn, alert.detail("skipped", total));
    resync_soon(turn);
}

/// Orders, fills and positions are asked for now.
pub(in crate::engine) fn resync_soon(turn: &mut Turn) {
    for chore in [Chore::PollOrders, Chore::FetchFills, Chore::SyncPositions] {
        chores::soon(turn, chore);
    }
}

/// The journal failed, or works again.
pub(in crate::engine) fn on_journal(turn: &mut Turn, error: Option<String>) {
    turn.emit(Event::JournalHealth { error: error.clone() });
    match error {
        Some(what) => {
            let message =
                format!("the journal cannot be written: {what}; no new entries, exits and cancels leave unjournaled");
            raise(turn, NewAlert::holds(AlertKind::JournalFailed, "journal", Severity::Critical, message));
        }
        None => clear(turn, AlertKind::JournalFailed, "journal"),
    }
}

/// A part of the program ended unexpectedly.
pub(in crate::engine) fn on_failure(turn: &mut Turn, what: &str) {
    let message = format!("a part of the program ended unexpectedly: {what}");
    raise(turn, NewAlert::happened(AlertKind::InternalFailure, "program", Severity::Critical, message));
}
