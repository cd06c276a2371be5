//! Scenarios: how the markets behave and which faults come when. TOML files, four of them built in.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::faults::FaultSpec;
use super::instrument::catalogue;
use crate::model::{Contracts, Decimal, Price, Symbol};

/// The built-in scenarios by name.
const BUILT_IN: [(&str, &str); 4] = [
    ("calm", include_str!("../../config/scenarios/calm.toml")),
    ("volatile", include_str!("../../config/scenarios/volatile.toml")),
    ("crash", include_str!("../../config/scenarios/crash.toml")),
    ("outage", include_str!("../../config/scenarios/outage.toml")),
];

/// Why there is no such scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Neither a built-in name nor a file.
    #[error("no scenario {name:?}: the built-in ones are {known}; or give the path of a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read the scenario file {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what a scenario looks like; names line, key and value.
    #[error("scenario {name}: {problem}")]
    Parse {
        /// Its name.
        name: String,
        /// What the parser says.
        problem: String,
    },
    /// A value outside its range.
    #[error("scenario {name}: {key} = {value}: allowed is {allowed}")]
    Range {
        /// Its name.
        name: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// How the markets behave and which faults come when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// For every market.
    #[serde(default)]
    pub market: MarketSettings,
    /// For single markets; what is not said here comes from `market`.
    #[serde(default)]
    pub markets: BTreeMap<Symbol, MarketSettings>,
    /// Jumps at fixed times.
    #[serde(default)]
    pub jumps: Vec<Jump>,
    /// Faults at fixed times.
    #[serde(default)]
    pub faults: Vec<ScheduledFault>,
}

/// Market parameters that a scenario may set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketSettings {
    /// First price, USDT.
    #[serde(deserialize_with = "exact")]
    pub start: Option<Decimal>,
    /// Deviation of the price over one minute, percent.
    #[serde(deserialize_with = "exact")]
    pub volatility: Option<Decimal>,
    /// Typical slope of a trend, percent a minute.
    #[serde(deserialize_with = "exact")]
    pub trend: Option<Decimal>,
    /// Constant slope added to every trend, percent a minute.
    #[serde(deserialize_with = "exact")]
    pub drift: Option<Decimal>,
    /// Shortest and longest trend, seconds.
    #[serde(deserialize_with = "exact_pair")]
    pub trend_seconds: Option<[Decimal; 2]>,
    /// Pull to the start price: share of the distance that is made up in a minute.
    #[serde(deserialize_with = "exact")]
    pub reversion: Option<Decimal>,
    /// Chance jumps in an hour.
    #[serde(deserialize_with = "exact")]
    pub jumps_per_hour: Option<Decimal>,
    /// Smallest and largest chance jump, percent.
    #[serde(deserialize_with = "exact_pair")]
    pub jump_percent: Option<[Decimal; 2]>,
    /// Ticks between best bid and best ask.
    pub spread_ticks: Option<u32>,
    /// Worth of the best level of the book, USDT.
    #[serde(deserialize_with = "exact")]
    pub depth: Option<Decimal>,
    /// Funding rate for eight hours (0.0001 is 0.01 %).
    #[serde(deserialize_with = "exact")]
    pub funding_rate: Option<Decimal>,
    /// Largest market order, in contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_vol: Option<u32>,
    /// Largest limit order, in contracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_max_vol: Option<u32>,
    /// Most working orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_orders: Option<u32>,
    /// Whether orders by the API are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_allowed: Option<bool>,
}

/// A jump of prices at a fixed time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jump {
    /// When, in seconds of market time.
    pub at_seconds: u64,
    /// Which markets; all when empty.
    #[serde(default)]
    pub symbols: Vec<Symbol>,
    /// By how much; −40 is a fall by 40 %.
    #[serde(deserialize_with = "exact_one")]
    pub percent: Decimal,
}

/// A fault that switches itself on at a fixed time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledFault {
    /// When, in seconds of market time.
    pub at_seconds: u64,
    /// The fault.
    pub fault: FaultSpec,
}

/// What one market runs on, all settings decided.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketParams {
    pub start: Option<Price>,
    pub volatility: Decimal,
    pub trend: Decimal,
    pub drift: Decimal,
    pub trend_seconds: [Decimal; 2],
    pub reversion: Decimal,
    pub jumps_per_hour: Decimal,
    pub jump_percent: [Decimal; 2],
    pub spread_ticks: u32,
    pub depth: Decimal,
    pub funding_rate: Decimal,
    pub max_vol: Option<Contracts>,
    pub limit_max_vol: Option<Contracts>,
    pub max_orders: Option<usize>,
    pub api_allowed: bool,
}

impl Scenario {
    /// The names of the built-in scenarios; `calm` is the default.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// A built-in scenario by its name, or one from a `.toml` file.
    ///
    /// # Errors
    /// When there is neither, or the file is wrong.
    pub fn load(name: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        if !is_toml && !path.is_file() {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            return Err(ScenarioError::Unknown { name: crate::model::escape_controls(name).into_owned(), known });
        }
        let text =
            std::fs::read_to_string(path).map_err(|source| ScenarioError::Read { file: name.to_owned(), source })?;
        Self::parse(name, &text)
    }

    /// A scenario from its text; `name` is for the errors.
    ///
    /// # Errors
    /// When it is no TOML, has an unknown key, or a value is outside its range.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError::Parse { name: name.to_owned(), problem: error.to_string() })?;
        scenario.check(name)?;
        Ok(scenario)
    }

    /// What a market runs on.
    pub fn params(&self, symbol: &Symbol) -> MarketParams {
        let own = self.markets.get(symbol);
        let pick = |of: fn(&MarketSettings) -> Option<Decimal>, default: Decimal| {
            own.and_then(of).or_else(|| of(&self.market)).unwrap_or(default)
        };
        let pair = |of: fn(&MarketSettings) -> Option<[Decimal; 2]>, default: [Decimal; 2]| {
            own.and_then(of).or_else(|| of(&self.market)).unwrap_or(default)
        };
        let whole = |of: fn(&MarketSettings) -> Option<u32>| own.and_then(of).or_else(|| of(&self.market));
        MarketParams {
            start: own.and_then(|settings| settings.start).map(Price),
            volatility: pick(|s| s.volatility, Decimal::new(5, 2)),
            trend: pick(|s| s.trend, Decimal::new(1, 1)),
            drift: pick(|s| s.drift, Decimal::ZERO),
            trend_seconds: pair(|s| s.trend_seconds, [Decimal::from(8), Decimal::from(30)]),
            reversion: pick(|s| s.reversion, Decimal::new(2, 2)),
            jumps_per_hour: pick(|s| s.jumps_per_hour, Decimal::ZERO),
            jump_percent: pair(|s| s.jump_percent, [Decimal::ONE, Decimal::from(3)]),
            spread_ticks: own.and_then(|s| s.spread_ticks).or(self.market.spread_ticks).unwrap_or(1),
            depth: pick(|s| s.depth, Decimal::from(5_000)),
            funding_rate: pick(|s| s.funding_rate, Decimal::new(1, 4)),
            max_vol: whole(|s| s.max_vol).map(|vol| Contracts(Decimal::from(vol))),
            limit_max_vol: whole(|s| s.limit_max_vol).map(|vol| Contracts(Decimal::from(vol))),
            max_orders: whole(|s| s.max_orders).and_then(|orders| usize::try_from(orders).ok()),
            api_allowed: own.and_then(|s| s.api_allowed).or(self.market.api_allowed).unwrap_or(true),
        }
    }

    fn check(&self, name: &str) -> Result<(), ScenarioError> {
        let known = catalogue();
        let range = |key: String, value: String, allowed| {
            Err(ScenarioError::Range { name: name.to_owned(), key, value, allowed })
        };
        for symbol in self.markets.keys().chain(self.jumps.iter().flat_map(|jump| &jump.symbols)) {
            if !known.contains_key(symbol) {
                let allowed = "one of BTC_USDT, ETH_USDT, SOL_USDT, XRP_USDT, DOGE_USDT";
                return range("symbol".to_owned(), symbol.to_string(), allowed);
            }
        }
        for settings in std::iter::once(&self.market).chain(self.markets.values()) {
            let bounded = [
                ("start", settings.start, Decimal::new(1, 6), Decimal::from(10_000_000), "0.000001 to 10000000"),
                ("volatility", settings.volatility, Decimal::ZERO, Decimal::from(20), "0 to 20"),
                ("trend", settings.trend, Decimal::ZERO, Decimal::from(20), "0 to 20"),
                ("drift", settings.drift, Decimal::from(-20), Decimal::from(20), "-20 to 20"),
                ("reversion", settings.reversion, Decimal::ZERO, Decimal::TWO, "0 to 2"),
                ("jumps_per_hour", settings.jumps_per_hour, Decimal::ZERO, Decimal::from(3_600), "0 to 3600"),
                ("depth", settings.depth, Decimal::ONE, Decimal::from(100_000_000), "1 to 100000000"),
                ("funding_rate", settings.funding_rate, Decimal::new(-2, 2), Decimal::new(2, 2), "-0.02 to 0.02"),
            ];
            for (key, value, low, high, allowed) in bounded {
                if let Some(value) = value.filter(|value| *value < low || *value > high) {
                    return range(key.to_owned(), value.to_string(), allowed);
                }
            }
            for (key, pair) in [("trend_seconds", settings.trend_seconds), ("jump_percent", settings.jump_percent)] {
                if let Some([low, high]) = pair.filter(|[low, high]| *low <= Decimal::ZERO || high < low) {
                    return range(
                        key.to_owned(),
                        format!("[{low}, {high}]"),
                        "two positive numbers, the smaller first",
                    );
                }
            }
        }
        for jump in &self.jumps {
            if jump.percent <= Decimal::from(-99) || jump.percent > Decimal::from(900) {
                return range("jumps.percent".to_owned(), jump.percent.to_string(), "-98.9 to 900");
            }
        }
        for fault in &self.faults {
            if let Err((key, value, allowed)) = fault.fault.check() {
                return range(format!("faults.fault.{key}"), value, allowed);
            }
        }
        Ok(())
    }
}

impl Jump {
    /// When it comes, in market time.
    pub fn at(&self) -> Duration {
        Duration::from_secs(self.at_seconds)
    }
}

/// A decimal written as a number or a string. TOML's floats are read through their shortest text,
/// so that `0.1` is exactly 0.1.
struct Exact(Decimal);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Exact;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal number")
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Exact, E> {
                Ok(Exact(Decimal::from(value)))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Exact, E> {
                Ok(Exact(Decimal::from(value)))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Exact, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Exact, E> {
                super::json::decimal(text).map(Exact).ok_or_else(|| E::custom(format!("{text:?} is no decimal number")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// For `Option<Decimal>` fields that may be written as numbers.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    Ok(Option::<Exact>::deserialize(deserializer)?.map(|value| value.0))
}

fn exact_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    Exact::deserialize(deserializer).map(|value| value.0)
}

fn exact_pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[Decimal; 2]>, D::Error> {
    Ok(Option::<[Exact; 2]>::deserialize(deserializer)?.map(|pair| pair.map(|value| value.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenarios_are_right_and_survive_the_record() {
        for name in Scenario::names() {
            let scenario = Scenario::load(name).unwrap();
            assert_eq!(scenario.name, name);
            let text = serde_json::to_string(&scenario).unwrap();
            assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario);
        }
    }

    #[test]
    fn bad_files_say_what_is_wrong_and_what_is_allowed() {
        let cases = [
            ("name = \"x\"\n[market]\nvolatilty = 1", "volatilty"),
            ("name = \"x\"\n[market]\nvolatility = 50", "volatility = 50: allowed is 0 to 20"),
            ("name = \"x\"\n[market]\nvolatility = \"a\"", "line 3"),
            ("name = \"x\"\n[markets.ABC_USDT]\n", "symbol = ABC_USDT"),
            ("name = \"x\"\n[[jumps]]\nat_seconds = 1\npercent = -100", "jumps.percent = -100"),
            (
                "name = \"x\"\n[[faults]]\nat_seconds = 1\nfault = { kind = \"hang\", probability = 2 }",
                "probability = 2",
            ),
            ("name = \"x\"\n[[faults]]\nat_seconds = 1\nfault = { kind = \"hangs\" }", "hangs"),
        ];
        for (text, part) in cases {
            let error = Scenario::parse("x", text).unwrap_err().to_string();
            assert!(error.contains(part), "{error} should say {part}");
        }
        let unknown = Scenario::load("clam").unwrap_err().to_string();
        assert!(unknown.contains("calm, volatile, crash, outage"), "{unknown}");
    }

    #[test]
    fn a_tenth_is_exactly_a_tenth() {
        let scenario = Scenario::parse("x", "name = \"x\"\n[market]\nvolatility = 0.1").unwrap();
        assert_eq!(scenario.market.volatility, Some(Decimal::new(1, 1)));
    }
}
