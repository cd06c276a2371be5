//! Alerts: latched until acknowledged, and never hidden while their condition holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AlertId, PositionId, SessionTime, Symbol};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it soon.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// `CRITICAL`, `WARNING`, `INFO`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What an alert is about; its name is the `alert_type` of the outward events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertKind {
    /// The exchange took a position over; there is evidence.
    LiquidationDetected,
    /// Auto-deleveraging reduced or closed a position.
    AdlReduced,
    /// A position is gone and the exchange cannot be asked why.
    PositionVanished,
    /// A position was closed or reduced by somebody else.
    PositionClosedOutside,
    /// A position was opened or enlarged by somebody else.
    PositionOpenedOutside,
    /// Margin ratio at or below a threshold.
    MarginRatioLow,
    /// The liquidation price is near.
    LiquidationNear,
    /// An entry is too large.
    PositionSizeExceeded,
    /// Too many positions.
    MaxPositionsExceeded,
    /// Too much in one symbol.
    ConcentrationExceeded,
    /// Loss of the day reached its limit.
    DailyLossLimit,
    /// Drawdown reached its limit, or the share of it that warns.
    MaxDrawdown,
    /// Margin in use is too high.
    MarginUtilizationHigh,
    /// An order was refused or failed.
    OrderRejected,
    /// An exit is refused again and again; it is tried on.
    ExitRefused,
    /// It is not known whether an order is at the exchange.
    OrderUnknown,
    /// A cancel does not get through.
    CancelUnconfirmed,
    /// An entry was filled without the stop it should carry.
    ProtectionMissing,
    /// A signal of an unknown type or with an unusable field.
    SignalRefused,
    /// A circuit breaker opened.
    BreakerOpen,
    /// Prices or private pushes do not arrive.
    FeedLost,
    /// The exchange refuses our key or signature.
    AccessRefused,
    /// The journal cannot be written.
    JournalFailed,
    /// The journal had a torn tail, or the session was recovered.
    Recovered,
    /// Positions of the account that are more than are followed.
    TooManyPositions,
    /// A state or answer of the exchange that is not understood.
    VenueAnswerUnknown,
    /// Flatten could not reach zero.
    FlattenIncomplete,
    /// A part of the program ended unexpectedly.
    InternalFailure,
    /// The exchange was not heard on orders, fills or positions for two sync intervals.
    ReconciliationStale,
    /// The exchange and we differed for two sync intervals and nothing explained it: its size counts.
    ReconciliationStuck,
    /// The result that the exchange tells of a fill differs from ours.
    ResultDiffers,
    /// Another copy of this session trades on the same account.
    SecondCopy,
    /// This machine's clock differs from the exchange's, or stood still.
    ClockOff,
}

impl AlertKind {
    /// The `alert_type` of the outward events: `LIQUIDATION_DETECTED`.
    pub fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(word)) => word,
            _ => format!("{self:?}"),
        }
    }
}

/// What makes two alerts the same: raising it again while it stands only counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// What it is about.
    pub kind: AlertKind,
    /// Whom it is about: a position epoch, order, breaker class, signal type; empty for the session.
    pub subject: String,
}

impl AlertKey {
    /// The subject of what is about the account as a whole: the margin ratio of cross positions.
    pub const ACCOUNT: &str = "account";
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number in the session.
    pub id: AlertId,
    /// What makes it the same alert.
    pub key: AlertKey,
    /// How bad.
    pub severity: Severity,
    /// The contract it is about.
    pub symbol: Option<Symbol>,
    /// The position it is about.
    pub position: Option<PositionId>,
    /// For people; control characters are escaped.
    pub message: String,
    /// Numbers and ids behind the message.
    pub details: BTreeMap<String, String>,
    /// When it was first raised.
    pub raised_at: SessionTime,
    /// When it was last raised or changed.
    pub updated_at: SessionTime,
    /// How often it was raised.
    pub count: u32,
    /// When its condition ended; `None` while it holds. An alert about something that happened (not
    /// a condition) is cleared from the start.
    pub cleared_at: Option<SessionTime>,
    /// Who acknowledged it and when.
    pub acknowledged: Option<Acknowledgement>,
}

/// Who has seen an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: SessionTime,
}

impl Alert {
    /// Whether its condition still holds.
    pub const fn is_active(&self) -> bool {
        self.cleared_at.is_none()
    }

    /// When its condition ended. `None` while it holds, and of what happened and is no condition: that never ends.
    pub fn ended_at(&self) -> Option<SessionTime> {
        // What happened is over from the moment that it is told, also when it is told again.
        self.cleared_at.filter(|ended| *ended > self.raised_at && *ended >= self.updated_at && !self.is_liquidation())
    }

    /// How it stands: `holds`, `ended`, or `happened`.
    pub fn standing(&self) -> &'static str {
        match (self.is_active(), self.ended_at()) {
            (true, _) => "holds",
            (false, Some(_)) => "ended",
            (false, None) => "happened",
        }
    }

    /// Whether nobody has seen it yet.
    pub const fn is_unacknowledged(&self) -> bool {
        self.acknowledged.is_none()
    }

    /// Whether it is about a liquidation.
    pub fn is_liquidation(&self) -> bool {
        self.key.kind == AlertKind::LiquidationDetected
    }
}
