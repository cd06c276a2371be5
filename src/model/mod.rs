//! The vocabulary of trading: ids, money, orders, positions, signals, alerts, breakers, commands,
//! events, and the session state that is their fold. Pure: no clock, no randomness, no I/O.

mod ids;
mod money;
mod text;
mod time;

pub use ids::{
    AlertId, ClientOrderId, CommandId, FillId, IdError, OrderNo, PositionId, SessionId, SignalId, StrategyId, Symbol,
    VenueOrderId, VenuePositionId,
};
pub use money::{Contracts, Decimal, MAX_INPUT, Price, Qty, Usdt, add, div, in_bounds, mul, round_down, round_up, sub};
pub use text::escape_controls;
pub use time::Timestamp;
