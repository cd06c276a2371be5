//! Positions as the exchange books them. The entry is kept as a sum of money, not as an average, so
//! that no division ever loses a digit of it.

use crate::model::{Contracts, Decimal, Price, Symbol, Usdt, VenueTime, div};
use crate::simulator::instrument::Instrument;
use crate::simulator::json::Object;
use crate::simulator::margin::Exposure;

use super::order::open_type;

/// MEXC's position `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionState {
    Holding,
    /// Taken over by the liquidation engine.
    SystemHeld,
    Closed,
}

impl PositionState {
    fn code(self) -> i64 {
        match self {
            Self::Holding => 1,
            Self::SystemHeld => 2,
            Self::Closed => 3,
        }
    }
}

/// One leg of one contract.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a position, as the exchange shows them")]
pub struct Position {
    pub id: u64,
    pub symbol: Symbol,
    pub long: bool,
    pub cross: bool,
    pub leverage: u32,
    pub hold: Contracts,
    /// What was paid for what is held.
    pub entry_value: Usdt,
    /// Margin of its own (isolated), or its share of the account's (cross, for `positionMargin`).
    pub margin: Usdt,
    pub first_margin: Usdt,
    /// Everything ever opened: contracts, and their value in USDT.
    pub opened: Contracts,
    pub opened_value: Usdt,
    pub closed: Contracts,
    pub closed_value: Usdt,
    /// Booked profit of closes, without fees.
    pub profit: Usdt,
    /// Fees paid, above zero.
    pub fees: Usdt,
    /// Funding received, negative when paid.
    pub funding: Usdt,
    pub state: PositionState,
    pub auto_add: bool,
    pub liquidated: bool,
    /// Whether the client was warned of liquidation.
    pub warned: bool,
    /// The margin ratio that was pushed last.
    pub shown_ratio: Decimal,
    /// Kept for the history, where nothing is held any more.
    pub last_liquidation_price: Price,
    pub version: u64,
    pub created: VenueTime,
    pub updated: VenueTime,
}

/// What surrounds a position when it is shown.
pub struct Surroundings<'a> {
    pub instrument: &'a Instrument,
    pub fair: Price,
    pub frozen: Contracts,
    /// Isolated: its own; cross: with the account behind it.
    pub exposure: Exposure,
    /// Cross: the account's.
    pub ratio: Decimal,
    pub adl_level: u32,
}

impl Position {
    /// The position as the margin formulas see it, with its own margin.
    pub fn exposure(&self, instrument: &Instrument) -> Exposure {
        Exposure {
            long: self.long,
            entry_value: self.entry_value,
            qty: instrument.qty(self.hold),
            margin: self.margin,
            mmr: instrument.tier(self.hold).map_or(instrument.mmr, |tier| tier.mmr),
            fee_rate: instrument.liquidation_fee,
        }
    }

    fn average(value: Usdt, vol: Contracts, instrument: &Instrument) -> Price {
        Price(div(value.0, instrument.qty(vol).0).unwrap_or_default())
    }

    /// Average price of what is held.
    pub fn entry(&self, instrument: &Instrument) -> Price {
        Self::average(self.entry_value, self.hold, instrument)
    }

    /// The realised result: closes − fees + funding.
    pub fn realised(&self) -> Usdt {
        self.profit - self.fees + self.funding
    }

    /// The position object; `push` adds what only the WebSocket sends.
    pub fn to_json(&self, around: &Surroundings<'_>, push: bool) -> String {
        let instrument = around.instrument;
        let scale = instrument.amount_scale;
        let cut = |value: Usdt| value.0.trunc_with_scale(scale);
        let price = |price: Price| price.0.round_dp(instrument.price_scale.saturating_add(4));
        let open_average = price(Self::average(self.opened_value, self.opened, instrument));
        let close_average = price(Self::average(self.closed_value, self.closed, instrument));
        let held = self.hold.is_positive();
        let entry = if held { price(self.entry(instrument)) } else { open_average };
        let liquidation =
            if held { around.exposure.liquidation_price(instrument.tick) } else { self.last_liquidation_price };
        let spent = self.first_margin + self.fees;
        let profit_ratio = self.realised().ratio_to(spent).unwrap_or_default().trunc_with_scale(4);
        let mut object = Object::new()
            .plain("positionId", self.id)
            .text("symbol", self.symbol.as_str())
            .plain("positionType", if self.long { 1 } else { 2 })
            .plain("openType", open_type(self.cross))
            .plain("state", self.state.code())
            .number("holdVol", self.hold.0)
            .number("frozenVol", around.frozen.0)
            .number("closeVol", self.closed.0)
            .number("holdAvgPrice", entry)
            .text("holdAvgPriceFullyScale", &entry.normalize().to_string())
            .number("openAvgPrice", open_average)
            .text("openAvgPriceFullyScale", &open_average.normalize().to_string())
            .number("closeAvgPrice", close_average)
            .number("liquidatePrice", liquidation.0)
            .number("oim", if held { self.first_margin.0 } else { Decimal::ZERO })
            .number("im", self.margin.0)
            .number("holdFee", cut(self.funding))
            .number("realised", cut(self.realised()))
            .plain("leverage", self.leverage)
            .number("marginRatio", if held { around.ratio } else { Decimal::ZERO })
            .plain("adlLevel", around.adl_level)
            .plain("createTime", self.created.millis())
            .plain("updateTime", self.updated.millis())
            .plain("autoAddIm", self.auto_add)
            .plain("version", self.version)
            .number("profitRatio", profit_ratio)
            .number("newOpenAvgPrice", open_average)
            .number("newCloseAvgPrice", close_average)
            .number("closeProfitLoss", cut(self.profit))
            .number("fee", cut(-self.fees))
            .raw("deductFeeList", "[]")
            .number("totalFee", cut(self.fees));
        if push {
            let pnl = if held { around.exposure.unrealised(around.fair) } else { Usdt::ZERO };
            object = object.number("pnl", cut(pnl));
        }
        if self.state == PositionState::Closed {
            object = object.text("positionShowStatus", "CLOSED");
        }
        object.build()
    }
}
