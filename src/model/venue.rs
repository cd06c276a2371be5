//! What the exchange is asked and what it says, in our words. The adapter translates once; ids are
//! text and numbers are decimals here.

use serde::{Deserialize, Serialize};

use super::{
    Category, ClientOrderId, Contracts, FillId, Intent, MarginMode, OrderNo, OrderType, PositionKey, PositionMode,
    Price, Quote, Symbol, Timestamp, Usdt, VenueOrderId, VenuePositionId,
};

/// An order to place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceOrder {
    /// The id we gave it.
    pub client_id: ClientOrderId,
    /// Which contract.
    pub symbol: Symbol,
    /// Open or close, long or short; a close is always reduce-only.
    pub intent: Intent,
    /// Market or limit, the price on the tick.
    pub order_type: OrderType,
    /// How many contracts, on the lot.
    pub contracts: Contracts,
    /// Leverage, for an open.
    pub leverage: u32,
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// The account's mode, sent with every order.
    pub position_mode: PositionMode,
    /// The exchange's id of the position it closes, when known.
    pub position_id: Option<VenuePositionId>,
    /// Stop-loss price, held by the exchange.
    pub stop_loss: Option<Price>,
    /// Take-profit price, held by the exchange.
    pub take_profit: Option<Price>,
}

/// An order to cancel: by the exchange's id when it is known, else by ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    /// Ours.
    pub no: OrderNo,
    /// Which contract.
    pub symbol: Symbol,
    /// The exchange's id.
    pub venue_id: Option<VenueOrderId>,
    /// The id we gave it.
    pub client_id: ClientOrderId,
}

/// What the exchange says to the cancel of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum CancelOutcome {
    /// Taken; the proof is the order's own end.
    Accepted,
    /// No such order (code 2040).
    NotFound,
    /// It has ended already, or cannot be cancelled in its state (code 2041).
    NotCancellable,
    /// Refused for another reason.
    Refused {
        /// The exchange's code.
        code: i32,
        /// Its message, escaped.
        message: String,
    },
}

/// State of an order at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueOrderState {
    /// Taken, not yet in the book.
    Pending,
    /// In the book; may be partly filled.
    Resting,
    /// Filled completely.
    Filled,
    /// Cancelled; may have fills.
    Cancelled,
    /// Refused after all.
    Invalid,
    /// A number that the protocol does not define.
    Unrecognised(i32),
}

/// An order as the exchange tells it, by push or by answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// The exchange's id.
    pub venue_id: VenueOrderId,
    /// The client id, when it is one that an id of ours could be.
    pub client_id: Option<ClientOrderId>,
    /// Which contract.
    pub symbol: Symbol,
    /// What it does.
    pub intent: Intent,
    /// Where it stands.
    pub state: VenueOrderState,
    /// Size.
    pub contracts: Contracts,
    /// Filled so far.
    pub filled: Contracts,
    /// Average fill price.
    pub average_price: Option<Price>,
    /// Why the exchange made it.
    pub category: Category,
    /// Order-level error code; 0 is none (mexc-contract-api.md 8.2).
    pub error_code: i32,
    /// Grows with each change.
    pub version: u64,
    /// When it last changed, by the exchange.
    pub updated_at: Timestamp,
}

/// A fill as the exchange tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FillReport {
    /// The exchange's id of the deal.
    pub id: FillId,
    /// Its order.
    pub venue_order: Option<VenueOrderId>,
    /// The client id of its order.
    pub client_id: Option<ClientOrderId>,
    /// Which contract.
    pub symbol: Symbol,
    /// What it did.
    pub intent: Intent,
    /// How much.
    pub contracts: Contracts,
    /// At which price.
    pub price: Price,
    /// Fee paid; negative is received.
    pub fee: Option<Usdt>,
    /// Whether it took liquidity.
    pub taker: Option<bool>,
    /// Why.
    pub category: Category,
    /// When.
    pub at: Timestamp,
}

/// A position as the exchange tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionReport {
    /// The exchange's id.
    pub venue_id: VenuePositionId,
    /// Symbol and leg.
    pub key: PositionKey,
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Size; zero is closed.
    pub contracts: Contracts,
    /// Whether the exchange holds it (taken over, `state` 2).
    pub taken_over: bool,
    /// Average entry price.
    pub entry_price: Option<Price>,
    /// Margin of the position.
    pub margin: Option<Usdt>,
    /// Liquidation price.
    pub liquidation_price: Option<Price>,
    /// Leverage.
    pub leverage: Option<u32>,
    /// Funding received (+) or paid (-).
    pub funding: Option<Usdt>,
    /// Realised profit by the exchange's count, fees and funding included.
    pub realised: Option<Usdt>,
    /// Grows with each change; 0 when the answer has none.
    pub version: u64,
    /// When it last changed, by the exchange.
    pub updated_at: Timestamp,
}

/// The account as the exchange tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReport {
    /// Everything, unrealised profit included; pushes do not say.
    pub equity: Option<Usdt>,
    /// Free for new positions.
    pub available: Usdt,
    /// Margin of positions.
    pub position_margin: Usdt,
    /// Margin of resting orders.
    pub order_margin: Usdt,
    /// Unrealised profit; pushes do not say.
    pub unrealised: Option<Usdt>,
}

/// What was found about the end of a position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Orders that nobody placed: take-overs, custody closes, ADL.
    pub system_orders: Vec<OrderReport>,
    /// Deals of the symbol in the time in question.
    pub fills: Vec<FillReport>,
}

/// What the private and public streams say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Push {
    /// An order changed.
    Order(OrderReport),
    /// A fill.
    Fill(FillReport),
    /// A position changed.
    Position(PositionReport),
    /// Balances changed.
    Account(AccountReport),
    /// Prices.
    Quote(Quote),
    /// The exchange warns of, or reports, a liquidation (`generic.notify`, `liquidate.risk`).
    LiquidationNotice {
        /// The position, when it says which.
        key: Option<PositionKey>,
        /// Whether it says that it has happened.
        liquidated: bool,
    },
    /// Messages of a stream that were not understood and skipped, counted since the start.
    Skipped {
        /// How many in all.
        total: u64,
        /// The last of them and what is wrong with it: escaped, cut, without keys.
        last: String,
    },
    /// The private stream is logged in and everything that was missed must be asked for.
    Connected,
    /// A stream is down; the adapter connects again with back-off.
    Disconnected {
        /// For people, escaped.
        reason: String,
        /// Which try comes next.
        attempt: u32,
    },
}

/// What can be told of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Surely not done: may be tried again.
    Retryable,
    /// May have been done: must be looked up.
    Ambiguous,
    /// Surely not done, and will not be when tried again.
    Fatal,
    /// The key or its permissions are refused: nothing will work until a person acts.
    AccessRefused,
}

/// A failed call to the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What can be told of it.
    pub class: ErrorClass,
    /// Whether the circuit breaker counts it: transport errors, 5xx and time-outs only.
    pub counts: bool,
    /// The exchange's code.
    pub code: Option<i32>,
    /// For people: which call, what happened; text of the exchange is escaped, secrets never appear.
    pub message: String,
}

/// Whether the exchange's clock and ours agree, and how long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Exchange minus ours, in ms.
    pub offset_ms: i64,
    /// Round trip of the question, in ms.
    pub round_trip_ms: u64,
}
