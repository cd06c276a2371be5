//! What others do: a person in the exchange's own app, and the exchange itself.

use super::cancel::plain_request;
use super::order::{Category, Side, State};
use super::{Leg, Venue};
use crate::model::{Contracts, Usdt};
use crate::simulator::faults::{Fault, FaultKind, FaultSpec, Leg as FaultLeg};

impl Venue {
    /// Switches a fault on, or does at once what it describes. Answers its number.
    pub(super) fn switch_on(&mut self, spec: &FaultSpec) -> u64 {
        let id = self.next_fault;
        self.next_fault = self.next_fault.saturating_add(1);
        self.changed = true;
        match spec.kind {
            FaultKind::ManualClose => {
                for leg in self.legs(spec) {
                    self.close_by_market(&leg, spec.vol.map(Contracts));
                }
            }
            FaultKind::ManualOpen => self.open_by_market(spec),
            FaultKind::ManualCancel => self.cancel_by_hand(spec),
            FaultKind::ForcedLiquidation => {
                for leg in self.legs(spec) {
                    self.liquidate_isolated(&leg, true);
                }
            }
            FaultKind::Adl => {
                for leg in self.legs(spec) {
                    self.deleverage(&leg, spec.vol.map(Contracts));
                }
            }
            FaultKind::PriceJump => {
                let symbols: Vec<_> = spec.symbol.iter().cloned().collect();
                self.jump(&symbols, spec.percent.unwrap_or_default());
            }
            FaultKind::Transfer => {
                let amount = Usdt(spec.amount.unwrap_or_default());
                self.account.wallet += amount;
                self.account.deposits += amount;
                self.asset_changed = true;
            }
            _ => {
                let mut fault = Fault::new(id, spec.clone(), self.now);
                // A drop of the connections happens once unless it is said how long or how often.
                if spec.kind == FaultKind::WsDrop && spec.count.is_none() && spec.seconds.is_none() {
                    fault.spec.count = Some(1);
                }
                self.faults.retain(|_, old| old.is_on(self.now));
                self.faults.insert(id, fault);
                self.remember();
            }
        }
        id
    }

    fn legs(&self, spec: &FaultSpec) -> Vec<Leg> {
        let wanted = |leg: &&Leg| {
            spec.symbol.as_ref().is_none_or(|symbol| *symbol == leg.0)
                && spec.side.is_none_or(|side| (side == FaultLeg::Long) == leg.1)
        };
        self.positions.keys().filter(wanted).cloned().collect()
    }

    fn open_by_market(&mut self, spec: &FaultSpec) {
        let (Some(symbol), Some(vol)) = (spec.symbol.clone(), spec.vol) else { return };
        let Some(market) = self.markets.get(&symbol) else { return };
        let price = market.last;
        let leg: Leg = (symbol, spec.side != Some(FaultLeg::Short));
        let cross = self.positions.get(&leg).is_some_and(|held| held.cross);
        let leverage = self.positions.get(&leg).map(|held| held.leverage).or(spec.leverage).or(Some(3));
        let request = super::Request {
            leverage,
            reduce_only: false,
            ..plain_request(&leg, Side::opening(leg.1), Contracts(vol), cross)
        };
        let id = self.system_order(&request, price, Category::Normal);
        self.execute(id);
    }

    fn cancel_by_hand(&mut self, spec: &FaultSpec) {
        let ids = self.working(spec.symbol.as_ref());
        for id in ids {
            let named = spec.order.as_ref().is_none_or(|name| {
                *name == id.to_string() || self.orders.get(&id).is_some_and(|order| order.external == *name)
            });
            if named {
                self.finish(id, State::Cancelled, 0);
            }
        }
    }
}
