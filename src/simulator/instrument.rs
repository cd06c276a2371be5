//! The contracts that are traded, with the specifications that MEXC publishes for them.

use std::collections::BTreeMap;

use super::scenario::MarketParams;
use crate::model::{Contracts, Decimal, Price, Qty, Symbol, Usdt, div, mul};

/// One step of the risk ladder (mexc-contract-api.md section 9, mode INCREASE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    pub level: u32,
    /// Largest position of this tier.
    pub max_vol: Contracts,
    /// Maintenance margin rate.
    pub mmr: Decimal,
    /// Initial margin rate.
    pub imr: Decimal,
    pub max_leverage: u32,
}

/// A contract's specification.
#[derive(Clone, Debug)]
pub struct Instrument {
    pub id: u32,
    pub symbol: Symbol,
    pub base: &'static str,
    /// Base units of one contract.
    pub contract_size: Decimal,
    /// Price step (`priceUnit`).
    pub tick: Decimal,
    pub price_scale: u32,
    /// Decimals of displayed amounts; values are cut to it.
    pub amount_scale: u32,
    pub min_vol: Contracts,
    /// Largest market order.
    pub max_vol: Contracts,
    /// Largest limit order.
    pub limit_max_vol: Contracts,
    /// Whether orders by the API are allowed at all.
    pub api_allowed: bool,
    pub max_leverage: u32,
    /// What an order by the API pays.
    pub taker_fee: Decimal,
    pub maker_fee: Decimal,
    /// What the contract's details show.
    pub list_taker_fee: Decimal,
    pub list_maker_fee: Decimal,
    pub liquidation_fee: Decimal,
    /// Width of the price band around the index.
    pub band: Decimal,
    /// How far from the best price a market order may be filled.
    pub market_band: Decimal,
    pub max_orders: usize,
    pub risk_base_vol: u32,
    pub risk_incr_vol: u32,
    pub mmr: Decimal,
    pub imr: Decimal,
    pub tiers: Vec<Tier>,
    /// Where a synthetic market starts unless the scenario says otherwise.
    pub usual_price: Price,
}

impl Instrument {
    /// Base units of so many contracts.
    pub fn qty(&self, vol: Contracts) -> Qty {
        vol.to_qty(self.contract_size)
    }

    /// What so many contracts are worth at a price.
    pub fn value(&self, price: Price, vol: Contracts) -> Usdt {
        price.notional(self.qty(vol))
    }

    /// The tier of a position of this size; the last one beyond the ladder.
    pub fn tier(&self, vol: Contracts) -> Option<&Tier> {
        self.tiers.iter().find(|tier| vol <= tier.max_vol).or(self.tiers.last())
    }

    /// The largest position that a leverage allows.
    pub fn cap_at(&self, leverage: u32) -> Contracts {
        let allowed = self.tiers.iter().filter(|tier| tier.max_leverage >= leverage);
        allowed.map(|tier| tier.max_vol).max().unwrap_or(Contracts::ZERO)
    }

    /// The limits that a scenario sets for it, and the fees that orders by the API pay.
    pub fn arrange(&mut self, params: &MarketParams, rules: u32) {
        self.charge(rules);
        if let Some(vol) = params.max_vol {
            self.max_vol = vol;
        }
        // BTC_USDT: 400,000 and 2,500,000.
        let wider = Contracts(mul(self.max_vol.0, Decimal::new(625, 2)).trunc());
        self.limit_max_vol = params.limit_max_vol.unwrap_or(if rules < 2 { self.max_vol } else { wider });
        self.max_orders = params.max_orders.unwrap_or(self.max_orders);
        self.api_allowed = params.api_allowed;
    }

    /// The fees that orders by the API pay: above the listed ones since 2026-06-01.
    fn charge(&mut self, rules: u32) {
        let (taker, maker) = if rules < 2 { LIST_FEES } else { API_FEES };
        (self.taker_fee, self.maker_fee) = (fixed(taker), fixed(maker));
    }

    /// A price on the grid, towards zero.
    pub fn on_tick(&self, price: Decimal) -> Price {
        Price(crate::model::round_down(price, self.tick).unwrap_or(price))
    }
}

/// Taker and maker fee of the contract list.
const LIST_FEES: (&str, &str) = ("0.0006", "0.0002");
/// Taker and maker fee of orders by the API.
const API_FEES: (&str, &str) = ("0.0008", "0.0006");

struct Spec {
    id: u32,
    base: &'static str,
    size: &'static str,
    tick: &'static str,
    price_scale: u32,
    max_vol: u32,
    mmr: &'static str,
    imr: &'static str,
    risk_vol: u32,
    price: &'static str,
}

const SPECS: [Spec; 5] = [
    Spec {
        id: 10,
        base: "BTC",
        size: "0.0001",
        tick: "0.1",
        price_scale: 1,
        max_vol: 400_000,
        mmr: "0.004",
        imr: "0.005",
        risk_vol: 150_000,
        price: "64250",
    },
    Spec {
        id: 11,
        base: "ETH",
        size: "0.01",
        tick: "0.01",
        price_scale: 2,
        max_vol: 120_000,
        mmr: "0.004",
        imr: "0.005",
        risk_vol: 40_000,
        price: "3150",
    },
    Spec {
        id: 77,
        base: "SOL",
        size: "0.1",
        tick: "0.01",
        price_scale: 2,
        max_vol: 60_000,
        mmr: "0.005",
        imr: "0.01",
        risk_vol: 20_000,
        price: "182",
    },
    Spec {
        id: 14,
        base: "XRP",
        size: "1",
        tick: "0.0001",
        price_scale: 4,
        max_vol: 1_200_000,
        mmr: "0.005",
        imr: "0.01",
        risk_vol: 300_000,
        price: "1.12",
    },
    Spec {
        id: 29,
        base: "DOGE",
        size: "100",
        tick: "0.00001",
        price_scale: 5,
        max_vol: 90_000,
        mmr: "0.005",
        imr: "0.01",
        risk_vol: 25_000,
        price: "0.1840",
    },
];

/// How many tiers every ladder has (`riskLevelLimit`).
pub const TIERS: u32 = 5;

fn fixed(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap_or_default()
}

fn instrument(spec: &Spec) -> Option<Instrument> {
    let (mmr, imr) = (fixed(spec.mmr), fixed(spec.imr));
    let tiers = (1..=TIERS)
        .map(|level| {
            let step = Decimal::from(level);
            let imr = mul(imr, step);
            Tier {
                level,
                max_vol: Contracts(mul(Decimal::from(spec.risk_vol), step)),
                mmr: mul(mmr, step),
                imr,
                max_leverage: div(Decimal::ONE, imr).and_then(|l| u32::try_from(l.trunc()).ok()).unwrap_or(1),
            }
        })
        .collect::<Vec<_>>();
    Some(Instrument {
        id: spec.id,
        symbol: Symbol::new(&format!("{}_USDT", spec.base)).ok()?,
        base: spec.base,
        contract_size: fixed(spec.size),
        tick: fixed(spec.tick),
        price_scale: spec.price_scale,
        amount_scale: 4,
        min_vol: Contracts(Decimal::ONE),
        max_vol: Contracts(Decimal::from(spec.max_vol)),
        limit_max_vol: Contracts(Decimal::from(spec.max_vol)),
        api_allowed: true,
        max_leverage: tiers.first().map_or(1, |tier| tier.max_leverage),
        taker_fee: fixed(LIST_FEES.0),
        maker_fee: fixed(LIST_FEES.1),
        list_taker_fee: fixed(LIST_FEES.0),
        list_maker_fee: fixed(LIST_FEES.1),
        liquidation_fee: fixed("0.0004"),
        band: fixed("0.1"),
        market_band: fixed("0.05"),
        max_orders: 200,
        risk_base_vol: spec.risk_vol,
        risk_incr_vol: spec.risk_vol,
        mmr,
        imr,
        tiers,
        usual_price: Price(fixed(spec.price)),
    })
}

/// Every contract that the simulator knows, by symbol.
pub fn catalogue() -> BTreeMap<Symbol, Instrument> {
    SPECS.iter().filter_map(instrument).map(|instrument| (instrument.symbol.clone(), instrument)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_follow_the_documented_rule() {
        let all = catalogue();
        assert_eq!(all.len(), 5);
        let btc = &all[&Symbol::new("BTC_USDT").unwrap()];
        assert_eq!(btc.tiers.len(), 5);
        assert_eq!(btc.tiers[1].max_vol, Contracts(Decimal::from(300_000)));
        assert_eq!(btc.tiers[1].mmr, fixed("0.008"));
        assert_eq!(btc.tiers[1].max_leverage, 100);
        assert_eq!(btc.max_leverage, 200);
        assert_eq!(btc.cap_at(200), Contracts(Decimal::from(150_000)));
        assert_eq!(btc.cap_at(10), Contracts(Decimal::from(750_000)));
        assert_eq!(btc.tier(Contracts(Decimal::from(150_001))).unwrap().level, 2);
    }
}
