//! The drain on a real server that is well.

use std::time::Duration;

use perpdeck::model::SinkPhase;

use crate::facts::{facts, last};
use crate::server::available;
use crate::support::{Session, assert_equal, shared};

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
