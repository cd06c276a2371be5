//! Liquidation on the fair price (mexc-contract-api.md section 9): orders are cancelled, cross legs
//! are netted, the position drops tier by tier, and what is left is taken over at the bankruptcy
//! price. ADL is here too: it is the other way that the exchange takes positions.

use super::cancel::plain_request;
use super::order::{Category, Side, State};
use super::place::reason;
use super::position::PositionState;
use super::{Leg, Venue};
use crate::model::{Contracts, Decimal, Price, Symbol, Usdt, VenueTime, div, mul, sub};
use crate::simulator::json::Object;

/// One take-over.
#[derive(Clone, Debug)]
pub struct LiquidationNote {
    pub at: VenueTime,
    pub position: u64,
    pub order: u64,
    pub symbol: Symbol,
    pub long: bool,
    pub vol: Contracts,
    /// Take-over price.
    pub price: Price,
    pub fair: Price,
    pub ratio: Decimal,
    pub cross: bool,
    /// Whether something of the position is left.
    pub partial: bool,
    pub kind: &'static str,
}

/// From this ratio on the client is warned (`notifyType` 2).
const WARN_AT: Decimal = Decimal::from_parts(70, 0, 0, false, 2);

impl Venue {
    /// Checks every position against the fair price, tells how near liquidation is, and liquidates.
    pub(super) fn watch_margins(&mut self) {
        let legs: Vec<Leg> = self.positions.keys().cloned().collect();
        for leg in legs {
            self.tell_risk(&leg);
            let due = self.positions.get(&leg).is_some_and(|held| !held.cross && self.is_due(&leg));
            if due {
                self.liquidate_isolated(&leg, false);
            }
        }
        if self.cross_is_due() {
            self.liquidate_cross();
        }
    }

    fn is_due(&self, leg: &Leg) -> bool {
        let Some((held, market)) = self.positions.get(leg).zip(self.markets.get(&leg.0)) else { return false };
        held.exposure(&market.instrument).liquidates(market.fair)
    }

    fn cross_is_due(&self) -> bool {
        if !self.positions.values().any(|held| held.cross) {
            return false;
        }
        let totals = self.totals();
        self.cross_equity(&totals) <= totals.cross_need
    }

    fn ratio_of(&self, leg: &Leg) -> Decimal {
        let totals = self.totals();
        self.positions.get(leg).and_then(|held| self.exposure_of(held, &totals)).map_or(Decimal::ONE, |(_, r)| r)
    }

    fn tell_risk(&mut self, leg: &Leg) {
        let ratio = self.ratio_of(leg);
        let shown = ratio.trunc_with_scale(2);
        let price = self.liquidation_price(leg);
        let Some(held) = self.positions.get_mut(leg) else { return };
        let crossing = ratio >= WARN_AT && !held.warned;
        held.warned = ratio >= WARN_AT;
        let (id, cross, long) = (held.id, held.cross, held.long);
        if held.shown_ratio != shown {
            held.shown_ratio = shown;
            let data = Object::new()
                .text("symbol", leg.0.as_str())
                .plain("positionId", id)
                .number("liquidatePrice", price.0)
                .number("marginRatio", ratio)
                .plain("adlLevel", 1)
                .build();
            self.push("push.personal.liquidate.risk", "risk.limit", Some(&leg.0), data);
        }
        if crossing {
            self.notify(2, &leg.0, long, cross, ratio);
        }
    }

    fn notify(&mut self, kind: i64, symbol: &Symbol, long: bool, cross: bool, ratio: Decimal) {
        let name = format!("{symbol} {}", if long { "long" } else { "short" });
        let param = Object::new()
            .plain("notifyType", kind)
            .plain("openType", super::order::open_type(cross))
            .text("dn", &name)
            .text("dne", &name)
            .plain("multiAssets", false)
            .number("marginRate", ratio)
            .build();
        let data = Object::new().plain("type", 1).raw("param", &param).build();
        self.push("push.personal.generic.notify", "generic.notify", Some(symbol), data);
    }

    /// Liquidates an isolated leg; `forced` goes through the whole sequence whatever the price.
    pub(super) fn liquidate_isolated(&mut self, leg: &Leg, forced: bool) {
        let ratio = self.ratio_of(leg);
        let Some(held) = self.positions.get(leg) else { return };
        let (auto_add, cross) = (held.auto_add, held.cross);
        let working = self.working(Some(&leg.0));
        for id in working {
            let closes = self.orders.get(&id).is_some_and(|o| self.closes(&o.request).as_ref() == Some(leg));
            if closes || auto_add {
                self.finish(id, State::Cancelled, reason::LIQUIDATION);
            }
        }
        while let Some((held, market)) = self.positions.get(leg).zip(self.markets.get(&leg.0)) {
            if !(forced || self.is_due(leg)) {
                break;
            }
            let price = held.exposure(&market.instrument).bankruptcy_price(market.instrument.tick);
            let size = held.hold;
            match self.lower_tier(leg) {
                Some(cap) => {
                    self.take_over(leg, size - cap, price, ratio, Category::Liquidation);
                    self.tell_tier(leg);
                }
                None => self.take_over(leg, size, price, ratio, Category::Liquidation),
            }
        }
        self.notify(1, &leg.0, leg.1, cross, ratio);
    }

    /// The largest size of the tier below the position's, when it is above the first.
    fn lower_tier(&self, leg: &Leg) -> Option<Contracts> {
        let held = self.positions.get(leg)?;
        let instrument = self.instrument(&leg.0)?;
        let level = instrument.tier(held.hold)?.level;
        instrument.tiers.iter().rev().find(|tier| tier.level < level).map(|tier| tier.max_vol)
    }

    /// Liquidates the cross positions together.
    pub(super) fn liquidate_cross(&mut self) {
        for id in self.working(None) {
            self.finish(id, State::Cancelled, reason::LIQUIDATION);
        }
        if self.cross_is_due() {
            self.net_legs();
        }
        while self.cross_is_due() {
            let Some((leg, price, hold)) = self.heaviest() else { break };
            let ratio = self.ratio_of(&leg);
            if let Some(cap) = self.lower_tier(&leg) {
                self.take_over(&leg, hold - cap, price, ratio, Category::Liquidation);
                self.tell_tier(&leg);
            } else {
                self.take_over(&leg, hold, price, ratio, Category::Liquidation);
                self.notify(1, &leg.0, leg.1, true, ratio);
            }
        }
    }

    /// Nets long against short of the same contract, at the fair price.
    fn net_legs(&mut self) {
        let symbols: Vec<Symbol> = self.markets.keys().cloned().collect();
        for symbol in symbols {
            let cross_hold = |long: bool| {
                self.positions.get(&(symbol.clone(), long)).filter(|held| held.cross).map(|held| held.hold)
            };
            let (Some(long), Some(short)) = (cross_hold(true), cross_hold(false)) else { continue };
            let Some(fair) = self.markets.get(&symbol).map(|market| market.fair) else { continue };
            for leg in [(symbol.clone(), true), (symbol.clone(), false)] {
                self.take_over(&leg, long.min(short), fair, Decimal::ONE, Category::Hedge);
            }
        }
    }

    /// The cross position that needs the most margin, and the price at which it is taken over: its
    /// share (by worth) of what is left of the account is lost there.
    fn heaviest(&self) -> Option<(Leg, Price, Contracts)> {
        let totals = self.totals();
        let cross: Vec<_> = self
            .positions
            .iter()
            .filter(|(_, held)| held.cross)
            .filter_map(|(leg, held)| {
                let market = self.markets.get(&leg.0)?;
                let exposure = held.exposure(&market.instrument);
                Some((leg, held, market, exposure, market.fair.notional(exposure.qty)))
            })
            .collect();
        let worth: Usdt = cross.iter().map(|(_, _, _, _, worth)| *worth).sum();
        let (leg, held, market, exposure, own) =
            cross.into_iter().max_by_key(|(leg, _, _, exposure, _)| (exposure.maintenance(), (*leg).clone()))?;
        let share = div(own.0, worth.0).unwrap_or(Decimal::ONE);
        let lost = mul(self.cross_equity(&totals).0, share);
        let by = div(lost, exposure.qty.0).unwrap_or_default();
        let tick = market.instrument.tick;
        let price = if leg.1 { sub(market.fair.0, by) } else { crate::model::add(market.fair.0, by) };
        let price = if leg.1 { crate::model::round_up(price, tick) } else { crate::model::round_down(price, tick) };
        Some((leg.clone(), Price(price.unwrap_or(market.fair.0).max(tick)), held.hold))
    }

    /// The exchange takes a part of a position at a price, by an order that the client never sent.
    fn take_over(&mut self, leg: &Leg, vol: Contracts, price: Price, ratio: Decimal, category: Category) {
        let Some((held, market)) = self.positions.get(leg).zip(self.markets.get(&leg.0)) else { return };
        let (fair, cross, position, partial) = (market.fair, held.cross, held.id, vol < held.hold);
        let request = super::Request { price: Some(price), ..plain_request(leg, Side::closing(leg.1), vol, cross) };
        if category == Category::Liquidation {
            if let Some(held) = self.positions.get_mut(leg) {
                held.state = PositionState::SystemHeld;
                held.liquidated = true;
            }
            self.touch_position(leg);
        }
        let order = self.system_order(&request, price, category);
        if let Some(order) = self.orders.get_mut(&order) {
            order.state = State::Open;
            order.version = order.version.saturating_add(1);
        }
        self.tell_order(order);
        self.fill(order, price, vol, true);
        if let Some(held) = self.positions.get_mut(leg).filter(|held| held.state == PositionState::SystemHeld) {
            held.state = PositionState::Holding;
            self.touch_position(leg);
        }
        let kind = match category {
            Category::Adl => "adl",
            Category::Hedge => "hedge",
            _ => "liquidation",
        };
        let (symbol, long) = (leg.0.clone(), leg.1);
        self.liquidations.push(LiquidationNote {
            at: self.stamp(),
            position,
            order,
            symbol,
            long,
            vol,
            price,
            fair,
            ratio,
            cross,
            partial,
            kind,
        });
    }

    fn tell_tier(&mut self, leg: &Leg) {
        let Some((held, instrument)) = self.positions.get(leg).zip(self.instrument(&leg.0)) else { return };
        let Some(tier) = instrument.tier(held.hold) else { return };
        let data = Object::new()
            .text("symbol", leg.0.as_str())
            .plain("positionType", if leg.1 { 1 } else { 2 })
            .plain("riskSource", 1)
            .plain("level", tier.level)
            .number("maxVol", tier.max_vol.0)
            .plain("maxLeverage", tier.max_leverage)
            .number("mmr", tier.mmr)
            .number("imr", tier.imr)
            .plain("leverage", held.leverage)
            .plain("openType", super::order::open_type(held.cross))
            .plain("limitBySys", true)
            .number("maxVolView", tier.max_vol.0)
            .build();
        self.push("push.personal.risk.limit", "risk.limit", Some(&leg.0), data);
    }

    /// Auto-deleveraging: a part of a position (half of it unless said) goes at the fair price.
    pub(super) fn deleverage(&mut self, leg: &Leg, vol: Option<Contracts>) {
        for id in self.working(Some(&leg.0)) {
            self.finish(id, State::Cancelled, reason::ADL);
        }
        let Some((held, market)) = self.positions.get(leg).zip(self.markets.get(&leg.0)) else { return };
        let half = div(held.hold.0, Decimal::TWO).unwrap_or_default().ceil();
        let vol = vol.unwrap_or(Contracts(half)).min(held.hold);
        let (fair, id) = (market.fair, held.id);
        let ratio = self.ratio_of(leg);
        self.take_over(leg, vol, fair, ratio, Category::Adl);
        let data = Object::new().plain("adlLevel", 5).plain("positionId", id).build();
        self.push("push.personal.adl.level", "adl.level", None, data);
    }
}
