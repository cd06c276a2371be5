//! Orders and fills, told to the outside.

use super::line::Line;
use crate::model::{Event, Fill, Order, OrderState, Record};

/// `order_created`.
pub fn created(record: &Record, order: &Order) -> Line {
    let line = base(Line::of("order_created", record), order);
    line.with("status", &"NEW").with("error", &None::<String>).with("metadata", &serde_json::json!({}))
}

/// `order_cancelled`, `order_failed`, or `order_updated` with what moved.
pub fn moved(record: &Record, order: &Order, before: Option<OrderState>) -> Line {
    let ended = before != Some(order.state);
    let name = match order.state {
        OrderState::Cancelled if ended => "order_cancelled",
        OrderState::Failed if ended => "order_failed",
        _ => "order_updated",
    };
    let step = match &record.event {
        Event::OrderSent { .. } => "sending",
        Event::OrderLeft { .. } => "sent",
        Event::OrderAccepted { .. } => "accepted",
        Event::OrderRetrying { .. } => "retrying",
        Event::OrderReturned { .. } => "waiting",
        Event::OrderLost { .. } => "lost",
        Event::OrderReported { .. } => "reported",
        Event::OrderSettled { .. } => "settled",
        Event::OrderCancelWanted { .. } => "cancel_wanted",
        Event::OrderCancelSent { .. } => "cancel_sent",
        Event::OrderCancelFailed { .. } => "cancel_failed",
        Event::OrderCancelled { .. } => "cancelled",
        _ => "failed",
    };
    base(Line::of(name, record), order)
        .with("status", &order.state)
        .with("previous_status", &before)
        .with("step", &step)
        .with("attempt", &order.attempts)
        .with("filled_quantity", &order.filled)
        .with("error", &error_of(&record.event))
}

/// `fill` for each fill, and `order_filled` with the totals when the order is complete by it.
pub fn filled(record: &Record, fill: &Fill, order: Option<&Order>, before: Option<OrderState>) -> Vec<Line> {
    let line = Line::of("fill", record)
        .with("fill_id", &fill.id)
        .with("order_id", &order.map(|order| &order.client_id))
        .with("order_no", &fill.order)
        .with("exchange_order_id", &fill.venue_order)
        .with("position_id", &fill.position)
        .with("symbol", &fill.symbol)
        .with("side", &fill.intent.order_word())
        .with("position_side", &fill.intent.side)
        .with("effect", &fill.intent.effect)
        .with("quantity", &fill.quantity)
        .with("contracts", &fill.contracts)
        .with("price", &fill.price)
        .with("commission", &fill.fee)
        .with("realized_pnl", &fill.realised)
        .with("taker", &fill.taker)
        .with("category", &fill.category)
        .with("filled_at", &fill.at.millis());
    let mut lines = vec![line];
    if let Some(order) = order
        && order.state == OrderState::Filled
        && before != Some(OrderState::Filled)
    {
        let commission = (!order.fees_incomplete).then_some(order.fees);
        lines.push(
            base(Line::of("order_filled", record), order)
                .with("status", &"FILLED")
                .with("filled_quantity", &order.filled)
                .with("filled_price", &order.average_price())
                .with("commission", &commission),
        );
    }
    lines
}

fn base(line: Line, order: &Order) -> Line {
    line.with("order_id", &order.client_id)
        .with("order_no", &order.no)
        .with("exchange_order_id", &order.venue_id)
        .with("signal_id", &order.signal_id)
        .with("strategy_id", &order.strategy)
        .with("symbol", &order.symbol)
        .with("side", &order.intent.order_word())
        .with("position_side", &order.intent.side)
        .with("effect", &order.intent.effect)
        .with("order_type", &order.order_type.word())
        .with("quantity", &order.quantity)
        .with("price", &order.order_type.limit())
}

fn error_of(event: &Event) -> Option<&str> {
    match event {
        Event::OrderRetrying { error, .. }
        | Event::OrderReturned { error, .. }
        | Event::OrderLost { error, .. }
        | Event::OrderCancelFailed { error, .. }
        | Event::OrderFailed { reason: error, .. }
        | Event::OrderSettled { note: error, .. }
        | Event::OrderCancelled { reason: error, .. } => Some(error),
        _ => None,
    }
}
