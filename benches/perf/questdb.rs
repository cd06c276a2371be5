//! The copy in QuestDB, on a real server: the drain against `questdb-rs` alone on the same rows, a
//! million journaled rows after an outage, and what a signal feels of it.

#[path = "../../tests/questdb/server.rs"]
#[allow(dead_code)]
mod server;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::questdb::ingress::{Buffer, ProtocolVersion, SenderBuilder, TimestampMicros};
use perpdeck::clock::{Clock, Speed, wall_time};
use perpdeck::config::Settings;
use perpdeck::engine::{Engine, Input, Out, Reply};
use perpdeck::exchange::mexc::{Adapter, Options, Permit};
use perpdeck::journal::{Journal, Options as JournalOptions};
use perpdeck::model::{
    Decimal, Event, LiquidationWatch, MarginMode, Origin, Phase, Position, PositionId, PositionKey, PositionMode,
    Price, Push, Qty, Record, SessionState, SessionTime, Side, SinkPhase, SinkStatus, Symbol, Usdt, VenueFigures,
    VenuePositionId, VenueTime,
};
use perpdeck::runtime::{DataDir, EventBus, Gateway, Intake, Manner, Ports, Scribe, Session};
use perpdeck::store::questdb::{Conf, Drain, DrainOptions, Source, TARGETS, migrate, wait_applied};
use perpdeck::store::{Projections, Projector};

use crate::fixture::{self, d};
use crate::report::{Table, micros, per_second, percentile, rate};
use crate::wire::{Receiver, SPEED, latencies, runtime, signal_after_signal};
use server::QuestDb;

/// Rows for the comparison with `questdb-rs` alone.
const ROWS: u64 = 300_000;
/// Rows after an outage.
const OUTAGE: u64 = 1_000_000;
/// Rows of a request, for both.
const BATCH: usize = 5_000;
/// Turns in which each way is measured.
const TURNS: usize = 3;
const WIRE_TURNS: usize = 6;
const OPEN: u64 = 20;

pub fn run(table: &mut Table) {
    if !server::available("the QuestDB benches") {
        return;
    }
    drain_speed(table);
    after_an_outage(table);
    signal_to_wire(table);
}

/// So many snapshots of twenty positions, as a session journals them.
fn facts(rows: u64) -> impl Iterator<Item = Record> {
    let start = wall_time().minus(Duration::from_secs(86_400));
    let at = move |seq: u64| start.plus(Duration::from_micros(seq * 20_000));
    let begin = std::iter::once(Event::SessionStarted { info: Box::new(fixture::info(start)) });
    let open = (1..=OPEN).map(|id| Event::PositionOpened { position: Box::new(position(id)) });
    let snapshots = (0..rows).map(|n| Event::PositionSnapshot {
        id: PositionId(n % OPEN + 1),
        venue_id: VenuePositionId::new("551").unwrap(),
        figures: VenueFigures {
            margin: Some(Usdt(d("13.518231"))),
            liquidation_price: Some(Price(d("68.125"))),
            leverage: Some(3),
            funding: Some(Usdt(d("-0.02"))),
        },
        version: n,
        entry_price: None,
        mark: Some(Price(Decimal::new(9_950_000 + i64::try_from(n % 10_000).unwrap(), 5))),
        unrealised: Some(Usdt(Decimal::new(-700_000_000 + i64::try_from(n).unwrap(), 9))),
        margin_ratio_pct: Some(Decimal::new(81_250 + i64::try_from(n % 1_000).unwrap(), 2)),
    });
    begin.chain(open).chain(snapshots).zip(1..).map(move |(event, seq)| Record { seq, at: at(seq), event })
}

fn position(id: u64) -> Position {
    Position {
        id: PositionId(id),
        key: PositionKey { symbol: Symbol::new(&format!("C{id:03}_USDT")).unwrap(), side: Side::Long },
        venue_id: None,
        origin: Origin::Own,
        margin_mode: MarginMode::Isolated,
        contracts: perpdeck::model::Contracts(d("40")),
        quantity: Qty(d("0.4125")),
        entry_price: Some(Price(d("101.2875"))),
        venue: VenueFigures::default(),
        realised: Usdt::ZERO,
        fees: Usdt::ZERO,
        stop_loss: None,
        take_profit: None,
        settled_to: VenueTime::ZERO,
        venue_version: 0,
        opened_at: SessionTime::from_secs(1_700_000_000),
        touched_at: SessionTime::from_secs(1_700_000_000),
        synced_at: None,
        watch: LiquidationWatch::default(),
    }
}

fn fold(database: &Path, rows: u64) {
    let mut projections = Projections::open(database).unwrap();
    let mut batch = Vec::new();
    for record in facts(rows) {
        batch.push(record);
        if batch.len() == 5_000 {
            projections.fold(&batch).unwrap();
            batch.clear();
        }
    }
    projections.fold(&batch).unwrap();
    projections.save().unwrap();
}

/// Both ways into an empty table of a fresh server, until the last row is acknowledged.
fn drain_speed(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("history.sqlite");
    fold(&database, ROWS);
    let rows = rows_of(&database);
    let (mut ours, mut alone) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        let server = QuestDb::start(&[]);
        migrate(&server.client()).unwrap();
        alone = alone.min(with_questdb_rs(&server, &rows));
        applied(&server);
        drop(server);
        let server = QuestDb::start(&[]);
        migrate(&server.client()).unwrap();
        ours = ours.min(with_the_drain(&server, &database));
        applied(&server);
        assert_eq!(server.number("SELECT count() FROM live_positions"), i64::try_from(rows.len()).unwrap());
    }
    let (ours, alone) = (rate(rows.len() as u64, ours), rate(rows.len() as u64, alone));
    eprintln!("drain: {:.0} % of questdb-rs alone", ours / alone * 100.0);
    table.row(
        "rows into QuestDB, from the projections",
        per_second(ours),
        format!("{} questdb-rs alone, same rows from memory", per_second(alone)),
        "80 % of it",
        ours >= alone * 0.8,
    );
}

fn applied(server: &QuestDb) {
    for target in &TARGETS {
        assert!(wait_applied(&server.client(), target, Duration::from_secs(120)).unwrap());
    }
}

/// A row in memory, as a program that has only this to do would hold it.
struct Snapshot {
    words: [String; 4],
    id: i64,
    decimals: Vec<(&'static str, Option<Decimal>)>,
    doubles: Vec<(&'static str, Option<f64>)>,
    leverage: Option<i64>,
    opened_at: i64,
    rev: i64,
    at: i64,
}

fn rows_of(database: &Path) -> Vec<Snapshot> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT session_id, symbol, side, 'OPEN', position_id, quantity, entry_price, current_price, \
             liquidation_price, unrealized_pnl, margin, unrealized_pnl_pct, margin_ratio_pct, leverage, opened_at, rev, \
             updated_at FROM position_snapshots ORDER BY rev",
        )
        .unwrap();
    let names =
        ["quantity", "entry_price", "current_price", "liquidation_price", "unrealized_pnl", "margin"].into_iter();
    statement
        .query_map([], |row| {
            let text = |place: usize| row.get::<_, Option<String>>(place).unwrap();
            let word = |place: usize| text(place).unwrap();
            Ok(Snapshot {
                words: [word(0), word(1), word(2), word(3)],
                id: row.get(4)?,
                decimals: names
                    .clone()
                    .zip(5..)
                    .map(|(name, at)| (name, text(at).map(|t| t.parse().unwrap())))
                    .collect(),
                doubles: [("unrealized_pnl_pct", 11), ("margin_ratio", 12)]
                    .map(|(name, at)| (name, text(at).map(|t| t.parse().unwrap())))
                    .to_vec(),
                leverage: row.get(13)?,
                opened_at: row.get(14)?,
                rev: row.get(15)?,
                at: row.get(16)?,
            })
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn with_questdb_rs(server: &QuestDb, rows: &[Snapshot]) -> Duration {
    let mut sender = SenderBuilder::new(::questdb::ingress::Protocol::Http, "127.0.0.1", server.port)
        .protocol_version(ProtocolVersion::V3)
        .unwrap()
        .build()
        .unwrap();
    let mut buffer = Buffer::new(ProtocolVersion::V3);
    let begun = Instant::now();
    for batch in rows.chunks(BATCH) {
        for row in batch {
            buffer.table("live_positions").unwrap();
            for (name, word) in ["session_id", "symbol", "side", "status"].into_iter().zip(&row.words) {
                buffer.symbol(name, word.as_str()).unwrap();
            }
            buffer.column_i64("position_id", row.id).unwrap();
            for (name, number) in &row.decimals {
                buffer.column_dec_opt(*name, number.as_ref()).unwrap();
            }
            for (name, number) in &row.doubles {
                buffer.column_f64_opt(*name, *number).unwrap();
            }
            buffer.column_i64_opt("leverage", row.leverage).unwrap();
            buffer.column_ts("opened_at", TimestampMicros::new(row.opened_at)).unwrap();
            buffer.column_i64("rev", row.rev).unwrap().at(TimestampMicros::new(row.at)).unwrap();
        }
        sender.flush(&mut buffer).unwrap();
    }
    begun.elapsed()
}

fn with_the_drain(server: &QuestDb, database: &Path) -> Duration {
    let mut source = Source::open(database).unwrap().unwrap();
    source.resend(SessionTime::ZERO).unwrap();
    drop(source);
    let (tell, status) = tokio::sync::watch::channel(SinkStatus::default());
    let begun = Instant::now();
    let drain = Drain::start(&server.conf(), database, DrainOptions::default(), tell).unwrap();
    // A stop sends what is left and ends when that is done: no waiting for the next count.
    let left = drain.stop(Duration::from_secs(600));
    let took = begun.elapsed();
    assert_eq!((left.phase, left.rows()), (SinkPhase::Up, 0), "{:?}", status.borrow().problem);
    took
}

/// The program sends a million rows that were journaled while the server was away; its memory is
/// watched.
fn after_an_outage(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let data = DataDir::open(&root).unwrap();
    let (mut journal, _) = Journal::open(&data.journal(), JournalOptions::default()).unwrap();
    for record in facts(OUTAGE) {
        journal.append(record.at.micros(), &serde_json::to_string(&record.event).unwrap()).unwrap();
        if record.seq % 10_000 == 0 {
            journal.flush().unwrap();
        }
    }
    journal.sync().unwrap();
    drop(journal);
    let begun = Instant::now();
    let mut projections = Projections::open(&data.projections()).unwrap();
    projections.catch_up(&data.journal()).unwrap();
    projections.save().unwrap();
    drop((projections, data));
    eprintln!("a million facts folded in {:.1} s", begun.elapsed().as_secs_f64());
    let server = QuestDb::start(&[]);
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_perpdeck"))
        .args(["store", "resync", "--since", "1970-01-01", "--questdb", &server.conf_text(), "--data-dir"])
        .arg(&root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut resident = Vec::new();
    let exit = loop {
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        resident.extend(crate::program::resident_now(child.id()));
        std::thread::sleep(Duration::from_millis(50));
    };
    let took = begun.elapsed();
    assert!(exit.success());
    applied(&server);
    assert_eq!(server.number("SELECT count() FROM live_positions"), i64::try_from(OUTAGE + OPEN).unwrap());
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2] as f64 / 1024.0
    };
    let quarter = resident.len() / 4;
    let (early, late) = (middle(&resident[quarter..2 * quarter]), middle(&resident[resident.len() - quarter..]));
    table.row(
        "a million journaled rows after an outage: memory of the program",
        format!("{late:.1} MB at the end ({})", per_second(rate(OUTAGE, took))),
        format!("{early:.1} MB after the first quarter"),
        "no growth (10 %)",
        late <= early * 1.1,
    );
}

/// What a signal feels of a server that is there, is not, or hangs, against none configured.
fn signal_to_wire(table: &mut Table) {
    // As QuestDB is by default: with `sync` it and the journal would wait for one and the same disk.
    let server = QuestDb::start(&["--set", "cairo.commit.mode=nosync"]);
    migrate(&server.client()).unwrap();
    // Listens, takes connections into its backlog, and never says a word.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging_conf = Conf::parse(&format!("http::addr={};", hanging.local_addr().unwrap())).unwrap();
    let down = Conf::parse("http::addr=127.0.0.1:1;").unwrap();
    let ways = [("none", None), ("up", Some(server.conf())), ("down", Some(down)), ("hanging", Some(hanging_conf))];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); ways.len()];
    for turn in 0..WIRE_TURNS {
        // The order turns too: whatever the machine does meanwhile hits all alike.
        for step in 0..ways.len() {
            let way = (turn + step) % ways.len();
            times[way].extend(through_the_engine(ways[way].1.as_ref()));
        }
    }
    let p50: Vec<Duration> = times
        .into_iter()
        .map(|mut times| {
            times.sort();
            percentile(&times, 0.5)
        })
        .collect();
    for ((name, _), time) in ways.iter().zip(&p50).skip(1) {
        let ratio = time.as_secs_f64() / p50[0].as_secs_f64();
        table.row(
            &format!("signal to wire, p50, QuestDB {name}"),
            micros(*time),
            format!("{} without QuestDB", micros(p50[0])),
            "within 10 %",
            (ratio - 1.0).abs() <= 0.1 || ratio < 1.0,
        );
        eprintln!("signal to wire, QuestDB {name}: {:+.1} %", (ratio - 1.0) * 100.0);
    }
}

/// The session as `perpdeck run` builds it, projections and drain included.
fn through_the_engine(conf: Option<&Conf>) -> Vec<Duration> {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    let begun = runtime().block_on(async {
        let clock = Clock::starting_at(wall_time(), Speed::Times(SPEED));
        let long = Duration::from_secs(100_000_000);
        let mut settings = Settings::default();
        settings.risk.max_price_age = long;
        settings.risk.max_position_pct = Decimal::from(50);
        settings.risk.symbol_concentration_pct = Decimal::from(90);
        settings.orders.signal_max_age = long;
        settings.orders.poll_interval = long;
        settings.positions.sync_interval = long;
        // The receiver proves nothing.
        settings.exchange.paper_peer = perpdeck::config::PaperPeer::Any;
        let (engine, facts) = ready(settings.clone(), clock.now());
        let options = Options {
            rest_url: format!("http://{}", receiver.address),
            ws_url: format!("ws://{}/edge", receiver.address),
            api_key: "mx0benchkey".to_owned().into(),
            api_secret: "9b1f3c7d2e8a4f60a5b6c7d8e9f00112".to_owned().into(),
            settings: settings.exchange.clone(),
            permit: Permit::Loopback,
        };
        let adapter = Arc::new(Adapter::new(options, clock.clone(), None).unwrap());
        let (tell, internal) = tokio::sync::mpsc::unbounded_channel::<Input>();
        let symbols = vec![Symbol::new("BTC_USDT").unwrap()];
        let gateway = Gateway::new(adapter, clock.clone(), settings.exchange.call_timeout, symbols, tell);
        let (_commands, commands) = tokio::sync::mpsc::unbounded_channel();
        let (abandon, take_abandon) = tokio::sync::mpsc::unbounded_channel();
        let (push, pushes) = tokio::sync::mpsc::channel(64);
        let (intake, signals) = Intake::channel();
        let (mut journal, _) = Journal::open(&data.journal(), JournalOptions::default()).unwrap();
        for fact in facts.iter().filter(|record| record.event.is_fact()) {
            journal.append(fact.at.micros(), &serde_json::to_string(&fact.event).unwrap()).unwrap();
        }
        journal.sync().unwrap();
        let scribe = Scribe::new(journal, Manner::Durable).unwrap();
        let projector = Projector::start(&data.journal(), &data.projections()).unwrap();
        let drain = conf.map(|conf| {
            let (tell, _) = tokio::sync::watch::channel(SinkStatus::default());
            Drain::start(conf, &data.projections(), DrainOptions::default(), tell).unwrap()
        });
        let session = Session::new(engine, clock, EventBus::new(), scribe, gateway).with_projections(projector);
        let ports = Ports { commands, internal, pushes, signals, abandon: take_abandon };
        let (_, begun) = tokio::join!(session.run(Input::Tick, ports), async {
            let begun = signal_after_signal(&intake, &push).await;
            abandon.send("all was measured".to_owned()).unwrap();
            begun
        });
        if let Some(drain) = drain {
            drain.stop(Duration::from_secs(1));
        }
        begun
    });
    latencies(&begun, &receiver)
}

/// An engine that is ready, and the facts that made it so.
fn ready(settings: Settings, now: SessionTime) -> (Engine, Vec<Record>) {
    let mut engine = Engine::new(settings, SessionState::default());
    let mut facts = Vec::new();
    let mut step = |input| {
        let mut out = Out::default();
        engine.step(now, input, &mut out);
        facts.append(&mut out.events);
    };
    step(Input::Start { info: Box::new(fixture::info(now)), note: None });
    step(Input::Push(Box::new(Push::Connected)));
    let clock = perpdeck::model::ClockOffset { offset_us: 0, round_trip_us: 1_000 };
    step(Input::Reply(Box::new(Reply::ServerTime { result: Ok(clock) })));
    step(Input::Reply(Box::new(Reply::Contracts { result: Ok(vec![fixture::contract("BTC_USDT")]) })));
    step(Input::Reply(Box::new(Reply::PositionMode { result: Ok(PositionMode::Hedge) })));
    // A first price is confirmed by a second one.
    step(Input::Push(Box::new(fixture::quote("BTC_USDT", "50000", now.minus(Duration::from_secs(1))))));
    step(Input::Push(Box::new(fixture::quote("BTC_USDT", "50000", now))));
    step(Input::Reply(Box::new(Reply::OpenOrders { asked_at: now, result: Ok(Vec::new().into()) })));
    let account = fixture::account("100000000");
    step(Input::Reply(Box::new(Reply::Positions {
        asked_at: now,
        result: Ok(Vec::new().into()),
        account: Ok(vec![account].into()),
    })));
    step(Input::Reply(Box::new(Reply::Fills { asked_at: now, result: Ok(Vec::new().into()) })));
    assert_eq!(engine.state().phase, Phase::Ready);
    (engine, facts)
}
