//! Where the exchange's clock stands changes nothing but the alert that says so: one session, told step by
//! step, with the exchange in time, behind and ahead, ends with the same fills, positions and alerts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use perpdeck::model::{AlertKind, ClosedPosition, Decimal, Event, Fill, Order, Severity, Usdt};
use serde_json::{Value, json};

use super::child::{CLOCK_OPTION, Process, perpdeck};
use super::exchange::{Exchange, signal};
use super::ledger;

/// How far the exchange is ahead, in ms; the first is what the others are compared with.
const AHEAD_MS: [i64; 6] = [0, -5_000, -300, 300, 5_000, 45_000];

/// Prices that stand still: a fill has the same price whenever it comes. The spread makes results.
const STILL: &str = r#"
name = "still"
[market]
volatility = 0
trend = 0
reversion = 0
spread_ticks = 40
depth = 100_000_000
funding_rate = 0
"#;

/// Something that happened, in words that must be the same, with its prices and its amounts of money.
#[derive(Debug, PartialEq, PartialOrd)]
struct Row {
    what: String,
    prices: Vec<Decimal>,
    money: Vec<Decimal>,
}

/// What is left of a session, without stamps and ids.
#[derive(Debug)]
struct Left {
    fills: Vec<Row>,
    orders: Vec<String>,
    closed: Vec<Row>,
    alerts: BTreeSet<(AlertKind, String, Severity)>,
    wallet: Decimal,
    /// The alert that says so.
    clock: Option<Severity>,
}

/// A session that has been told.
struct Told {
    left: Left,
    /// From the start of the program to the first price, for both starts.
    prices_after: [Duration; 2],
}

/// Starts a session; says how long it took until there was a price.
fn start(exchange: &Exchange, home: &Path) -> (Process, Duration) {
    let begun = Instant::now();
    let mut session = exchange.session(home, &["--market-data"]);
    session.event("market_data").expect("prices");
    let took = begun.elapsed();
    if !session.said.iter().any(|line| line["event"] == "ready") {
        session.event("ready").expect("ready");
    }
    (session, took)
}

/// The line that is as wanted, also when it was said before.
fn heard(session: &mut Process, wanted: impl Fn(&Value) -> bool) -> Value {
    match session.said.iter().find(|line| wanted(line)) {
        Some(line) => line.clone(),
        None => session.until(wanted).expect("it lives"),
    }
}

fn filled(session: &mut Process, id: &str, kind: &str, symbol: &str, side: &str, quantity: &str) {
    assert!(session.tell(&signal(id, kind, symbol, side, quantity)));
    let answer = session.answer(id).expect("an answer");
    assert_eq!(answer["result"], "accepted", "{id}: {answer}");
    heard(session, |line| line["event"] == "order_filled" && line["signal_id"] == id);
}

fn alerted(session: &mut Process, kind: &str, symbol: &str) {
    heard(session, |line| line["event"] == "risk_alert" && line["alert_type"] == kind && line["symbol"] == symbol);
}

/// Entries, a partial exit, an answer that is lost, `kill -9`, what others do to the account meanwhile, a
/// liquidation, an exit and a flatten.
fn tell(ahead_ms: i64) -> Told {
    let home = tempfile::tempdir().unwrap();
    let scenario = home.path().join("still.toml");
    std::fs::write(&scenario, STILL).unwrap();
    let clock = format!("{CLOCK_OPTION}={ahead_ms}");
    let exchange = Exchange::start(home.path(), &["--scenario", &scenario.display().to_string(), &clock]);

    let (mut session, first) = start(&exchange, home.path());
    filled(&mut session, "in-btc", "S1", "BTC_USDT", "buy", "0.01");
    filled(&mut session, "in-eth", "S1", "ETH_USDT", "sell", "0.2");
    filled(&mut session, "part", "ZE1", "BTC_USDT", "long", "50%");
    exchange.fault(&json!({"kind": "reply_lost", "endpoint": "place_open", "count": 1}));
    filled(&mut session, "lost", "S1", "XRP_USDT", "buy", "100");
    // A command is answered as done when it is on disk, and with it all that was before.
    for action in ["pause", "resume"] {
        assert!(session.tell(&json!({"id": action, "command": {"action": action}}).to_string()));
        assert_eq!(session.settled(action).expect("an answer")["result"], "done");
    }
    session.signal("-KILL");
    session.end();
    exchange.fault(&json!({"kind": "manual_close", "symbol": "ETH_USDT", "side": "short", "vol": 8}));
    exchange.fault(&json!({"kind": "manual_open", "symbol": "DOGE_USDT", "side": "long", "vol": 5, "leverage": 5}));

    let (mut session, second) = start(&exchange, home.path());
    alerted(&mut session, "POSITION_CLOSED_OUTSIDE", "ETH_USDT");
    alerted(&mut session, "POSITION_OPENED_OUTSIDE", "DOGE_USDT");
    exchange.fault(&json!({"kind": "forced_liquidation", "symbol": "BTC_USDT"}));
    alerted(&mut session, "LIQUIDATION_DETECTED", "BTC_USDT");
    filled(&mut session, "out-eth", "E1", "ETH_USDT", "short", "");
    assert!(session.tell(r#"{"id":"end","command":{"action":"flatten"}}"#));
    assert_eq!(session.settled("end").expect("an answer")["result"], "done");
    let books = ledger::fetch(&exchange.rest);
    assert_eq!(books["positions"].as_array().unwrap().len(), 0, "flat");
    session.signal("-TERM");
    let (status, errors) = session.end();
    assert_eq!(status.code(), Some(0), "{errors:?}");
    let data_dir = home.path().join("data");
    ledger::fills(&books, &data_dir, "fills here and there");
    Told { left: left(&data_dir), prices_after: [first, second] }
}

/// What the journal of a session says that has ended.
fn left(data_dir: &Path) -> Left {
    let journal = perpdeck::runtime::journal_of(data_dir);
    let (mut fills, mut alerts, mut clock) = (Vec::new(), BTreeSet::new(), None);
    let (mut wallet, zero) = (Decimal::from(10_000), Usdt::ZERO);
    for entry in perpdeck::journal::read(&journal).unwrap() {
        match perpdeck::store::record_of(&entry.unwrap()).unwrap().event {
            Event::Filled { fill } => {
                let (fee, result) = (fill.fee.expect("a fee"), fill.realised.expect("a result"));
                wallet += result.0 - fee.0;
                let (ours, moves) = (fill.order.is_some(), fill.moves_position);
                let Fill { symbol, intent, contracts, category, .. } = *fill;
                let what = format!("{symbol} {intent:?} {contracts} {category:?} ours: {ours}, moves: {moves}");
                fills.push(Row { what, prices: vec![fill.price.0], money: vec![fee.0, result.0] });
            }
            Event::AlertRaised { alert } if alert.key.kind == AlertKind::ClockOff => {
                assert_eq!(alert.key.subject, "exchange", "nobody slept");
                clock = clock.max(Some(alert.severity));
            }
            // How much of the last moment `kill -9` leaves on disk is a matter of the disk, not of the clock.
            Event::AlertRaised { alert } if alert.key.kind == AlertKind::Recovered => {}
            Event::AlertRaised { alert } => {
                alerts.insert((alert.key.kind, alert.key.subject.clone(), alert.severity));
            }
            _ => {}
        }
    }
    let state = perpdeck::runtime::recover(&journal, 1 << 26).unwrap().state;
    assert_eq!(state.positions.open_count(), 0, "flat");
    assert_eq!(
        state.equity.account.as_ref().unwrap().wallet.0,
        wallet,
        "the fills explain the balance to the last digit"
    );
    let order = |order: &Order| {
        let (signal, symbol, intent) = (&order.signal_id, &order.symbol, order.intent);
        format!("{signal:?} {symbol} {intent:?} {:?} filled {}", order.state, order.filled_contracts)
    };
    let closed = |closed: &ClosedPosition| Row {
        what: format!("{} {:?} {}", closed.key, closed.cause, closed.quantity.0.normalize()),
        prices: vec![closed.entry_price.expect("known").0, closed.exit_price.expect("known").0],
        money: vec![closed.fees.0, closed.realised.expect("known").0, closed.funding.unwrap_or(zero).0],
    };
    let mut orders: Vec<String> = state.orders.all(None).map(order).collect();
    let mut closed: Vec<Row> = state.positions.closed().map(closed).collect();
    orders.sort();
    // What a flatten closes side by side is filled in any order.
    fills.sort_by(|a, b| a.partial_cmp(b).unwrap());
    closed.sort_by(|a, b| a.partial_cmp(b).unwrap());
    Left { fills, orders, closed, alerts, wallet, clock }
}

/// The same rows. The last price flutters by a tick or two even in a market that stands still, and with it
/// what is paid: that much they may differ.
fn same(here: &[Row], there: &[Row], about: &str) {
    let near = |a: &[Decimal], b: &[Decimal], allowed: &dyn Fn(Decimal) -> Decimal| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= allowed(*a))
    };
    let alike = |a: &Row, b: &Row| {
        a.what == b.what
            && near(&a.prices, &b.prices, &|price| price / Decimal::from(2_000))
            && near(&a.money, &b.money, &|_| Decimal::new(5, 2))
    };
    let all = here.len() == there.len() && here.iter().zip(there).all(|(a, b)| alike(a, b));
    assert!(all, "{about}: {here:#?}, and in time: {there:#?}");
}

#[test]
fn wherever_the_exchanges_clock_stands_the_same_happens_and_only_the_clock_is_told() {
    let runs = AHEAD_MS.map(|ms| (ms, std::thread::spawn(move || tell(ms))));
    let mut runs = runs.map(|(ms, run)| (ms, run.join().unwrap_or_else(|_| panic!("{ms} ms")))).into_iter();
    let (_, in_time) = runs.next().unwrap();
    assert_eq!((in_time.left.fills.len(), in_time.left.closed.len()), (10, 4), "{:#?}", in_time.left);
    assert_eq!(in_time.left.clock, None);
    for (ms, run) in runs {
        let about = format!("{ms} ms ahead");
        println!("{about}: prices after {:?}, in time after {:?}", run.prices_after, in_time.prices_after);
        same(&run.left.fills, &in_time.left.fills, &about);
        same(&run.left.closed, &in_time.left.closed, &about);
        assert_eq!(run.left.orders, in_time.left.orders, "{about}");
        assert_eq!(run.left.alerts, in_time.left.alerts, "{about}");
        assert!((run.left.wallet - in_time.left.wallet).abs() < Decimal::new(2, 1), "{about}: {}", run.left.wallet);
        let told = match ms.abs() {
            0..=1_000 => None,
            1_001..=10_000 => Some(Severity::Warning),
            _ => Some(Severity::Critical),
        };
        assert_eq!(run.left.clock, told, "{about}");
        for (took, undisturbed) in run.prices_after.into_iter().zip(in_time.prices_after) {
            // Three seconds, and more where the start beside it, on the same busy machine, took more too.
            assert!(took <= Duration::from_secs(3).max(undisturbed * 3), "{about}: prices after {took:?}");
        }
    }
}

#[test]
fn the_clock_of_the_embedded_exchange_is_where_the_setting_says() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("d").display().to_string();
    let mut command = perpdeck(&["run", "--headless", "--data-dir", &dir], home.path());
    command.env("PERPDECK_SIMULATOR_CLOCK_OFFSET_MS", "-45000");
    let mut session = Process::start(command);
    let alert = session.until(|line| line["alert_type"] == "CLOCK_OFF").expect("it lives");
    assert_eq!(alert["severity"], "CRITICAL", "{alert}");
    assert!(alert["message"].as_str().unwrap().contains("45.0 s ahead of the exchange's"), "{alert}");
}
