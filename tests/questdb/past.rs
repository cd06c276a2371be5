//! Reading the past from a real server: the same rows as from the projections that were drained
//! into it, in the same order, in pages that fit together.

use perpdeck::model::{PastCell, PastFrom, PastPage, PastQuery, PastReader, PastRow, PastSort, PastTable};
use perpdeck::store::PastOfSqlite;
use perpdeck::store::questdb::{Conf, PastOfQuestDb};

use crate::facts::facts;
use crate::server::available;
use crate::support::{Session, assert_equal, shared};

/// What QuestDB does not hold, holds otherwise, or rounds.
const OTHERWISE: [(PastTable, &str); 8] = [
    (PastTable::Positions, "realized_pnl"),
    (PastTable::Positions, "fees"),
    (PastTable::Positions, "cause"),
    // The last snapshot of a closed position has no margin any more.
    (PastTable::Positions, "margin"),
    (PastTable::Positions, "leverage"),
    // Of the last snapshot, where the projections have that of the position.
    (PastTable::Positions, "rev"),
    // A share of a position is no quantity there.
    (PastTable::Signals, "quantity"),
    // DOUBLE there.
    (PastTable::Orders, "slippage"),
];

fn walked(reader: &mut dyn PastReader, query: &PastQuery, backward: bool) -> Vec<PastRow> {
    let mut rows: Vec<PastRow> = Vec::new();
    let mut from = if backward { PastFrom::End } else { PastFrom::Start };
    loop {
        let PastPage { rows: page, more } = reader.page(&PastQuery { from, ..query.clone() }).unwrap();
        assert!(page.len() <= query.limit);
        if backward {
            rows.splice(0..0, page);
        } else {
            rows.extend(page);
        }
        if !more {
            return rows;
        }
        let edge = if backward { rows.first() } else { rows.last() };
        let place = edge.unwrap().place.clone();
        from = if backward { PastFrom::Before(place) } else { PastFrom::After(place) };
    }
}

/// Rows as texts, without what stands otherwise in QuestDB, in an order of their own.
fn compared(table: PastTable, rows: &[PastRow]) -> Vec<String> {
    let mut texts: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = table.columns().iter().zip(&row.cells);
            let kept = cells.filter(|(column, _)| !OTHERWISE.contains(&(table, column.name)));
            kept.map(|(column, cell)| format!("{}={cell:?}", column.name)).collect::<Vec<_>>().join(" ")
        })
        .collect();
    texts.sort();
    texts
}

fn assert_same(table: PastTable, one: &[PastRow], two: &[PastRow], what: &str) {
    let (one, two) = (compared(table, one), compared(table, two));
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one, two, "{what}");
    }
    assert_eq!(one.len(), two.len(), "{what}");
}

#[test]
fn the_past_is_the_same_from_both_places() {
    if !available("the_past_is_the_same_from_both_places") {
        return;
    }
    let server = shared();
    let session = Session::with("pastboth", &facts(30));
    let drain = session.drain(&server.conf());
    drain.until_drained();
    assert_equal(&session, server);
    let mut here = PastOfSqlite::new(&session.database());
    let mut there = PastOfQuestDb::new(server.conf());
    for table in PastTable::ALL {
        for sort in table.sorts() {
            for reversed in [false, true] {
                let session = Some("pastboth".to_owned());
                let query = PastQuery { table, sort: *sort, reversed, session, limit: 7, ..PastQuery::default() };
                let one = walked(&mut here, &query, false);
                let two = walked(&mut there, &query, false);
                assert_same(table, &one, &two, "in this order");
                // Rows of one time have no order that both share; all others stand in the same.
                let places = |rows: &[PastRow]| -> Vec<_> {
                    rows.iter().map(|row| (row.place.sorted.clone(), row.place.at)).collect()
                };
                assert_eq!(places(&one), places(&two), "{table:?} by {sort:?}");
                assert_eq!(walked(&mut there, &query, true), two);
            }
        }
        let session = Some("pastboth".to_owned());
        let query = PastQuery { table, session, limit: 1_000, ..PastQuery::default() };
        let whole = here.page(&query).unwrap().rows;
        let middle = whole[whole.len() / 2].place.at;
        for query in [
            PastQuery { since: Some(middle), ..query.clone() },
            PastQuery { until: Some(middle), ..query.clone() },
            PastQuery { symbol: Some("ETH_USDT".into()), ..query.clone() },
            PastQuery { containing: "Eth_".into(), ..query.clone() },
            PastQuery { containing: "PASTBOTH".into(), ..query.clone() },
            PastQuery { containing: "it's 100% \"not\" there\\".into(), ..query.clone() },
            PastQuery { session: Some("x' OR 1=1 --".into()), ..query.clone() },
        ] {
            let (one, two) = (here.page(&query).unwrap().rows, there.page(&query).unwrap().rows);
            assert_same(table, &one, &two, &format!("{query:?}"));
        }
    }
    drain.stop(std::time::Duration::from_secs(5));
}

/// A page of many rows costs what a page costs, wherever it is.
#[test]
fn many_rows_are_read_in_pages() {
    if !available("many_rows_are_read_in_pages") {
        return;
    }
    let server = shared();
    // The tables are there once somebody drained.
    Session::with("pastempty", &facts(1)).drain(&server.conf()).until_drained();
    server.sql(
        "INSERT INTO live_orders SELECT 'pastmany', concat('m-', x), null, 'BTC_USDT', 'BUY', 'MARKET', \
         cast(1.5 AS DECIMAL(38,18)), null, null, null, 'filled', null, null, null, \
         dateadd('u', cast(x / 3 AS INT), '2026-11-25T10:00:00.000000Z'), null, null, x FROM long_sequence(30000)",
    );
    server.sql("SELECT wait_wal_table('live_orders')");
    let mut reader = PastOfQuestDb::new(server.conf());
    for reversed in [false, true] {
        let session = Some("pastmany".to_owned());
        let query = PastQuery { session, reversed, limit: 1_000, ..PastQuery::default() };
        let rows = walked(&mut reader, &query, reversed);
        assert_eq!(rows.len(), 30_000);
        let mut ids: Vec<&PastCell> = rows.iter().map(|row| row.get(PastTable::Orders, "order_id")).collect();
        ids.sort_by_key(|id| format!("{id:?}"));
        ids.dedup();
        assert_eq!(ids.len(), 30_000, "none twice");
        assert!(
            rows.windows(2)
                .all(|pair| (pair[0].place.at >= pair[1].place.at) != reversed || pair[0].place.at == pair[1].place.at)
        );
    }
    let by_symbol = PastQuery { sort: PastSort::Symbol, limit: 3, ..PastQuery::default() };
    assert_eq!(reader.page(&by_symbol).unwrap().rows.len(), 3);
}

#[test]
fn a_server_that_is_not_there_or_has_no_tables_is_told() {
    let mut nobody = PastOfQuestDb::new(Conf::parse("http::addr=127.0.0.1:1;").unwrap());
    let why = nobody.page(&PastQuery::default()).unwrap_err().to_string();
    assert!(why.contains("127.0.0.1:1") && why.contains("cannot be reached"), "{why}");
    if !available("a_server_that_is_not_there_or_has_no_tables_is_told") {
        return;
    }
    let _one = crate::support::alone();
    let empty = crate::server::QuestDb::start(&[]);
    let why = PastOfQuestDb::new(empty.conf()).page(&PastQuery { limit: 1, ..PastQuery::default() }).unwrap_err();
    assert!(why.to_string().contains("perpdeck migrate"), "{why}");
}
