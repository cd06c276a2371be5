//! Everything that can happen to the books from outside: the records of the simulator's journal.
//! Folding them again, in order, at their times, gives the same books, because the markets draw
//! from the seed and nothing else.

use serde::{Deserialize, Serialize};

use super::order::Request;
use crate::model::{Contracts, Decimal, Symbol};
use crate::simulator::clock::ClockError;
use crate::simulator::faults::FaultSpec;
use crate::simulator::refusal::Refusal;
use crate::simulator::scenario::Scenario;

/// What happens when a client order id comes a second time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateMode {
    /// Refused with code 2042.
    #[default]
    Reject2042,
    /// Answered with the id of the order that exists.
    ReturnExisting,
    /// Accepted with a new id, then state 5 with errorCode 22.
    AcceptThenInvalidate,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// The books are opened for the first time.
    Begin(Box<Beginning>),
    /// The simulator runs again; the markets go on where they stood.
    Resume,
    /// Other rules of the exchange from here on: those of the version that runs now.
    Rules { rules: u32 },
    /// The exchange's own clock is so wrong from here on.
    Clock { clock: ClockError },
    /// The same books under another scenario; its times count from here.
    Rescenario { scenario: Box<Scenario> },
    /// Time has come so far.
    Advance,
    /// An order was asked for.
    Place {
        path: String,
        request: Box<Request>,
        /// The order-level errorCode with which a fault ends it at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fail: Option<i64>,
    },
    /// A request named an order but was refused before it got to the books.
    Turned { path: String, symbol: Option<Symbol>, id: String, why: String },
    /// Orders were asked to be cancelled by the exchange's ids.
    Cancel { path: String, ids: Vec<u64> },
    /// Orders were asked to be cancelled by the client's ids.
    CancelExternal { path: String, orders: Vec<(Symbol, String)> },
    /// All orders of a contract, or all.
    CancelAll { path: String, symbol: Option<Symbol> },
    /// Price and size of a resting order; the old order dies.
    Amend { path: String, id: u64, price: Decimal, vol: Contracts },
    /// Market orders for all positions.
    CloseAll { path: String },
    /// Leverage of a position, or of a contract's side.
    Leverage { position: Option<u64>, symbol: Option<Symbol>, cross: Option<bool>, long: Option<bool>, leverage: u32 },
    /// Hedge (1) or one-way (2).
    Mode { mode: i64 },
    /// Margin of an isolated position; negative takes out.
    Margin { position: u64, amount: Decimal },
    /// Whether margin is added by itself.
    AutoMargin { position: u64, on: bool },
    /// A protective order for a position.
    StopPlace { position: u64, vol: Contracts, stop_loss: Option<Decimal>, take_profit: Option<Decimal>, trend: i64 },
    /// Other prices for a protective order.
    StopChange { id: u64, stop_loss: Option<Decimal>, take_profit: Option<Decimal> },
    /// Protective orders away, by id.
    StopCancel { ids: Vec<u64> },
    /// Protective orders away, all of a contract or all.
    StopCancelAll { symbol: Option<Symbol> },
    /// A fault is switched on.
    FaultOn { spec: Box<FaultSpec> },
    /// A fault, or all, are switched off.
    FaultOff { id: Option<u64> },
    /// A fault was asked, and acted or not.
    FaultAsked { id: u64, fired: bool },
    /// What happens to repeated client order ids from here on.
    Duplicates { mode: DuplicateMode },
}

/// What the books begin with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    pub seed: u64,
    pub balance: Decimal,
    pub mode: i64,
    pub duplicates: DuplicateMode,
    pub scenario: Scenario,
    /// Which candles, when they are not invented: contract, rows, and a digest of all of them.
    pub candles: Option<CandleMark>,
    /// Which rules hold; records of version 0.1.0 do not say and mean 1.
    #[serde(default = "first")]
    pub rules: u32,
    /// How wrong the exchange's own clock is.
    #[serde(default)]
    pub clock: ClockError,
}

fn first() -> u32 {
    1
}

/// What a candle file is known again by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandleMark {
    pub symbol: Symbol,
    pub rows: usize,
    pub digest: String,
}

/// What the books answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// The exchange's id of an order or a protective order.
    Id(u64),
    /// One result for each item.
    Items(Vec<ItemResult>),
    Refused(Refusal),
}

/// The result of one item of a cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemResult {
    pub id: u64,
    pub external: Option<String>,
    pub code: i64,
}
