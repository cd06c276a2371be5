//! `PositionSyncService`: the thirteen behaviours, and the defects about sizes, entries and fills.

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, Category, CloseCause, Contracts, Event, FillId, Intent, Origin, PositionMode, Price, Push, RiskCheck,
    Severity, Side, SignalOutcome, Usdt, VenueOrderState,
};

use crate::harness::*;

/// Good lists long enough after the last change to be a proof, and the fills that they make the engine
/// ask for, until both sides agree.
pub fn settle(bench: &mut Bench, positions: Vec<perpdeck::model::PositionReport>) {
    for _ in 0..3 {
        bench.pass_quoted(secs(6));
        for _ in 0..2 {
            bench.sync(positions.clone());
            let done = agrees(bench, &positions);
            bench.tick();
            if bench.state().upkeep.chore(perpdeck::model::Chore::FetchFills).asked_at.is_some() {
                bench.fills_told(Ok(Vec::new().into()));
            }
            if done || agrees(bench, &positions) {
                return;
            }
        }
    }
}

fn agrees(bench: &Bench, positions: &[perpdeck::model::PositionReport]) -> bool {
    let open: Vec<_> = bench.state().positions.open().collect();
    let near = |ours: Option<Price>, theirs: Option<Price>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs().0 <= d("0.1"),
        _ => true,
    };
    open.len() == positions.len()
        && positions.iter().all(|told| {
            let ours = bench.state().positions.get(&told.key);
            ours.is_some_and(|ours| ours.contracts == told.contracts && near(ours.entry_price, told.entry_price))
        })
}

fn btc(bench: &Bench, contracts: &str, entry: &str) -> perpdeck::model::PositionReport {
    bench.position_report("BTC_USDT", Side::Long, contracts, entry, "33546.4", "166.67")
}

#[test]
fn p01_fresh_is_empty_with_room_for_a_hundred() {
    let bench = Bench::ready();
    assert_eq!(bench.state().positions.open_count(), 0);
    assert_eq!(bench.engine.settings().positions.max_positions, 100);
}

#[test]
fn p02_a_buy_fill_opens_a_long() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50010");
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.quantity.0, position.entry_price.unwrap().0), (d("0.01"), d("50010")));
    assert_eq!((position.origin, position.fees.0), (Origin::Own, d("0.01")));
}

#[test]
fn p03_a_second_buy_averages() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "BTC_USDT", "buy", "0.01", "51000");
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.quantity.0, position.entry_price.unwrap().0), (d("0.02"), d("50500")));
    assert_eq!(bench.state().positions.open_count(), 1);
}

#[test]
fn p04_a_sell_closes_the_long_and_keeps_result_fees_and_cause() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let half = ordered(bench.signal("z1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(half);
    bench.fill(half, "50", "50100");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().entry_price.unwrap().0, d("50000"));
    let rest = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(rest);
    bench.fill(rest, "50", "50200");
    let closed = bench.state().positions.closed().next_back().unwrap();
    assert_eq!((closed.cause, closed.quantity.0), (CloseCause::OwnExit, d("0.01")));
    assert_eq!((closed.realised.unwrap().0, closed.fees.0), (d("1.5"), d("0.03")));
    assert_eq!(closed.exit_price.unwrap().0, d("50150"), "value closed / quantity closed");
    assert!(bench.alerts(AlertKind::PositionClosedOutside).is_empty());
    bench.check_replay();
}

#[test]
fn a25_more_positions_than_are_meant_to_be_followed_are_followed_and_block_entries() {
    let mut bench = Bench::ready_with(|settings| settings.positions.max_positions = 1);
    let eth = bench.position_report("ETH_USDT", Side::Short, "100", "2000", "2600", "6.67");
    let reports = vec![btc(&bench, "100", "50000"), eth];
    settle(&mut bench, reports.clone());
    settle(&mut bench, reports);
    assert_eq!(bench.state().positions.open_count(), 2);
    let alert = bench.alerts(AlertKind::TooManyPositions).pop().unwrap();
    assert_eq!(alert.severity, Severity::Critical);
    assert!(alert.is_active());
    let SignalOutcome::Rejected { failed_checks, .. } = bench.signal("s1", "S1", "SOL_USDT", "buy", "1") else {
        panic!("an entry above positions.max_positions")
    };
    assert!(failed_checks.contains(&RiskCheck::MaxConcurrentPositions));
}

#[test]
fn p06_missing_at_the_exchange_is_removed_once_the_fills_do_not_explain_it() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.pass(secs(6));
    bench.sync(Vec::new());
    assert!(bench.position("BTC_USDT", Side::Long).is_some(), "not by one list");
    bench.sync(Vec::new());
    assert!(bench.position("BTC_USDT", Side::Long).is_some(), "not before the fills were asked for");
    bench.tick();
    bench.fills_told(Ok(Vec::new().into()));
    assert!(bench.position("BTC_USDT", Side::Long).is_some(), "not by fills that may not be listed yet");
    bench.pass(secs(6));
    bench.fills_told(Ok(Vec::new().into()));
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    let closed = bench.state().positions.closed().next_back().unwrap();
    assert_eq!((closed.cause, closed.realised, closed.quantity.0), (CloseCause::Outside, None, d("0.01")));
    assert_eq!(bench.alerts(AlertKind::PositionClosedOutside)[0].severity, Severity::Warning);
    assert!(bench.alerts(AlertKind::LiquidationDetected).is_empty());
}

#[test]
fn p07_a_sync_takes_price_profit_and_ratio() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.quote("BTC_USDT", "51000");
    let report = btc(&bench, "100", "50000");
    settle(&mut bench, vec![report]);
    let snapshots = bench.events(|event| matches!(event, Event::PositionSnapshot { .. }));
    let Some(Event::PositionSnapshot { mark, unrealised, margin_ratio_pct, figures, .. }) = snapshots.last() else {
        panic!("no snapshot")
    };
    assert_eq!((mark.unwrap().0, unrealised.unwrap().0), (d("51000"), d("10")));
    // (166.67 + 10) / (500 x 0.004 + 510 x 0.0004)
    assert_eq!(margin_ratio_pct.unwrap().round_dp(4), (d("176.67") / d("2.204") * d("100")).round_dp(4));
    assert_eq!((figures.leverage, figures.liquidation_price.unwrap().0), (Some(3), d("33546.4")));
}

#[test]
fn p08_a_position_of_the_exchange_alone_is_adopted() {
    let mut bench = Bench::ready();
    let report = btc(&bench, "100", "50000");
    settle(&mut bench, vec![report]);
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.origin, position.contracts.0), (Origin::Outside, d("100")));
    assert_eq!(bench.alerts(AlertKind::PositionOpenedOutside).len(), 1);
}

#[test]
fn p09_i19_failed_snapshots_and_an_open_breaker_change_no_position() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let before = bench.position("BTC_USDT", Side::Long).cloned();
    for _ in 0..8 {
        bench.reply(Reply::Positions { asked_at: bench.now, result: Err(reply_lost()), account: Err(reply_lost()) });
        bench.pass(secs(5));
    }
    assert_eq!(bench.position("BTC_USDT", Side::Long).cloned(), before);
    assert!(bench.alerts(AlertKind::LiquidationDetected).is_empty());
    assert!(bench.alerts(AlertKind::PositionClosedOutside).is_empty());
}

#[test]
fn p10_p11_get_hits_misses_and_lists_all() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "ETH_USDT", "buy", "0.1", "2000");
    bench.open_position("s3", "SOL_USDT", "sell", "1", "100");
    assert!(bench.position("BTC_USDT", Side::Long).is_some());
    assert!(bench.position("XRP_USDT", Side::Long).is_none());
    let all: Vec<String> = bench.state().positions.open().map(|position| position.key.to_string()).collect();
    assert_eq!(all, ["BTC_USDT LONG", "ETH_USDT LONG", "SOL_USDT SHORT"]);
}

#[test]
fn p12_sides_profit_and_ratios_add_up() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "ETH_USDT", "buy", "0.1", "2000");
    bench.open_position("s3", "SOL_USDT", "sell", "1", "100");
    bench.quote("BTC_USDT", "60000");
    bench.quote("ETH_USDT", "3000");
    bench.quote("SOL_USDT", "50");
    let state = bench.state();
    let unrealised: Usdt = state
        .positions
        .open()
        .map(|position| position.unrealised(state.quote(&position.key.symbol).unwrap().risk_price().unwrap()).unwrap())
        .sum();
    assert_eq!(unrealised.0, d("250"));
    let shorts = state.positions.open().filter(|position| position.key.side == Side::Short).count();
    assert_eq!((state.positions.open_count(), shorts), (3, 1));
}

#[test]
fn p13_b20_a26_a_restart_keeps_positions_peak_and_the_loss_of_the_day() {
    let mut bench = Bench::ready();
    bench.sync_with_equity(Vec::new(), "10300");
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "ETH_USDT", "buy", "0.1", "2000");
    let exit = ordered(bench.signal("e1", "E1", "ETH_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "1000", "1900");
    let again = bench.restarted();
    assert_eq!(again.state().positions, bench.state().positions);
    assert_eq!(again.state().equity, bench.state().equity);
    assert_eq!(again.state().equity.peak.unwrap().0, d("10300"));
    assert_eq!(again.state().equity.day_realised.0, d("-10.03"));
    assert!(again.asked(|request| matches!(request, Request::Contracts | Request::ServerTime)));
    assert_eq!(again.state().phase, perpdeck::model::Phase::Starting);
}

#[test]
fn a15_both_legs_of_a_symbol_live_side_by_side() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.open_position("s2", "BTC_USDT", "sell", "0.005", "50000");
    let short = bench.position_report("BTC_USDT", Side::Short, "50", "50000", "66000", "83");
    let reports = vec![btc(&bench, "100", "50000"), short.clone()];
    settle(&mut bench, reports);
    assert_eq!(bench.state().positions.open_count(), 2);
    settle(&mut bench, vec![short]);
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    assert!(bench.position("BTC_USDT", Side::Short).is_some());
}

#[test]
fn a16_size_and_entry_follow_the_exchange() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = btc(&bench, "70", "50000");
    settle(&mut bench, vec![report]);
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.contracts.0, position.quantity.0), (d("70"), d("0.007")));
    // Closed and opened again outside: the same size at another price.
    let report = btc(&bench, "70", "48000");
    settle(&mut bench, vec![report]);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().entry_price, Some(Price(d("48000"))));
    assert_eq!(bench.events(|event| matches!(event, Event::PositionAdjusted { .. })).len(), 2);
    bench.check_replay();
}

#[test]
fn a16_an_entry_that_differs_by_less_than_a_tick_is_the_same() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000.06");
    let report = btc(&bench, "100", "50000");
    settle(&mut bench, vec![report]);
    assert!(bench.events(|event| matches!(event, Event::PositionAdjusted { .. })).is_empty());
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().venue.leverage, Some(3));
}

#[test]
fn a18_a_snapshot_asked_for_before_a_fill_changes_nothing() {
    let mut bench = Bench::ready();
    bench.pass(secs(3));
    let asked_at = bench.now;
    bench.pass(secs(1));
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let account = account_of("10000");
    bench.pass(secs(3));
    bench.reply(Reply::Positions { asked_at, result: Ok(Vec::new().into()), account: Ok(vec![account].into()) });
    bench.tick();
    bench.fills_told(Ok(Vec::new().into()));
    assert!(bench.position("BTC_USDT", Side::Long).is_some());
    assert!(bench.alerts(AlertKind::PositionClosedOutside).is_empty());
}

#[test]
fn a18_fills_asked_for_before_a_snapshot_do_not_explain_it() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.pass(secs(3));
    // The question for fills leaves, then a snapshot is asked for, taken and told.
    bench.push(Push::Connected);
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::FillsSince { .. })));
    bench.pass(secs(1));
    bench.sync(Vec::new());
    bench.fills_told(Ok(Vec::new().into()));
    assert!(bench.position("BTC_USDT", Side::Long).is_some(), "the exit may lie between the two questions");
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::FillsSince { .. })), "asked again");
}

#[test]
fn a17_a_snapshot_from_before_our_exit_is_not_adopted_as_a_new_position() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.pass(secs(3));
    let old = btc(&bench, "100", "50000");
    let asked_at = bench.now;
    bench.pass(secs(1));
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "100", "50100");
    let account = account_of("10000");
    bench.reply(Reply::Positions { asked_at, result: Ok(vec![old].into()), account: Ok(vec![account].into()) });
    bench.tick();
    bench.fills_told(Ok(Vec::new().into()));
    assert_eq!(bench.state().positions.open_count(), 0);
    assert!(bench.alerts(AlertKind::PositionOpenedOutside).is_empty());
}

#[test]
fn a17_a_late_push_does_not_bring_back_what_a_snapshot_saw_gone() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let mut push = btc(&bench, "100", "50000");
    push.version = 7;
    bench.push(Push::Position(push.clone()));
    settle(&mut bench, Vec::new());
    assert_eq!(bench.state().positions.open_count(), 0);
    bench.pass(secs(5));
    bench.push(Push::Position(push));
    bench.pass(secs(3));
    bench.fills_told(Ok(Vec::new().into()));
    assert_eq!(bench.state().positions.open_count(), 0);
}

#[test]
fn a21_an_over_close_flips_in_one_way_mode() {
    let mut bench = Bench::started_with(|_| {});
    bench.answer_start(PositionMode::OneWay, Vec::new());
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let fill = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "150", "50100", Category::Normal);
    bench.push(Push::Fill(fill));
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    let short = bench.position("BTC_USDT", Side::Short).unwrap();
    assert_eq!((short.contracts.0, short.entry_price.unwrap().0), (d("50"), d("50100")));
    assert_eq!(bench.state().positions.closed().next_back().unwrap().realised.unwrap().0, d("1"));
    let fees: Usdt = bench
        .events(|event| matches!(event, Event::Filled { fill } if fill.order.is_none()))
        .iter()
        .map(|event| match event {
            Event::Filled { fill } => fill.fee.unwrap(),
            _ => Usdt::ZERO,
        })
        .sum();
    assert_eq!(fees.0, d("0.01"), "the fee counts once");
    bench.check_replay();
}

#[test]
fn a21_with_two_legs_an_over_close_means_a_missing_fill_and_opens_nothing() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = btc(&bench, "100", "50000");
    bench.sync(vec![report]);
    let fill = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "150", "50100", Category::Normal);
    bench.push(Push::Fill(fill));
    assert_eq!(
        bench.state().positions.open().map(|position| position.contracts.0).sum::<perpdeck::model::Decimal>(),
        d("0")
    );
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::Positions)));
    settle(&mut bench, Vec::new());
    assert_eq!(bench.state().positions.open_count(), 0);
}

#[test]
fn b16_figures_are_unknown_until_the_exchange_tells_them_for_this_size() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.venue.liquidation_price, position.venue.leverage, position.venue.margin), (None, None, None));
    let spec = contract("BTC_USDT");
    assert_eq!(position.margin_ratio_pct(&spec, Price(d("50000"))), None);
    assert_eq!(position.distance_pct(Price(d("50000"))), None);
    let report = btc(&bench, "100", "50000");
    settle(&mut bench, vec![report]);
    assert!(bench.position("BTC_USDT", Side::Long).unwrap().venue.margin.is_some());
    let half = ordered(bench.signal("z1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(half);
    bench.fill(half, "50", "50000");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().venue.margin, None, "of the old size");
}

#[test]
fn b17_i13_what_an_unseen_close_realised_is_unknown_and_funding_is_apart() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let half = ordered(bench.signal("z1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(half);
    bench.fill(half, "50", "50100");
    let mut report = btc(&bench, "50", "50000");
    report.funding = Some(Usdt(d("-2")));
    settle(&mut bench, vec![report.clone()]);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().realised.0, d("0.5"));
    assert_eq!(bench.state().equity.day_realised.0, d("-1.52"));
    // A report without funding does not make it unknown; the same number again adds nothing.
    let mut silent = report.clone();
    silent.funding = None;
    settle(&mut bench, vec![silent]);
    settle(&mut bench, vec![report]);
    assert_eq!(bench.state().equity.day_realised.0, d("-1.52"));
    settle(&mut bench, Vec::new());
    let closed = bench.state().positions.closed().next_back().unwrap();
    assert_eq!((closed.realised, closed.quantity.0), (None, d("0.005")), "half of it was not seen");
}

#[test]
fn b17_funding_that_an_adopted_position_had_before_is_not_of_today() {
    let mut bench = Bench::ready();
    let mut report = btc(&bench, "100", "50000");
    report.funding = Some(Usdt(d("-40")));
    settle(&mut bench, vec![report.clone()]);
    assert_eq!(bench.state().equity.day_realised, Usdt::ZERO);
    report.funding = Some(Usdt(d("-41")));
    settle(&mut bench, vec![report]);
    assert_eq!(bench.state().equity.day_realised.0, d("-1"));
}

#[test]
fn b18_fees_are_the_exchange_s_and_a_missing_one_is_said_to_be_missing() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    let mut fill = bench.fill_of(no, "50", "50000");
    fill.fee = Some(Usdt(d("-0.05")));
    bench.push(Push::Fill(fill));
    let mut fill = bench.fill_of(no, "50", "50000");
    fill.fee = None;
    bench.push(Push::Fill(fill));
    assert_eq!(bench.order(no).fees.0, d("-0.05"));
    assert!(bench.order(no).fees_incomplete);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().fees.0, d("-0.05"));
}

#[test]
fn b33_i16_every_opening_has_an_id_of_its_own() {
    let mut bench = Bench::ready();
    let mut ids = Vec::new();
    for round in 0..3 {
        bench.open_position(&format!("s{round}"), "BTC_USDT", "buy", "0.01", "50000");
        ids.push(bench.position("BTC_USDT", Side::Long).unwrap().id);
        let exit = ordered(bench.signal(&format!("e{round}"), "E1", "BTC_USDT", "sell", ""));
        bench.accept(exit);
        bench.fill(exit, "100", "50000");
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(bench.state().positions.closed().map(|closed| closed.id).collect::<Vec<_>>(), ids);
}

#[test]
fn the_same_deal_told_twice_counts_once() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    let fill = bench.fill_of(no, "40", "50000");
    bench.push(Push::Fill(fill.clone()));
    bench.push(Push::Fill(fill.clone()));
    bench.reply(Reply::OrderFills { no, result: Ok(vec![fill].into()) });
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts, Contracts(d("40")));
    assert_eq!(bench.state().counters.fills, 1);
}

#[test]
fn a_close_by_the_stop_that_went_with_our_entry_is_ours() {
    let mut bench = Bench::ready();
    let mut raw = raw("s1", "S1", "BTC_USDT", "buy", "0.01");
    raw.stop_loss = Some("49000".to_owned());
    bench.signal_raw(raw);
    let no = ordered(bench.outcome("s1"));
    bench.accept(no);
    bench.fill(no, "100", "50000");
    let fill = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "100", "48990", Category::Normal);
    bench.push(Push::Fill(fill));
    assert_eq!(bench.state().positions.closed().next_back().unwrap().cause, CloseCause::OwnExit);
    assert!(bench.alerts(AlertKind::PositionClosedOutside).is_empty());
}

#[test]
fn a_fill_of_another_client_of_the_account_is_named_as_such() {
    let mut bench = Bench::ready();
    let fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Short), "10", "50000", Category::Normal);
    bench.push(Push::Fill(fill));
    let position = bench.position("BTC_USDT", Side::Short).unwrap();
    assert_eq!(position.origin, Origin::Outside);
    assert_eq!(bench.alerts(AlertKind::PositionOpenedOutside).len(), 1);
    let again = FillId::new("x1").unwrap();
    assert!(bench.state().orders.has_seen_fill(&again, venue(bench.now), None));
}

#[test]
fn a_cancel_that_crosses_with_a_fill_keeps_the_fill() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Cancelled, "0", 2);
    let fill = bench.fill_of(no, "30", "50000");
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("30"));
}

#[test]
fn b1_i29_nothing_is_due_for_ever_when_there_is_nothing_to_ask() {
    let mut bench = Bench::ready();
    bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Ok(Vec::new().into()) });
    bench.sync(Vec::new());
    bench.tick();
    bench.tick();
    assert!(bench.engine.next_wakeup().is_some_and(|next| next > bench.now), "{:?}", bench.state().upkeep.chores);
}

/// Its fills ended it here; the exchange's last word of it is of before, and no newer one comes.
#[test]
fn a_word_of_before_its_end_brings_no_position_back() {
    let mut bench = Bench::ready();
    bench.open_position("in", "BTC_USDT", "buy", "0.01", "50000");
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "33546.4", "166.67");
    settle(&mut bench, vec![report]);
    bench.signal("out", "E1", "BTC_USDT", "sell", "");
    let (no, ..) = bench.placed().remove(0);
    bench.accept(no);
    bench.fill(no, "100", "50000");
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    let asked = bench.pass_quoted(secs(60));
    assert!(bench.position("BTC_USDT", Side::Long).is_none(), "no answer since is no answer");
    assert!(placed(&asked).is_empty(), "and nothing is closed a second time");
    let stuck = bench.alerts(AlertKind::ReconciliationStuck);
    assert!(stuck.is_empty(), "{stuck:?}");
}
