use std::sync::Arc;

use super::*;
use crate::model::{
    ContractSpec, Contracts, Environment, LiquidationWatch, MarginMode, Origin, Quote, RiskTier, SessionId,
    SessionInfo, VenueFigures, VenueTime,
};

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn sol() -> Symbol {
    Symbol::new("SOL_USDT").unwrap()
}

struct Bench {
    strategy: Momentum,
    second: i64,
}

impl Bench {
    fn new() -> Self {
        let mut state = SessionState {
            phase: Phase::Ready,
            info: Some(SessionInfo {
                id: SessionId::new("abc").unwrap(),
                environment: Environment::Paper,
                exchange: "memory".into(),
                label: "test".into(),
                started_at: SessionTime::ZERO,
                starts: 4,
                incarnation: None,
                identity: None,
            }),
            ..SessionState::default()
        };
        let told = crate::model::ChoreState { done_at: Some(SessionTime::ZERO), ..Default::default() };
        state.upkeep.chores.insert(crate::model::Chore::PollOrders, told);
        state.equity.last = Some(Usdt(dec("10000")));
        state.contracts.insert(
            sol(),
            ContractSpec {
                symbol: sol(),
                contract_size: dec("0.1"),
                tick: dec("0.01"),
                lot: dec("1"),
                min_contracts: Contracts(dec("1")),
                max_contracts: Contracts(dec("100000")),
                max_leverage: 100,
                taker_fee_rate: dec("0.0004"),
                maker_fee_rate: dec("0"),
                liquidation_fee_rate: dec("0.0006"),
                tiers: vec![RiskTier {
                    max_contracts: Contracts(dec("100000")),
                    maintenance_rate: dec("0.01"),
                    max_leverage: 100,
                }],
                enabled: true,
            },
        );
        let mut strategy = Momentum::new(StrategySettings::default(), RiskSettings::default());
        assert!(strategy.take(&Update::Snapshot(Arc::new(state))).is_empty());
        Self { strategy, second: 0 }
    }

    /// A second later, at this price.
    fn quote(&mut self, price: &str) -> Vec<RawSignal> {
        self.second += 1;
        let at = SessionTime::from_secs(self.second);
        let quote = Quote {
            symbol: sol(),
            last: None,
            mark: Some(Price(dec(price))),
            bid: None,
            ask: None,
            funding_rate: None,
            at: VenueTime::from_micros(at.micros()),
        };
        let record = Record { seq: 0, at, event: Event::Quoted { quote: Box::new(quote) } };
        self.strategy.take(&Update::Events(Arc::from(vec![record])))
    }

    fn hold(&mut self, id: u64, entry: &str) {
        let at = SessionTime::from_secs(self.second);
        let position = Position {
            id: PositionId(id),
            key: PositionKey { symbol: sol(), side: Side::Long },
            venue_id: None,
            origin: Origin::Own,
            margin_mode: MarginMode::Isolated,
            contracts: Contracts(dec("50")),
            quantity: Qty(dec("5")),
            entry_price: Some(Price(dec(entry))),
            venue: VenueFigures::default(),
            realised: Usdt::ZERO,
            fees: Usdt::ZERO,
            stop_loss: None,
            take_profit: None,
            settled_to: VenueTime::ZERO,
            venue_version: 0,
            opened_at: at,
            touched_at: at,
            synced_at: None,
            watch: LiquidationWatch::default(),
        };
        let record = Record { seq: 1, at, event: Event::PositionOpened { position: Box::new(position) } };
        self.strategy.take(&Update::Events(Arc::from(vec![record])));
    }
}

fn kinds(signals: &[RawSignal]) -> Vec<&str> {
    signals.iter().map(|signal| signal.signal_type.as_str()).collect()
}

#[test]
fn it_enters_on_a_breakout_with_a_size_on_the_step() {
    let mut bench = Bench::new();
    for _ in 0..12 {
        assert!(bench.quote("100").is_empty(), "no breakout inside the range");
    }
    let signals = bench.quote("100.2");
    assert_eq!(kinds(&signals), ["S1"]);
    assert_eq!(signals[0].side, "long");
    assert_eq!(signals[0].quantity.as_deref(), Some("4.9"), "5 % of 10000 at 100.2, on steps of 0.1");
    assert_eq!(signals[0].signal_id, "momentum-abc-4-1", "unique across restarts");
    assert!(signals[0].stop_loss.is_none());
    assert!(signals[0].parse(SessionTime::ZERO).is_ok());
    assert!(bench.quote("100.9").is_empty(), "not again before the look-back has passed");
}

#[test]
fn every_second_entry_carries_a_stop() {
    let mut bench = Bench::new();
    (0..12).for_each(|_| drop(bench.quote("100")));
    assert_eq!(kinds(&bench.quote("99.8")), ["S1"]);
    (0..31).for_each(|_| drop(bench.quote("99.8")));
    let signals = bench.quote("99.5");
    assert_eq!(kinds(&signals), ["S1"]);
    assert_eq!(signals[0].side, "short");
    assert_eq!(signals[0].stop_loss.as_deref(), Some("101"), "1.5 % above, on the tick");
}

#[test]
fn a_narrow_breakout_is_noted_only() {
    let mut bench = Bench::new();
    (0..12).for_each(|_| drop(bench.quote("100")));
    assert_eq!(kinds(&bench.quote("100.01")), ["Z1"]);
    assert!(bench.quote("100.02").is_empty(), "one note a look-back");
}

#[test]
fn half_is_taken_at_the_target_and_all_at_the_stop() {
    let mut bench = Bench::new();
    bench.quote("100");
    bench.hold(1, "100");
    let target = bench.quote("100.25");
    assert_eq!(kinds(&target), ["ZE1"]);
    assert_eq!(target[0].quantity.as_deref(), Some("50%"));
    (0..10).for_each(|_| assert!(bench.quote("100.3").is_empty(), "the target is taken once"));
    let stop = bench.quote("99.6");
    assert_eq!((kinds(&stop), stop[0].side.as_str()), (vec!["E1"], "long"));
    assert!(bench.quote("99.5").is_empty(), "one exit at a time");
    (0..3).for_each(|_| drop(bench.quote("99.5")));
    assert_eq!(bench.books_exit_again(), ["E1"], "and again when the position is still there");
}

#[test]
fn a_position_is_closed_when_it_was_held_long_enough() {
    let mut bench = Bench::new();
    bench.quote("100");
    bench.hold(1, "100");
    let exits: Vec<_> = (0..185).flat_map(|_| bench.quote("100.05")).collect();
    assert_eq!(exits.first().map(|signal| signal.signal_type.as_str()), Some("E1"));
}

#[test]
fn it_does_not_enter_beyond_the_risk_limits_or_while_paused() {
    let mut bench = Bench::new();
    (0..12).for_each(|_| drop(bench.quote("100")));
    bench.strategy.risk.max_positions = 0;
    assert!(bench.quote("100.2").is_empty());
    bench.strategy.risk.max_positions = 3;
    bench.strategy.state.control = Control::Paused;
    assert!(bench.quote("100.5").is_empty());
    bench.strategy.state.control = Control::Running;
    assert_eq!(kinds(&bench.quote("100.9")), ["S1"]);
}

impl Bench {
    fn books_exit_again(&mut self) -> Vec<String> {
        (0..3).flat_map(|_| self.quote("99.5")).map(|signal| signal.signal_type).collect()
    }
}

/// A strategy that panics at every other update and numbers its signals.
struct Broken(u64);

impl Strategy for Broken {
    fn take(&mut self, _: &Update) -> Vec<RawSignal> {
        self.0 += 1;
        assert!(self.0.is_multiple_of(2), "a defect of the strategy");
        vec![RawSignal { signal_id: format!("s-{}", self.0), ..RawSignal::default() }]
    }

    fn anew(&self) -> Self {
        Self(self.0)
    }
}

/// Waits for something while the bus gives snapshots to whoever wants one.
async fn meanwhile<T>(bus: &mut crate::runtime::EventBus, wanted: impl Future<Output = T>) -> T {
    tokio::pin!(wanted);
    loop {
        tokio::select! {
            biased;
            out = &mut wanted => return out,
            () = bus.wanted() => bus.serve_snapshots(&SessionState::default()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_panics_is_told_and_started_again_and_uses_no_id_twice() {
    let mut bus = crate::runtime::EventBus::new();
    let subscriptions = bus.subscriptions();
    let subscribe = move || subscriptions.folding("strategy", crate::runtime::Interest::Everything, 100);
    let (inputs, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (intake, mut signals) = crate::runtime::Intake::channel();
    let running = tokio::spawn(keep_up(Broken(0), subscribe, intake, Alarm::new(inputs)));
    for id in ["s-2", "s-4"] {
        match meanwhile(&mut bus, told.recv()).await {
            Some(crate::engine::Input::Failure { what }) => {
                assert!(what.contains("started again") && what.contains("a defect of the strategy"), "{what}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(meanwhile(&mut bus, signals.recv()).await.unwrap().signal.signal_id, id);
        // What it is told next is its next defect.
        let event = Event::PhaseChanged { phase: Phase::Ready, reason: String::new() };
        bus.publish(&vec![Record { seq: 1, at: SessionTime::ZERO, event }].into()).unwrap();
    }
    bus.shut_down();
    meanwhile(&mut bus, told.recv()).await.unwrap();
    running.await.unwrap();
}
