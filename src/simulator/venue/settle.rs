//! The one place where fills move money and positions.

use super::order::{Category, Fill, Order, State};
use super::place::reason;
use super::position::{Position, PositionState};
use super::{FIRST_FILL, Leg, Venue};
use crate::model::{Contracts, Decimal, Price, Usdt, add, div, mul};
use crate::simulator::faults::{Fault, FaultKind};
use crate::simulator::instrument::Instrument;

/// What one unit of another fee currency is worth, in USDT.
const FEE_PRICE: Decimal = Decimal::TWO;

/// Digits that booked amounts keep.
const DIGITS: u32 = 12;

impl Venue {
    /// Fills a part of an order.
    pub(super) fn fill(&mut self, id: u64, price: Price, vol: Contracts, taker: bool) {
        let Some(order) = self.orders.get(&id) else { return };
        let Some(instrument) = self.instrument(&order.request.symbol).cloned() else { return };
        let request = order.request.clone();
        let category = order.category;
        let leg = if category == Category::Normal {
            self.closes(&request)
        } else {
            Some((request.symbol.clone(), request.side.leg_is_long()))
        };
        let held = leg.as_ref().and_then(|leg| self.positions.get(leg)).map_or(Contracts::ZERO, |p| p.hold);
        let closing = if leg.is_some() { vol.min(held) } else { Contracts::ZERO };
        let may_open = request.side.opens() && !request.reduce_only;
        let opening = if may_open { vol - closing } else { Contracts::ZERO };
        let done = closing + opening;
        if !done.is_positive() {
            return self.finish(id, State::Cancelled, reason::REDUCE_ONLY);
        }
        let currency = self.fee_currency().filter(|_| category == Category::Normal);
        let by_system = category != Category::Normal;
        let rate = match (by_system, taker) {
            (true, _) => Decimal::ZERO,
            (false, true) => instrument.taker_fee,
            (false, false) => instrument.maker_fee,
        };
        let fee = Usdt(mul(instrument.value(price, done).0, rate).round_dp(DIGITS));
        // Paid in something else, it is no part of this account's money.
        let shown =
            if currency.is_some() { Usdt(div(fee.0, FEE_PRICE).unwrap_or_default().round_dp(DIGITS)) } else { fee };
        let fee = if currency.is_some() { Usdt::ZERO } else { fee };
        self.deferred = Some(Vec::new());
        let (mut profit, mut position_id) = (Usdt::ZERO, 0);
        // The fee belongs to the legs by size; what the rounding leaves goes to the opening one.
        let mut fee_left = fee;
        if let Some(leg) = leg.filter(|_| closing.is_positive()) {
            let part = Usdt(div(mul(fee.0, closing.0), done.0).unwrap_or_default().round_dp(DIGITS));
            let part = if opening.is_zero() { fee } else { part };
            fee_left -= part;
            (position_id, profit) = self.close_part(&leg, &instrument, price, closing, part);
        }
        if opening.is_positive() {
            position_id = self.open_part(id, &instrument, price, opening, fee_left);
        }
        self.account.wallet += profit - fee;
        self.account.realised += profit;
        self.account.fees += fee;
        self.asset_changed = true;
        self.book_fill(id, &instrument, Booked { price, vol: done, fee: shown, currency, profit, taker, position_id });
        self.tell_deferred();
        if done < vol {
            self.finish(id, State::Cancelled, reason::REDUCE_ONLY);
        }
        self.after_fill(id, &request.symbol);
    }

    fn book_fill(&mut self, id: u64, instrument: &Instrument, booked: Booked) {
        let now = self.stamp();
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.filled += booked.vol;
        order.filled_value = add(order.filled_value, mul(booked.price.0, booked.vol.0));
        order.profit += booked.profit;
        if booked.taker {
            order.taker_fee += booked.fee;
        } else {
            order.maker_fee += booked.fee;
        }
        order.position_id = booked.position_id;
        order.fee_currency.clone_from(&booked.currency);
        if order.frozen.is_positive() {
            let needed = Order::margin_for(instrument, order.price, order.remaining(), order.leverage);
            order.frozen = needed.min(order.frozen);
        }
        if order.remaining().is_zero() {
            order.state = State::Filled;
            order.frozen = Usdt::ZERO;
        }
        order.version = order.version.saturating_add(1);
        order.updated = now;
        let fill = Fill {
            id: FIRST_FILL + u64::try_from(self.fills.len()).unwrap_or_default(),
            order: id,
            external: order.external.clone(),
            symbol: order.request.symbol.clone(),
            side: order.request.side,
            vol: booked.vol,
            price: booked.price,
            fee: booked.fee,
            fee_currency: booked.currency,
            profit: booked.profit,
            taker: booked.taker,
            category: order.category,
            position_id: booked.position_id,
            mode: order.mode,
            at: now,
        };
        let (ended, symbol) = (!order.state.is_open(), order.request.symbol.clone());
        if ended {
            self.forget_open(id);
        }
        let data = fill.to_json(true);
        self.fills_of.entry(id).or_default().push(self.fills.len());
        self.fills.push(fill);
        self.remember_fill();
        if !self.is_fill_lost(id) {
            self.push("push.personal.order.deal", "order.deal", Some(&symbol), data);
        }
        self.tell_order(id);
    }

    fn open_part(&mut self, id: u64, instrument: &Instrument, price: Price, vol: Contracts, fee: Usdt) -> u64 {
        let Some(order) = self.orders.get_mut(&id) else { return 0 };
        let (symbol, long, cross) = (order.request.symbol.clone(), order.request.side.is_buy(), order.request.cross);
        let leverage = order.leverage;
        let value = instrument.value(price, vol);
        let margin = Usdt(div(value.0, Decimal::from(leverage.max(1))).unwrap_or(value.0).round_dp(DIGITS));
        order.used_margin += margin;
        let leg: Leg = (symbol.clone(), long);
        let now = self.stamp();
        if !self.positions.contains_key(&leg) {
            let fresh = Position {
                id: self.next_position,
                symbol,
                long,
                cross,
                leverage,
                hold: Contracts::ZERO,
                entry_value: Usdt::ZERO,
                margin: Usdt::ZERO,
                first_margin: Usdt::ZERO,
                opened: Contracts::ZERO,
                opened_value: Usdt::ZERO,
                closed: Contracts::ZERO,
                closed_value: Usdt::ZERO,
                profit: Usdt::ZERO,
                fees: Usdt::ZERO,
                funding: Usdt::ZERO,
                state: PositionState::Holding,
                auto_add: false,
                liquidated: false,
                warned: false,
                shown_ratio: Decimal::ZERO,
                last_liquidation_price: Price::ZERO,
                version: 0,
                created: now,
                updated: now,
            };
            self.next_position = self.next_position.saturating_add(1);
            self.positions.insert(leg.clone(), fresh);
        }
        let Some(position) = self.positions.get_mut(&leg) else { return 0 };
        position.hold += vol;
        position.entry_value += value;
        position.margin += margin;
        position.first_margin += margin;
        position.opened += vol;
        position.opened_value += value;
        position.fees += fee;
        let position_id = position.id;
        self.attach_stops(id, position_id, vol);
        self.touch_position(&leg);
        position_id
    }

    fn close_part(
        &mut self,
        leg: &Leg,
        instrument: &Instrument,
        price: Price,
        vol: Contracts,
        fee: Usdt,
    ) -> (u64, Usdt) {
        let liquidation = self.liquidation_price(leg);
        let Some(position) = self.positions.get_mut(leg) else { return (0, Usdt::ZERO) };
        let all = vol >= position.hold;
        let share = |whole: Usdt| {
            if all {
                return whole;
            }
            Usdt(div(mul(whole.0, vol.0), position.hold.0).unwrap_or_default().round_dp(DIGITS))
        };
        let (cost, margin, first) = (share(position.entry_value), share(position.margin), share(position.first_margin));
        let value = instrument.value(price, vol);
        let profit = if leg.1 { value - cost } else { cost - value };
        position.hold -= vol;
        position.entry_value -= cost;
        position.margin -= margin;
        // Kept whole at the end: the history's profit ratio is measured against it.
        if !all {
            position.first_margin -= first;
        }
        position.closed += vol;
        position.closed_value += value;
        position.profit += profit;
        position.fees += fee;
        position.last_liquidation_price = liquidation;
        let id = position.id;
        if all {
            position.margin = Usdt::ZERO;
            position.state = PositionState::Closed;
        }
        self.touch_position(leg);
        if all && let Some(position) = self.positions.remove(leg) {
            self.remember_closed(leg);
            self.closed.push(position);
            self.drop_stops_of(id);
        }
        (id, profit)
    }

    /// Counts a change of a position and tells it.
    pub(super) fn touch_position(&mut self, leg: &Leg) {
        let now = self.stamp();
        let Some(position) = self.positions.get_mut(leg) else { return };
        position.version = position.version.saturating_add(1);
        position.updated = now;
        self.asset_changed = true;
        self.remember_position(leg);
        let Some(position) = self.positions.get(leg) else { return };
        if let Some(waiting) = &mut self.deferred {
            return waiting.push((self.pushes.len(), position.clone()));
        }
        let data = self.position_json(position, true);
        self.push("push.personal.position", "position", Some(&leg.0), data);
    }

    /// Tells the positions that a fill has changed, at their place among the messages, but as they
    /// are when the margin of the order is released and the fee is paid: cross positions depend on both.
    fn tell_deferred(&mut self) {
        for (place, position) in self.deferred.take().unwrap_or_default().into_iter().rev() {
            let data = self.position_json(&position, true);
            let told = self.pushes.len();
            self.push("push.personal.position", "position", Some(&position.symbol), data);
            if let Some(late) = self.pushes.get_mut(place..=told) {
                late.rotate_right(1);
            }
        }
    }

    /// In which currency fees are paid while a fault says so; `None` is USDT.
    fn fee_currency(&self) -> Option<String> {
        let on = |fault: &&Fault| fault.spec.kind == FaultKind::FeeCurrency && fault.is_on(self.now);
        let fault = self.faults.values().rfind(on)?;
        Some(fault.spec.currency.clone().unwrap_or_else(|| "MX".to_owned()))
    }

    /// Whether a fault keeps the fills of an order back, from lists and pushes.
    pub fn is_fill_lost(&self, id: u64) -> bool {
        let on = |fault: &Fault| fault.spec.kind == FaultKind::FillsLost && fault.is_on(self.now);
        self.faults.values().any(|fault| on(fault) && fault.spec.is_about(id, self.orders.get(&id)))
    }

    /// Cancels close orders that reserve more than is held.
    fn after_fill(&mut self, filled: u64, symbol: &crate::model::Symbol) {
        for long in [true, false] {
            let leg: Leg = (symbol.clone(), long);
            let held = self.positions.get(&leg).map_or(Contracts::ZERO, |position| position.hold);
            while self.frozen_vol(&leg) > held {
                let newest = self
                    .open_of(symbol)
                    .filter(|order| order.id != filled && self.closes(&order.request).as_ref() == Some(&leg))
                    .filter(|order| order.request.reduce_only || !order.request.side.opens())
                    .map(|order| order.id)
                    .last();
                let Some(newest) = newest else { break };
                let error = if held.is_zero() { reason::POSITION_GONE } else { reason::POSITION_TOO_SMALL };
                self.finish(newest, State::Cancelled, error);
            }
        }
    }
}

#[derive(Clone)]
struct Booked {
    price: Price,
    vol: Contracts,
    /// In USDT, or in the currency beside it.
    fee: Usdt,
    currency: Option<String>,
    profit: Usdt,
    taker: bool,
    position_id: u64,
}
