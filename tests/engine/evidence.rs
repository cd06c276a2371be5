//! Why a position is gone: named only with evidence (engine.md 6.2).

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    Alert, AlertKind, Category, CloseCause, Evidence, FillReport, Intent, OrderReport, PositionId, Push, Refusal,
    Severity, Side, VenueOrderId, VenueOrderState,
};

use crate::harness::*;
use crate::position_sync::settle;

fn close_fill(bench: &mut Bench, contracts: &str, price: &str, category: Category) -> FillReport {
    bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), contracts, price, category)
}

fn opened() -> Bench {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    bench
}

fn vanished() -> (Bench, PositionId) {
    let mut bench = opened();
    let id = bench.position("BTC_USDT", Side::Long).unwrap().id;
    settle(&mut bench, Vec::new());
    assert!(bench.asked(|request| matches!(request, Request::Evidence { .. })));
    (bench, id)
}

fn answer(bench: &mut Bench, id: PositionId, fills: Vec<FillReport>) {
    bench.reply(Reply::Evidence { id, result: Ok(Evidence { system_orders: Vec::new(), fills }) });
}

/// All alerts but that of the clock, which says how far it is off in this run.
fn alerts(bench: &Bench) -> impl Iterator<Item = &Alert> {
    bench.state().alerts.all().filter(|alert| alert.key.kind != AlertKind::ClockOff)
}

fn criticals(bench: &Bench) -> usize {
    alerts(bench).filter(|alert| alert.severity == Severity::Critical).count()
}

#[test]
fn a19_i17_a_liquidation_by_its_fill_is_one_critical() {
    let mut bench = opened();
    let fill = close_fill(&mut bench, "100", "33546", Category::Liquidation);
    bench.push(Push::Fill(fill.clone()));
    bench.push(Push::Fill(fill));
    let alerts = bench.alerts(AlertKind::LiquidationDetected);
    assert_eq!((alerts.len(), alerts[0].severity, alerts[0].count), (1, Severity::Critical, 1));
    assert!(alerts[0].details["evidence"].contains("category 2"));
    assert_eq!(d(&alerts[0].details["quantity"]), d("0.01"), "what was taken, not what is left");
    let closed = bench.state().positions.closed().next_back().unwrap();
    assert_eq!((closed.cause, closed.realised.unwrap().0), (CloseCause::Liquidated, d("-164.54")));
    assert_eq!(bench.state().counters.liquidations, 1);
    assert!(bench.alerts(AlertKind::PositionClosedOutside).is_empty());
    settle(&mut bench, Vec::new());
    assert_eq!(criticals(&bench.restarted()), 1);
}

#[test]
fn a_partial_liquidation_and_the_rest_of_it_are_one_critical() {
    let mut bench = opened();
    let fill = close_fill(&mut bench, "60", "33546", Category::Liquidation);
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("40"));
    assert!(bench.alerts(AlertKind::LiquidationDetected)[0].message.contains("left"));
    let fill = close_fill(&mut bench, "40", "33000", Category::CustodyClose);
    bench.push(Push::Fill(fill));
    assert_eq!((criticals(&bench), bench.alerts(AlertKind::LiquidationDetected)[0].count), (1, 2));
    assert_eq!(bench.state().positions.closed().next_back().unwrap().quantity.0, d("0.01"));
}

#[test]
fn a19_i18_own_exit_manual_close_and_adl_are_no_liquidation() {
    let mut bench = opened();
    let fill = close_fill(&mut bench, "40", "50000", Category::Normal);
    bench.push(Push::Fill(fill));
    let fill = close_fill(&mut bench, "20", "50000", Category::Adl);
    bench.push(Push::Fill(fill));
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "40", "50000");
    assert_eq!(bench.alerts(AlertKind::PositionClosedOutside).len(), 1);
    assert_eq!(bench.alerts(AlertKind::AdlReduced)[0].severity, Severity::Warning);
    assert!(bench.alerts(AlertKind::LiquidationDetected).is_empty());
    assert_eq!(bench.state().positions.closed().next_back().unwrap().cause, CloseCause::OwnExit);
}

#[test]
fn a19_an_exit_filled_between_polls_is_our_own() {
    let mut bench = opened();
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    let fill = bench.fill_of(exit, "100", "50100");
    bench.pass(secs(3));
    bench.sync(Vec::new());
    bench.tick();
    bench.fills_told(Ok(vec![fill].into()));
    assert_eq!(bench.state().positions.closed().next_back().unwrap().cause, CloseCause::OwnExit);
    assert!(alerts(&bench).next().is_none());
}

#[test]
fn evidence_found_later_upgrades_the_warning_and_counts_what_it_cost() {
    let (mut bench, id) = vanished();
    let warning = bench.alerts(AlertKind::PositionClosedOutside)[0].clone();
    answer(&mut bench, id, Vec::new());
    bench.pass(secs(10));
    bench.sync(Vec::new());
    assert!(bench.asked(|request| matches!(request, Request::Evidence { .. })));
    let fill = close_fill(&mut bench, "100", "33546", Category::Liquidation);
    answer(&mut bench, id, vec![fill]);
    let alerts = bench.alerts(AlertKind::LiquidationDetected);
    assert_eq!((alerts.len(), alerts[0].id, alerts[0].severity), (1, warning.id, Severity::Critical));
    let closed = bench.state().positions.closed_by_id(id).unwrap();
    assert_eq!((closed.cause, closed.evidence_syncs_left), (CloseCause::Liquidated, 0));
    assert_eq!(closed.realised.unwrap().0, d("-164.54"));
    assert_eq!(bench.state().equity.day_realised.0, d("-164.56"));
    assert_eq!(bench.state().positions.open_count(), 0);
    bench.check_replay();
}

#[test]
fn evidence_is_looked_for_during_three_sync_periods() {
    let (mut bench, id) = vanished();
    answer(&mut bench, id, Vec::new());
    for _ in 0..3 {
        bench.pass(secs(10));
        bench.sync(Vec::new());
        assert!(bench.asked(|request| matches!(request, Request::Evidence { .. })));
        answer(&mut bench, id, Vec::new());
    }
    bench.pass(secs(10));
    bench.sync(Vec::new());
    assert!(!bench.asked(|request| matches!(request, Request::Evidence { .. })));
    assert_eq!(bench.state().positions.closed_by_id(id).unwrap().cause, CloseCause::Outside);
    assert_eq!(criticals(&bench), 0);
}

#[test]
fn vanished_and_the_exchange_does_not_answer_is_critical_until_it_does() {
    let (mut bench, id) = vanished();
    for _ in 0..4 {
        bench.reply(Reply::Evidence { id, result: Err(reply_lost()) });
    }
    assert_eq!(bench.alerts(AlertKind::PositionVanished)[0].severity, Severity::Critical);
    assert_eq!(bench.state().positions.closed_by_id(id).unwrap().cause, CloseCause::Unexplained);
    bench.pass(secs(60));
    bench.sync(Vec::new());
    assert!(bench.asked(|request| matches!(request, Request::Evidence { .. })));
    let fill = close_fill(&mut bench, "100", "33546", Category::Liquidation);
    answer(&mut bench, id, vec![fill]);
    assert_eq!(bench.alerts(AlertKind::LiquidationDetected).len(), 1);
    assert_eq!(criticals(&bench), 1);
}

#[test]
fn a_take_over_that_is_told_after_the_position_was_found_gone_names_it() {
    let (mut bench, id) = vanished();
    let fill = close_fill(&mut bench, "100", "33546", Category::Liquidation);
    bench.push(Push::Fill(fill));
    assert_eq!(bench.state().positions.closed_by_id(id).unwrap().cause, CloseCause::Liquidated);
    assert_eq!(criticals(&bench), 1);

    let (mut bench, id) = vanished();
    let order = OrderReport {
        venue_id: VenueOrderId::new("77").unwrap(),
        client_id: None,
        symbol: symbol("BTC_USDT"),
        intent: Intent::close(Side::Long),
        state: VenueOrderState::Filled,
        contracts: perpdeck::model::Contracts(d("100")),
        filled: perpdeck::model::Contracts(d("100")),
        average_price: None,
        category: Category::Liquidation,
        error_code: 0,
        refusal: Refusal::Unspecified,
        version: 1,
        updated_at: venue(bench.now),
        created_at: None,
        limit: None,
    };
    bench.push(Push::Order(order));
    assert_eq!(bench.state().positions.closed_by_id(id).unwrap().cause, CloseCause::Liquidated);
    assert_eq!(criticals(&bench), 1);
}

#[test]
fn a_liquidation_of_what_was_never_known_cannot_be_missed() {
    let mut bench = Bench::ready();
    let fill = close_fill(&mut bench, "100", "33546", Category::Liquidation);
    bench.push(Push::Fill(fill));
    assert_eq!(criticals(&bench), 1);
}
