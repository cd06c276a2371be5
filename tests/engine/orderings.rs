//! No ordering of late answers turns a position round, in either mode (I15, I42): every order in which
//! answers and pushes can come is tried.

use std::collections::BTreeMap;
use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    CallError, CancelOutcome, Category, Contracts, Decimal, ErrorClass, FillId, FillReport, OrderNo, OrderReport,
    PlaceOrder, PositionMode, PositionReport, Price, Push, Refusal, SessionTime, Side, Usdt, VenueOrderState,
};

use crate::harness::*;

/// What becomes of the first exit at the exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
enum First {
    /// It fills whole; its answer is lost.
    FillsUnanswered,
    /// It fills in part, the rest is cancelled; its answer is lost.
    FillsInPart,
    /// It arrives after the second one, or seconds after it left.
    ArrivesLate,
    /// It never arrives.
    NeverArrives,
}

enum Message {
    Push(Push),
    Reply(Reply),
}

struct Venue {
    bench: Bench,
    held: Decimal,
    first: First,
    late: Option<(OrderNo, PlaceOrder, SessionTime)>,
    orders: BTreeMap<OrderNo, (PlaceOrder, Decimal)>,
    fills: Vec<FillReport>,
    queue: Vec<Message>,
}

impl Venue {
    fn new(mode: PositionMode, first: First) -> Self {
        let mut bench = Bench::started_with(|_| {});
        bench.answer_start(mode, Vec::new());
        bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
        bench.asked_so_far.clear();
        let (orders, fills, queue) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { bench, held: d("100"), first, late: None, orders, fills, queue }
    }

    /// Reduce-only: closes what is there and no more.
    fn execute(&mut self, no: OrderNo, place: &PlaceOrder, share: Decimal) -> bool {
        assert!(place.intent.reduces(), "nothing opens here");
        let size = (place.contracts.0.min(self.held) * share).trunc();
        if size.is_zero() {
            return false;
        }
        self.held -= size;
        self.orders.insert(no, (place.clone(), size));
        let fill = FillReport {
            id: FillId::new(&format!("d{}", self.fills.len())).unwrap(),
            venue_order: Some(venue_id(no)),
            client_id: Some(place.client_id.clone()),
            symbol: place.symbol.clone(),
            intent: place.intent,
            contracts: Contracts(size),
            price: Price(d("50000")),
            fee: Some(Usdt(d("0.01"))),
            profit: None,
            taker: Some(true),
            category: Category::Normal,
            at: venue(self.bench.now),
        };
        self.fills.push(fill.clone());
        self.queue.push(Message::Push(Push::Fill(fill)));
        self.queue.push(Message::Push(Push::Order(self.report(no))));
        let word = self.position();
        self.queue.push(Message::Push(Push::Position(word)));
        true
    }

    /// The exchange's word on the position, with a version that grows.
    fn position(&self) -> PositionReport {
        let held = self.held.to_string();
        let report = self.bench.position_report("BTC_USDT", Side::Long, &held, "50000", "34000", "166");
        PositionReport { version: u64::try_from(self.fills.len()).unwrap() + 1, ..report }
    }

    fn report(&self, no: OrderNo) -> OrderReport {
        let (place, filled) = &self.orders[&no];
        let whole = *filled == place.contracts.0;
        OrderReport {
            venue_id: venue_id(no),
            client_id: Some(place.client_id.clone()),
            symbol: place.symbol.clone(),
            intent: place.intent,
            state: if whole { VenueOrderState::Filled } else { VenueOrderState::Cancelled },
            contracts: place.contracts,
            filled: Contracts(*filled),
            average_price: None,
            category: Category::Normal,
            error_code: if whole { 0 } else { 21 },
            created_at: None,
            limit: None,
            refusal: if whole { Refusal::Unspecified } else { Refusal::RestCancelled },
            version: 3,
            updated_at: venue(self.bench.now),
        }
    }

    fn place(&mut self, no: OrderNo, attempt: u32, place: PlaceOrder) {
        let is_first = self.orders.is_empty() && self.late.is_none() && self.first != First::NeverArrives;
        let never = self.first == First::NeverArrives && attempt == 1 && self.orders.is_empty();
        let answer = |result| Message::Reply(Reply::Placed { no, attempt, result });
        if never {
            self.first = First::FillsUnanswered;
            return self.queue.push(answer(Err(reply_lost())));
        }
        if is_first {
            match self.first {
                First::ArrivesLate => {
                    self.late = Some((no, place, self.bench.now));
                    return self.queue.push(answer(Err(reply_lost())));
                }
                First::FillsInPart => {
                    self.execute(no, &place, d("0.6"));
                    return self.queue.push(answer(Err(reply_lost())));
                }
                _ => {
                    self.execute(no, &place, Decimal::ONE);
                    return self.queue.push(answer(Err(reply_lost())));
                }
            }
        }
        let result = if self.execute(no, &place, Decimal::ONE) {
            Ok(venue_id(no))
        } else {
            Err(CallError { refusal: Refusal::PositionGone, ..error(ErrorClass::Fatal, false, "position gone") })
        };
        self.queue.push(answer(result));
        if let Some((no, place, _)) = self.late.take() {
            // What closes nothing is refused there; its answer is lost all the same.
            self.execute(no, &place, Decimal::ONE);
        }
    }

    fn take_requests(&mut self) {
        // On its way for five seconds at most: later its time stamp would be too old.
        if let Some((no, place, _)) = self.late.take_if(|(.., left)| left.plus(secs(5)) <= self.bench.now) {
            self.execute(no, &place, Decimal::ONE);
        }
        for request in std::mem::take(&mut self.bench.asked_so_far) {
            let asked_at = self.bench.now;
            match request {
                Request::Place { no, attempt, order } => self.place(no, attempt, *order),
                Request::Lookup { no, .. } => {
                    let found = self.orders.contains_key(&no).then(|| self.report(no));
                    self.queue.push(Message::Reply(Reply::LookedUp { no, asked_at, result: Ok(found) }));
                }
                Request::OrderFills { no, venue_id, .. } => {
                    let of = |fill: &&FillReport| fill.venue_order.as_ref() == Some(&venue_id);
                    let fills = self.fills.iter().filter(of).cloned().collect();
                    self.queue.push(Message::Reply(Reply::OrderFills { no, result: Ok(fills) }));
                }
                Request::FillsSince { .. } => {
                    let fills = self.fills.iter().cloned().collect();
                    self.queue.push(Message::Reply(Reply::Fills { asked_at, result: Ok(fills) }));
                }
                Request::OpenOrders => {
                    let result = Ok(Vec::new().into());
                    self.queue.push(Message::Reply(Reply::OpenOrders { asked_at, result }));
                }
                Request::Positions => {
                    let reports: Vec<PositionReport> =
                        if self.held.is_zero() { Vec::new() } else { vec![self.position()] };
                    let account = account_of("10000");
                    let (result, account) = (Ok(reports.into()), Ok(vec![account].into()));
                    self.queue.push(Message::Reply(Reply::Positions { asked_at, result, account }));
                }
                Request::Cancel { orders } => {
                    let asked = orders.iter().map(|order| order.no).collect();
                    let result = orders.iter().map(|order| (order.no, CancelOutcome::NotCancellable)).collect();
                    self.queue.push(Message::Reply(Reply::Cancelled { orders: asked, result: Ok(result) }));
                }
                _ => {}
            }
        }
    }

    fn deliver(&mut self, which: usize) {
        let message = self.queue.remove(which % self.queue.len());
        match message {
            Message::Push(push) => self.bench.push(push),
            Message::Reply(reply) => self.bench.reply(reply),
        }
    }

    fn run(&mut self, choices: u32, reduce_to: &str) {
        self.bench.signal("out", if reduce_to == "0" { "E1" } else { "ZE1" }, "BTC_USDT", "sell", "40%");
        self.take_requests();
        let mut choices = choices;
        for _ in 0..5 {
            if self.queue.is_empty() {
                self.bench.now = self.bench.now.plus(Duration::from_millis(300));
                self.bench.tick();
            } else {
                self.deliver(usize::try_from(choices % 4).unwrap());
                choices /= 4;
            }
            self.take_requests();
        }
        for _ in 0..80 {
            while !self.queue.is_empty() {
                self.deliver(0);
                self.take_requests();
            }
            let state = self.bench.state();
            if state.targets.is_empty() && state.orders.working_count() == 0 {
                return;
            }
            self.bench.now = self.bench.now.plus(Duration::from_millis(300));
            self.bench.tick();
            self.take_requests();
        }
    }
}

#[test]
fn i15_every_ordering_of_late_answers_ends_flat_and_turns_nothing_round() {
    for mode in [PositionMode::Hedge, PositionMode::OneWay] {
        for first in [First::FillsUnanswered, First::FillsInPart, First::ArrivesLate, First::NeverArrives] {
            for choices in 0..256 {
                let mut venue = Venue::new(mode, first);
                venue.run(choices, "0");
                let what = format!("{mode:?} {first:?} {choices}");
                assert_eq!(venue.held, Decimal::ZERO, "{what}");
                assert_eq!(venue.bench.state().positions.open_count(), 0, "{what}");
                assert!(venue.bench.state().targets.is_empty(), "{what}: {:?}", venue.bench.state().targets);
                venue.bench.check_replay();
            }
        }
    }
}

#[test]
fn i42_every_ordering_of_late_answers_leaves_what_a_partial_exit_was_to_leave() {
    for mode in [PositionMode::Hedge, PositionMode::OneWay] {
        for first in [First::FillsUnanswered, First::FillsInPart, First::ArrivesLate, First::NeverArrives] {
            for choices in 0..256 {
                let mut venue = Venue::new(mode, first);
                venue.run(choices, "60");
                let what = format!("{mode:?} {first:?} {choices}");
                assert_eq!(venue.held, d("60"), "{what}");
                let held = venue.bench.position("BTC_USDT", Side::Long).unwrap().contracts;
                assert_eq!(held, Contracts(d("60")), "{what}");
                assert!(venue.bench.state().targets.is_empty(), "{what}");
                venue.bench.check_replay();
            }
        }
    }
}
