//! Margin arithmetic, mexc-contract-api.md section 9. Pure; the fair price decides, never the last.

use crate::model::{Decimal, Price, Qty, Usdt, add, div, mul, sub};

/// A position as the formulas see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub long: bool,
    /// Entry value E·Q: what was paid for what is held.
    pub entry_value: Usdt,
    /// Q in base units.
    pub qty: Qty,
    /// Margin that stands behind it: its own when isolated, the account's share when cross.
    pub margin: Usdt,
    /// Maintenance margin rate of its tier (m).
    pub mmr: Decimal,
    /// `liquidationFeeRate` (f).
    pub fee_rate: Decimal,
}

impl Exposure {
    fn sign(&self) -> Decimal {
        if self.long { Decimal::ONE } else { Decimal::NEGATIVE_ONE }
    }

    /// Unrealised profit d·(M−E)·Q.
    pub fn unrealised(&self, fair: Price) -> Usdt {
        (fair.notional(self.qty) - self.entry_value).times(self.sign())
    }

    /// Maintenance margin m·E·Q, on the entry value.
    pub fn maintenance(&self) -> Usdt {
        self.entry_value.times(self.mmr)
    }

    /// Liquidation fee f·P·Q at a price.
    pub fn fee(&self, price: Price) -> Usdt {
        price.notional(self.qty).times(self.fee_rate)
    }

    /// Whether it is liquidated at this fair price: margin + uPnL at or below maintenance + fee.
    pub fn liquidates(&self, fair: Price) -> bool {
        self.margin + self.unrealised(fair) <= self.maintenance() + self.fee(fair)
    }

    /// `marginRatio` as displayed: (m+f)·E·Q / (im+uPnL), 1 where it cannot be told apart from
    /// liquidation; cut to four decimals.
    pub fn ratio(&self, fair: Price) -> Decimal {
        let equity = self.margin + self.unrealised(fair);
        if equity <= Usdt::ZERO {
            return Decimal::ONE;
        }
        let need = self.maintenance() + self.fee(fair);
        div(need.0, equity.0).map_or(Decimal::ONE, |ratio| ratio.trunc_with_scale(4))
    }

    /// The fair price at which it is liquidated, cut to the tick; zero when no price does it.
    ///
    /// long `(E·Q·(1+m) − im) / (Q·(1−f))`, short `(E·Q·(1−m) + im) / (Q·(1+f))`.
    pub fn liquidation_price(&self, tick: Decimal) -> Price {
        let (top, bottom) = if self.long {
            let top = sub(mul(self.entry_value.0, add(Decimal::ONE, self.mmr)), self.margin.0);
            (top, mul(self.qty.0, sub(Decimal::ONE, self.fee_rate)))
        } else {
            let top = add(mul(self.entry_value.0, sub(Decimal::ONE, self.mmr)), self.margin.0);
            (top, mul(self.qty.0, add(Decimal::ONE, self.fee_rate)))
        };
        let price = div(top, bottom).unwrap_or_default().max(Decimal::ZERO);
        Price(crate::model::round_down(price, tick).unwrap_or(price))
    }

    /// The price at which the margin is used up, E − d·im/Q, on the side of the tick that loses no
    /// more than the margin.
    pub fn bankruptcy_price(&self, tick: Decimal) -> Price {
        let lost = sub(self.entry_value.0, mul(self.margin.0, self.sign()));
        let price = div(lost, self.qty.0).unwrap_or_default().max(Decimal::ZERO);
        let rounded =
            if self.long { crate::model::round_up(price, tick) } else { crate::model::round_down(price, tick) };
        Price(rounded.unwrap_or(price).max(tick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    fn btc(long: bool, entry: &str, contracts: u32, margin: Option<&str>, leverage: u32, mmr: &str) -> Exposure {
        let qty = Qty(Decimal::from(contracts) * d("0.0001"));
        let entry_value = Price(d(entry)).notional(qty);
        let margin = margin.map_or_else(|| Usdt(entry_value.0 / Decimal::from(leverage)), |m| Usdt(d(m)));
        Exposure { long, entry_value, qty, margin, mmr: d(mmr), fee_rate: d("0.0004") }
    }

    #[test]
    fn the_documented_samples_come_out_to_the_last_digit() {
        let cases = [
            (btc(true, "109777.5", 5, Some("27.444375"), 2, "0.001"), "55020.5"),
            (btc(true, "112449.5", 2, None, 2, "0.0006"), "56314.7"),
            (btc(true, "118272.2", 5, None, 20, "0.0006"), "112474.5"),
            // Not from the exchange's pages: 58105.69 and, by symmetry, 70390.39, cut to the tick.
            (btc(true, "64250.5", 20, None, 10, "0.004"), "58105.6"),
            (btc(false, "64250.5", 20, None, 10, "0.004"), "70390.3"),
        ];
        for (exposure, price) in cases {
            assert_eq!(exposure.liquidation_price(d("0.1")), Price(d(price)));
        }
    }

    #[test]
    fn liquidation_is_at_exactly_one_hundred_percent() {
        // Numbers whose liquidation price is exact: E·Q = 100, im = 10, m = 0.01, f = 0, Q = 1.
        let exposure = Exposure {
            long: true,
            entry_value: Usdt(d("100")),
            qty: Qty(d("1")),
            margin: Usdt(d("10")),
            mmr: d("0.01"),
            fee_rate: Decimal::ZERO,
        };
        assert_eq!(exposure.liquidation_price(d("0.01")), Price(d("91")));
        assert_eq!(exposure.ratio(Price(d("91"))), Decimal::ONE);
        assert!(exposure.liquidates(Price(d("91"))));
        assert!(!exposure.liquidates(Price(d("91.000001"))));
    }

    proptest! {
        #[test]
        fn the_price_and_the_rule_agree(
            long in any::<bool>(),
            entry in 1_000u32..900_000,
            contracts in 1u32..100_000,
            leverage in 2u32..100,
        ) {
            let tick = d("0.1");
            let entry = Decimal::new(i64::from(entry), 1);
            let qty = Qty(Decimal::from(contracts) * d("0.0001"));
            let entry_value = Price(entry).notional(qty);
            let margin = Usdt(entry_value.0 / Decimal::from(leverage));
            let e = Exposure { long, entry_value, qty, margin, mmr: d("0.004"), fee_rate: d("0.0004") };
            let price = e.liquidation_price(tick);
            // The displayed price is cut to the tick: one tick further in it must hold, one out not.
            let (inside, outside) = if long { (price.0, price.0 + tick) } else { (price.0 + tick, price.0) };
            prop_assert!(e.liquidates(Price(inside)));
            prop_assert!(!e.liquidates(Price(outside)) || outside == price.0);
            let bankrupt = e.bankruptcy_price(tick);
            prop_assert!(e.unrealised(bankrupt) >= -e.margin);
        }
    }
}
