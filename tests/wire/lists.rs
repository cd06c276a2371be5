//! Lists in pages, cancels in parts, contracts.

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{
    CancelOutcome, Category, ErrorClass, PositionKey, Side, VenueOrderId, VenueOrderState, VenueTime,
};

use super::stub::{BTC, DETAIL, OPEN_ORDERS, Stub, cancel, entry, no, ok, paused, stamp, symbol, venue_time};

const DEALS: &str = "/api/v1/private/order/list/order_deals/v3";
const HISTORY: &str = "/api/v1/private/order/list/history_orders";

fn order(id: u32, side: u8, category: u8) -> String {
    format!(
        r#"{{"orderId":"{id}","symbol":"BTC_USDT","vol":20,"side":{side},"state":3,"dealVol":20,"dealAvgPrice":64250.5,"category":{category},"externalOid":"k-{id}","version":3,"updateTime":{}}}"#,
        stamp(i64::from(id))
    )
}

fn page(ids: impl Iterator<Item = u32>) -> String {
    ok(&format!("[{}]", ids.map(|id| order(id, 1, 1)).collect::<Vec<_>>().join(",")))
}

#[test]
fn all_pages_are_read_and_a_list_that_moves_repeats_nothing() {
    paused(async {
        let stub = Stub::paused();
        stub.says_each(OPEN_ORDERS, &[page(1..101), page(100..200), page(200..203)]);
        let orders = stub.adapter().await.open_orders().await.unwrap().rows;
        assert_eq!(orders.len(), 202);
        let queries: Vec<_> = stub.seen(OPEN_ORDERS).into_iter().map(|seen| seen.query).collect();
        assert_eq!(queries, ["page_num=1&page_size=100", "page_num=2&page_size=100", "page_num=3&page_size=100"]);
    });
}

#[test]
fn a_page_that_fails_once_is_asked_for_again_and_what_came_before_is_kept() {
    paused(async {
        let stub = Stub::paused();
        for failed in [no(500), "x".into()] {
            stub.says_each(OPEN_ORDERS, &[page(1..101), page(101..201), failed.clone(), page(201..204)]);
            let before = stub.seen(OPEN_ORDERS).len();
            let orders = stub.adapter().await.open_orders().await.unwrap().rows;
            assert_eq!(orders.len(), 203, "{failed}");
            let seen = stub.seen(OPEN_ORDERS);
            let pages: Vec<_> = seen.iter().skip(before).map(|seen| seen.query.split('&').next().unwrap()).collect();
            assert_eq!(pages, ["page_num=1", "page_num=2", "page_num=3", "page_num=3"]);
        }
    });
}

#[test]
fn a20_a_list_of_which_one_page_failed_is_an_error() {
    paused(async {
        let stub = Stub::paused();
        for last in [no(500), no(510), "x".into(), ok("{}"), r#"{"success":true,"code":0}"#.to_owned()] {
            stub.says_each(OPEN_ORDERS, &[page(1..101), last.clone()]);
            let error = stub.adapter().await.open_orders().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Retryable, "{last}");
        }
    });
}

#[test]
fn one_odd_row_never_spoils_a_list_and_is_named_with_its_contract() {
    paused(async {
        let stub = Stub::paused();
        let good = order(1, 1, 1);
        for (odd, symbol) in [
            (good.replace("BTC_USDT", "币安人生_USDT"), Some("币安人生_USDT")),
            (good.replace("\"side\":1", "\"side\":5"), Some("BTC_USDT")),
            (good.replace("\"version\":3", "\"version\":99999999999999999999"), Some("BTC_USDT")),
            (good.replace("\"vol\":20", "\"vol\":null"), Some("BTC_USDT")),
            (good.replace("BTC_USDT", "a\\u001b[2J"), Some("a\\u{1b}[2J")),
            ("7".to_owned(), None),
            ("null".to_owned(), None),
            (r#"{"orderId":"1"}"#.to_owned(), None),
        ] {
            stub.says(OPEN_ORDERS, &ok(&format!("[{},{odd},{}]", order(2, 1, 1), order(3, 1, 1))));
            let listing = stub.adapter().await.open_orders().await.unwrap();
            assert_eq!(listing.rows.len(), 2, "{odd}");
            let [row] = listing.unreadable.as_slice() else { panic!("{odd}: {:?}", listing.unreadable) };
            assert_eq!(row.symbol.as_deref(), symbol, "{odd}");
            assert!(!row.why.is_empty() && !row.text.contains('\u{1b}'), "{row:?}");
        }
    });
}

#[test]
fn one_odd_position_or_fill_never_spoils_its_list() {
    paused(async {
        let stub = Stub::paused();
        let position = |symbol: &str, kind: u8| {
            format!(
                r#"{{"positionId":{kind},"symbol":"{symbol}","positionType":{kind},"openType":1,"state":1,"holdVol":3}}"#
            )
        };
        let rows = [position("BTC_USDT", 1), position("币安人生_USDT", 1), position("ETH_USDT", 3)];
        stub.says("/api/v1/private/position/open_positions", &ok(&format!("[{}]", rows.join(","))));
        let listing = stub.adapter().await.positions().await.unwrap();
        assert_eq!((listing.rows.len(), listing.unreadable.len()), (1, 2));
        assert!(listing.is_whole_for(&symbol("BTC_USDT")) && !listing.is_whole_for(&symbol("ETH_USDT")));
        let fill = r#"{"id":"1","symbol":"BTC_USDT","side":1,"vol":1,"price":64250.5,"orderId":"9","timestamp":AT}"#;
        let fill = fill.replace("AT", &stamp(300).to_string());
        let odd = fill.replace("64250.5", "-1");
        for path in [DEALS, "/api/v1/private/order/deal_details/9"] {
            stub.says(path, &ok(&format!("[{odd},{fill}]")));
        }
        let adapter = stub.adapter().await;
        let since = venue_time(0);
        let fills = adapter.fills_since(&[symbol("BTC_USDT")], since).await.unwrap();
        assert_eq!((fills.rows.len(), fills.unreadable.len()), (1, 1));
        let fills = adapter.order_fills(&symbol("BTC_USDT"), &VenueOrderId::new("9").unwrap()).await.unwrap();
        assert_eq!((fills.rows.len(), fills.unreadable.len()), (1, 1));
    });
}

#[test]
fn a_list_beyond_all_sense_is_refused_early_and_its_bound_is_named() {
    paused(async {
        let stub = Stub::paused();
        let path = "/api/v1/private/position/open_positions";
        stub.says(path, &ok(&format!("[{}]", vec!["{}"; 400_000].join(","))));
        let error = stub.adapter().await.positions().await.unwrap_err();
        assert!(error.message.contains("20000 rows"), "{error}");
        stub.says("/api/v1/private/account/asset/USDT", &ok(&format!("\"{}\"", "x".repeat(2_000_000))));
        assert!(stub.adapter().await.account().await.is_err(), "a single answer of 2 MB is not read");
    });
}

#[test]
fn one_broken_contract_spoils_no_other() {
    paused(async {
        let stub = Stub::paused();
        let broken = BTC.replace("BTC_USDT", "ETH_USDT").replace("\"priceUnit\":0.1", "\"priceUnit\":null");
        stub.says(DETAIL, &ok(&format!("[{BTC},{broken}]")));
        let adapter = stub.adapter().await;
        let asked: Vec<_> = ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT"].map(symbol).into();
        assert_eq!(adapter.contracts(&asked).await.unwrap().len(), 1);
        assert!(adapter.stream_health().last_skipped().unwrap().contains("ETH_USDT"));
        stub.says(DETAIL, &ok(&broken));
        assert!(adapter.contracts(&[symbol("ETH_USDT")]).await.is_err(), "nothing of what was asked for");
    });
}

#[test]
fn evidence_that_lacks_a_row_of_the_contract_proves_nothing() {
    paused(async {
        let stub = Stub::paused();
        stub.says(DEALS, &ok("[]"));
        let odd = order(901, 9, 2);
        stub.says(HISTORY, &ok(&format!("[{odd}]")));
        let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long };
        let since = venue_time(500);
        let error = stub.adapter().await.evidence(&key, since).await.unwrap_err();
        assert!(error.message.contains("not whole"), "{error}");
        stub.says(HISTORY, &ok(&format!("[{odd},{}]", order(900, 4, 2))));
        assert_eq!(stub.adapter().await.evidence(&key, since).await.unwrap().system_orders.len(), 1);
    });
}

#[test]
fn a_list_without_an_end_is_an_error() {
    paused(async {
        let stub = Stub::paused();
        stub.says(OPEN_ORDERS, &page(1..101));
        let error = stub.adapter().await.open_orders().await.unwrap_err();
        assert!(error.message.contains("no end"), "{error}");
    });
}

#[test]
fn fills_are_asked_for_by_contract_and_come_oldest_first() {
    paused(async {
        let stub = Stub::paused();
        let since = venue_time(100);
        let fill = |id: u64, at: i64| {
            format!(
                r#"{{"id":"{id}","symbol":"BTC_USDT","side":1,"vol":1,"price":64250.5,"fee":0.1,"feeCurrency":"USDT","category":1,"orderId":"9","timestamp":{at},"taker":true}}"#
            )
        };
        let rows = [fill(1_000, stamp(300)), fill(999, stamp(300)), fill(7, stamp(200)), fill(6, stamp(99))];
        stub.says(DEALS, &ok(&format!("[{}]", rows.join(","))));
        let fills = stub.adapter().await.fills_since(&[symbol("BTC_USDT")], since).await.unwrap().rows;
        let ids: Vec<_> = fills.iter().map(|fill| fill.id.as_str()).collect();
        assert_eq!(ids, ["7", "999", "1000"]);
        assert!(
            stub.seen(DEALS)[0].query.contains(&format!("start_time={}&symbol=BTC_USDT", stamp(100))),
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
        let outcomes = stub.adapter().await.cancel(&orders).await.unwrap();
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
fn orders_that_ended_are_read_in_bulk_of_all_contracts_and_in_every_end_state() {
    paused(async {
        let stub = Stub::paused();
        let ended = |id: u32, symbol: &str, state: u8| {
            order(id, 1, 1).replace("BTC_USDT", symbol).replace("\"state\":3", &format!("\"state\":{state}"))
        };
        let first: Vec<_> = (1..=100).map(|id| ended(id, "BTC_USDT", 4)).collect();
        let rest = [ended(100, "BTC_USDT", 4), ended(101, "ETH_USDT", 3), ended(102, "PEPE_USDT", 5)];
        stub.says_each(HISTORY, &[ok(&format!("[{}]", first.join(","))), ok(&format!("[{}]", rest.join(",")))]);
        let since = venue_time(-65_000);
        let orders = stub.adapter().await.order_history(since).await.unwrap().rows;
        assert_eq!(orders.len(), 102);
        let states: Vec<_> = orders.iter().skip(100).map(|order| order.state).collect();
        assert_eq!(states, [VenueOrderState::Filled, VenueOrderState::Invalid]);
        let asked = stub.seen(HISTORY);
        assert_eq!(asked.len(), 2, "two pages and no look-up of each");
        let wanted = format!("start_time={}&states=3%2C4%2C5", stamp(-65_000));
        assert!(asked.iter().all(|seen| seen.query.contains(&wanted)), "{asked:?}");
        assert!(asked.iter().all(|seen| !seen.query.contains("symbol=")), "{asked:?}");
    });
}

#[test]
fn a_history_longer_than_the_exchange_grants_is_asked_for_as_far_as_it_goes() {
    paused(async {
        let stub = Stub::paused();
        stub.says(HISTORY, &ok("[]"));
        stub.says(DEALS, &ok("[]"));
        let adapter = stub.adapter().await;
        adapter.order_history(VenueTime::ZERO).await.unwrap();
        adapter.fills_since(&[symbol("BTC_USDT")], VenueTime::ZERO).await.unwrap();
        for path in [HISTORY, DEALS] {
            let query = stub.seen(path)[0].query.clone();
            let number = |name: &str| -> i64 {
                query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap().parse().unwrap()
            };
            let days = (number("end_time=") - number("start_time=")) / 86_400_000;
            assert!((80..90).contains(&days), "{days} days: {query}");
        }
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
        let evidence = stub.adapter().await.evidence(&key, venue_time(500)).await.unwrap();
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
        stub.adapter().await.evidence(&key, VenueTime::ZERO).await.unwrap();
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
        let adapter = stub.adapter().await;
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
        let error = stub.adapter().await.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
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
        let adapter = stub.adapter().await;
        let spec = adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap().remove(0);
        assert_eq!(spec.tiers[0].max_contracts.to_string(), "25000");
        stub.says_with("/api/v1/contract/ticker", 502, "");
        let strict = adapter.contracts(&[symbol("BTC_USDT")]).await.unwrap().remove(0);
        assert_eq!(strict.tiers.len(), 1);
        assert_eq!(strict.tiers[0].maintenance_rate.to_string(), "0.020");
    });
}

#[test]
fn balances_that_cannot_be_read_are_named_like_a_row() {
    paused(async {
        let stub = Stub::paused();
        let good = r#"{"currency":"USDT","positionMargin":1,"availableBalance":987.07,"frozenBalance":0,"equity":1000,"unrealized":0}"#;
        let path = "/api/v1/private/account/asset/USDT";
        for odd in [good.replace("USDT", "MX"), good.replace("987.07", "null"), "null".into(), "7".into()] {
            stub.says(path, &ok(&odd));
            let account = stub.adapter().await.account().await.unwrap();
            assert_eq!((account.rows.len(), account.unreadable.len()), (0, 1), "{odd}");
            assert!(!account.unreadable[0].why.is_empty() && account.unreadable[0].text.contains(&odd), "{account:?}");
        }
        stub.says(path, &ok(good));
        assert_eq!(stub.adapter().await.account().await.unwrap().rows.len(), 1);
    });
}
