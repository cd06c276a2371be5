//! What an event is about: whether it is kept, its order, and where that order stands after it.

use super::Event;
use crate::model::{Order, OrderNo, OrderState};

impl Event {
    /// Whether it is journaled.
    pub const fn is_fact(&self) -> bool {
        !matches!(
            self,
            Self::Quoted { .. }
                | Self::VenuePositionSeen { .. }
                | Self::DoubtMoved { .. }
                | Self::ReadMoved { .. }
                | Self::CallCounted { .. }
                | Self::CallNeverLeft { .. }
                | Self::ProbeSent { .. }
                | Self::CallHeldBack { .. }
                | Self::ChoreMoved { .. }
                | Self::LookupMoved { .. }
                | Self::OrderMissed { .. }
                | Self::OrderLeft { .. }
                | Self::ExitHeld { .. }
                | Self::ExitReleased { .. }
                | Self::ExitReadMoved { .. }
                | Self::PriceDoubted { .. }
                | Self::BulkMoved { .. }
                | Self::LostOrderAsked { .. }
                | Self::IdentityOffered { .. }
                | Self::CopySeen { .. }
                | Self::LinkMoved { .. }
                | Self::ClockMeasured { .. }
                | Self::SilenceMoved { .. }
                | Self::JournalHealth { .. }
                | Self::ObserverDropped { .. }
        )
    }

    /// The order it is about, if it is about one.
    pub fn order(&self) -> Option<OrderNo> {
        match self {
            Self::OrderCreated { order } | Self::OrderRecovered { order } => Some(order.no),
            Self::OrderSent { no, .. }
            | Self::OrderLeft { no, .. }
            | Self::OrderAccepted { no, .. }
            | Self::OrderRetrying { no, .. }
            | Self::OrderReturned { no, .. }
            | Self::OrderLost { no, .. }
            | Self::OrderReported { no, .. }
            | Self::OrderSettled { no, .. }
            | Self::OrderCancelWanted { no, .. }
            | Self::OrderCancelSent { no, .. }
            | Self::OrderCancelFailed { no, .. }
            | Self::OrderCancelled { no, .. }
            | Self::OrderFailed { no, .. } => Some(*no),
            Self::Filled { fill } => fill.order,
            _ => None,
        }
    }
}

/// The state that an event moves its order to, given where it stood; `None` when it stays.
pub(in crate::model) fn state_after(event: &Event, order: &Order) -> Option<OrderState> {
    let next = match event {
        Event::OrderSent { .. } => OrderState::Submitting,
        Event::OrderAccepted { .. } if order.cancel.is_some() => OrderState::PendingCancel,
        Event::OrderAccepted { .. } if order.filled_contracts.is_positive() => OrderState::PartiallyFilled,
        Event::OrderAccepted { .. } => OrderState::Submitted,
        Event::OrderRetrying { .. } | Event::OrderReturned { .. } => OrderState::Pending,
        Event::OrderLost { .. } => OrderState::Unknown,
        Event::OrderCancelWanted { .. } | Event::OrderCancelSent { .. } if order.venue_id.is_some() => {
            OrderState::PendingCancel
        }
        Event::OrderCancelled { .. } => OrderState::Cancelled,
        Event::OrderFailed { .. } => OrderState::Failed,
        Event::OrderSettled { end, .. } => (*end)?,
        Event::Filled { fill } => {
            let filled = order.filled_contracts + fill.contracts;
            if filled >= order.contracts {
                OrderState::Filled
            } else {
                match order.state {
                    OrderState::PendingCancel | OrderState::Cancelled => return None,
                    OrderState::Failed => OrderState::Cancelled,
                    _ => OrderState::PartiallyFilled,
                }
            }
        }
        _ => return None,
    };
    order.state.may_become(next).then_some(next)
}
