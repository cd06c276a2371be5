//! Fills: the only thing that moves a position, besides a named adjustment.

use serde::{Deserialize, Serialize};

use super::{
    ClientOrderId, Contracts, FillId, Intent, OrderNo, PositionId, Price, Qty, Symbol, Usdt, VenueOrderId, VenueTime,
};

/// Why the exchange made an order or a deal (`category` of the protocol).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Somebody ordered it.
    #[default]
    Normal,
    /// System take-over: a liquidation.
    Liquidation,
    /// Custody close: the end of a liquidation.
    CustodyClose,
    /// Auto-deleveraging against the position.
    Adl,
    /// Anything else, by its number.
    Other(u8),
}

/// A fill as it is applied: once for each id, to its order (if it is ours) and its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The exchange's id of the deal.
    pub id: FillId,
    /// Our order; `None` when the fill is not of this session.
    pub order: Option<OrderNo>,
    /// The exchange's order id.
    pub venue_order: Option<VenueOrderId>,
    /// The order's client id when the exchange names one that is not ours.
    pub foreign_client_id: Option<ClientOrderId>,
    /// The position it moves.
    pub position: Option<PositionId>,
    /// Which contract.
    pub symbol: Symbol,
    /// What it did.
    pub intent: Intent,
    /// How many contracts.
    pub contracts: Contracts,
    /// The same in base units.
    pub quantity: Qty,
    /// At which price.
    pub price: Price,
    /// Fee paid (negative: received); `None` when the exchange did not say.
    pub fee: Option<Usdt>,
    /// Profit or loss, without fees: the exchange's when it tells one, else ours against the entry
    /// price; zero for an opening fill, `None` when neither is known.
    pub realised: Option<Usdt>,
    /// Ours against the entry price, kept beside what the exchange tells.
    #[serde(default)]
    pub computed: Option<Usdt>,
    /// Whether `realised` is only ours: a fill that is told later but happened before can change it.
    #[serde(default)]
    pub estimated: bool,
    /// Whether it took liquidity.
    pub taker: Option<bool>,
    /// Why the exchange made it.
    pub category: Category,
    /// When it happened, by the exchange.
    pub at: VenueTime,
    /// Whether the position moves: not when a snapshot that was adopted already holds this fill.
    pub moves_position: bool,
}
