//! Migrations on a real server: once, twice, interrupted anywhere, and on tables that somebody else
//! made.

use perpdeck::store::questdb::{Applied, MIGRATIONS, QuestDbError, TARGETS, check, ensure, migrate, status};

use crate::server::{QuestDb, available};
use crate::support::alone;

fn empty(server: &QuestDb) {
    for table in TARGETS.iter().map(|target| target.name).chain(["schema_migrations"]) {
        server.sql(&format!("DROP TABLE IF EXISTS {table}"));
    }
}

fn applied(server: &QuestDb) -> usize {
    status(&server.client()).unwrap().iter().filter(|(_, applied)| matches!(applied, Applied::At(_))).count()
}

#[test]
fn migrations_on_a_real_server() {
    if !available("migrations_on_a_real_server") {
        return;
    }
    let _alone = alone();
    let server = QuestDb::start(&[]);
    let client = server.client();
    twice(&server);
    // Interrupted after each statement: what is there then, and nothing on record.
    let statements: Vec<String> = MIGRATIONS.iter().flat_map(perpdeck::store::questdb::Migration::statements).collect();
    for made in 0..=statements.len() {
        empty(&server);
        for statement in &statements[..made] {
            server.sql(statement);
        }
        migrate(&client).unwrap();
        check(&client, &TARGETS.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(applied(&server), MIGRATIONS.len(), "interrupted after {made} statements");
    }
    old_schema(&server);
    theirs(&server);
    altered(&server);
}

fn twice(server: &QuestDb) {
    let client = server.client();
    assert!(status(&client).unwrap().iter().all(|(_, applied)| *applied == Applied::Pending));
    // A session on an empty server migrates by itself.
    assert_eq!(ensure(&client).unwrap(), 18);
    assert_eq!(applied(server), MIGRATIONS.len());
    assert!(migrate(&client).unwrap().is_empty(), "nothing is left to do");
    assert_eq!(server.number("SELECT count() FROM schema_migrations"), 3);
    assert_eq!(ensure(&client).unwrap(), 18);
    // Every column, type, key and designated timestamp is the one that rows are written with.
    check(&client, &TARGETS.iter().collect::<Vec<_>>()).unwrap();
    let indexed = "SELECT count() FROM (SELECT \"column\" FROM table_columns('{}') WHERE indexed)";
    let count: i64 = TARGETS.iter().map(|target| server.number(&indexed.replace("{}", target.name))).sum();
    assert_eq!(count, 15, "ARCHITECTURE.md says which");
}

/// A server that an older version migrated: nothing is written until somebody migrates it.
fn old_schema(server: &QuestDb) {
    let client = server.client();
    empty(server);
    migrate(&client).unwrap();
    server.sql("DROP TABLE risk_events");
    server.sql("DROP TABLE schema_migrations");
    server.sql(
        "CREATE TABLE schema_migrations (version INT, name VARCHAR, checksum VARCHAR, applied_at TIMESTAMP) \
         TIMESTAMP(applied_at) PARTITION BY YEAR BYPASS WAL",
    );
    let checksum = MIGRATIONS[0].checksum();
    server.sql(&format!("INSERT INTO schema_migrations VALUES (16, 'live_tables', '{checksum}', now())"));
    let error = ensure(&client).unwrap_err();
    assert!(
        matches!(&error, QuestDbError::Unmigrated { missing } if missing == "017_risk_events, 018_account_equity"),
        "{error}"
    );
    assert!(error.to_string().contains("perpdeck migrate"), "{error}");
    assert_eq!(migrate(&client).unwrap().len(), 2);
    assert_eq!(ensure(&client).unwrap(), 18);
    // Another text under the same number.
    server.sql("TRUNCATE TABLE schema_migrations");
    server.sql("INSERT INTO schema_migrations VALUES (16, 'live_tables', 'abc', now())");
    assert!(matches!(migrate(&client).unwrap_err(), QuestDbError::OtherMigration { version: 16 }));
    assert!(matches!(ensure(&client).unwrap_err(), QuestDbError::OtherMigration { version: 16 }));
}

/// Tables of the same name that somebody else made: left alone, named, and not on record.
fn theirs(server: &QuestDb) {
    let client = server.client();
    empty(server);
    server.sql(
        "CREATE TABLE live_orders (order_id STRING, symbol STRING, price DOUBLE, created_at TIMESTAMP) \
         TIMESTAMP(created_at) PARTITION BY DAY WAL",
    );
    for error in [ensure(&client).unwrap_err(), migrate(&client).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("live_orders: deduplication is off"), "{text}");
        assert!(text.contains("live_orders.symbol is STRING, not SYMBOL"), "{text}");
        assert!(text.contains("and") && text.contains("RENAME TABLE"), "{text}");
    }
    assert_eq!(applied(server), 0);
    assert_eq!(server.number("SELECT count() FROM table_columns('live_orders')"), 4, "it was not touched");
    server.sql("RENAME TABLE live_orders TO live_orders_old");
    migrate(&client).unwrap();
    assert_eq!(ensure(&client).unwrap(), 18);
    server.sql("DROP TABLE live_orders_old");
}

/// One column changed, added or dropped is seen and named.
fn altered(server: &QuestDb) {
    let client = server.client();
    for (change, named) in [
        ("ALTER TABLE live_orders DROP COLUMN commission", "live_orders.commission is missing (DECIMAL(38,18))"),
        ("ALTER TABLE live_positions ALTER COLUMN leverage TYPE LONG", "live_positions.leverage is LONG, not INT"),
        ("ALTER TABLE signal_history ADD COLUMN note VARCHAR", "signal_history.note is a column too many"),
        (
            "ALTER TABLE risk_events DEDUP ENABLE UPSERT KEYS(created_at, alert_id)",
            "risk_events.session_id is not a deduplication key and must be one",
        ),
        ("ALTER TABLE risk_events DEDUP DISABLE", "risk_events.alert_id is not a deduplication key and must be one"),
    ] {
        empty(server);
        migrate(&client).unwrap();
        server.sql(change);
        let give_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
        // A change of a WAL table is applied a moment later.
        let text = loop {
            match ensure(&client) {
                Err(error) => break error.to_string(),
                Ok(_) => assert!(std::time::Instant::now() < give_up, "{change}"),
            }
        };
        assert!(text.contains(named), "{change}: {text}");
    }
}
