//! Switches that make the exchange misbehave: from a scenario, or by `POST /sim/faults`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{ClockError, FARTHEST_MS, FASTEST_PPM};
use super::market::Noise;
use super::scenario::exact;
use super::venue::Order;
use crate::model::{Decimal, SessionTime, Symbol, mul};

/// How far lists may lag: so far back their past is kept.
pub const MOST_LAG_MS: u64 = 6_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Turned away: with `code` an answer that says so, with `status` an HTTP error (`retry_after`,
    /// `body`), with `order_error` an order that is accepted and ends at once; without any of them
    /// the connection is closed without an answer. Nothing is carried out unless `acted` is true.
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
    /// The exchange's clock is `skew_ms` ahead (negative: behind), in all that it stamps.
    ClockSkew,
    /// The exchange's clock runs `ppm` millionths too fast (negative: too slow).
    ClockDrift,
    /// Lists show what was `ms` ago (to `ms_to`, drawn for each answer): see `which`.
    ListLag,
    /// Lists lack each row with `probability`, while they say success.
    ListLacks,
    /// Lists come back empty, while they say success.
    ListEmpty,
    /// One row of a list cannot be read: `odd` says why; of `symbol`, or the first; a made-up one
    /// when there is none.
    OddRow,
    /// Fills have other ids in lists than in pushes.
    DealIdsDiffer,
    /// Fills are told neither by lists nor by pushes, of `symbol` or of `order`; the orders themselves say
    /// what is filled.
    FillsLost,
    /// Cancels of single orders within a request fail with `code`: of `order`, of `symbol`, or each with
    /// `probability`; the others are done.
    CancelItem,
    /// Fees are paid in another currency (`currency`, 2 USDT each).
    FeeCurrency,
    /// WebSocket: private pushes come `delay_ms` later; others overtake them.
    WsDelay,
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
    #[serde(alias = "all")]
    Any,
    /// Placing orders.
    Place,
    /// Placing orders that open.
    PlaceOpen,
    /// Placing orders that close: sides 2 and 4, reduce-only, `close_all`.
    PlaceClose,
    /// Cancelling orders.
    Cancel,
    /// Signed reads.
    #[serde(alias = "reads")]
    Read,
    /// Other signed changes: leverage, margin, mode.
    Change,
    /// Unsigned reads.
    Public,
}

/// A kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Open orders.
    Orders,
    /// Open positions.
    Positions,
    /// Fills.
    Deals,
    /// Finished orders and closed positions.
    History,
    /// Balances.
    Assets,
    /// Single orders by an id: no lists, so only when they are named.
    Lookups,
}

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Its amounts are null.
    Null,
    /// `state` is 9.
    State,
    /// `positionType` and `side` are of no known kind.
    Side,
    /// The contract's name is no ASCII.
    Symbol,
    /// `version` and the times are beyond 64 bits.
    Version,
    /// An amount is no number.
    Number,
    /// The balances are of another currency.
    Currency,
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
    /// For `refuse`: the business code of the answer; for `cancel_item`: that of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// For `refuse`: the message beside the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For `refuse`: the HTTP status; without a code the body is a page in HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `refuse`: the page, in place of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// For `refuse`: the header Retry-After, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// For `refuse`: carried out all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<bool>,
    /// For `refuse`: the order-level errorCode with which an accepted order ends at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_error: Option<i64>,
    /// For the faults of lists: which; all lists when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub which: Option<List>,
    /// For `list_lag`: how far behind, in milliseconds of session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// For `list_lag`: how far at most, when it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms_to: Option<u64>,
    /// For `odd_row`: why it cannot be read; `null` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odd: Option<Odd>,
    /// For `fee_currency`: which; MX when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// For the faults of private pushes: only this channel (`order`, `order.deal`, `position`, ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// For the delays, in milliseconds of session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// For `clock_skew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
    /// For `clock_drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppm: Option<i64>,
    /// For what a person or the exchange does: which leg; both when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Leg>,
    /// For what a person or the exchange does: contracts; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact")]
    pub vol: Option<Decimal>,
    /// For `manual_open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<u32>,
    /// For `manual_cancel`, `fills_lost`, `cancel_item`: the exchange's or the client's id.
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
            code: None,
            message: None,
            status: None,
            body: None,
            retry_after: None,
            acted: None,
            order_error: None,
            which: None,
            ms: None,
            ms_to: None,
            odd: None,
            currency: None,
            channel: None,
            delay_ms: None,
            skew_ms: None,
            ppm: None,
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
        if let Some(ms) = self.skew_ms.filter(|ms| ms.saturating_abs() > FARTHEST_MS) {
            return Err(("skew_ms", ms.to_string(), "a year at most, either way"));
        }
        if let Some(ppm) = self.ppm.filter(|ppm| ppm.saturating_abs() > FASTEST_PPM) {
            return Err(("ppm", ppm.to_string(), "-100000 to 100000"));
        }
        if let Some(ms) = self.ms.max(self.ms_to).filter(|ms| *ms > MOST_LAG_MS) {
            return Err(("ms", ms.to_string(), "milliseconds, 6000 at most"));
        }
        if let Some(status) = self.status.filter(|status| !(400..=599).contains(status)) {
            return Err(("status", status.to_string(), "an HTTP error, 400 to 599"));
        }
        let plain =
            |text: &String| !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if let Some(currency) = self.currency.as_ref().filter(|text| !plain(text)) {
            return Err(("currency", crate::model::escape_controls(currency).into_owned(), "a name such as MX"));
        }
        let missing = |key, allowed| Err((key, "(nothing)".to_owned(), allowed));
        match self.kind {
            FaultKind::ManualOpen if self.symbol.is_none() => missing("symbol", "a contract, such as BTC_USDT"),
            FaultKind::ManualOpen if self.vol.is_none() => missing("vol", "a number of contracts"),
            FaultKind::PriceJump if self.percent.is_none() => missing("percent", "-98.9 to 900"),
            FaultKind::Transfer if self.amount.is_none() => missing("amount", "an amount in USDT"),
            FaultKind::ReplyDelayed | FaultKind::RequestDelayed | FaultKind::WsDelay if self.delay_ms.is_none() => {
                missing("delay_ms", "milliseconds")
            }
            FaultKind::ClockSkew if self.skew_ms.is_none() => missing("skew_ms", "milliseconds"),
            FaultKind::ListLag if self.ms.is_none() => missing("ms", "milliseconds, 6000 at most"),
            FaultKind::ListLacks if self.probability.is_none() => missing("probability", "0 to 1, for each row"),
            FaultKind::ClockDrift if self.ppm.is_none() => missing("ppm", "millionths"),
            FaultKind::CancelItem if self.code.is_none() => missing("code", "the code of the orders, such as 2041"),
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
            FaultKind::WsStall
                | FaultKind::WsDrop
                | FaultKind::WsLose
                | FaultKind::WsDuplicate
                | FaultKind::WsReorder
                | FaultKind::WsDelay
        )
    }

    /// Whether it acts on what lists show.
    pub fn is_of_lists(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::ListLag
                | FaultKind::ListLacks
                | FaultKind::ListEmpty
                | FaultKind::OddRow
                | FaultKind::DealIdsDiffer
        )
    }

    /// Whether it is for this kind of list.
    pub fn is_for_list(&self, list: List) -> bool {
        match self.kind {
            FaultKind::DealIdsDiffer => list == List::Deals,
            _ => self.which.map_or(list != List::Lookups, |which| which == list),
        }
    }

    /// Whether it is about this order, of which the books may know nothing.
    pub fn is_about(&self, id: u64, order: Option<&Order>) -> bool {
        let named = |wanted: &String| *wanted == id.to_string() || order.is_some_and(|order| *wanted == order.external);
        self.order.as_ref().is_none_or(named)
            && self.symbol.as_ref().is_none_or(|symbol| order.is_some_and(|order| order.request.symbol == *symbol))
    }

    /// Whether it is for a private push of this channel.
    pub fn is_for_channel(&self, channel: &str) -> bool {
        self.channel.as_ref().is_none_or(|wanted| {
            channel.strip_prefix("push.personal.").unwrap_or(channel)
                == wanted.strip_prefix("push.personal.").unwrap_or(wanted)
        })
    }

    /// Whether it turns a call away with an answer.
    pub fn answers(&self) -> bool {
        self.kind == FaultKind::Refuse && (self.code.is_some() || self.status.is_some())
    }

    /// Whether its chance is drawn for each row instead of each time.
    fn draws_rows(&self) -> bool {
        self.kind == FaultKind::ListLacks
    }

    /// Whether it must be counted: its end or its draws depend on how often it was asked.
    pub fn counts(&self) -> bool {
        self.count.is_some() || self.probability.is_some() || self.ms_to.is_some()
    }

    /// Whether it acts on single calls.
    pub fn is_of_calls(&self) -> bool {
        let elsewhere = matches!(
            self.kind,
            FaultKind::ClockSkew
                | FaultKind::ClockDrift
                | FaultKind::FeeCurrency
                | FaultKind::CancelItem
                | FaultKind::FillsLost
        );
        !self.is_socket() && !self.is_action() && !self.is_of_lists() && !elsewhere
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
    pub since: SessionTime,
    pub until: Option<SessionTime>,
    /// How often it was asked.
    pub asked: u64,
    /// How often it acted.
    pub fired: u32,
}

impl Fault {
    pub fn new(id: u64, spec: FaultSpec, now: SessionTime) -> Self {
        let micros = spec.seconds.map(|s| u64::try_from(mul(s, Decimal::from(1_000_000)).trunc()).unwrap_or(u64::MAX));
        let until = micros.map(|micros| now.plus(Duration::from_micros(micros)));
        Self { id, spec, since: now, until, asked: 0, fired: 0 }
    }

    /// How wrong it makes the exchange's clock.
    pub fn clock_error(&self) -> ClockError {
        ClockError { offset_ms: self.spec.skew_ms.unwrap_or_default(), drift_ppm: self.spec.ppm.unwrap_or_default() }
    }

    /// Whether it still acts.
    pub fn is_on(&self, now: SessionTime) -> bool {
        self.until.is_none_or(|until| now < until) && self.spec.count.is_none_or(|count| self.fired < count)
    }

    /// Whether its chance comes up the next time it is asked: a hash of seed, fault and count, so
    /// that asking needs no state.
    pub fn comes_up(&self, seed: u64) -> bool {
        self.spec.draws_rows() || self.spec.probability.is_none_or(|p| self.draws(seed).uniform() < p)
    }

    /// The draws of this time.
    pub fn draws(&self, seed: u64) -> Noise {
        let stream = self.id.wrapping_mul(1 << 32).wrapping_add(self.asked).wrapping_add(1 << 63);
        Noise::new(seed, stream)
    }

    /// How far lists lag behind this time.
    pub fn lag(&self, seed: u64) -> Duration {
        let least = self.spec.ms.unwrap_or_default();
        let wider = self.spec.ms_to.unwrap_or(least).saturating_sub(least);
        let drawn = if wider == 0 { 0 } else { self.draws(seed).bits() % wider.saturating_add(1) };
        Duration::from_millis(least.saturating_add(drawn))
    }
}

/// What a call is, for matching faults.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub target: Target,
    pub path: &'a str,
    pub symbol: Option<&'a Symbol>,
    /// For placements: whether the order closes.
    pub closes: bool,
}

impl Call<'_> {
    fn is_of(&self, target: Target) -> bool {
        match target {
            Target::Any => true,
            Target::PlaceOpen => self.target == Target::Place && !self.closes,
            Target::PlaceClose => self.target == Target::Place && self.closes,
            other => other == self.target,
        }
    }
}

impl Fault {
    /// Whether it is for this call.
    pub fn is_for(&self, call: &Call<'_>) -> bool {
        call.is_of(self.spec.endpoint)
            && self.spec.path.as_ref().is_none_or(|prefix| call.path.starts_with(prefix.as_str()))
            && self.spec.symbol.as_ref().is_none_or(|symbol| call.symbol == Some(symbol))
    }
}
