//! Reading the past: pages that fit together however they are read.

use std::path::{Path, PathBuf};

use perpdeck::model::{PastCell, PastFrom, PastPage, PastQuery, PastReader, PastRow, PastSort, PastTable, SessionTime};
use perpdeck::store::{PastOfSqlite, Projections};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

use super::facts::facts;

fn made(orders: u64) -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    let mut projections = Projections::open(&path).unwrap();
    projections.fold(&facts(orders)).unwrap();
    (dir, path)
}

fn all(reader: &mut PastOfSqlite, query: &PastQuery) -> Vec<PastRow> {
    let page = reader.page(&PastQuery { limit: 1_000_000, from: PastFrom::Start, ..query.clone() }).unwrap();
    assert!(!page.more);
    page.rows
}

/// Pages one after the other, forward or backward; each has been asked for by the row at its edge.
fn walked(reader: &mut PastOfSqlite, query: &PastQuery, backward: bool) -> Vec<PastRow> {
    let mut rows: Vec<PastRow> = Vec::new();
    let mut from = if backward { PastFrom::End } else { PastFrom::Start };
    loop {
        let PastPage { rows: page, more } = reader.page(&PastQuery { from, ..query.clone() }).unwrap();
        assert!(page.len() <= query.limit, "no page holds more than was asked for");
        if more {
            assert_eq!(page.len(), query.limit);
        }
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

fn words(row: &PastRow, table: PastTable, column: &str) -> String {
    row.get(table, column).words().unwrap_or_default()
}

fn column_of(table: PastTable, sort: PastSort) -> &'static str {
    match (table, sort) {
        (_, PastSort::Time) => table.columns()[0].name,
        (_, PastSort::Symbol) => "symbol",
        (_, PastSort::Side) => "side",
        (PastTable::Alerts, PastSort::State) => "severity",
        (PastTable::Signals, PastSort::State) => "approved",
        (_, PastSort::State) => "status",
        (PastTable::Alerts, PastSort::Kind) => "alert_type",
        (_, PastSort::Kind) => "signal_type",
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pages_fit_together_in_every_order(
        table in prop::sample::select(PastTable::ALL.to_vec()),
        sort in any::<prop::sample::Index>(),
        reversed in any::<bool>(),
        limit in 1_usize..9,
    ) {
        let (_dir, path) = made(14);
        let mut reader = PastOfSqlite::new(&path);
        let sort = *sort.get(table.sorts());
        let query = PastQuery { table, sort, reversed, limit, ..PastQuery::default() };
        let whole = all(&mut reader, &query);
        prop_assert!(whole.len() > 3, "{:?} has rows", table);
        prop_assert_eq!(&walked(&mut reader, &query, false), &whole);
        prop_assert_eq!(&walked(&mut reader, &query, true), &whole);
        // In the order that was asked for; equal ones newest first.
        let column = column_of(table, sort);
        for pair in whole.windows(2) {
            let (a, b) = (words(&pair[0], table, column), words(&pair[1], table, column));
            let rank = |word: &str| match word {
                "CRITICAL" | "no" => "0".to_owned(),
                "WARNING" | "yes" => "1".to_owned(),
                "INFO" => "2".to_owned(),
                other => other.to_owned(),
            };
            let falls = (sort == PastSort::Time) != reversed;
            let (first, second) = if falls { (rank(&b), rank(&a)) } else { (rank(&a), rank(&b)) };
            prop_assert!(first <= second, "{} then {}", a, b);
            if a == b && sort != PastSort::Time {
                prop_assert!(pair[0].place.at >= pair[1].place.at);
            }
        }
    }
}

/// Many rows of one time, one symbol and one state: the key alone tells them apart.
#[test]
fn rows_of_one_time_are_neither_lost_nor_doubled_between_pages() {
    let (_dir, path) = made(1);
    many(&path, 40, 9);
    let mut reader = PastOfSqlite::new(&path);
    for sort in PastTable::Orders.sorts() {
        for reversed in [false, true] {
            for limit in 1..8 {
                let query = PastQuery { sort: *sort, reversed, limit, ..PastQuery::default() };
                let whole = all(&mut reader, &query);
                assert_eq!(whole.len(), 42);
                assert_eq!(walked(&mut reader, &query, false), whole, "{sort:?} {limit}");
                assert_eq!(walked(&mut reader, &query, true), whole, "{sort:?} {limit}");
            }
        }
    }
}

#[test]
fn what_is_asked_for_is_what_comes() {
    let (_dir, path) = made(14);
    let mut reader = PastOfSqlite::new(&path);
    for table in PastTable::ALL {
        let query = PastQuery { table, ..PastQuery::default() };
        let whole = all(&mut reader, &query);
        let middle = whole[whole.len() / 2].place.at;
        let until = all(&mut reader, &PastQuery { until: Some(middle), ..query.clone() });
        assert_eq!(until, whole.iter().filter(|row| row.place.at < middle).cloned().collect::<Vec<_>>());
        let since = all(&mut reader, &PastQuery { since: Some(middle), ..query.clone() });
        let began = whole.iter().filter(|row| row.place.at >= middle).count();
        if table == PastTable::Positions {
            assert!(since.len() >= began, "what was still open then is in it");
        } else {
            assert_eq!(since.len(), began);
        }
        let symbol = Some("ETH_USDT".to_owned());
        let of_symbol = all(&mut reader, &PastQuery { symbol, ..query.clone() });
        let wanted = whole.iter().filter(|row| words(row, table, "symbol") == "ETH_USDT").count();
        assert!(wanted > 0 && wanted < whole.len());
        assert_eq!(of_symbol.len(), wanted);
        let containing = "eth_".to_owned();
        assert!(all(&mut reader, &PastQuery { containing, ..query.clone() }).len() >= wanted, "in any case");
        let containing = "K3F9A2XQ".to_owned();
        assert_eq!(all(&mut reader, &PastQuery { containing, ..query.clone() }).len(), whole.len(), "of one session");
        let containing = "100%_no'such\"text".to_owned();
        assert!(all(&mut reader, &PastQuery { containing, ..query.clone() }).is_empty());
        let session = Some("k3f9a2xq".to_owned());
        assert_eq!(all(&mut reader, &PastQuery { session, ..query.clone() }).len(), whole.len());
        let session = Some("another".to_owned());
        assert!(all(&mut reader, &PastQuery { session, ..query }).is_empty());
    }
}

#[test]
fn numbers_are_exact_and_unknown_is_unknown() {
    let (_dir, path) = made(8);
    let mut reader = PastOfSqlite::new(&path);
    let table = PastTable::Orders;
    let orders = all(&mut reader, &PastQuery { table, ..PastQuery::default() });
    let order = |no: usize| &orders[orders.len() - no];
    assert_eq!(*order(2).get(table, "average_fill_price"), PastCell::Number("101.25".into()));
    assert_eq!(*order(2).get(table, "commission"), PastCell::Number("0.02435".into()));
    assert_eq!(*order(4).get(table, "average_fill_price"), PastCell::Unknown);
    assert_eq!(*order(4).get(table, "error_message"), PastCell::Text("balance insufficient".into()));
    let table = PastTable::Positions;
    let positions = all(&mut reader, &PastQuery { table, ..PastQuery::default() });
    let liquidated = positions.iter().find(|row| words(row, table, "position_id") == "2").unwrap();
    assert_eq!(words(liquidated, table, "status"), "LIQUIDATED");
    assert_eq!(words(liquidated, table, "current_price"), "102", "where it ended");
    let table = PastTable::Signals;
    let signals = all(&mut reader, &PastQuery { table, ..PastQuery::default() });
    let refused = signals.iter().filter(|row| *row.get(table, "approved") == PastCell::Flag(false)).count();
    assert!(refused >= 8 && refused < signals.len());
}

#[test]
fn a_session_that_writes_and_one_that_reads_do_not_meet() {
    let (_dir, path) = made(4);
    let mut reader = PastOfSqlite::new(&path);
    let query = PastQuery { limit: 2, ..PastQuery::default() };
    let first = reader.page(&query).unwrap();
    // The writer is in the middle of something, and ends it.
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE orders SET status = 'failed'").unwrap();
    let next = PastQuery { from: PastFrom::After(first.rows[1].place.clone()), ..query.clone() };
    let second = reader.page(&next).unwrap();
    assert!(words(&second.rows[0], PastTable::Orders, "status") != "failed");
    writer.execute_batch("COMMIT").unwrap();
    // Nothing that a reader holds keeps the log of the writer from being folded in.
    let (busy, log, done): (i64, i64, i64) = writer
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!((busy, log, done), (0, 0, 0));
    assert_eq!(words(&reader.page(&next).unwrap().rows[0], PastTable::Orders, "status"), "failed");
}

#[test]
fn what_cannot_be_read_is_said_with_what_to_do() {
    let dir = tempdir().unwrap();
    let failed = |path: &Path| PastOfSqlite::new(path).page(&PastQuery::default()).unwrap_err().to_string();
    let path = dir.path().join("history.sqlite");
    assert!(failed(&path).contains("perpdeck store rebuild"), "{}", failed(&path));
    assert!(!path.exists(), "asking makes nothing");
    std::fs::write(&path, "this is no database, it is a text that somebody put here").unwrap();
    assert!(failed(&path).contains("history.sqlite"), "{}", failed(&path));
    let (_other, path) = made(1);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    assert!(failed(&path).contains("version 9999"), "{}", failed(&path));
}

/// Adds orders from number 100 on, so many of one time each; every third is of another symbol.
fn many(path: &Path, orders: u64, of_one_time: u64) {
    let last = 100 + orders;
    let sql = format!(
        "INSERT INTO orders (order_no, client_order_id, strategy, symbol, side, position_side, reduce_only, purpose, \
         order_type, quantity, contracts, leverage, status, filled_quantity, filled_contracts, commission_complete, \
         attempts, created_at, updated_at, rev) SELECT n, 'k-' || n, 'm', CASE n % 3 WHEN 0 THEN 'ETH_USDT' ELSE \
         'BTC_USDT' END, 'BUY', 'LONG', 0, 'entry', 'MARKET', '1', '1', 1, 'filled', '1', '1', 1, 1, \
         1000000 + n / {of_one_time}, 1, n FROM (WITH RECURSIVE c(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM c \
         WHERE n < {last}) SELECT n FROM c)"
    );
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

/// The plan of a page is a search in an index, wherever the page is: no page costs the whole table.
#[test]
fn a_page_is_found_and_not_counted_to() {
    let (_dir, path) = made(2);
    many(&path, 199_900, 3);
    let mut reader = PastOfSqlite::new(&path);
    let mut query = PastQuery { limit: 500, until: Some(SessionTime::from_secs(10)), ..PastQuery::default() };
    let (mut rows, mut pages) = (0_usize, 0_usize);
    let mut last: Option<PastRow> = None;
    loop {
        let page = reader.page(&query).unwrap();
        assert!(page.rows.len() <= 500);
        for row in page.rows {
            if let Some(last) = &last {
                let key = |row: &PastRow| (row.place.at, row.place.key.parse::<i64>().unwrap());
                assert!(key(&row) < key(last), "none is missing between, none comes twice");
            }
            last = Some(row);
            rows += 1;
        }
        pages += 1;
        if !page.more {
            break;
        }
        query.from = PastFrom::After(last.as_ref().unwrap().place.clone());
    }
    assert_eq!((rows, pages), (199_901, 400));
}
