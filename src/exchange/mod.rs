//! What the engine's shell asks of an exchange, and the adapter that speaks MEXC's protocol.
//!
//! An adapter translates and classes errors, limits its own rate and signs; it never retries an
//! order and never decides. Every method is one call with one outcome.

mod departure;
pub mod mexc;

pub use departure::{Departure, Fate};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::{
    AccountReport, CallError, CancelOrder, CancelOutcome, ClientOrderId, ClockOffset, ContractSpec, Evidence,
    FillReport, Listing, MarginMode, OrderNo, OrderReport, PlaceOrder, PositionKey, PositionMode, PositionReport, Push,
    Symbol, VenueCapabilities, VenueOrderId, VenueTime,
};

/// An exchange of perpetual futures.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Its address for people, without secrets.
    fn address(&self) -> String;

    /// What it can do and how it behaves.
    fn capabilities(&self) -> VenueCapabilities;

    /// Its clock against ours; the adapter signs with the measured offset from then on.
    async fn server_time(&self) -> Result<ClockOffset, CallError>;

    /// The contracts that it lists: all, or those named.
    async fn contracts(&self, symbols: &[Symbol]) -> Result<Vec<ContractSpec>, CallError>;

    /// The account's position mode.
    async fn position_mode(&self) -> Result<PositionMode, CallError>;

    /// Sets the leverage of a leg that has no position.
    async fn set_leverage(&self, key: &PositionKey, leverage: u32, margin: MarginMode) -> Result<(), CallError>;

    /// Places an order once. `Ok` means that an id was given, not that it rests: refusals may
    /// follow as pushes. An empty id is [`crate::model::ErrorClass::Ambiguous`]. It asks `departure`
    /// after our own rate limit has let it through, once there is a connection and before the first
    /// byte; when that says no, nothing leaves and the error is [`crate::model::ErrorClass::NeverLeft`].
    async fn place(&self, order: &PlaceOrder, departure: &Departure) -> Result<VenueOrderId, CallError>;

    /// Cancels orders, each with its own outcome, in the order asked. By the exchange's id when it
    /// is known, else by client id. At most 50 go into one request; more are split.
    async fn cancel(&self, orders: &[CancelOrder]) -> Result<Vec<(OrderNo, CancelOutcome)>, CallError>;

    /// Looks an order up by the id that we gave it. `None`: the exchange answered and knows none.
    async fn order(&self, symbol: &Symbol, client_id: &ClientOrderId) -> Result<Option<OrderReport>, CallError>;

    /// All open orders of the account (every page).
    async fn open_orders(&self) -> Result<Listing<OrderReport>, CallError>;

    /// Orders of the account, of all contracts (every page), that were placed since a time of the
    /// exchange and have come to an end: filled, cancelled and invalid ones. A venue that keeps less than
    /// the time asked for answers with what it keeps, so absence from it proves nothing about older
    /// orders.
    async fn order_history(&self, since: VenueTime) -> Result<Listing<OrderReport>, CallError>;

    /// The fills of one order.
    async fn order_fills(&self, symbol: &Symbol, order: &VenueOrderId) -> Result<Listing<FillReport>, CallError>;

    /// Fills of these symbols since a time of the exchange (every page).
    async fn fills_since(&self, symbols: &[Symbol], since: VenueTime) -> Result<Listing<FillReport>, CallError>;

    /// All open positions of the account. A failed or partial answer is an error, never a short
    /// list.
    async fn positions(&self) -> Result<Listing<PositionReport>, CallError>;

    /// The account's balances in USDT: one row, or none and what could not be read of it.
    async fn account(&self) -> Result<Listing<AccountReport>, CallError>;

    /// What can be found about the end of a position since a time: system orders and deals.
    async fn evidence(&self, key: &PositionKey, since: VenueTime) -> Result<Evidence, CallError>;

    /// Starts the streams: pushes arrive until the receiver is dropped. The adapter logs in, pings,
    /// notices stalls and connects again on its own; after each (re)connect it sends
    /// [`Push::Connected`] and everything missed must be asked for. Subscribes to the prices of
    /// these symbols.
    fn stream(&self, symbols: Vec<Symbol>) -> mpsc::Receiver<Push>;
}
