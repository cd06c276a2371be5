//! Candle files: comma separated, with or without a header row, times as ISO 8601 or as epoch
//! seconds or milliseconds.
//!
//! Without a header the columns are time, open, high, low, close, volume. A gap of whole intervals
//! is an error unless [`GapRule::Fill`] is chosen: then each missing candle is flat at the close
//! before it, with volume 0, and the number of candles filled is kept as a warning.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Decimal, Symbol, VenueTime, escape_controls, exact, in_bounds, scientific};

/// One candle; prices in USDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// Its start.
    pub time: VenueTime,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Traded volume in base units, where the file has it.
    pub volume: Decimal,
}

/// What to do where candles are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GapRule {
    /// A gap is an error.
    #[default]
    Refuse,
    /// Missing candles are flat at the last close.
    Fill,
}

/// A checked series of candles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candles {
    rows: Vec<Candle>,
    interval: Duration,
    filled: usize,
}

/// Why a candle file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum CandleError {
    /// It cannot be read at all.
    #[error("cannot read the candle file {}: {source}; check the path and its permissions", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Fewer than two candles.
    #[error("{}: {found} candles, at least 2 are needed; give a file with time,open,high,low,close,volume rows", file.display())]
    TooFew {
        /// The file.
        file: PathBuf,
        /// How many rows it has.
        found: usize,
    },
    /// A header without a column that is needed.
    #[error("{}:1: the header has no column for {missing} (found: {found}); name it, or leave the header out and use time,open,high,low,close,volume", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// The column.
        missing: &'static str,
        /// The header.
        found: String,
    },
    /// A row that is wrong.
    #[error("{}:{line}: {problem}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what to do.
        problem: RowProblem,
    },
    /// The file's name does not say which contract it is, and none was given.
    #[error("cannot tell from its name which contract {} is of; name it like xrp_usdt_5m.csv, or give SYMBOL=FILE (known: {known})", file.display())]
    Symbol {
        /// The file.
        file: PathBuf,
        /// The contracts there are.
        known: String,
    },
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub enum RowProblem {
    /// A line with too few columns, as the last line of a file that was cut.
    Cut(String, usize),
    /// A time that is none.
    Time(String),
    /// A price or volume that is no number.
    Number(&'static str, String),
    /// A price that is not positive, or a negative volume.
    NotPositive(&'static str, Decimal),
    /// High below low, or open or close outside of both.
    Range(Decimal, Decimal, Decimal, Decimal),
    /// A time not after the one before.
    Unsorted(VenueTime, VenueTime),
    /// Candles are missing before this one.
    Gap(VenueTime, VenueTime, Duration),
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(line, columns) => {
                write!(
                    f,
                    "{line:?} has {columns} columns, time,open,high,low,close are needed; was the file cut? complete or remove the line"
                )
            }
            Self::Time(text) => write!(f, "{text:?} is no time; use ISO 8601 or epoch seconds or milliseconds"),
            Self::Number(column, text) => write!(f, "{column} {text:?} is no number; correct or remove the row"),
            Self::NotPositive(column, value) => {
                write!(f, "{column} {value} must be above zero; correct or remove the row")
            }
            Self::Range(open, high, low, close) => {
                write!(f, "high {high} and low {low} do not enclose open {open} and close {close}; correct the row")
            }
            Self::Unsorted(before, at) => {
                write!(
                    f,
                    "time {at} is not after {before} of the row before; sort the file by time and remove duplicates"
                )
            }
            Self::Gap(before, at, interval) => write!(
                f,
                "gap: {before} is followed by {at}, but candles are {} s apart; add the missing rows, or replay the part before or after the gap as a file of its own",
                interval.as_secs()
            ),
        }
    }
}

impl Candles {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`CandleError`], which names file, line, value and what to do.
    pub fn load(file: &Path, gaps: GapRule) -> Result<Self, CandleError> {
        let text = std::fs::read_to_string(file).map_err(|source| CandleError::Read { file: file.into(), source })?;
        Self::parse(file, &text, gaps)
    }

    /// Checks the text of a file; `file` is for the errors.
    ///
    /// # Errors
    /// [`CandleError`], which names file, line, value and what to do.
    pub fn parse(file: &Path, text: &str, gaps: GapRule) -> Result<Self, CandleError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
        let columns = match lines.peek() {
            Some((_, line)) if is_header(line) => {
                let columns = Columns::of_header(file, line)?;
                lines.next();
                columns
            }
            _ => Columns::default(),
        };
        let mut rows: Vec<(usize, Candle)> = Vec::new();
        for (index, line) in lines {
            let number = index.saturating_add(1);
            let row = columns.row(line).and_then(checked);
            let row = row.map_err(|problem| CandleError::Row { file: file.into(), line: number, problem })?;
            rows.push((number, row));
        }
        if rows.len() < 2 {
            return Err(CandleError::TooFew { file: file.into(), found: rows.len() });
        }
        arrange(&rows, gaps).map_err(|(line, problem)| CandleError::Row { file: file.into(), line, problem })
    }

    /// The candles, oldest first, one interval apart.
    pub fn rows(&self) -> &[Candle] {
        &self.rows
    }

    /// The time from one to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How many were missing and have been filled in.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// The first candle.
    pub fn first(&self) -> Candle {
        self.rows.first().copied().unwrap_or(Candle {
            time: VenueTime::ZERO,
            open: Decimal::ONE,
            high: Decimal::ONE,
            low: Decimal::ONE,
            close: Decimal::ONE,
            volume: Decimal::ZERO,
        })
    }

    /// When the first one starts.
    pub fn start(&self) -> VenueTime {
        self.first().time
    }

    /// When the last one ends.
    pub fn end(&self) -> VenueTime {
        self.rows.last().map_or(VenueTime::ZERO, |row| row.time.plus(self.interval))
    }
}

/// The contract that a file's name begins with, by the exchange's name or without its underscore.
pub fn symbol_of_name<'a>(file: &Path, known: impl Iterator<Item = &'a Symbol>) -> Option<Symbol> {
    let name = file.file_stem()?.to_str()?.to_ascii_uppercase().replace(['-', '_', '/'], "");
    known.into_iter().find(|symbol| name.starts_with(&symbol.as_str().replace('_', ""))).cloned()
}

fn arrange(rows: &[(usize, Candle)], gaps: GapRule) -> Result<Candles, (usize, RowProblem)> {
    let mut interval = Duration::MAX;
    for ((_, before), (line, row)) in rows.iter().zip(rows.iter().skip(1)) {
        if row.time <= before.time {
            return Err((*line, RowProblem::Unsorted(before.time, row.time)));
        }
        interval = interval.min(row.time.since(before.time));
    }
    let mut out: Vec<Candle> = Vec::with_capacity(rows.len());
    let mut filled = 0_usize;
    for (line, row) in rows {
        while let Some(before) = out.last().copied() {
            let due = before.time.plus(interval);
            if row.time == due {
                break;
            }
            // A candle between two places of the grid cannot be explained by missing ones.
            if gaps == GapRule::Refuse || row.time < due {
                return Err((*line, RowProblem::Gap(before.time, row.time, interval)));
            }
            filled = filled.saturating_add(1);
            let flat = before.close;
            out.push(Candle { time: due, open: flat, high: flat, low: flat, close: flat, volume: Decimal::ZERO });
        }
        out.push(*row);
    }
    Ok(Candles { rows: out, interval, filled })
}

fn checked(row: Candle) -> Result<Candle, RowProblem> {
    for (name, value) in [("open", row.open), ("high", row.high), ("low", row.low), ("close", row.close)] {
        if value <= Decimal::ZERO {
            return Err(RowProblem::NotPositive(name, value));
        }
    }
    if row.volume < Decimal::ZERO {
        return Err(RowProblem::NotPositive("volume", row.volume));
    }
    if row.high < row.low || row.high < row.open.max(row.close) || row.low > row.open.min(row.close) {
        return Err(RowProblem::Range(row.open, row.high, row.low, row.close));
    }
    Ok(row)
}

fn is_header(line: &str) -> bool {
    let first = line.split(',').next().unwrap_or_default().trim();
    !first.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '"')
        || first.trim_matches('"').starts_with(|c: char| c.is_ascii_alphabetic())
}

#[derive(Clone, Copy)]
struct Columns {
    time: usize,
    open: usize,
    high: usize,
    low: usize,
    close: usize,
    volume: Option<usize>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { time: 0, open: 1, high: 2, low: 3, close: 4, volume: Some(5) }
    }
}

impl Columns {
    fn of_header(file: &Path, line: &str) -> Result<Self, CandleError> {
        let names: Vec<String> = line
            .trim_start_matches('\u{feff}')
            .split(',')
            .map(|n| n.trim().trim_matches('"').to_ascii_lowercase())
            .collect();
        let find = |accepted: &[&str]| names.iter().position(|name| accepted.contains(&name.as_str()));
        let need = |missing: &'static str, accepted: &[&str]| {
            find(accepted).ok_or_else(|| CandleError::Header { file: file.into(), missing, found: shown(line) })
        };
        Ok(Self {
            time: need(
                "time",
                &[
                    "time",
                    "time_ms",
                    "timestamp",
                    "timestamp_ms",
                    "date",
                    "datetime",
                    "open_time",
                    "opentime",
                    "ts",
                    "t",
                ],
            )?,
            open: need("open", &["open", "o", "open_price"])?,
            high: need("high", &["high", "h", "high_price"])?,
            low: need("low", &["low", "l", "low_price"])?,
            close: need("close", &["close", "c", "close_price"])?,
            volume: find(&["volume", "vol", "v", "base_volume"]),
        })
    }

    fn row(&self, line: &str) -> Result<Candle, RowProblem> {
        let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let cell = |at: usize| cells.get(at).copied().filter(|text| !text.is_empty());
        let need = |at: usize| cell(at).ok_or_else(|| RowProblem::Cut(shown(line), cells.len()));
        let price = |name: &'static str, at: usize| {
            let text = need(at)?;
            number(text).ok_or_else(|| RowProblem::Number(name, shown(text)))
        };
        let volume = match self.volume.and_then(cell) {
            Some(text) => number(text).ok_or_else(|| RowProblem::Number("volume", shown(text)))?,
            None => Decimal::ZERO,
        };
        let time = need(self.time)?;
        Ok(Candle {
            time: timestamp(time).ok_or_else(|| RowProblem::Time(shown(time)))?,
            open: price("open", self.open)?,
            high: price("high", self.high)?,
            low: price("low", self.low)?,
            close: price("close", self.close)?,
            volume,
        })
    }
}

fn number(text: &str) -> Option<Decimal> {
    exact(text).or_else(|_| scientific(text)).ok().filter(|value| in_bounds(*value))
}

/// Epoch numbers from this on are milliseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
const MILLIS_FROM: i64 = 100_000_000_000;

fn timestamp(text: &str) -> Option<VenueTime> {
    if let Ok(epoch) = text.parse::<i64>() {
        return (epoch > 0)
            .then(|| if epoch >= MILLIS_FROM { VenueTime::from_millis(epoch) } else { VenueTime::from_secs(epoch) });
    }
    let at = |micros: i64| Some(VenueTime::from_micros(micros));
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return at(time.timestamp_micros());
    }
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let naive = formats.iter().find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok());
    naive
        .or_else(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .and_then(|time| at(time.and_utc().timestamp_micros()))
}

fn shown(text: &str) -> String {
    escape_controls(&text.chars().take(60).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Candles, String> {
        Candles::parse(Path::new("x.csv"), text, GapRule::Refuse).map_err(|error| error.to_string())
    }

    const PLAIN: &str = "1636934400,1,2,0.5,1.5,10\n1636934700,1.5,2,1,1,10\n1636935000,1,1,1,1,0\n";

    #[test]
    fn the_common_layouts_read_the_same() {
        let expected = parse(PLAIN).unwrap();
        assert_eq!(expected.interval(), Duration::from_secs(300));
        let millis = PLAIN.replace("4400,", "4400000,").replace("4700,", "4700000,").replace("5000,", "5000000,");
        let iso = "Date,Close,Open,Low,High,Volume\n2021-11-15T00:00:00Z,1.5,1,0.5,2,10\n2021-11-15 00:05:00,1,1.5,1,2,10\n2021-11-15T00:10:00+00:00,1,1,1,1,0\n";
        for other in [format!("time,open,high,low,close,volume\n{PLAIN}"), millis, iso.to_owned()] {
            assert_eq!(parse(&other), Ok(expected.clone()), "{other}");
        }
    }

    #[test]
    fn every_bad_file_says_line_value_and_what_to_do() {
        let cases = [
            ("", "0 candles, at least 2"),
            ("time,open,high,low,volume\n1,1,1,1,1\n", "no column for close"),
            ("1636934400,1,2,0.5,1.5,10\n1636934700,1.5,2", "x.csv:2: \"1636934700,1.5,2\" has 3 columns"),
            ("1636934700,1,1,1,1,1\n1636934400,1,1,1,1,1\n", "x.csv:2: time 2021-11-15T00:00:00.000Z is not after"),
            ("1636934400,1,1,1,1,1\n1636934700,1,1,1,1,1\n1636935600,1,1,1,1,1\n", "x.csv:3: gap"),
            ("1636934400,-1,1,1,1,1\n1636934700,1,1,1,1,1\n", "x.csv:1: open -1 must be above zero"),
            ("1636934400,1,1,2,1,1\n1636934700,1,1,1,1,1\n", "x.csv:1: high 1 and low 2"),
            ("1636934400,1,1,x,1,1\n1636934700,1,1,1,1,1\n", "low \"x\" is no number"),
            ("1636934400,1,1,1,1,1\n2021-13-01,1,1,1,1,1\n", "\"2021-13-01\" is no time"),
        ];
        for (text, part) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{error:?} should say {part:?}");
        }
    }

    #[test]
    fn gaps_are_filled_flat_when_asked_for() {
        let text = "1636934400,1,2,1,1.5,1\n1636934700,1.5,1.5,1.5,1.5,1\n1636935600,2,2,2,2,1\n";
        let candles = Candles::parse(Path::new("x.csv"), text, GapRule::Fill).unwrap();
        assert_eq!((candles.rows().len(), candles.filled()), (5, 2));
        assert_eq!(candles.rows()[3].close, Decimal::new(15, 1));
    }

    #[test]
    fn the_symbol_is_in_the_name() {
        let known = [Symbol::new("BTC_USDT").unwrap(), Symbol::new("XRP_USDT").unwrap()];
        for name in ["xrp_usdt_5m.csv", "/data/XRPUSDT-1h.csv", "xrp-usdt.csv"] {
            assert_eq!(symbol_of_name(Path::new(name), known.iter()), Some(known[1].clone()));
        }
        assert_eq!(symbol_of_name(Path::new("prices.csv"), known.iter()), None);
    }
}
