//! The true books, for whoever wants to compare.

use super::order::Order;
use super::{Fill, Venue};
use crate::model::{SessionTime, Symbol};
use crate::simulator::json::{Object, array};

/// One request that named an order, accepted or refused.
#[derive(Clone, Debug)]
pub struct RequestNote {
    pub at: SessionTime,
    pub path: String,
    pub symbol: Option<Symbol>,
    /// The client's id, or whatever id the request gave.
    pub client: String,
    pub order: Option<u64>,
    pub outcome: String,
}

impl RequestNote {
    fn to_json(&self) -> String {
        let mut object = Object::new()
            .plain("at", self.at.micros())
            .text("path", &self.path)
            .text("symbol", self.symbol.as_ref().map_or("", Symbol::as_str))
            .text("id", &self.client);
        if let Some(order) = self.order {
            object = object.text("orderId", &order.to_string());
        }
        object.text("outcome", &self.outcome).build()
    }
}

impl Venue {
    pub(super) fn note(&mut self, path: &str, symbol: Option<Symbol>, client: &str, order: Option<u64>, outcome: &str) {
        self.changed = true;
        let note = RequestNote {
            at: self.now,
            path: path.to_owned(),
            symbol,
            client: client.to_owned(),
            order,
            outcome: outcome.to_owned(),
        };
        self.requests.push(note);
    }

    /// Everything, as `GET /sim/ledger` answers it.
    pub fn ledger(&self) -> String {
        let totals = self.totals();
        let account = &self.account;
        let balances = Object::new()
            .number("deposits", account.deposits.0)
            .number("wallet", account.wallet.0)
            .number("realised", account.realised.0)
            .number("fees", account.fees.0)
            .number("funding", account.funding.0)
            .number("unrealised", totals.unrealised.0)
            .number("equity", self.equity().0)
            .number("positionMargin", totals.position_margin.0)
            .number("frozen", totals.frozen.0)
            .number("available", self.available().0)
            .plain("positionMode", account.mode)
            .build();
        let prices = self.markets.iter().map(|(symbol, market)| {
            Object::new()
                .text("symbol", symbol.as_str())
                .number("last", market.last.0)
                .number("fair", market.fair.0)
                .number("index", market.index.0)
                .build()
        });
        Object::new()
            .plain("now", self.now.micros())
            .plain("clock", self.stamp().micros())
            .plain("ranMs", self.ran.as_millis())
            .plain("seed", self.seed)
            .text("scenario", &self.beginning.scenario.name)
            .raw("balances", &balances)
            .raw("prices", &array(prices))
            .raw("orders", &array(self.orders.values().map(|order| self.ledger_order(order))))
            .raw("fills", &array(self.fills.iter().map(ledger_fill)))
            .raw("positions", &array(self.positions.values().map(|held| self.position_json_with(held, &totals, true))))
            .raw("closedPositions", &array(self.closed.iter().map(|held| self.position_json_with(held, &totals, true))))
            .raw("liquidations", &array(self.liquidation_rows()))
            .raw("funding", &array(self.funding_rows()))
            .raw("stops", &array(self.stops.values().map(super::Stop::to_json)))
            .raw("requests", &array(self.requests.iter().map(RequestNote::to_json)))
            .build()
    }

    fn ledger_order(&self, order: &Order) -> String {
        let Some(instrument) = self.instrument(&order.request.symbol) else { return "{}".to_owned() };
        let about = |note: &&RequestNote| {
            note.order == Some(order.id)
                || (note.client == order.external && note.symbol.as_ref() == Some(&order.request.symbol))
        };
        let requests = array(self.requests.iter().filter(about).map(RequestNote::to_json));
        let json = order.to_json(instrument, true);
        format!("{},\"requests\":{requests}}}", json.strip_suffix('}').unwrap_or(&json))
    }

    fn liquidation_rows(&self) -> Vec<String> {
        let row = |note: &super::LiquidationNote| {
            Object::new()
                .plain("at", note.at.micros())
                .plain("positionId", note.position)
                .text("orderId", &note.order.to_string())
                .text("symbol", note.symbol.as_str())
                .plain("positionType", if note.long { 1 } else { 2 })
                .number("vol", note.vol.0)
                .number("price", note.price.0)
                .number("fairPrice", note.fair.0)
                .number("marginRatio", note.ratio)
                .plain("openType", if note.cross { 2 } else { 1 })
                .plain("partial", note.partial)
                .text("kind", note.kind)
                .build()
        };
        self.liquidations.iter().map(row).collect()
    }

    /// Payments of funding, oldest first, as `position/funding_records` shows them.
    pub fn funding_rows(&self) -> Vec<String> {
        let row = |note: &super::FundingNote| {
            Object::new()
                .plain("id", note.id)
                .text("symbol", note.symbol.as_str())
                .plain("positionId", note.position)
                .plain("positionType", if note.long { 1 } else { 2 })
                .number("positionValue", note.value.0)
                .number("funding", note.amount.0)
                .number("rate", note.rate)
                .plain("settleTime", note.at.millis())
                .build()
        };
        self.account.fundings.iter().map(row).collect()
    }
}

fn ledger_fill(fill: &Fill) -> String {
    let json = fill.to_json(true);
    format!("{},\"positionId\":{}}}", json.strip_suffix('}').unwrap_or(&json), fill.position_id)
}
