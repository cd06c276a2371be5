//! Why the simulator cannot start or go on.

use std::path::PathBuf;

use super::candles::CandleError;
use super::scenario::ScenarioError;

/// Why the simulator cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; is another simulator running there, and is it an address of this machine? choose another --listen address, or port 0 for a free one"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The candle file is wrong.
    #[error(transparent)]
    Candles(#[from] CandleError),
    /// The record cannot be opened.
    #[error("cannot open the simulator's books in {}: {problem}", dir.display())]
    Journal {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An entry of the record is not understood.
    #[error("the simulator's books in {} have an entry {seq} that is not understood: {problem}; move the directory away to start with new books", dir.display())]
    Record {
        /// The directory.
        dir: PathBuf,
        /// The entry.
        seq: u64,
        /// What is wrong.
        problem: String,
    },
    /// The record belongs to other candles.
    #[error("the simulator's books in {} were made on another market (invented prices or other candles); give the same candle file, or another data directory", dir.display())]
    OtherMarket {
        /// The directory.
        dir: PathBuf,
    },
    /// The record cannot be written any more.
    #[error("the simulator's books cannot be written: {problem}; it accepts nothing until it is started again")]
    Unwritable {
        /// What is wrong.
        problem: String,
    },
    /// A setting is wrong.
    #[error("{setting} {value:?}: {allowed}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}
