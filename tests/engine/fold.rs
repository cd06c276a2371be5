//! A small exchange that fills, liquidates, closes by hand, and drops, delays and reorders pushes;
//! after any such history the engine agrees with it, and its facts fold to the same state.

use std::collections::{BTreeMap, BTreeSet};

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, CancelOutcome, Category, Contracts, Decimal, Effect, Event, Evidence, FillId, FillReport, Intent,
    OrderReport, OrderState, PlaceOrder, PositionKey, PositionReport, Price, Push, Refusal, SessionState, Severity,
    Side, Usdt, VenueOrderState, VenuePositionId,
};
use proptest::prelude::*;

use crate::harness::*;

const NAMES: [&str; 2] = ["BTC_USDT", "ETH_USDT"];

#[derive(Clone, Debug)]
enum Act {
    Enter { symbol: usize, long: bool, size: u32 },
    Exit { symbol: usize, long: bool, part: bool },
    Outside { symbol: usize, long: bool, open: bool, size: u32 },
    Liquidate { symbol: usize, long: bool, part: bool },
    Deleverage { symbol: usize, long: bool },
    Sync,
    FailSync,
    Deliver,
    Restart,
    Wait { seconds: u64 },
    Manner { drop: bool, hold: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let leg = (0..NAMES.len(), any::<bool>());
    prop_oneof![
        4 => (leg.clone(), 1_u32..60).prop_map(|((symbol, long), size)| Act::Enter { symbol, long, size }),
        3 => (leg.clone(), any::<bool>()).prop_map(|((symbol, long), part)| Act::Exit { symbol, long, part }),
        2 => (leg.clone(), any::<bool>(), 1_u32..40)
            .prop_map(|((symbol, long), open, size)| Act::Outside { symbol, long, open, size }),
        1 => (leg.clone(), any::<bool>()).prop_map(|((symbol, long), part)| Act::Liquidate { symbol, long, part }),
        1 => leg.prop_map(|(symbol, long)| Act::Deleverage { symbol, long }),
        2 => Just(Act::Sync),
        1 => Just(Act::FailSync),
        2 => Just(Act::Deliver),
        1 => Just(Act::Restart),
        3 => (1_u64..15).prop_map(|seconds| Act::Wait { seconds }),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(drop, hold)| Act::Manner { drop, hold }),
    ]
}

#[derive(Clone, Default)]
struct Leg {
    contracts: Decimal,
    entry: Decimal,
    opening: u64,
}

/// The exchange's own books, and the wire that may lose or keep back pushes.
struct World {
    bench: Bench,
    legs: BTreeMap<PositionKey, Leg>,
    fills: Vec<FillReport>,
    orders: BTreeMap<u64, (PlaceOrder, Decimal)>,
    held: Vec<Push>,
    drop: bool,
    hold: bool,
    version: u64,
    liquidations: usize,
    /// Of positions that the engine knew of when they were taken over.
    known_liquidations: usize,
    signals: u32,
    answers: bool,
}

impl World {
    fn new() -> Self {
        let bench = Bench::ready_with(|settings| {
            settings.risk.max_position_pct = d("100");
            settings.risk.symbol_concentration_pct = d("100");
            settings.risk.max_positions = 10;
            settings.risk.daily_loss_pct = d("100");
        });
        Self {
            bench,
            legs: BTreeMap::new(),
            fills: Vec::new(),
            orders: BTreeMap::new(),
            held: Vec::new(),
            drop: false,
            hold: false,
            version: 0,
            liquidations: 0,
            known_liquidations: 0,
            signals: 0,
            answers: true,
        }
    }

    fn leg(symbol: usize, long: bool) -> PositionKey {
        key(NAMES[symbol], if long { Side::Long } else { Side::Short })
    }

    fn price(&self, name: &str) -> Decimal {
        self.bench.state().quotes.get(&symbol(name)).map_or(d("50000"), |quote| quote.mark.unwrap().0)
    }

    /// Fills at the exchange; told by push as the wire is just now.
    fn trade(&mut self, key: &PositionKey, effect: Effect, size: Decimal, category: Category, order: Option<u64>) {
        let price = self.price(key.symbol.as_str());
        let leg = self.legs.entry(key.clone()).or_default();
        let gain = if key.side == Side::Long { price - leg.entry } else { leg.entry - price };
        let worth = contract(key.symbol.as_str()).quantity(Contracts(size)).0;
        // The exchange tells it with each close; what is estimated before an opening is known moves later.
        let profit = (effect == Effect::Close).then(|| Usdt(gain * worth));
        match effect {
            Effect::Open => {
                if leg.contracts.is_zero() {
                    leg.opening += 1;
                }
                leg.entry = (leg.entry * leg.contracts + price * size) / (leg.contracts + size);
                leg.contracts += size;
            }
            Effect::Close => {
                leg.contracts -= size;
                if leg.contracts.is_zero() {
                    leg.entry = Decimal::ZERO;
                }
            }
        }
        self.version += 1;
        let intent = if effect == Effect::Open { Intent::open(key.side) } else { Intent::close(key.side) };
        let fill = FillReport {
            id: FillId::new(&format!("d{}", self.fills.len())).unwrap(),
            venue_order: order.map(|no| venue_id(perpdeck::model::OrderNo(no))),
            client_id: order.map(|no| self.orders[&no].0.client_id.clone()),
            symbol: key.symbol.clone(),
            intent,
            contracts: Contracts(size),
            price: Price(price),
            fee: Some(Usdt(d("0.01"))),
            profit,
            taker: Some(true),
            category,
            at: venue(self.bench.now),
        };
        self.fills.push(fill.clone());
        let position = self.position(key);
        self.tell(Push::Fill(fill));
        self.tell(Push::Position(position));
    }

    fn tell(&mut self, push: Push) {
        if self.drop {
            return;
        }
        if self.hold {
            self.held.push(push);
        } else {
            self.bench.push(push);
            self.serve();
        }
    }

    /// What was kept back arrives, the last first.
    fn deliver(&mut self) {
        while let Some(push) = self.held.pop() {
            self.bench.push(push);
            self.serve();
        }
    }

    fn position(&self, key: &PositionKey) -> PositionReport {
        let leg = self.legs.get(key).cloned().unwrap_or_default();
        let name = key.symbol.as_str();
        PositionReport {
            venue_id: VenuePositionId::new(&format!("v-{name}-{}-{}", key.side, leg.opening)).unwrap(),
            entry_price: leg.contracts.gt(&Decimal::ZERO).then_some(Price(leg.entry)),
            version: self.version,
            ..self.bench.position_report(name, key.side, &leg.contracts.to_string(), "1", "1", "100")
        }
    }

    /// Answers everything that the engine asks, at once.
    fn serve(&mut self) {
        loop {
            let asked = std::mem::take(&mut self.bench.asked_so_far);
            if asked.is_empty() {
                return;
            }
            for request in asked {
                self.answer(request);
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Revoke { .. } => {}
            Request::Place { no, order, .. } => {
                let size = order.contracts.0;
                let key = PositionKey { symbol: order.symbol.clone(), side: order.intent.side };
                let held = self.legs.get(&key).map_or(Decimal::ZERO, |leg| leg.contracts);
                // A reduce-only order closes what is there and no more (I15).
                let size = if order.intent.reduces() { size.min(held) } else { size };
                if order.intent.reduces() && held.is_zero() {
                    return self.bench.refuse(no, refusal());
                }
                let (effect, left) = (order.intent.effect, size);
                // What follows an answer has a later stamp than what was answered.
                self.bench.now = self.bench.now.plus(std::time::Duration::from_millis(1));
                self.orders.insert(no.0, (*order, size));
                self.bench.accept(no);
                let first = (left / d("2")).trunc();
                for part in [first, left - first] {
                    if part > Decimal::ZERO {
                        self.trade(&key, effect, part, Category::Normal, Some(no.0));
                    }
                }
            }
            Request::Cancel { orders } => {
                let asked = orders.iter().map(|order| order.no).collect();
                let result = orders.iter().map(|order| (order.no, CancelOutcome::NotCancellable)).collect();
                self.bench.reply(Reply::Cancelled { orders: asked, result: Ok(result) });
            }
            Request::Lookup { no, .. } => {
                let report = self.orders.get(&no.0).map(|(order, filled)| OrderReport {
                    venue_id: venue_id(no),
                    client_id: Some(order.client_id.clone()),
                    symbol: order.symbol.clone(),
                    intent: order.intent,
                    state: if *filled == order.contracts.0 {
                        VenueOrderState::Filled
                    } else {
                        VenueOrderState::Cancelled
                    },
                    contracts: order.contracts,
                    filled: Contracts(*filled),
                    average_price: None,
                    category: Category::Normal,
                    error_code: 0,
                    refusal: Refusal::Unspecified,
                    version: 9,
                    updated_at: venue(self.bench.now),
                    created_at: None,
                    limit: None,
                });
                self.bench.reply(Reply::LookedUp { no, asked_at: self.bench.now, result: Ok(report) });
            }
            Request::OrderFills { no, venue_id, .. } => {
                let of = |fill: &&FillReport| fill.venue_order.as_ref() == Some(&venue_id);
                let fills = self.fills.iter().filter(of).cloned().collect();
                self.bench.reply(Reply::OrderFills { no, result: Ok(fills) });
            }
            Request::OpenOrders => {
                self.bench.reply(Reply::OpenOrders { asked_at: self.bench.now, result: Ok(Vec::new().into()) });
            }
            Request::OrderHistory { since } => {
                let result = Err(error(perpdeck::model::ErrorClass::Fatal, false, "this exchange keeps no history"));
                self.bench.reply(Reply::OrderHistory { asked_at: self.bench.now, since, result });
            }
            Request::FillsSince { symbols, since } => {
                let wanted = |fill: &&FillReport| symbols.contains(&fill.symbol) && fill.at >= since;
                let fills = self.fills.iter().filter(wanted).cloned().collect();
                self.bench.fills_told(Ok(fills));
            }
            Request::Positions => self.answer_positions(),
            Request::Evidence { id, key, since } => {
                let wanted = |fill: &&FillReport| fill.symbol == key.symbol && fill.at >= since;
                let fills = self.fills.iter().filter(wanted).cloned().collect();
                let evidence = Evidence { system_orders: Vec::new(), fills };
                self.bench.reply(Reply::Evidence { id, result: Ok(evidence) });
            }
            Request::PositionMode => {
                self.bench.reply(Reply::PositionMode { result: Ok(perpdeck::model::PositionMode::Hedge) });
            }
            Request::Contracts => {
                self.bench.reply(Reply::Contracts { result: Ok(NAMES.iter().map(|name| contract(name)).collect()) });
            }
            Request::ServerTime => {}
        }
    }

    fn answer_positions(&mut self) {
        let asked_at = self.bench.now;
        if !self.answers {
            return self.bench.reply(Reply::Positions {
                asked_at,
                result: Err(reply_lost()),
                account: Err(reply_lost()),
            });
        }
        let open: Vec<PositionKey> =
            self.legs.iter().filter(|(_, leg)| leg.contracts > Decimal::ZERO).map(|(key, _)| key.clone()).collect();
        let reports = open.iter().map(|key| self.position(key)).collect();
        let account = account_of("10000000");
        self.bench.reply(Reply::Positions { asked_at, result: Ok(reports), account: Ok(vec![account].into()) });
    }

    fn pass(&mut self, seconds: u64) {
        for step in 0..seconds * 2 {
            self.bench.now = self.bench.now.plus(std::time::Duration::from_millis(500));
            if step % 8 == 0 {
                self.quotes();
            }
            self.bench.tick();
            self.serve();
        }
    }

    fn quotes(&mut self) {
        self.bench.quote("BTC_USDT", "50000");
        self.bench.quote("ETH_USDT", "2000");
    }

    fn act(&mut self, act: &Act) {
        self.signals += 1;
        let id = format!("g{}", self.signals);
        match act {
            Act::Enter { symbol, long, size } => {
                let quantity = contract(NAMES[*symbol]).quantity(Contracts(Decimal::from(*size))).to_string();
                self.quotes();
                self.bench.signal(&id, "S1", NAMES[*symbol], if *long { "buy" } else { "sell" }, &quantity);
                self.serve();
            }
            Act::Exit { symbol, long, part } => {
                let side = if *long { "sell" } else { "buy" };
                let (kind, quantity) = if *part { ("ZE1", "50%") } else { ("E1", "") };
                // What is not known here is decided when the exchange has said what it holds.
                self.bench.signal_raw(raw(&id, kind, NAMES[*symbol], side, quantity));
                self.serve();
            }
            Act::Outside { symbol, long, open, size } => {
                let key = Self::leg(*symbol, *long);
                let held = self.legs.get(&key).map_or(Decimal::ZERO, |leg| leg.contracts);
                let size = Decimal::from(*size);
                if *open {
                    self.trade(&key, Effect::Open, size, Category::Normal, None);
                } else if !held.is_zero() {
                    self.trade(&key, Effect::Close, size.min(held), Category::Normal, None);
                }
            }
            Act::Liquidate { symbol, long, part } => {
                let key = Self::leg(*symbol, *long);
                let held = self.legs.get(&key).map_or(Decimal::ZERO, |leg| leg.contracts);
                let size = if *part { (held / d("2")).trunc() } else { held };
                if size > Decimal::ZERO {
                    self.liquidations += 1;
                    self.known_liquidations += usize::from(self.bench.state().positions.get(&key).is_some());
                    self.trade(&key, Effect::Close, size, Category::Liquidation, None);
                }
            }
            Act::Deleverage { symbol, long } => {
                let key = Self::leg(*symbol, *long);
                let held = self.legs.get(&key).map_or(Decimal::ZERO, |leg| leg.contracts);
                if held > Decimal::ZERO {
                    self.trade(&key, Effect::Close, held, Category::Adl, None);
                }
            }
            Act::Sync => {
                self.answer_positions();
                self.serve();
            }
            Act::FailSync => {
                let open = |bench: &Bench| bench.state().positions.open().cloned().collect::<Vec<_>>();
                let before = open(&self.bench);
                self.answers = false;
                self.answer_positions();
                self.answers = true;
                assert_eq!(open(&self.bench), before, "I19");
                self.serve();
            }
            Act::Deliver => self.deliver(),
            Act::Restart => {
                self.bench = self.bench.restarted();
                self.serve();
                self.bench.push(Push::Connected);
                self.serve();
            }
            Act::Wait { seconds } => self.pass(*seconds),
            Act::Manner { drop, hold } => (self.drop, self.hold) = (*drop, *hold),
        }
    }

    /// Faults off, what was kept back delivered, and a few sync periods.
    fn calm(&mut self) {
        (self.drop, self.hold) = (false, false);
        self.deliver();
        // The sync that the start asked for is answered at the latest now.
        self.answer_positions();
        self.serve();
        self.bench.push(Push::Connected);
        self.serve();
        self.pass(150);
    }

    fn check(&self) {
        let state = self.bench.state();
        for (key, leg) in &self.legs {
            let held = state.positions.get(key);
            assert_eq!(held.map_or(Decimal::ZERO, |held| held.contracts.0), leg.contracts, "I11 {key}");
            if let Some(held) = held {
                let apart = (held.entry_price.unwrap().0 - leg.entry).abs();
                assert!(apart <= contract(key.symbol.as_str()).tick, "I11 entry of {key}: {apart}");
                assert!(held.venue.margin.is_some(), "figures of {key} are known");
            }
        }
        assert_eq!(state.positions.open_count(), self.legs.values().filter(|leg| !leg.contracts.is_zero()).count());
        assert_eq!(state.orders.working_count(), 0);
        assert_eq!(state.orders.reservations().count(), 0, "I25");
        let criticals = self.bench.alerts(AlertKind::LiquidationDetected);
        assert!(criticals.iter().all(|alert| alert.severity == Severity::Critical));
        assert!(criticals.len() <= self.liquidations, "I17, I18: at most one for each");
        assert!(self.known_liquidations == 0 || !criticals.is_empty(), "I17: none is missed");
    }

    fn check_books(&self) {
        let mut ids = BTreeSet::new();
        let mut sum = Usdt::ZERO;
        let mut filled: BTreeMap<u64, Decimal> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for record in &self.bench.log {
            match &record.event {
                Event::PositionOpened { position } => assert!(ids.insert(position.id), "I16"),
                Event::Filled { fill } => {
                    assert!(seen.insert(fill.id.clone()), "I5: a deal twice");
                    sum += fill.realised.unwrap_or_default() - fill.fee.unwrap_or_default();
                    if let Some(no) = fill.order {
                        *filled.entry(no.0).or_default() += fill.contracts.0;
                    }
                }
                _ => {}
            }
        }
        // The last digit of a quotient may differ with the order in which fills were told.
        assert_eq!(self.bench.state().equity.day_realised.0.round_dp(20), sum.0.round_dp(20), "I14");
        for (no, contracts) in filled {
            let order = self.bench.order(perpdeck::model::OrderNo(no));
            assert_eq!(order.filled_contracts.0, contracts, "I5");
            assert!(order.filled_contracts <= order.contracts && order.state != OrderState::Failed, "I5");
        }
        self.bench.check_replay();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// I5, I11, I12, I14, I15, I16, I17, I18, I19, I25.
    #[test]
    fn whatever_happens_the_engine_comes_to_agree_with_the_exchange(acts in prop::collection::vec(act(), 1..40)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.calm();
        world.check();
        world.check_books();
    }
}

/// I12: sizes are the fold of fills and adjustments alone.
#[test]
fn i12_a_position_is_the_sum_of_its_fills_and_adjustments() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = bench.position_report("BTC_USDT", Side::Long, "70", "50000", "33546.4", "166.67");
    crate::position_sync::settle(&mut bench, vec![report]);
    bench.open_position("s2", "BTC_USDT", "buy", "0.002", "50000");
    let mut contracts = Decimal::ZERO;
    for record in &bench.log {
        match &record.event {
            Event::Filled { fill } if fill.moves_position => contracts += fill.contracts.0,
            Event::PositionAdjusted { contracts: now, .. } => contracts = now.0,
            _ => {}
        }
    }
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, contracts);
}

/// The whole state travels as JSON (snapshots of observers), and comes back the same.
#[test]
fn the_state_survives_json() {
    let mut world = World::new();
    let acts = [
        Act::Enter { symbol: 0, long: true, size: 50 },
        Act::Enter { symbol: 1, long: false, size: 30 },
        Act::Outside { symbol: 0, long: false, open: true, size: 7 },
        Act::Exit { symbol: 0, long: true, part: true },
        Act::Liquidate { symbol: 1, long: false, part: false },
        Act::Wait { seconds: 12 },
    ];
    for act in &acts {
        world.act(act);
    }
    let state = world.bench.state();
    let text = serde_json::to_string(state).unwrap();
    let back: SessionState = serde_json::from_str(&text).unwrap();
    assert_eq!(&back, state);
    assert_eq!(back.facts(), state.facts());
    let facts: SessionState = serde_json::from_str(&serde_json::to_string(&state.facts()).unwrap()).unwrap();
    assert_eq!(facts, state.facts());
}

/// Taken over and opened anew within one millisecond: the result is that of what was taken over.
#[test]
fn of_one_millisecond_what_was_told_first_happened_first() {
    let mut world = World::new();
    for act in [
        Act::Manner { drop: false, hold: true },
        // Before its first quote this world trades at 50000.
        Act::Restart,
        Act::Outside { symbol: 1, long: true, open: true, size: 1 },
        Act::Wait { seconds: 4 },
        Act::Liquidate { symbol: 1, long: true, part: false },
        Act::Outside { symbol: 1, long: true, open: true, size: 1 },
        Act::Wait { seconds: 7 },
    ] {
        world.act(&act);
    }
    world.calm();
    world.check();
    world.check_books();
    // 0.0001 from 50000 to 2000, and three fees.
    assert_eq!(world.bench.state().equity.day_realised, Usdt(d("-4.83")));
}

/// Taken over, opened anew and reduced by auto-deleveraging, told in the wrong order.
#[test]
fn a_liquidation_told_after_the_auto_deleveraging_that_ended_the_position_is_told() {
    let mut world = World::new();
    for act in [
        Act::Enter { symbol: 0, long: true, size: 2 },
        Act::Manner { drop: false, hold: true },
        Act::Liquidate { symbol: 0, long: true, part: false },
        Act::Enter { symbol: 0, long: true, size: 6 },
        Act::Deleverage { symbol: 0, long: true },
    ] {
        world.act(&act);
    }
    world.calm();
    world.check();
    assert_eq!(world.bench.alerts(AlertKind::LiquidationDetected).len(), 1);
}
