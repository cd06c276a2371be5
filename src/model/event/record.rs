//! An event in its place, and the account as events carry it.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::model::{SessionTime, Usdt};

/// An event with its place in the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the fact, from 1 on; a quote carries the number of the fact before it.
    pub seq: u64,
    /// When it happened.
    pub at: SessionTime,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The account as last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Balance with realised profit, without unrealised: equity - unrealised.
    pub wallet: Usdt,
    /// Free for new positions.
    pub available: Usdt,
    /// Margin of positions.
    pub position_margin: Usdt,
    /// Margin of resting orders.
    pub order_margin: Usdt,
}
