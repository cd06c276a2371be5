//! The position mode of the account is switched elsewhere: whatever is refused for it, or a push, has it asked for.

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    CallError, Category, ErrorClass, PositionMode, Push, RawSignal, Refusal, SignalOutcome, VenueOrderState,
};

use crate::harness::*;

fn mismatch(refusal: Refusal) -> CallError {
    CallError { refusal, code: Some(7002), ..error(ErrorClass::Fatal, false, "position mode mismatch") }
}

/// Whether the mode is asked for within a moment.
fn is_asked(bench: &mut Bench) -> bool {
    let asked = |request: &Request| matches!(request, Request::PositionMode);
    bench.requests.iter().any(asked) || bench.pass_quoted(Duration::from_millis(200)).iter().any(asked)
}

#[test]
fn an_entry_and_a_priced_exit_that_are_refused_for_it_have_the_mode_asked_for_and_the_next_carry_it() {
    for refusal in [Refusal::PositionMode, Refusal::PositionMismatch] {
        for exit in [false, true] {
            let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("100"));
            bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
            bench.pass_quoted(secs(1));
            let order = |bench: &mut Bench, id: &str| {
                let kind = if exit {
                    raw(id, "ZE1", "BTC_USDT", "sell", "60%")
                } else {
                    raw(id, "S1", "ETH_USDT", "buy", "0.1")
                };
                let price = if exit { "51000" } else { "1990" };
                bench.signal_raw(RawSignal { price: Some(price.to_owned()), ..kind });
                ordered(bench.outcome(id))
            };
            let no = order(&mut bench, "s1");
            bench.refuse(no, mismatch(refusal));
            assert!(is_asked(&mut bench), "{refusal:?} exit {exit}");
            bench.reply(Reply::PositionMode { result: Ok(PositionMode::OneWay) });
            let mut sent = bench.pass_quoted(secs(2));
            // What was made before the answer names the old mode still, and is refused once more.
            if let Some((no, ..)) = placed(&sent).last().filter(|(.., sent)| sent.position_mode == PositionMode::Hedge)
            {
                bench.refuse(*no, mismatch(refusal));
                sent = bench.pass_quoted(secs(3));
            }
            let placed = if exit {
                placed(&sent)
            } else {
                let _ = order(&mut bench, "s2");
                bench.placed()
            };
            let (.., sent) = placed.last().unwrap();
            assert_eq!(sent.position_mode, PositionMode::OneWay, "{refusal:?} exit {exit}");
        }
    }
}

#[test]
fn an_order_that_the_exchange_ends_for_its_mode_and_a_push_have_it_asked_for() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "ETH_USDT", "buy", "0.1");
    bench.accept(no);
    let report = bench.report(no, VenueOrderState::Invalid, "0", 2);
    let refusal = Refusal::PositionMode;
    bench.push(Push::Order(perpdeck::model::OrderReport {
        error_code: 9,
        refusal,
        category: Category::Normal,
        ..report
    }));
    assert!(is_asked(&mut bench));
    bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
    assert!(!is_asked(&mut bench), "once");
    bench.push(Push::Mode(PositionMode::OneWay));
    assert!(is_asked(&mut bench));
    bench.reply(Reply::PositionMode { result: Ok(PositionMode::OneWay) });
    assert_eq!(bench.state().position_mode, Some(PositionMode::OneWay));
    assert!(!matches!(bench.signal("s2", "S1", "SOL_USDT", "buy", "1"), SignalOutcome::Rejected { .. }));
    bench.check_replay();
}
