//! The account's arithmetic, mexc-contract-api.md section 6: wallet W = deposits + realised results
//! − fees + funding; equity = W + uPnL; available = W − position margin − order margin, less what
//! cross positions have lost.

use std::collections::BTreeMap;

use super::{FUNDING_SECONDS, Leg, Venue, period};
use crate::model::{Decimal, Symbol, Usdt, VenueTime, div, mul};
use crate::simulator::json::Object;
use crate::simulator::margin::Exposure;
use crate::simulator::venue::position::{Position, Surroundings};

/// One payment of funding.
#[derive(Clone, Debug)]
pub struct FundingNote {
    pub id: u64,
    pub position: u64,
    pub symbol: Symbol,
    pub long: bool,
    pub value: Usdt,
    /// Received; negative is paid.
    pub amount: Usdt,
    pub rate: Decimal,
    pub at: VenueTime,
}

/// The account's money and settings.
#[derive(Clone, Debug)]
pub struct Account {
    /// Deposits + realised − fees + funding; margins are part of it.
    pub wallet: Usdt,
    /// Paid in, less taken out.
    pub deposits: Usdt,
    pub realised: Usdt,
    pub fees: Usdt,
    pub funding: Usdt,
    pub fundings: Vec<FundingNote>,
    /// 1 hedge, 2 one-way.
    pub mode: i64,
    /// Leverage by contract, long, cross.
    pub leverage: BTreeMap<(Symbol, bool, bool), u32>,
}

/// Leverage of a side that was never set.
pub const DEFAULT_LEVERAGE: u32 = 20;

impl Account {
    pub fn new(balance: Usdt, mode: i64) -> Self {
        Self {
            wallet: balance,
            deposits: balance,
            realised: Usdt::ZERO,
            fees: Usdt::ZERO,
            funding: Usdt::ZERO,
            fundings: Vec::new(),
            mode,
            leverage: BTreeMap::new(),
        }
    }

    pub fn leverage_of(&self, symbol: &Symbol, long: bool, cross: bool) -> u32 {
        self.leverage.get(&(symbol.clone(), long, cross)).copied().unwrap_or(DEFAULT_LEVERAGE)
    }
}

/// Sums over the books.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub position_margin: Usdt,
    pub isolated_margin: Usdt,
    pub frozen: Usdt,
    pub unrealised: Usdt,
    pub cross_unrealised: Usdt,
    /// Maintenance and liquidation fee of all cross positions.
    pub cross_need: Usdt,
}

impl Venue {
    /// The sums that the balances are made of.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { frozen: self.frozen_margin(), ..Totals::default() };
        for position in self.positions.values() {
            let Some(market) = self.markets.get(&position.symbol) else { continue };
            let exposure = position.exposure(&market.instrument);
            let unrealised = exposure.unrealised(market.fair);
            totals.position_margin += position.margin;
            totals.unrealised += unrealised;
            if position.cross {
                totals.cross_unrealised += unrealised;
                totals.cross_need += exposure.maintenance() + exposure.fee(market.fair);
            } else {
                totals.isolated_margin += position.margin;
            }
        }
        totals
    }

    fn frozen_margin(&self) -> Usdt {
        self.open.values().flatten().filter_map(|id| self.orders.get(id)).map(|order| order.frozen).sum()
    }

    /// Free for new orders.
    pub fn available(&self) -> Usdt {
        let totals = self.totals();
        let lost = totals.cross_unrealised.min(Usdt::ZERO);
        (self.account.wallet - totals.position_margin - totals.frozen + lost).max(Usdt::ZERO)
    }

    /// Wallet and unrealised results together.
    pub fn equity(&self) -> Usdt {
        self.account.wallet + self.totals().unrealised
    }

    /// What stands behind the cross positions.
    pub fn cross_equity(&self, totals: &Totals) -> Usdt {
        self.account.wallet - totals.isolated_margin - totals.frozen + totals.cross_unrealised
    }

    /// A position as the margin formulas see it: with its own margin, or with the account behind it.
    pub fn exposure_of(&self, position: &Position, totals: &Totals) -> Option<(Exposure, Decimal)> {
        let market = self.markets.get(&position.symbol)?;
        let mut exposure = position.exposure(&market.instrument);
        if !position.cross {
            return Some((exposure, exposure.ratio(market.fair)));
        }
        let equity = self.cross_equity(totals);
        let ratio = if equity <= Usdt::ZERO {
            Decimal::ONE
        } else {
            div(totals.cross_need.0, equity.0).map_or(Decimal::ONE, |r| r.trunc_with_scale(4))
        };
        let own_need = exposure.maintenance() + exposure.fee(market.fair);
        exposure.margin = equity - exposure.unrealised(market.fair) - (totals.cross_need - own_need);
        Some((exposure, ratio))
    }

    /// The position object of REST or of a push.
    pub fn position_json(&self, position: &Position, push: bool) -> String {
        self.position_json_with(position, &self.totals(), push)
    }

    /// The same with the sums made once for many.
    pub fn position_json_with(&self, position: &Position, totals: &Totals, push: bool) -> String {
        let Some(market) = self.markets.get(&position.symbol) else { return "{}".to_owned() };
        let Some((exposure, ratio)) = self.exposure_of(position, totals) else { return "{}".to_owned() };
        let around = Surroundings {
            instrument: &market.instrument,
            fair: market.fair,
            frozen: self.frozen_vol(&(position.symbol.clone(), position.long)),
            exposure,
            ratio,
            adl_level: adl_level(position, &exposure, market.fair),
        };
        position.to_json(&around, push)
    }

    /// The asset object of REST; `push` is the shorter one of the WebSocket.
    pub fn asset_json(&self, push: bool) -> String {
        let totals = self.totals();
        let available = self.available();
        let cut = |value: Usdt| value.0.trunc_with_scale(8);
        let mut object = Object::new()
            .text("currency", "USDT")
            .number("positionMargin", cut(totals.position_margin))
            .number("availableBalance", cut(available))
            .number("frozenBalance", cut(totals.frozen))
            .plain("bonus", 0);
        if !push {
            object = object
                .number("cashBalance", cut(available))
                .number("equity", cut(self.account.wallet + totals.unrealised))
                .number("unrealized", cut(totals.unrealised))
                .number("availableCash", cut(available))
                .number("availableOpen", cut(available))
                .plain("debtAmount", 0)
                .plain("contributeMarginAmount", 0)
                .text("vcoinId", "128f589271cb4951b03e71e6323eb7be");
        }
        object.build()
    }

    pub(super) fn tell_assets(&mut self) {
        if std::mem::take(&mut self.asset_changed) {
            self.remember_money();
            let data = self.asset_json(true);
            self.push("push.personal.asset", "asset", None, data);
        }
    }

    /// Pays funding when a period has ended: a long pays rate · value, a short receives it.
    pub(super) fn settle_funding(&mut self) {
        let now_period = period(self.stamp());
        // Set back over more than a boundary, the clock counts from there.
        if now_period < self.funded.saturating_sub(1) {
            self.funded = now_period;
        }
        if now_period <= self.funded {
            return;
        }
        self.funded = now_period;
        let legs: Vec<Leg> = self.positions.keys().cloned().collect();
        for leg in legs {
            let Some(market) = self.markets.get(&leg.0) else { continue };
            let (rate, fair) = (market.funding_rate, market.fair);
            let Some(position) = self.positions.get(&leg) else { continue };
            let value = market.instrument.value(fair, position.hold);
            let paid = mul(value.0, rate).round_dp(12);
            let amount = Usdt(if leg.1 { -paid } else { paid });
            let note = FundingNote {
                id: 7_000_000_000 + u64::try_from(self.account.fundings.len()).unwrap_or_default(),
                position: position.id,
                symbol: leg.0.clone(),
                long: leg.1,
                value,
                amount,
                rate,
                at: VenueTime::from_secs(now_period.saturating_mul(FUNDING_SECONDS)),
            };
            self.account.fundings.push(note);
            self.account.wallet += amount;
            self.account.funding += amount;
            if let Some(position) = self.positions.get_mut(&leg) {
                position.funding += amount;
            }
            self.touch_position(&leg);
        }
    }
}

/// How early a position would be taken in auto-deleveraging, 1 to 5, by profit on its margin.
fn adl_level(position: &Position, exposure: &Exposure, fair: crate::model::Price) -> u32 {
    let profit = exposure.unrealised(fair).ratio_to(position.margin).unwrap_or_default();
    let fifth = mul(profit, Decimal::from(5)).trunc().clamp(Decimal::ZERO, Decimal::from(4));
    u32::try_from(fifth).unwrap_or_default().saturating_add(1)
}
