//! Contract details and the ladder of risk tiers (mexc-contract-api.md sections 3 and 9).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Dec, Flag, Int, Text, WireError, items};
use crate::model::{ContractSpec, Contracts as Amount, Decimal, RiskTier, Symbol, add, div, mul, round_down};

/// More tiers than any contract has; a ladder that claims more is cut.
const MOST_TIERS: i64 = 200;

/// A contract as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawContract<'a> {
    contract_size: Dec,
    price_unit: Dec,
    vol_unit: Dec,
    min_vol: Dec,
    max_vol: Dec,
    limit_max_vol: Option<Dec>,
    max_leverage: Int,
    taker_fee_rate: Dec,
    maker_fee_rate: Dec,
    maintenance_margin_rate: Option<Dec>,
    initial_margin_rate: Option<Dec>,
    liquidation_fee_rate: Option<Dec>,
    risk_base_vol: Option<Dec>,
    risk_incr_vol: Option<Dec>,
    risk_incr_mmr: Option<Dec>,
    risk_incr_imr: Option<Dec>,
    risk_level_limit: Option<Int>,
    #[serde(borrow)]
    risk_limit_mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    risk_limit_type: Option<Cow<'a, str>>,
    risk_limit_custom: Option<Vec<RawTier>>,
    state: Int,
    api_allowed: Option<Flag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTier {
    max_vol: Dec,
    mmr: Dec,
    max_leverage: Int,
}

/// The contracts of an answer.
#[derive(Debug)]
pub struct Contracts {
    /// In order of their names.
    pub specs: Vec<ContractSpec>,
    /// Whether the ladder of one counts in USDT, so that its price is needed to read it.
    pub ladders_in_money: bool,
    /// Those that make no sense, and why: they spoil no other.
    pub broken: Vec<(Symbol, WireError)>,
}

/// The contracts of an answer: those asked for, or all that can be traded with our names and
/// numbers. `prices` turns ladders in USDT into contracts.
///
/// # Errors
/// When the answer is neither a contract nor a list of them.
pub fn read_contracts(
    data: &RawValue,
    asked: &[Symbol],
    prices: &BTreeMap<Symbol, Decimal>,
) -> Result<Contracts, WireError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        symbol: Text<'a>,
    }
    let (mut found, mut ladders_in_money, mut broken) = (BTreeMap::new(), false, Vec::new());
    let (mut named, mut nameless) = (0_usize, None);
    for item in items(data)? {
        let symbol = match serde_json::from_str::<Named>(item.get()) {
            Ok(row) => row.symbol,
            Err(error) => {
                nameless = Some(error);
                continue;
            }
        };
        named = named.saturating_add(1);
        // Names outside our alphabet exist (meme coins); nobody can have asked for them.
        let Ok(symbol) = Symbol::new(&symbol.0) else { continue };
        if !asked.is_empty() && !asked.contains(&symbol) {
            continue;
        }
        let spec = serde_json::from_str::<RawContract>(item.get()).map_err(WireError::from).and_then(|raw| {
            ladders_in_money |= raw.ladder_in_money();
            raw.spec(&symbol, prices.get(&symbol).copied())
        });
        match spec {
            Ok(spec) => {
                found.insert(symbol, spec);
            }
            Err(error) => broken.push((symbol, error)),
        }
    }
    match nameless {
        Some(error) if named == 0 => Err(error.into()),
        _ => Ok(Contracts { specs: found.into_values().collect(), ladders_in_money, broken }),
    }
}

impl RawContract<'_> {
    /// Whether the ladder counts in USDT, so that a price is needed to read it.
    pub fn ladder_in_money(&self) -> bool {
        self.risk_limit_type.as_deref() == Some("BY_VALUE")
    }

    /// The contract in our words.
    ///
    /// # Errors
    /// When size, tick or lot are not above zero, or no tier can be made of what is there.
    pub fn spec(&self, symbol: &Symbol, price: Option<Decimal>) -> Result<ContractSpec, WireError> {
        let steps = [("contractSize", self.contract_size), ("priceUnit", self.price_unit), ("volUnit", self.vol_unit)];
        for (name, Dec(step)) in steps {
            if step <= Decimal::ZERO {
                return Err(WireError::Senseless(format!("{name} is {step} and must be above 0")));
            }
        }
        let max_leverage = times(self.max_leverage).ok_or_else(|| {
            WireError::Senseless(format!("maxLeverage is {} and must be above 0", self.max_leverage.0))
        })?;
        // The engine's orders may rest or not: the smaller of both limits holds for all.
        let max_contracts = self.limit_max_vol.map_or(self.max_vol.0, |Dec(limit)| limit.min(self.max_vol.0));
        Ok(ContractSpec {
            symbol: symbol.clone(),
            contract_size: self.contract_size.0,
            tick: self.price_unit.0,
            lot: self.vol_unit.0,
            min_contracts: Amount(self.min_vol.0),
            max_contracts: Amount(max_contracts),
            max_leverage,
            taker_fee_rate: self.taker_fee_rate.0,
            maker_fee_rate: self.maker_fee_rate.0,
            liquidation_fee_rate: self.liquidation_fee_rate.map_or(Decimal::ZERO, |Dec(rate)| rate),
            tiers: self.tiers(max_leverage, price)?,
            enabled: self.state.0 == 0 && self.api_allowed != Some(Flag(false)),
        })
    }

    fn tiers(&self, max_leverage: u32, price: Option<Decimal>) -> Result<Vec<RiskTier>, WireError> {
        let mut tiers = self.custom_tiers();
        if tiers.is_empty() && self.risk_limit_mode.as_deref() != Some("CUSTOM") {
            tiers = self.increasing_tiers(max_leverage);
        }
        if tiers.is_empty() {
            // Without a ladder the first tier's rate is all that is said.
            let rate = self.maintenance_margin_rate.filter(|Dec(rate)| *rate > Decimal::ZERO).ok_or_else(|| {
                WireError::Senseless("neither a ladder of risk tiers nor a maintenance margin rate".into())
            })?;
            return Ok(vec![RiskTier {
                max_contracts: Amount(self.max_vol.0),
                maintenance_rate: rate.0,
                max_leverage,
            }]);
        }
        tiers.sort_by_key(|tier| tier.max_contracts);
        if self.ladder_in_money() {
            tiers = self.in_contracts(tiers, price);
        }
        Ok(tiers)
    }

    fn custom_tiers(&self) -> Vec<RiskTier> {
        let rows = self.risk_limit_custom.as_deref().unwrap_or_default();
        rows.iter()
            .filter(|row| row.max_vol.0 > Decimal::ZERO && row.mmr.0 > Decimal::ZERO)
            .filter_map(|row| {
                let max_leverage = times(row.max_leverage)?;
                Some(RiskTier { max_contracts: Amount(row.max_vol.0), maintenance_rate: row.mmr.0, max_leverage })
            })
            .collect()
    }

    /// Tier k holds up to base + (k-1) x step, at rates that rise by a step each.
    fn increasing_tiers(&self, max_leverage: u32) -> Vec<RiskTier> {
        let (Some(Dec(base)), Some(Dec(rate))) = (self.risk_base_vol, self.maintenance_margin_rate) else {
            return Vec::new();
        };
        if base <= Decimal::ZERO || rate <= Decimal::ZERO {
            return Vec::new();
        }
        let number = |value: Option<Dec>| value.map_or(Decimal::ZERO, |Dec(value)| value);
        let (step, rate_step) = (number(self.risk_incr_vol), number(self.risk_incr_mmr));
        let levels = self.risk_level_limit.map_or(1, |Int(levels)| levels.clamp(1, MOST_TIERS));
        (0..levels)
            .map(|level| {
                let above = Decimal::from(level);
                let initial = add(number(self.initial_margin_rate), mul(above, number(self.risk_incr_imr)));
                let leverage = div(Decimal::ONE, initial).and_then(|times| u32::try_from(times.floor()).ok());
                RiskTier {
                    max_contracts: Amount(add(base, mul(above, step))),
                    maintenance_rate: add(rate, mul(above, rate_step)),
                    max_leverage: leverage.map_or(max_leverage, |times| times.clamp(1, max_leverage)),
                }
            })
            .collect()
    }

    /// A ladder in USDT as one in contracts at this price. Without a price only the last tier is
    /// kept: it asks for the most margin, so the risk is never called smaller than it is.
    fn in_contracts(&self, mut tiers: Vec<RiskTier>, price: Option<Decimal>) -> Vec<RiskTier> {
        let value = price.map(|price| mul(price, self.contract_size.0)).filter(|value| *value > Decimal::ZERO);
        match value {
            Some(value) => {
                for tier in &mut tiers {
                    let contracts = div(tier.max_contracts.0, value).and_then(|raw| round_down(raw, self.vol_unit.0));
                    tier.max_contracts = Amount(contracts.unwrap_or(Decimal::ZERO));
                }
                tiers
            }
            None => {
                tiers.pop().into_iter().map(|tier| RiskTier { max_contracts: Amount(self.max_vol.0), ..tier }).collect()
            }
        }
    }
}

fn times(number: Int) -> Option<u32> {
    u32::try_from(number.0).ok().filter(|times| *times > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BTC: &str = r#"{"id":10,"symbol":"BTC_USDT","positionOpenType":3,"contractSize":0.0001,"minLeverage":1,"maxLeverage":200,"priceScale":1,"volScale":0,"amountScale":4,"priceUnit":0.1,"volUnit":1,"minVol":1,"maxVol":400000,"limitMaxVol":300000,"takerFeeRate":0.0006,"makerFeeRate":0.0002,"maintenanceMarginRate":0.004,"initialMarginRate":0.005,"liquidationFeeRate":0.0004,"riskLimitType":"BY_VOLUME","riskLimitMode":"INCREASE","riskBaseVol":150000,"riskIncrVol":150000,"riskIncrMmr":0.004,"riskIncrImr":0.005,"riskLevelLimit":5,"state":0,"apiAllowed":true}"#;

    fn one(json: &str, price: Option<&str>) -> Result<ContractSpec, WireError> {
        let raw: RawContract = serde_json::from_str(json).unwrap();
        raw.spec(&Symbol::new("BTC_USDT").unwrap(), price.map(|p| p.parse().unwrap()))
    }

    fn ladder(spec: &ContractSpec) -> Vec<(String, String, u32)> {
        spec.tiers
            .iter()
            .map(|tier| (tier.max_contracts.to_string(), tier.maintenance_rate.to_string(), tier.max_leverage))
            .collect()
    }

    #[test]
    fn a29_sizes_and_steps_come_from_the_contract() {
        let spec = one(BTC, None).unwrap();
        assert_eq!(spec.contract_size.to_string(), "0.0001");
        assert_eq!((spec.tick.to_string(), spec.lot.to_string()), ("0.1".into(), "1".into()));
        assert_eq!(spec.max_contracts.to_string(), "300000");
        assert!(spec.enabled);
    }

    #[test]
    fn an_increasing_ladder() {
        let rows = ladder(&one(BTC, None).unwrap());
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[0], ("150000".into(), "0.004".into(), 200));
        assert_eq!(rows[4], ("750000".into(), "0.020".into(), 40));
    }

    #[test]
    fn a_custom_ladder_wins_and_is_sorted() {
        let custom = BTC.replace(r#""riskLimitMode":"INCREASE""#, r#""riskLimitMode":"CUSTOM","riskLimitCustom":[{"level":2,"maxVol":90000,"mmr":0.002,"imr":0.0025,"maxLeverage":400},{"level":1,"maxVol":50000,"mmr":0.001,"imr":0.002,"maxLeverage":500}]"#);
        assert_eq!(
            ladder(&one(&custom, None).unwrap()),
            [("50000".into(), "0.001".into(), 500), ("90000".into(), "0.002".into(), 400)]
        );
    }

    #[test]
    fn a_ladder_in_money_is_counted_in_contracts() {
        let money = BTC.replace("BY_VOLUME", "BY_VALUE");
        let rows = ladder(&one(&money, Some("60000")).unwrap());
        assert_eq!(rows[0].0, "25000", "150000 USDT at 6 USDT a contract");
        let unknown = ladder(&one(&money, None).unwrap());
        assert_eq!(unknown, [("400000".into(), "0.020".into(), 40)]);
    }

    #[test]
    fn tiers_are_never_empty() {
        let bare = BTC.replace(r#""riskBaseVol":150000,"#, "");
        assert_eq!(ladder(&one(&bare, None).unwrap()), [("400000".into(), "0.004".into(), 200)]);
        let empty_custom =
            BTC.replace(r#""riskLimitMode":"INCREASE""#, r#""riskLimitMode":"CUSTOM","riskLimitCustom":[]"#);
        assert_eq!(one(&empty_custom, None).unwrap().tiers.len(), 1);
        let nothing = bare.replace(r#""maintenanceMarginRate":0.004,"#, "");
        assert!(one(&nothing, None).is_err());
    }

    #[test]
    fn a_list_leaves_out_what_nobody_asked_for_and_names_broken_ones_that_were_asked_for() {
        let btc = Symbol::new("BTC_USDT").unwrap();
        let broken = BTC.replace("BTC_USDT", "ETH_USDT").replace(r#""priceUnit":0.1"#, r#""priceUnit":0"#);
        let foreign = BTC.replace("BTC_USDT", "币安_USDT");
        let list = format!("[{foreign},{broken},{BTC}]");
        let raw: &RawValue = serde_json::from_str(&list).unwrap();
        let none = BTreeMap::new();
        assert_eq!(read_contracts(raw, &[], &none).unwrap().specs.len(), 1);
        assert_eq!(read_contracts(raw, std::slice::from_ref(&btc), &none).unwrap().specs[0].symbol, btc);
        let eth = Symbol::new("ETH_USDT").unwrap();
        let both = read_contracts(raw, &[btc, eth.clone()], &none).unwrap();
        assert_eq!((both.specs.len(), both.broken.len()), (1, 1), "a broken one spoils no other");
        assert_eq!(both.broken[0].0, eth);
        for json in ["null", "[1]", "{}", r#"[{"id":1}]"#] {
            assert!(read_contracts(serde_json::from_str(json).unwrap(), &[], &none).is_err(), "{json}");
        }
    }

    #[test]
    fn a_contract_that_interfaces_may_not_trade_is_not_enabled() {
        let closed = BTC.replace(r#""apiAllowed":true"#, r#""apiAllowed":false"#);
        assert!(!one(&closed, None).unwrap().enabled);
        assert!(one(&closed.replace(r#","apiAllowed":false"#, ""), None).unwrap().enabled, "unless it says so");
    }
}
