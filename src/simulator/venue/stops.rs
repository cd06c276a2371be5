//! Take-profit and stop-loss orders: attached to an entry, or placed for a position. They reduce
//! only, and go at the market when their price is reached.

use super::cancel::plain_request;
use super::order::{Category, Side};
use super::{Leg, Refusal, Venue};
use crate::model::{Contracts, Price, Symbol, VenueTime};
use crate::simulator::json::Object;
use crate::simulator::market::{Market, Trend};

/// MEXC's states of a triggered order.
const WAITING: i64 = 1;
const CANCELLED: i64 = 2;
const EXECUTED: i64 = 3;

/// A protective order.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "a stop-loss is what everybody calls it")]
pub struct Stop {
    pub id: u64,
    /// The entry that it came with; 0 when placed on its own.
    pub order: u64,
    pub position: u64,
    pub leg: Leg,
    pub vol: Contracts,
    pub stop_loss: Option<Price>,
    pub take_profit: Option<Price>,
    pub loss_trend: i64,
    pub profit_trend: i64,
    pub state: i64,
    /// The order that it became.
    pub became: u64,
    pub created: VenueTime,
    pub updated: VenueTime,
    pub version: u64,
}

impl Stop {
    pub fn is_waiting(&self) -> bool {
        self.state == WAITING
    }

    /// Whether a price is reached, and which: the stop-loss first.
    fn reached(&self, market: &Market) -> Option<&'static str> {
        let long = self.leg.1;
        let loss = market.trend(trend(self.loss_trend));
        let profit = market.trend(trend(self.profit_trend));
        if self.stop_loss.is_some_and(|stop| if long { loss <= stop } else { loss >= stop }) {
            return Some("STOP_LOSS");
        }
        let hit = self.take_profit.is_some_and(|stop| if long { profit >= stop } else { profit <= stop });
        hit.then_some("TAKE_PROFIT")
    }

    /// The object of `stoporder/list/orders` and of its push.
    pub fn to_json(&self) -> String {
        Object::new()
            .text("id", &self.id.to_string())
            .text("orderId", &self.order.to_string())
            .text("symbol", self.leg.0.as_str())
            .text("positionId", &self.position.to_string())
            .maybe("stopLossPrice", self.stop_loss.map(|p| p.0))
            .maybe("takeProfitPrice", self.take_profit.map(|p| p.0))
            .plain("lossTrend", self.loss_trend)
            .plain("profitTrend", self.profit_trend)
            .plain("state", self.state)
            .plain("positionType", if self.leg.1 { 1 } else { 2 })
            .number("vol", self.vol.0)
            .number("takeProfitVol", self.vol.0)
            .number("stopLossVol", self.vol.0)
            .text("placeOrderId", &self.became.to_string())
            .plain("version", self.version)
            .plain("isFinished", i32::from(!self.is_waiting()))
            .plain("createTime", self.created.millis())
            .plain("updateTime", self.updated.millis())
            .build()
    }
}

fn trend(code: i64) -> Trend {
    match code {
        2 => Trend::Fair,
        3 => Trend::Index,
        _ => Trend::Last,
    }
}

impl Venue {
    /// The protective prices of an entry guard what it has filled.
    pub(super) fn attach_stops(&mut self, order: u64, position: u64, filled: Contracts) {
        let Some(entry) = self.orders.get(&order) else { return };
        let request = &entry.request;
        if request.stop_loss.is_none() && request.take_profit.is_none() {
            return;
        }
        if let Some(stop) = self.stops.values_mut().find(|stop| stop.order == order && stop.is_waiting()) {
            stop.vol += filled;
            let id = stop.id;
            return self.touch_stop(id);
        }
        let stop = Stop {
            id: 0,
            order,
            position,
            leg: (request.symbol.clone(), request.side.is_buy()),
            vol: filled,
            stop_loss: request.stop_loss,
            take_profit: request.take_profit,
            loss_trend: request.loss_trend,
            profit_trend: request.profit_trend,
            state: WAITING,
            became: 0,
            created: self.stamp(),
            updated: self.stamp(),
            version: 0,
        };
        let data = Object::new()
            .text("symbol", stop.leg.0.as_str())
            .plain("orderId", order)
            .plain("lossTrend", stop.loss_trend)
            .plain("profitTrend", stop.profit_trend)
            .maybe("stopLossPrice", stop.stop_loss.map(|p| p.0))
            .maybe("takeProfitPrice", stop.take_profit.map(|p| p.0))
            .build();
        let symbol = stop.leg.0.clone();
        self.add_stop(stop);
        self.push("push.personal.stop.order", "stop.order", Some(&symbol), data);
    }

    fn add_stop(&mut self, mut stop: Stop) -> u64 {
        let id = self.next_order;
        self.next_order = self.next_order.saturating_add(1);
        stop.id = id;
        self.stops.insert(id, stop);
        self.touch_stop(id);
        id
    }

    fn touch_stop(&mut self, id: u64) {
        let now = self.stamp();
        let Some(stop) = self.stops.get_mut(&id) else { return };
        stop.version = stop.version.saturating_add(1);
        stop.updated = now;
        let (data, symbol) = (stop.to_json(), stop.leg.0.clone());
        self.push("push.personal.stop.planorder", "stop.planorder", Some(&symbol), data);
    }

    fn end_stop(&mut self, id: u64, state: i64, became: u64) {
        if let Some(stop) = self.stops.get_mut(&id).filter(|stop| stop.is_waiting()) {
            stop.state = state;
            stop.became = became;
            self.touch_stop(id);
        }
    }

    /// Sends the protective orders whose price is reached.
    pub(super) fn trigger_stops(&mut self) {
        let due: Vec<(u64, &'static str)> = self
            .stops
            .values()
            .filter(|stop| stop.is_waiting())
            .filter_map(|stop| Some((stop.id, stop.reached(self.markets.get(&stop.leg.0)?)?)))
            .collect();
        for (id, which) in due {
            let Some(stop) = self.stops.get(&id).filter(|stop| stop.is_waiting()).cloned() else { continue };
            let Some(held) = self.positions.get(&stop.leg).filter(|held| held.id == stop.position) else {
                self.end_stop(id, CANCELLED, 0);
                continue;
            };
            let vol = stop.vol.min(held.hold);
            let external = Some(format!("stoporder_{which}_{id}")).map(|text| text.chars().take(32).collect());
            let request =
                super::Request { external, ..plain_request(&stop.leg, Side::closing(stop.leg.1), vol, held.cross) };
            let price = self.markets.get(&stop.leg.0).map_or(Price::ZERO, |market| market.last);
            let order = self.system_order(&request, price, Category::Normal);
            self.end_stop(id, EXECUTED, order);
            self.execute(order);
        }
    }

    /// A position is gone: what guarded it goes too.
    pub(super) fn drop_stops_of(&mut self, position: u64) {
        let ids: Vec<u64> =
            self.stops.values().filter(|s| s.position == position && s.is_waiting()).map(|s| s.id).collect();
        for id in ids {
            self.end_stop(id, CANCELLED, 0);
        }
    }

    pub(super) fn place_stop(
        &mut self,
        position: u64,
        vol: Contracts,
        (stop_loss, take_profit): (Option<Price>, Option<Price>),
        trend: i64,
    ) -> Result<u64, Refusal> {
        let leg = self.leg_of(position).ok_or_else(|| Refusal::of(2009))?;
        if stop_loss.is_none() && take_profit.is_none() {
            return Err(Refusal::of(5001));
        }
        let held = self.positions.get(&leg).map_or(Contracts::ZERO, |held| held.hold);
        if vol > held || !vol.is_positive() {
            return Err(Refusal::of(5004));
        }
        self.check_stop_prices(&leg, (stop_loss, take_profit), trend)?;
        Ok(self.add_stop(Stop {
            id: 0,
            order: 0,
            position,
            leg,
            vol,
            stop_loss,
            take_profit,
            loss_trend: trend,
            profit_trend: trend,
            state: WAITING,
            became: 0,
            created: self.stamp(),
            updated: self.stamp(),
            version: 0,
        }))
    }

    /// A stop on the wrong side of the price would go at once: 5003.
    fn check_stop_prices(
        &self,
        leg: &Leg,
        (loss, profit): (Option<Price>, Option<Price>),
        trend_code: i64,
    ) -> Result<(), Refusal> {
        let Some(market) = self.markets.get(&leg.0).filter(|_| self.rules >= 2) else { return Ok(()) };
        let now = market.trend(trend(trend_code));
        let wrong =
            |stop: Option<Price>, below: bool| stop.is_some_and(|stop| if below { stop >= now } else { stop <= now });
        if wrong(loss, leg.1) || wrong(profit, !leg.1) { Err(Refusal::of(5003)) } else { Ok(()) }
    }

    pub(super) fn change_stop(&mut self, id: u64, loss: Option<Price>, profit: Option<Price>) -> Result<(), Refusal> {
        if loss.is_none() && profit.is_none() {
            return Err(Refusal::of(5001));
        }
        let stop = self.stops.get(&id).filter(|stop| stop.is_waiting()).ok_or_else(|| Refusal::of(5002))?;
        self.check_stop_prices(&stop.leg.clone(), (loss, profit), stop.loss_trend)?;
        let stop = self.stops.get_mut(&id).ok_or_else(|| Refusal::of(5002))?;
        stop.stop_loss = loss;
        stop.take_profit = profit;
        self.touch_stop(id);
        Ok(())
    }

    pub(super) fn cancel_stops(&mut self, ids: &[u64]) -> Result<(), Refusal> {
        if !ids.iter().all(|id| self.stops.get(id).is_some_and(Stop::is_waiting)) {
            return Err(Refusal::of(5002));
        }
        for id in ids {
            self.end_stop(*id, CANCELLED, 0);
        }
        Ok(())
    }

    pub(super) fn cancel_all_stops(&mut self, symbol: Option<&Symbol>) {
        let waiting = self.stops.values().filter(|s| s.is_waiting() && symbol.is_none_or(|symbol| *symbol == s.leg.0));
        let ids: Vec<u64> = waiting.map(|stop| stop.id).collect();
        for id in ids {
            self.end_stop(id, CANCELLED, 0);
        }
    }
}
