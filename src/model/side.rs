//! Direction and intent, made explicit: a sell that closes a long is not a sell that opens a short.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The direction of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Gains when the price rises.
    #[serde(alias = "long")]
    Long,
    /// Gains when the price falls.
    #[serde(alias = "short")]
    Short,
}

impl Side {
    /// The other direction.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// `LONG` or `SHORT`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Long => "LONG",
            Self::Short => "SHORT",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What an order does to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Opens or adds exposure.
    Open,
    /// Reduces exposure, never beyond zero.
    Close,
}

/// What an order is for: open or close, long or short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// Opens or closes.
    pub effect: Effect,
    /// The leg it opens or closes.
    pub side: Side,
}

impl Intent {
    /// Opens or adds to the leg.
    pub const fn open(side: Side) -> Self {
        Self { effect: Effect::Open, side }
    }

    /// Reduces the leg.
    pub const fn close(side: Side) -> Self {
        Self { effect: Effect::Close, side }
    }

    /// Whether it can only reduce exposure.
    pub const fn reduces(self) -> bool {
        matches!(self.effect, Effect::Close)
    }

    /// Whether the order buys (opens a long, closes a short).
    pub const fn buys(self) -> bool {
        matches!((self.effect, self.side), (Effect::Open, Side::Long) | (Effect::Close, Side::Short))
    }

    /// `BUY` or `SELL`, as an order ticket says it.
    pub const fn order_word(self) -> &'static str {
        if self.buys() { "BUY" } else { "SELL" }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.effect, self.side) {
            (Effect::Open, Side::Long) => "open long",
            (Effect::Open, Side::Short) => "open short",
            (Effect::Close, Side::Long) => "close long",
            (Effect::Close, Side::Short) => "close short",
        })
    }
}

/// Whether the account holds both legs of a symbol or their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionMode {
    /// Long and short legs side by side.
    Hedge,
    /// One net position.
    OneWay,
}

/// Which money answers for a position's losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarginMode {
    /// The margin set aside for this position alone.
    #[default]
    Isolated,
    /// The whole account.
    Cross,
}
