//! What a simulator is started with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::candles::{Candles, symbol_of_name};
use super::clock::ClockError;
use super::error::SimulatorError;
use super::instrument::catalogue;
use super::scenario::Scenario;
use super::signing::Credentials;
use super::venue::RULES;
use super::venue::{Beginning, CandleMark, DuplicateMode};
use crate::model::{Decimal, Symbol, Usdt, VenueTime};

/// Real time that the signing window always leaves, however fast the session runs.
pub const REAL_SLACK: Duration = Duration::from_secs(2);

/// Recorded prices for one contract.
#[derive(Clone, Debug)]
pub struct CandleMarket {
    /// The contract.
    pub symbol: Symbol,
    /// Its candles.
    pub candles: Arc<Candles>,
}

impl CandleMarket {
    /// Candles from a file; the contract is in the file's name (`xrp_usdt_5m.csv`), or before it
    /// (`XRP_USDT=prices.csv`).
    ///
    /// # Errors
    /// When the file is wrong or the contract cannot be told.
    pub fn load(argument: &str, gaps: super::candles::GapRule) -> Result<Self, SimulatorError> {
        let known = catalogue();
        let (symbol, file) = match argument.split_once('=') {
            Some((symbol, file)) => (Symbol::new(symbol).ok().filter(|s| known.contains_key(s)), Path::new(file)),
            None => (symbol_of_name(Path::new(argument), known.keys()), Path::new(argument)),
        };
        let candles = Candles::load(file, gaps)?;
        let symbol = symbol.ok_or_else(|| super::candles::CandleError::Symbol {
            file: file.to_owned(),
            known: known.keys().map(Symbol::as_str).collect::<Vec<_>>().join(", "),
        })?;
        Ok(Self { symbol, candles: Arc::new(candles) })
    }
}

/// What a simulator is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All randomness comes from it.
    pub seed: u64,
    /// How the markets behave and what goes wrong when.
    pub scenario: Scenario,
    /// Recorded prices instead of invented ones.
    pub candles: Option<CandleMarket>,
    /// The key pair that is accepted.
    pub credentials: Credentials,
    /// What the account starts with.
    pub balance: Usdt,
    /// 1 hedge, 2 one-way.
    pub position_mode: i64,
    /// What happens when a client order id comes a second time.
    pub duplicates: DuplicateMode,
    /// Whether the documented rate limits are enforced.
    pub rate_limits: bool,
    /// Where the books are kept; in memory only when absent.
    pub data_dir: Option<PathBuf>,
    /// How wrong the exchange's own clock is: its offset at the start, and its drift from there.
    pub clock: ClockError,
}

impl Settings {
    /// A calm market with 10,000 USDT in hedge mode, limits on, books in memory.
    pub fn new(seed: u64, scenario: Scenario, credentials: Credentials) -> Self {
        Self {
            seed,
            scenario,
            candles: None,
            credentials,
            balance: Usdt(Decimal::from(10_000)),
            position_mode: 1,
            duplicates: DuplicateMode::default(),
            rate_limits: true,
            data_dir: None,
            clock: ClockError::default(),
        }
    }

    /// When a session on recorded prices starts: the first candle's time. `None` for invented ones,
    /// which start whenever they are started. Books that are resumed go on where they
    /// stood.
    pub fn start_time(&self) -> Option<VenueTime> {
        self.candles.as_ref().map(|market| market.candles.start())
    }

    pub(super) fn beginning(&self) -> Beginning {
        let candles = self.candles.as_ref().map(|market| CandleMark {
            symbol: market.symbol.clone(),
            rows: market.candles.rows().len(),
            digest: digest(&market.candles),
        });
        Beginning {
            seed: self.seed,
            balance: self.balance.0,
            mode: self.position_mode,
            duplicates: self.duplicates,
            scenario: self.scenario.clone(),
            candles,
            rules: RULES,
            clock: self.clock,
        }
    }
}

fn digest(candles: &Candles) -> String {
    let mut hash = Sha256::new();
    let mut line = String::new();
    for row in candles.rows() {
        line.clear();
        let _ = write!(line, "{},{},{},{},{};", row.time.micros(), row.open, row.high, row.low, row.close);
        hash.update(line.as_bytes());
    }
    hex::encode(hash.finalize())
}
