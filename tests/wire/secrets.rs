//! Keys never appear in what is printed, whatever goes wrong and whatever the exchange repeats.

use perpdeck::exchange::{Departure, Exchange};
use perpdeck::model::{MarginMode, PositionKey, Push, Side};

use super::stub::{CREATE, KEY, OPEN_ORDERS, SECRET, Stub, cancel, client_id, entry, paused, symbol};

fn holds_no_key(text: &str) {
    for secret in [KEY, SECRET] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn nothing_that_is_printed_holds_a_key() {
    paused(async {
        let stub = Stub::paused();
        let adapter = stub.adapter().await;
        holds_no_key(&format!("{adapter:?} {}", adapter.address()));
        holds_no_key(&format!("{:?}", Stub::options("http://127.0.0.1:1", "ws://127.0.0.1:1")));
        let echo = format!(r#"{{"success":false,"code":602,"message":"signature of {KEY} with {SECRET} is wrong"}}"#);
        let paths = [
            CREATE,
            OPEN_ORDERS,
            "/api/v1/private/order/cancel",
            "/api/v1/private/order/external/BTC_USDT/k-1",
            "/api/v1/private/position/change_leverage",
        ];
        for (status, body) in [(200, echo.as_str()), (500, echo.as_str()), (404, ""), (200, "{")] {
            for path in paths {
                stub.says_with(path, status, body);
            }
            let key = PositionKey { symbol: symbol("BTC_USDT"), side: Side::Long };
            let errors = [
                adapter.place(&entry("k-1"), &Departure::default()).await.unwrap_err(),
                adapter.open_orders().await.unwrap_err(),
                adapter.cancel(&[cancel(1, Some("7"))]).await.unwrap_err(),
                adapter.order(&symbol("BTC_USDT"), &client_id("k-1")).await.unwrap_err(),
                adapter.set_leverage(&key, 5, MarginMode::Isolated).await.unwrap_err(),
            ];
            for error in errors {
                holds_no_key(&format!("{error:?} {error}"));
            }
        }
        let mut pushes = adapter.stream(vec![]);
        let Some(push @ Push::Disconnected { .. }) = pushes.recv().await else {
            panic!("a stream without an exchange")
        };
        holds_no_key(&format!("{push:?} {:?}", adapter.stream_health()));
    });
}

#[test]
fn an_item_of_a_cancel_that_repeats_the_key_is_blotted_out() {
    paused(async {
        let stub = Stub::paused();
        let data = format!(r#"{{"success":true,"code":0,"data":[{{"orderId":7,"errorCode":9,"errorMsg":"{KEY}"}}]}}"#);
        stub.says("/api/v1/private/order/cancel", &data);
        let outcomes = stub.adapter().await.cancel(&[cancel(1, Some("7"))]).await.unwrap();
        holds_no_key(&format!("{outcomes:?}"));
    });
}
