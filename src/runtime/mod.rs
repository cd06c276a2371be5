//! The shell around the engine: the session loop, the bus, the gateway to the exchange, recovery,
//! signal intake, the built-in strategy, and the headless surface.

mod archive;
mod belonging;
mod bus;
mod data_dir;
mod durable;
mod embedded;
mod gateway;
mod handle;
pub mod headless;
mod identity;
mod intake;
mod kill;
mod launch;
mod losses;
mod outbox;
mod outward;
mod recovery;
mod scribe;
mod session;
mod sink;
mod stops;
pub mod strategy;
mod watched;

pub use archive::{Archive, PastAnswer};
pub use belonging::OtherOwner;
pub use bus::{DEFAULT_CAPACITY, EventBus, Interest, ShutDown, Subscription, Subscriptions};
pub use data_dir::{DataDir, DataDirError, LAYOUT_VERSION, journal_of, projections_of};
pub use durable::{Durable, TellDurable};
pub use gateway::Gateway;
pub use handle::{CommandSender, Gone, SessionHandle, Update};
pub use identity::{IdentityError, random_key};
pub use intake::{Intake, IntakeError, SignalAnswer, Submitted};
pub use kill::KILL_POINTS;
pub use launch::{Launch, LaunchError, Running, Venue, start};
pub use outward::{Line, Outward};
pub use recovery::{Recovered, RecoveryError, journal_options, recover};
pub use scribe::{Manner, Scribe};
pub use session::{Ended, Ports, Session};
pub use sink::SinkView;
pub use stops::{StopRule, stop_deadline, watch as watch_signals};
pub use watched::Alarm;
