//! What is made of an answer: whether the call was surely not done, may have been, or never will be.

use std::time::Duration;

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{CallError, ErrorClass, Refusal, VenueTime};

use super::stub::{
    Answer, CREATE, OPEN_ORDERS, Stub, TIME_OUT, cancel, client_id, entry, in_turn, no, ok, paused, symbol,
};

use ErrorClass::{AccessRefused, Ambiguous, Fatal, Retryable};

const CANCEL: &str = "/api/v1/private/order/cancel";

/// How a place, a cancel and a read end when the exchange answers them all so.
fn reactions(status: u16, body: &str) -> [CallError; 3] {
    paused(async {
        let stub = Stub::paused();
        for path in [CREATE, CANCEL, OPEN_ORDERS] {
            stub.says_with(path, status, body);
        }
        let adapter = stub.adapter();
        [
            adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err(),
            adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap_err(),
            adapter.open_orders().await.unwrap_err(),
        ]
    })
}

fn classes(errors: &[CallError; 3]) -> ([ErrorClass; 3], bool) {
    assert!(errors.iter().all(|error| error.counts == errors[0].counts), "{errors:?}");
    (errors.each_ref().map(|error| error.class), errors[0].counts)
}

#[test]
fn codes_are_classed_by_call() {
    for (codes, expected, counts) in [
        (&[401, 402, 403, 406, 602, 701, 702, 703, 704, 1000, 200_005, 300_001][..], [AccessRefused; 3], false),
        (&[510, 2037][..], [Retryable; 3], false),
        (&[500, 501, 9999][..], [Ambiguous, Retryable, Retryable], true),
        (&[603, 2042][..], [Ambiguous, Retryable, Retryable], false),
        (&[2036, 2056, 604, 801][..], [Retryable; 3], false),
        (&[600, 1001, 1002, 2005, 2008, 2009, 2011, 2078, 6001][..], [Fatal; 3], false),
        // Accepted in spite of it; "try later"; not documented: looked up, never refused for good.
        (&[6008, 6022, 777_777, -5][..], [Ambiguous, Retryable, Retryable], false),
    ] {
        for &code in codes {
            let errors = reactions(200, &no(code));
            assert_eq!(classes(&errors), (expected, counts), "code {code}");
            assert!(errors.iter().all(|error| error.code == Some(code)), "{errors:?}");
        }
    }
}

#[test]
fn statuses_are_classed_by_call() {
    let maintenance = r#"{"code":500,"message":"Under maintenance, please try again later","announcement":"x"}"#;
    for (status, body, expected, counts) in [
        (200, maintenance, [Ambiguous, Retryable, Retryable], true),
        (500, maintenance, [Ambiguous, Retryable, Retryable], true),
        (502, "<html>Bad gateway</html>", [Ambiguous, Retryable, Retryable], true),
        (503, "", [Ambiguous, Retryable, Retryable], true),
        (504, &ok("[]"), [Ambiguous, Retryable, Retryable], true),
        (429, "", [Ambiguous, Retryable, Retryable], false),
        (429, &no(510), [Retryable; 3], false),
        // Only the exchange's own JSON speaks about a key: this is its edge.
        (403, "<html>WAF</html>", [Ambiguous, Retryable, Retryable], true),
        (401, "", [Ambiguous, Retryable, Retryable], true),
        (400, "", [Ambiguous, Retryable, Retryable], true),
        (404, "", [Ambiguous, Retryable, Retryable], true),
        (302, "", [Ambiguous, Retryable, Retryable], true),
        (403, &no(403), [AccessRefused; 3], false),
        (400, &no(602), [AccessRefused; 3], false),
        (503, &no(801), [Retryable; 3], true),
    ] {
        let errors = reactions(status, body);
        assert_eq!(classes(&errors), (expected, counts), "status {status}: {errors:?}");
    }
}

#[test]
fn an_answer_that_is_not_the_protocol_leaves_an_order_in_doubt() {
    for body in [
        "",
        "<html>",
        "{",
        r#"{"data":{"orderId":"1"}}"#,
        r#"{"success":true,"code":0"#,
        r#"{"success":true,"code":510}"#,
    ] {
        assert_eq!(classes(&reactions(200, body)), ([Ambiguous, Retryable, Retryable], true), "{body}");
    }
}

#[test]
fn a4_a_success_without_an_order_id_is_in_doubt_and_never_an_empty_id() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        for body in [
            ok(r#"{"orderId":""}"#),
            ok(r#"{"order_id":"814218083416790528"}"#),
            ok("{}"),
            ok("null"),
            ok("0"),
            ok("[]"),
            r#"{"success":true,"code":0}"#.to_owned(),
        ] {
            stub.says(CREATE, &body);
            let error = in_turn(&adapter, &entry("k-1")).await.unwrap_err();
            assert_eq!((error.class, error.counts), (Ambiguous, false), "{body}");
        }
    });
}

#[test]
fn a20_success_false_is_no_snapshot() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        for body in [
            r#"{"success":false,"code":0,"data":[]}"#.to_owned(),
            r#"{"success":false,"code":500,"data":[]}"#.to_owned(),
            r#"{"code":0,"data":[]}"#.to_owned(),
            r#"{"success":true,"code":1,"data":[]}"#.to_owned(),
            r#"{"success":true,"code":0}"#.to_owned(),
            r#"{"success":false,"code":200,"data":[]}"#.to_owned(),
            ok("{}"),
            ok("7"),
        ] {
            for path in [
                "/api/v1/private/position/open_positions",
                OPEN_ORDERS,
                "/api/v1/private/order/list/order_deals/v3",
                "/api/v1/private/account/asset/USDT",
            ] {
                stub.says(path, &body);
            }
            assert!(adapter.positions().await.is_err(), "{body}");
            assert!(adapter.open_orders().await.is_err(), "{body}");
            assert!(
                adapter
                    .fills_since(&[symbol("BTC_USDT")], VenueTime::from_micros(stub.clock().now().micros()))
                    .await
                    .is_err(),
                "{body}"
            );
            assert!(adapter.account().await.map_or(true, |account| account.rows.is_empty()), "{body}");
        }
        stub.says("/api/v1/private/position/open_positions", &ok("[]"));
        assert_eq!(adapter.positions().await.unwrap().rows, []);
    });
}

#[test]
fn code_200_and_pages_and_a_written_null_are_lists_and_a_missing_one_is_not() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        let path = "/api/v1/private/position/open_positions";
        for (body, is_list) in [
            (r#"{"success":true,"code":200,"data":[]}"#, true),
            (r#"{"success":true,"code":0,"data":null}"#, true),
            (r#"{"success":true,"code":0,"data":{"totalCount":0,"resultList":[]}}"#, true),
            (r#"{"success":true,"code":0,"data":{"totalCount":0,"resultList":null}}"#, true),
            (r#"{"success":true,"code":0}"#, false),
            (r#"{"success":true,"code":0,"data":"none"}"#, false),
        ] {
            stub.says(path, body);
            assert_eq!(adapter.positions().await.is_ok(), is_list, "{body}");
        }
    });
}

#[test]
fn why_something_was_refused_is_told_in_our_words() {
    for (status, body, refusal) in [
        (200, no(2078), Refusal::BeyondLiquidation),
        (200, no(510), Refusal::TooFrequent),
        (200, no(7002), Refusal::PositionMode),
        (200, no(2028), Refusal::TooLarge),
        (200, no(2056), Refusal::CloseInProgress),
        (200, no(801), Refusal::Maintenance),
        (200, r#"{"code":500,"message":"Under maintenance","announcement":"x"}"#.to_owned(), Refusal::Maintenance),
        (200, no(777_777), Refusal::Unspecified),
        (403, "<html>Access Denied</html>".to_owned(), Refusal::Edge),
        (429, String::new(), Refusal::TooFrequent),
        (502, String::new(), Refusal::Internal),
    ] {
        for error in reactions(status, &body) {
            assert_eq!(error.refusal, refusal, "{status} {body}: {error:?}");
        }
    }
}

#[test]
fn no_answer_in_time_is_in_doubt_and_counts() {
    paused(async {
        let stub = Stub::paused();
        for path in [CREATE, CANCEL, OPEN_ORDERS] {
            stub.answers(path, vec![Answer::Hang]);
        }
        let adapter = stub.adapter();
        let start = stub.clock().now();
        let placed = adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((placed.class, placed.counts), (Ambiguous, true));
        assert_eq!(stub.clock().now().since(start), TIME_OUT);
        let cancelled = adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap_err();
        assert_eq!((cancelled.class, cancelled.counts), (Retryable, true));
        let read = adapter.open_orders().await.unwrap_err();
        assert_eq!((read.class, read.counts), (Retryable, true));
    });
}

#[test]
fn after_429_the_group_keeps_silent_as_long_as_it_was_told() {
    paused(async {
        let stub = Stub::paused();
        let busy = Answer::Say { status: 429, headers: vec![("retry-after", "7".into())], body: String::new() };
        let fine = Answer::Say { status: 200, headers: vec![], body: ok("[]") };
        stub.answers(OPEN_ORDERS, vec![busy, fine]);
        let adapter = stub.adapter();
        let start = stub.clock().now();
        assert_eq!(adapter.open_orders().await.unwrap_err().class, Retryable);
        adapter.open_orders().await.unwrap();
        let waited = stub.clock().now().since(start);
        assert!(waited >= Duration::from_secs(7) && waited < Duration::from_secs(8), "{waited:?}");
    });
}

#[test]
fn a_lookup_tells_unknown_from_failed() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        let path = "/api/v1/private/order/external/BTC_USDT/k-1";
        let order = |oid: &str| {
            ok(&format!(
                r#"{{"orderId":"814218083416790528","symbol":"BTC_USDT","vol":20,"side":1,"state":2,"dealVol":5,"dealAvgPrice":64250.5,"externalOid":"{oid}","version":3,"updateTime":1795401565560}}"#
            ))
        };
        let (btc, id) = (symbol("BTC_USDT"), client_id("k-1"));
        for (body, found) in [
            (r#"{"success":true,"code":0}"#.to_owned(), Some(false)),
            (ok("null"), Some(false)),
            (no(2040), Some(false)),
            (order("k-1"), Some(true)),
            (order("k-2"), None),
            (no(500), None),
            (ok("[]"), None),
            ("x".into(), None),
        ] {
            stub.says(path, &body);
            let outcome = adapter.order(&btc, &id).await;
            assert_eq!(outcome.as_ref().ok().map(Option::is_some), found, "{body}: {outcome:?}");
        }
    });
}

#[test]
fn the_exchanges_words_are_escaped_and_cut() {
    let body = format!(r#"{{"success":false,"code":2005,"message":"a\u001b[2J{}"}}"#, "x".repeat(5_000));
    let error = &reactions(200, &body)[0];
    assert!(!error.message.contains('\u{1b}') && error.message.chars().count() < 500, "{error}");
    assert!(error.message.contains("2005") && error.message.contains("balance insufficient"), "{error}");
}
