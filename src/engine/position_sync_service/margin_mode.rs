//! In which margin mode a position is held: what was taken for it at its opening (the setting, where a fill
//! came before the exchange showed it) gives way to what the exchange shows.

use crate::engine::turn::Turn;
use crate::engine::{cross_margin_watch, liquidation_watch};
use crate::model::{Event, MarginMode, PositionId, PositionReport, VenuePositionId};

/// The exchange shows a position, in whatever size: an exit must name its mode before sizes agree.
pub(super) fn learn(turn: &mut Turn, report: &PositionReport) {
    let Some(position) = turn.state().positions.get(&report.key) else { return };
    let id = position.id;
    if report.contracts.is_positive() && is_of(turn, id, position.venue_id.as_ref(), report) {
        set(turn, id, report.margin_mode);
    }
}

/// The mode is known; what hangs on it follows.
pub(super) fn set(turn: &mut Turn, id: PositionId, margin_mode: MarginMode) {
    if turn.state().positions.by_id(id).is_none_or(|position| position.margin_mode == margin_mode) {
        return;
    }
    turn.emit(Event::MarginModeLearned { id, margin_mode });
    liquidation_watch::on_margin_mode(turn, id);
    cross_margin_watch::check(turn);
}

/// Whether it speaks of this opening, not of one before it that an old list still shows.
fn is_of(turn: &Turn, id: PositionId, known: Option<&VenuePositionId>, report: &PositionReport) -> bool {
    let last = turn.state().positions.last_fill_at(id);
    known == Some(&report.venue_id) || last.is_some_and(|last| report.updated_at >= last)
}
