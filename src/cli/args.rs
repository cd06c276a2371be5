//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::PastTable;

/// A live-trading core for MEXC USDT-M perpetual futures, and its terminal dashboard.
///
/// Without anything: a paper session on an embedded exchange, with a built-in strategy, in the
/// dashboard. No key, server or configuration is needed, and no money is at risk.
#[derive(Debug, Parser)]
#[command(name = "perpdeck", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// As for `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a session: the engine, with the dashboard unless --headless
    Run(RunArgs),
    /// Run the simulated exchange alone; prints its addresses as one JSON line
    Sim(SimArgs),
    /// Print orders, positions, signals or alerts of past and present sessions, newest first
    History(HistoryArgs),
    /// Make the tables in QuestDB, or bring them up to this version
    Migrate(MigrateArgs),
    /// Look after the projections that people query, and their copy in QuestDB
    #[command(subcommand)]
    Store(StoreCommand),
    /// Look into the journal, which holds every fact
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List the dashboard's themes
    Themes,
    /// List the dashboard's keys, as they count
    Keys {
        /// Settings file, in place of the one in the user's configuration folder
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Options of a session.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// No dashboard: events as JSON lines on standard output, signals and commands as JSON lines
    /// on standard input
    #[arg(long)]
    pub headless: bool,
    /// With --headless: prices too, as `market_data` events
    #[arg(long, requires = "headless")]
    pub market_data: bool,
    /// Settings file, in place of the one in the user's configuration folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where journal, projections and the embedded exchange's books lie
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// An exchange that runs apart, such as `perpdeck sim`; needs `PERPDECK_API_KEY` and
    /// `PERPDECK_API_SECRET`
    #[arg(long, value_name = "URL")]
    pub exchange_url: Option<String>,
    /// Seed of the embedded exchange's market
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Scenario of the embedded exchange: calm, volatile, crash, outage, or a file
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Candle file to replay in place of invented prices; SYMBOL=FILE when its name does not tell
    #[arg(long, value_name = "FILE")]
    pub candles: Option<String>,
    /// How many times as fast as real time, or "max"
    #[arg(long, value_name = "X")]
    pub speed: Option<String>,
    /// Copy all that happens into a QuestDB, such as `http::addr=127.0.0.1:9000;`; an empty one is
    /// migrated
    #[arg(long, value_name = "CONF")]
    pub questdb: Option<String>,
    /// The API key was renewed: the data directory belonged to this key (as the refusal names it), which is
    /// of the same account as the present one. Counts only for that key
    #[arg(long, value_name = "OLD")]
    pub adopt_key: Option<String>,
    /// Trade for real; also needs session.mode = "live" and keys
    #[arg(long)]
    pub live: bool,
}

/// Options of the simulated exchange.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Seed of the market
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// Scenario: calm, volatile, crash, outage, or a file
    #[arg(long, value_name = "NAME", default_value = "calm")]
    pub scenario: String,
    /// Candle file to replay in place of invented prices; SYMBOL=FILE when its name does not tell
    #[arg(long, value_name = "FILE")]
    pub candles: Option<String>,
    /// The key that is accepted; a random one when absent
    #[arg(long, value_name = "KEY", requires = "api_secret")]
    pub api_key: Option<String>,
    /// Its secret
    #[arg(long, value_name = "SECRET", requires = "api_key")]
    pub api_secret: Option<String>,
    /// How many times as fast as real time
    #[arg(long, value_name = "X", default_value = "1")]
    pub speed: String,
    /// How far the exchange's own clock is ahead, in milliseconds; negative: behind
    #[arg(long, value_name = "MS", default_value_t = 0, allow_negative_numbers = true)]
    pub clock_offset: i64,
    /// How many millionths too fast the exchange's own clock runs; negative: too slow
    #[arg(long, value_name = "PPM", default_value_t = 0, allow_negative_numbers = true)]
    pub clock_drift: i64,
    /// Where its books are kept; in memory only when absent
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What to print of the past.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// What to print
    pub table: HistoryTable,
    /// Only what began then or later; positions: what was still open then, too.
    /// 2026-11-23T14:22:07Z, 2026-11-23 (UTC), or how long ago by the wall clock: 90s, 30m, 2h, 3d, 1w
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what began before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this contract
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Option<String>,
    /// Only this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// So many rows at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The oldest first
    #[arg(long)]
    pub oldest_first: bool,
    /// A table for people has the main columns; JSON lines and CSV have all
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// The session's data directory
    #[arg(long, value_name = "DIR", conflicts_with = "questdb")]
    pub data_dir: Option<PathBuf>,
    /// From QuestDB, where all sessions are, in place of a data directory: the configured one, or
    /// the one named, such as `http::addr=127.0.0.1:9000;`
    #[arg(long, value_name = "CONF", num_args = 0..=1, default_missing_value = "")]
    pub questdb: Option<String>,
}

/// A table of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistoryTable {
    /// Each order as it was last
    Orders,
    /// Each position from flat to flat, as it was last
    Positions,
    /// Each signal and what was decided
    Signals,
    /// Each alert
    Alerts,
}

impl From<HistoryTable> for PastTable {
    fn from(table: HistoryTable) -> Self {
        match table {
            HistoryTable::Orders => Self::Orders,
            HistoryTable::Positions => Self::Positions,
            HistoryTable::Signals => Self::Signals,
            HistoryTable::Alerts => Self::Alerts,
        }
    }
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people; what is not known is ?
    Table,
    /// One JSON object a line; numbers of money are strings
    Json,
    /// RFC 4180, with a header
    Csv,
}

/// Which QuestDB.
#[derive(Clone, Debug, Default, Args)]
pub struct QuestDbArgs {
    /// Where QuestDB is, such as `http::addr=127.0.0.1:9000;`, in place of the setting questdb.conf
    #[arg(long, value_name = "CONF")]
    pub questdb: Option<String>,
    /// Settings file, in place of the one in the user's configuration folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object in place of sentences
    #[arg(long)]
    pub json: bool,
}

/// Options of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Only say which migrations the server has
    #[arg(long)]
    pub status: bool,
    /// Which QuestDB.
    #[command(flatten)]
    pub questdb: QuestDbArgs,
}

/// What to do with the projections.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Say how far the copy in QuestDB is: rows and seconds behind, refused rows, suspended tables
    Status {
        /// Which QuestDB.
        #[command(flatten)]
        questdb: QuestDbArgs,
        /// The session's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Compare both sides, day by day; exit code 1 when they differ
    Verify {
        /// Which QuestDB.
        #[command(flatten)]
        questdb: QuestDbArgs,
        /// The session's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Send everything since a time once more; what is there already replaces itself
    Resync {
        /// 2026-11-23T14:22:07Z, 2026-11-23 (UTC), or how long ago by the wall clock: 90s, 30m, 2h, 3d, 1w
        #[arg(long, value_name = "TIME")]
        since: String,
        /// Which QuestDB.
        #[command(flatten)]
        questdb: QuestDbArgs,
        /// The session's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Fold the projections anew from the journal
    Rebuild {
        /// One JSON object in place of a sentence
        #[arg(long)]
        json: bool,
        /// The session's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Prove every line: say what the journal holds, or where it is damaged and what to do; exit code 1
    /// when it is damaged. Changes nothing
    Verify {
        /// One JSON object in place of sentences
        #[arg(long)]
        json: bool,
        /// The session's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting as it counts
    Show {
        /// And where each comes from
        #[arg(long)]
        origin: bool,
        /// Settings file, in place of the one in the user's configuration folder
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, like 127.0.0.1:8080; port 0 takes a free one".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_without_a_command_are_those_of_run() {
        let cli = Cli::try_parse_from(["perpdeck", "--scenario", "crash", "--seed", "9"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.scenario.as_deref(), Some("crash"));
        let cli = Cli::try_parse_from(["perpdeck", "run", "--headless", "--market-data"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Run(RunArgs { headless: true, market_data: true, .. }))));
        assert!(Cli::try_parse_from(["perpdeck", "--market-data"]).is_err());
        assert!(Cli::try_parse_from(["perpdeck", "sim", "--api-key", "k"]).is_err());
    }
}
