//! The vocabulary of trading: ids, money, orders, positions, signals, alerts, breakers, commands,
//! events, and the session state that is their fold. Pure: no clock, no randomness, no I/O.

mod alert;
mod breaker;
mod chore;
mod command;
mod content;
mod contract;
mod control;
mod event;
mod fill;
mod identity;
mod ids;
mod money;
mod order;
mod past;
mod position;
mod quote;
mod risk;
mod schema;
mod side;
mod signal;
mod sink;
mod state;
mod target;
mod text;
mod time;
mod venue;

pub use alert::{Acknowledgement, Alert, AlertKey, AlertKind, Severity};
pub use breaker::{Breaker, BreakerState, CallClass};
pub use chore::{Chore, ChoreState, Doubt, LinkState, Missing, VenueView};
pub use command::{Action, Command, CommandRecord, CommandStatus};
pub use content::Digest;
pub use contract::{ContractSpec, RiskTier, SizeError};
pub use control::{Control, Environment, Flatten, FlattenStep, Loss, Phase, SessionInfo, StopPolicy};
pub use event::{Account, Event, Record};
pub use fill::{Category, Fill};
pub use identity::{ACCOUNT, EMBEDDED, Identity};
pub use ids::{
    AlertId, ClientIdParts, ClientOrderId, CommandId, FillId, IdError, Incarnation, OrderNo, PositionId, SessionId,
    SignalId, StrategyId, Symbol, VenueOrderId, VenuePositionId,
};
pub use money::{
    Contracts, Decimal, MAX_INPUT, Price, Qty, Usdt, add, div, exact, in_bounds, mul, round_down, round_up, scientific,
    sub,
};
pub use order::{CancelWish, Order, OrderState, OrderType, Purpose, VenueEnd};
pub use past::{
    PastCell, PastColumn, PastError, PastFrom, PastKind, PastPage, PastPlace, PastQuery, PastReader, PastRow, PastSort,
    PastTable,
};
pub use position::{
    CloseCause, ClosedPosition, LiquidationWatch, Origin, Position, PositionKey, TakenOver, VenueFigures,
    account_margin_ratio_pct,
};
pub use quote::Quote;
pub use risk::{CheckResult, RiskCheck, RiskLimit, RiskVerdict, TrippedLimit};
pub use schema::{EVENT_SCHEMA, FOLD, read_event};
pub use side::{Effect, Intent, MarginMode, PositionMode, Side};
pub use signal::{Amount, RawSignal, Signal, SignalError, SignalKind, SignalOutcome, SignalRecord};
pub use sink::{SinkPhase, SinkStatus, SinkTable};
pub use state::{
    Alerts, BulkRecovery, Counters, EXITS_NEED, Equity, HeldExit, KEPT_ALERTS, KEPT_CLOSED, KEPT_COMMANDS, KnownIds,
    LastClose, Link, OpenFate, OrderOrigin, Orders, Positions, PriceDoubt, SessionState, StartWait, Unanswered, Upkeep,
    WHERE_TO_LOOK,
};
pub use target::{ExitStyle, Target, TargetEnd};
pub use text::{count, escape_controls};
pub use time::{ClockOffset, SessionTime, Time, VenueTime};
pub use venue::{
    AccountReport, CallError, CallGroup, CancelOrder, CancelOutcome, ErrorClass, Evidence, FillReport, Listing,
    OrderReport, PlaceOrder, PositionReport, Push, Refusal, UnreadableRow, VenueCapabilities, VenueOrderState,
};
