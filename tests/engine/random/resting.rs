//! An order at the small exchange.

use perpdeck::model::{
    Category, Contracts, OrderNo, OrderReport, PlaceOrder, PositionKey, Refusal, SessionTime, VenueOrderId,
    VenueOrderState,
};

/// An order at the exchange.
#[derive(Clone, Debug)]
pub struct Resting {
    pub no: OrderNo,
    pub place: PlaceOrder,
    pub venue_id: VenueOrderId,
    pub filled: Contracts,
    pub state: VenueOrderState,
    pub version: u64,
    pub at: SessionTime,
}

impl Resting {
    pub fn works(&self) -> bool {
        self.state == VenueOrderState::Resting
    }

    /// A market exit: nothing but a busy exchange keeps it.
    pub fn leaves_at_once(&self) -> bool {
        self.works() && self.place.intent.reduces() && !self.place.order_type.rests()
    }

    pub fn key(&self) -> PositionKey {
        PositionKey { symbol: self.place.symbol.clone(), side: self.place.intent.side }
    }

    pub fn report(&self) -> OrderReport {
        OrderReport {
            venue_id: self.venue_id.clone(),
            client_id: Some(self.place.client_id.clone()),
            symbol: self.place.symbol.clone(),
            intent: self.place.intent,
            state: self.state,
            contracts: self.place.contracts,
            filled: self.filled,
            average_price: None,
            category: Category::Normal,
            error_code: 0,
            refusal: Refusal::Unspecified,
            version: self.version,
            updated_at: crate::harness::venue(self.at),
            created_at: None,
            limit: None,
        }
    }
}
