//! `kill -9` at named points, with the exchange embedded and apart.

use std::path::Path;

use serde_json::{Value, json};

use super::child::{Process, perpdeck};
use super::ledger;

/// Session time over real time: the limits of the exchange are those of session time.
pub(super) const SPEED: &str = "5";

/// One step of the story that every run tells.
struct Step {
    id: &'static str,
    line: Value,
}

fn signal(id: &'static str, kind: &str, symbol: &str, side: &str, quantity: Option<&str>, more: &Value) -> Step {
    let mut fields = json!({"signal_type": kind, "symbol": symbol, "side": side});
    if let Some(quantity) = quantity {
        fields["quantity"] = json!(quantity);
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        fields[key] = value.clone();
    }
    Step { id, line: json!({"id": id, "signal": fields}) }
}

/// Entries that fill, one that rests and is cancelled, a partial and two full exits.
fn story() -> Vec<Step> {
    let none = json!({});
    vec![
        signal("in-btc", "S1", "BTC_USDT", "buy", Some("0.01"), &none),
        signal("in-eth", "S1", "ETH_USDT", "sell", Some("0.2"), &none),
        signal("rest", "S1", "SOL_USDT", "buy", Some("2"), &json!({"price": "90"})),
        signal("part", "ZE1", "BTC_USDT", "long", Some("50%"), &none),
        signal("undo", "O1", "SOL_USDT", "buy", None, &json!({"cancels": "rest"})),
        signal("out-eth", "E1", "ETH_USDT", "short", None, &none),
        Step { id: "quiet", line: json!({"id": "quiet", "command": {"action": "pause"}}) },
        Step { id: "loud", line: json!({"id": "loud", "command": {"action": "resume"}}) },
        signal("out-btc", "E1", "BTC_USDT", "long", None, &none),
    ]
}

/// Twenty small orders that always fit the limits: every other one fills at once, the others rest.
pub(super) fn burst(process: &mut Process, about: &str) {
    let accepted: Vec<String> = (0..20).map(|n| entered(process, n, about)).collect();
    // All of them have reached the exchange, so that what follows finds them there.
    for id in accepted {
        let arrived = |line: &Value| {
            line["signal_id"] == id.as_str()
                && (line["event"] == "order_filled" || line["step"] == "accepted" || line["event"] == "order_failed")
        };
        if !process.said.iter().any(arrived) {
            assert!(process.until(arrived).is_some(), "{about}: {id}");
        }
    }
}

/// An entry of the burst under its id. One that is to wait, for an exit, for what is not proven yet or for
/// a disk that others keep busy, comes again when something happened.
fn entered(process: &mut Process, n: u32, about: &str) -> String {
    for time in 0.. {
        let id = format!("burst-{n}-{time}");
        let price = (n % 2 == 1).then_some("90");
        let signal =
            json!({"signal_type": "S1", "symbol": "SOL_USDT", "side": "buy", "quantity": "0.1", "price": price});
        assert!(process.tell(&json!({"id": id, "signal": signal}).to_string()), "{about}");
        let answer = process.answer(&id).unwrap_or_else(|| panic!("{about}: {id} is answered"));
        if answer["result"] == "accepted" {
            return id;
        }
        let reasons = ["no new entry until", "the disk is too slow"];
        let waits = answer["reason"].as_str().is_some_and(|why| reasons.iter().any(|reason| why.contains(reason)));
        assert!(waits && time < 500, "{about}: {answer}");
        assert!(process.until(|line| line["event"] != "answer").is_some(), "{about}: it lives");
    }
    unreachable!("it is accepted, or the assertion fails")
}

fn start(data_dir: &Path, apart: Option<&str>, kill_at: Option<&str>) -> Process {
    let dir = data_dir.display().to_string();
    let mut arguments = vec!["run", "--headless", "--data-dir", &dir, "--speed", SPEED];
    if let Some(url) = apart {
        arguments.extend(["--exchange-url", url]);
    }
    let mut command = perpdeck(&arguments, data_dir);
    // Faster than real time, but no order may fail because the machine is slow.
    command.env("PERPDECK_RISK_MAX_PRICE_AGE", "10m").env("PERPDECK_ORDERS_SIGNAL_MAX_AGE", "10m");
    if apart.is_some() {
        command.env("PERPDECK_API_KEY", "key").env("PERPDECK_API_SECRET", "secret");
    }
    if let Some(kill_at) = kill_at {
        command.env("PERPDECK_TEST_KILL_AT", kill_at);
    }
    Process::start(command)
}

/// Tells the story; false when the process died on the way.
fn tell(process: &mut Process) -> bool {
    for step in story() {
        if !process.tell(&step.line.to_string()) || process.answer(step.id).is_none() {
            return false;
        }
        // The next step is about what this one did.
        let waits_for_end = matches!(step.id, "in-btc" | "in-eth" | "rest" | "part" | "undo" | "out-eth" | "out-btc");
        let accepted = process.said.last().is_some_and(|answer| answer["result"] == "accepted");
        if waits_for_end && accepted {
            let answer = process.said.last().unwrap().clone();
            // An exit has no order yet; it goes on until one is filled.
            let ends = |line: &Value| match line["event"].as_str().unwrap_or_default() {
                "order_filled" => line["order_id"] == answer["order_id"] || line["signal_id"] == step.id,
                // What rests is at the exchange before it is taken back there.
                "order_updated" if step.id == "rest" => line["signal_id"] == "rest" && line["step"] == "accepted",
                "order_failed" | "order_cancelled" => line["order_id"] == answer["order_id"],
                _ => false,
            };
            let ended = process.said.iter().any(ends);
            if !ended && process.until(ends).is_none() {
                return false;
            }
        }
    }
    true
}

/// Kills at a point, starts again, tells the story again under the same ids, and compares.
fn killed_at(point: &str, apart: bool) {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("session");
    let exchange = apart.then(|| {
        let arguments = ["sim", "--api-key", "key", "--api-secret", "secret", "--speed", SPEED];
        let mut exchange = Process::start(perpdeck(&arguments, data.path()));
        let url = exchange.event("ready").expect("the simulator starts")["rest"].as_str().unwrap().to_owned();
        (exchange, url)
    });
    let url = exchange.as_ref().map(|(_, url)| url.as_str());

    let mut first = start(&dir, url, Some(point));
    if first.event("ready").is_some() && tell(&mut first) {
        first.signal("-TERM");
    }
    let (status, errors) = first.end();
    assert!(status.code().is_none(), "{point} was never reached: {status:?} {errors:?}");

    let mut second = start(&dir, url, None);
    let ready = second.event("ready").unwrap_or_else(|| panic!("{point}: it starts again"));
    // Who got no answer sends again under the same id; here everybody does.
    for step in story() {
        assert!(second.tell(&step.line.to_string()), "{point}");
        assert!(second.answer(step.id).is_some(), "{point}: {} is answered", step.id);
    }
    burst(&mut second, point);
    // Flatten ends when the exchange itself confirms that nothing is left.
    assert!(second.tell(r#"{"id":"end","command":{"action":"flatten"}}"#));
    let end = second.settled("end").unwrap_or_else(|| panic!("{point}: flatten is answered"));
    assert_eq!(end["result"], "done", "{point}: {end}");
    let books = ledger::fetch(ready["exchange"].as_str().unwrap());
    second.signal("-TERM");
    let (status, errors) = second.end();
    assert_eq!(status.code(), Some(0), "{point}: {errors:?}");
    ledger::agree(&books, &dir, point);
    assert_eq!(books["positions"].as_array().unwrap().len(), 0, "{point}: flat");
}

macro_rules! killed {
    ($($name:ident: $point:literal;)*) => {
        mod embedded {
            $(#[test] fn $name() { super::killed_at($point, false); })*
        }
        mod apart {
            $(#[test] fn $name() { super::killed_at($point, true); })*
        }
        #[test]
        fn i33_every_point_that_the_program_names_is_tried() {
            let tried: std::collections::BTreeSet<&str> =
                [$($point),*].iter().map(|point| point.split(':').next().unwrap()).collect();
            let named: std::collections::BTreeSet<&str> = perpdeck::runtime::KILL_POINTS.iter().copied().collect();
            assert_eq!(tried, named);
            assert!(named.len() >= 20);
        }
    };
}

killed! {
    after_recovery: "after-recovery:1";
    before_the_first_signal: "before-signal:1";
    before_a_later_signal: "before-signal:4";
    after_an_entry_signal: "after-signal:1";
    after_an_exit_signal: "after-signal:4";
    before_a_command: "before-command:1";
    before_journal_append: "before-journal-append:6";
    before_journal_write: "before-journal-write:6";
    after_journal_write: "after-journal-write:6";
    after_journal_sync: "after-journal-sync:1";
    before_publish: "before-publish:7";
    after_publish: "after-publish:7";
    before_an_entry_is_sent: "before-entry-sent:1";
    before_a_later_entry_is_sent: "before-entry-sent:3";
    before_an_exit_is_sent: "before-exit-sent:1";
    before_a_cancel_is_sent: "before-cancel-sent:1";
    after_the_reply_to_an_entry: "after-entry-reply:1";
    after_the_reply_to_an_exit: "after-exit-reply:1";
    after_the_reply_to_a_cancel: "after-cancel-reply:1";
    before_a_reply_is_taken: "before-reply:7";
    after_a_reply_was_taken: "after-reply:7";
    before_an_order_push: "before-order-push:1";
    before_a_fill_push: "before-fill-push:1";
    before_a_later_fill_push: "before-fill-push:3";
    after_a_fill_push: "after-fill-push:2";
    before_a_position_push: "before-position-push:1";
    before_a_snapshot: "before-snapshot:1";
    after_a_snapshot: "after-snapshot:1";
    before_the_projections: "before-projection:8";
    after_the_projections: "after-projection:8";
}
