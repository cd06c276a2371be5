//! What a new order is checked for before it gets an id (mexc-contract-api.md section 8.1).

use super::order::{Order, Request};
use super::{Leg, Refusal, Venue};
use crate::model::{Contracts, Decimal, Price, Symbol, Usdt, add, mul, sub};
use crate::simulator::market::Market;

/// Longest client order id.
const LONGEST_OID: usize = 32;

/// What the checks found out about an order.
pub struct Measured {
    pub leverage: u32,
    /// Its limit; for market orders the price it is measured at.
    pub price: Price,
    /// Margin that it holds back.
    pub frozen: Usdt,
    pub position_id: u64,
}

impl Venue {
    /// Whether an order may be accepted, and what it takes.
    pub(super) fn check(&self, request: &Request) -> Result<Measured, Refusal> {
        let market = self.markets.get(&request.symbol).ok_or_else(|| Refusal::of(1001))?;
        if !market.instrument.api_allowed {
            return Err(Refusal::of(1002));
        }
        check_size(request, market)?;
        let price = check_price(request, market)?;
        let other_mode = request.position_mode.is_some_and(|mode| mode != 0 && mode != self.account.mode);
        if other_mode && self.rules >= 2 {
            return Err(Refusal::of(7002));
        }
        if request.external.as_ref().is_some_and(|id| id.chars().count() > LONGEST_OID) {
            return Err(Refusal::of(2030));
        }
        if self.open.get(&request.symbol).is_some_and(|open| open.len() >= market.instrument.max_orders) {
            return Err(Refusal::of(2036));
        }
        check_stops(request, price)?;
        let leverage = self.check_leverage(request, market)?;
        let closes = self.closes(request);
        let mut position_id = 0;
        if let Some(leg) = &closes {
            let held = self.positions.get(leg);
            if request.reduce_only || !request.side.opens() {
                let position = held.ok_or_else(|| Refusal::of(2009))?;
                if request.position_id.is_some_and(|id| id != position.id) {
                    return Err(Refusal::of(2009));
                }
                if request.cross != position.cross && self.rules >= 3 {
                    return Err(Refusal::of(2027));
                }
                if request.vol > position.hold - self.frozen_vol(leg) {
                    return Err(Refusal::of(2008));
                }
            }
            position_id = held.map_or(0, |position| position.id);
            if self.rules >= 2 {
                self.check_liquidation(request, market, leg)?;
            }
        }
        let opening = self.opening_part(request, closes.as_ref());
        let frozen = Order::margin_for(&market.instrument, price, opening, leverage);
        if opening.is_positive() {
            self.check_risk_limit(request, market, leverage, opening)?;
            if frozen > self.available() {
                return Err(Refusal::of(2005));
            }
        }
        Ok(Measured { leverage, price, frozen, position_id })
    }

    /// No close is filled beyond the position's liquidation price: a market order whose worst fill
    /// would lie there is refused (2078), and so is a limit that names such a price (2032, 2033).
    fn check_liquidation(&self, request: &Request, market: &Market, leg: &Leg) -> Result<(), Refusal> {
        let Some(held) = self.positions.get(leg) else { return Ok(()) };
        let line = self.liquidation_price(leg);
        if !line.is_positive() {
            return Ok(());
        }
        let beyond = |price: Price| if leg.1 { price <= line } else { price >= line };
        if request.kind.is_market() {
            let vol = request.vol.min(held.hold);
            let worst = market.book.worst(request.side.is_buy(), vol, market_limit(market, request.side.is_buy()));
            return if worst.is_some_and(beyond) { Err(Refusal::of(2078)) } else { Ok(()) };
        }
        if request.price.is_some_and(beyond) {
            return Err(Refusal::of(if leg.1 { 2032 } else { 2033 }));
        }
        Ok(())
    }

    /// The leg that an order closes or reduces, when it does.
    pub(super) fn closes(&self, request: &Request) -> Option<Leg> {
        if self.account.mode == 1 {
            return (!request.side.opens()).then(|| (request.symbol.clone(), request.side.leg_is_long()));
        }
        let opposite = (request.symbol.clone(), !request.side.is_buy());
        let reduces = request.reduce_only || !request.side.opens() || self.positions.contains_key(&opposite);
        reduces.then_some(opposite)
    }

    /// How much of an order opens: all of it, none of it, or in one-way mode what is left after the
    /// opposite position is closed.
    pub(super) fn opening_part(&self, request: &Request, closes: Option<&Leg>) -> Contracts {
        let Some(leg) = closes else { return request.vol };
        if request.reduce_only || !request.side.opens() {
            return Contracts::ZERO;
        }
        let held = self.positions.get(leg).map_or(Contracts::ZERO, |position| position.hold);
        (request.vol - held).max(Contracts::ZERO)
    }

    /// Contracts of a leg that resting close orders have reserved. A change of this alone pushes no
    /// position: nothing on record shows such a push, so whoever needs it has to read.
    pub fn frozen_vol(&self, leg: &Leg) -> Contracts {
        let orders = self.open.get(&leg.0).into_iter().flatten().filter_map(|id| self.orders.get(id));
        orders
            .filter(|order| self.closes(&order.request).as_ref() == Some(leg))
            .filter(|order| order.request.reduce_only || !order.request.side.opens())
            .map(Order::remaining)
            .sum()
    }

    fn check_leverage(&self, request: &Request, market: &Market) -> Result<u32, Refusal> {
        let (symbol, long) = (&request.symbol, request.side.leg_is_long());
        let held = self.positions.get(&(symbol.clone(), long));
        let usual = held.map_or_else(|| self.account.leverage_of(symbol, long, request.cross), |p| p.leverage);
        if !request.side.opens() {
            return Ok(usual);
        }
        let leverage = match request.leverage {
            Some(leverage) => leverage,
            None if request.cross => usual,
            None => return Err(Refusal::of(2006)),
        };
        if leverage == 0 || leverage > market.instrument.max_leverage {
            return Err(Refusal::of(2006));
        }
        if let Some(position) = held {
            if position.cross != request.cross {
                return Err(Refusal::of(2027));
            }
            if position.leverage != leverage {
                return Err(Refusal::of(2021));
            }
        }
        Ok(leverage)
    }

    fn check_risk_limit(
        &self,
        request: &Request,
        market: &Market,
        leverage: u32,
        opening: Contracts,
    ) -> Result<(), Refusal> {
        let long = request.side.is_buy();
        let held = self.positions.get(&(request.symbol.clone(), long)).map_or(Contracts::ZERO, |p| p.hold);
        let working: Contracts = self
            .open_of(&request.symbol)
            .filter(|order| order.request.side.opens() && order.request.side.is_buy() == long)
            .map(Order::remaining)
            .sum();
        if held + working + opening > market.instrument.cap_at(leverage) {
            return Err(Refusal::of(2031));
        }
        Ok(())
    }

    /// The working orders of a contract, oldest first.
    pub fn open_of(&self, symbol: &Symbol) -> impl Iterator<Item = &Order> {
        self.open.get(symbol).into_iter().flatten().filter_map(|id| self.orders.get(id))
    }
}

fn check_size(request: &Request, market: &Market) -> Result<(), Refusal> {
    let vol = request.vol;
    if !vol.0.fract().is_zero() {
        return Err(Refusal::of(if vol.0 < Decimal::ONE { 2011 } else { 2015 }));
    }
    if vol < market.instrument.min_vol {
        return Err(Refusal::of(2011));
    }
    let most = if request.kind.is_market() { market.instrument.max_vol } else { market.instrument.limit_max_vol };
    if vol > most {
        return Err(Refusal::of(2028));
    }
    Ok(())
}

fn check_price(request: &Request, market: &Market) -> Result<Price, Refusal> {
    let buy = request.side.is_buy();
    let (highest, lowest) = market.band();
    if request.kind.is_market() {
        // Measured at the best price; the fill may reach a little further.
        return Ok(market.book.best(buy).unwrap_or(market.last));
    }
    let price = request.price.filter(|price| price.is_positive()).ok_or_else(|| Refusal::of(2007))?;
    if crate::model::round_down(price.0, market.instrument.tick) != Some(price.0.normalize()) {
        return Err(Refusal::of(2015));
    }
    if buy && price > highest {
        return Err(Refusal::of(2003));
    }
    if !buy && price < lowest {
        return Err(Refusal::of(2004));
    }
    Ok(price)
}

fn check_stops(request: &Request, price: Price) -> Result<(), Refusal> {
    if !request.side.opens() {
        return Ok(());
    }
    let long = request.side.is_buy();
    let beyond = |stop: Price, below: bool| stop.is_positive() && (stop < price) == below && stop != price;
    let loss_fits = request.stop_loss.is_none_or(|stop| beyond(stop, long));
    let profit_fits = request.take_profit.is_none_or(|stop| beyond(stop, !long));
    if loss_fits && profit_fits { Ok(()) } else { Err(Refusal::of(5003)) }
}

/// How far from the best price a market order may be filled.
pub(super) fn market_limit(market: &Market, buy: bool) -> Price {
    let best = market.book.best(buy).unwrap_or(market.last).0;
    let width = market.instrument.market_band;
    let factor = if buy { add(Decimal::ONE, width) } else { sub(Decimal::ONE, width) };
    Price(mul(best, factor))
}
