//! Adoption against fills that come before, between and after (A17).

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{AlertKind, Category, Intent, Push, Side};

use crate::harness::*;
use crate::position_sync::settle;

#[test]
fn a17_an_adopted_position_is_not_doubled_by_its_late_fill() {
    let mut bench = Bench::ready();
    let mut fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Long), "100", "50000", Category::Normal);
    bench.pass(secs(1));
    fill.at = venue(bench.now);
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "33546.4", "166.67");
    settle(&mut bench, vec![report]);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    bench.check_replay();
}

#[test]
fn a17_a_fill_after_the_adopted_snapshot_counts() {
    let mut bench = Bench::ready();
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "33546.4", "166.67");
    settle(&mut bench, vec![report]);
    bench.pass(secs(1));
    let fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Long), "50", "50000", Category::Normal);
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("150"));
}

#[test]
fn a17_an_order_in_flight_explains_what_the_snapshot_shows() {
    let mut bench = Bench::ready();
    bench.pass(secs(3));
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50000", "33546.4", "166.67");
    bench.sync(vec![report]);
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::FillsSince { .. })));
    bench.reply(Reply::Fills { result: Ok(Vec::new().into()) });
    assert!(bench.position("BTC_USDT", Side::Long).is_none(), "its answer is still out");
    bench.accept(no);
    bench.fill(no, "100", "50000");
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    assert!(bench.alerts(AlertKind::PositionOpenedOutside).is_empty());
}

#[test]
fn a_missed_fill_is_fetched_before_anything_is_adopted() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    let fill = bench.fill_of(no, "100", "50005");
    bench.pass(secs(3));
    let report = bench.position_report("BTC_USDT", Side::Long, "100", "50005", "33546.4", "166.67");
    bench.sync(vec![report]);
    bench.tick();
    bench.reply(Reply::Fills { result: Ok(vec![fill].into()) });
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!(position.origin, perpdeck::model::Origin::Own);
    assert!(position.venue.margin.is_some(), "the figures told before the fill are of this size");
    assert!(bench.alerts(AlertKind::PositionOpenedOutside).is_empty());
}
