//! Books that an older version wrote.

use perpdeck::simulator::{Scenario, Settings};
use serde_json::{Value, json};

use super::client::symbol_body;
use super::{settings, start};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/simulator-0.1.0");

#[tokio::test]
async fn books_of_version_0_1_0_are_folded_by_the_rules_that_they_were_written_under() {
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(RECORD).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let scenario = Scenario::load("volatile").unwrap();
    let old = Settings { seed: 3, scenario, data_dir: Some(dir.path().into()), ..settings() };
    // What version 0.1.0 itself made of the record.
    let check = |ledger: &Value| {
        let balances = &ledger["balances"];
        assert_eq!(balances["wallet"], json!(9_990.474_639_792), "{balances}");
        assert_eq!((&balances["realised"], &balances["fees"]), (&json!(-4.680_79), &json!(4.844_570_208)));
        assert_eq!((ledger["orders"].as_array().unwrap().len(), ledger["fills"].as_array().unwrap().len()), (22, 22));
        let held = |at: usize| {
            let row = &ledger["positions"][at];
            json!([row["symbol"], row["positionType"], row["holdVol"], row["holdAvgPrice"], row["liquidatePrice"]])
        };
        assert_eq!(held(0), json!(["BTC_USDT", 2, 39, 63_367.3, 84_202.5]));
        assert_eq!(held(1), json!(["ETH_USDT", 1, 8, 3_314.87, 2_224.06]));
        assert_eq!(held(2), json!(["SOL_USDT", 1, 14, 178.52, 119.95]));
        assert_eq!(ledger["closedPositions"].as_array().unwrap().len(), 6);
    };
    let (server, client) = start(&old).await;
    check(&client.get("/sim/ledger").await.unwrap());
    // From here on the present rules hold: orders by the API pay their own fees.
    client.post("/api/v1/private/order/create", &symbol_body("XRP_USDT", 1, 5, 10)).await.unwrap();
    let fill = |ledger: &Value| ledger["fills"].as_array().unwrap().last().unwrap().clone();
    let paid = fill(&client.get("/sim/ledger").await.unwrap());
    let rate = paid["fee"].as_f64().unwrap() / (paid["price"].as_f64().unwrap() * 10.0);
    assert!((rate - 0.0008).abs() < 1e-9, "{paid}");
    drop(server);
    let (_server, client) = start(&old).await;
    assert_eq!(fill(&client.get("/sim/ledger").await.unwrap()), paid, "both rules are folded in their turn");
}
