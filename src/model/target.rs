//! Exit targets: where a position is to be brought, however many orders that takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Contracts, Decimal, PositionId, PositionKey, Purpose, Refusal, SessionTime, SignalId, StrategyId};

/// How the next order of a target goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStyle {
    /// At market.
    #[default]
    Market,
    /// As an immediate-or-cancel limit order on our side of the liquidation price: a market order found
    /// nobody, or may not be sent now.
    ImmediateOrCancel,
    /// The same, until the distance to the liquidation price allows a market order again.
    InsideLiquidation,
}

/// A standing wish: this opening of a position, reduced to so many contracts. The engine works towards
/// it until the exchange shows it reached, a person withdraws it, or the position is gone otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The opening that it is bound to; a position that is opened later needs a new wish.
    pub position: PositionId,
    /// Symbol and side of it.
    pub key: PositionKey,
    /// Contracts that are to be left; zero is flat.
    pub to: Contracts,
    /// What kind of close it is.
    pub purpose: Purpose,
    /// Who wants it.
    pub by: String,
    /// Since when.
    pub since: SessionTime,
    /// The signal that it came from, the last one when several were merged.
    pub signal_id: Option<SignalId>,
    /// Who made that signal; `operator` for commands.
    pub strategy: StrategyId,
    /// How its next order goes out.
    #[serde(default)]
    pub style: ExitStyle,
    /// The exchange refused larger orders than this.
    #[serde(default)]
    pub part_max: Option<Contracts>,
    /// The largest distance to the liquidation price, in percent of the mark price, at which a market
    /// order was refused because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_within: Option<Decimal>,
    /// Why its last order was refused.
    #[serde(default)]
    pub refusal: Option<Refusal>,
    /// How often it was refused, whatever the reasons, since a contract was filled.
    #[serde(default)]
    pub refusals: u32,
    /// Not tried again before.
    #[serde(default)]
    pub next_try_at: Option<SessionTime>,
    /// What it waits for, for people; `None` while orders are on their way.
    #[serde(default)]
    pub waits_for: Option<String>,
}

impl Target {
    /// Whether nothing is to be left.
    pub fn is_flat(&self) -> bool {
        self.to.is_zero()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_flat() {
            write!(f, "{} to flat", self.key)
        } else {
            write!(f, "{} to {} contracts", self.key, self.to)
        }
    }
}

/// How a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetEnd {
    /// The position is where it was wanted.
    Reached,
    /// A person took it back.
    Withdrawn,
    /// The position ended otherwise: liquidated, deleveraged, closed outside.
    Gone,
}
