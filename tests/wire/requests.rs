//! What goes over the wire: paths, headers, stamps, bodies.

use std::time::Duration;

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{Intent, MarginMode, PositionKey, PositionMode, Price, Side, VenuePositionId, VenueTime};

use super::stub::{CREATE, PING, Stub, cancel, dec, entry, exit, in_turn, no, ok, paused, symbol};

const ACCEPTED: &str = r#"{"orderId":"814218083416790528","ts":1795401565487}"#;

#[test]
fn b24_every_private_call_carries_key_time_and_signature() {
    paused(async {
        let stub = Stub::paused();
        stub.says(CREATE, &ok(ACCEPTED));
        let id = stub.adapter().place(&entry("k-1"), &Departure::default()).await.unwrap();
        assert_eq!(id.as_str(), "814218083416790528");
        let seen = stub.seen(CREATE).remove(0);
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.headers["language"], "English");
        assert_eq!(seen.headers["user-agent"], concat!("perpdeck/", env!("CARGO_PKG_VERSION")));
        assert_eq!(seen.headers["content-type"], "application/json");
        assert_eq!(seen.stamp(), seen.at.millis());
        assert_eq!(
            seen.body,
            r#"{"symbol":"BTC_USDT","price":64250.5,"vol":20,"leverage":10,"side":1,"type":1,"openType":1,"positionMode":1,"externalOid":"k-1"}"#
        );
        for absent in ["x-mexc-apikey", "recv-window"] {
            assert!(!seen.headers.contains_key(absent), "{absent}");
        }
    });
}

#[test]
fn b24_i32_each_send_is_stamped_anew_after_its_wait_for_a_slot() {
    paused(async {
        let stub = Stub::paused();
        stub.says(CREATE, &ok(ACCEPTED));
        let adapter = stub.adapter();
        let sends: Vec<_> = (0..9).map(|n| format!("k-{n}")).collect();
        futures_util::future::join_all(sends.iter().map(|id| {
            let (adapter, order) = (&adapter, entry(id));
            async move { in_turn(adapter, &order).await.unwrap() }
        }))
        .await;
        let seen = stub.seen(CREATE);
        assert_eq!(seen.len(), 9);
        assert!(seen[8].at.since(seen[0].at) > Duration::from_secs(4), "the limiter made some wait");
        for one in seen {
            assert_eq!(one.stamp(), one.at.millis());
        }
    });
}

#[test]
fn b25_the_paths_are_those_of_mexc() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Short };
        let symbols = [symbol("BTC_USDT")];
        let venue_id = perpdeck::model::VenueOrderId::new("814218083416790528").unwrap();
        // Nothing is scripted but the contract: every call fails, and leaves its path behind.
        let _ = adapter.place(&entry("k-1"), &Departure::default()).await;
        let _ = adapter.cancel(&[cancel(1, Some("7")), cancel(2, None)]).await;
        let _ = adapter.order(&symbols[0], &super::stub::client_id("k-1")).await;
        let _ = adapter.open_orders().await;
        let _ = adapter.order_fills(&symbols[0], &venue_id).await;
        let _ = adapter.fills_since(&symbols, VenueTime::from_micros(stub.clock().now().micros())).await;
        let _ = adapter.positions().await;
        let _ = adapter.account().await;
        let _ = adapter.position_mode().await;
        let _ = adapter.set_leverage(&key, 5, MarginMode::Cross).await;
        let _ = adapter.evidence(&key, VenueTime::from_micros(stub.clock().now().micros())).await;
        let _ = adapter.server_time().await;
        for (path, method) in [
            ("/api/v1/private/order/create", "POST"),
            ("/api/v1/private/order/cancel", "POST"),
            ("/api/v1/private/order/batch_cancel_with_external", "POST"),
            ("/api/v1/private/order/external/BTC_USDT/k-1", "GET"),
            ("/api/v1/private/order/list/open_orders", "GET"),
            ("/api/v1/private/order/deal_details/814218083416790528", "GET"),
            ("/api/v1/private/order/list/order_deals/v3", "GET"),
            ("/api/v1/private/order/list/history_orders", "GET"),
            ("/api/v1/private/position/open_positions", "GET"),
            ("/api/v1/private/position/position_mode", "GET"),
            ("/api/v1/private/position/change_leverage", "POST"),
            ("/api/v1/private/account/asset/USDT", "GET"),
            ("/api/v1/contract/detail", "GET"),
            ("/api/v1/contract/ping", "GET"),
        ] {
            let seen = stub.seen(path);
            assert_eq!(seen.first().map(|one| one.method.as_str()), Some(method), "{path}");
        }
        let leverage = &stub.seen("/api/v1/private/position/change_leverage")[0];
        assert_eq!(leverage.body, r#"{"symbol":"BTC_USDT","leverage":5,"openType":2,"positionType":2}"#);
    });
}

#[test]
fn a3_exits_close_the_leg_they_are_meant_for() {
    paused(async {
        let stub = Stub::paused();
        stub.says(CREATE, &ok(ACCEPTED));
        let adapter = stub.adapter();
        let mut one_way = exit("k-1");
        one_way.position_mode = PositionMode::OneWay;
        one_way.position_id = Some(VenuePositionId::new("1109973831").unwrap());
        adapter.place(&one_way, &Departure::default()).await.unwrap();
        let mut short = exit("k-2");
        short.intent = Intent::close(Side::Short);
        adapter.place(&short, &Departure::default()).await.unwrap();
        let bodies: Vec<_> = stub.seen(CREATE).into_iter().map(|seen| seen.body).collect();
        assert_eq!(
            bodies,
            [
                r#"{"symbol":"BTC_USDT","vol":20,"side":4,"type":5,"openType":1,"positionMode":2,"positionId":1109973831,"reduceOnly":true,"externalOid":"k-1"}"#,
                r#"{"symbol":"BTC_USDT","vol":20,"side":2,"type":5,"openType":1,"positionMode":1,"externalOid":"k-2"}"#,
            ]
        );
    });
}

#[test]
fn a29_an_order_off_the_steps_never_leaves() {
    paused(async {
        let stub = Stub::paused();
        stub.says(CREATE, &ok(ACCEPTED));
        let adapter = stub.adapter();
        let mut off = entry("k-1");
        off.stop_loss = Some(Price(dec("60000.05")));
        let error = adapter.place(&off, &Departure::default()).await.unwrap_err();
        assert_eq!(error.class, perpdeck::model::ErrorClass::Fatal);
        assert!(error.message.contains("k-1") && error.message.contains("60000.05"), "{error}");
        assert_eq!(stub.seen(CREATE).len(), 0);
    });
}

#[test]
fn stamps_follow_the_exchanges_clock_once_it_was_asked() {
    paused(async {
        let stub = Stub::paused();
        stub.skew(-60_000);
        stub.says(CREATE, &ok(ACCEPTED));
        let adapter = stub.adapter();
        let offset = adapter.server_time().await.unwrap();
        assert_eq!((offset.offset_us, offset.round_trip_us), (-60_000_000, 0));
        adapter.place(&entry("k-1"), &Departure::default()).await.unwrap();
        let seen = stub.seen(CREATE).remove(0);
        assert_eq!(seen.stamp(), seen.at.millis() - 60_000);
    });
}

#[test]
fn code_513_measures_the_clock_and_is_safe_to_try_again() {
    paused(async {
        let stub = Stub::paused();
        stub.skew(30_000);
        stub.says(CREATE, &ok(ACCEPTED));
        let adapter = stub.adapter();
        let error = adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.counts, error.code), (perpdeck::model::ErrorClass::Retryable, false, Some(513)));
        assert_eq!(stub.seen(PING).len(), 1);
        adapter.place(&entry("k-1"), &Departure::default()).await.unwrap();
    });
}

#[test]
fn a_signature_that_fails_by_an_unmeasured_clock_is_not_a_refused_key() {
    paused(async {
        let stub = Stub::paused();
        stub.skew(5_000);
        stub.says(CREATE, &no(602));
        let adapter = stub.adapter();
        let first = adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!(first.class, perpdeck::model::ErrorClass::Retryable);
        assert_eq!(first.refusal, perpdeck::model::Refusal::ClockWrong);
        let refused = adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        assert_eq!(refused.class, perpdeck::model::ErrorClass::AccessRefused, "the clock is right: the key is not");
        assert_eq!(stub.seen(PING).len(), 1);
    });
}

#[test]
fn leverage_and_mode_errors_are_told() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter();
        let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long };
        let path = "/api/v1/private/position/change_leverage";
        stub.says(path, r#"{"success":true,"code":0}"#);
        adapter.set_leverage(&key, 5, MarginMode::Isolated).await.unwrap();
        stub.says(path, &no(2006));
        assert_eq!(adapter.set_leverage(&key, 500, MarginMode::Isolated).await.unwrap_err().code, Some(2006));
        let mode = "/api/v1/private/position/position_mode";
        for (data, expected) in
            [("1", Some(PositionMode::Hedge)), ("2", Some(PositionMode::OneWay)), ("3", None), ("{}", None)]
        {
            stub.says(mode, &ok(data));
            assert_eq!(adapter.position_mode().await.ok(), expected, "{data}");
        }
    });
}
