//! Margin ratio, distance to liquidation, and when they warn (engine.md 6.1).

use perpdeck::model::{
    AlertKind, Category, Contracts, Decimal, Event, Intent, MarginMode, Position, PositionReport, Price, Push,
    Severity, Side, Usdt, div,
};
use proptest::prelude::*;

use crate::harness::*;
use crate::position_sync::settle;

fn report(bench: &Bench, liquidation: &str, margin: &str) -> PositionReport {
    bench.position_report("BTC_USDT", Side::Long, "100", "50000", liquidation, margin)
}

/// A 3x long whose liquidation price is the formula's.
fn bench_3x() -> Bench {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = report(&bench, "33546.4", "166.67");
    settle(&mut bench, vec![report]);
    bench
}

fn any_position(side: Side, contracts: &str, entry: &str, margin: &str) -> Position {
    let mut bench = Bench::ready();
    let report = bench.position_report("BTC_USDT", side, contracts, entry, "1", margin);
    settle(&mut bench, vec![report]);
    bench.position("BTC_USDT", side).unwrap().clone()
}

/// mexc-contract-api.md section 9.
fn liquidation_price(
    side: Side,
    entry: Decimal,
    quantity: Decimal,
    margin: Decimal,
    m: Decimal,
    f: Decimal,
) -> Decimal {
    match side {
        Side::Long => div(entry * quantity * (Decimal::ONE + m) - margin, quantity * (Decimal::ONE - f)).unwrap(),
        Side::Short => div(entry * quantity * (Decimal::ONE - m) + margin, quantity * (Decimal::ONE + f)).unwrap(),
    }
}

#[test]
fn a27_the_ratio_is_a_hundred_at_the_documented_liquidation_prices() {
    for (entry, contracts, margin, m, documented) in [
        ("109777.5", "5", "27.444375", "0.001", "55020.5"),
        ("112449.5", "2", "11.24495", "0.0006", "56314.7"),
        ("118272.2", "5", "2.956805", "0.0006", "112474.5"),
    ] {
        let position = any_position(Side::Long, contracts, entry, margin);
        let mut spec = contract("BTC_USDT");
        spec.tiers[0].maintenance_rate = d(m);
        let exact = liquidation_price(Side::Long, d(entry), position.quantity.0, d(margin), d(m), d("0.0004"));
        assert_eq!(exact.trunc_with_scale(1), d(documented));
        let ratio = position.margin_ratio_pct(&spec, Price(exact)).unwrap();
        assert_eq!(ratio.round_dp(9), d("100"), "{entry}");
        assert!(position.margin_ratio_pct(&spec, Price(d(documented))).unwrap() <= d("100"));
    }
}

#[test]
fn a28_maintenance_comes_from_the_risk_tier_and_unknown_is_not_zero() {
    let spec = contract("BTC_USDT");
    let small = spec.maintenance_margin(Contracts(d("150000")), Price(d("50000"))).unwrap();
    let large = spec.maintenance_margin(Contracts(d("150001")), Price(d("50000"))).unwrap();
    assert_eq!(small.0, d("3000"));
    assert!(large.0 > d("5999"));
    let mut position = any_position(Side::Long, "100", "50000", "166.67");
    position.venue.margin = None;
    assert_eq!(position.margin_ratio_pct(&spec, Price(d("50000"))), None);
    position.entry_price = None;
    assert_eq!(position.unrealised(Price(d("50000"))), None);
    let mut cross = any_position(Side::Long, "100", "50000", "166.67");
    cross.margin_mode = MarginMode::Cross;
    assert_eq!(cross.margin_ratio_pct(&spec, Price(d("50000"))), None, "it belongs to the account");
    let mut bare = contract("BTC_USDT");
    bare.tiers.clear();
    assert_eq!(any_position(Side::Long, "100", "50000", "1").margin_ratio_pct(&bare, Price(d("50000"))), None);
}

#[test]
fn a27_b15_warning_at_125_critical_at_115_each_once_with_hysteresis() {
    let mut bench = bench_3x();
    let level = |bench: &Bench| {
        bench.alerts(AlertKind::MarginRatioLow).last().filter(|alert| alert.is_active()).map(|alert| alert.severity)
    };
    bench.quote("BTC_USDT", "33605");
    assert_eq!(level(&bench), None);
    bench.quote("BTC_USDT", "33599");
    assert_eq!(level(&bench), Some(Severity::Warning));
    for price in ["33601", "33598", "33605", "33599"] {
        bench.quote("BTC_USDT", price);
    }
    let again = report(&bench, "33546.4", "166.67");
    settle(&mut bench, vec![again]);
    assert_eq!(bench.alerts(AlertKind::MarginRatioLow)[0].count, 1, "one for the crossing, not one a price or a sync");
    bench.quote("BTC_USDT", "33570");
    assert_eq!(level(&bench), Some(Severity::Critical));
    bench.quote("BTC_USDT", "33582");
    assert_eq!(level(&bench), Some(Severity::Critical), "within the hysteresis");
    bench.quote("BTC_USDT", "34000");
    assert_eq!(level(&bench), None);
    bench.quote("BTC_USDT", "33570");
    assert_eq!(level(&bench), Some(Severity::Critical), "armed again, and active again");
    assert_eq!(bench.alerts(AlertKind::MarginRatioLow).len(), 1);
    bench.check_replay();
}

#[test]
fn b21_b22_tiers_of_distance_warn_once_each_and_name_the_position() {
    let mut bench = bench_3x();
    let near = |bench: &Bench| bench.alerts(AlertKind::LiquidationNear);
    bench.quote("BTC_USDT", "48000");
    assert!(near(&bench).is_empty());
    for (price, severity) in [
        ("47900", Severity::Info),
        ("41900", Severity::Warning),
        ("40100", Severity::Warning),
        ("37200", Severity::Critical),
    ] {
        bench.quote("BTC_USDT", price);
        bench.quote("BTC_USDT", price);
        let alert = near(&bench).pop().unwrap();
        assert_eq!((alert.severity, alert.count), (severity, 1), "{price}");
        assert_eq!(alert.position, Some(bench.position("BTC_USDT", Side::Long).unwrap().id));
    }
    assert_eq!(near(&bench).len(), 1);
    bench.quote("BTC_USDT", "50000");
    assert!(!near(&bench)[0].is_active());
    assert_eq!(near(&bench)[0].severity, Severity::Critical, "latched until seen");
}

#[test]
fn a_10x_position_is_inside_all_tiers_and_is_warned_by_the_share_left() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = report(&bench, "45218.1", "50");
    settle(&mut bench, vec![report]);
    assert!(bench.alerts(AlertKind::LiquidationNear).is_empty(), "9.6 % away when it opened");
    bench.quote("BTC_USDT", "47500");
    assert!(bench.alerts(AlertKind::LiquidationNear).is_empty());
    bench.quote("BTC_USDT", "47480");
    assert_eq!(bench.alerts(AlertKind::LiquidationNear)[0].severity, Severity::Warning);
    bench.quote("BTC_USDT", "46320");
    assert_eq!(bench.alerts(AlertKind::LiquidationNear)[0].severity, Severity::Critical);
}

#[test]
fn an_own_action_arms_it_anew_and_what_others_do_does_not() {
    let mut bench = bench_3x();
    bench.quote("BTC_USDT", "40000");
    let opening = |bench: &Bench| bench.position("BTC_USDT", Side::Long).unwrap().watch.opening_distance_pct.unwrap();
    let first = opening(&bench);
    // Somebody takes margin out: nearer, and measured by the old distance.
    let moved = report(&bench, "38000", "100");
    settle(&mut bench, vec![moved]);
    assert_eq!(opening(&bench), first);
    assert_eq!(bench.alerts(AlertKind::LiquidationNear)[0].severity, Severity::Critical);
    // A part is closed outside: still not ours.
    let fill = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "50", "40000", Category::Normal);
    bench.push(Push::Fill(fill));
    let mut half = report(&bench, "38500", "50");
    half.contracts = Contracts(d("50"));
    settle(&mut bench, vec![half]);
    assert_eq!(opening(&bench), first);
    // We add to it: the new price is what we chose.
    bench.quote("BTC_USDT", "40000");
    bench.open_position("s2", "BTC_USDT", "buy", "0.005", "40000");
    let mut whole = report(&bench, "30000", "120");
    whole.entry_price = Some(Price(d("45000")));
    settle(&mut bench, vec![whole]);
    assert_eq!(opening(&bench), d("25"));
    assert!(!bench.alerts(AlertKind::LiquidationNear)[0].is_active());
    bench.check_replay();
}

#[test]
fn a_standing_critical_is_said_again_at_its_interval_until_it_is_seen() {
    let mut bench = bench_3x();
    bench.quote("BTC_USDT", "33570");
    let repeats = |bench: &Bench| bench.events(|event| matches!(event, Event::AlertRepeated { .. })).len();
    assert_eq!(repeats(&bench), 0);
    bench.pass(secs(301));
    let said = repeats(&bench);
    assert!(said >= 1);
    let ids = bench.state().alerts.unacknowledged().map(|alert| alert.id).collect();
    bench.command("c1", perpdeck::model::Action::Acknowledge { alerts: ids });
    bench.pass(secs(601));
    assert_eq!(repeats(&bench), said);
}

#[test]
fn warnings_end_with_their_position() {
    let mut bench = bench_3x();
    bench.quote("BTC_USDT", "33570");
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    bench.fill(exit, "100", "33570");
    assert!(!bench.alerts(AlertKind::MarginRatioLow)[0].is_active());
    assert!(!bench.alerts(AlertKind::LiquidationNear)[0].is_active());
}

#[test]
fn b22_no_liquidation_price_is_no_distance() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = report(&bench, "0", "500");
    settle(&mut bench, vec![report]);
    bench.quote("BTC_USDT", "100");
    assert!(bench.alerts(AlertKind::LiquidationNear).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// At the price that the formula gives, the ratio is 100, for both sides and any numbers.
    #[test]
    fn the_ratio_is_a_hundred_at_the_liquidation_price(
        entry in 1_000_u32..200_000, contracts in 1_u32..100_000, leverage in 2_u32..50, long in any::<bool>(),
    ) {
        let side = if long { Side::Long } else { Side::Short };
        let mut position = any_position(side, "1", "50000", "1");
        let spec = contract("BTC_USDT");
        position.contracts = Contracts(Decimal::from(contracts));
        position.quantity = spec.quantity(position.contracts);
        position.entry_price = Some(Price(Decimal::from(entry)));
        let margin = div(Decimal::from(entry) * position.quantity.0, Decimal::from(leverage)).unwrap();
        position.venue.margin = Some(Usdt(margin));
        let at = liquidation_price(side, Decimal::from(entry), position.quantity.0, margin, d("0.004"), d("0.0004"));
        let ratio = position.margin_ratio_pct(&spec, Price(at)).unwrap();
        prop_assert!((ratio - d("100")).abs() < d("0.000001"), "{ratio}");
    }

    /// Falling without a jump, a position is warned before its liquidation price is reached (I20).
    #[test]
    fn i20_the_warning_comes_before_the_liquidation(step in 1_u32..60) {
        let mut bench = bench_3x();
        let mut price = 34_500_u32;
        while price > 33_547 {
            bench.quote("BTC_USDT", &price.to_string());
            price -= step.min(30);
        }
        prop_assert_eq!(bench.alerts(AlertKind::MarginRatioLow)[0].severity, Severity::Critical);
        prop_assert_eq!(bench.alerts(AlertKind::LiquidationNear).len(), 1);
    }
}
