//! What the exchange is asked and what it says, in our words. The adapter translates once; ids are
//! text and numbers are decimals here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Category, ClientOrderId, ClockOffset, Contracts, FillId, Intent, MarginMode, OrderNo, OrderType, PositionKey,
    PositionMode, Price, Quote, Symbol, Usdt, VenueOrderId, VenuePositionId, VenueTime,
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
    /// Why the exchange refused or ended it, in our words.
    #[serde(default)]
    pub refusal: Refusal,
    /// Grows with each change.
    pub version: u64,
    /// When it last changed, by the exchange.
    pub updated_at: VenueTime,
    /// When it was made, by the exchange.
    #[serde(default)]
    pub created_at: Option<VenueTime>,
    /// Its limit price; `None` for a market order, or when the exchange does not say.
    #[serde(default)]
    pub limit: Option<Price>,
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
    /// Profit or loss of a closing fill by the exchange's count, without fees.
    #[serde(default)]
    pub profit: Option<Usdt>,
    /// Whether it took liquidity.
    pub taker: Option<bool>,
    /// Why.
    pub category: Category,
    /// When.
    pub at: VenueTime,
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
    /// Contracts that resting closing orders hold at the exchange; what is left can be closed.
    #[serde(default)]
    pub frozen: Option<Contracts>,
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
    pub updated_at: VenueTime,
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

/// Calls that keep silent together, because the exchange counts them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallGroup {
    /// Placing orders.
    Placements,
    /// Any other.
    #[default]
    Other,
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
    /// The account is in this position mode now.
    Mode(PositionMode),
    /// The adapter measured the exchange's clock of its own accord: a refusal said that ours is off.
    Clock(ClockOffset),
    /// The exchange said that there were too many requests: reads and entries keep silent for so long.
    Silenced {
        /// For how long from now on.
        for_how_long: Duration,
        /// Which call was told so.
        call: String,
        /// Which calls keep silent.
        calls: CallGroup,
    },
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
    /// A part of the adapter ended by a defect and was started again.
    Failed {
        /// Which, and how, for people: escaped.
        what: String,
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
    /// It never left this machine: our own rate limit, a revocation, the journal. The exchange had no
    /// part in it, so it says nothing about the exchange.
    NeverLeft,
}

/// Why the exchange did not do something. The adapter translates the codes of its venue; what is not
/// documented is [`Refusal::Unspecified`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No refusal, or one that is not documented.
    #[default]
    Unspecified,
    /// The gateway or firewall before the exchange answered, not the exchange itself.
    Edge,
    /// The exchange failed inside.
    Internal,
    /// Too many requests, or trading too often.
    TooFrequent,
    /// Under maintenance.
    Maintenance,
    /// The market or the contract does not trade now.
    MarketClosed,
    /// Our time stamp is outside the exchange's window.
    ClockWrong,
    /// Key, signature, permission or account: a person must act.
    Access,
    /// The order carries another position mode than the account has.
    PositionMode,
    /// More than can be closed: other closing orders hold a part.
    ClosableTooSmall,
    /// No such position, or it is closed.
    PositionGone,
    /// The order names another position, direction or margin mode than stands.
    PositionMismatch,
    /// One order may not be so large.
    TooLarge,
    /// Below the smallest order.
    TooSmall,
    /// Price, quantity or precision is off the contract's steps.
    OffSteps,
    /// The fill would lie beyond the liquidation price.
    BeyondLiquidation,
    /// The price is outside the contract's band.
    PriceBand,
    /// Too many working orders.
    TooManyOrders,
    /// A market close is under way already.
    CloseInProgress,
    /// Opening is stopped; closing is allowed.
    OpeningStopped,
    /// Balance or margin does not suffice.
    Balance,
    /// Leverage is out of bounds or differs from the position's.
    Leverage,
    /// A risk limit of the exchange.
    RiskLimit,
    /// The contract is not known there.
    ContractUnknown,
    /// The client id was used before.
    DuplicateId,
    /// The request is malformed: repeating it unchanged is useless.
    Malformed,
    /// The rest of an order that does not rest: immediate-or-cancel, market.
    RestCancelled,
    /// Taken back by us before it left.
    Revoked,
    /// Our own rate limit had no free slot.
    NoSlot,
    /// The journal cannot be written.
    Journal,
    /// Our own program failed during the call: it says nothing about the exchange.
    Defect,
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
    /// Why, in our words.
    #[serde(default)]
    pub refusal: Refusal,
    /// For people: which call, what happened; text of the exchange is escaped, secrets never appear.
    pub message: String,
}

/// A list of the exchange: the rows that were understood, and those that were not. One odd row never
/// spoils the others; absence is concluded only where no unreadable row could be the missing one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<T> {
    /// What was understood, in the exchange's order.
    pub rows: Vec<T>,
    /// What was not.
    pub unreadable: Vec<UnreadableRow>,
}

/// A row that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableRow {
    /// The contract that it names, as it names it; `None` when even that cannot be read.
    pub symbol: Option<String>,
    /// The row: escaped, cut, without keys.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl<T> Listing<T> {
    /// Whether what this list lacks of a contract is really not there: no unreadable row could be it.
    pub fn is_whole_for(&self, symbol: &Symbol) -> bool {
        self.unreadable.iter().all(|row| row.symbol.as_deref().is_some_and(|named| named != symbol.as_str()))
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> FromIterator<T> for Listing<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self::from(rows.into_iter().collect::<Vec<_>>())
    }
}

impl<T> From<Vec<T>> for Listing<T> {
    fn from(rows: Vec<T>) -> Self {
        Self { rows, unreadable: Vec::new() }
    }
}

impl Refusal {
    /// For people: why.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unspecified => "without a reason that is known",
            Self::Edge => "turned away before the exchange",
            Self::Internal => "ended by the exchange itself",
            Self::TooFrequent => "too many requests",
            Self::Maintenance => "under maintenance",
            Self::MarketClosed => "the contract does not trade now",
            Self::ClockWrong => "our clock is off",
            Self::Access => "key or account may not do it",
            Self::PositionMode => "its position mode differs from the account's",
            Self::ClosableTooSmall => "more than can be closed",
            Self::PositionGone => "the position is gone",
            Self::PositionMismatch => "it does not match the position",
            Self::TooLarge => "too large for one order",
            Self::TooSmall => "below the smallest order",
            Self::OffSteps => "price or quantity off the contract's steps",
            Self::BeyondLiquidation => "price beyond the liquidation price",
            Self::PriceBand => "price outside the contract's band",
            Self::TooManyOrders => "too many working orders",
            Self::CloseInProgress => "a close is under way already",
            Self::OpeningStopped => "opening is stopped",
            Self::Balance => "balance or margin insufficient",
            Self::Leverage => "leverage out of bounds",
            Self::RiskLimit => "a risk limit of the exchange",
            Self::ContractUnknown => "no such contract",
            Self::DuplicateId => "order id used before",
            Self::Malformed => "invalid parameter",
            Self::RestCancelled => "the rest does not rest",
            Self::Revoked => "taken back before it left",
            Self::NoSlot => "our own rate limit had no slot",
            Self::Journal => "the journal cannot be written",
            Self::Defect => "a defect of the program",
        }
    }
}

/// What a venue can do and how it behaves, declared by its adapter, so that the engine needs no word
/// of any one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueCapabilities {
    /// Placements that may leave within [`Self::placement_window`]; `None` is without limit.
    pub placements: Option<usize>,
    /// The window in which placements are counted, in session time.
    pub placement_window: Duration,
    /// How long a list may lag behind what happened.
    pub list_lag_max: Duration,
}

impl Default for VenueCapabilities {
    /// A venue without limits whose lists lag by at most 5 s.
    fn default() -> Self {
        Self { placements: None, placement_window: Duration::from_secs(2), list_lag_max: Duration::from_secs(5) }
    }
}
