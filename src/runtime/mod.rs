//! The shell around the engine: the session loop, the bus, the gateway to the exchange, recovery,
//! signal intake, the built-in strategy, and the headless surface.

mod bus;
mod gateway;
mod handle;
mod intake;
mod kill;
mod outbox;
mod scribe;
mod session;

pub use bus::{DEFAULT_CAPACITY, EventBus, Interest, ShutDown, Subscription, Subscriptions};
pub use gateway::Gateway;
pub use handle::{CommandSender, Gone, SessionHandle, Update};
pub use intake::{Intake, IntakeError, SignalAnswer, Submitted};
pub use kill::KILL_POINTS;
pub use scribe::{Manner, Scribe};
pub use session::{Ended, Ports, Session};
