//! The pure engine, stepped by hand: own clock, own exchange answers.

use std::time::Duration;

use perpdeck::config::Settings;
use perpdeck::engine::{Engine, Input, Out, Reply, Request};
use perpdeck::model::{
    AccountReport, Action, Alert, AlertKind, CallError, CancelOrder, CancelOutcome, Category, ClientOrderId,
    ClockOffset, Command, CommandId, CommandRecord, ContractSpec, Contracts, Decimal, Environment, ErrorClass, Event,
    FillId, FillReport, Incarnation, Intent, MarginMode, Order, OrderNo, OrderReport, OrderState, Phase, PlaceOrder,
    Position, PositionKey, PositionMode, PositionReport, Price, Push, Quote, RawSignal, Record, Refusal, RiskTier,
    SessionId, SessionInfo, SessionState, SessionTime, Side, SignalId, SignalOutcome, Symbol, Usdt, VenueOrderId,
    VenueOrderState, VenuePositionId, VenueTime,
};

use crate::exchange_clock;

pub fn d(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

pub fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

pub fn key(name: &str, side: Side) -> PositionKey {
    PositionKey { symbol: symbol(name), side }
}

/// How far the exchange's clock is ahead: they agree, unless this run of the tests wants it otherwise.
pub fn clock_offset() -> ClockOffset {
    ClockOffset { offset_us: exchange_clock::ahead_ms() * 1_000, round_trip_us: 0 }
}

/// What the exchange's clock shows when the session's shows this.
pub fn venue(at: SessionTime) -> VenueTime {
    clock_offset().to_venue(at)
}

/// Midnight at the exchange, so many days after the bench began there.
pub fn midnight(days: i64) -> SessionTime {
    clock_offset().to_session(VenueTime::from_secs(1_767_225_600 + days * 86_400))
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// `BTC_USDT` and the like: 0.0001 base units a contract, tick 0.1, tiers of 0.4 % and 0.8 %.
pub fn contract(name: &str) -> ContractSpec {
    ContractSpec {
        symbol: symbol(name),
        contract_size: d("0.0001"),
        tick: d("0.1"),
        lot: d("1"),
        min_contracts: Contracts(d("1")),
        max_contracts: Contracts(d("400000")),
        max_leverage: 200,
        taker_fee_rate: d("0.0006"),
        maker_fee_rate: d("0.0002"),
        liquidation_fee_rate: d("0.0004"),
        tiers: vec![
            RiskTier { max_contracts: Contracts(d("150000")), maintenance_rate: d("0.004"), max_leverage: 200 },
            RiskTier { max_contracts: Contracts(d("300000")), maintenance_rate: d("0.008"), max_leverage: 100 },
        ],
        enabled: true,
    }
}

/// An engine with a clock, and everything that it did.
pub struct Bench {
    pub engine: Engine,
    pub now: SessionTime,
    /// Every event since the start, in order.
    pub log: Vec<Record>,
    /// Requests of the last step.
    pub requests: Vec<Request>,
    /// Events of the last step.
    pub last: Vec<Record>,
    /// Requests of all steps, until taken.
    pub asked_so_far: Vec<Request>,
    pub fills: u64,
}

impl Bench {
    /// Started, connected, reconciled and ready: 10,000 USDT, hedge mode, `BTC_USDT` at 50,000 and
    /// `ETH_USDT` at 2,000.
    pub fn ready() -> Self {
        Self::ready_with(|_| {})
    }

    /// The same with other settings.
    pub fn ready_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut bench = Self::started_with(change);
        bench.answer_start(PositionMode::Hedge, Vec::new());
        assert_eq!(bench.state().phase, Phase::Ready, "{:?}", bench.state().upkeep);
        bench
    }

    /// Started; nothing answered yet.
    pub fn started_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut bench = Self {
            engine: Engine::new(settings, SessionState::default()),
            now: midnight(0),
            log: Vec::new(),
            requests: Vec::new(),
            last: Vec::new(),
            asked_so_far: Vec::new(),
            fills: 0,
        };
        bench.start("start0");
        bench
    }

    /// A second engine on the facts of this one, as after a restart: quotes are gone.
    pub fn restarted(&self) -> Self {
        self.on(replay(&self.log), self.log.clone())
    }

    /// A start on a state that these records explain.
    pub fn on(&self, state: SessionState, log: Vec<Record>) -> Self {
        let starts = state.info.as_ref().map_or(0, |info| info.starts);
        self.on_as(state, log, &format!("start{}", starts % 10))
    }

    /// The same as the start with this incarnation.
    pub fn on_as(&self, state: SessionState, log: Vec<Record>, incarnation: &str) -> Self {
        let mut bench = Self {
            engine: Engine::new(self.engine.settings().clone(), state),
            now: self.now,
            log,
            requests: Vec::new(),
            last: Vec::new(),
            asked_so_far: Vec::new(),
            fills: self.fills,
        };
        bench.start(incarnation);
        bench
    }

    fn start(&mut self, incarnation: &str) {
        let info = SessionInfo {
            id: SessionId::new("test0001").unwrap(),
            environment: Environment::Paper,
            exchange: "http://127.0.0.1:1".to_owned(),
            label: "test".to_owned(),
            started_at: self.now,
            starts: 1,
            incarnation: Some(Incarnation::new(incarnation).unwrap()),
            identity: None,
        };
        self.step(Input::Start { info: Box::new(info), note: None });
    }

    /// Answers all that a start asks.
    pub fn answer_start(&mut self, mode: PositionMode, positions: Vec<PositionReport>) {
        self.reply(Reply::ServerTime { result: Ok(clock_offset()) });
        self.answer_start_but_the_clock(mode, positions);
    }

    /// The same of an exchange that does not tell its time.
    pub fn answer_start_but_the_clock(&mut self, mode: PositionMode, positions: Vec<PositionReport>) {
        self.push(Push::Connected);
        self.reply(Reply::Contracts {
            result: Ok(vec![contract("BTC_USDT"), contract("ETH_USDT"), contract("SOL_USDT"), contract("XRP_USDT")]),
        });
        self.reply(Reply::PositionMode { result: Ok(mode) });
        for (name, price) in [("BTC_USDT", "50000"), ("ETH_USDT", "2000"), ("SOL_USDT", "100"), ("XRP_USDT", "0.5")] {
            // A first price is confirmed by a second one.
            self.quoted_at(name, price, venue(self.now).minus(secs(1)));
            self.quote(name, price);
        }
        self.reply(Reply::OpenOrders { asked_at: self.now, result: Ok(Vec::new().into()) });
        self.sync(positions);
        self.tick();
        if self.asked(|request| matches!(request, Request::FillsSince { .. })) {
            self.fills_told(Ok(Vec::new().into()));
        }
    }

    pub fn state(&self) -> &SessionState {
        self.engine.state()
    }

    /// One step; `requests` holds what it asked for. Checks after it that a replay of the facts is
    /// the live state (I34).
    pub fn step(&mut self, input: Input) {
        let mut out = Out::default();
        self.engine.step(self.now, input, &mut out);
        self.last.clone_from(&out.events);
        self.log.extend(out.events);
        self.asked_so_far.extend(out.requests.iter().cloned());
        self.requests = out.requests;
    }

    /// That replaying the facts alone gives the live facts.
    pub fn check_replay(&self) {
        assert_eq!(replay(&self.log).facts(), self.state().facts());
    }

    pub fn tick(&mut self) {
        self.step(Input::Tick);
    }

    /// Lets time pass, ticking every 100 ms, and returns every request on the way.
    pub fn pass(&mut self, time: Duration) -> Vec<Request> {
        let end = self.now.plus(time);
        let mut asked = Vec::new();
        while self.now < end {
            self.now = self.now.plus(Duration::from_millis(100)).min(end);
            self.tick();
            asked.append(&mut self.requests.clone());
        }
        asked
    }

    /// The same, with fresh prices of all symbols before each tick, so that no price gets old.
    pub fn pass_quoted(&mut self, time: Duration) -> Vec<Request> {
        let end = self.now.plus(time);
        let mut asked = Vec::new();
        while self.now < end {
            self.now = self.now.plus(Duration::from_millis(100)).min(end);
            let quotes: Vec<Quote> = self.state().quotes.values().cloned().collect();
            for quote in quotes {
                self.step(Input::Push(Box::new(Push::Quote(Quote { at: venue(self.now), ..quote }))));
                asked.append(&mut self.requests.clone());
            }
            self.tick();
            asked.append(&mut self.requests.clone());
        }
        asked
    }

    pub fn push(&mut self, push: Push) {
        self.step(Input::Push(Box::new(push)));
    }

    pub fn reply(&mut self, reply: Reply) {
        self.step(Input::Reply(Box::new(reply)));
    }

    /// The answer to the question for fills that is out, or to one of now.
    pub fn fills_told(&mut self, result: Result<perpdeck::model::Listing<FillReport>, CallError>) {
        let asked_at = self.state().upkeep.chore(perpdeck::model::Chore::FetchFills).asked_at.unwrap_or(self.now);
        self.reply(Reply::Fills { asked_at, result });
    }

    pub fn asked(&self, what: impl Fn(&Request) -> bool) -> bool {
        self.requests.iter().any(what)
    }

    pub fn quote(&mut self, name: &str, price: &str) {
        self.quoted_at(name, price, venue(self.now));
    }

    /// A price with the exchange's stamp.
    pub fn quoted_at(&mut self, name: &str, price: &str, at: VenueTime) {
        let price = Some(Price(d(price)));
        self.push(Push::Quote(Quote {
            symbol: symbol(name),
            last: price,
            mark: price,
            bid: price,
            ask: price,
            funding_rate: None,
            at,
        }));
    }

    /// A good snapshot of positions and account, asked for and answered now.
    pub fn sync(&mut self, positions: Vec<PositionReport>) {
        self.sync_with_equity(positions, "10000");
    }

    pub fn sync_with_equity(&mut self, positions: Vec<PositionReport>, wallet: &str) {
        let account = account_of(wallet);
        self.reply(Reply::Positions {
            asked_at: self.now,
            result: Ok(positions.into()),
            account: Ok(vec![account].into()),
        });
    }

    // --- signals and commands

    pub fn signal(&mut self, id: &str, kind: &str, name: &str, side: &str, quantity: &str) -> SignalOutcome {
        self.signal_raw(raw(id, kind, name, side, quantity));
        self.outcome(id)
    }

    pub fn signal_raw(&mut self, raw: RawSignal) {
        self.step(Input::Signal(Box::new(raw)));
    }

    pub fn outcome(&self, id: &str) -> SignalOutcome {
        self.state().signal_outcome(&SignalId::new(id).unwrap()).unwrap()
    }

    /// An S1 that must become an order; returns it, sent.
    pub fn enter(&mut self, id: &str, name: &str, side: &str, quantity: &str) -> OrderNo {
        ordered(self.signal(id, "S1", name, side, quantity))
    }

    pub fn command(&mut self, id: &str, action: Action) -> CommandRecord {
        let id = CommandId::new(id).unwrap();
        self.step(Input::Command(Box::new(Command { id: id.clone(), by: "op".to_owned(), action })));
        self.state().command(&id).unwrap().clone()
    }

    pub fn command_status(&self, id: &str) -> perpdeck::model::CommandStatus {
        self.state().command(&CommandId::new(id).unwrap()).unwrap().status.clone()
    }

    // --- orders

    pub fn order(&self, no: OrderNo) -> &Order {
        self.state().orders.get(no).unwrap()
    }

    /// What the last step asks to place.
    pub fn placed(&self) -> Vec<(OrderNo, u32, PlaceOrder)> {
        placed(&self.requests)
    }

    pub fn cancelled(&self) -> Vec<CancelOrder> {
        cancels(&self.requests)
    }

    /// The exchange answers a placement with an id made of the order's number.
    pub fn accept(&mut self, no: OrderNo) {
        let attempt = self.order(no).attempts;
        self.reply(Reply::Placed { no, attempt, result: Ok(venue_id(no)) });
    }

    pub fn refuse(&mut self, no: OrderNo, error: CallError) {
        let attempt = self.order(no).attempts;
        self.reply(Reply::Placed { no, attempt, result: Err(error) });
    }

    /// The exchange answers a cancel of one order.
    pub fn answer_cancel(&mut self, no: OrderNo, outcome: CancelOutcome) {
        self.reply(Reply::Cancelled { orders: vec![no], result: Ok(vec![(no, outcome)]) });
    }

    /// A report of an order of ours, filled so far, in a state.
    pub fn report(&self, no: OrderNo, state: VenueOrderState, filled: &str, version: u64) -> OrderReport {
        let order = self.order(no);
        OrderReport {
            venue_id: order.venue_id.clone().unwrap_or_else(|| venue_id(no)),
            client_id: Some(order.client_id.clone()),
            symbol: order.symbol.clone(),
            intent: order.intent,
            state,
            contracts: order.contracts,
            filled: Contracts(d(filled)),
            average_price: None,
            category: Category::Normal,
            error_code: 0,
            refusal: Refusal::Unspecified,
            version,
            updated_at: venue(self.now),
            created_at: None,
            limit: None,
        }
    }

    pub fn push_order(&mut self, no: OrderNo, state: VenueOrderState, filled: &str, version: u64) {
        let report = self.report(no, state, filled, version);
        self.push(Push::Order(report));
    }

    /// A fill of an order of ours, as it would be told.
    pub fn fill_of(&mut self, no: OrderNo, contracts: &str, price: &str) -> FillReport {
        self.fills += 1;
        let order = self.order(no);
        FillReport {
            id: FillId::new(&format!("f{}", self.fills)).unwrap(),
            venue_order: order.venue_id.clone(),
            client_id: Some(order.client_id.clone()),
            symbol: order.symbol.clone(),
            intent: order.intent,
            contracts: Contracts(d(contracts)),
            price: Price(d(price)),
            fee: Some(Usdt(d("0.01"))),
            profit: None,
            taker: Some(true),
            category: Category::Normal,
            at: venue(self.now),
        }
    }

    /// A fill of an order of ours, pushed.
    pub fn fill(&mut self, no: OrderNo, contracts: &str, price: &str) {
        let fill = self.fill_of(no, contracts, price);
        self.push(Push::Fill(fill));
    }

    /// A fill that is not of this session.
    pub fn foreign_fill(
        &mut self,
        name: &str,
        intent: Intent,
        contracts: &str,
        price: &str,
        category: Category,
    ) -> FillReport {
        self.fills += 1;
        FillReport {
            id: FillId::new(&format!("x{}", self.fills)).unwrap(),
            venue_order: Some(VenueOrderId::new(&format!("99{}", self.fills)).unwrap()),
            client_id: None,
            symbol: symbol(name),
            intent,
            contracts: Contracts(d(contracts)),
            price: Price(d(price)),
            fee: Some(Usdt(d("0.01"))),
            profit: None,
            taker: Some(true),
            category,
            at: venue(self.now),
        }
    }

    /// Enters and fills at once: an open position of so many contracts.
    pub fn open_position(&mut self, id: &str, name: &str, side: &str, quantity: &str, price: &str) -> OrderNo {
        let no = self.enter(id, name, side, quantity);
        self.accept(no);
        let contracts = self.order(no).contracts.to_string();
        self.fill(no, &contracts, price);
        no
    }

    // --- positions

    pub fn position(&self, name: &str, side: Side) -> Option<&Position> {
        self.state().positions.get(&key(name, side))
    }

    /// A position as the exchange would tell it.
    pub fn position_report(
        &self,
        name: &str,
        side: Side,
        contracts: &str,
        entry: &str,
        liquidation: &str,
        margin: &str,
    ) -> PositionReport {
        PositionReport {
            venue_id: VenuePositionId::new(&format!("v-{name}-{side}")).unwrap(),
            key: key(name, side),
            margin_mode: MarginMode::Isolated,
            contracts: Contracts(d(contracts)),
            frozen: None,
            taken_over: false,
            entry_price: Some(Price(d(entry))),
            margin: Some(Usdt(d(margin))),
            liquidation_price: Some(Price(d(liquidation))),
            leverage: Some(3),
            funding: Some(Usdt::ZERO),
            realised: Some(Usdt::ZERO),
            version: 0,
            updated_at: venue(self.now),
        }
    }

    // --- alerts

    pub fn alerts(&self, kind: AlertKind) -> Vec<Alert> {
        self.state().alerts.all().filter(|alert| alert.key.kind == kind).cloned().collect()
    }

    /// Events since the start that a predicate picks.
    pub fn events(&self, pick: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.log.iter().map(|record| &record.event).filter(|event| pick(event)).cloned().collect()
    }

    /// States that an order went through, without repeats.
    pub fn state_of(&self, no: OrderNo) -> OrderState {
        self.order(no).state
    }
}

/// The fold of the facts alone.
pub fn replay(log: &[Record]) -> SessionState {
    let mut state = SessionState::default();
    for record in log.iter().filter(|record| record.event.is_fact()) {
        let line = serde_json::to_string(record).unwrap();
        let read: Record = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(&read, record, "a fact must survive the journal");
        state.apply(&read);
    }
    state
}

pub fn raw(id: &str, kind: &str, name: &str, side: &str, quantity: &str) -> RawSignal {
    RawSignal {
        signal_id: id.to_owned(),
        signal_type: kind.to_owned(),
        symbol: name.to_owned(),
        side: side.to_owned(),
        quantity: (!quantity.is_empty()).then(|| quantity.to_owned()),
        strategy: Some("tester".to_owned()),
        ..RawSignal::default()
    }
}

pub fn ordered(outcome: SignalOutcome) -> OrderNo {
    match outcome {
        SignalOutcome::Ordered { order } => order,
        other => panic!("not ordered: {other:?}"),
    }
}

pub fn reason(outcome: &SignalOutcome) -> &str {
    match outcome {
        SignalOutcome::Rejected { reason, .. } => reason,
        other => panic!("not rejected: {other:?}"),
    }
}

pub fn placed(requests: &[Request]) -> Vec<(OrderNo, u32, PlaceOrder)> {
    requests
        .iter()
        .filter_map(|request| match request {
            Request::Place { no, attempt, order } => Some((*no, *attempt, (**order).clone())),
            _ => None,
        })
        .collect()
}

pub fn cancels(requests: &[Request]) -> Vec<CancelOrder> {
    requests
        .iter()
        .filter_map(|request| match request {
            Request::Cancel { orders } => Some(orders.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

pub fn venue_id(no: OrderNo) -> VenueOrderId {
    VenueOrderId::new(&format!("8142180834167905{:03}", no.0)).unwrap()
}

pub fn error(class: ErrorClass, counts: bool, message: &str) -> CallError {
    CallError { class, counts, code: None, refusal: Refusal::Unspecified, message: message.to_owned() }
}

/// A transport error before anything was sent.
pub fn not_sent() -> CallError {
    error(ErrorClass::Retryable, true, "connection refused")
}

/// A reply that was lost after the request left.
pub fn reply_lost() -> CallError {
    error(ErrorClass::Ambiguous, true, "no answer within 10 s")
}

/// A refusal by the exchange.
pub fn refusal() -> CallError {
    CallError {
        class: ErrorClass::Fatal,
        counts: false,
        code: Some(2005),
        refusal: Refusal::Balance,
        message: "Balance insufficient".to_owned(),
    }
}

pub fn client_id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text).unwrap()
}

/// An account without positions, worth so much.
pub fn account_of(wallet: &str) -> AccountReport {
    AccountReport {
        equity: Some(Usdt(d(wallet))),
        available: Usdt(d(wallet)),
        position_margin: Usdt::ZERO,
        order_margin: Usdt::ZERO,
        unrealised: Some(Usdt::ZERO),
    }
}
