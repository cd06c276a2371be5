//! The vocabulary of the risk gate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Decimal, SessionTime};

/// The checks that an entry must pass (engine.md section 1, `RiskManager`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskCheck {
    /// Numbers above zero and within bounds; a price is known.
    InputValidation,
    /// Capital above zero.
    InsufficientCapital,
    /// Notional of the position against capital, with this entry and working ones.
    MaxPositionSize,
    /// Number of positions, working entries included.
    MaxConcurrentPositions,
    /// Notional of the symbol against capital.
    SymbolConcentration,
    /// Loss of the day against equity at its start.
    DailyLossLimit,
    /// Equity below its peak.
    MaxDrawdown,
    /// Margin used against equity.
    MarginUtilization,
}

impl RiskCheck {
    /// The six limits, in the order in which they are checked.
    pub const LIMITS: [Self; 6] = [
        Self::MaxPositionSize,
        Self::MaxConcurrentPositions,
        Self::SymbolConcentration,
        Self::DailyLossLimit,
        Self::MaxDrawdown,
        Self::MarginUtilization,
    ];

    /// What a failed check adds to the risk score (engine.md section 1).
    pub const fn weight(self) -> u32 {
        match self {
            Self::MaxPositionSize => 25,
            Self::MaxConcurrentPositions => 20,
            Self::SymbolConcentration => 30,
            Self::DailyLossLimit => 40,
            Self::MaxDrawdown => 50,
            Self::MarginUtilization => 35,
            Self::InputValidation | Self::InsufficientCapital => 100,
        }
    }

    /// Its name in events and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InputValidation => "input_validation",
            Self::InsufficientCapital => "insufficient_capital",
            Self::MaxPositionSize => "max_position_size",
            Self::MaxConcurrentPositions => "max_concurrent_positions",
            Self::SymbolConcentration => "symbol_concentration",
            Self::DailyLossLimit => "daily_loss_limit",
            Self::MaxDrawdown => "max_drawdown",
            Self::MarginUtilization => "margin_utilization",
        }
    }
}

impl fmt::Display for RiskCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One check: how much of its limit is used, in percent of the limit; 100 or more fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub check: RiskCheck,
    /// Used, in percent of the limit; `None` when a number is unknown.
    pub used_pct: Option<Decimal>,
    /// Whether it passed.
    pub passed: bool,
    /// For people: the value and the limit.
    pub explanation: String,
}

/// What the risk gate says to an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskVerdict {
    /// The checks that failed; empty when it may proceed.
    pub failed: Vec<CheckResult>,
    /// Sum of the weights of failed checks and 0 to 10 for each passed one.
    pub score: u32,
}

impl RiskVerdict {
    /// Whether the entry may proceed.
    pub fn can_proceed(&self) -> bool {
        self.failed.is_empty()
    }
}

/// A limit of the whole session that trips and stays tripped until reset (daily loss, drawdown).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLimit {
    /// Loss of the day.
    DailyLoss,
    /// Drawdown from the peak.
    Drawdown,
}

impl RiskLimit {
    /// Its name on screens and in commands.
    pub const fn word(self) -> &'static str {
        match self {
            Self::DailyLoss => "daily-loss",
            Self::Drawdown => "drawdown",
        }
    }
}

/// A tripped limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrippedLimit {
    /// Since when.
    pub since: SessionTime,
    /// For people: the value and the limit.
    pub reason: String,
}
