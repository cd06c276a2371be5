//! Orders of which it is not known what became, in words that let a person look.

use std::fmt;

use super::SessionState;
use crate::model::{ClientOrderId, Order, OrderNo, OrderState, Symbol, VenueOrderId};

/// An order whose fate is open.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OpenFate {
    /// Its number here.
    pub order_no: OrderNo,
    /// The id that it carries at the exchange: what is looked for.
    pub order_id: ClientOrderId,
    /// The exchange's own id, when it told one.
    pub exchange_order_id: Option<VenueOrderId>,
    /// The contract.
    pub symbol: Symbol,
    /// `BUY`, `SELL`.
    pub side: &'static str,
    /// What is not known.
    pub not_known: &'static str,
}

/// Where a person finds it.
pub const WHERE_TO_LOOK: &str =
    "look for the id among the open orders and in the order history at the exchange; the next start asks for it";

impl fmt::Display for OpenFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}, id {}", self.order_no, self.side, self.symbol, self.order_id)?;
        if let Some(id) = &self.exchange_order_id {
            write!(f, ", exchange's id {id}")?;
        }
        write!(f, ": {}", self.not_known)
    }
}

impl SessionState {
    /// The orders whose fate is open, oldest first.
    pub fn open_fates(&self) -> Vec<OpenFate> {
        let mut open: Vec<OpenFate> = self.orders.working().filter_map(fate).collect();
        open.sort_by_key(|fate| fate.order_no);
        open
    }
}

fn fate(order: &Order) -> Option<OpenFate> {
    let not_known = match order.state {
        OrderState::Unknown if order.venue_id.is_some() => "whether it works still and what it filled",
        OrderState::Unknown => "whether it reached the exchange, and what it filled",
        OrderState::Submitting => "whether it reached the exchange: its answer has not come",
        OrderState::PendingCancel => "whether it works still and what it filled: its cancel is not confirmed",
        _ => return None,
    };
    Some(OpenFate {
        order_no: order.no,
        order_id: order.client_id.clone(),
        exchange_order_id: order.venue_id.clone(),
        symbol: order.symbol.clone(),
        side: order.intent.order_word(),
        not_known,
    })
}
