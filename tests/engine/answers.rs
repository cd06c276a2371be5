//! Answers of the exchange that several subjects need.

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, CallClass, CallError, Category, FillReport, Intent, OrderNo, OrderReport, OrderState, Price, RawSignal,
};

use crate::harness::*;

impl Bench {
    /// The exchange answers a look-up that left now.
    pub fn looked_up(&mut self, no: OrderNo, report: Option<OrderReport>) {
        self.reply(Reply::LookedUp { no, asked_at: self.now, result: Ok(report) });
    }

    /// The exchange answers a bulk query that left now.
    pub fn open_orders(&mut self, reports: Vec<OrderReport>) {
        self.reply(Reply::OpenOrders { asked_at: self.now, result: Ok(reports.into()) });
    }

    /// The reply to a placement is lost: the order is UNKNOWN from now on.
    pub fn lose(&mut self, no: OrderNo) {
        self.refuse(no, reply_lost());
        assert_eq!(self.state_of(no), OrderState::Unknown);
    }

    /// Time passes at an exchange that answers every question about orders with "nothing".
    /// Returns every request on the way.
    pub fn pass_absent(&mut self, time: Duration) -> Vec<Request> {
        let end = self.now.plus(time);
        let mut all = Vec::new();
        while self.now < end {
            let mut asked = self.pass_quoted(Duration::from_millis(100));
            while let Some(request) = asked.pop() {
                match &request {
                    Request::Lookup { no, .. } => {
                        self.looked_up(*no, None);
                        asked.append(&mut self.requests.clone());
                    }
                    Request::OpenOrders => {
                        self.open_orders(Vec::new());
                        asked.append(&mut self.requests.clone());
                    }
                    _ => {}
                }
                all.push(request);
            }
        }
        all
    }

    /// Answers all that a later start asks: fills too, which working orders make it ask at once.
    pub fn answer_restart(&mut self, positions: Vec<perpdeck::model::PositionReport>) {
        self.answer_start(perpdeck::model::PositionMode::Hedge, positions);
        self.fills_told(Ok(Vec::new().into()));
    }

    /// An order that rests at the exchange.
    pub fn resting(&mut self, id: &str, name: &str, side: &str, quantity: &str, price: &str) -> OrderNo {
        self.signal_raw(RawSignal { price: Some(price.to_owned()), ..raw(id, "S1", name, side, quantity) });
        let no = ordered(self.outcome(id));
        self.accept(no);
        assert_eq!(self.state_of(no), OrderState::Submitted);
        no
    }

    /// A limit exit of a share, resting.
    pub fn resting_exit(&mut self, id: &str, name: &str, side: &str, share: &str, price: &str) -> OrderNo {
        self.signal_raw(RawSignal { price: Some(price.to_owned()), ..raw(id, "ZE1", name, side, share) });
        let no = ordered(self.outcome(id));
        self.accept(no);
        no
    }

    /// Five calls in a row fail as the transport fails: the breaker of this class opens.
    pub fn break_open(&mut self, class: CallClass) {
        assert_eq!(class, CallClass::Reads, "the others need orders");
        for _ in 0..5 {
            self.now = self.now.plus(Duration::from_millis(250));
            self.reply(Reply::OpenOrders { asked_at: self.now, result: Err(not_sent()) });
        }
    }

    pub fn has_alert(&self, kind: AlertKind) -> bool {
        !self.alerts(kind).is_empty()
    }

    /// A fill without client id, as the list of deals may tell it.
    pub fn bare_fill(&mut self, intent: Intent, contracts: &str, price: &str, order: OrderNo) -> FillReport {
        let mut fill = self.foreign_fill("BTC_USDT", intent, contracts, price, Category::Normal);
        fill.venue_order = Some(venue_id(order));
        fill.price = Price(d(price));
        fill
    }
}

/// Five entries that the transport loses, one a symbol and try; opens the breaker of entries.
pub fn break_entries(bench: &mut Bench) {
    let mut made = 0;
    while bench.state().breaker(CallClass::Entries).failures < 5 {
        made += 1;
        assert!(made < 10);
        let outcome = bench.signal(&format!("break{made}"), "S1", "XRP_USDT", "buy", "20");
        let no = ordered(outcome);
        // Refused by the transport three times, or until the breaker opens.
        while bench.state_of(no) == OrderState::Submitting {
            bench.refuse(no, not_sent());
            if bench.state().breaker(CallClass::Entries).failures >= 5 {
                break;
            }
            bench.pass_quoted(secs(3));
        }
    }
}

/// How many placements there are of one order among requests.
pub fn placements(requests: &[Request], no: OrderNo) -> usize {
    placed(requests).iter().filter(|(placed, ..)| *placed == no).count()
}

pub fn lookups(requests: &[Request]) -> usize {
    requests.iter().filter(|request| matches!(request, Request::Lookup { .. })).count()
}

pub fn timeout_error() -> CallError {
    reply_lost()
}
