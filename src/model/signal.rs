//! Signals: what strategies send, as it came in and as it is understood.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Decimal, OrderNo, PositionId, Price, Qty, SessionTime, Side, SignalId, StrategyId, Symbol, escape_controls, exact,
    in_bounds,
};

/// A signal as its sender wrote it: everything that may be wrong still is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawSignal {
    /// Id; the same id again is the same signal.
    pub signal_id: String,
    /// `S1`, `Z1`, `ZE1`, `E1`, `O1`, `EMERGENCY_EXIT`.
    pub signal_type: String,
    /// `BTC_USDT`.
    pub symbol: String,
    /// buy, sell, long, short, cover.
    pub side: String,
    /// Base units, or a share like `50%` (ZE1 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// Limit price; a market order without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Stop-loss price that goes with an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<String>,
    /// Take-profit price that goes with an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none", alias = "strategy_id", alias = "strategy_name")]
    pub strategy: Option<String>,
    /// How sure the strategy is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// The signal whose entry an O1 cancels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancels: Option<String>,
    /// When it was made, in ms since the epoch; the time of arrival when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// What the strategy saw, for the record.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub indicator_values: BTreeMap<String, String>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalKind {
    /// S1: open or add.
    #[serde(rename = "S1")]
    Entry,
    /// Z1: recorded only.
    #[serde(rename = "Z1")]
    Note,
    /// ZE1: close a part.
    #[serde(rename = "ZE1")]
    PartialExit,
    /// `E1` and `EMERGENCY_EXIT`: close all.
    #[serde(rename = "E1")]
    FullExit,
    /// O1: cancel the entry that a named signal made.
    #[serde(rename = "O1")]
    CancelEntry,
}

impl SignalKind {
    /// The predecessor's code for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Entry => "S1",
            Self::Note => "Z1",
            Self::PartialExit => "ZE1",
            Self::FullExit => "E1",
            Self::CancelEntry => "O1",
        }
    }
}

/// How much a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Base units.
    Quantity(Qty),
    /// A share of what is held, in percent, above 0 and at most 100.
    SharePct(Decimal),
    /// All that is held.
    All,
}

/// A signal that is understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its id.
    pub id: SignalId,
    /// What it asks for.
    pub kind: SignalKind,
    /// Which contract.
    pub symbol: Symbol,
    /// The leg that it opens or closes; `None` for notes and cancels that name none.
    pub side: Option<Side>,
    /// How much.
    pub amount: Amount,
    /// Limit price.
    pub price: Option<Price>,
    /// Stop-loss price.
    pub stop_loss: Option<Price>,
    /// Take-profit price.
    pub take_profit: Option<Price>,
    /// Who made it.
    pub strategy: StrategyId,
    /// How sure the strategy is.
    pub confidence: Option<Decimal>,
    /// For O1: the entry signal.
    pub cancels: Option<SignalId>,
    /// When it was made.
    pub made_at: SessionTime,
    /// What the strategy saw.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub indicator_values: BTreeMap<String, String>,
}

/// Why a signal cannot be understood: names the field, the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// An id, symbol or strategy is not one.
    #[error(transparent)]
    Id(#[from] super::IdError),
    /// A type that nobody defined.
    #[error("signal type {0:?} is unknown: use S1, Z1, ZE1, E1, O1 or EMERGENCY_EXIT")]
    UnknownType(String),
    /// A side that does not fit.
    #[error("side {value:?} does not fit {kind}: use {allowed}")]
    Side {
        /// As given.
        value: String,
        /// The signal type.
        kind: &'static str,
        /// What fits.
        allowed: &'static str,
    },
    /// A number that is not one, or out of bounds.
    #[error("{field} {value:?} is not usable: {allowed}")]
    Number {
        /// Which field.
        field: &'static str,
        /// As given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A field that this type needs.
    #[error("{kind} needs {field}: {allowed}")]
    Missing {
        /// The signal type.
        kind: &'static str,
        /// Which field.
        field: &'static str,
        /// What to give.
        allowed: &'static str,
    },
}

const POSITIVE: &str = "a decimal above 0 and at most 1e15";

fn shown(text: &str) -> String {
    escape_controls(&text.chars().take(64).collect::<String>()).into_owned()
}

fn positive(field: &'static str, text: &str) -> Result<Decimal, SignalError> {
    let bad = || SignalError::Number { field, value: shown(text), allowed: POSITIVE };
    let value = exact(text).map_err(|_| bad())?;
    if value > Decimal::ZERO && in_bounds(value) { Ok(value) } else { Err(bad()) }
}

fn price(field: &'static str, text: Option<&String>) -> Result<Option<Price>, SignalError> {
    text.map(|text| positive(field, text).map(Price)).transpose()
}

impl RawSignal {
    /// Understands the signal, or says which field is wrong.
    ///
    /// # Errors
    /// Names the first field that is missing or wrong, its value and what is allowed.
    pub fn parse(&self, now: SessionTime) -> Result<Signal, SignalError> {
        let id = SignalId::new(&self.signal_id)?;
        let kind = match self.signal_type.as_str() {
            "S1" => SignalKind::Entry,
            "Z1" => SignalKind::Note,
            "ZE1" => SignalKind::PartialExit,
            "E1" | "EMERGENCY_EXIT" | "EMERGENCY" => SignalKind::FullExit,
            "O1" => SignalKind::CancelEntry,
            other => return Err(SignalError::UnknownType(shown(other))),
        };
        Ok(Signal {
            id,
            kind,
            symbol: Symbol::new(&self.symbol)?,
            side: self.side(kind)?,
            amount: self.amount(kind)?,
            // An emergency waits for no price.
            price: price("price", self.price.as_ref().filter(|_| !self.is_emergency()))?,
            stop_loss: price("stop_loss", self.stop_loss.as_ref())?,
            take_profit: price("take_profit", self.take_profit.as_ref())?,
            strategy: match &self.strategy {
                Some(name) => StrategyId::new(name)?,
                None => StrategyId::new("unknown")?,
            },
            confidence: match &self.confidence {
                Some(text) => Some(exact(text).map_err(|_| SignalError::Number {
                    field: "confidence",
                    value: shown(text),
                    allowed: "a decimal",
                })?),
                None => None,
            },
            cancels: self.cancelled_signal(kind)?,
            made_at: self.timestamp.map_or(now, SessionTime::from_millis),
            indicator_values: self.indicator_values.clone(),
        })
    }

    /// Whether it is an emergency exit: at market, whatever price it names.
    pub fn is_emergency(&self) -> bool {
        matches!(self.signal_type.as_str(), "EMERGENCY_EXIT" | "EMERGENCY")
    }

    fn side(&self, kind: SignalKind) -> Result<Option<Side>, SignalError> {
        let error = |allowed| Err(SignalError::Side { value: shown(&self.side), kind: kind.code(), allowed });
        let word = self.side.as_str();
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        match kind {
            SignalKind::Entry if is(&["buy", "long"]) => Ok(Some(Side::Long)),
            SignalKind::Entry if is(&["sell", "short"]) => Ok(Some(Side::Short)),
            SignalKind::Entry => error("buy or long, sell or short"),
            SignalKind::PartialExit | SignalKind::FullExit if is(&["sell", "long"]) => Ok(Some(Side::Long)),
            SignalKind::PartialExit | SignalKind::FullExit if is(&["buy", "cover", "short"]) => Ok(Some(Side::Short)),
            SignalKind::PartialExit | SignalKind::FullExit => {
                error("sell or long to close a long; buy, cover or short to close a short")
            }
            SignalKind::Note | SignalKind::CancelEntry => Ok(None),
        }
    }

    fn amount(&self, kind: SignalKind) -> Result<Amount, SignalError> {
        match (kind, self.quantity.as_deref()) {
            (SignalKind::FullExit | SignalKind::Note | SignalKind::CancelEntry, _) => Ok(Amount::All),
            (_, None) => Err(SignalError::Missing {
                kind: kind.code(),
                field: "quantity",
                allowed: "base units, or for ZE1 a share like 50%",
            }),
            (SignalKind::PartialExit, Some(text)) if text.ends_with('%') => {
                let allowed = "a share above 0% and at most 100%";
                let bad = || SignalError::Number { field: "quantity", value: shown(text), allowed };
                let share = exact(text.trim_end_matches('%')).map_err(|_| bad())?;
                if share > Decimal::ZERO && share <= Decimal::ONE_HUNDRED {
                    Ok(Amount::SharePct(share))
                } else {
                    Err(bad())
                }
            }
            (_, Some(text)) => positive("quantity", text).map(|quantity| Amount::Quantity(Qty(quantity))),
        }
    }

    fn cancelled_signal(&self, kind: SignalKind) -> Result<Option<SignalId>, SignalError> {
        match (&self.cancels, kind) {
            (Some(id), _) => Ok(Some(SignalId::new(id)?)),
            (None, SignalKind::CancelEntry) => Err(SignalError::Missing {
                kind: kind.code(),
                field: "cancels",
                allowed: "the id of the S1 signal whose entry is to be cancelled",
            }),
            (None, _) => Ok(None),
        }
    }
}

/// What became of a signal; each signal gets exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum SignalOutcome {
    /// It became an order.
    Ordered {
        /// Which.
        order: OrderNo,
    },
    /// It cancels an order.
    Cancelling {
        /// Which.
        order: OrderNo,
    },
    /// The position is being closed or reduced; its orders follow as soon as they may.
    Closing {
        /// Which opening.
        position: PositionId,
    },
    /// It is on record and does nothing.
    Recorded,
    /// It was refused.
    Rejected {
        /// Why, for people.
        reason: String,
        /// The risk checks that failed, by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed_checks: Vec<super::RiskCheck>,
    },
}

/// A signal of the recent past, kept as long as a second delivery of it would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRecord {
    /// What became of it.
    pub outcome: SignalOutcome,
    /// When it was decided.
    pub at: SessionTime,
}
