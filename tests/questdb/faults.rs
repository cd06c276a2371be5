//! What goes wrong with a real server. After each: the rows there are the rows here, none missing,
//! none twice.

use std::time::{Duration, Instant};

use perpdeck::model::{Event, SinkPhase};

use crate::facts::facts;
use crate::proxy::{Mode, Proxy};
use crate::server::{QuestDb, available};
use crate::support::{Session, alone, applied, assert_equal, eventually, is_equal, shared};

#[test]
fn a_server_that_is_killed_in_mid_drain_and_comes_back() {
    if !available("a_server_that_is_killed_in_mid_drain_and_comes_back") {
        return;
    }
    let _alone = alone();
    let mut server = QuestDb::start(&[]);
    let proxy = Proxy::before(&server);
    // Slow enough that the kill comes in the middle.
    proxy.set(Mode::Slow(Duration::from_millis(400)));
    let records = facts(2_000);
    let (first, rest) = records.split_at(records.len() * 3 / 4);
    let mut session = Session::with("killedaa", first);
    let drain = session.drain(&proxy.conf());
    eventually("some requests", || proxy.writes() >= 4);
    server.kill();
    drain.until("the loss being seen", |status| status.phase == SinkPhase::Down);
    assert!(drain.status.borrow().rows() > 0, "it was killed too late to be in the middle");
    // The session goes on meanwhile.
    session.fold(rest);
    server.restart();
    proxy.set(Mode::Pass);
    drain.until_drained();
    assert_eq!(drain.stop(Duration::from_secs(5)).rows(), 0);
    assert_equal(&session, &server);
}

#[test]
fn a_table_that_is_suspended_is_shown_and_held_back() {
    if !available("a_table_that_is_suspended_is_shown_and_held_back") {
        return;
    }
    let _alone = alone();
    let server = QuestDb::start(&["--set", "dev.mode.enabled=true"]);
    let records = facts(80);
    let (first, rest) = records.split_at(records.len() / 2);
    let mut session = Session::with("suspenda", first);
    let drain = session.drain(&server.conf());
    drain.until_drained();
    // A suspension of a table that is being applied just then does not last.
    applied(&server.client());
    server.sql("ALTER TABLE live_orders SUSPEND WAL");
    crate::support::eventually("the suspension", || {
        server.number("SELECT count() FROM wal_tables() WHERE suspended") == 1
    });
    let is_suspended = |status: &perpdeck::model::SinkStatus| status.tables.iter().any(|table| table.suspended);
    let status = drain.until("the suspension being seen", is_suspended);
    assert!(status.is_troubled() && status.tables[0].suspended && !status.tables[1].suspended, "{status:?}");
    session.fold(rest);
    let status = drain.until("the other tables", |status| {
        status.tables[0].rows > 0 && status.tables[1..].iter().all(|table| table.rows == 0)
    });
    assert_eq!(status.phase, SinkPhase::Up);
    server.sql("ALTER TABLE live_orders RESUME WAL");
    assert!(!drain.until_drained().is_troubled());
    drop(drain);
    assert_equal(&session, &server);
}

#[test]
fn a_server_that_wants_a_password() {
    if !available("a_server_that_wants_a_password") {
        return;
    }
    let _alone = alone();
    let server = QuestDb::start(&["--set", "http.user=joe", "--set", "http.password=s3cret;x"]);
    let session = Session::with("password", &facts(20));
    for conf in [server.conf_text(), format!("{}username=joe;password=wrong;", server.conf_text())] {
        let drain = session.drain(&perpdeck::store::questdb::Conf::parse(&conf).unwrap());
        let status = drain.until("the refusal", |status| status.phase == SinkPhase::Refused);
        let problem = status.problem.unwrap();
        assert!(problem.contains("check username and password") && !problem.contains("wrong"), "{problem}");
        let left = drain.stop(Duration::from_secs(5));
        assert!(left.rows() > 0 && left.dead_letters() == 0);
    }
    let conf = format!("{}username=joe;password=s3cret;;x;", server.conf_text());
    let conf = perpdeck::store::questdb::Conf::parse(&conf).unwrap();
    let drain = session.drain(&conf);
    drain.until_drained();
    let client = perpdeck::store::questdb::Server::new(&conf, Duration::from_secs(30)).unwrap();
    applied(&client);
    let rows = client.exec("SELECT count() FROM signal_history WHERE session_id = 'password'").unwrap();
    assert_eq!(rows.whole(0, 0), Some(40));
}

#[test]
fn a_disk_that_is_full() {
    if !available("a_disk_that_is_full") {
        return;
    }
    let _alone = alone();
    let mut server = QuestDb::start(&[]);
    let session = Session::with("fulldisk", &facts(3_000));
    // The tables are there; then no file may grow any more.
    perpdeck::store::questdb::migrate(&server.client()).unwrap();
    server.fill_disk(96);
    let drain = session.drain(&server.conf());
    let status = drain.until("the full disk being felt", perpdeck::model::SinkStatus::is_troubled);
    assert_eq!(status.dead_letters(), 0, "a full disk is no fault of a row: {status:?}");
    server.kill();
    server.restart();
    // What the full disk stopped is resumed by a person, or by the restart.
    for target in &perpdeck::store::questdb::TARGETS {
        server.sql(&format!("ALTER TABLE {} RESUME WAL", target.name));
    }
    drain.until_drained();
    drop(drain);
    assert_equal(&session, &server);
}

#[test]
fn a_schema_that_changes_under_a_running_drain() {
    if !available("a_schema_that_changes_under_a_running_drain") {
        return;
    }
    let _alone = alone();
    let mut server = QuestDb::start(&[]);
    let records = facts(40);
    let (first, rest) = records.split_at(records.len() / 2);
    let mut session = Session::with("schemaaa", first);
    let drain = session.drain(&server.conf());
    drain.until_drained();
    // A column too many, while the server is away for a moment.
    server.sql("ALTER TABLE live_orders ADD COLUMN note VARCHAR");
    let columns = "SELECT count() FROM table_columns('live_orders')";
    crate::support::eventually("the column", || server.number(columns) == 19);
    server.kill();
    session.fold(rest);
    drain.until("the loss being seen", |status| status.phase == SinkPhase::Down);
    server.restart();
    let status = drain.until("the refusal", |status| status.phase == SinkPhase::Refused);
    assert!(status.problem.as_ref().unwrap().contains("live_orders.note"), "{status:?}");
    assert!(status.rows() > 0, "nothing is written meanwhile");
    server.sql("ALTER TABLE live_orders DROP COLUMN note");
    crate::support::eventually("the column being gone", || server.number(columns) == 18);
    drain.until_drained();
    drop(drain);
    assert_equal(&session, &server);
}

#[test]
fn slow_hanging_broken_and_forgetful() {
    if !available("slow_hanging_broken_and_forgetful") {
        return;
    }
    let proxy = Proxy::before(shared());
    let records = facts(120);
    let parts: Vec<_> = records.chunks(records.len() / 5 + 1).collect();
    let mut session = Session::with("slowaaaa", parts[0]);
    proxy.set(Mode::Slow(Duration::from_millis(700)));
    let drain = session.drain(&proxy.conf());
    drain.until_drained();
    assert_equal(&session, shared());
    for (mode, part) in [(Mode::Hang, 1), (Mode::Broken, 2), (Mode::LoseAnswer, 3)] {
        proxy.set(mode.clone());
        session.fold(parts[part]);
        let status = drain.until("the fault being seen", |status| status.phase == SinkPhase::Down);
        assert_eq!(status.dead_letters(), 0, "{mode:?} is no fault of a row: {status:?}");
        proxy.set(Mode::Pass);
        drain.until_drained();
        assert_equal(&session, shared());
    }
    // A stop does not wait for a server that hangs, and says what is left.
    proxy.set(Mode::Hang);
    session.fold(parts[4]);
    let before = proxy.writes();
    drain.until("a request that hangs", |_| proxy.writes() > before);
    let asked = Instant::now();
    let left = drain.stop(Duration::from_secs(1));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(left.rows() > 0, "{left:?}");
    // The next session sends it.
    proxy.set(Mode::Pass);
    session.drain(&proxy.conf()).until_drained();
    assert_equal(&session, shared());
}

/// A request that was given up is stored after the newer rows that followed it: they are put back.
#[test]
fn a_request_that_comes_late_does_not_win() {
    if !available("a_request_that_comes_late_does_not_win") {
        return;
    }
    let looks = vec![Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6), Duration::from_secs(12)];
    // Without a second look it does win: this is what the look is for.
    for (id, looks) in [("lateaaaa", vec![]), ("latebbbb", looks)] {
        let proxy = Proxy::before(shared());
        let records = facts(12);
        // Up to the middle of an order's life, then the rest of it.
        let middle = records.iter().rposition(|record| matches!(record.event, Event::OrderAccepted { .. }));
        let (first, rest) = records.split_at(middle.unwrap());
        let mut session = Session::with(id, first);
        proxy.set(Mode::Late);
        let looked_at = !looks.is_empty();
        let options = perpdeck::store::questdb::DrainOptions { looks, ..Default::default() };
        let drain = session.drain_with(&proxy.conf(), options);
        drain.until("the time-out", |status| status.phase == SinkPhase::Down);
        assert!(proxy.held() > 0);
        session.fold(rest);
        proxy.set(Mode::Pass);
        drain.until_drained();
        assert_equal(&session, shared());
        proxy.let_late_ones_in();
        applied(&shared().client());
        if looked_at {
            eventually("the newer rows being put back", || is_equal(&session, shared()));
            drop(drain);
            assert_equal(&session, shared());
        } else {
            assert!(!is_equal(&session, shared()), "the late request changed nothing: the test shows nothing");
        }
    }
}
