//! `RiskManager`: the twenty-four behaviours and the defects about money and limits.

use perpdeck::model::{
    Action, AlertKind, Decimal, Event, OrderState, Price, Push, Quote, RiskCheck, RiskLimit, SessionTime, Severity,
    Side, SignalOutcome, Usdt, VenueOrderState, VenueTime,
};

use crate::harness::*;
use crate::position_sync::settle;

fn refused(outcome: SignalOutcome) -> Vec<RiskCheck> {
    match outcome {
        SignalOutcome::Rejected { failed_checks, .. } => failed_checks,
        other => panic!("not rejected: {other:?}"),
    }
}

fn score(bench: &Bench) -> u32 {
    match bench.events(|event| matches!(event, Event::SignalDecided { .. })).pop() {
        Some(Event::SignalDecided { risk_score, .. }) => risk_score.unwrap(),
        _ => panic!("no decision"),
    }
}

/// Opens and closes with this result.
fn lose(bench: &mut Bench, id: &str, exit_price: &str) {
    bench.open_position(id, "BTC_USDT", "buy", "0.02", "50000");
    let exit = ordered(bench.signal(&format!("{id}-exit"), "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "200", exit_price);
}

#[test]
fn r01_r02_a_position_of_ten_percent_passes_and_more_does_not() {
    let mut bench = Bench::ready();
    assert_eq!(refused(bench.signal("s0", "S1", "BTC_USDT", "buy", "0.0201")), [RiskCheck::MaxPositionSize]);
    bench.enter("s1", "BTC_USDT", "buy", "0.02");
    assert_eq!(refused(bench.signal("s2", "S1", "BTC_USDT", "buy", "0.0001")), [RiskCheck::MaxPositionSize]);
}

#[test]
fn r03_r04_three_positions_pass_and_the_fourth_does_not() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.enter("s2", "ETH_USDT", "buy", "0.1");
    bench.enter("s3", "SOL_USDT", "buy", "1");
    assert_eq!(refused(bench.signal("s4", "S1", "XRP_USDT", "buy", "20")), [RiskCheck::MaxConcurrentPositions]);
    bench.enter("s5", "SOL_USDT", "buy", "1");
}

#[test]
fn r05_r06_thirty_percent_in_one_symbol_both_legs_counted() {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("100"));
    bench.open_position("s1", "BTC_USDT", "buy", "0.04", "50000");
    bench.enter("s2", "BTC_USDT", "sell", "0.02");
    assert_eq!(refused(bench.signal("s3", "S1", "BTC_USDT", "buy", "0.0001")), [RiskCheck::SymbolConcentration]);
    bench.enter("s4", "ETH_USDT", "buy", "0.1");
}

#[test]
fn r07_r08_a30_b19_the_loss_of_the_day_stops_entries_at_five_percent_of_its_start() {
    let mut bench = Bench::ready();
    lose(&mut bench, "s1", "25100");
    assert!(!bench.state().limits.contains_key(&RiskLimit::DailyLoss));
    // Later equity does not move the limit: it is of the day's start.
    bench.sync_with_equity(Vec::new(), "11000");
    lose(&mut bench, "s2", "49900");
    assert!(bench.state().limits.contains_key(&RiskLimit::DailyLoss), "{:?}", bench.state().equity);
    assert_eq!(refused(bench.signal("s3", "S1", "ETH_USDT", "buy", "0.1")), [RiskCheck::DailyLossLimit]);
    let alert = bench.alerts(AlertKind::DailyLossLimit).pop().unwrap();
    assert_eq!((alert.severity, alert.is_active(), alert.count), (Severity::Critical, true, 1));
}

#[test]
fn r09_r10_r17_drawdown_warns_at_eighty_percent_of_its_limit_and_trips_at_fifteen() {
    let mut bench = Bench::ready();
    bench.sync_with_equity(Vec::new(), "12000");
    assert_eq!(bench.state().equity.peak.unwrap().0, d("12000"));
    bench.sync_with_equity(Vec::new(), "10561");
    assert!(bench.alerts(AlertKind::MaxDrawdown).is_empty());
    bench.sync_with_equity(Vec::new(), "10560");
    assert_eq!(bench.alerts(AlertKind::MaxDrawdown)[0].severity, Severity::Warning);
    bench.sync_with_equity(Vec::new(), "10201");
    bench.enter("s1", "ETH_USDT", "buy", "0.1");
    bench.sync_with_equity(Vec::new(), "10200");
    assert!(bench.state().limits.contains_key(&RiskLimit::Drawdown));
    assert_eq!(refused(bench.signal("s2", "S1", "SOL_USDT", "buy", "1")), [RiskCheck::MaxDrawdown]);
    let alerts = bench.alerts(AlertKind::MaxDrawdown);
    assert_eq!((alerts.len(), alerts[0].severity), (1, Severity::Critical));
    // It stays tripped when equity comes back, until somebody resets it.
    bench.sync_with_equity(Vec::new(), "12000");
    assert_eq!(refused(bench.signal("s3", "S1", "SOL_USDT", "buy", "1")), [RiskCheck::MaxDrawdown]);
    bench.command("c1", Action::ResetLimit { limit: RiskLimit::Drawdown });
    bench.enter("s4", "SOL_USDT", "buy", "1");
    assert!(!bench.alerts(AlertKind::MaxDrawdown)[0].is_active());
    bench.check_replay();
}

#[test]
fn i14_a_peak_is_never_made_of_a_fill_whose_balance_has_not_come_yet() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.02", "50000");
    bench.quote("BTC_USDT", "40000");
    let report = bench.position_report("BTC_USDT", Side::Long, "200", "50000", "33546.4", "333.34");
    let account = perpdeck::model::AccountReport {
        equity: Some(Usdt(d("10000"))),
        available: Usdt(d("9866.66")),
        position_margin: Usdt(d("333.34")),
        order_margin: Usdt::ZERO,
        unrealised: Some(Usdt(d("-200"))),
    };
    bench.reply(perpdeck::engine::Reply::Positions {
        asked_at: bench.now,
        result: Ok(vec![report].into()),
        account: Ok(vec![account].into()),
    });
    let peak = bench.state().equity.peak;
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "200", "40000");
    assert_eq!(bench.state().equity.peak, peak);
}

#[test]
fn r11_r12_margin_in_use_counts_positions_reservations_and_the_entry() {
    let mut bench = Bench::ready_with(|settings| settings.risk.margin_utilisation_pct = d("5"));
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench.enter("s2", "ETH_USDT", "buy", "0.25");
    assert_eq!(refused(bench.signal("s3", "S1", "SOL_USDT", "buy", "5.1")), [RiskCheck::MarginUtilization]);
    bench.enter("s4", "SOL_USDT", "buy", "4.9");
    // One number with one meaning: a healthy margin ratio of 150 % is no utilisation of 150 %.
    assert!(bench.alerts(AlertKind::MarginRatioLow).is_empty());
}

#[test]
fn r13_closed_positions_do_not_count() {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_positions = 1);
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "100", "50000");
    bench.enter("s2", "ETH_USDT", "buy", "0.1");
}

#[test]
fn r14_r23_r24_a_refusal_says_all_that_failed_with_score_and_alerts() {
    let mut bench = Bench::ready_with(|settings| {
        settings.risk.max_positions = 1;
        settings.risk.margin_utilisation_pct = d("10");
    });
    bench.enter("s1", "BTC_USDT", "buy", "0.01");
    // 500 of 1000, one of one, 500 of 3000, nothing lost, 166.67 of 1000: 5 + 10 + 1 + 0 + 0 + 1.
    assert_eq!(score(&bench), 17);
    let failed = refused(bench.signal("s2", "S1", "ETH_USDT", "buy", "2"));
    assert_eq!(
        failed,
        [
            RiskCheck::MaxPositionSize,
            RiskCheck::MaxConcurrentPositions,
            RiskCheck::SymbolConcentration,
            RiskCheck::MarginUtilization
        ]
    );
    assert_eq!(score(&bench), 25 + 20 + 30 + 35);
    for kind in [
        AlertKind::PositionSizeExceeded,
        AlertKind::MaxPositionsExceeded,
        AlertKind::ConcentrationExceeded,
        AlertKind::MarginUtilizationHigh,
    ] {
        assert_eq!(bench.alerts(kind).len(), 1, "{kind:?}");
    }
    assert!(reason(&bench.outcome("s2")).starts_with("risk check failed: size 4000"));
}

#[test]
fn a33_r15_r16_market_orders_are_judged_at_a_fresh_mark_price_and_exits_need_none() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    // Twice: a price that jumps waits for a second tick.
    bench.quote("BTC_USDT", "100000");
    bench.now = bench.now.plus(std::time::Duration::from_millis(200));
    bench.quote("BTC_USDT", "100000");
    assert_eq!(refused(bench.signal("s2", "S1", "BTC_USDT", "buy", "0.0101")), [RiskCheck::MaxPositionSize,]);
    bench.pass(secs(11));
    let outcome = bench.signal("s3", "S1", "ETH_USDT", "buy", "0.1");
    assert!(reason(&outcome).contains("s old"), "{outcome:?}");
    let torn = Quote {
        symbol: symbol("ETH_USDT"),
        last: Some(Price(d("2100"))),
        mark: Some(Price(d("2000"))),
        bid: None,
        ask: None,
        funding_rate: None,
        at: VenueTime::from_micros(bench.now.micros()),
    };
    bench.push(Push::Quote(torn));
    let outcome = bench.signal("s4", "S1", "ETH_USDT", "buy", "0.1");
    assert!(matches!(outcome, SignalOutcome::Rejected { .. }), "{outcome:?}");
    ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
}

#[test]
fn a33_without_any_price_entries_are_refused_and_exits_leave() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let mut again = bench.restarted();
    assert!(matches!(again.signal("e1", "E1", "BTC_USDT", "sell", ""), SignalOutcome::Closing { .. }));
    let exits = placed(&again.pass(secs(2)));
    assert_eq!(exits.len(), 1, "the exchange is asked what is held, for a second; then it leaves");
    let no_mark = Quote {
        symbol: symbol("ETH_USDT"),
        last: None,
        mark: None,
        bid: None,
        ask: None,
        funding_rate: None,
        at: VenueTime::from_micros(bench.now.micros()),
    };
    bench.push(Push::Quote(no_mark));
    assert!(reason(&bench.signal("s2", "S1", "ETH_USDT", "buy", "0.1")).contains("no price"));
}

#[test]
fn b19_i24_r18_the_day_rolls_once_and_a_loss_belongs_to_the_day_of_its_fill() {
    let mut bench = Bench::ready();
    let midnight = SessionTime::from_secs((bench.now.day() + 1) * 86_400);
    bench.now = midnight.minus(secs(1));
    bench.quote("BTC_USDT", "50000");
    lose(&mut bench, "s1", "40000");
    assert_eq!(bench.state().equity.day_realised.0, d("-200.02"));
    bench.sync_with_equity(Vec::new(), "9799.98");
    bench.open_position("s2", "BTC_USDT", "buy", "0.01", "50000");
    let exit = ordered(bench.signal("e2", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    let yesterday = bench.fill_of(exit, "50", "49000");
    // The exchange's clock is ahead: its fill is of the new day, and begins it.
    let mut today = bench.fill_of(exit, "50", "49000");
    today.at = VenueTime::from_micros(midnight.micros());
    bench.push(Push::Fill(today));
    assert_eq!(bench.state().equity.day_realised.0, d("-5.01"));
    bench.now = midnight.plus(secs(1));
    bench.tick();
    bench.push(Push::Fill(yesterday));
    bench.tick();
    assert_eq!(bench.state().equity.day_realised.0, d("-5.01"), "yesterday's fill is not of today");
    let rolls = bench.events(|event| matches!(event, Event::DayRolled { .. })).len();
    assert_eq!(rolls, 2, "one at the first start, one at midnight");
    bench.check_replay();
}

#[test]
fn b19_a_new_day_takes_the_daily_limit_back() {
    let mut bench = Bench::ready();
    lose(&mut bench, "s1", "20000");
    assert!(bench.state().limits.contains_key(&RiskLimit::DailyLoss));
    bench.now = SessionTime::from_secs((bench.now.day() + 1) * 86_400);
    bench.tick();
    assert!(!bench.state().limits.contains_key(&RiskLimit::DailyLoss));
    assert!(!bench.alerts(AlertKind::DailyLossLimit)[0].is_active());
    bench.quote("ETH_USDT", "2000");
    bench.enter("s2", "ETH_USDT", "buy", "0.1");
}

#[test]
fn r21_the_numbers_come_from_the_configuration() {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_position_pct = d("1"));
    assert_eq!(refused(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.0021")), [RiskCheck::MaxPositionSize]);
    bench.enter("s2", "BTC_USDT", "buy", "0.002");
}

#[test]
fn a31_r22_i23_ten_entries_at_once_share_the_limits() {
    let mut bench = Bench::ready_with(|settings| settings.risk.max_positions = 10);
    let mut passed = 0;
    for index in 0..10 {
        let (name, quantity) = [("BTC_USDT", "0.01"), ("ETH_USDT", "0.25")][index % 2];
        if matches!(bench.signal(&format!("s{index}"), "S1", name, "buy", quantity), SignalOutcome::Ordered { .. }) {
            passed += 1;
        }
    }
    assert_eq!(passed, 4, "two of 500 in each of two symbols");
}

#[test]
fn a31_i25_reservations_end_with_their_orders_however_they_end() {
    let mut bench = Bench::ready();
    let reserved = |bench: &Bench| bench.state().orders.reservations().count();
    let filled = bench.enter("s1", "BTC_USDT", "buy", "0.004");
    bench.accept(filled);
    bench.fill(filled, "40", "50000");
    assert_eq!(reserved(&bench), 0);
    let partly = bench.enter("s2", "BTC_USDT", "buy", "0.004");
    bench.accept(partly);
    bench.fill(partly, "10", "50000");
    assert_eq!(bench.state().orders.reserved(&key("BTC_USDT", Side::Long)).0, d("0.003"));
    bench.push_order(partly, VenueOrderState::Cancelled, "10", 3);
    assert_eq!(reserved(&bench), 0);
    let failed = bench.enter("s3", "BTC_USDT", "buy", "0.004");
    bench.refuse(failed, refusal());
    assert_eq!((bench.state_of(failed), reserved(&bench)), (OrderState::Failed, 0));
    bench.check_replay();
}

#[test]
fn i13_after_a_restart_unknown_prices_are_not_a_profit_of_zero() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.02", "50000");
    bench.quote("BTC_USDT", "40000");
    let report = bench.position_report("BTC_USDT", Side::Long, "200", "50000", "33546.4", "333.34");
    let account = perpdeck::model::AccountReport {
        equity: Some(Usdt(d("9800"))),
        available: Usdt(d("9666.66")),
        position_margin: Usdt(d("333.34")),
        order_margin: Usdt::ZERO,
        unrealised: Some(Usdt(d("-200"))),
    };
    let told = perpdeck::engine::Reply::Positions {
        asked_at: bench.now,
        result: Ok(vec![report].into()),
        account: Ok(vec![account.clone()].into()),
    };
    bench.reply(told);
    assert_eq!(bench.state().equity.last.unwrap().0, d("9800"));
    let mut again = bench.restarted();
    let push = perpdeck::model::AccountReport { equity: None, unrealised: None, ..account };
    again.push(Push::Account(perpdeck::model::AccountReport { available: Usdt(d("9656.66")), ..push }));
    assert_eq!(again.state().equity.last.unwrap().0, d("9790"), "the wallet moved by 10, the loss still stands");
    assert_eq!(again.state().equity.peak, bench.state().equity.peak);
}

#[test]
fn a_stop_is_required_when_the_configuration_says_so_and_must_be_on_its_side() {
    let mut bench = Bench::ready_with(|settings| settings.risk.require_stop = true);
    assert!(reason(&bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01")).contains("stop_loss"));
    let mut wrong = raw("s2", "S1", "BTC_USDT", "buy", "0.01");
    wrong.stop_loss = Some("50100".to_owned());
    bench.signal_raw(wrong);
    assert!(reason(&bench.outcome("s2")).contains("below"));
    let mut right = raw("s3", "S1", "BTC_USDT", "sell", "0.01");
    right.stop_loss = Some("50100".to_owned());
    bench.signal_raw(right);
    ordered(bench.outcome("s3"));
    assert_eq!(bench.placed()[0].2.stop_loss.unwrap().0, d("50100"));
}

#[test]
fn no_equity_and_no_capital_refuse_every_entry() {
    let mut bench = Bench::ready();
    bench.sync_with_equity(Vec::new(), "0");
    assert!(refused(bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01")).contains(&RiskCheck::InsufficientCapital));
}

#[test]
fn b29_money_is_decimal_to_the_last_digit() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "XRP_USDT", "buy", "0.3", "0.1");
    bench.open_position("s2", "XRP_USDT", "buy", "0.6", "0.2");
    let position = bench.position("XRP_USDT", Side::Long).unwrap();
    assert_eq!(position.entry_price.unwrap().notional(position.quantity).0.round_dp(20), d("0.15"));
    let tenth: Decimal = d("0.1");
    assert_eq!((0..10).map(|_| Usdt(tenth)).sum::<Usdt>().0, Decimal::ONE);
}

#[test]
fn a_sync_keeps_reservations_and_the_limits_hold_after_it() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.02");
    bench.accept(no);
    settle(&mut bench, Vec::new());
    bench.quote("BTC_USDT", "50000");
    assert_eq!(refused(bench.signal("s2", "S1", "BTC_USDT", "buy", "0.001")), [RiskCheck::MaxPositionSize]);
}
