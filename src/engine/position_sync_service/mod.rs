//! `PositionSyncService`: positions as the fills make them, held against the exchange's truth.
//!
//! Fills move a position; snapshots and pushes of the exchange are compared with the result. Where
//! they differ, and no order or fill on its way explains it, the exchange is right and the
//! difference becomes a named event: adopted, adjusted, closed outside. A liquidation is called one
//! only with evidence.

mod doubt;
mod evidence;
mod margin_mode;
mod reconcile;
mod rows;
mod settle;
mod sync;
mod view;

pub(super) use doubt::{patience, watch};
pub(super) use evidence::{on_evidence, on_system_order};
pub(super) use reconcile::{claim, claim_at_last, differs, is_unclaimed, on_position_report};
pub(super) use rows::told as rows_told;
pub(super) use settle::{
    after_fill, after_late_fill, after_own_fill, begins_anew, conclude, ended_epoch_of, open_empty,
};
pub(super) use sync::{fetch_fills, on_fills, on_positions, sync};
