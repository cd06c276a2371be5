//! The drain on a real server that is well.

use std::time::Duration;

use perpdeck::model::SinkPhase;
use perpdeck::store::questdb::DrainOptions;

use crate::facts::{facts, last};
use crate::server::{QuestDb, available};
use crate::support::{Session, alone, applied, assert_equal, eventually, shared};

#[test]
fn every_row_arrives_once_and_whole() {
    if !available("every_row_arrives_once_and_whole") {
        return;
    }
    let records = facts(60);
    let half = records.len() / 2;
    let mut session = Session::with("drainaaa", &records[..half]);
    let drain = session.drain(&shared().conf());
    let status = drain.until_drained();
    assert_eq!((status.schema, status.problem, status.phase), (Some(18), None, SinkPhase::Up));
    assert_equal(&session, shared());
    // Rows that change are sent again, whole, and replace what is there.
    session.fold(&records[half..]);
    let status = drain.stop(Duration::from_secs(30));
    assert_eq!(status.rows(), 0, "a stop sends what is left: {status:?}");
    assert_equal(&session, shared());
    assert!(last(&records) > 500);
    // Twenty digits before the point and more behind it come back as they were.
    let price =
        shared().sql("SELECT price FROM signal_history WHERE session_id = 'drainaaa' AND signal_id = 'signal-1'");
    assert_eq!(price.text(0, 0), Some("12345678901234567890.123450000000000000"));
}

/// Old days go when a setting says so, and only then; what is old is told by the server's clock.
#[test]
fn retention_drops_old_days_only_when_it_is_set() {
    if !available("retention_drops_old_days_only_when_it_is_set") {
        return;
    }
    let _alone = alone();
    let server = QuestDb::start(&[]);
    perpdeck::store::questdb::migrate(&server.client()).unwrap();
    for at in ["'2001-02-03T04:05:06.000000Z'", "now()"] {
        server.sql(&format!(
            "INSERT INTO live_orders (session_id, order_id, rev, created_at) VALUES ('other', 'o', 1, {at})"
        ));
    }
    let rows = || server.number("SELECT count() FROM live_orders WHERE session_id = 'other'");
    applied(&server.client());
    let session = Session::with("retentio", &facts(1));
    let drain = session.drain(&server.conf());
    drain.until_drained();
    assert_eq!(drain.stop(Duration::from_secs(5)).phase, SinkPhase::Up);
    assert_eq!(rows(), 2, "nothing is deleted unless it is asked for");
    let options = DrainOptions { retention_days: 30, ..DrainOptions::default() };
    let drain = session.drain_with(&server.conf(), options);
    eventually("the old day being dropped", || rows() == 1);
    assert_eq!(drain.until("an end of the sweep", |status| status.phase == SinkPhase::Up).problem, None);
}
