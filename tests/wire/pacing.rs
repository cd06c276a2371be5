//! B26 through the adapter: limits by group, cancels and exits first.

use std::time::Duration;

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{ErrorClass, Refusal};

use super::stub::{Answer, CREATE, OPEN_ORDERS, Seen, Stub, cancel, entry, exit, in_turn, ok, paused};

const CANCEL: &str = "/api/v1/private/order/cancel";

fn most_in(seen: &[Seen], window: Duration) -> usize {
    seen.iter()
        .map(|first| seen.iter().filter(|one| one.at >= first.at && one.at <= first.at.plus(window)).count())
        .max()
        .unwrap_or(0)
}

#[test]
fn b26_i26_i30_orders_and_reads_stay_within_their_share_and_an_exit_overtakes_entries() {
    paused(async {
        let stub = Stub::paused();
        stub.says(CREATE, &ok(r#"{"orderId":"1","ts":1}"#));
        stub.says(OPEN_ORDERS, &ok("[]"));
        let adapter = stub.adapter().await;
        adapter.contracts(&[super::stub::symbol("BTC_USDT")]).await.unwrap();
        let entries = futures_util::future::join_all((0..8).map(|n| {
            let (adapter, order) = (&adapter, entry(&format!("k-{n}")));
            async move { in_turn(adapter, &order).await.unwrap() }
        }));
        let reads =
            futures_util::future::join_all((0..40).map(|_| async { adapter.open_orders().await.unwrap().rows }));
        let late_exit = async {
            stub.clock().sleep(Duration::from_millis(10)).await;
            adapter.place(&exit("exit"), &Departure::default()).await.unwrap();
        };
        tokio::join!(entries, reads, late_exit);
        let orders = stub.seen(CREATE);
        assert_eq!(orders.len(), 9);
        assert!(most_in(&orders, Duration::from_secs(2)) <= 3, "80 % of 4 in 2 s");
        assert!(most_in(&stub.seen(OPEN_ORDERS), Duration::from_secs(2)) <= 16, "80 % of 20 in 2 s");
        let place_of_exit = orders.iter().position(|seen| seen.body.contains("\"exit\"")).unwrap();
        assert_eq!(place_of_exit, 2, "an entry leaves a slot for it");
    });
}

#[test]
fn b26_i30_a_cancel_does_not_wait_behind_reads() {
    paused(async {
        let stub = Stub::paused();
        stub.says(OPEN_ORDERS, &ok("[]"));
        stub.says(CANCEL, &ok(r#"[{"orderId":7,"errorCode":0}]"#));
        let adapter = stub.adapter().await;
        // The question for the exchange's clock leaves the window of the limit.
        stub.clock().sleep(Duration::from_secs(2)).await;
        let reads =
            futures_util::future::join_all((0..60).map(|_| async { adapter.open_orders().await.unwrap().rows }));
        let cancelling = async {
            stub.clock().sleep(Duration::from_millis(10)).await;
            let asked = stub.clock().now();
            adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap();
            assert_eq!(stub.clock().now(), asked);
        };
        tokio::join!(reads, cancelling);
    });
}

#[test]
fn a_call_without_a_slot_in_time_is_surely_not_sent_and_does_not_count() {
    paused(async {
        let stub = Stub::paused();
        let busy = Answer::Say { status: 429, headers: vec![("retry-after", "5".into())], body: String::new() };
        stub.answers(CREATE, vec![busy]);
        let adapter = stub.adapter().await;
        adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
        let asked = stub.clock().now();
        let error = adapter.place(&entry("k-2"), &Departure::default()).await.unwrap_err();
        assert_eq!((error.class, error.counts, error.refusal), (ErrorClass::NeverLeft, false, Refusal::NoSlot));
        assert!(stub.clock().now().since(asked) <= Duration::from_millis(100), "an entry has no patience here");
        assert!(error.message.contains("rate limit"), "{error}");
        assert_eq!(stub.seen(CREATE).len(), 1);
    });
}

#[test]
fn a_retry_after_without_sense_closes_the_way_of_no_cancel_and_no_exit() {
    paused(async {
        for told in ["3600", "18446744073709551615", "99999999999999999999999", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            let stub = Stub::paused();
            let busy = |path: &str, after: Answer| {
                let first =
                    Answer::Say { status: 429, headers: vec![("retry-after", told.into())], body: String::new() };
                stub.answers(path, vec![first, after]);
            };
            let says = |body: &str| Answer::Say { status: 200, headers: vec![], body: ok(body) };
            busy(OPEN_ORDERS, says("[]"));
            busy(CREATE, says(r#"{"orderId":"1","ts":1}"#));
            stub.says(CANCEL, &ok(r#"[{"orderId":7,"errorCode":0}]"#));
            let adapter = stub.adapter().await;
            adapter.open_orders().await.unwrap_err();
            adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err();
            let silent_from = stub.clock().now();
            adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap();
            adapter.place(&exit("k-2"), &Departure::default()).await.unwrap();
            assert_eq!(stub.clock().now(), silent_from, "{told}");
            adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap();
            assert_eq!(stub.clock().now(), silent_from, "{told}: the first was answered");
            stub.clock().sleep(Duration::from_secs(60)).await;
            adapter.open_orders().await.unwrap();
            assert!(stub.clock().now().since(silent_from) <= Duration::from_secs(60), "{told}");
        }
    });
}
