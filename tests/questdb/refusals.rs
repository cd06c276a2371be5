//! Rows that the server refuses: put aside with its words, one by one, and nothing else with them.

use std::time::Duration;

use perpdeck::model::SinkPhase;
use perpdeck::store::questdb::{Source, TARGETS};

use crate::facts::facts;
use crate::proxy::{Mode, Proxy};
use crate::server::available;
use crate::support::{Session, applied, assert_equal, shared};

#[test]
fn one_refused_row_is_put_aside_and_the_rest_arrives() {
    if !available("one_refused_row_is_put_aside_and_the_rest_arrives") {
        return;
    }
    for (id, named) in [("refusela", true), ("refuselb", false)] {
        let proxy = Proxy::before(shared());
        proxy.set(Mode::Refuse("signal-17\"", named));
        let session = Session::with(id, &facts(60));
        let drain = session.drain(&proxy.conf());
        let status = drain.until_drained();
        assert_eq!(status.dead_letters(), 1, "{status:?}");
        assert!(status.is_troubled() && status.phase == SinkPhase::Up);
        let source = Source::open(&session.database()).unwrap().unwrap();
        let letters = source.dead_letters(&TARGETS[2], 10).unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].key, "signal-17");
        assert!(letters[0].message.contains("no signal-17"), "{letters:?}");
        applied(&shared().client());
        let there = |what: &str| {
            shared().number(&format!("SELECT count() FROM signal_history WHERE session_id = '{id}' {what}"))
        };
        assert_eq!((there(""), there("AND signal_id = 'signal-17'")), (119, 0));
        drop(drain);
        // Taken at last: sent once more, and off the list.
        proxy.set(Mode::Pass);
        let mut source = Source::open(&session.database()).unwrap().unwrap();
        source.resend(perpdeck::model::SessionTime::ZERO).unwrap();
        let drain = session.drain(&proxy.conf());
        assert_eq!(drain.until_drained().dead_letters(), 0);
        drop(drain);
        assert_equal(&session, shared());
    }
}

#[test]
fn a_number_that_is_too_large_is_put_aside_here() {
    if !available("a_number_that_is_too_large_is_put_aside_here") {
        return;
    }
    let session = Session::with("toolarge", &facts(30));
    let sqlite = session.sqlite();
    sqlite.execute("UPDATE orders SET quantity = '123456789012345678901234' WHERE order_no = 7", []).unwrap();
    // The largest that fits, and one that is rounded.
    sqlite.execute("UPDATE orders SET quantity = '99999999999999999999.99999999' WHERE order_no = 8", []).unwrap();
    sqlite.execute("UPDATE orders SET quantity = '0.0000000000000000015' WHERE order_no = 9", []).unwrap();
    let drain = session.drain(&shared().conf());
    assert_eq!(drain.until_drained().dead_letters(), 1);
    let source = Source::open(&session.database()).unwrap().unwrap();
    let letters = source.dead_letters(&TARGETS[0], 10).unwrap();
    assert_eq!(letters[0].key, "toolarge-7");
    assert!(letters[0].message.contains("does not fit into DECIMAL(38,18)"), "{letters:?}");
    applied(&shared().client());
    let quantity = |no: u32| {
        let sql = format!("SELECT quantity FROM live_orders WHERE order_id = 'toolarge-{no}'");
        shared().sql(&sql).text(0, 0).map(ToOwned::to_owned)
    };
    assert_eq!(quantity(7), None);
    assert_eq!(quantity(8).as_deref(), Some("99999999999999999999.999999990000000000"));
    assert_eq!(quantity(9).as_deref(), Some("0.000000000000000002"));
}

/// When every row is refused it is not the rows: nothing is put aside, and sending pauses.
#[test]
fn a_server_that_refuses_every_row_is_not_believed() {
    if !available("a_server_that_refuses_every_row_is_not_believed") {
        return;
    }
    let proxy = Proxy::before(shared());
    proxy.set(Mode::Refuse("session_id", true));
    let session = Session::with("refusall", &facts(200));
    let drain = session.drain(&proxy.conf());
    let status = drain.until("the pause", |status| status.phase == SinkPhase::Refused);
    assert!(status.problem.as_ref().unwrap().contains("refused 20 rows"), "{status:?}");
    assert_eq!(status.dead_letters(), 0, "{status:?}");
    proxy.set(Mode::Pass);
    assert_eq!(drain.until_drained().dead_letters(), 0);
    assert_eq!(drain.stop(Duration::from_secs(5)).rows(), 0);
    assert_equal(&session, shared());
}
