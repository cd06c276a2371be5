//! The exchange's word on each position, and how sure it is. Words have an order, by version or stamp,
//! and never go back. A push is as good as its order; a list may lag, lack rows, or come back empty, so
//! what it lacks is gone only when two lists prove it (engine.md 8.18).

use std::time::Duration;

use super::{doubt, margin_mode};
use crate::engine::chores;
use crate::engine::turn::Turn;
use crate::model::{
    AccountReport, Chore, Contracts, Event, LinkState, Listing, MarginMode, Missing, PositionKey, PositionReport,
    SessionTime, Usdt, VenuePositionId, VenueView,
};

/// How soon another list is asked for while something else contradicts that a position is gone.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// Keeps a word of the exchange unless a later one is known; says whether it was kept.
pub(super) fn hear(turn: &mut Turn, report: &PositionReport, as_of: SessionTime, listed: bool) -> bool {
    let known = turn.state().venue_positions.get(&report.key);
    if known.is_some_and(|known| known.is_newer_than(report) && !is_back(turn, known, report, as_of, listed)) {
        return false;
    }
    let same = |known: &&VenueView| {
        let (known, told) = (&known.report, report);
        (&known.venue_id, known.version, known.contracts, known.entry_price)
            == (&told.venue_id, told.version, told.contracts, told.entry_price)
    };
    let word_at = known.filter(same).map_or(as_of, |known| known.word_at);
    let pushed = !listed || known.is_some_and(|known| known.pushed && known.report.venue_id == report.venue_id);
    let view = VenueView { report: report.clone(), as_of, word_at, listed, pushed };
    turn.emit(Event::VenuePositionSeen { view: Box::new(view) });
    margin_mode::learn(turn, report);
    true
}

/// Whether a list shows again what lists had lacked: then it is there, whatever its version.
fn is_back(turn: &Turn, known: &VenueView, told: &PositionReport, as_of: SessionTime, listed: bool) -> bool {
    listed
        && known.listed
        && known.report.contracts.is_zero()
        && told.contracts.is_positive()
        && known.as_of.plus(turn.capabilities.list_lag_max) <= as_of
}

/// A list of all positions: what it holds is heard; what it lacks is gone once that is proven. Returns
/// when another list is wanted, if before the next sync.
pub(super) fn on_list(
    turn: &mut Turn,
    list: &Listing<PositionReport>,
    account: Option<&AccountReport>,
    asked_at: SessionTime,
) -> Option<Duration> {
    let held: Vec<&PositionReport> = list.rows.iter().filter(|row| row.contracts.is_positive()).collect();
    for row in &held {
        hear(turn, row, asked_at, true);
        doubt::seen(turn, &row.key);
    }
    let told_margin: Option<Usdt> = held.iter().map(|row| row.margin).sum();
    let unlisted_margin = told_margin.zip(account).map(|(told, account)| account.position_margin - told);
    let mut again: Option<Duration> = None;
    for key in super::sync::all_keys(turn) {
        if held.iter().any(|row| row.key == key) || !list.is_whole_for(&key.symbol) {
            continue;
        }
        if let Some(wait) = lacks(turn, &key, asked_at, unlisted_margin) {
            again = Some(again.map_or(wait, |known| known.min(wait)));
        }
    }
    again
}

/// A whole list lacks this position.
fn lacks(turn: &mut Turn, key: &PositionKey, asked_at: SessionTime, unlisted_margin: Option<Usdt>) -> Option<Duration> {
    let view = turn.state().venue_positions.get(key).cloned();
    let position = turn.state().positions.get(key).cloned();
    let told = view.as_ref().filter(|view| view.report.contracts.is_positive());
    match (&position, told) {
        (None, None) => return None,
        // Fills say the same already: their word is enough.
        (Some(position), _) if position.contracts.is_zero() => {
            let newest = told.map_or(position.touched_at, |view| view.word_at.max(position.touched_at));
            if asked_at >= newest && turn.state().positions.left_by_fills(position.id).is_zero() {
                gone(turn, key, asked_at, asked_at);
                return None;
            }
        }
        (None, Some(view)) => {
            let ended = turn.state().positions.last_closed(key);
            let by_fills = ended.is_some_and(|ended| {
                (ended.closed_at >= view.word_at || ended.last_fill_at > Some(view.report.updated_at))
                    && ended.closed_at <= asked_at
            });
            if by_fills {
                gone(turn, key, asked_at, asked_at);
                return None;
            }
        }
        // It was told to be over, and still is.
        (Some(_), None) if view.is_some() => {
            if view.is_some_and(|view| view.as_of < asked_at) {
                gone(turn, key, asked_at, asked_at);
            }
            return None;
        }
        _ => {}
    }
    let ours = position.as_ref().map(|position| position.touched_at.max(position.opened_at));
    let word = ours.max(told.map(|view| view.word_at)).unwrap_or_default();
    let counts_from = word.plus(turn.capabilities.list_lag_max);
    let missing = turn.state().upkeep.unconfirmed.get(key).and_then(|doubt| doubt.missing);
    match missing {
        _ if asked_at < word => None,
        // As old as this list may be, it need not know of it yet.
        _ if asked_at < counts_from => {
            doubt::lacking(turn, key, None);
            Some(Duration::from_micros(1).saturating_add(counts_from.since(turn.now)))
        }
        None => {
            doubt::lacking(turn, key, Some(Missing { asked_at, told_at: turn.now }));
            Some(Duration::ZERO)
        }
        Some(first) if asked_at < first.told_at => None,
        Some(first) => {
            let margin = position.as_ref().and_then(|position| position.venue.margin);
            let margin =
                margin.or_else(|| told.and_then(|view| view.report.margin)).filter(|margin| margin.is_positive());
            // The account still holds the margin of it: the lists lack a row. Not for ever, though.
            let contradicted =
                margin.zip(unlisted_margin).is_some_and(|(of_it, unlisted)| unlisted + unlisted >= of_it);
            let deadline = first.told_at.plus(doubt::patience(turn));
            if contradicted && asked_at < deadline {
                return Some(ASKED_AGAIN);
            }
            doubt::seen(turn, key);
            gone(turn, key, asked_at, first.asked_at);
            None
        }
    }
}

/// It is proven that the exchange holds this position no more; what was told of it before is over.
fn gone(turn: &mut Turn, key: &PositionKey, as_of: SessionTime, since: SessionTime) {
    let known = turn.state().venue_positions.get(key).cloned();
    let report = match &known {
        Some(view) => {
            let report = view.report.clone();
            let over = report.contracts.is_positive() && report.version > 0;
            let version = report.version.saturating_add(u64::from(over));
            Some(PositionReport { contracts: Contracts::ZERO, version, ..report })
        }
        None => nothing(turn, key),
    };
    let Some(report) = report else { return };
    let was_zero = known.as_ref().filter(|view| view.report.contracts.is_zero());
    let view = VenueView {
        report,
        as_of,
        word_at: was_zero.map_or(since, |view| view.word_at),
        listed: was_zero.is_none_or(|view| view.listed),
        pushed: known.is_some_and(|view| view.pushed),
    };
    turn.emit(Event::VenuePositionSeen { view: Box::new(view) });
}

/// A report of nothing, for a position that the exchange has never told of.
fn nothing(turn: &Turn, key: &PositionKey) -> Option<PositionReport> {
    let position = turn.state().positions.get(key)?;
    let venue_id = match &position.venue_id {
        Some(id) => id.clone(),
        None => VenuePositionId::new("none").ok()?,
    };
    Some(PositionReport {
        venue_id,
        key: key.clone(),
        margin_mode: MarginMode::Isolated,
        contracts: Contracts::ZERO,
        frozen: None,
        taken_over: false,
        entry_price: None,
        margin: None,
        liquidation_price: None,
        leverage: None,
        funding: None,
        realised: None,
        version: 0,
        updated_at: crate::model::VenueTime::ZERO,
    })
}

/// Whether the exchange will push the end of this position, or has pushed that more than fills say is
/// held: then fills alone do not end it.
pub(super) fn end_is_awaited(turn: &Turn, key: &PositionKey) -> bool {
    let up = turn.state().upkeep.link.state == LinkState::Up;
    let told = turn.state().venue_positions.get(key);
    up && told.is_some_and(|view| view.report.contracts.is_positive() && view.pushed)
}

/// Asks for the list anew, so soon.
pub(super) fn ask_in(turn: &mut Turn, wait: Duration) {
    chores::due_in(turn, Chore::SyncPositions, wait);
}
