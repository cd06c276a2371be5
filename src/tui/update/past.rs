//! The history pane: what its keys do, and the questions that follow from them.

use super::Effect;
use crate::model::{PastPage, PastTable};
use crate::tui::keymap::Act;
use crate::tui::model::{Landing, Model, Pane, RowId};

/// Sends the question that the pane wants answered, when it is open and has not asked it.
pub fn ask(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.focus != Pane::History || model.past.sources.is_empty() {
        return;
    }
    let filter = model.table(Pane::History).filter.clone();
    if let Some((source, ticket, query)) = model.past.question(&filter, model.now.real) {
        model.dirty = true;
        effects.push(Effect::Look { source, ticket, query });
    }
}

/// A page came, or the reason why it does not.
pub fn answered(model: &mut Model, ticket: u64, page: Result<PastPage, String>) {
    let Some(landing) = model.past.answer(ticket, page, model.now.session) else { return };
    let row = match landing {
        Landing::First => model.past.rows.first(),
        Landing::Last => model.past.rows.last(),
        Landing::Same => None,
    };
    let row = row.map(|row| RowId::Past(row.place.clone()));
    let table = model.table_mut(Pane::History);
    if let Some(row) = row {
        table.choose(row);
    }
    model.reorder();
    model.refresh();
}

/// Moves the selection; beyond the edge of the page to the next one.
pub fn move_rows(model: &mut Model, act: Act, screen: usize) {
    let rows = model.past.rows.len();
    let place = model.table(Pane::History).place().unwrap_or_default();
    let (at_first, at_last) = (place == 0, place.saturating_add(1) >= rows);
    let table = model.table_mut(Pane::History);
    match act {
        Act::Up | Act::PageUp if at_first => model.past.previous_page(),
        Act::Down | Act::PageDown if at_last => model.past.next_page(),
        Act::Up => table.move_by(1, false),
        Act::Down => table.move_by(1, true),
        Act::PageUp => table.move_by(screen, false),
        Act::PageDown => table.move_by(screen, true),
        Act::First => {
            table.move_by(usize::MAX, false);
            model.past.end_page(true);
        }
        _ => {
            table.move_by(usize::MAX, true);
            model.past.end_page(false);
        }
    }
}

/// The id of a row, to be copied.
pub fn id_of(model: &Model, row: &RowId) -> Option<String> {
    let table = model.past.rows_of;
    let column = match table {
        PastTable::Orders => "order_id",
        PastTable::Positions => "position_id",
        PastTable::Signals => "signal_id",
        PastTable::Alerts => "message",
    };
    model.past.row(row)?.get(table, column).words()
}
