//! `LiveOrderManager`: from a decided signal to a proven end.
//!
//! An order has its client id before anything is sent. What surely failed is tried again; what may
//! have been accepted becomes UNKNOWN and is looked up by that id, and is sent again, with the same
//! id, only after proof that the exchange does not have it. Fills move an order, never a state word
//! of the exchange alone.

mod bulk;
mod cancel;
mod entry;
mod exit;
mod fills;
mod lookup;
mod lost;
mod polling;
mod reports;
mod send;

pub(super) use bulk::{on_order_history, recover, restart};
pub(super) use cancel::{leave_cancels, on_cancelled, wish_cancel, wish_cancel_entries};
pub(super) use entry::enter;
pub(super) use exit::{close_all, exit};
pub(super) use fills::{apply_fill, on_order_fills};
pub(super) use lookup::{look_up, on_looked_up};
pub(super) use polling::{cleanup, due_work, on_open_orders, poll};
pub(super) use reports::apply_report;
pub(super) use send::{access_refused, on_placed};

use super::alerting::{NewAlert, raise};
use super::turn::Turn;
use crate::model::{AlertKind, Order, Severity};

/// Says that an order failed: louder when a position stays unprotected or open for it.
pub(super) fn alert_failed(turn: &mut Turn, order: &Order, reason: &str) {
    let severity = if order.reduces() { Severity::Critical } else { Severity::Warning };
    let message = format!("order {} {} {} {} failed: {reason}", order.no, order.intent, order.quantity, order.symbol);
    let alert = NewAlert::happened(AlertKind::OrderRejected, order.symbol.clone(), severity, message)
        .symbol(&order.symbol)
        .detail("order_id", &order.client_id)
        .detail("reason", reason);
    raise(turn, alert);
}
