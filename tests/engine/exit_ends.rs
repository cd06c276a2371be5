//! Exits go on when the exchange has ended their order, when another's order holds a part of the
//! position, and when the reasons of refusals alternate.

use std::time::Duration;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Action, AlertKind, CallError, CommandStatus, Contracts, ErrorClass, OrderNo, OrderType, PositionReport, Price,
    Push, Refusal, Severity, Side, Usdt, VenueOrderState,
};

use crate::harness::*;

fn refused_as(class: ErrorClass, refusal: Refusal) -> CallError {
    CallError { class, counts: false, code: Some(1), refusal, message: format!("refused: {refusal:?}") }
}

fn held(bench: &Bench) -> Option<Contracts> {
    bench.position("BTC_USDT", Side::Long).map(|position| position.contracts)
}

/// Long 100 contracts, and the exchange has said so.
fn long() -> Bench {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("100"));
    bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
    forget_placed(&mut bench);
    let report = told(&bench, "100", None, 1);
    bench.push(Push::Position(report));
    bench.pass_quoted(secs(1));
    bench
}

/// What was placed so far is of no interest; other questions wait for their answers.
fn forget_placed(bench: &mut Bench) {
    bench.asked_so_far.retain(|request| !matches!(request, Request::Place { .. }));
}

fn told(bench: &Bench, contracts: &str, frozen: Option<&str>, version: u64) -> PositionReport {
    let report = bench.position_report("BTC_USDT", Side::Long, contracts, "50000", "34000", "166");
    PositionReport { frozen: frozen.map(|frozen| Contracts(d(frozen))), version, ..report }
}

/// Answers positions by this report for a while; the deals endpoint fails, look-ups tell `order`.
fn serve(
    bench: &mut Bench,
    time: Duration,
    positions: &[PositionReport],
    order: Option<(OrderNo, VenueOrderState, &str)>,
) -> Vec<Request> {
    let end = bench.now.plus(time);
    let mut all = Vec::new();
    while bench.now < end {
        bench.pass_quoted(Duration::from_millis(100));
        let mut asked = std::mem::take(&mut bench.asked_so_far);
        while let Some(request) = asked.pop() {
            let asked_at = bench.now;
            let failed = || error(ErrorClass::Retryable, false, "the deals cannot be read");
            match &request {
                Request::Positions => {
                    let account = account_of("10000");
                    let account = Ok(vec![account].into());
                    bench.reply(Reply::Positions { asked_at, result: Ok(positions.to_vec().into()), account });
                }
                Request::FillsSince { .. } => bench.fills_told(Err(failed())),
                Request::OrderFills { no, .. } => bench.reply(Reply::OrderFills { no: *no, result: Err(failed()) }),
                Request::OpenOrders => bench.reply(Reply::OpenOrders { asked_at, result: Ok(Vec::new().into()) }),
                Request::Lookup { no, .. } => {
                    let report = order.filter(|(known, ..)| known == no);
                    let report = report.map(|(no, state, filled)| bench.report(no, state, filled, 3));
                    bench.reply(Reply::LookedUp { no: *no, asked_at, result: Ok(report) });
                }
                Request::Cancel { orders } => {
                    let asked: Vec<OrderNo> = orders.iter().map(|order| order.no).collect();
                    let result = asked.iter().map(|no| (*no, perpdeck::model::CancelOutcome::NotCancellable)).collect();
                    bench.reply(Reply::Cancelled { orders: asked, result: Ok(result) });
                }
                _ => {
                    all.push(request);
                    continue;
                }
            }
            asked.append(&mut bench.asked_so_far);
            all.push(request);
        }
    }
    all
}

/// The same with nothing held, while no look-up is answered.
fn serve_but_look_ups(bench: &mut Bench, time: Duration) {
    let end = bench.now.plus(time);
    while bench.now < end {
        bench.pass_quoted(Duration::from_millis(100));
        for request in std::mem::take(&mut bench.asked_so_far) {
            match request {
                Request::Positions => bench.sync(Vec::new()),
                Request::FillsSince { .. } => bench.fills_told(Ok(Vec::new().into())),
                _ => {}
            }
        }
    }
}

fn sizes(requests: &[Request]) -> Vec<String> {
    placed(requests).iter().map(|(_, _, place)| place.contracts.to_string()).collect()
}

// --- the exchange has ended the order, and its fills never come

#[test]
fn an_exit_that_ended_in_part_and_whose_fills_never_come_is_settled_at_the_deadline_and_goes_on() {
    let mut bench = long();
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.accept(no);
    forget_placed(&mut bench);
    bench.push_order(no, VenueOrderState::Cancelled, "60", 3);
    let forty = told(&bench, "40", None, 2);
    bench.push(Push::Position(forty.clone()));
    // What is not known to be closed is closed at once: 40 are left, by the exchange's count.
    let early = serve(&mut bench, secs(5), std::slice::from_ref(&forty), Some((no, VenueOrderState::Cancelled, "60")));
    assert_eq!(sizes(&early), ["40"], "not what the exchange counts as closed");
    let second = placed(&early)[0].0;
    bench.accept(second);
    bench.push_order(second, VenueOrderState::Cancelled, "10", 3);
    let thirty = told(&bench, "30", None, 3);
    bench.push(Push::Position(thirty.clone()));
    serve(&mut bench, secs(40), std::slice::from_ref(&thirty), None);
    assert!(!bench.order(no).is_working(), "{:?}", bench.order(no));
    assert!(bench.order(no).note.as_ref().unwrap().contains("60 of 100"), "{:?}", bench.order(no).note);
    assert!(!bench.order(second).is_working(), "{:?}", bench.order(second));
    assert_eq!(held(&bench), Some(Contracts(d("30"))));
    let stuck = bench.alerts(AlertKind::ReconciliationStuck);
    assert!(stuck.iter().all(|alert| alert.severity == Severity::Critical), "{stuck:?}");
    assert!(stuck.iter().any(|alert| alert.message.contains("are not known")), "{stuck:?}");
    // And the late fills count once: what they cost, not their size.
    let fill = bench.fill_of(no, "60", "50100");
    let fill =
        perpdeck::model::FillReport { at: venue(bench.now.minus(secs(40))), profit: Some(Usdt(d("0.6"))), ..fill };
    let day = bench.state().equity.day_realised;
    bench.push(Push::Fill(fill.clone()));
    bench.push(Push::Fill(fill));
    assert_eq!(held(&bench), Some(Contracts(d("30"))), "no doubled quantity");
    assert_eq!(bench.state().equity.day_realised - day, Usdt(d("0.59")));
    assert_eq!(bench.order(no).filled_contracts, Contracts(d("60")));
    bench.check_replay();
}

#[test]
fn an_exit_that_filled_whole_and_whose_fills_never_come_ends_with_its_position() {
    let mut bench = long();
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.accept(no);
    forget_placed(&mut bench);
    bench.push_order(no, VenueOrderState::Filled, "100", 3);
    let asked = serve(&mut bench, secs(60), &[], Some((no, VenueOrderState::Filled, "100")));
    assert!(placed(&asked).is_empty(), "nothing is left to close: {:?}", sizes(&asked));
    assert_eq!(held(&bench), None);
    assert!(bench.state().targets.is_empty());
    assert_eq!(bench.state_of(no), perpdeck::model::OrderState::Filled);
    assert!(cancels(&asked).is_empty(), "what has ended is not cancelled");
    bench.check_replay();
}

#[test]
fn a_partial_exit_whose_fills_never_come_reduces_once() {
    let mut bench = long();
    let no = ordered(bench.signal("part", "ZE1", "BTC_USDT", "sell", "40%"));
    bench.accept(no);
    forget_placed(&mut bench);
    bench.push_order(no, VenueOrderState::Filled, "40", 3);
    let sixty = told(&bench, "60", None, 2);
    bench.push(Push::Position(sixty.clone()));
    let asked = serve(&mut bench, secs(60), &[sixty], Some((no, VenueOrderState::Filled, "40")));
    assert!(placed(&asked).is_empty(), "{:?}", sizes(&asked));
    assert_eq!(held(&bench), Some(Contracts(d("60"))));
    assert!(bench.state().targets.is_empty(), "{:?}", bench.state().targets);
}

#[test]
fn a_flatten_whose_last_order_lacks_its_fills_ends_and_tells_when_it_cannot() {
    let mut bench = long();
    bench.command("f", Action::Flatten);
    let no = placed(&bench.asked_so_far.clone()).last().unwrap().0;
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Filled, "100", 3);
    serve(&mut bench, secs(60), &[], Some((no, VenueOrderState::Filled, "100")));
    let status = bench.command_status("f");
    assert!(
        matches!(status, CommandStatus::Done { .. }),
        "{status:?} {:?} {:?}",
        bench.order(no),
        bench.state().venue_positions
    );
}

#[test]
fn a_flatten_that_waits_for_the_end_of_an_order_says_so() {
    let mut bench = long();
    let exit = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    bench.lose(exit);
    bench.command("f", Action::Flatten);
    let close = perpdeck::model::Intent::close(Side::Long);
    let fill = bench.foreign_fill("BTC_USDT", close, "100", "50000", perpdeck::model::Category::Normal);
    bench.push(Push::Fill(fill));
    serve_but_look_ups(&mut bench, secs(30));
    assert!(!matches!(bench.command_status("f"), CommandStatus::Done { .. }));
    let told = bench.alerts(AlertKind::FlattenIncomplete);
    assert!(told.iter().any(|alert| alert.message.contains("order")), "{told:?}");
}

// --- what another's order holds cannot be closed

#[test]
fn what_another_s_order_holds_is_left_out_and_said() {
    let mut bench = long();
    let report = told(&bench, "100", Some("40"), 2);
    bench.push(Push::Position(report.clone()));
    forget_placed(&mut bench);
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    assert_eq!(bench.order(no).contracts, Contracts(d("60")));
    forget_placed(&mut bench);
    bench.accept(no);
    bench.fill(no, "60", "50000");
    let left = told(&bench, "40", Some("40"), 3);
    bench.push(Push::Position(left.clone()));
    let asked = serve(&mut bench, secs(5), &[left], None);
    assert!(placed(&asked).is_empty(), "{:?}", sizes(&asked));
    let target = bench.state().target(&key("BTC_USDT", Side::Long)).unwrap();
    assert!(
        target
            .waits_for
            .as_ref()
            .unwrap_or_else(|| panic!("{target:?} {:?}", bench.order(no)))
            .contains("40 contracts"),
        "{target:?}"
    );
    // The other's order goes: the rest follows at once.
    let free = told(&bench, "40", Some("0"), 4);
    bench.push(Push::Position(free));
    assert_eq!(sizes(&bench.requests), ["40"]);
}

#[test]
fn what_our_own_resting_exits_hold_is_not_another_s() {
    let mut bench = long();
    let rest = bench.resting_exit("tp", "BTC_USDT", "sell", "40%", "60000");
    let report = told(&bench, "100", Some("40"), 2);
    bench.push(Push::Position(report));
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    assert_eq!(sizes(&bench.asked_so_far).last().map(String::as_str), Some("60"));
    let before = bench.asked_so_far.len();
    bench.push_order(rest, VenueOrderState::Cancelled, "0", 4);
    assert_eq!(sizes(&bench.asked_so_far[before..]), ["40"], "the old word on what is frozen holds nothing up");
}

#[test]
fn a_closable_quantity_that_is_too_small_is_found_by_halves() {
    let mut bench = long();
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    let mut left = d("60");
    let mut sent = 0;
    // 40 are held by somebody else, and no word on positions says so.
    for _ in 0..600 {
        for (no, _, place) in placed(&std::mem::take(&mut bench.asked_so_far)) {
            sent += 1;
            if place.contracts.0 > left {
                bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::ClosableTooSmall));
            } else {
                left -= place.contracts.0;
                bench.accept(no);
                bench.fill(no, &place.contracts.to_string(), "50000");
            }
        }
        bench.pass_quoted(Duration::from_millis(100));
    }
    assert_eq!(left, d("0"), "all that can be closed is closed");
    assert!(sent <= 60, "{sent} orders in a minute");
}

#[test]
fn halves_that_were_tried_are_made_good_within_one_window_of_the_exchange_s_limit() {
    let mut bench = long();
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    let refused_until = bench.now.plus(secs(20));
    let mut taken = Vec::new();
    while bench.position("BTC_USDT", Side::Long).is_some() && bench.now < refused_until.plus(secs(30)) {
        for (no, _, place) in placed(&std::mem::take(&mut bench.asked_so_far)) {
            if bench.now < refused_until {
                bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::ClosableTooSmall));
            } else {
                taken.push(place.contracts.to_string());
                bench.accept(no);
                bench.fill(no, &place.contracts.to_string(), "50000");
            }
        }
        bench.pass_quoted(Duration::from_millis(100));
    }
    assert_eq!(taken, ["1", "16", "83"], "all of it was free, after all");
}

// --- the reasons alternate

#[test]
fn reasons_that_alternate_back_off_and_are_told_like_one() {
    let pairs = [
        (Refusal::TooFrequent, Refusal::Edge),
        (Refusal::ClosableTooSmall, Refusal::PositionGone),
        (Refusal::BeyondLiquidation, Refusal::PriceBand),
        (Refusal::PositionMode, Refusal::PositionMismatch),
    ];
    for (one, other) in pairs {
        let mut bench = long();
        forget_placed(&mut bench);
        bench.signal("out", "E1", "BTC_USDT", "sell", "");
        let mut sent = 0;
        for _ in 0..200 {
            for (no, ..) in placed(&std::mem::take(&mut bench.asked_so_far)) {
                sent += 1;
                bench.refuse(no, refused_as(ErrorClass::Fatal, if sent % 2 == 0 { one } else { other }));
            }
            bench.pass_quoted(Duration::from_millis(100));
        }
        assert!((8..=20).contains(&sent), "{one:?} {other:?}: {sent} orders in 20 s");
        let alert = &bench.alerts(AlertKind::ExitRefused)[0];
        assert!(alert.severity == Severity::Critical && alert.is_active(), "{alert:?}");
    }
}

#[test]
fn near_liquidation_it_stays_with_limits_until_the_distance_allows_a_market_order() {
    let mut bench = long();
    let near = |bench: &Bench, version| PositionReport {
        version,
        ..bench.position_report("BTC_USDT", Side::Long, "100", "50000", "49500", "10")
    };
    let report = near(&bench, 2);
    bench.push(Push::Position(report));
    let no = ordered(bench.signal("out", "E1", "BTC_USDT", "sell", ""));
    forget_placed(&mut bench);
    bench.refuse(no, refused_as(ErrorClass::Fatal, Refusal::BeyondLiquidation));
    let mut kinds = Vec::new();
    for _ in 0..200 {
        for (no, _, place) in placed(&std::mem::take(&mut bench.asked_so_far)) {
            kinds.push(place.order_type);
            bench.accept(no);
            let mut report = bench.report(no, VenueOrderState::Cancelled, "0", 3);
            report.refusal = Refusal::RestCancelled;
            bench.push(Push::Order(report));
        }
        bench.pass_quoted(Duration::from_millis(100));
    }
    assert!((8..=20).contains(&kinds.len()), "{} orders in 20 s", kinds.len());
    let inside = OrderType::ImmediateOrCancel(Price(d("49500.1")));
    assert!(kinds.iter().all(|kind| *kind == inside), "{kinds:?}");
    assert!(bench.alerts(AlertKind::ExitRefused)[0].is_active());
    // The price moves: the limit is made anew, and far from liquidation it is a market order again.
    forget_placed(&mut bench);
    for step in 1..=6 {
        bench.quote("BTC_USDT", &(50_000 + 300 * step).to_string());
        bench.pass_quoted(Duration::from_millis(500));
    }
    bench.pass_quoted(secs(3));
    assert_eq!(placed(&bench.asked_so_far).last().unwrap().2.order_type, OrderType::Market);
}
