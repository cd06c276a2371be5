//! Positions: one leg of one symbol of the account, from flat to flat.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ContractSpec, Contracts, Decimal, MarginMode, PositionId, Price, Qty, SessionTime, Side, Symbol, Usdt,
    VenuePositionId, VenueTime, add, div, mul,
};

/// What tells positions of the (one) account apart: both legs of a symbol can be open at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PositionKey {
    /// Which contract.
    pub symbol: Symbol,
    /// Which leg.
    pub side: Side,
}

impl fmt::Display for PositionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.symbol, self.side)
    }
}

/// Who opened a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An order of this session.
    Own,
    /// Somebody else on the account; found there or seen to happen.
    Outside,
}

/// Why a position is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// Our own exit.
    OwnExit,
    /// Closed by somebody else; evidence of a liquidation is still looked for.
    Outside,
    /// The exchange took it over: there is evidence.
    Liquidated,
    /// Auto-deleveraged: there is evidence.
    Adl,
    /// The exchange could not be asked why.
    Unexplained,
}

/// What the exchange says of a position beyond its size; unknown until it has said it for the size
/// that we hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueFigures {
    /// Margin of the position (isolated), in USDT.
    pub margin: Option<Usdt>,
    /// Price at which the exchange liquidates it.
    pub liquidation_price: Option<Price>,
    /// Leverage.
    pub leverage: Option<u32>,
    /// Funding received (+) or paid (-) so far.
    pub funding: Option<Usdt>,
}

/// How near the liquidation price is and which warnings are on (engine.md 6.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiquidationWatch {
    /// Distance to the liquidation price, in percent of the mark price, when that price was last
    /// set by an action of ours; tiers and shares are measured against it.
    pub opening_distance_pct: Option<Decimal>,
    /// The liquidation price that belongs to that distance.
    pub armed_for: Option<Price>,
    /// When it was armed; `None` after an own fill, until the exchange tells the new figures.
    pub armed_at: Option<SessionTime>,
    /// Margin-ratio level that is on: 0 none, 1 warning, 2 critical.
    pub ratio_level: u8,
    /// Number of distance tiers crossed (of those that were armed).
    pub tier_level: u8,
    /// Share-of-opening-distance level that is on: 0 none, 1 warning, 2 critical.
    pub share_level: u8,
}

/// An open position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// This opening of it.
    pub id: PositionId,
    /// Symbol and leg.
    pub key: PositionKey,
    /// The exchange's id of it.
    pub venue_id: Option<VenuePositionId>,
    /// Who opened it.
    pub origin: Origin,
    /// Isolated or cross.
    pub margin_mode: MarginMode,
    /// Size in contracts.
    pub contracts: Contracts,
    /// Size in base units.
    pub quantity: Qty,
    /// Average entry price.
    pub entry_price: Option<Price>,
    /// What the exchange says of it, for this size.
    pub venue: VenueFigures,
    /// Realised profit or loss of its closing fills, without fees.
    pub realised: Usdt,
    /// Fees of its fills.
    pub fees: Usdt,
    /// Stop-loss price that went with the entry.
    pub stop_loss: Option<Price>,
    /// Take-profit price that went with the entry.
    pub take_profit: Option<Price>,
    /// Up to which time of the exchange the size already holds all fills (from an adopted snapshot).
    pub settled_to: VenueTime,
    /// Version of the last report of the exchange that was applied.
    pub venue_version: u64,
    /// When it was opened.
    pub opened_at: SessionTime,
    /// When its size last changed here; snapshots asked for earlier do not count.
    pub touched_at: SessionTime,
    /// When the exchange last confirmed it.
    pub synced_at: Option<SessionTime>,
    /// Warnings about its liquidation.
    pub watch: LiquidationWatch,
}

impl Position {
    /// Signed: +1 for a long, -1 for a short.
    pub fn direction(&self) -> Decimal {
        match self.key.side {
            Side::Long => Decimal::ONE,
            Side::Short => Decimal::NEGATIVE_ONE,
        }
    }

    /// Profit or loss if closed at the mark price, without fees.
    pub fn unrealised(&self, mark: Price) -> Option<Usdt> {
        let entry = self.entry_price?;
        Some((mark - entry).notional(self.quantity).times(self.direction()))
    }

    /// Unrealised profit in percent of the margin.
    pub fn unrealised_pct(&self, mark: Price) -> Option<Decimal> {
        Some(mul(div(self.unrealised(mark)?.0, self.venue.margin?.0)?, Decimal::ONE_HUNDRED))
    }

    /// Maintenance margin plus liquidation fee at this mark price: what equity must stay above.
    pub fn requirement(&self, spec: &ContractSpec, mark: Price) -> Option<Usdt> {
        let maintenance = spec.maintenance_margin(self.contracts, self.entry_price?)?;
        Some(maintenance + mark.notional(self.quantity).times(spec.liquidation_fee_rate))
    }

    /// Margin ratio in percent: (margin + unrealised) / (maintenance margin + liquidation fee).
    /// Liquidation is at 100, danger when it falls (engine.md 6.1). `None` in cross margin, where
    /// the ratio belongs to the account, and while a number is unknown.
    pub fn margin_ratio_pct(&self, spec: &ContractSpec, mark: Price) -> Option<Decimal> {
        if self.margin_mode == MarginMode::Cross {
            return None;
        }
        let equity = self.venue.margin? + self.unrealised(mark)?;
        Some(mul(div(equity.0, self.requirement(spec, mark)?.0)?, Decimal::ONE_HUNDRED))
    }

    /// How far the mark price may move until liquidation, in percent of the mark price; negative
    /// when it is already beyond.
    pub fn distance_pct(&self, mark: Price) -> Option<Decimal> {
        self.distance_to(self.venue.liquidation_price.filter(|price| price.is_positive())?, mark)
    }

    /// The same to a liquidation price that was told elsewhere.
    pub fn distance_to(&self, liquidation: Price, mark: Price) -> Option<Decimal> {
        Some(mul(mul(div((mark - liquidation).0, mark.0)?, self.direction()), Decimal::ONE_HUNDRED))
    }

    /// The average entry after adding a fill.
    pub fn entry_with(&self, price: Price, quantity: Qty) -> Option<Price> {
        if self.quantity.is_zero() {
            return Some(price);
        }
        let value = add(self.entry_price?.notional(self.quantity).0, price.notional(quantity).0);
        div(value, (self.quantity + quantity).0).map(Price)
    }
}

/// A position that is no more, kept for the session: its row stays latched on the screen when it
/// was liquidated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedPosition {
    /// Which opening.
    pub id: PositionId,
    /// Symbol and leg.
    pub key: PositionKey,
    /// Why it ended.
    pub cause: CloseCause,
    /// How much was closed, in base units; what was left when it was found gone, as long as it is not
    /// known how it went.
    pub quantity: Qty,
    /// Average entry price.
    pub entry_price: Option<Price>,
    /// Value closed / quantity closed, when known.
    pub exit_price: Option<Price>,
    /// Realised profit or loss, without fees; `None` when an outside close was not seen.
    pub realised: Option<Usdt>,
    /// Fees.
    pub fees: Usdt,
    /// The liquidation price it last had.
    pub liquidation_price: Option<Price>,
    /// When it was opened.
    pub opened_at: SessionTime,
    /// When it ended here.
    pub closed_at: SessionTime,
    /// How many more syncs look for evidence of a liquidation; 0 when the cause is settled.
    pub evidence_syncs_left: u32,
    /// The exchange's id of it.
    #[serde(default)]
    pub venue_id: Option<VenuePositionId>,
    /// Funding received (+) or paid (-) in all, as last told; it may be told after the end.
    #[serde(default)]
    pub funding: Option<Usdt>,
    /// What the exchange took over of it, when it did.
    #[serde(default)]
    pub taken: Option<TakenOver>,
    /// When the last fill of it that is known happened.
    #[serde(default)]
    pub last_fill_at: Option<VenueTime>,
}

/// The part of a position that a liquidation took, apart from what was closed before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    /// How much, in base units.
    pub quantity: Qty,
    /// At which price, on average.
    pub price: Option<Price>,
    /// Profit or loss of this part alone, without fees; `None` when it is not known.
    pub realised: Option<Usdt>,
}

impl ClosedPosition {
    /// Whether its end was not seen fill by fill, so that its result is not known.
    pub const fn is_unseen(&self) -> bool {
        self.realised.is_none()
    }
}

/// Margin ratio of the cross-margined part of the account in percent, by the same definition:
/// equity that answers for it / sum of (maintenance margin + liquidation fee).
pub fn account_margin_ratio_pct(cross_equity: Usdt, requirements: Usdt) -> Option<Decimal> {
    Some(mul(div(cross_equity.0, requirements.0)?, Decimal::ONE_HUNDRED))
}
