//! The money of the account.

use serde::{Deserialize, Serialize};

use crate::model::Account;
use crate::model::{SessionTime, Usdt};

/// Balances, the day and the peak.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equity {
    /// The account as last told; `None` before the exchange has said it.
    pub account: Option<Account>,
    /// When it was told.
    pub told_at: Option<SessionTime>,
    /// Equity at the last snapshot, unrealised profit included.
    pub last: Option<Usdt>,
    /// Highest equity so far.
    pub peak: Option<Usdt>,
    /// The trading day (days since the epoch, UTC).
    pub day: Option<i64>,
    /// Equity at the start of that day.
    pub day_start: Option<Usdt>,
    /// Realised on that day: profit, fees and funding.
    pub day_realised: Usdt,
}
