//! Leverage, margin and position mode.

use super::{Leg, Refusal, Venue};
use crate::model::{Decimal, Price, Symbol, Usdt, div};
use crate::simulator::json::Object;

impl Venue {
    /// The leg of a position by its id.
    pub fn leg_of(&self, position: u64) -> Option<Leg> {
        self.positions.iter().find(|(_, held)| held.id == position).map(|(leg, _)| leg.clone())
    }

    pub(super) fn change_leverage(
        &mut self,
        position: Option<u64>,
        symbol: Option<&Symbol>,
        cross: Option<bool>,
        long: Option<bool>,
        leverage: u32,
    ) -> Result<(), Refusal> {
        let leg = match (position, symbol, long) {
            (Some(id), _, _) => self.leg_of(id).ok_or_else(|| Refusal::of(2009))?,
            (None, Some(symbol), Some(long)) => (symbol.clone(), long),
            _ => {
                return Err(Refusal::new(600, "Parameter error: positionId, or symbol with openType and positionType"));
            }
        };
        let instrument = self.instrument(&leg.0).cloned().ok_or_else(|| Refusal::of(1001))?;
        if leverage == 0 || leverage > instrument.max_leverage {
            return Err(Refusal::of(2006));
        }
        let opening =
            self.open_of(&leg.0).any(|order| order.request.side.opens() && order.request.side.is_buy() == leg.1);
        if opening {
            return Err(Refusal::of(2019));
        }
        let mut cross = cross.unwrap_or(false);
        if let Some(held) = self.positions.get(&leg) {
            cross = held.cross;
            if held.hold > instrument.cap_at(leverage) {
                return Err(Refusal::of(2024));
            }
            let wanted = div(held.entry_value.0, Decimal::from(leverage)).unwrap_or(held.entry_value.0).round_dp(12);
            let change = Usdt(wanted) - held.margin;
            if change > self.available() {
                return Err(Refusal::of(2005));
            }
            self.keep_alive(&leg, change)?;
            if let Some(held) = self.positions.get_mut(&leg) {
                held.leverage = leverage;
                held.margin = Usdt(wanted);
                held.first_margin = Usdt(wanted);
            }
            self.touch_position(&leg);
        }
        self.account.leverage.insert((leg.0.clone(), leg.1, cross), leverage);
        self.changed = true;
        Ok(())
    }

    /// Refuses a change of an isolated margin that would liquidate the position at once.
    fn keep_alive(&self, leg: &Leg, change: Usdt) -> Result<(), Refusal> {
        let Some((held, market)) = self.positions.get(leg).zip(self.markets.get(&leg.0)) else { return Ok(()) };
        let mut exposure = held.exposure(&market.instrument);
        exposure.margin += change;
        let dies = !held.cross && change < Usdt::ZERO && exposure.liquidates(market.fair);
        if dies { Err(Refusal::of(2018)) } else { Ok(()) }
    }

    pub(super) fn change_mode(&mut self, mode: i64) -> Result<(), Refusal> {
        if !(1..=2).contains(&mode) {
            return Err(Refusal::new(600, "Parameter error: positionMode"));
        }
        if mode != self.account.mode && !(self.positions.is_empty() && self.open.is_empty()) {
            return Err(Refusal::of(2019));
        }
        self.account.mode = mode;
        let data = Object::new().plain("positionMode", mode).build();
        self.push("push.personal.position.mode", "position.mode", None, data);
        Ok(())
    }

    pub(super) fn change_margin(&mut self, position: u64, amount: Usdt) -> Result<(), Refusal> {
        let leg = self.leg_of(position).ok_or_else(|| Refusal::of(2009))?;
        let held = self.positions.get(&leg).ok_or_else(|| Refusal::of(2009))?;
        if held.cross || amount.is_zero() {
            return Err(Refusal::of(1004));
        }
        if amount > self.available() {
            return Err(Refusal::of(2005));
        }
        if (held.margin + amount) <= Usdt::ZERO {
            return Err(Refusal::of(2018));
        }
        self.keep_alive(&leg, amount)?;
        if let Some(held) = self.positions.get_mut(&leg) {
            held.margin += amount;
        }
        self.touch_position(&leg);
        Ok(())
    }

    pub(super) fn change_auto_margin(&mut self, position: u64, on: bool) -> Result<(), Refusal> {
        let leg = self.leg_of(position).ok_or_else(|| Refusal::of(2009))?;
        if let Some(held) = self.positions.get_mut(&leg) {
            held.auto_add = on;
        }
        self.touch_position(&leg);
        Ok(())
    }

    /// Where a leg would be liquidated.
    pub fn liquidation_price(&self, leg: &Leg) -> Price {
        let Some(position) = self.positions.get(leg) else { return Price::ZERO };
        let Some(market) = self.markets.get(&leg.0) else { return Price::ZERO };
        let exposure = self.exposure_of(position, &self.totals());
        exposure.map_or(Price::ZERO, |(exposure, _)| exposure.liquidation_price(market.instrument.tick))
    }
}
