//! Lists in pages, cancels in parts, contracts.

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{CancelOutcome, Category, ErrorClass, PositionKey, SessionTime, Side, VenueTime};

use super::stub::{BTC, DETAIL, OPEN_ORDERS, Stub, cancel, entry, no, ok, paused, symbol};

const DEALS: &str = "/api/v1/private/order/list/order_deals/v3";
const HISTORY: &str = "/api/v1/private/order/list/history_orders";

fn order(id: u64, side: u8, category: u8) -> String {
    format!(
        r#"{{"orderId":"{id}","symbol":"BTC_USDT","vol":20,"side":{side},"state":3,"dealVol":20,"dealAvgPrice":64250.5,"category":{category},"externalOid":"k-{id}","version":3,"updateTime":{}}}"#,
        1_795_401_565_000 + id
    )
}

fn page(ids: impl Iterator<Item = u64>) -> String {
    ok(&format!("[{}]", ids.map(|id| order(id, 1, 1)).collect::<Vec<_>>().join(",")))
}

#[test]
fn all_pages_are_read_and_a_list_that_moves_repeats_nothing() {
    paused(async {
        let stub = Stub::paused();
        stub.says_each(OPEN_ORDERS, &[page(1..101), page(100..200), page(200..203)]);
        let orders = stub.adapter().open_orders().await.unwrap().rows;
        assert_eq!(orders.len(), 202);
        let queries: Vec<_> = stub.seen(OPEN_ORDERS).into_iter().map(|seen| seen.query).collect();
        assert_eq!(queries, ["page_num=1&page_size=100", "page_num=2&page_size=100", "page_num=3&page_size=100"]);
    });
}

#[test]
fn a20_a_list_of_which_one_page_failed_is_an_error() {
    paused(async {
        let stub = Stub::paused();
        for last in [no(500), no(510), "x".into(), ok("null"), ok(r#"[{"orderId":"1"}]"#)] {
            stub.says_each(OPEN_ORDERS, &[page(1..101), last.clone()]);
            let error = stub.adapter().open_orders().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Retryable, "{last}");
        }
    });
}

#[test]
fn a_list_without_an_end_is_an_error() {
    paused(async {
        let stub = Stub::paused();
        stub.says(OPEN_ORDERS, &page(1..101));
        let error = stub.adapter().open_orders().await.unwrap_err();
        assert!(error.message.contains("no end"), "{error}");
    });
}

#[test]
fn fills_are_asked_for_by_contract_and_come_oldest_first() {
    paused(async {
        let stub = Stub::paused();
        let since = VenueTime::from_millis(1_795_401_565_100);
        let fill = |id: u64, at: i64| {
            format!(
                r#"{{"id":"{id}","symbol":"BTC_USDT","side":1,"vol":1,"price":64250.5,"fee":0.1,"feeCurrency":"USDT","category":1,"orderId":"9","timestamp":{at},"taker":true}}"#
            )
        };
        let rows = [
            fill(1_000, 1_795_401_565_300),
            fill(999, 1_795_401_565_300),
            fill(7, 1_795_401_565_200),
            fill(6, 1_795_401_565_099),
        ];
        stub.says(DEALS, &ok(&format!("[{}]", rows.join(","))));
        let fills = stub.adapter().fills_since(&[symbol("BTC_USDT")], since).await.unwrap().rows;
        let ids: Vec<_> = fills.iter().map(|fill| fill.id.as_str()).collect();
        assert_eq!(ids, ["7", "999", "1000"]);
        assert!(
            stub.seen(DEALS)[0].query.contains("start_time=1795401565100&symbol=BTC_USDT"),
            "{:?}",
            stub.seen(DEALS)
        );
    });
}

#[test]
fn cancels_go_in_parts_of_fifty_and_none_loses_its_outcome() {
    paused(async {
        let stub = Stub::paused();
        let (by_venue, by_client) =
            ("/api/v1/private/order/cancel", "/api/v1/private/order/batch_cancel_with_external");
        let part = |ids: std::ops::RangeInclusive<u64>| {
            let items = ids.map(|id| {
                format!(
                    r#"{{"orderId":{id},"errorCode":{},"errorMsg":"m"}}"#,
                    [0, 2040, 2041][usize::try_from(id % 3).unwrap()]
                )
            });
            ok(&format!("[{}]", items.collect::<Vec<_>>().join(",")))
        };
        stub.says_each(by_venue, &[part(1..=50), no(510), part(101..=110)]);
        stub.says(by_client, &ok(r#"[{"orderId":7,"errorCode":0,"errorMsg":"success"}]"#));
        let mut orders: Vec<_> = (1..=110).map(|id| cancel(id, Some(&id.to_string()))).collect();
        orders.insert(3, cancel(1_000, None));
        let outcomes = stub.adapter().cancel(&orders).await.unwrap();
        assert_eq!(
            outcomes.iter().map(|(no, _)| *no).collect::<Vec<_>>(),
            orders.iter().map(|order| order.no).collect::<Vec<_>>()
        );
        for (number, outcome) in outcomes {
            let expected = match (number.0, number.0 % 3) {
                (51..=100, _) => {
                    assert!(matches!(outcome, CancelOutcome::Refused { code: 510, .. }), "{number}: {outcome:?}");
                    continue;
                }
                (1_000, _) | (_, 0) => CancelOutcome::Accepted,
                (_, 1) => CancelOutcome::NotFound,
                _ => CancelOutcome::NotCancellable,
            };
            assert_eq!(outcome, expected, "{number}");
        }
        let sizes: Vec<_> = stub.seen(by_venue).iter().map(|seen| seen.body.split(',').count()).collect();
        assert_eq!(sizes, [50, 50, 10]);
        assert_eq!(stub.seen(by_client)[0].body, r#"[{"symbol":"BTC_USDT","externalOid":"k-1000"}]"#);
    });
}

#[test]
fn evidence_is_of_this_leg_this_time_and_this_kind() {
    paused(async {
        let stub = Stub::paused();
        stub.says(DEALS, &ok("[]"));
        let rows = [order(1, 4, 2), order(900, 4, 2), order(901, 2, 2), order(902, 4, 1), order(903, 4, 4)];
        stub.says(HISTORY, &ok(&format!("[{}]", rows.join(","))));
        let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long };
        let evidence = stub
            .adapter()
            .evidence(&key, VenueTime::from_micros(VenueTime::from_millis(1_795_401_565_500).micros()))
            .await
            .unwrap();
        let found: Vec<_> =
            evidence.system_orders.iter().map(|order| (order.venue_id.as_str(), order.category)).collect();
        assert_eq!(found, [("900", Category::Liquidation), ("903", Category::Adl)]);
        assert_eq!(evidence.fills, []);
        assert_eq!(stub.seen(HISTORY).len(), 1);
    });
}

#[test]
fn evidence_is_asked_for_by_kind_when_the_plain_history_names_none() {
    paused(async {
        let stub = Stub::paused();
        stub.says(DEALS, &ok("[]"));
        stub.says(HISTORY, &ok("[]"));
        let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long };
        stub.adapter().evidence(&key, VenueTime::from_micros(VenueTime::ZERO.micros())).await.unwrap();
        let categories: Vec<_> =
            stub.seen(HISTORY).iter().map(|seen| seen.query.split('&').next().unwrap().to_owned()).collect();
        assert_eq!(categories[1..], ["category=2", "category=3", "category=4"]);
    });
}

#[test]
fn a_contract_that_does_not_exist_is_not_listed_and_cannot_be_ordered() {
    paused(async {
        let stub = Stub::paused();
        stub.says(DETAIL, &no(1001));
        let adapter = stub.adapter();
        assert_eq!(adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap(), []);
        let error = adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Fatal);
        assert!(error.message.contains("BTC_USDT"), "{error}");
    });
}

#[test]
fn an_order_whose_contract_cannot_be_read_is_surely_not_sent() {
    paused(async {
        let stub = Stub::paused();
        stub.says_with(DETAIL, 502, "");
        let error = stub.adapter().place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retryable);
    });
}

#[test]
fn a_ladder_in_money_is_read_with_the_contracts_price() {
    paused(async {
        let stub = Stub::paused();
        stub.says(DETAIL, &ok(&BTC.replace("BY_VOLUME", "BY_VALUE")));
        stub.says(
            "/api/v1/contract/ticker",
            &ok(r#"[{"symbol":"BTC_USDT","lastPrice":1,"fairPrice":60000},{"symbol":"币安_USDT","lastPrice":1}]"#),
        );
        let adapter = stub.adapter();
        let spec = adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap().remove(0);
        assert_eq!(spec.tiers[0].max_contracts.to_string(), "25000");
        stub.says_with("/api/v1/contract/ticker", 502, "");
        let strict = adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap().remove(0);
        assert_eq!(strict.tiers.len(), 1);
        assert_eq!(strict.tiers[0].maintenance_rate.to_string(), "0.020");
    });
}
