//! Orders and fills as the exchange books them.

use serde::{Deserialize, Serialize};

use crate::model::{Contracts, Decimal, Price, Symbol, Usdt, VenueTime, add, div, mul};
use crate::simulator::instrument::Instrument;
use crate::simulator::json::Object;

/// MEXC's `side`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    OpenLong,
    CloseShort,
    OpenShort,
    CloseLong,
}

impl Side {
    pub fn of_code(code: i64) -> Option<Self> {
        [Self::OpenLong, Self::CloseShort, Self::OpenShort, Self::CloseLong]
            .into_iter()
            .find(|side| side.code() == code)
    }

    pub fn code(self) -> i64 {
        match self {
            Self::OpenLong => 1,
            Self::CloseShort => 2,
            Self::OpenShort => 3,
            Self::CloseLong => 4,
        }
    }

    pub fn is_buy(self) -> bool {
        matches!(self, Self::OpenLong | Self::CloseShort)
    }

    pub fn opens(self) -> bool {
        matches!(self, Self::OpenLong | Self::OpenShort)
    }

    /// The side that closes a leg.
    pub fn closing(long: bool) -> Self {
        if long { Self::CloseLong } else { Self::CloseShort }
    }

    /// The side that opens a leg.
    pub fn opening(long: bool) -> Self {
        if long { Self::OpenLong } else { Self::OpenShort }
    }

    /// The leg that it opens or closes.
    pub fn leg_is_long(self) -> bool {
        matches!(self, Self::OpenLong | Self::CloseLong)
    }
}

/// MEXC's order `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Limit,
    PostOnly,
    ImmediateOrCancel,
    FillOrKill,
    Market,
    /// Type 6, "convert to current price": carried out as a market order.
    MarketToLimit,
}

impl Kind {
    pub fn of_code(code: i64) -> Option<Self> {
        let all =
            [Self::Limit, Self::PostOnly, Self::ImmediateOrCancel, Self::FillOrKill, Self::Market, Self::MarketToLimit];
        all.into_iter().find(|kind| kind.code() == code)
    }

    pub fn code(self) -> i64 {
        match self {
            Self::Limit => 1,
            Self::PostOnly => 2,
            Self::ImmediateOrCancel => 3,
            Self::FillOrKill => 4,
            Self::Market => 5,
            Self::MarketToLimit => 6,
        }
    }

    pub fn is_market(self) -> bool {
        matches!(self, Self::Market | Self::MarketToLimit)
    }
}

/// MEXC's order `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    /// Resting, or partially filled.
    Open,
    Filled,
    Cancelled,
    Invalid,
}

impl State {
    pub fn code(self) -> i64 {
        match self {
            Self::Pending => 1,
            Self::Open => 2,
            Self::Filled => 3,
            Self::Cancelled => 4,
            Self::Invalid => 5,
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Open)
    }
}

/// What made an order: MEXC's `category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Normal,
    /// Take-over by the liquidation engine.
    Liquidation,
    Adl,
    /// Netting of long and short in a cross liquidation.
    Hedge,
}

impl Category {
    pub fn code(self) -> i64 {
        match self {
            Self::Normal => 1,
            Self::Liquidation => 2,
            Self::Adl => 4,
            Self::Hedge => 6,
        }
    }
}

/// A request to place an order, decoded and of the right types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub symbol: Symbol,
    pub side: Side,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    pub vol: Contracts,
    pub cross: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leverage: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_mode: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_id: Option<u64>,
    #[serde(default)]
    pub reduce_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<Price>,
    /// Trends that trigger: 1 last, 2 fair, 3 index.
    #[serde(default = "one")]
    pub loss_trend: i64,
    #[serde(default = "one")]
    pub profit_trend: i64,
}

fn one() -> i64 {
    1
}

/// An order of the books.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: u64,
    pub external: String,
    pub request: Request,
    pub position_id: u64,
    pub leverage: u32,
    /// The limit; for market orders the price they were measured at.
    pub price: Price,
    pub mode: i64,
    pub state: State,
    pub error: i64,
    pub category: Category,
    pub filled: Contracts,
    /// Σ price · contracts of the fills.
    pub filled_value: Decimal,
    /// Margin and fee held back while it works; zero for what closes.
    pub frozen: Usdt,
    pub used_margin: Usdt,
    pub taker_fee: Usdt,
    pub maker_fee: Usdt,
    pub profit: Usdt,
    /// What its fees were paid in; `None` is USDT.
    pub fee_currency: Option<String>,
    pub version: u64,
    pub created: VenueTime,
    pub updated: VenueTime,
}

impl Order {
    pub fn remaining(&self) -> Contracts {
        self.request.vol - self.filled
    }

    pub fn average(&self) -> Price {
        Price(div(self.filled_value, self.filled.0).unwrap_or_default())
    }

    /// What an opening order of this size holds back: vol·size·price·(1/leverage + taker fee).
    pub fn margin_for(instrument: &Instrument, price: Price, vol: Contracts, leverage: u32) -> Usdt {
        let value = instrument.value(price, vol);
        let share = div(Decimal::ONE, Decimal::from(leverage.max(1))).unwrap_or(Decimal::ONE);
        Usdt(mul(value.0, add(share, instrument.taker_fee)).round_dp(12))
    }

    /// The order object of REST; `push` adds what only the WebSocket sends.
    pub fn to_json(&self, instrument: &Instrument, push: bool) -> String {
        let cut = |value: Usdt| value.0.trunc_with_scale(instrument.amount_scale.max(8));
        let average = self.average().0.round_dp(instrument.price_scale.saturating_add(4));
        let request = &self.request;
        let mut object = Object::new()
            .text("orderId", &self.id.to_string())
            .text("symbol", request.symbol.as_str())
            .plain("positionId", self.position_id)
            .number("price", self.price.0)
            .text("priceStr", &format!("{:.18}", self.price.0))
            .number("vol", request.vol.0)
            .plain("leverage", self.leverage)
            .plain("side", request.side.code())
            .plain("category", self.category.code())
            .plain("orderType", request.kind.code())
            .number("dealAvgPrice", average)
            .text("dealAvgPriceStr", &average.normalize().to_string())
            .number("dealVol", self.filled.0)
            .number("orderMargin", cut(if self.state.is_open() { self.frozen } else { self.used_margin }))
            .number("takerFee", cut(self.taker_fee))
            .number("makerFee", cut(self.maker_fee))
            .number("profit", cut(self.profit))
            .text("feeCurrency", self.fee_currency.as_deref().unwrap_or("USDT"))
            .plain("openType", open_type(request.cross))
            .plain("state", self.state.code())
            .text("externalOid", &self.external)
            .plain("errorCode", self.error)
            .number("usedMargin", cut(self.used_margin))
            .plain("createTime", self.created.millis())
            .plain("updateTime", self.updated.millis())
            .plain("positionMode", self.mode)
            .plain("reduceOnly", request.reduce_only)
            .plain("version", self.version)
            .plain("showCancelReason", 0)
            .plain("bboTypeNum", 0)
            .number("totalFee", cut(self.taker_fee + self.maker_fee))
            .maybe("stopLossPrice", request.stop_loss.map(|p| p.0))
            .maybe("takeProfitPrice", request.take_profit.map(|p| p.0));
        if push {
            let buy = request.side.is_buy();
            object = object
                .number("remainVol", self.remaining().0)
                .text("sideType", if buy { "buy" } else { "sell" })
                .text("positionType", if request.side.leg_is_long() { "long" } else { "short" })
                .number("takerFeeRate", instrument.taker_fee)
                .number("makerFeeRate", instrument.maker_fee)
                .plain("bizSource", 1);
        }
        object.build()
    }
}

/// MEXC's `openType`.
pub fn open_type(cross: bool) -> i64 {
    if cross { 2 } else { 1 }
}

/// One fill.
#[derive(Clone, Debug)]
pub struct Fill {
    pub id: u64,
    pub order: u64,
    pub external: String,
    pub symbol: Symbol,
    pub side: Side,
    pub vol: Contracts,
    pub price: Price,
    /// Above zero is paid; in the currency beside it.
    pub fee: Usdt,
    /// `None` is USDT.
    pub fee_currency: Option<String>,
    pub profit: Usdt,
    pub taker: bool,
    pub category: Category,
    pub position_id: u64,
    pub mode: i64,
    pub at: VenueTime,
}

impl Fill {
    /// The fill object of REST; `push` adds what only the WebSocket sends.
    pub fn to_json(&self, push: bool) -> String {
        let mut object = Object::new()
            .text("id", &self.id.to_string())
            .text("symbol", self.symbol.as_str())
            .plain("side", self.side.code())
            .number("vol", self.vol.0)
            .number("price", self.price.0)
            .number("fee", self.fee.0)
            .text("feeCurrency", self.fee_currency.as_deref().unwrap_or("USDT"))
            .number("profit", self.profit.0)
            .plain("category", self.category.code())
            .text("orderId", &self.order.to_string())
            .plain("timestamp", self.at.millis())
            .plain("positionMode", self.mode)
            .plain("taker", self.taker);
        if push {
            object = object.text("externalOid", &self.external).plain("isSelf", false);
        } else {
            object = object.plain("opponentOrderId", 0).plain("positionId", self.position_id);
        }
        object.build()
    }
}
