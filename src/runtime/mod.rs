//! The shell around the engine: the session loop, the bus, the gateway to the exchange, recovery,
//! signal intake, the built-in strategy, and the headless surface.

mod bus;
mod handle;

pub use bus::{EventBus, Interest, Subscription, Subscriptions};
pub use handle::{CommandSender, Gone, SessionHandle, Update};
