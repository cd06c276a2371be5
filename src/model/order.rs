//! Orders and the moves that their states allow.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ClientOrderId, Contracts, Decimal, Intent, MarginMode, OrderNo, PositionKey, PositionMode, Price, Qty, Refusal,
    SessionTime, SignalId, StrategyId, Symbol, Usdt, VenueOrderId, VenueOrderState, VenuePositionId, div, mul,
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Decided, not on its way: before the first attempt or between two.
    Pending,
    /// A request that places it is on its way.
    Submitting,
    /// The exchange has it.
    Submitted,
    /// The exchange has it and filled a part.
    PartiallyFilled,
    /// A cancel is wanted and not yet proven.
    PendingCancel,
    /// It may or may not be at the exchange; looked up by its client id until proven.
    Unknown,
    /// Filled completely.
    Filled,
    /// Ended by a cancel; may have fills.
    Cancelled,
    /// Never accepted, or refused by the exchange.
    Failed,
}

impl OrderState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Submitting,
        Self::Submitted,
        Self::PartiallyFilled,
        Self::PendingCancel,
        Self::Unknown,
        Self::Filled,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Whether nothing but a late fill can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled | Self::Failed)
    }

    /// Whether the move is allowed. A terminal state is left only by a late fill.
    pub const fn may_become(self, next: Self) -> bool {
        use OrderState as S;
        match self {
            // The exchange may have what we thought surely refused: its word counts.
            S::Pending => !matches!(next, S::Pending),
            S::Submitting => !matches!(next, S::Submitting),
            S::Submitted => {
                matches!(
                    next,
                    S::PartiallyFilled | S::PendingCancel | S::Unknown | S::Filled | S::Cancelled | S::Failed
                )
            }
            S::PartiallyFilled => matches!(next, S::PendingCancel | S::Unknown | S::Filled | S::Cancelled | S::Failed),
            S::PendingCancel => {
                matches!(next, S::Submitted | S::PartiallyFilled | S::Unknown | S::Filled | S::Cancelled | S::Failed)
            }
            S::Unknown => !matches!(next, S::Unknown | S::Pending),
            S::Filled => false,
            S::Cancelled => matches!(next, S::Filled),
            S::Failed => matches!(next, S::Filled | S::Cancelled),
        }
    }

    /// The word of the outward events and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::PartiallyFilled => "partially_filled",
            Self::PendingCancel => "pending_cancel",
            Self::Unknown => "unknown",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How the price is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At the best price at once.
    Market,
    /// At this price or better, resting until cancelled.
    Limit(Price),
    /// At this price or better, at once; what does not fill is cancelled.
    ImmediateOrCancel(Price),
}

impl OrderType {
    /// The limit price, if it has one.
    pub const fn limit(self) -> Option<Price> {
        match self {
            Self::Market => None,
            Self::Limit(price) | Self::ImmediateOrCancel(price) => Some(price),
        }
    }

    /// Whether what does not fill at once stays in the book.
    pub const fn rests(self) -> bool {
        matches!(self, Self::Limit(_))
    }

    /// `MARKET` or `LIMIT`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Market => "MARKET",
            Self::Limit(_) => "LIMIT",
            Self::ImmediateOrCancel(_) => "IOC",
        }
    }
}

/// Why we made an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// S1: opens or adds.
    Entry,
    /// ZE1: closes a part.
    PartialExit,
    /// E1: closes all.
    FullExit,
    /// One step of a flatten command.
    Flatten,
}

/// A cancel that is wanted for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelWish {
    /// Who wants it: an operator, `time-out`, `halt`, a signal.
    pub by: String,
    /// Since when.
    pub since: SessionTime,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was last sent.
    pub sent_at: Option<SessionTime>,
    /// What the exchange said last, when it was not a success.
    pub last_error: Option<String>,
}

/// How the exchange ended an order, kept while fills that it counts are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueEnd {
    /// Filled, cancelled or refused.
    pub state: VenueOrderState,
    /// Why, in our words.
    pub refusal: Refusal,
    /// Why, for people.
    pub reason: String,
    /// Since when that is known here.
    pub since: SessionTime,
}

/// An order of this session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number in the session.
    pub no: OrderNo,
    /// The id it carries to the exchange.
    pub client_id: ClientOrderId,
    /// The exchange's id, once known.
    pub venue_id: Option<VenueOrderId>,
    /// The signal it came from.
    pub signal_id: Option<SignalId>,
    /// Who made the signal.
    pub strategy: StrategyId,
    /// Which contract.
    pub symbol: Symbol,
    /// Open or close, long or short.
    pub intent: Intent,
    /// Why it was made.
    pub purpose: Purpose,
    /// Market or limit.
    pub order_type: OrderType,
    /// Size in contracts, on the step.
    pub contracts: Contracts,
    /// Size in base units.
    pub quantity: Qty,
    /// The mark price that the decision used.
    pub decision_price: Option<Price>,
    /// Leverage that goes with an entry.
    pub leverage: u32,
    /// Margin mode that goes with it: fixed here, so that every attempt says the same.
    pub margin_mode: MarginMode,
    /// The account's position mode when it was decided.
    pub position_mode: PositionMode,
    /// The exchange's id of the position that it closes, when that was known.
    pub position_id: Option<VenuePositionId>,
    /// Stop-loss price that goes with the entry, held by the exchange.
    pub stop_loss: Option<Price>,
    /// Take-profit price that goes with the entry, held by the exchange.
    pub take_profit: Option<Price>,
    /// Where it stands.
    pub state: OrderState,
    /// Filled so far, in contracts: never falls.
    pub filled_contracts: Contracts,
    /// Filled so far, in base units.
    pub filled: Qty,
    /// Sum of price x quantity of the fills.
    pub filled_value: Usdt,
    /// Fees of the fills that named one.
    pub fees: Usdt,
    /// Whether a fill came without its fee, so that `fees` is a lower bound.
    pub fees_incomplete: bool,
    /// Contracts that the exchange says are filled; above `filled_contracts` while fills are on
    /// their way.
    pub venue_filled: Contracts,
    /// When the exchange last said that more is filled than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<SessionTime>,
    /// Version of the exchange's last report.
    pub venue_version: u64,
    /// How the exchange ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue_end: Option<Box<VenueEnd>>,
    /// Contracts that a position took at the exchange's word, before their fills were told.
    #[serde(default)]
    pub settled: Contracts,
    /// The first order of the resting exit that it renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<OrderNo>,
    /// How often it was sent.
    pub attempts: u32,
    /// When the next attempt is due, while pending.
    pub next_attempt_at: Option<SessionTime>,
    /// When the last attempt left.
    pub sent_at: Option<SessionTime>,
    /// Since when its fate is unknown.
    pub unknown_since: Option<SessionTime>,
    /// The cancel that is wanted.
    pub cancel: Option<CancelWish>,
    /// Why it failed or was cancelled, or the last error of an attempt.
    pub note: Option<String>,
    /// When it was decided.
    pub created_at: SessionTime,
    /// When the exchange first had it.
    pub accepted_at: Option<SessionTime>,
    /// When it last changed.
    pub updated_at: SessionTime,
    /// When it ended; history is kept from here, not from creation.
    pub ended_at: Option<SessionTime>,
}

impl Order {
    /// The position it opens or closes.
    pub fn position_key(&self) -> PositionKey {
        PositionKey { symbol: self.symbol.clone(), side: self.intent.side }
    }

    /// Whether it opens or closes this leg.
    pub fn is_of(&self, key: &PositionKey) -> bool {
        self.symbol == key.symbol && self.intent.side == key.side
    }

    /// Whether it still can fill.
    pub const fn is_working(&self) -> bool {
        !self.state.is_terminal()
    }

    /// Whether it only reduces exposure.
    pub const fn reduces(&self) -> bool {
        self.intent.reduces()
    }

    /// Not yet filled, in base units.
    pub fn remaining(&self) -> Qty {
        self.quantity - self.filled
    }

    /// Not yet filled, in contracts.
    pub fn remaining_contracts(&self) -> Contracts {
        self.contracts - self.filled_contracts
    }

    /// Average price of its fills; `None` before the first.
    pub fn average_price(&self) -> Option<Price> {
        div(self.filled_value.0, self.filled.0).map(Price)
    }

    /// Average fill price against the price of the decision, in percent; positive is worse than
    /// decided.
    pub fn slippage_pct(&self) -> Option<Decimal> {
        let decided = self.order_type.limit().or(self.decision_price)?;
        let moved = div((self.average_price()? - decided).0, decided.0)?;
        let worse = if self.intent.buys() { moved } else { -moved };
        Some(mul(worse, Decimal::ONE_HUNDRED))
    }

    /// Contracts that may still fill, by the exchange's word: none once it has ended the order.
    pub fn open_contracts(&self) -> Contracts {
        if self.venue_end.is_some() {
            return Contracts::ZERO;
        }
        (self.contracts - self.filled_contracts.max(self.venue_filled)).max(Contracts::ZERO)
    }

    /// Contracts that the exchange counts as filled, and that no position here holds yet.
    pub fn untold_contracts(&self) -> Contracts {
        (self.venue_filled - self.filled_contracts.max(self.settled)).max(Contracts::ZERO)
    }

    /// When the exchange's count of it, or its end there, was last news here.
    pub fn told_at(&self) -> Option<SessionTime> {
        self.venue_end.as_ref().map(|end| end.since).max(self.counted_at)
    }

    /// Whether the exchange reported fills that have not arrived one by one.
    pub fn has_unsettled_fills(&self) -> bool {
        self.untold_contracts().is_positive()
    }

    /// Whether its next fill is one that a position took at the exchange's word already.
    pub fn next_fill_is_settled(&self) -> bool {
        self.filled_contracts < self.settled
    }

    /// Whether it may have filled without the fills being known here.
    pub fn may_have_unknown_fills(&self) -> bool {
        matches!(self.state, OrderState::Submitting | OrderState::Unknown) || self.has_unsettled_fills()
    }

    /// Whether cancelling it takes protection from a position.
    pub const fn is_protective(&self) -> bool {
        self.reduces()
    }
}
