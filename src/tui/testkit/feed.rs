//! Events in a few words: what a scenario file says, made into what a session publishes.

use std::time::Duration;

use serde::Deserialize;

use super::about::{about_position, alert, heard};
use crate::model::{
    Account, AlertKind, BreakerState, CallClass, CancelWish, Category, Chore, ClockOffset, CloseCause, CommandId,
    CommandStatus, ContractSpec, Contracts, Control, Decimal, Environment, Event, Fill, FillId, Flatten, FlattenStep,
    Intent, LinkState, LiquidationWatch, MarginMode, Order, OrderNo, OrderState, OrderType, Origin, Phase, Position,
    PositionId, PositionKey, Price, Purpose, Qty, Quote, Record, RiskLimit, RiskTier, SessionId, SessionInfo,
    SessionState, SessionTime, Severity, Side, StrategyId, Symbol, Usdt, VenueFigures, VenueOrderId, VenueTime, div,
};

/// Something that happens in a scene.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fact {
    /// The session begins: account, link, contracts and prices of five symbols.
    Session {
        /// Paper, live or replay.
        #[serde(default)]
        environment: Environment,
        /// What it runs.
        #[serde(default)]
        label: String,
        /// Equity at the start.
        #[serde(default = "ten_thousand")]
        capital: Decimal,
    },
    /// A price.
    Quote {
        /// Which contract.
        symbol: Symbol,
        /// Mark and last.
        price: Decimal,
    },
    /// A position, as the exchange tells it.
    Position {
        /// Which contract.
        symbol: Symbol,
        /// Which leg.
        side: Side,
        /// Base units.
        quantity: Decimal,
        /// Entry price.
        entry: Decimal,
        /// Margin.
        margin: Decimal,
        /// Liquidation price; left out, it is not known.
        liquidation: Option<Decimal>,
        /// Leverage.
        #[serde(default = "ten")]
        leverage: u32,
        /// Warning levels: ratio, tier, share.
        #[serde(default)]
        watch: [u8; 3],
        /// Stop-loss price.
        stop: Option<Decimal>,
        /// Shared margin.
        #[serde(default)]
        cross: bool,
    },
    /// The warnings of a position move.
    Watch {
        /// Which, in order of opening.
        position: u64,
        /// Warning levels: ratio, tier, share.
        watch: [u8; 3],
    },
    /// A position ends.
    Closed {
        /// Which.
        position: u64,
        /// Why.
        cause: CloseCause,
        /// At which price.
        exit: Option<Decimal>,
    },
    /// An order, resting at the exchange unless it says otherwise.
    Order {
        /// Which contract.
        symbol: Symbol,
        /// Which leg.
        side: Side,
        /// Reduces the leg.
        #[serde(default)]
        close: bool,
        /// Base units.
        quantity: Decimal,
        /// Limit price; a market order without one.
        price: Option<Decimal>,
        /// How far it got: pending, submitting, submitted, unknown.
        state: Option<OrderState>,
    },
    /// A fill of an order; the rest of it when no quantity is given.
    Fill {
        /// Which.
        order: u64,
        /// Base units.
        quantity: Option<Decimal>,
        /// Price; the order's own when not given.
        price: Option<Decimal>,
    },
    /// A cancel of an order is wanted and sent.
    Cancelling {
        /// Which.
        order: u64,
    },
    /// An order ended by a cancel.
    Cancelled {
        /// Which.
        order: u64,
    },
    /// An order failed.
    Failed {
        /// Which.
        order: u64,
        /// Why.
        reason: String,
    },
    /// An alert.
    Alert {
        /// What about.
        kind: AlertKind,
        /// How bad.
        severity: Severity,
        /// About which contract.
        symbol: Option<Symbol>,
        /// About which position.
        position: Option<u64>,
        /// For people.
        message: String,
        /// Whether it is something that happened, not a condition.
        #[serde(default)]
        happened: bool,
    },
    /// An alert was acknowledged.
    Acknowledged {
        /// Which.
        alert: u64,
    },
    /// An alert's condition ended.
    Cleared {
        /// Which.
        alert: u64,
    },
    /// Observers that may lose events have lost so many.
    Dropped {
        /// In all.
        total: u64,
    },
    /// A breaker moves.
    Breaker {
        /// Which.
        class: CallClass,
        /// To where.
        state: BreakerState,
        /// After so many failures, of this kind.
        #[serde(default)]
        failures: u32,
        /// For people.
        #[serde(default)]
        reason: String,
    },
    /// A limit trips.
    Tripped {
        /// Which.
        limit: RiskLimit,
        /// For people.
        reason: String,
    },
    /// Whether new exposure is allowed.
    Control {
        /// Now.
        control: Control,
        /// By whom.
        #[serde(default)]
        by: String,
    },
    /// A flatten is at a step; none without one.
    Flatten {
        /// At which.
        step: Option<FlattenStep>,
    },
    /// The link to the exchange.
    Link {
        /// Now.
        up: bool,
    },
    /// The exchange does not tell of the positions any more.
    Unread {
        /// Why.
        reason: String,
    },
    /// The exchange says nothing any more; connections stay open.
    Silent,
    /// The exchange's word on a position differs from ours.
    Doubt {
        /// Which.
        position: u64,
    },
    /// An exit of a position stands.
    Exit {
        /// Which.
        position: u64,
        /// Base units that are to be left; flat without.
        #[serde(default)]
        to: Decimal,
        /// Who wants it.
        #[serde(default = "operator")]
        by: String,
        /// What it waits for.
        waits: Option<String>,
        /// Refusals in a row.
        #[serde(default)]
        refusals: u32,
    },
    /// Equity apart from what positions gain.
    Account {
        /// Wallet.
        wallet: Decimal,
    },
    /// The session answers a command of the scene, by its place from 0 on.
    Command {
        /// Which.
        sent: usize,
        /// accepted, working, done, rejected or unknown.
        status: String,
        /// For people.
        #[serde(default)]
        note: String,
    },
}

fn operator() -> String {
    "operator".to_owned()
}

fn ten_thousand() -> Decimal {
    Decimal::from(10_000)
}

const fn ten() -> u32 {
    10
}

/// The session of the scenes.
const SESSION: &str = "k3f9a2xq";

/// The contracts of the scenes: symbol, contract size, tick, price.
const CONTRACTS: [(&str, [&str; 3]); 7] = [
    ("BTC_USDT", ["0.0001", "0.1", "61204.5"]),
    ("ETH_USDT", ["0.01", "0.01", "2981.2"]),
    ("SOL_USDT", ["0.1", "0.01", "142.31"]),
    ("XRP_USDT", ["1", "0.0001", "0.5129"]),
    ("DOGE_USDT", ["1", "0.00001", "0.1207"]),
    ("LINK_USDT", ["0.1", "0.001", "13.88"]),
    ("AVAX_USDT", ["0.1", "0.001", "27.4"]),
];

fn number(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap_or_default()
}

/// Makes records of facts, with numbers that follow from what has happened before.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    seq: u64,
    fills: u64,
}

impl Feed {
    /// The records of a fact.
    pub fn records(&mut self, state: &SessionState, at: SessionTime, fact: &Fact, sent: &[CommandId]) -> Vec<Record> {
        let events = self.events(state, at, fact, sent);
        events
            .into_iter()
            .map(|event| {
                if event.is_fact() {
                    self.seq = self.seq.saturating_add(1);
                }
                Record { seq: self.seq, at, event }
            })
            .collect()
    }

    fn events(&mut self, state: &SessionState, at: SessionTime, fact: &Fact, sent: &[CommandId]) -> Vec<Event> {
        match fact {
            Fact::Session { environment, label, capital } => session(at, *environment, label, *capital),
            Fact::Quote { symbol: name, price } => vec![quote(at, name, *price)],
            Fact::Account { wallet } => vec![account(*wallet)],
            Fact::Link { up } => {
                let reason = "no data for 30 s".to_owned();
                let link = if *up { LinkState::Up } else { LinkState::Down { reason, attempt: 3 } };
                vec![Event::LinkMoved { link }]
            }
            Fact::Control { control, by } => {
                vec![Event::ControlChanged { control: *control, by: by.clone(), reason: String::new() }]
            }
            Fact::Unread { reason } => {
                vec![Event::ReadMoved { chore: Chore::SyncPositions, error: Some(reason.clone()) }]
            }
            Fact::Silent => Vec::new(),
            Fact::Doubt { .. } | Fact::Exit { .. } => about_position(state, at, fact),
            Fact::Position { .. } | Fact::Watch { .. } | Fact::Closed { .. } => position(state, at, fact),
            Fact::Order { .. } => order(state, at, fact),
            Fact::Fill { order, quantity, price } => self.fill(state, at, *order, *quantity, *price),
            Fact::Cancelling { order } => {
                let no = OrderNo(*order);
                vec![
                    Event::OrderCancelWanted { no, by: "operator".to_owned() },
                    Event::OrderCancelSent { no, attempt: 1 },
                ]
            }
            Fact::Cancelled { order } => {
                vec![Event::OrderCancelled { no: OrderNo(*order), reason: "cancelled by operator".to_owned() }]
            }
            Fact::Failed { order, reason } => {
                vec![Event::OrderFailed { no: OrderNo(*order), reason: reason.clone() }]
            }
            Fact::Alert { .. } | Fact::Acknowledged { .. } | Fact::Cleared { .. } => alert(state, at, fact),
            Fact::Dropped { total } => vec![Event::ObserverDropped { observer: "metrics".to_owned(), total: *total }],
            Fact::Breaker { class, state, failures, reason } => {
                let failed = || Event::CallCounted { class: *class, failure: Some(reason.clone()), same_round: false };
                let mut events: Vec<Event> = (0..*failures).map(|_| failed()).collect();
                events.push(Event::BreakerMoved { class: *class, state: *state, reason: reason.clone() });
                events
            }
            Fact::Tripped { limit, reason } => vec![Event::LimitTripped { limit: *limit, reason: reason.clone() }],
            Fact::Flatten { step } => CommandId::new("flatten-1")
                .into_iter()
                .map(|command| Event::FlattenMoved {
                    flatten: step.map(|step| {
                        Box::new(Flatten {
                            command: command.clone(),
                            step,
                            step_since: at,
                            closes: Vec::new(),
                            rounds: 1,
                        })
                    }),
                })
                .collect(),
            Fact::Command { sent: place, status, note } => command(sent.get(*place), status, note),
        }
    }

    fn fill(
        &mut self,
        state: &SessionState,
        at: SessionTime,
        no: u64,
        quantity: Option<Decimal>,
        price: Option<Decimal>,
    ) -> Vec<Event> {
        let Some(order) = state.orders.get(OrderNo(no)) else { return Vec::new() };
        let size = state.contracts.get(&order.symbol).map_or(Decimal::ONE, |spec| spec.contract_size);
        let quantity = quantity.map_or(order.remaining(), Qty);
        let limit = order.order_type.limit().or_else(|| state.quote(&order.symbol).and_then(Quote::risk_price));
        self.fills = self.fills.saturating_add(1);
        let Ok(id) = FillId::new(&format!("f{}", self.fills)) else { return Vec::new() };
        vec![Event::Filled {
            fill: Box::new(Fill {
                id,
                order: Some(order.no),
                venue_order: order.venue_id.clone(),
                foreign_client_id: None,
                position: state.positions.get(&order.position_key()).map(|position| position.id),
                symbol: order.symbol.clone(),
                intent: order.intent,
                contracts: Contracts(div(quantity.0, size).unwrap_or_default()),
                quantity,
                price: price.map(Price).or(limit).unwrap_or_default(),
                fee: Some(Usdt(number("0.42"))),
                realised: Some(Usdt::ZERO),
                computed: None,
                estimated: false,
                taker: Some(true),
                category: Category::Normal,
                at: VenueTime::from_micros(at.micros()),
                moves_position: true,
            }),
        }]
    }
}

fn session(at: SessionTime, environment: Environment, label: &str, capital: Decimal) -> Vec<Event> {
    let Ok(id) = SessionId::new(SESSION) else { return Vec::new() };
    let info = SessionInfo {
        id,
        environment,
        exchange: "http://127.0.0.1:40231".to_owned(),
        label: label.to_owned(),
        started_at: at,
        starts: 1,
        incarnation: None,
        identity: None,
    };
    let mut events = vec![
        Event::SessionStarted { info: Box::new(info) },
        Event::PhaseChanged { phase: Phase::Ready, reason: String::new() },
        Event::LinkMoved { link: LinkState::Up },
        Event::ClockMeasured { offset: ClockOffset { offset_us: 2_000, round_trip_us: 38_000 } },
        Event::DayRolled { day: at.day(), equity: Usdt(capital) },
        Event::PeakRaised { equity: Usdt(capital) },
        account(capital),
    ];
    events.extend(heard(at, true));
    for (name, [size, tick, price]) in CONTRACTS {
        let Ok(symbol) = Symbol::new(name) else { continue };
        events.push(Event::ContractLearned { spec: Box::new(contract(&symbol, number(size), number(tick))) });
        events.push(quote(at, &symbol, number(price)));
    }
    events
}

fn contract(symbol: &Symbol, contract_size: Decimal, tick: Decimal) -> ContractSpec {
    let tier = RiskTier {
        max_contracts: Contracts(Decimal::from(100_000_000)),
        maintenance_rate: number("0.004"),
        max_leverage: 200,
    };
    ContractSpec {
        symbol: symbol.clone(),
        contract_size,
        tick,
        lot: Decimal::ONE,
        min_contracts: Contracts(Decimal::ONE),
        max_contracts: Contracts(Decimal::from(10_000_000)),
        max_leverage: 200,
        taker_fee_rate: number("0.0004"),
        maker_fee_rate: number("0.0001"),
        liquidation_fee_rate: number("0.0004"),
        tiers: vec![tier],
        enabled: true,
    }
}

fn quote(at: SessionTime, symbol: &Symbol, price: Decimal) -> Event {
    let price = Some(Price(price));
    let funding_rate = Some(number("0.0001"));
    let at = VenueTime::from_micros(at.micros());
    let quote = Quote { symbol: symbol.clone(), last: price, mark: price, bid: price, ask: price, funding_rate, at };
    Event::Quoted { quote: Box::new(quote) }
}

fn account(wallet: Decimal) -> Event {
    let account = Account {
        wallet: Usdt(wallet),
        available: Usdt(wallet),
        position_margin: Usdt::ZERO,
        order_margin: Usdt::ZERO,
    };
    Event::AccountSnapshot { account, equity: Usdt(wallet) }
}

fn watched([ratio_level, tier_level, share_level]: [u8; 3]) -> LiquidationWatch {
    LiquidationWatch { ratio_level, tier_level, share_level, ..LiquidationWatch::default() }
}

fn position(state: &SessionState, at: SessionTime, fact: &Fact) -> Vec<Event> {
    match fact {
        Fact::Position { symbol: name, side, quantity, entry, margin, liquidation, leverage, watch, stop, cross } => {
            let key = PositionKey { symbol: name.clone(), side: *side };
            let size = state.contracts.get(&key.symbol).map_or(Decimal::ONE, |spec| spec.contract_size);
            let position = Position {
                id: state.positions.next_id(),
                key,
                venue_id: None,
                origin: Origin::Own,
                margin_mode: if *cross { MarginMode::Cross } else { MarginMode::Isolated },
                contracts: Contracts(div(*quantity, size).unwrap_or_default()),
                quantity: Qty(*quantity),
                entry_price: Some(Price(*entry)),
                venue: VenueFigures {
                    margin: Some(Usdt(*margin)),
                    liquidation_price: liquidation.map(Price),
                    leverage: Some(*leverage),
                    funding: Some(Usdt(number("-0.31"))),
                },
                realised: Usdt::ZERO,
                fees: Usdt(number("1.2")),
                stop_loss: stop.map(Price),
                take_profit: None,
                settled_to: VenueTime::ZERO,
                venue_version: 1,
                opened_at: at.minus(Duration::from_secs(754)),
                touched_at: at,
                synced_at: Some(at),
                watch: watched(*watch),
            };
            vec![Event::PositionOpened { position: Box::new(position) }]
        }
        Fact::Watch { position, watch } => {
            vec![Event::WatchMoved { id: PositionId(*position), watch: watched(*watch) }]
        }
        Fact::Closed { position, cause, exit } => vec![Event::PositionClosed {
            id: PositionId(*position),
            cause: *cause,
            exit_price: exit.map(Price),
            evidence_syncs: 0,
        }],
        _ => Vec::new(),
    }
}

fn order(state: &SessionState, at: SessionTime, fact: &Fact) -> Vec<Event> {
    let Fact::Order { symbol: name, side, close, quantity, price, state: wanted } = fact else { return Vec::new() };
    let no = state.orders.next_no();
    let symbol = name.clone();
    let (Ok(session), Ok(strategy), Ok(venue_id)) =
        (SessionId::new(SESSION), StrategyId::new("momentum"), VenueOrderId::new(&format!("74015526801{:05}", no.0)))
    else {
        return Vec::new();
    };
    let size = state.contracts.get(&symbol).map_or(Decimal::ONE, |spec| spec.contract_size);
    let order = Order {
        no,
        client_id: no.client_id(&session, None),
        venue_id: None,
        signal_id: None,
        strategy,
        intent: if *close { Intent::close(*side) } else { Intent::open(*side) },
        purpose: if *close { Purpose::PartialExit } else { Purpose::Entry },
        order_type: price.map_or(OrderType::Market, |price| OrderType::Limit(Price(price))),
        contracts: Contracts(div(*quantity, size).unwrap_or_default()),
        quantity: Qty(*quantity),
        decision_price: state.quote(&symbol).and_then(Quote::risk_price),
        symbol,
        leverage: 10,
        margin_mode: crate::model::MarginMode::Isolated,
        position_mode: crate::model::PositionMode::Hedge,
        position_id: None,
        stop_loss: None,
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
        cancel: None::<CancelWish>,
        note: None,
        created_at: at,
        accepted_at: None,
        updated_at: at,
        ended_at: None,
    };
    let mut events = vec![Event::OrderCreated { order: Box::new(order) }];
    let wanted = wanted.unwrap_or(OrderState::Submitted);
    if wanted != OrderState::Pending {
        events.push(Event::OrderSent { no, attempt: 1 });
    }
    match wanted {
        OrderState::Submitted => {
            events.push(Event::OrderAccepted { no, venue_id });
        }
        OrderState::Unknown => {
            events.push(Event::OrderLost { no, error: "no answer within 10 s".to_owned() });
        }
        _ => {}
    }
    events
}

fn command(id: Option<&CommandId>, status: &str, note: &str) -> Vec<Event> {
    let Some(id) = id else { return Vec::new() };
    let note = note.to_owned();
    let status = match status {
        "working" => CommandStatus::Working { step: note },
        "done" => CommandStatus::Done { note },
        "rejected" => CommandStatus::Rejected { why: note },
        "unknown" => CommandStatus::Unknown { why: note },
        _ => CommandStatus::Accepted,
    };
    vec![Event::CommandMoved { id: id.clone(), status, waiting_for: Vec::new() }]
}
