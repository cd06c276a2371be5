//! Cancels: wanted, sent, repeated until the end is proven; the time-out.

use perpdeck::engine::Reply;
use perpdeck::model::{
    Action, AlertKind, CancelOutcome, Contracts, OrderState, Purpose, Push, Severity, Side, SignalOutcome,
    VenueOrderState,
};

use crate::answers::*;
use crate::harness::*;

#[test]
fn om19_an_unfilled_entry_is_cancelled_after_sixty_seconds() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    assert!(cancels(&bench.pass_quoted(secs(59))).is_empty());
    let asked = cancels(&bench.pass_quoted(secs(2)));
    assert_eq!(asked[0].no, no);
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert_eq!(bench.order(no).note.as_deref(), Some("time-out"));
    assert!(!bench.has_alert(AlertKind::OrderRejected), "an entry that did not fill is no alarm");
}

#[test]
fn limit_exits_are_protection_and_stay() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = bench.resting_exit("ze1", "BTC_USDT", "sell", "50%", "51000");
    assert!(cancels(&bench.pass_quoted(secs(300))).is_empty());
    assert_eq!(bench.state_of(no), OrderState::Submitted);
}

#[test]
fn a35_a_market_exit_that_hangs_is_cancelled_and_goes_out_again() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(no);
    let asked = cancels(&bench.pass_quoted(secs(61)));
    assert_eq!(asked[0].no, no);
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    let again = placed(&bench.pass_quoted(secs(1)));
    assert_eq!(again[0].2.contracts, Contracts(d("100")), "the position is still open, and flat is still wanted");
}

#[test]
fn a35_a_cancel_that_fails_is_repeated_until_the_end_is_proven() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.pass_quoted(secs(61));
    let mut sent = 1;
    for _ in 0..5 {
        bench.reply(Reply::Cancelled { orders: vec![no], result: Err(reply_lost()) });
        assert_eq!(bench.state_of(no), OrderState::PendingCancel);
        sent += cancels(&bench.pass_quoted(secs(11))).len();
    }
    assert!(sent >= 6, "sent {sent} times");
    let alert = &bench.alerts(AlertKind::CancelUnconfirmed)[0];
    assert_eq!(alert.severity, Severity::Critical);
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    assert!(cancels(&bench.pass_quoted(secs(30))).is_empty());
}

#[test]
fn a35_the_race_of_time_out_and_fill_ends_as_filled() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.pass_quoted(secs(61));
    assert_eq!(bench.state_of(no), OrderState::PendingCancel);
    bench.answer_cancel(no, CancelOutcome::NotCancellable);
    assert_eq!(lookups(&bench.requests), 1, "why not? it is asked");
    let report = bench.report(no, VenueOrderState::Filled, "100", 2);
    bench.looked_up(no, Some(report));
    assert!(bench.order(no).is_working(), "its fill is awaited");
    bench.fill(no, "100", "49900");
    assert_eq!(bench.state_of(no), OrderState::Filled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("100")));
    assert!(cancels(&bench.pass_quoted(secs(20))).is_empty());
}

#[test]
fn b3_a_time_out_is_told_like_any_other_end() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
    bench.pass_quoted(secs(61));
    bench.answer_cancel(no, CancelOutcome::Accepted);
    let report = bench.report(no, VenueOrderState::Cancelled, "0", 2);
    bench.looked_up(no, Some(report));
    let told =
        bench.events(|event| matches!(event, perpdeck::model::Event::OrderCancelled { no: told, .. } if *told == no));
    assert_eq!(told.len(), 1);
}

#[test]
fn a_set_is_one_request_and_all_is_every_working_order() {
    let mut bench = Bench::ready();
    let first = bench.resting("s1", "BTC_USDT", "buy", "0.001", "49000");
    let second = bench.resting("s2", "ETH_USDT", "buy", "0.01", "1900");
    let third = bench.resting("s3", "BTC_USDT", "buy", "0.001", "49000");
    bench.command("set", Action::Cancel { orders: vec![first, second] });
    assert_eq!(bench.requests.len(), 1);
    assert_eq!(bench.cancelled().iter().map(|cancel| cancel.no).collect::<Vec<_>>(), [first, second]);
    bench.command("btc", Action::CancelAll { symbol: Some(symbol("BTC_USDT")) });
    assert_eq!(
        bench.cancelled().iter().map(|cancel| cancel.no).collect::<Vec<_>>(),
        [third],
        "the others are out already"
    );
    bench.command("all", Action::CancelAll { symbol: None });
    for no in [first, second, third] {
        assert!(!bench.command_status("all").is_final());
        bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    }
    for id in ["set", "btc", "all"] {
        assert!(matches!(bench.command_status(id), perpdeck::model::CommandStatus::Done { .. }), "{id}");
    }
}

#[test]
fn a_cancel_while_the_order_is_on_its_way_follows_the_answer() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.command("c1", Action::Cancel { orders: vec![no] });
    assert!(bench.cancelled().is_empty(), "there is nothing to cancel yet");
    bench.accept(no);
    assert_eq!(bench.cancelled().len(), 1);
    let refused = bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.command("c2", Action::Cancel { orders: vec![refused] });
    bench.refuse(refused, not_sent());
    assert_eq!(bench.state_of(refused), OrderState::Cancelled, "not tried again");
    assert!(placed(&bench.pass_quoted(secs(5))).is_empty());
}

#[test]
fn a_cancel_between_two_attempts_ends_it_here() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.refuse(no, not_sent());
    let record = bench.command("c1", Action::Cancel { orders: vec![no] });
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert!(matches!(record.status, perpdeck::model::CommandStatus::Done { .. }));
    assert!(bench.requests.is_empty());
}

#[test]
fn a_fill_during_the_cancel_counts() {
    let mut bench = Bench::ready();
    let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49900");
    bench.command("c1", Action::Cancel { orders: vec![no] });
    bench.fill(no, "30", "49900");
    assert_eq!(bench.state_of(no), OrderState::PendingCancel);
    bench.fill(no, "70", "49900");
    assert_eq!(bench.state_of(no), OrderState::Filled);
    let perpdeck::model::CommandStatus::Done { note } = bench.command_status("c1") else { panic!() };
    assert!(note.contains("1 filled first"), "{note}");
}

#[test]
fn a_full_exit_takes_back_what_resting_exits_hold() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting_exit("ze1", "BTC_USDT", "sell", "40%", "51000");
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("60")), "what is free goes at once");
    assert_eq!(bench.cancelled()[0].no, resting);
    bench.accept(exit);
    bench.fill(exit, "60", "50000");
    bench.push_order(resting, VenueOrderState::Cancelled, "0", 2);
    let (last, _, place) = bench.placed().remove(0);
    assert_eq!(place.contracts, Contracts(d("40")));
    assert_eq!(bench.order(last).purpose, Purpose::FullExit);
    bench.accept(last);
    bench.fill(last, "40", "50000");
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
}

#[test]
fn a_full_exit_works_when_resting_exits_hold_everything() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting_exit("ze1", "BTC_USDT", "sell", "100%", "51000");
    assert_eq!(bench.signal("e1", "E1", "BTC_USDT", "sell", ""), SignalOutcome::Cancelling { order: resting });
    assert_eq!(bench.cancelled().len(), 1);
    bench.asked_so_far.clear();
    bench.push_order(resting, VenueOrderState::Cancelled, "25", 2);
    bench.fill(resting, "25", "51000");
    let report = bench.report(resting, VenueOrderState::Cancelled, "25", 2);
    bench.push(Push::Order(report));
    let sent = placed(&bench.asked_so_far);
    assert_eq!(sent.len(), 1, "at once, by the exchange's count, and not again when the fill comes");
    assert_eq!(sent[0].2.contracts, Contracts(d("75")));
}

#[test]
fn a_full_exit_after_an_operators_cancel_still_closes_all() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting_exit("ze1", "BTC_USDT", "sell", "100%", "51000");
    bench.command("c1", Action::Cancel { orders: vec![resting] });
    bench.signal("e1", "EMERGENCY_EXIT", "BTC_USDT", "sell", "");
    bench.push_order(resting, VenueOrderState::Cancelled, "0", 2);
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("100")));
}

#[test]
fn a_full_exit_closes_what_a_resting_exit_that_never_arrived_held() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let resting = bench.resting_exit_lost();
    bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    // Pending between two attempts: it ends here, and the exit takes all in the same step.
    assert_eq!(bench.state_of(resting), OrderState::Cancelled);
    let total: Contracts = bench.placed().iter().map(|(_, _, place)| place.contracts).sum();
    assert_eq!(total, Contracts(d("100")));
}

#[test]
fn two_closes_at_once_never_close_twice() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    assert_eq!(bench.placed().len(), 1);
    let second = bench.signal("e2", "E1", "BTC_USDT", "sell", "");
    assert!(reason(&second).contains("being closed already"));
    assert!(bench.placed().is_empty());
    bench.command("f1", Action::Flatten);
    bench.pass_quoted(secs(1));
    let closing: Contracts =
        bench.state().orders.working().filter(|order| order.reduces()).map(|order| order.contracts).sum();
    assert_eq!(closing, Contracts(d("100")));
}

#[test]
fn f2_what_the_exchange_cuts_off_a_full_exit_goes_out_again_at_once() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let no = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(no);
    bench.fill(no, "40", "50000");
    bench.push_order(no, VenueOrderState::Cancelled, "40", 3);
    assert_eq!(bench.state_of(no), OrderState::Cancelled);
    assert_eq!(bench.placed()[0].2.contracts, Contracts(d("60")), "what is left is closed");
    let rest = bench.placed()[0].0;
    bench.accept(rest);
    bench.fill(rest, "60", "50000");
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    assert!(bench.state().targets.is_empty() && bench.alerts(AlertKind::OrderRejected).is_empty());
}

impl Bench {
    /// A limit exit of everything whose first attempt the transport refused.
    fn resting_exit_lost(&mut self) -> perpdeck::model::OrderNo {
        let signal =
            perpdeck::model::RawSignal { price: Some("51000".into()), ..raw("ze1", "ZE1", "BTC_USDT", "sell", "100%") };
        self.signal_raw(signal);
        let no = ordered(self.outcome("ze1"));
        self.refuse(no, not_sent());
        assert_eq!(self.state_of(no), OrderState::Pending);
        no
    }
}

#[test]
fn a_cancel_that_is_said_to_be_done_while_the_order_works_on_is_told() {
    for outcome in [CancelOutcome::Accepted, CancelOutcome::NotCancellable, CancelOutcome::NotFound] {
        let mut bench = Bench::ready();
        let no = bench.resting("s1", "BTC_USDT", "buy", "0.01", "49000");
        let works = bench.report(no, VenueOrderState::Resting, "0", 1);
        bench.command("c1", Action::CancelAll { symbol: None });
        for _ in 0..600 {
            if !cancels(&std::mem::take(&mut bench.requests)).is_empty() {
                bench.answer_cancel(no, outcome.clone());
            }
            bench.looked_up(no, Some(works.clone()));
            bench.pass_quoted(std::time::Duration::from_millis(100));
        }
        assert_eq!(bench.state_of(no), OrderState::PendingCancel);
        let alerts = bench.alerts(AlertKind::CancelUnconfirmed);
        assert_eq!(alerts.first().map(|alert| alert.severity), Some(Severity::Critical), "{outcome:?}");
        assert!(alerts[0].message.contains("has not ended"), "{}", alerts[0].message);
    }
}
