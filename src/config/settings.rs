//! Every setting with its unit and default. `config/default.toml` says the same for people; a test
//! holds the two equal. Ranges are in `rows.rs`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{optional_text, path_text, percent, percents};
use super::connection::Connection;
use super::span;
use crate::model::{Decimal, Usdt, exact};

/// All settings of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What runs and where its data lies.
    pub session: SessionSettings,
    /// How the exchange is reached.
    pub exchange: ExchangeSettings,
    /// The order manager.
    pub orders: OrderSettings,
    /// Position sync.
    pub positions: PositionSettings,
    /// The risk manager's limits.
    pub risk: RiskSettings,
    /// Margin and liquidation watch.
    pub liquidation: LiquidationSettings,
    /// The circuit breakers.
    pub breaker: BreakerSettings,
    /// The journal.
    pub journal: JournalSettings,
    /// The copy of the projections in QuestDB.
    pub questdb: QuestDbSettings,
    /// The terminal dashboard.
    pub dashboard: DashboardSettings,
    /// The built-in momentum strategy.
    pub strategy: StrategySettings,
    /// The embedded exchange of a paper session.
    pub simulator: SimulatorSettings,
}

/// Paper or real money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// On a simulator over loopback; no address beyond it is reachable.
    #[default]
    Paper,
    /// On the exchange; also needs keys and `--live`.
    Live,
}

/// What a stop does with working orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopPolicy {
    /// Cancel the working entries; exits and protective orders stay.
    CancelEntries,
    /// Leave all as they are and list them.
    #[default]
    Leave,
}

impl From<StopPolicy> for crate::model::StopPolicy {
    fn from(policy: StopPolicy) -> Self {
        match policy {
            StopPolicy::CancelEntries => Self::CancelEntries,
            StopPolicy::Leave => Self::Leave,
        }
    }
}

/// How a position's margin is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarginMode {
    /// Each position has its own margin.
    #[default]
    Isolated,
    /// The whole account stands for every position.
    Cross,
}

/// How fast the simulator's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pace {
    /// So many times as fast as real time.
    Times(Decimal),
    /// As fast as the machine can, with virtual time.
    Max,
}

impl TryFrom<String> for Pace {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match exact(&text) {
            Ok(times) if times > Decimal::ZERO => Ok(Self::Times(times)),
            _ => Err("a speed is a number above 0, or \"max\"".into()),
        }
    }
}

impl From<Pace> for String {
    fn from(pace: Pace) -> String {
        match pace {
            Pace::Times(times) => times.to_string(),
            Pace::Max => "max".into(),
        }
    }
}

/// What runs and where its data lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// Paper (simulator) or live (real money).
    pub mode: Mode,
    /// Where journal, projections and the simulator's books lie; `None`: the platform's data folder.
    #[serde(with = "path_text")]
    pub data_dir: Option<PathBuf>,
    /// What a stop does with working orders.
    pub stop: StopPolicy,
    /// The least severe log line that is written: error, warn, info, debug or trace.
    pub log_level: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { mode: Mode::Paper, data_dir: None, stop: StopPolicy::Leave, log_level: "info".into() }
    }
}

/// Who may be the exchange of a paper session that runs apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaperPeer {
    /// Only a simulator of perpdeck, which proves that it is one before anything is signed.
    #[default]
    Simulator,
    /// Any server on this machine: for test servers of others. A relay to the real exchange is one too.
    Any,
}

/// How the exchange is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangeSettings {
    /// REST address; `None`: the embedded simulator (paper) or MEXC (live).
    #[serde(with = "optional_text")]
    pub rest_url: Option<String>,
    /// WebSocket address; `None`: beside the REST address, or MEXC's when that is MEXC's.
    #[serde(with = "optional_text")]
    pub ws_url: Option<String>,
    /// A file of mode 0600 with `api_key` and `api_secret`; `None`: only the environment is read.
    #[serde(with = "path_text")]
    pub api_key_file: Option<PathBuf>,
    /// Who may be the exchange of a paper session that runs apart.
    pub paper_peer: PaperPeer,
    /// The longest that a call may take before its outcome counts as unknown.
    #[serde(with = "span::text")]
    pub call_timeout: Duration,
    /// How margin is held.
    pub margin_mode: MarginMode,
    /// Leverage of new positions, times.
    pub leverage: u32,
    /// Time between WebSocket pings.
    #[serde(with = "span::text")]
    pub ping_interval: Duration,
    /// Age of the last pushed data at which the stream counts as stalled.
    #[serde(with = "span::text")]
    pub stall_after: Duration,
    /// Wait before the first reconnect; doubles from there.
    #[serde(with = "span::text")]
    pub reconnect_first: Duration,
    /// The longest wait between reconnects.
    #[serde(with = "span::text")]
    pub reconnect_max: Duration,
    /// Share of the documented rate limits that is used, percent.
    #[serde(with = "percent")]
    pub limiter_share_pct: Decimal,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        Self {
            rest_url: None,
            ws_url: None,
            api_key_file: None,
            paper_peer: PaperPeer::Simulator,
            call_timeout: Duration::from_secs(10),
            margin_mode: MarginMode::Isolated,
            leverage: 3,
            ping_interval: Duration::from_secs(15),
            stall_after: Duration::from_secs(30),
            reconnect_first: Duration::from_millis(500),
            reconnect_max: Duration::from_secs(30),
            limiter_share_pct: whole(80),
        }
    }
}

/// The order manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderSettings {
    /// Working orders at a time.
    pub max_working: usize,
    /// How many of them only exits may use.
    pub reserved_for_exits: usize,
    /// Age at which an unfilled order is cancelled.
    #[serde(with = "span::text")]
    pub time_out: Duration,
    /// Time between bulk queries of the open orders.
    #[serde(with = "span::text")]
    pub poll_interval: Duration,
    /// Time between removals of old terminal orders from memory.
    #[serde(with = "span::text")]
    pub cleanup_interval: Duration,
    /// How long a terminal order stays in memory; it stays in the journal for ever.
    #[serde(with = "span::text")]
    pub keep_terminal: Duration,
    /// Attempts to place an order, the first included.
    pub attempts: u32,
    /// Wait before the second attempt; doubles from there.
    #[serde(with = "span::text")]
    pub retry_first: Duration,
    /// The longest wait between attempts.
    #[serde(with = "span::text")]
    pub retry_max: Duration,
    /// Age at which a signal is too old to act on.
    #[serde(with = "span::text")]
    pub signal_max_age: Duration,
    /// How long after a send "not found" proves that the order does not exist: the exchange's
    /// request window (10 s) and a margin.
    #[serde(with = "span::text")]
    pub lookup_proof_after: Duration,
    /// Single-order lookups in one poll.
    pub lookup_max_per_poll: usize,
    /// Wait before a cancel that failed is sent again.
    #[serde(with = "span::text")]
    pub cancel_retry: Duration,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self {
            max_working: 1_000,
            reserved_for_exits: 100,
            time_out: Duration::from_mins(1),
            poll_interval: Duration::from_secs(2),
            cleanup_interval: Duration::from_mins(1),
            keep_terminal: Duration::from_hours(1),
            attempts: 3,
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
            signal_max_age: Duration::from_secs(30),
            lookup_proof_after: Duration::from_secs(12),
            lookup_max_per_poll: 20,
            cancel_retry: Duration::from_secs(2),
        }
    }
}

/// Position sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PositionSettings {
    /// Positions that are tracked at a time.
    pub max_positions: usize,
    /// Time between comparisons with the exchange.
    #[serde(with = "span::text")]
    pub sync_interval: Duration,
    /// Snapshots in a row that must agree before an absence is believed.
    pub evidence_syncs: u32,
    /// How old a local change must be before the exchange's snapshot may override it.
    #[serde(with = "span::text")]
    pub stable_window: Duration,
}

impl Default for PositionSettings {
    fn default() -> Self {
        Self {
            max_positions: 100,
            sync_interval: Duration::from_secs(10),
            evidence_syncs: 3,
            stable_window: Duration::from_secs(2),
        }
    }
}

/// The risk manager's limits. Percentages are of the account's equity unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RiskSettings {
    /// Largest position, percent of capital.
    #[serde(with = "percent")]
    pub max_position_pct: Decimal,
    /// Positions at a time.
    pub max_positions: usize,
    /// Largest share of capital in one symbol, percent.
    #[serde(with = "percent")]
    pub symbol_concentration_pct: Decimal,
    /// Loss of a UTC day at which entries stop, percent.
    #[serde(with = "percent")]
    pub daily_loss_pct: Decimal,
    /// Fall from the peak at which entries stop, percent.
    #[serde(with = "percent")]
    pub max_drawdown_pct: Decimal,
    /// Share of `max_drawdown_pct` at which an alert is raised, percent.
    #[serde(with = "percent")]
    pub drawdown_alert_share_pct: Decimal,
    /// Largest share of the capital that is bound as margin, percent.
    #[serde(with = "percent")]
    pub margin_utilisation_pct: Decimal,
    /// A market order is refused when the mark price is further than this from the last, percent.
    #[serde(with = "percent")]
    pub market_collar_pct: Decimal,
    /// A price that jumps by more than this waits for a second tick before it may carry an entry, percent.
    #[serde(with = "percent")]
    pub max_price_jump_pct: Decimal,
    /// Whether an entry without a stop-loss price is refused.
    pub require_stop: bool,
    /// Capital of a paper session, USDT.
    pub paper_capital: Usdt,
    /// Age at which a price is too old to decide by.
    #[serde(with = "span::text")]
    pub max_price_age: Duration,
}

impl Default for RiskSettings {
    fn default() -> Self {
        Self {
            max_position_pct: whole(10),
            max_positions: 3,
            symbol_concentration_pct: whole(30),
            daily_loss_pct: whole(5),
            max_drawdown_pct: whole(15),
            drawdown_alert_share_pct: whole(80),
            margin_utilisation_pct: whole(80),
            market_collar_pct: whole(2),
            max_price_jump_pct: whole(10),
            require_stop: false,
            paper_capital: Usdt(whole(10_000)),
            max_price_age: Duration::from_secs(10),
        }
    }
}

/// Margin and liquidation watch (engine.md 6.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiquidationSettings {
    /// Margin ratio at or below which a warning is raised, percent (100 is liquidation).
    #[serde(with = "percent")]
    pub ratio_warning_pct: Decimal,
    /// Margin ratio at or below which the alert is critical, percent.
    #[serde(with = "percent")]
    pub ratio_critical_pct: Decimal,
    /// How far above its threshold the ratio must rise before an alert clears, percentage points.
    #[serde(with = "percent")]
    pub ratio_hysteresis_pct: Decimal,
    /// Distances from mark to liquidation price for medium, high and critical, percent of the mark.
    #[serde(with = "percents")]
    pub distance_tiers_pct: [Decimal; 3],
    /// How far beyond a tier the distance must grow before an alert clears, percentage points.
    #[serde(with = "percent")]
    pub distance_hysteresis_pct: Decimal,
    /// Share of the opening distance left at which a warning is raised, percent.
    #[serde(with = "percent")]
    pub share_warning_pct: Decimal,
    /// Share of the opening distance left at which the alert is critical, percent.
    #[serde(with = "percent")]
    pub share_critical_pct: Decimal,
    /// How far above its threshold the share must rise before an alert clears, percentage points.
    #[serde(with = "percent")]
    pub share_hysteresis_pct: Decimal,
    /// Time between reminders of an alert that stands.
    #[serde(with = "span::text")]
    pub reminder: Duration,
}

impl Default for LiquidationSettings {
    fn default() -> Self {
        Self {
            ratio_warning_pct: whole(125),
            ratio_critical_pct: whole(115),
            ratio_hysteresis_pct: whole(5),
            distance_tiers_pct: [whole(30), whole(20), whole(10)],
            distance_hysteresis_pct: whole(1),
            share_warning_pct: whole(50),
            share_critical_pct: whole(25),
            share_hysteresis_pct: whole(5),
            reminder: Duration::from_mins(5),
        }
    }
}

/// The circuit breakers, one for each class of call. What a call may take is
/// [`ExchangeSettings::call_timeout`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row that open a breaker.
    pub failures: u32,
    /// How long it stays open before a trial call is let through.
    #[serde(with = "span::text")]
    pub recovery: Duration,
    /// Successful trial calls in a row that close it.
    pub successes: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, recovery: Duration::from_mins(1), successes: 3 }
    }
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Whether facts are forced to the disk (fdatasync) before a request leaves.
    pub sync: bool,
    /// The longest that an exit waits for the disk before it leaves all the same.
    #[serde(with = "span::text")]
    pub exit_delay_max: Duration,
    /// Size at which a new segment file is begun, bytes.
    pub segment_bytes: u64,
    /// Events between snapshots.
    pub snapshot_every: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            sync: true,
            exit_delay_max: Duration::from_millis(250),
            segment_bytes: 67_108_864,
            snapshot_every: 100_000,
        }
    }
}

/// The copy of the projections in QuestDB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuestDbSettings {
    /// Where it is; not set: there is none.
    pub conf: Connection,
    /// Days that QuestDB keeps; older ones are dropped there, never here. 0: all are kept.
    pub retention_days: u32,
    /// How long a stop goes on sending what is left.
    #[serde(with = "span::text")]
    pub stop_drain: Duration,
}

impl Default for QuestDbSettings {
    fn default() -> Self {
        Self { conf: Connection::default(), retention_days: 0, stop_drain: Duration::from_secs(5) }
    }
}

/// The terminal dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "five independent switches that people set one by one")]
pub struct DashboardSettings {
    /// Name of the theme.
    pub theme: String,
    /// A key map that replaces single keys of the built-in one.
    #[serde(with = "path_text")]
    pub keymap: Option<PathBuf>,
    /// No blinking and no movement.
    pub reduce_motion: bool,
    /// Only ASCII characters.
    pub ascii: bool,
    /// Show the exchange's own margin ratio beside ours.
    pub venue_ratio: bool,
    /// Frames drawn in a second at most.
    pub max_fps: u32,
    /// Draw less over a slow connection.
    pub slow_link: bool,
    /// Ring the terminal's bell at critical alerts.
    pub bell: bool,
    /// A command that is run at critical alerts.
    #[serde(with = "optional_text")]
    pub notify_command: Option<String>,
}

impl Default for DashboardSettings {
    fn default() -> Self {
        Self {
            theme: "cockpit".into(),
            keymap: None,
            reduce_motion: false,
            ascii: false,
            venue_ratio: false,
            max_fps: 30,
            slow_link: false,
            bell: true,
            notify_command: None,
        }
    }
}

/// The built-in momentum strategy of the demo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StrategySettings {
    /// Whether it runs in a paper session. It never runs in a live one unless it is named there.
    pub enabled: bool,
    /// The window whose highest and lowest price a breakout must leave.
    #[serde(with = "span::text")]
    pub lookback: Duration,
    /// How far beyond the window the price must be, percent.
    #[serde(with = "percent")]
    pub breakout_pct: Decimal,
    /// Gain at which half is closed (ZE1), percent of the entry price.
    #[serde(with = "percent")]
    pub target_pct: Decimal,
    /// Loss at which all is closed (E1), percent of the entry price.
    #[serde(with = "percent")]
    pub stop_pct: Decimal,
    /// Size of an entry, percent of capital.
    #[serde(with = "percent")]
    pub order_notional_pct: Decimal,
    /// Age at which a position is closed (E1).
    #[serde(with = "span::text")]
    pub max_hold: Duration,
}

impl Default for StrategySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            lookback: Duration::from_secs(30),
            breakout_pct: hundredths(5),
            target_pct: hundredths(20),
            stop_pct: hundredths(30),
            order_notional_pct: whole(5),
            max_hold: Duration::from_mins(3),
        }
    }
}

/// The embedded exchange of a paper session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorSettings {
    /// Seed of the market; the same seed gives the same market.
    pub seed: u64,
    /// Name of the scenario.
    pub scenario: String,
    /// A candle file that replaces the synthetic market.
    #[serde(with = "path_text")]
    pub candles: Option<PathBuf>,
    /// How fast its time passes.
    pub speed: Pace,
    /// How far its own clock is ahead of ours, in milliseconds; negative: behind.
    pub clock_offset_ms: i64,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self { seed: 7, scenario: "calm".into(), candles: None, speed: Pace::Times(Decimal::ONE), clock_offset_ms: 0 }
    }
}

fn whole(number: i64) -> Decimal {
    Decimal::new(number, 0)
}

fn hundredths(number: i64) -> Decimal {
    Decimal::new(number, 2)
}
