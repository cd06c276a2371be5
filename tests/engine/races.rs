//! The races of engine.md section 5 that have no other home, each as it goes wrong at an exchange;
//! and defects about what is polled and what an entry carries.

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, CancelOutcome, Category, Contracts, ErrorClass, Event, Intent, MarginMode, OrderState, PositionReport,
    Push, Quote, RiskLimit, Severity, Side, Usdt, VenueOrderState, VenuePositionId,
};

use crate::harness::*;
use crate::position_sync::settle;

fn btc(bench: &Bench, contracts: &str) -> PositionReport {
    bench.position_report("BTC_USDT", Side::Long, contracts, "50000", "33546.4", "166.67")
}

/// The exchange refuses an entry whose leverage is not that of the position (code 2021).
fn other_leverage() -> perpdeck::model::CallError {
    perpdeck::model::CallError {
        code: Some(2021),
        message: "the leverage differs from the position's".to_owned(),
        ..error(ErrorClass::Fatal, false, "")
    }
}

#[test]
fn b27_leverage_and_margin_mode_go_with_every_entry_and_are_the_positions_own() {
    let mut bench = Bench::ready_with(|settings| {
        settings.exchange.leverage = 5;
        settings.exchange.margin_mode = perpdeck::config::MarginMode::Cross;
    });
    bench.enter("s1", "BTC_USDT", "buy", "0.004");
    let placed = bench.placed().remove(0).2;
    assert_eq!((placed.leverage, placed.margin_mode), (5, MarginMode::Cross), "configured, for a new position");
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.004", "50000");
    let report = PositionReport { leverage: Some(8), margin_mode: MarginMode::Isolated, ..btc(&bench, "40") };
    settle(&mut bench, vec![report.clone()]);
    bench.enter("s2", "BTC_USDT", "buy", "0.004");
    assert_eq!(bench.placed()[0].2.leverage, 8, "the exchange takes no other for a position that is there");
    bench.enter("s3", "ETH_USDT", "buy", "0.1");
    assert_eq!(bench.placed()[0].2.leverage, 3, "and no leg learns it from another");
    // Asked for again with each sync, never remembered from the start.
    settle(&mut bench, vec![PositionReport { leverage: Some(2), version: 3, ..report }]);
    bench.pass_quoted(secs(1));
    let no = bench.enter("s4", "BTC_USDT", "buy", "0.004");
    assert_eq!(bench.order(no).leverage, 2);
}

#[test]
fn race_leverage_change_with_a_working_order() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.004", "50000");
    let at_three = btc(&bench, "40");
    settle(&mut bench, vec![at_three.clone()]);
    let resting = bench.resting("s2", "BTC_USDT", "buy", "0.004", "49000");
    let waiting = bench.enter("s3", "BTC_USDT", "buy", "0.002");
    bench.refuse(waiting, not_sent());
    let payload = (bench.order(resting).clone(), bench.order(waiting).clone());
    let margin_before = bench.position("BTC_USDT", Side::Long).unwrap().venue.margin;

    // Somebody sets the leg to 10x: less margin, a nearer liquidation price.
    let at_ten = PositionReport {
        leverage: Some(10),
        margin: Some(Usdt(d("20"))),
        liquidation_price: Some(perpdeck::model::Price(d("45240"))),
        version: 2,
        ..at_three
    };
    bench.push(Push::Position(at_ten));
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!(position.venue.leverage, Some(10), "told at once");
    assert!(position.venue.margin < margin_before);
    // What was decided keeps its payload: one id never means two things (I3).
    assert_eq!(bench.order(resting).leverage, payload.0.leverage);
    let sent = placed(&bench.pass_quoted(secs(2)));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].2.leverage), (waiting, payload.1.leverage));
    bench.refuse(waiting, other_leverage());
    assert_eq!(bench.state_of(waiting), OrderState::Failed, "refused once, not sent again");
    let key = bench.order(resting).position_key();
    assert_eq!(bench.state().orders.reserved(&key), bench.order(resting).remaining(), "its reservation is back");
    assert_eq!(bench.alerts(AlertKind::OrderRejected).len(), 1);
    // The resting one still fills, and still can be cancelled; the next entry goes with the leg.
    bench.fill(resting, "15", "49000");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("55")));
    bench.command("c1", perpdeck::model::Action::Cancel { orders: vec![resting] });
    assert_eq!(bench.cancelled().len(), 1);
    bench.answer_cancel(resting, CancelOutcome::Accepted);
    bench.push_order(resting, VenueOrderState::Cancelled, "15", 3);
    assert_eq!(bench.state_of(resting), OrderState::Cancelled);
    let next = bench.enter("s4", "BTC_USDT", "buy", "0.002");
    assert_eq!(bench.order(next).leverage, 10);
    bench.check_replay();
}

#[test]
fn race_funding_between_snapshot_and_fill() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let version = |report: PositionReport, funding: &str, version: u64| PositionReport {
        funding: Some(Usdt(d(funding))),
        venue_id: VenuePositionId::new("77").unwrap(),
        version,
        ..report
    };
    let before = version(btc(&bench, "100"), "0", 1);
    settle(&mut bench, vec![before.clone()]);
    let realised = bench.state().equity.day_realised.0;
    let exit = ordered(bench.signal("z1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(exit);

    // The question for positions leaves, 2 USDT of funding are paid, the exit fills, and only then
    // the answer from before both comes in.
    let asked_at = bench.now;
    bench.now = bench.now.plus(secs(1));
    bench.push(Push::Position(version(btc(&bench, "100"), "-2", 2)));
    assert_eq!(bench.state().equity.day_realised.0, realised - d("2"));
    bench.fill(exit, "50", "50100");
    let after_fill = bench.state().equity.day_realised.0;
    assert_eq!(after_fill, realised - d("2") + d("0.5") - d("0.01"));
    let account = account_of("10000");
    bench.reply(Reply::Positions { asked_at, result: Ok(vec![before].into()), account: Ok(vec![account].into()) });
    assert_eq!(bench.state().equity.day_realised.0, after_fill, "an old answer gives no funding back");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("50")));
    let now = version(btc(&bench, "50"), "-2", 3);
    settle(&mut bench, vec![now]);
    assert_eq!(bench.state().equity.day_realised.0, after_fill, "and a new one does not take it twice");

    // Paid between the last snapshot and the fill that ends the position: told with its end.
    let out = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(out);
    bench.fill(out, "50", "50100");
    assert!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.is_zero(), "the exchange will push its end");
    let closed = bench.state().equity.day_realised.0;
    let end = version(btc(&bench, "0"), "-3.25", 4);
    bench.push(Push::Position(end.clone()));
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    assert_eq!(bench.state().equity.day_realised.0, closed - d("1.25"));
    bench.push(Push::Position(PositionReport { version: 5, ..end.clone() }));
    assert_eq!(bench.state().equity.day_realised.0, closed - d("1.25"), "once");
    let stranger = PositionReport { venue_id: VenuePositionId::new("78").unwrap(), ..version(end, "-50", 9) };
    bench.push(Push::Position(stranger));
    assert_eq!(bench.state().equity.day_realised.0, closed - d("1.25"), "another opening is not this one");
    assert_eq!(bench.state().positions.closed().next_back().unwrap().funding, Some(Usdt(d("-3.25"))));
    bench.check_replay();
}

#[test]
fn race_close_and_liquidation() {
    for fill_first in [true, false] {
        let mut bench = Bench::ready();
        bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
        let report = btc(&bench, "100");
        settle(&mut bench, vec![report]);
        // Our exit is on its way when the exchange takes the position over.
        let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
        let taken = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "100", "33546.4", Category::Liquidation);
        if fill_first {
            bench.push(Push::Fill(taken.clone()));
            bench.refuse(exit, refusal());
        } else {
            bench.refuse(exit, refusal());
            bench.push(Push::Fill(taken.clone()));
        }
        bench.push(Push::Fill(taken));
        settle(&mut bench, Vec::new());
        bench.pass_quoted(secs(30));
        assert_eq!(bench.alerts(AlertKind::LiquidationDetected).len(), 1, "one, whoever came first: {fill_first}");
        assert_eq!(bench.alerts(AlertKind::LiquidationDetected)[0].severity, Severity::Critical);
        assert_eq!(bench.state().counters.liquidations, 1);
        assert_eq!(bench.state_of(exit), OrderState::Failed, "and our exit is not sent after it");
        assert_eq!(bench.state().positions.open_count(), 0, "nothing was opened the other way round");
        bench.check_replay();
    }
}

#[test]
fn race_signal_redelivery_during_submit() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    for answer in 0..3 {
        bench.signal_raw(raw("s1", "S1", "BTC_USDT", "buy", "0.01"));
        assert!(bench.placed().is_empty(), "delivered again at stage {answer}");
        assert_eq!(ordered(bench.outcome("s1")), no, "and answered as the first time");
        match answer {
            0 => bench.refuse(no, reply_lost()),
            1 => bench.accept(no),
            _ => bench.fill(no, "100", "50000"),
        }
    }
    assert_eq!(bench.state().orders.all(None).count(), 1);
}

#[test]
fn race_day_roll_during_a_check() {
    let mut bench = Bench::ready();
    // A loss of 6 % a moment before midnight (UTC): entries stop.
    bench.open_position("s1", "BTC_USDT", "buy", "0.019", "50000");
    let out = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(out);
    bench.now = midnight(1).minus(secs(1));
    bench.tick();
    bench.requests.clear();
    bench.fill(out, "190", "17000");
    assert!(bench.state().limits.contains_key(&RiskLimit::DailyLoss));
    let fresh = |bench: &mut Bench| {
        let quotes: Vec<Quote> = bench.state().quotes.values().cloned().collect();
        for quote in quotes {
            bench.push(Push::Quote(Quote { at: venue(bench.now), ..quote }));
        }
    };
    fresh(&mut bench);
    assert!(reason(&bench.signal("late", "S1", "ETH_USDT", "buy", "0.1")).contains("risk check failed"));
    // The first thing of the new day is a signal, not a tick: it is judged by the new day.
    bench.now = bench.now.plus(secs(1));
    bench.enter("early", "ETH_USDT", "buy", "0.1");
    assert_eq!(bench.events(|event| matches!(event, Event::DayRolled { .. })).len(), 2, "the start's day and this");
    assert_eq!(bench.state().equity.day_realised, Usdt::ZERO);
    bench.tick();
    assert_eq!(bench.events(|event| matches!(event, Event::DayRolled { .. })).len(), 2, "rolled once");
}

#[test]
fn a5_without_a_single_push_polls_see_fills_and_ends_and_cancels_work() {
    let mut bench = Bench::ready();
    let (filled, ended) = (
        bench.resting("s1", "BTC_USDT", "buy", "0.004", "49000"),
        bench.resting("s2", "ETH_USDT", "buy", "0.1", "1900"),
    );
    // A failing poll is counted and repeated, not swallowed.
    let asked = |bench: &mut Bench| {
        for _ in 0..100 {
            if bench.pass_quoted(secs(1)).iter().any(|request| matches!(request, Request::OpenOrders)) {
                return;
            }
        }
        panic!("no poll within 100 s");
    };
    asked(&mut bench);
    bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Err(not_sent()) });
    assert_eq!(bench.state().breaker(perpdeck::model::CallClass::Reads).failures, 1);
    asked(&mut bench);
    let (one, other) = (
        bench.report(filled, VenueOrderState::Resting, "15", 2),
        bench.report(ended, VenueOrderState::Resting, "0", 2),
    );
    bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Ok(vec![one, other].into()) });
    let fill = bench.fill_of(filled, "15", "49000");
    let asked_for = bench.pass_quoted(secs(3));
    let wants_fills = |request: &Request| matches!(request, Request::OrderFills { no, .. } if *no == filled);
    assert!(asked_for.iter().any(wants_fills), "its deals are fetched: {asked_for:?}");
    bench.reply(Reply::OrderFills { no: filled, result: Ok(vec![fill].into()) });
    assert_eq!(bench.state_of(filled), OrderState::PartiallyFilled);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("15")));
    bench.command("c1", perpdeck::model::Action::Cancel { orders: vec![ended] });
    assert_eq!(bench.cancelled().len(), 1);
    bench.answer_cancel(ended, CancelOutcome::Accepted);
    bench.pass_quoted(secs(1));
    let gone = bench.report(ended, VenueOrderState::Cancelled, "0", 3);
    bench.reply(Reply::LookedUp { no: ended, asked_at: bench.now, result: Ok(Some(gone)) });
    assert_eq!(bench.state_of(ended), OrderState::Cancelled);
}

#[test]
fn messages_of_the_stream_that_are_skipped_are_told_and_asked_for() {
    let mut bench = Bench::ready();
    bench.resting("s1", "BTC_USDT", "buy", "0.004", "49000");
    bench.push(Push::Skipped { total: 1, last: "dealVol is missing in {\"channel\":\"push\u{7}\"}".to_owned() });
    let alert = bench.alerts(AlertKind::VenueAnswerUnknown).remove(0);
    assert_eq!(alert.severity, Severity::Warning);
    assert!(alert.message.contains("1 messages") && alert.message.contains("dealVol is missing"), "{}", alert.message);
    assert!(!alert.message.contains('\u{7}'), "escaped");
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::OpenOrders)), "{:?}", bench.requests);
    bench.push(Push::Skipped { total: 9, last: "again".to_owned() });
    let alerts = bench.alerts(AlertKind::VenueAnswerUnknown);
    assert_eq!((alerts.len(), alerts[0].count), (1, 2), "one alert, counted");
    bench.check_replay();
}
