//! What conditions on keys ask about.

use crate::model::{BreakerState, Control, OrderState, Severity};
use crate::tui::keymap::{Act, Fact, Keymap, Row};
use crate::tui::model::{Column, Model, Pane, RowId};

/// Whether a row of the key map may act now; if not, why.
///
/// # Errors
/// The reason, for people.
pub fn allowed(model: &Model, row: &Row) -> Result<(), String> {
    row.when.check(&|fact| holds(model, fact)).map_err(ToOwned::to_owned)?;
    if row.act.is_some_and(is_command) {
        if model.setup.read_only {
            return Err("this dashboard is read-only".to_owned());
        }
        if model.frozen.is_some() && row.act != Some(Act::Halt) {
            return Err("the display is frozen".to_owned());
        }
    }
    Ok(())
}

/// Why an action cannot be done now; `None` when it can.
pub fn why_off(model: &Model, act: Act) -> Option<String> {
    let row = model.keymap.row_for(act, model.focus)?;
    if !Keymap::counts(row, model.focus) {
        return Some("in another pane".to_owned());
    }
    allowed(model, row).err()
}

const fn is_command(act: Act) -> bool {
    matches!(
        act,
        Act::Halt
            | Act::CancelOrder
            | Act::CancelSet
            | Act::Pause
            | Act::Resume
            | Act::Reset
            | Act::Flatten
            | Act::WithdrawExit
    )
}

/// Whether a fact holds now.
pub fn holds(model: &Model, fact: Fact) -> bool {
    let state = model.shown();
    let order = || model.selected_order().and_then(|no| state.orders.get(no));
    match fact {
        Fact::RowsVisible => model.rows_visible(),
        Fact::RowSelected => model.table(model.focus).selected.is_some(),
        Fact::TableSortable => model.focus == Pane::History || !Column::of(model.focus).is_empty(),
        Fact::TableMarks => model.focus == Pane::Orders,
        Fact::OrderSelected => order().is_some(),
        Fact::OrderLive => {
            !model.table(Pane::Orders).marks.is_empty() || order().is_some_and(crate::model::Order::is_working)
        }
        // A cancel that is on its way shows on the row; asking again answers with its age.
        Fact::OrderPending => {
            model.table(Pane::Orders).marks.is_empty()
                && order().is_some_and(|order| {
                    order.state == OrderState::PendingCancel && model.flights.cancelling(order.no).is_none()
                })
        }
        Fact::OrdersAny => state.orders.working_count() > 0,
        Fact::SessionRunning => state.control == Control::Running,
        // What is not known is not flat.
        Fact::SessionFlat => {
            state.positions.open_count() == 0 && state.orders.working_count() == 0 && model.positions_known().is_known()
        }
        Fact::ExitStanding => {
            model.selected_position().is_some_and(|position| state.targets.contains_key(&position.id))
        }
        Fact::FlattenIdle => state.flatten.is_none(),
        Fact::BreakerTripped => match &model.table(Pane::Breakers).selected {
            Some(RowId::Class(class)) => state.breaker(*class).state != BreakerState::Closed,
            Some(RowId::Limit(limit)) => state.limits.contains_key(limit),
            _ => false,
        },
        Fact::HistoryOpen => model.focus == Pane::History,
        Fact::HistorySources => model.past.sources.len() > 1,
        Fact::AlertBanner => model.banner.head.is_some(),
        Fact::AlertsUnseen => {
            state.alerts.unacknowledged().any(|alert| alert.severity > Severity::Info)
                || model.banner.local.iter().any(|alert| !alert.seen)
        }
    }
}
