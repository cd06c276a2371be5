//! A session's facts, made by hand: orders that fill in parts, are cancelled and fail, positions that
//! are closed and liquidated, signals, alerts, commands.

use std::path::Path;

use perpdeck::journal::{Journal, Options};
use perpdeck::model::{
    Account, Acknowledgement, Action, Alert, AlertId, AlertKey, AlertKind, Amount, Category, CloseCause, Command,
    CommandId, CommandStatus, Contracts, Decimal, Environment, Event, Fill, FillId, Intent, LiquidationWatch,
    MarginMode, Order, OrderNo, OrderState, OrderType, Origin, Position, PositionId, PositionKey, Price, Purpose, Qty,
    RawSignal, Record, SessionId, SessionInfo, SessionTime, Severity, Side, Signal, SignalId, SignalKind,
    SignalOutcome, StrategyId, Symbol, Usdt, VenueFigures, VenueOrderId, VenuePositionId, VenueTime,
};

pub const START: i64 = 1_795_443_727_418_123;

/// Facts with their numbers, and quotes among them.
pub struct Facts {
    pub records: Vec<Record>,
    seq: u64,
    now: i64,
}

pub fn number(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn symbol(n: u64) -> Symbol {
    Symbol::new(["BTC_USDT", "ETH_USDT", "SOL_USDT"][usize::try_from(n % 3).unwrap()]).unwrap()
}

fn session() -> SessionId {
    SessionId::new("k3f9a2xq").unwrap()
}

impl Facts {
    fn add(&mut self, event: Event) -> SessionTime {
        self.now += 1_000;
        if event.is_fact() {
            self.seq += 1;
        }
        let at = SessionTime::from_micros(self.now);
        self.records.push(Record { seq: self.seq, at, event });
        at
    }

    fn at(&self) -> SessionTime {
        SessionTime::from_micros(self.now + 1_000)
    }

    fn signal(&mut self, n: u64, outcome: SignalOutcome) {
        let signal = Signal {
            id: SignalId::new(&format!("signal-{n}")).unwrap(),
            kind: SignalKind::Entry,
            symbol: symbol(n),
            side: Some(Side::Long),
            amount: Amount::Quantity(Qty(number("0.5"))),
            price: None,
            stop_loss: Some(Price(number("90.5"))),
            take_profit: None,
            strategy: StrategyId::new("momentum").unwrap(),
            confidence: None,
            cancels: None,
            made_at: self.at(),
            indicator_values: [("rsi".to_string(), "71.25".to_string())].into(),
        };
        let price = Some(Price(number("12345678901234567890.12345")));
        self.add(Event::SignalDecided { signal: Box::new(signal), outcome, risk_score: Some(12), price });
    }

    fn order(&mut self, no: u64) -> OrderNo {
        let order = Order {
            no: OrderNo(no),
            client_id: OrderNo(no).client_id(&session(), None),
            venue_id: None,
            signal_id: Some(SignalId::new(&format!("signal-{no}")).unwrap()),
            strategy: StrategyId::new("momentum").unwrap(),
            symbol: symbol(no),
            intent: Intent::open(Side::Long),
            purpose: Purpose::Entry,
            order_type: if no.is_multiple_of(2) { OrderType::Market } else { OrderType::Limit(Price(number("100.5"))) },
            contracts: Contracts(number("4")),
            quantity: Qty(number("0.4")),
            decision_price: Some(Price(number("100"))),
            leverage: 3,
            margin_mode: perpdeck::model::MarginMode::Isolated,
            position_mode: perpdeck::model::PositionMode::Hedge,
            position_id: None,
            stop_loss: Some(Price(number("90.5"))),
            take_profit: None,
            state: OrderState::Pending,
            filled_contracts: Contracts::ZERO,
            filled: Qty::ZERO,
            filled_value: Usdt::ZERO,
            fees: Usdt::ZERO,
            fees_incomplete: false,
            venue_filled: Contracts::ZERO,
            venue_version: 0,
            counted_at: None,
            venue_end: None,
            settled: Contracts::ZERO,
            renews: None,
            attempts: 0,
            next_attempt_at: None,
            sent_at: None,
            unknown_since: None,
            cancel: None,
            note: None,
            created_at: self.at(),
            accepted_at: None,
            updated_at: self.at(),
            ended_at: None,
        };
        let no = order.no;
        self.add(Event::OrderCreated { order: Box::new(order) });
        self.add(Event::OrderSent { no, attempt: 1 });
        no
    }

    fn fill(&mut self, id: u64, no: OrderNo, position: PositionId, contracts: &str, fee: Option<&str>) {
        let fill = Fill {
            id: FillId::new(&format!("{}", 9_007_199_254_740_993 + id)).unwrap(),
            order: Some(no),
            venue_order: None,
            foreign_client_id: None,
            position: Some(position),
            symbol: symbol(no.0),
            intent: Intent::open(Side::Long),
            contracts: Contracts(number(contracts)),
            quantity: Qty(number(contracts) / Decimal::TEN),
            price: Price(number("101.25")),
            fee: fee.map(|fee| Usdt(number(fee))),
            realised: Some(Usdt::ZERO),
            computed: None,
            estimated: false,
            taker: None,
            category: Category::Normal,
            at: VenueTime::from_micros(self.at().micros()),
            moves_position: true,
        };
        self.add(Event::Filled { fill: Box::new(fill) });
    }

    fn position(&mut self, id: u64, no: u64) -> PositionId {
        let position = Position {
            id: PositionId(id),
            key: PositionKey { symbol: symbol(no), side: Side::Long },
            venue_id: None,
            origin: Origin::Own,
            margin_mode: MarginMode::Isolated,
            contracts: Contracts::ZERO,
            quantity: Qty::ZERO,
            entry_price: None,
            venue: VenueFigures::default(),
            realised: Usdt::ZERO,
            fees: Usdt::ZERO,
            stop_loss: None,
            take_profit: None,
            settled_to: VenueTime::ZERO,
            venue_version: 0,
            opened_at: self.at(),
            touched_at: self.at(),
            synced_at: None,
            watch: LiquidationWatch::default(),
        };
        self.add(Event::PositionOpened { position: Box::new(position) });
        PositionId(id)
    }

    fn snapshot(&mut self, id: PositionId) {
        let figures = VenueFigures {
            margin: Some(Usdt(number("13.5"))),
            liquidation_price: Some(Price(number("68.1"))),
            leverage: Some(3),
            funding: Some(Usdt(number("-0.02"))),
        };
        self.add(Event::PositionSnapshot {
            id,
            venue_id: VenuePositionId::new("551").unwrap(),
            figures,
            version: 7,
            entry_price: None,
            mark: Some(Price(number("99.5"))),
            unrealised: Some(Usdt(number("-0.7"))),
            margin_ratio_pct: Some(number("812.5")),
        });
    }

    fn alert(&mut self, id: u64, position: Option<PositionId>) {
        let alert = Alert {
            id: AlertId(id),
            key: AlertKey { kind: AlertKind::LiquidationDetected, subject: format!("p{id}") },
            severity: Severity::Warning,
            symbol: Some(symbol(id)),
            position,
            message: "it's gone".into(),
            details: [("mark".to_string(), "99.5".to_string())].into(),
            raised_at: self.at(),
            updated_at: self.at(),
            count: 1,
            cleared_at: None,
            acknowledged: None::<Acknowledgement>,
        };
        self.add(Event::AlertRaised { alert: Box::new(alert) });
        self.add(Event::AlertRepeated {
            id: AlertId(id),
            message: "still gone".into(),
            holds: true,
            details: std::collections::BTreeMap::default(),
        });
        let key = AlertKey { kind: AlertKind::LiquidationDetected, subject: format!("p{id}") };
        let details = [("evidence".to_string(), "category 2".to_string())].into();
        let (severity, message) = (Severity::Critical, "liquidated".into());
        self.add(Event::AlertChanged { id: AlertId(id), key, severity, message, details });
        self.add(Event::AlertCleared { id: AlertId(id) });
        if id.is_multiple_of(2) {
            self.add(Event::AlertsAcknowledged { ids: vec![AlertId(id)], by: "operator".into() });
        }
    }

    fn command(&mut self, n: u64, no: OrderNo) {
        let id = CommandId::new(&format!("c{n}")).unwrap();
        let command = Command { id: id.clone(), by: "operator".into(), action: Action::Cancel { orders: vec![no] } };
        self.add(Event::CommandReceived { command: Box::new(command) });
        let status = CommandStatus::Working { step: "at the exchange".into() };
        self.add(Event::CommandMoved { id: id.clone(), status, waiting_for: vec![no] });
        self.add(Event::CommandMoved { id, status: CommandStatus::Done { note: "done".into() }, waiting_for: vec![] });
    }

    fn round(&mut self, n: u64) {
        self.signal(n, SignalOutcome::Ordered { order: OrderNo(n) });
        let no = self.order(n);
        self.add(Event::ObserverDropped { observer: "log".into(), total: n });
        let venue_id = VenueOrderId::new(&format!("{}", 739_000_000_000_000_000 + n)).unwrap();
        match n % 4 {
            0 => {
                self.add(Event::OrderFailed { no, reason: "balance insufficient".into() });
            }
            1 => {
                self.add(Event::OrderAccepted { no, venue_id });
                self.add(Event::OrderCancelWanted { no, by: "time-out".into() });
                self.command(n, no);
                self.add(Event::OrderCancelled { no, reason: "time-out".into() });
            }
            _ => {
                self.add(Event::OrderAccepted { no, venue_id });
                let id = self.position(n, n);
                self.fill(n * 10, no, id, "1", Some("0.0061"));
                self.snapshot(id);
                self.fill(n * 10 + 1, no, id, "3", if n.is_multiple_of(3) { None } else { Some("0.01825") });
                self.snapshot(id);
                self.alert(n, Some(id));
                let (cause, evidence_syncs) =
                    if n % 4 == 2 { (CloseCause::Outside, 3) } else { (CloseCause::OwnExit, 0) };
                let exit_price = Some(Price(number("102")));
                self.add(Event::PositionClosed { id, cause, exit_price, evidence_syncs });
                if n % 4 == 2 {
                    let cause = CloseCause::Liquidated;
                    self.add(Event::PositionExplained { id, cause, exit_price: None, evidence_syncs: 0 });
                }
            }
        }
        let account = Account {
            wallet: Usdt(number("10000.123456789012345678")),
            available: Usdt(number("9000")),
            position_margin: Usdt(number("1000.123456789012345678")),
            order_margin: Usdt::ZERO,
        };
        self.add(Event::AccountSnapshot { account, equity: Usdt(number("10003.5") + Decimal::from(n)) });
        let raw = RawSignal { signal_id: format!("raw-{n}"), signal_type: "X9".into(), ..RawSignal::default() };
        self.add(Event::SignalRefused { raw: Box::new(raw), reason: "signal type is unknown".into() });
    }
}

/// So many rounds of trading; about ten facts each.
pub fn facts(rounds: u64) -> Vec<Record> {
    let mut facts = Facts { records: Vec::new(), seq: 0, now: START };
    let info = SessionInfo {
        id: session(),
        environment: Environment::Paper,
        exchange: "http://127.0.0.1:1".into(),
        label: "calm".into(),
        started_at: facts.at(),
        starts: 1,
        incarnation: None,
        identity: None,
    };
    facts.add(Event::SessionStarted { info: Box::new(info) });
    for n in 1..=rounds {
        facts.round(n);
    }
    facts.records
}

/// Writes the facts into a journal, as a session does.
#[allow(dead_code, reason = "the QuestDB tests need only the facts")]
pub fn journal(dir: &Path, records: &[Record]) {
    let (mut journal, _) = Journal::open(dir, Options { segment_bytes: 20_000, ..Options::default() }).unwrap();
    // Facts that are there already are not written again.
    let written = journal.last_seq();
    for record in records.iter().filter(|record| record.event.is_fact() && record.seq > written) {
        journal.append(record.at.micros(), &serde_json::to_string(record).unwrap()).unwrap();
        if record.seq.is_multiple_of(50) {
            journal.sync().unwrap();
        }
    }
    journal.sync().unwrap();
}

/// The number of the last fact.
pub fn last(records: &[Record]) -> u64 {
    records.iter().map(|record| record.seq).max().unwrap()
}
