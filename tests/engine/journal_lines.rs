//! Every kind of event survives its line in the journal: state is folded from those lines.

use std::collections::{BTreeMap, BTreeSet};

use perpdeck::model::{
    Account, Action, AlertId, AlertKey, AlertKind, BreakerState, CallClass, CallGroup, Chore, ChoreState, ClockOffset,
    CloseCause, Command, CommandId, CommandStatus, Contracts, Control, Doubt, EVENT_SCHEMA, Event, ExitStyle, Flatten,
    FlattenStep, Identity, Incarnation, LinkState, LiquidationWatch, OrderNo, OrderState, Phase, PositionId,
    PositionMode, Price, Purpose, Qty, Record, Refusal, RiskLimit, SessionTime, Severity, Side, SignalOutcome,
    StrategyId, Target, TargetEnd, Usdt, VenueEnd, VenueFigures, VenueOrderState, VenuePositionId, VenueTime,
    VenueView, read_event,
};

use crate::harness::*;

fn samples() -> Vec<Event> {
    let mut bench = Bench::ready();
    let no = bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "33546.4", "166.67");
    crate::position_sync::settle(&mut bench, vec![report.clone()]);
    bench.signal("s2", "S1", "BTC_USDT", "buy", "9");
    bench.signal_raw(raw("s3", "nonsense", "BTC_USDT", "buy", "1"));
    let mut events: Vec<Event> = bench.log.iter().map(|record| record.event.clone()).collect();
    let order = Box::new(bench.order(no).clone());
    let text = || "\u{1f4a5} \"quoted\" \\ text".to_owned();
    let id = PositionId(7);
    let command_id = CommandId::new("c1").unwrap();
    let target = Target {
        position: id,
        key: key("BTC_USDT", Side::Long),
        to: Contracts(d("2.5")),
        purpose: Purpose::PartialExit,
        by: text(),
        since: SessionTime::from_secs(7),
        signal_id: None,
        strategy: StrategyId::new("s").unwrap(),
        style: ExitStyle::ImmediateOrCancel,
        refused_within: Some(d("1.5")),
        part_max: Some(Contracts(d("10"))),
        refusal: Some(Refusal::BeyondLiquidation),
        refusals: 3,
        next_try_at: Some(SessionTime::from_secs(8)),
        waits_for: Some(text()),
    };
    let price = Some(Price(d("12345678901234567890.12345")));
    let stamp = SessionTime::from_micros(1_767_225_600_123_456);
    let flatten = Flatten {
        command: command_id.clone(),
        step: FlattenStep::AwaitCancels,
        step_since: stamp,
        closes: vec![(key("BTC_USDT", Side::Short), no)],
        rounds: 2,
    };
    let figures = VenueFigures {
        margin: None,
        liquidation_price: price,
        leverage: Some(3),
        funding: Some(Usdt(d("-0.000000000000000001"))),
    };
    let account = Account {
        wallet: Usdt(d("1")),
        available: Usdt(d("-2")),
        position_margin: Usdt::ZERO,
        order_margin: Usdt(d("0.10")),
    };
    events.extend([
        Event::SessionResumed { starts: 2, exchange: text(), incarnation: None },
        Event::SessionResumed { starts: 3, exchange: text(), incarnation: Incarnation::new("0a1b2c").ok() },
        Event::IdentityBound { identity: Box::new(Identity::embedded()) },
        Event::FactsLost { which: text() },
        Event::ClockSetBack { from: SessionTime::from_secs(5) },
        Event::PhaseChanged { phase: Phase::Stopped, reason: text() },
        Event::ControlChanged { control: Control::Halted, by: text(), reason: text() },
        Event::FlattenMoved { flatten: Some(Box::new(flatten)) },
        Event::FlattenMoved { flatten: None },
        Event::PositionModeLearned { mode: PositionMode::OneWay },
        Event::SignalsForgotten { before: stamp },
        Event::OrderRecovered { order: order.clone() },
        Event::OrderCreated { order },
        Event::OrderRetrying { no, next_attempt_at: stamp, error: text() },
        Event::OrderReturned { no, next_attempt_at: stamp, error: text() },
        Event::OrderLost { no, error: text() },
        Event::OrderReported { no, version: u64::MAX, venue_filled: Contracts(d("1.5")), end: None },
        Event::OrderReported {
            no,
            version: 3,
            venue_filled: Contracts(d("1.5")),
            end: Some(Box::new(VenueEnd {
                state: VenueOrderState::Cancelled,
                refusal: Refusal::RestCancelled,
                reason: text(),
                since: stamp,
            })),
        },
        Event::OrderSettled { no, contracts: Contracts(d("2")), end: Some(OrderState::Filled), note: text() },
        Event::OrderCancelWanted { no, by: text() },
        Event::OrderCancelSent { no, attempt: 2 },
        Event::OrderCancelFailed { no, error: text() },
        Event::OrderCancelled { no, reason: text() },
        Event::OrderFailed { no, reason: text() },
        Event::OrdersForgotten {
            orders: vec![no, OrderNo(u64::MAX)],
            fills_before: VenueTime::from_micros(stamp.micros()),
        },
        Event::PositionAdjusted {
            id,
            contracts: Contracts(d("1")),
            quantity: Qty(d("0.0001")),
            entry_price: None,
            settled_to: VenueTime::from_micros(stamp.micros()),
            reason: text(),
        },
        Event::PositionSnapshot {
            id,
            venue_id: VenuePositionId::new("1109973831").unwrap(),
            figures,
            version: 3,
            entry_price: price,
            mark: price,
            unrealised: None,
            margin_ratio_pct: Some(d("101.5")),
        },
        Event::WatchMoved {
            id,
            watch: LiquidationWatch { armed_at: Some(stamp), tier_level: 2, ..Default::default() },
        },
        Event::PositionClosed { id, cause: CloseCause::Liquidated, exit_price: price, evidence_syncs: 0 },
        Event::PositionExplained { id, cause: CloseCause::Unexplained, exit_price: None, evidence_syncs: 3 },
        Event::FundingSettled { id, funding: Usdt(d("-0.000000000000000001")) },
        Event::AccountSnapshot { account, equity: Usdt(d("-1")) },
        Event::DayRolled { day: -1, equity: Usdt::ZERO },
        Event::PeakRaised { equity: Usdt(d("1")) },
        Event::LimitTripped { limit: RiskLimit::Drawdown, reason: text() },
        Event::LimitReset { limit: RiskLimit::DailyLoss, by: text() },
        Event::AlertRepeated {
            id: AlertId(1),
            message: text(),
            holds: true,
            details: BTreeMap::from([(text(), text())]),
        },
        Event::AlertChanged {
            id: AlertId(1),
            key: AlertKey { kind: AlertKind::LiquidationDetected, subject: text() },
            severity: Severity::Critical,
            message: text(),
            details: BTreeMap::from([(text(), text())]),
        },
        Event::AlertCleared { id: AlertId(1) },
        Event::AlertsAcknowledged { ids: vec![AlertId(1)], by: text() },
        Event::BreakerMoved { class: CallClass::Exits, state: BreakerState::HalfOpen, reason: text() },
        Event::CommandReceived {
            command: Box::new(Command {
                id: command_id.clone(),
                by: text(),
                action: Action::ResetLimit { limit: RiskLimit::Drawdown },
            }),
        },
        Event::CommandMoved {
            id: command_id.clone(),
            status: CommandStatus::Unknown { why: text() },
            waiting_for: vec![no],
        },
        Event::CommandConcerns { id: command_id.clone(), orders: vec![no] },
        Event::CommandRefused {
            command: Box::new(Command { id: command_id, by: text(), action: Action::Halt }),
            why: text(),
        },
        Event::TargetMoved { target: Box::new(target.clone()) },
        Event::TargetEnded { position: id, end: TargetEnd::Withdrawn, note: text() },
        Event::OrderLeft { no, attempt: 1 },
        Event::ExitReadMoved { asked: Some(stamp) },
        Event::CallNeverLeft { class: CallClass::Entries },
        Event::PriceDoubted { symbol: symbol("BTC_USDT"), doubt: None },
        Event::LostOrderAsked { client_id: client_id("test0001start02"), asked_at: Some(stamp) },
        Event::CopySeen { incarnation: Incarnation::new("0a1b2c").unwrap() },
        Event::VenuePositionSeen {
            view: Box::new(VenueView { report, as_of: stamp, word_at: stamp, listed: true, pushed: false }),
        },
        Event::DoubtMoved { key: key("BTC_USDT", Side::Long), doubt: Some(Doubt::default()) },
        Event::ReadMoved { chore: Chore::FetchFills, error: Some(text()) },
        Event::CallCounted { class: CallClass::Reads, failure: Some(text()), same_round: true },
        Event::ProbeSent { class: CallClass::Entries },
        Event::CallHeldBack { class: CallClass::Entries },
        Event::ChoreMoved { chore: Chore::FetchFills, state: ChoreState { due: Some(stamp), ..Default::default() } },
        Event::LookupMoved { no, asked_at: None },
        Event::OrderMissed { no, asked_at: stamp },
        Event::LinkMoved { link: LinkState::Down { reason: text(), attempt: 4 } },
        Event::ClockMeasured { offset: ClockOffset { offset_us: -5, round_trip_us: 9 } },
        Event::SilenceMoved { until: stamp, asked_by: text(), calls: CallGroup::Placements },
        Event::AccountUnknown { why: text() },
        Event::JournalHealth { error: Some(text()) },
        Event::ObserverDropped { observer: text(), total: 8 },
        Event::SignalDecided {
            signal: match bench.log.iter().find_map(|record| match &record.event {
                Event::SignalDecided { signal, .. } => Some(signal.clone()),
                _ => None,
            }) {
                Some(signal) => signal,
                None => panic!("no signal"),
            },
            outcome: SignalOutcome::Cancelling { order: no },
            risk_score: None,
            price: None,
        },
    ]);
    let signal = bench.log.iter().find_map(|record| match &record.event {
        Event::SignalDecided { signal, .. } => Some(signal.clone()),
        _ => None,
    });
    let signal = signal.unwrap();
    events.push(Event::ExitReleased { signal: signal.id.clone() });
    events.push(Event::ExitHeld { signal, until: stamp });
    events
}

#[test]
fn every_kind_of_event_survives_its_line() {
    let mut kinds = BTreeSet::new();
    for event in samples() {
        let record = Record { seq: u64::MAX, at: SessionTime::from_micros(-1), event };
        let line = serde_json::to_string(&record).unwrap();
        let read: Record = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(read, record);
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        kinds.insert(value["event"].as_str().unwrap().to_owned());
    }
    // As many kinds as model/event.rs has.
    assert_eq!(kinds.len(), 79, "{kinds:?}");
}

/// Everything of `old` is in `new`, unchanged; `new` may have more fields.
fn holds(new: &serde_json::Value, old: &serde_json::Value) -> bool {
    match (new, old) {
        (serde_json::Value::Object(new), serde_json::Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old)))
        }
        _ => new == old,
    }
}

/// One fact of every kind as it was written when it was new, kept for ever: a name that is changed, or a field
/// without a default, cannot be read back here. `PERPDECK_BLESS=1` adds the kinds that are missing.
#[test]
fn facts_as_they_were_first_written_are_read_still() {
    let path = format!("{}/tests/data/facts-schema-{EVENT_SCHEMA}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut kept = std::fs::read_to_string(&path).unwrap_or_default();
    let name =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
    let mut kinds: BTreeSet<String> = kept.lines().map(name).collect();
    let samples = samples();
    if std::env::var_os("PERPDECK_BLESS").is_some() {
        for event in &samples {
            let line = serde_json::to_string(event).unwrap();
            if kinds.insert(name(&line)) {
                kept.push_str(&line);
                kept.push('\n');
            }
        }
        std::fs::write(&path, &kept).unwrap();
    }
    let missing: BTreeSet<String> = samples
        .iter()
        .map(|event| name(&serde_json::to_string(event).unwrap()))
        .filter(|name| !kinds.contains(name))
        .collect();
    assert!(missing.is_empty(), "not kept yet: {missing:?}; PERPDECK_BLESS=1 adds them");
    for line in kept.lines() {
        let read = read_event(EVENT_SCHEMA, line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let old: serde_json::Value = serde_json::from_str(line).unwrap();
        let new = serde_json::to_value(&read).unwrap();
        assert!(holds(&new, &old), "{line}\nis now\n{new}");
    }
}
