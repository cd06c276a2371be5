//! Cancelling and amending orders.

use super::command::{Answer, ItemResult};
use super::order::{Category, Kind, Request, Side, State};
use super::{Leg, Refusal, Venue};
use crate::model::{Contracts, Price, Symbol, Usdt};
use crate::simulator::faults::{Fault, FaultKind};
use crate::simulator::market::Noise;

impl Venue {
    /// Ends an order in a state, with an order-level error code.
    pub(super) fn finish(&mut self, id: u64, state: State, error: i64) {
        let now = self.stamp();
        let Some(order) = self.orders.get_mut(&id).filter(|order| order.state.is_open()) else { return };
        order.state = state;
        order.error = error;
        order.frozen = Usdt::ZERO;
        order.version = order.version.saturating_add(1);
        order.updated = now;
        self.asset_changed = true;
        self.forget_open(id);
        self.tell_order(id);
    }

    /// Takes an order out of the working ones.
    pub(super) fn forget_open(&mut self, id: u64) {
        let Some(symbol) = self.orders.get(&id).map(|order| order.request.symbol.clone()) else { return };
        if let Some(open) = self.open.get_mut(&symbol) {
            open.remove(&id);
            if open.is_empty() {
                self.open.remove(&symbol);
            }
        }
    }

    pub(super) fn cancel_ids(&mut self, path: &str, ids: &[u64]) -> Answer {
        let results = ids.iter().map(|id| ItemResult { id: *id, external: None, code: self.cancel_item(path, *id) });
        Answer::Items(results.collect())
    }

    pub(super) fn cancel_external(&mut self, path: &str, orders: &[(Symbol, String)]) -> Answer {
        let mut results = Vec::with_capacity(orders.len());
        for (symbol, external) in orders {
            let ids = self.by_external.get(&(symbol.clone(), external.clone())).cloned().unwrap_or_default();
            let open = ids.iter().copied().find(|id| self.orders.get(id).is_some_and(|o| o.state.is_open()));
            let id = open.or(ids.last().copied());
            let code = if let Some(id) = id {
                self.cancel_item(path, id)
            } else {
                self.note(path, Some(symbol.clone()), external, None, "refused 2040");
                2040
            };
            results.push(ItemResult { id: id.unwrap_or_default(), external: Some(external.clone()), code });
        }
        Answer::Items(results)
    }

    /// One of several in a request: a fault may fail it alone.
    fn cancel_item(&mut self, path: &str, id: u64) -> i64 {
        let Some(code) = self.failing_cancel(id) else { return self.cancel_one(path, id) };
        let known = self.orders.get(&id).map(|order| (order.request.symbol.clone(), order.external.clone()));
        let (symbol, external) = known.unzip();
        self.note(path, symbol, &external.unwrap_or_default(), Some(id), &format!("refused {code}"));
        code
    }

    /// The code with which a fault fails the cancel of an order; counts it.
    fn failing_cancel(&mut self, id: u64) -> Option<i64> {
        let order = self.orders.get(&id);
        let on = |fault: &&Fault| {
            let chance = fault.spec.probability.is_none_or(|p| Noise::new(self.seed ^ fault.id, id).uniform() < p);
            fault.spec.kind == FaultKind::CancelItem
                && fault.is_on(self.now)
                && fault.spec.is_about(id, order)
                && chance
        };
        let fault = self.faults.values().find(on)?.id;
        let fault = self.faults.get_mut(&fault)?;
        fault.fired = fault.fired.saturating_add(1);
        fault.spec.code
    }

    fn cancel_one(&mut self, path: &str, id: u64) -> i64 {
        let known = self.orders.get(&id).map(|o| (o.state.is_open(), o.request.symbol.clone(), o.external.clone()));
        let (code, symbol, external) = match known {
            Some((true, symbol, external)) => {
                self.finish(id, State::Cancelled, 0);
                (0, Some(symbol), external)
            }
            Some((false, symbol, external)) => (2041, Some(symbol), external),
            None => (2040, None, String::new()),
        };
        let outcome = if code == 0 { "cancelled".to_owned() } else { format!("refused {code}") };
        self.note(path, symbol, &external, Some(id), &outcome);
        code
    }

    /// Cancels all working orders of a contract, or all.
    pub(super) fn cancel_all(&mut self, path: &str, symbol: Option<&Symbol>) {
        let ids: Vec<u64> = self.working(symbol);
        for id in ids {
            self.cancel_one(path, id);
        }
    }

    /// The ids of all working orders of a contract, or of all.
    pub fn working(&self, symbol: Option<&Symbol>) -> Vec<u64> {
        let all = self.open.iter().filter(|(of, _)| symbol.is_none_or(|symbol| symbol == *of));
        all.flat_map(|(_, ids)| ids.iter().copied()).collect()
    }

    /// Another price and size for a resting limit order: it dies and a new one takes its place.
    pub(super) fn amend(&mut self, path: &str, id: u64, price: Price, vol: Contracts) -> Result<Answer, Refusal> {
        let order = self.orders.get(&id).ok_or_else(|| Refusal::of(2040))?;
        if !order.state.is_open() || order.request.kind.is_market() {
            return Err(Refusal::of(2041));
        }
        let request = Request { price: Some(price), vol, external: None, ..order.request.clone() };
        self.finish(id, State::Cancelled, 0);
        self.place(path, &request, None)
    }

    /// A market order for every position.
    pub(super) fn close_all(&mut self, path: &str) {
        let legs: Vec<Leg> = self.positions.keys().cloned().collect();
        for leg in legs {
            for id in self.working(Some(&leg.0)) {
                self.finish(id, State::Cancelled, 8);
            }
            let id = self.close_by_market(&leg, None);
            self.note(path, Some(leg.0.clone()), "", id, "accepted");
        }
    }

    /// Closes a leg, or a part of it, as a person does: at the market, under no client id of ours.
    pub(super) fn close_by_market(&mut self, leg: &Leg, vol: Option<Contracts>) -> Option<u64> {
        let position = self.positions.get(leg)?;
        let vol = vol.map_or(position.hold, |vol| vol.min(position.hold));
        let request = plain_request(leg, Side::closing(leg.1), vol, position.cross);
        let price = self.markets.get(&leg.0)?.last;
        let id = self.system_order(&request, price, Category::Normal);
        self.execute(id);
        Some(id)
    }
}

/// A bare market order.
pub(super) fn plain_request(leg: &Leg, side: Side, vol: Contracts, cross: bool) -> Request {
    Request {
        symbol: leg.0.clone(),
        side,
        kind: Kind::Market,
        price: None,
        vol,
        cross,
        leverage: None,
        external: None,
        position_mode: None,
        position_id: None,
        reduce_only: !side.opens(),
        stop_loss: None,
        take_profit: None,
        loss_trend: 1,
        profit_trend: 1,
    }
}
