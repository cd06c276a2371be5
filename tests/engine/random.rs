//! Random signals, answers of every class, pushes reordered and doubled, time, commands and restarts
//! against a small exchange that keeps its own books; invariants of engine.md 7.3 after every step.

mod resting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, BreakerState, CallClass, CancelOutcome, Category, ClientOrderId, Contracts, Effect, ErrorClass, Event,
    FillId, FillReport, OrderNo, OrderState, PlaceOrder, PositionKey, PositionMode, PositionReport, Price, Push,
    RawSignal, SessionTime, Side, SignalOutcome, StopPolicy, VenueOrderId, VenueOrderState,
};
use proptest::prelude::*;

use self::resting::Resting;
use crate::harness::*;

#[derive(Clone, Debug)]
enum Op {
    /// Kind, id, symbol, side, size, whether it is a limit.
    Signal(u8, u8, u8, bool, u8, bool),
    /// Answers the nth outstanding request, so.
    Answer(u8, Fate),
    /// The exchange fills a part of the nth order that works there.
    Fill(u8, u8),
    /// Delivers the nth push that is on its way; it may come again.
    Push(u8, bool),
    Pass(u16),
    Command(u8, u8),
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Good,
    /// Never left.
    NotSent,
    /// The request was lost, or did its work and the reply was lost.
    Lost {
        done: bool,
    },
    /// Refused by the exchange.
    Refused,
}

fn op() -> impl Strategy<Value = Op> {
    let fate = prop_oneof![
        6 => Just(Fate::Good),
        1 => Just(Fate::NotSent),
        2 => any::<bool>().prop_map(|done| Fate::Lost { done }),
        1 => Just(Fate::Refused),
    ];
    prop_oneof![
        4 => (0..8_u8, 0..40_u8, 0..2_u8, any::<bool>(), 1..30_u8, any::<bool>())
            .prop_map(|(kind, id, symbol, side, size, limit)| Op::Signal(kind, id, symbol, side, size, limit)),
        6 => (any::<u8>(), fate).prop_map(|(which, fate)| Op::Answer(which, fate)),
        4 => (any::<u8>(), 1..=100_u8).prop_map(|(which, part)| Op::Fill(which, part)),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(which, again)| Op::Push(which, again)),
        3 => (1..8000_u16).prop_map(Op::Pass),
        1 => (0..7_u8, any::<u8>()).prop_map(|(which, order)| Op::Command(which, order)),
        1 => Just(Op::Restart),
    ]
}

struct World {
    bench: Bench,
    outstanding: Vec<(Request, SessionTime)>,
    orders: Vec<Resting>,
    fills: Vec<FillReport>,
    positions: BTreeMap<PositionKey, (Contracts, SessionTime)>,
    pushes: Vec<Push>,
    payloads: BTreeMap<ClientOrderId, PlaceOrder>,
    fatal: BTreeSet<OrderNo>,
    before: BTreeMap<OrderNo, (OrderState, Contracts)>,
    commands: u32,
}

impl World {
    fn new() -> Self {
        let bench = Bench::ready_with(|settings| {
            settings.orders.max_working = 12;
            settings.orders.reserved_for_exits = 4;
        });
        Self {
            bench,
            outstanding: Vec::new(),
            orders: Vec::new(),
            fills: Vec::new(),
            positions: BTreeMap::new(),
            pushes: Vec::new(),
            payloads: BTreeMap::new(),
            fatal: BTreeSet::new(),
            before: BTreeMap::new(),
            commands: 0,
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Signal(kind, id, symbol, side, size, limit) => self.signal(kind, id, symbol, side, size, limit),
            Op::Answer(which, fate) => self.answer(usize::from(which), fate),
            Op::Fill(which, part) => self.fill(usize::from(which), part),
            Op::Push(which, again) => self.deliver(usize::from(which), again),
            Op::Pass(ms) => {
                let asked = self.bench.pass_quoted(Duration::from_millis(u64::from(ms)));
                self.collect(asked);
            }
            Op::Command(which, order) => self.command(which, order),
            Op::Restart => {
                self.bench = self.bench.restarted();
                self.outstanding.clear();
                let asked = self.bench.requests.clone();
                self.collect(asked);
                for name in ["BTC_USDT", "ETH_USDT"] {
                    self.bench.quote(name, "1000");
                }
                self.bench.push(Push::Connected);
                let asked = self.bench.requests.clone();
                self.collect(asked);
            }
        }
        self.check();
    }

    fn collect(&mut self, asked: Vec<Request>) {
        for request in asked {
            if let Request::Place { no, attempt, order } = &request {
                // I2: on record before it leaves. I3: one id, one payload. I28: never after a fatal answer.
                assert_eq!(self.bench.order(*no).attempts, *attempt);
                let known = self.payloads.entry(order.client_id.clone()).or_insert_with(|| (**order).clone());
                assert_eq!(known, &**order, "I3");
                assert!(!self.fatal.contains(no), "I28: {no} is sent again after a refusal");
                if self.bench.state().breaker(CallClass::Entries).state == BreakerState::HalfOpen
                    && !order.intent.reduces()
                {
                    let since = self.bench.state().breaker(CallClass::Entries).since.unwrap();
                    let probes = self.outstanding.iter().filter(|(asked, at)| {
                        *at >= since && matches!(asked, Request::Place { order, .. } if !order.intent.reduces())
                    });
                    assert_eq!(probes.count(), 0, "I27: a second probe");
                }
            }
            self.outstanding.push((request, self.bench.now));
        }
    }

    fn after(&mut self) {
        let asked = self.bench.requests.clone();
        self.collect(asked);
    }

    fn signal(&mut self, kind: u8, id: u8, symbol: u8, side: bool, size: u8, limit: bool) {
        let name = ["BTC_USDT", "ETH_USDT"][usize::from(symbol)];
        let kind = ["S1", "S1", "S1", "ZE1", "E1", "EMERGENCY_EXIT", "Z1", "NOPE"][usize::from(kind)];
        let quantity = match kind {
            "ZE1" => format!("{size}%"),
            _ if name == "BTC_USDT" => format!("0.{size:04}"),
            _ => format!("0.0{size:02}"),
        };
        let id = format!("s{id}");
        let known = self.bench.state().signals.keys().any(|known| known.as_str() == id);
        let price = limit.then(|| if name == "BTC_USDT" { "50000" } else { "2000" }.to_owned());
        self.bench
            .signal_raw(RawSignal { price, ..raw(&id, kind, name, if side { "long" } else { "short" }, &quantity) });
        self.after();
        let held = self.bench.state().upkeep.held_exits.iter().any(|held| held.signal.id.as_str() == id);
        if kind == "NOPE" || held {
            return;
        }
        // I22: nothing of the session stands in the way of an exit.
        if let SignalOutcome::Rejected { reason, .. } = self.bench.outcome(&id)
            && !known
            && matches!(kind, "ZE1" | "E1" | "EMERGENCY_EXIT")
        {
            let about_the_position = ["position of", "being closed", "below the smallest", "mode is not known"];
            assert!(about_the_position.iter().any(|part| reason.contains(part)), "I22: {reason}");
        }
    }

    fn answer(&mut self, which: usize, fate: Fate) {
        if self.outstanding.is_empty() {
            return;
        }
        let which = which % self.outstanding.len();
        let (request, asked_at) = self.outstanding.remove(which);
        let bad = match fate {
            Fate::Good => None,
            Fate::NotSent => Some(not_sent()),
            Fate::Lost { .. } => Some(reply_lost()),
            Fate::Refused => Some(refusal()),
        };
        let done = matches!(fate, Fate::Good | Fate::Lost { done: true });
        match request {
            Request::Revoke { .. } => {}
            Request::Place { no, attempt, order } => {
                let result = if done { self.place(no, &order) } else { Err(refusal()) };
                let result = match (bad, result) {
                    (Some(error), _) => Err(error),
                    (None, result) => result,
                };
                if result.as_ref().is_err_and(|error| error.class == ErrorClass::Fatal) {
                    self.fatal.insert(no);
                }
                self.bench.reply(Reply::Placed { no, attempt, result });
            }
            Request::Cancel { orders } => {
                let outcomes = orders
                    .iter()
                    .map(|cancel| {
                        let found =
                            self.orders.iter().position(|order| Some(&order.venue_id) == cancel.venue_id.as_ref());
                        let outcome = match found {
                            None => CancelOutcome::NotFound,
                            Some(at) if !self.orders[at].works() => CancelOutcome::NotCancellable,
                            Some(at) if done => {
                                self.end(at, VenueOrderState::Cancelled);
                                CancelOutcome::Accepted
                            }
                            Some(_) => CancelOutcome::Refused { code: 2041, message: "no".to_owned() },
                        };
                        (cancel.no, outcome)
                    })
                    .collect();
                let orders = orders.iter().map(|cancel| cancel.no).collect();
                self.bench.reply(Reply::Cancelled { orders, result: bad.map_or(Ok(outcomes), Err) });
            }
            Request::Lookup { no, client_id, .. } => {
                let found = self.orders.iter().find(|order| order.place.client_id == client_id).map(Resting::report);
                self.bench.reply(Reply::LookedUp { no, asked_at, result: bad.map_or(Ok(found), Err) });
            }
            Request::OrderFills { no, venue_id, .. } => {
                let of_order = |fill: &&FillReport| fill.venue_order.as_ref() == Some(&venue_id);
                let fills = self.fills.iter().filter(of_order).cloned().collect();
                self.bench.reply(Reply::OrderFills { no, result: bad.map_or(Ok(fills), Err) });
            }
            Request::OpenOrders => {
                let open = self.orders.iter().filter(|order| order.works()).map(Resting::report).collect();
                self.bench.reply(Reply::OpenOrders { asked_at, result: bad.map_or(Ok(open), Err) });
            }
            Request::OrderHistory { since } => {
                let ended = self.orders.iter().filter(|order| !order.works()).map(Resting::report).collect();
                self.bench.reply(Reply::OrderHistory { asked_at, since, result: bad.map_or(Ok(ended), Err) });
            }
            Request::FillsSince { since, .. } => {
                let fills = self.fills.iter().filter(|fill| fill.at >= since).cloned().collect();
                self.bench.fills_told(bad.map_or(Ok(fills), Err));
            }
            Request::Positions => {
                let reports = self.reports();
                let account = perpdeck::model::AccountReport {
                    equity: Some(perpdeck::model::Usdt(d("10000"))),
                    available: perpdeck::model::Usdt(d("10000")),
                    position_margin: perpdeck::model::Usdt::ZERO,
                    order_margin: perpdeck::model::Usdt::ZERO,
                    unrealised: Some(perpdeck::model::Usdt::ZERO),
                };
                let account = bad.clone().map_or(Ok(vec![account].into()), Err);
                let result = bad.map_or(Ok(reports.into()), Err);
                self.bench.reply(Reply::Positions { asked_at, result, account });
            }
            Request::Evidence { id, .. } => {
                self.bench.reply(Reply::Evidence { id, result: Ok(perpdeck::model::Evidence::default()) });
            }
            Request::PositionMode => {
                self.bench.reply(Reply::PositionMode { result: bad.map_or(Ok(PositionMode::Hedge), Err) });
            }
            Request::Contracts => {
                let specs = vec![contract("BTC_USDT"), contract("ETH_USDT")];
                self.bench.reply(Reply::Contracts { result: bad.map_or(Ok(specs), Err) });
            }
            Request::ServerTime => return,
        }
        self.after();
    }

    fn reports(&self) -> Vec<PositionReport> {
        let held = self.positions.iter().filter(|(_, (contracts, _))| contracts.is_positive());
        held.map(|(key, (contracts, at))| {
            let entry = if key.symbol == symbol("BTC_USDT") { "50000" } else { "2000" };
            let liquidation = if key.side == Side::Long { "1" } else { "900000" };
            let mut report = self.bench.position_report(
                key.symbol.as_str(),
                key.side,
                &contracts.to_string(),
                entry,
                liquidation,
                "100",
            );
            report.updated_at = venue(*at);
            report
        })
        .collect()
    }

    /// The exchange takes an order, or refuses a close that has nothing to close.
    fn place(&mut self, no: OrderNo, place: &PlaceOrder) -> Result<VenueOrderId, perpdeck::model::CallError> {
        assert!(
            self.orders.iter().all(|order| order.place.client_id != place.client_id),
            "I1: {} is accepted twice",
            place.client_id
        );
        if place.intent.effect == Effect::Close {
            let key = PositionKey { symbol: place.symbol.clone(), side: place.intent.side };
            let held = self.positions.get(&key).map_or(Contracts::ZERO, |(contracts, _)| *contracts);
            if held < place.contracts {
                return Err(refusal());
            }
        }
        let venue_id = venue_id(no);
        self.orders.push(Resting {
            no,
            place: place.clone(),
            venue_id: venue_id.clone(),
            filled: Contracts::ZERO,
            state: VenueOrderState::Resting,
            version: 1,
            at: self.bench.now,
        });
        let report = self.orders.last().unwrap().report();
        self.pushes.push(Push::Order(report));
        Ok(venue_id)
    }

    fn end(&mut self, at: usize, state: VenueOrderState) {
        let now = self.bench.now;
        let order = &mut self.orders[at];
        order.state = state;
        order.version += 1;
        order.at = now;
        let report = order.report();
        self.pushes.push(Push::Order(report));
    }

    fn fill(&mut self, which: usize, part: u8) {
        let working: Vec<usize> = (0..self.orders.len()).filter(|at| self.orders[*at].works()).collect();
        if working.is_empty() {
            return;
        }
        self.fill_at(working[which % working.len()], part);
    }

    fn fill_at(&mut self, at: usize, part: u8) {
        // Exchange time moves on with every deal.
        self.bench.now = self.bench.now.plus(Duration::from_millis(1));
        let now = self.bench.now;
        let key = self.orders[at].key();
        let order = &mut self.orders[at];
        let left = order.place.contracts - order.filled;
        let mut contracts = Contracts((left.0 * d(&part.to_string()) / d("100")).ceil()).min(left);
        let held = self.positions.entry(key.clone()).or_insert((Contracts::ZERO, now));
        let closes = order.place.intent.effect == Effect::Close;
        if closes {
            contracts = contracts.min(held.0);
        }
        if contracts.is_positive() {
            held.0 = if closes { held.0 - contracts } else { held.0 + contracts };
            held.1 = now;
            order.filled += contracts;
            let fill = FillReport {
                id: FillId::new(&format!("d{}", self.fills.len())).unwrap(),
                venue_order: Some(order.venue_id.clone()),
                client_id: Some(order.place.client_id.clone()),
                symbol: order.place.symbol.clone(),
                intent: order.place.intent,
                contracts,
                price: Price(if key.symbol == symbol("BTC_USDT") { d("50000") } else { d("2000") }),
                fee: Some(perpdeck::model::Usdt(d("0.01"))),
                profit: None,
                taker: Some(true),
                category: Category::Normal,
                at: venue(now),
            };
            self.fills.push(fill.clone());
            self.pushes.push(Push::Fill(fill));
        }
        let full = self.orders[at].filled == self.orders[at].place.contracts;
        let empty = closes && self.positions[&key].0.is_zero();
        if full {
            self.end(at, VenueOrderState::Filled);
        } else {
            self.end(at, VenueOrderState::Resting);
        }
        if empty {
            for other in 0..self.orders.len() {
                let order = &self.orders[other];
                if order.works() && order.place.intent.reduces() && order.key() == key {
                    self.end(other, VenueOrderState::Cancelled);
                }
            }
        }
    }

    fn deliver(&mut self, which: usize, again: bool) {
        if self.pushes.is_empty() {
            return;
        }
        let which = which % self.pushes.len();
        let push = if again { self.pushes[which].clone() } else { self.pushes.remove(which) };
        self.bench.push(push);
        self.after();
    }

    fn command(&mut self, which: u8, order: u8) {
        self.commands += 1;
        let last = self.bench.state().orders.next_no().0.max(2) - 1;
        let action = match which {
            0 => Action::Pause { cancel_entries: order.is_multiple_of(2) },
            1 | 2 => Action::Resume,
            3 => Action::Halt,
            4 => Action::Flatten,
            5 => Action::CancelAll { symbol: None },
            _ => Action::Cancel { orders: vec![OrderNo(u64::from(order) % last + 1)] },
        };
        self.bench.command(&format!("c{}", self.commands), action);
        self.after();
    }

    /// Faults are over: everything is answered truly, until nothing moves any more.
    fn settle(&mut self) {
        for _ in 0..90 {
            while !self.pushes.is_empty() {
                self.deliver(0, false);
            }
            for _ in 0..60 {
                if self.outstanding.is_empty() {
                    break;
                }
                self.answer(0, Fate::Good);
            }
            // What takes the market's price is filled; until then a target asks for it again and again.
            while let Some(at) = (0..self.orders.len()).find(|at| self.orders[*at].leaves_at_once()) {
                self.fill_at(at, 100);
            }
            let asked = self.bench.pass_quoted(secs(2));
            self.collect(asked);
            self.check();
        }
    }

    fn check(&mut self) {
        let state = self.bench.state();
        // When an exit is made; what is closed elsewhere afterwards can leave it too large.
        let made = |record: &perpdeck::model::Record| match &record.event {
            perpdeck::model::Event::OrderCreated { order } if order.reduces() && !order.order_type.rests() => {
                Some(order.position_key())
            }
            _ => None,
        };
        let made: Vec<PositionKey> = self.bench.last.iter().filter_map(made).collect();
        for target in state.targets.values().filter(|target| !target.is_flat() && made.contains(&target.key)) {
            let Some(position) = state.positions.by_id(target.position) else { continue };
            let out: Contracts = state
                .orders
                .working()
                .filter(|order| order.reduces() && !order.order_type.rests() && order.position_key() == target.key)
                .map(perpdeck::model::Order::remaining_contracts)
                .sum();
            let wanted = (position.contracts - target.to).max(Contracts::ZERO);
            assert!(out <= wanted, "I42: {out} contracts are on their way, {wanted} are to be closed");
        }
        let mut of_signal = BTreeMap::new();
        for order in state.orders.all(None) {
            // An exit is a target: it may take several orders, one after the other (I42 is below).
            if let Some(signal) = &order.signal_id
                && !order.reduces()
            {
                assert!(of_signal.insert(signal.clone(), order.no).is_none(), "I1: {signal} has two orders");
            }
            assert!(order.filled_contracts <= order.contracts, "I5: {order:?}");
            if let Some((was, filled)) = self.before.get(&order.no) {
                assert!(order.filled_contracts >= *filled, "I5: fills of {} fell", order.no);
                let allowed = match was {
                    OrderState::Filled => order.state == OrderState::Filled,
                    OrderState::Cancelled => matches!(order.state, OrderState::Cancelled | OrderState::Filled),
                    OrderState::Failed => order.state.is_terminal(),
                    _ => true,
                };
                assert!(allowed, "I4: {} went from {was} to {}", order.no, order.state);
            }
            if order.state == OrderState::Failed {
                let there = self.orders.iter().find(|resting| resting.no == order.no);
                assert!(there.is_none_or(|resting| !resting.works()), "I7: {} failed here and works there", order.no);
            }
        }
        self.before = state.orders.all(None).map(|order| (order.no, (order.state, order.filled_contracts))).collect();
        let room =
            self.bench.engine.settings().orders.max_working - self.bench.engine.settings().orders.reserved_for_exits;
        assert!(state.orders.working_entries() <= room, "I9");
        if state.orders.working_count() == 0 {
            assert_eq!(state.orders.reservations().count(), 0, "I25");
        }
        let reserved: perpdeck::model::Qty = state.orders.reservations().map(|(_, quantity)| quantity).sum();
        let unfilled: perpdeck::model::Qty =
            state.orders.working().filter(|order| !order.reduces()).map(|order| order.remaining()).sum();
        assert_eq!(reserved, unfilled, "I25");
    }

    fn check_end(&self) {
        let state = self.bench.state();
        let mut applied: BTreeMap<OrderNo, Contracts> = BTreeMap::new();
        let (mut fills, mut decided) = (BTreeSet::new(), BTreeMap::<_, u32>::new());
        for record in &self.bench.log {
            match &record.event {
                Event::Filled { fill } => {
                    assert!(fills.insert(fill.id.clone()), "I5: {} is applied twice", fill.id);
                    if let Some(no) = fill.order {
                        *applied.entry(no).or_default() += fill.contracts;
                    }
                }
                Event::SignalDecided { signal, .. } => *decided.entry(signal.id.clone()).or_default() += 1,
                _ => {}
            }
        }
        assert!(decided.values().all(|times| *times == 1), "I10: {decided:?}");
        for order in state.orders.all(None) {
            assert_eq!(applied.get(&order.no).copied().unwrap_or_default(), order.filled_contracts, "I5");
            assert!(!matches!(order.state, OrderState::Unknown | OrderState::Submitting), "I6: {order:?}");
        }
        let here: BTreeSet<OrderNo> = state.orders.working().map(|order| order.no).collect();
        let there: BTreeSet<OrderNo> = self.orders.iter().filter(|order| order.works()).map(|order| order.no).collect();
        assert_eq!(here, there, "I8");
        for (key, (contracts, _)) in &self.positions {
            let held = state.positions.get(key).map_or(Contracts::ZERO, |position| position.contracts);
            assert_eq!(held, *contracts, "I11: {key}");
        }
        self.bench.check_replay();
    }
}

/// `PROPTEST_CASES` for a longer run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_invariants(ops in prop::collection::vec(op(), 1..70)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
        }
        world.bench.check_replay();
        world.settle();
        world.check_end();
    }
}

#[test]
fn one_way_of_the_state_machine_is_a_whole_trade() {
    let mut world = World::new();
    world.run(Op::Signal(0, 1, 0, true, 20, false));
    world.run(Op::Answer(0, Fate::Lost { done: true }));
    world.run(Op::Fill(0, 100));
    world.settle();
    assert!(world.bench.position("BTC_USDT", Side::Long).is_some(), "found by look-up, filled by push");
    world.run(Op::Signal(4, 2, 0, true, 1, false));
    while !world.outstanding.is_empty() {
        world.run(Op::Answer(0, Fate::Good));
    }
    world.run(Op::Fill(0, 100));
    world.settle();
    assert!(world.bench.position("BTC_USDT", Side::Long).is_none());
    world.check_end();
    let stop = world.bench.command("stop", Action::Stop { policy: StopPolicy::Leave });
    assert!(stop.status.is_final());
}
