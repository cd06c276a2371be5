//! One signal becomes one order, its fill a position, and a replay agrees.

use perpdeck::engine::Request;
use perpdeck::model::{CloseCause, Event, OrderState, Phase, Side, VenueOrderState};

use crate::harness::*;

#[test]
fn one_signal_becomes_one_order_and_its_fill_a_position() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    assert_eq!(bench.placed().len(), 1);
    assert_eq!(bench.state_of(no), OrderState::Submitting);
    bench.accept(no);
    assert_eq!(bench.state_of(no), OrderState::Submitted);
    bench.push_order(no, VenueOrderState::Filled, "100", 2);
    bench.fill(no, "100", "50010");
    assert_eq!(bench.state_of(no), OrderState::Filled);
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!(position.quantity.0, d("0.01"));
    assert_eq!(position.entry_price.unwrap().0, d("50010"));

    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    let (_, _, place) = bench.placed().remove(0);
    assert!(place.intent.reduces());
    bench.accept(exit);
    bench.fill(exit, "100", "50100");
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    let closed = bench.state().positions.closed().next().unwrap();
    assert_eq!(closed.cause, CloseCause::OwnExit);
    assert_eq!(closed.realised.unwrap().0, d("0.9000"));
    bench.check_replay();
}

#[test]
fn nothing_opens_before_the_exchange_has_confirmed_what_is_open() {
    let mut bench = Bench::started_with(|_| {});
    assert_eq!(bench.state().phase, Phase::Starting);
    assert!(bench.asked(|request| matches!(request, Request::Contracts)));
    bench.quote("BTC_USDT", "50000");
    let outcome = bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01");
    assert!(reason(&outcome).contains("starting"), "{outcome:?}");
    assert!(bench.events(|event| matches!(event, Event::OrderCreated { .. })).is_empty());
}
