//! Switches that make the exchange misbehave: from a scenario, or by `POST /sim/faults`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::market::Noise;
use super::scenario::exact;
use crate::model::{Decimal, Symbol, VenueTime, mul};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The connection is closed without an answer; nothing is carried out.
    Refuse,
    /// No answer ever; nothing is carried out.
    Hang,
    /// Carried out, but the connection is closed without an answer.
    ReplyLost,
    /// Carried out at once, answered `delay_ms` later.
    ReplyDelayed,
    /// Waits `delay_ms`, then carried out and answered: a request that is late on the way.
    RequestDelayed,
    /// HTTP 500 without `success`; nothing is carried out.
    ErrorBefore,
    /// Carried out, answered HTTP 500 without `success`.
    ErrorAfter,
    /// HTTP 200, code 510; nothing is carried out.
    TooFrequent,
    /// Carried out, answered with JSON that is cut in the middle.
    WrongJson,
    /// The server's clock is `skew_ms` ahead (negative: behind).
    ClockSkew,
    /// WebSocket: nothing is sent, pongs included; the connection stays open.
    WsStall,
    /// WebSocket: connections are closed, and new ones at once again.
    WsDrop,
    /// WebSocket: private pushes are lost.
    WsLose,
    /// WebSocket: private pushes come twice.
    WsDuplicate,
    /// WebSocket: a private push comes after the next one.
    WsReorder,
    /// At once: a person closes positions (`symbol`, `side`, `vol`).
    ManualClose,
    /// At once: a person opens a position (`symbol`, `side`, `vol`, `leverage`).
    ManualOpen,
    /// At once: a person cancels orders (`order`, else all of `symbol`, else all).
    ManualCancel,
    /// At once: positions are liquidated as if the fair price had passed the line.
    ForcedLiquidation,
    /// At once: positions are reduced by auto-deleveraging (`symbol`, `side`, `vol`).
    Adl,
    /// At once: the price moves by `percent`.
    PriceJump,
    /// At once: `amount` USDT are paid in (negative: taken out).
    Transfer,
}

/// Which calls a fault is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Every call under `/api`.
    #[default]
    Any,
    /// Placing orders.
    Place,
    /// Cancelling orders.
    Cancel,
    /// Signed reads.
    Read,
    /// Other signed changes: leverage, margin, mode.
    Change,
    /// Unsigned reads.
    Public,
}

/// A side of the market, where a fault needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// The long leg.
    Long,
    /// The short leg.
    Short,
}

/// One fault: what, for which calls, how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For which calls.
    #[serde(default)]
    pub endpoint: Target,
    /// Only paths that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only calls about this contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// How many times; without end when neither this nor `seconds` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How long, in seconds of session time.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub seconds: Option<Decimal>,
    /// How likely each time, 0 to 1, drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub probability: Option<Decimal>,
    /// For the delays, in milliseconds of session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// For `clock_skew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
    /// For what a person or the exchange does: which leg; both when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Leg>,
    /// For what a person or the exchange does: contracts; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub vol: Option<Decimal>,
    /// For `manual_open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<u32>,
    /// For `manual_cancel`: the exchange's or the client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// For `price_jump`: percent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub percent: Option<Decimal>,
    /// For `transfer`: USDT.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub amount: Option<Decimal>,
}

impl FaultSpec {
    /// A fault of this kind for every call, without end.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            endpoint: Target::Any,
            path: None,
            symbol: None,
            count: None,
            seconds: None,
            probability: None,
            delay_ms: None,
            skew_ms: None,
            side: None,
            vol: None,
            leverage: None,
            order: None,
            percent: None,
            amount: None,
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// What is outside: key, value, what is allowed.
    pub fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        if let Some(p) = self.probability.filter(|p| *p < Decimal::ZERO || *p > Decimal::ONE) {
            return Err(("probability", p.to_string(), "0 to 1"));
        }
        if let Some(s) = self.seconds.filter(|s| *s <= Decimal::ZERO) {
            return Err(("seconds", s.to_string(), "more than 0"));
        }
        if let Some(vol) = self.vol.filter(|vol| *vol <= Decimal::ZERO) {
            return Err(("vol", vol.to_string(), "more than 0"));
        }
        if let Some(p) = self.percent.filter(|p| *p <= Decimal::from(-99) || *p > Decimal::from(900)) {
            return Err(("percent", p.to_string(), "-98.9 to 900"));
        }
        let missing = |key, allowed| Err((key, "(nothing)".to_owned(), allowed));
        match self.kind {
            FaultKind::ManualOpen if self.symbol.is_none() => missing("symbol", "a contract, such as BTC_USDT"),
            FaultKind::ManualOpen if self.vol.is_none() => missing("vol", "a number of contracts"),
            FaultKind::PriceJump if self.percent.is_none() => missing("percent", "-98.9 to 900"),
            FaultKind::Transfer if self.amount.is_none() => missing("amount", "an amount in USDT"),
            FaultKind::ReplyDelayed | FaultKind::RequestDelayed if self.delay_ms.is_none() => {
                missing("delay_ms", "milliseconds")
            }
            FaultKind::ClockSkew if self.skew_ms.is_none() => missing("skew_ms", "milliseconds"),
            _ => Ok(()),
        }
    }

    /// Whether it happens once, at once, instead of being a switch.
    pub fn is_action(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::ManualClose
                | FaultKind::ManualOpen
                | FaultKind::ManualCancel
                | FaultKind::ForcedLiquidation
                | FaultKind::Adl
                | FaultKind::PriceJump
                | FaultKind::Transfer
        )
    }

    /// Whether it acts on the WebSocket.
    pub fn is_socket(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::WsStall | FaultKind::WsDrop | FaultKind::WsLose | FaultKind::WsDuplicate | FaultKind::WsReorder
        )
    }

    /// The delay it asks for.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or_default())
    }
}

/// A switch that is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub id: u64,
    pub spec: FaultSpec,
    pub since: VenueTime,
    pub until: Option<VenueTime>,
    /// How often it was asked.
    pub asked: u64,
    /// How often it acted.
    pub fired: u32,
}

impl Fault {
    pub fn new(id: u64, spec: FaultSpec, now: VenueTime) -> Self {
        let micros = spec.seconds.map(|s| u64::try_from(mul(s, Decimal::from(1_000_000)).trunc()).unwrap_or(u64::MAX));
        let until = micros.map(|micros| now.plus(Duration::from_micros(micros)));
        Self { id, spec, since: now, until, asked: 0, fired: 0 }
    }

    /// Whether it still acts.
    pub fn is_on(&self, now: VenueTime) -> bool {
        self.until.is_none_or(|until| now < until) && self.spec.count.is_none_or(|count| self.fired < count)
    }

    /// Whether its chance comes up the next time it is asked: a hash of seed, fault and count, so
    /// that asking needs no state.
    pub fn comes_up(&self, seed: u64) -> bool {
        self.spec.probability.is_none_or(|p| {
            let stream = self.id.wrapping_mul(1 << 32).wrapping_add(self.asked).wrapping_add(1 << 63);
            Noise::new(seed, stream).uniform() < p
        })
    }
}

/// What a call is, for matching faults.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub target: Target,
    pub path: &'a str,
    pub symbol: Option<&'a Symbol>,
}

impl Fault {
    /// Whether it is for this call.
    pub fn is_for(&self, call: &Call<'_>) -> bool {
        (self.spec.endpoint == Target::Any || self.spec.endpoint == call.target)
            && self.spec.path.as_ref().is_none_or(|prefix| call.path.starts_with(prefix.as_str()))
            && self.spec.symbol.as_ref().is_none_or(|symbol| call.symbol == Some(symbol))
    }
}
