//! Typed settings: defaults, a file, the environment and the command line, in that order, each
//! value checked against one table that also words the error.

mod codec;
mod settings;
mod span;

pub use settings::{
    BreakerSettings, DashboardSettings, ExchangeSettings, JournalSettings, LiquidationSettings, MarginMode, Mode,
    OrderSettings, Pace, PositionSettings, RiskSettings, SessionSettings, Settings, SimulatorSettings, StopPolicy,
    StrategySettings,
};
