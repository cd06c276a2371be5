//! Typed settings: defaults, a file, the environment and the command line, in that order, each
//! value checked against one table (`rows.rs`) that also words the error.

mod codec;
mod connection;
mod credentials;
mod error;
mod file;
mod kind;
mod load;
mod permit;
mod places;
mod rows;
mod rules;
mod settings;
mod span;
mod suggest;

pub use connection::{Connection, redacted};
pub use credentials::{Credentials, CredentialsError, KEY_VARIABLE, SECRET_VARIABLE};
pub use error::{ConfigError, Origin};
pub use load::{CommandOption, DEFAULT_FILE, Loaded, Sources, load, variable_of};
pub use permit::{LivePermit, NotLive, live_permit};
pub use places::{default_data_dir, default_file};
pub use settings::{
    BreakerSettings, DashboardSettings, ExchangeSettings, JournalSettings, LiquidationSettings, MarginMode, Mode,
    OrderSettings, Pace, PaperPeer, PositionSettings, QuestDbSettings, RiskSettings, SessionSettings, Settings,
    SimulatorSettings, StopPolicy, StrategySettings,
};

/// The keys of all settings, `section.name`, in the order of `config/default.toml`.
pub fn keys() -> impl Iterator<Item = &'static str> {
    rows::ROWS.iter().map(|row| row.key)
}
