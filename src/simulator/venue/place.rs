//! Placing orders, and matching them against the book.

use super::checks::{Measured, market_limit};
use super::command::Answer;
use super::order::{Category, Kind, Order, Request, State};
use super::{Leg, Refusal, Venue};
use crate::model::{Contracts, Price, Symbol, Usdt};
use crate::simulator::venue::command::DuplicateMode;

/// Order-level error codes (mexc-contract-api.md section 8.2).
pub mod reason {
    pub const POSITION_GONE: i64 = 3;
    pub const POSITION_TOO_SMALL: i64 = 4;
    pub const MODE_MISMATCH: i64 = 9;
    pub const REDUCE_ONLY: i64 = 10;
    pub const LIQUIDATION: i64 = 13;
    pub const ADL: i64 = 14;
    pub const IOC: i64 = 18;
    pub const FOK: i64 = 19;
    pub const POST_ONLY: i64 = 20;
    pub const MARKET: i64 = 21;
    pub const DUPLICATE: i64 = 22;
    /// Those that end an order that was valid: it is cancelled. All others make it invalid.
    pub const CANCELS: [i64; 9] = [8, LIQUIDATION, ADL, 16, 17, IOC, FOK, POST_ONLY, MARKET];
}

impl Venue {
    pub(super) fn place(&mut self, path: &str, request: &Request, fail: Option<i64>) -> Result<Answer, Refusal> {
        let client = request.external.clone().unwrap_or_default();
        let symbol = Some(request.symbol.clone());
        let other_mode = request.position_mode.is_some_and(|mode| mode != 0 && mode != self.account.mode);
        let measured = match self.check(request) {
            Ok(measured) => measured,
            Err(refusal) => {
                self.note(path, symbol, &client, None, &format!("refused {}", refusal.code));
                return Err(refusal);
            }
        };
        let known =
            self.by_external.get(&(request.symbol.clone(), client.clone())).and_then(|ids| ids.first().copied());
        let mut invalid = fail;
        if let Some(known) = known.filter(|_| !client.is_empty()) {
            match self.duplicates {
                DuplicateMode::Reject2042 => {
                    self.note(path, symbol, &client, Some(known), "refused 2042");
                    return Err(Refusal::of(2042));
                }
                DuplicateMode::ReturnExisting => {
                    self.note(path, symbol, &client, Some(known), "returned existing");
                    return Ok(Answer::Id(known));
                }
                DuplicateMode::AcceptThenInvalidate => invalid = Some(reason::DUPLICATE),
            }
        }
        if other_mode {
            invalid = Some(reason::MODE_MISMATCH);
        }
        let id = self.enter(request, &measured, Category::Normal);
        self.note(path, symbol, &client, Some(id), "accepted");
        match invalid {
            Some(error) if reason::CANCELS.contains(&error) => self.finish(id, State::Cancelled, error),
            Some(error) => self.finish(id, State::Invalid, error),
            None => self.execute(id),
        }
        Ok(Answer::Id(id))
    }

    /// Gives an order its id and books it as pending.
    pub(super) fn enter(&mut self, request: &Request, measured: &Measured, category: Category) -> u64 {
        let id = self.next_order;
        self.next_order = self.next_order.saturating_add(1);
        let external = match request.external.clone().filter(|text| !text.is_empty()) {
            Some(external) => external,
            None => format!("_m_{:032x}", u128::from(id) ^ (u128::from(self.seed) << 64)),
        };
        let order = Order {
            id,
            external: external.clone(),
            request: request.clone(),
            position_id: measured.position_id,
            leverage: measured.leverage,
            price: measured.price,
            mode: self.account.mode,
            state: State::Pending,
            error: 0,
            category,
            filled: Contracts::ZERO,
            filled_value: crate::model::Decimal::ZERO,
            frozen: measured.frozen,
            used_margin: Usdt::ZERO,
            taker_fee: Usdt::ZERO,
            maker_fee: Usdt::ZERO,
            profit: Usdt::ZERO,
            fee_currency: None,
            version: 1,
            created: self.stamp(),
            updated: self.stamp(),
        };
        self.orders.insert(id, order);
        self.open.entry(request.symbol.clone()).or_default().insert(id);
        self.by_external.entry((request.symbol.clone(), external)).or_default().push(id);
        self.asset_changed = true;
        self.tell_order(id);
        id
    }

    /// Matches a new order against the book and decides what becomes of the rest.
    pub(super) fn execute(&mut self, id: u64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.state = State::Open;
        order.version = order.version.saturating_add(1);
        let request = order.request.clone();
        let buy = request.side.is_buy();
        let Some(market) = self.markets.get_mut(&request.symbol) else { return };
        let limit = if request.kind.is_market() { market_limit(market, buy) } else { order.price };
        if request.kind == Kind::PostOnly && market.book.crosses(buy, limit) {
            return self.finish(id, State::Cancelled, reason::POST_ONLY);
        }
        if request.kind == Kind::FillOrKill && market.book.available(buy, limit) < request.vol {
            return self.finish(id, State::Cancelled, reason::FOK);
        }
        self.tell_order(id);
        let Some(market) = self.markets.get_mut(&request.symbol) else { return };
        for (price, vol) in market.book.take(buy, limit, request.vol) {
            self.fill(id, price, vol, true);
        }
        let rests = self.orders.get(&id).is_some_and(|order| order.state.is_open());
        if rests {
            match request.kind {
                Kind::Limit | Kind::PostOnly => {}
                Kind::ImmediateOrCancel => self.finish(id, State::Cancelled, reason::IOC),
                Kind::FillOrKill => self.finish(id, State::Cancelled, reason::FOK),
                Kind::Market | Kind::MarketToLimit => self.finish(id, State::Cancelled, reason::MARKET),
            }
        }
    }

    /// Fills resting orders that the book has moved across: best price first, then the oldest.
    pub(super) fn match_resting(&mut self) {
        let symbols: Vec<Symbol> = self.open.keys().cloned().collect();
        for symbol in symbols {
            for buy in [true, false] {
                let mut queue: Vec<(Price, u64)> = self
                    .open_of(&symbol)
                    .filter(|order| order.request.side.is_buy() == buy)
                    .map(|order| (if buy { -order.price } else { order.price }, order.id))
                    .collect();
                queue.sort();
                for (key, id) in queue {
                    let price = key.abs();
                    let Some(market) = self.markets.get_mut(&symbol) else { continue };
                    if !market.book.crosses(buy, price) {
                        break;
                    }
                    let Some(wanted) = self.orders.get(&id).filter(|o| o.state.is_open()).map(Order::remaining) else {
                        continue;
                    };
                    let vol: Contracts = market.book.take(buy, price, wanted).into_iter().map(|(_, vol)| vol).sum();
                    if vol.is_positive() {
                        self.fill(id, price, vol, false);
                    }
                }
            }
        }
    }

    /// An order that the exchange or a person makes, outside all checks.
    pub(super) fn system_order(&mut self, request: &Request, price: Price, category: Category) -> u64 {
        let leg: Leg = (request.symbol.clone(), request.side.leg_is_long());
        let held = self.positions.get(&leg);
        let measured = Measured {
            leverage: request.leverage.or(held.map(|p| p.leverage)).unwrap_or(super::account::DEFAULT_LEVERAGE),
            price,
            frozen: Usdt::ZERO,
            position_id: held.map_or(0, |position| position.id),
        };
        self.enter(request, &measured, category)
    }

    pub(super) fn tell_order(&mut self, id: u64) {
        self.remember_order(id);
        let Some(order) = self.orders.get(&id) else { return };
        let symbol = order.request.symbol.clone();
        let Some(instrument) = self.instrument(&symbol) else { return };
        let data = order.to_json(instrument, true);
        self.push("push.personal.order", "order", Some(&symbol), data);
    }
}
