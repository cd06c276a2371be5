//! Adoption against fills that come before, between and after (A17).

use perpdeck::engine::Request;
use perpdeck::model::{
    Action, AlertKind, Category, CommandStatus, Contracts, Intent, Push, Side, SignalId, SignalOutcome,
};

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
    bench.fills_told(Ok(Vec::new().into()));
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
    bench.fills_told(Ok(vec![fill].into()));
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!(position.origin, perpdeck::model::Origin::Own);
    assert!(position.venue.margin.is_some(), "the figures told before the fill are of this size");
    assert!(bench.alerts(AlertKind::PositionOpenedOutside).is_empty());
}

/// A person who sees a position at the exchange can close it here, whatever is still looked at.
#[test]
fn what_the_exchange_shows_can_be_closed_before_it_is_explained() {
    for wish in ["E1", "ZE1", "flatten"] {
        let mut bench = Bench::ready();
        bench.pass(secs(5));
        let report = bench.position_report("ETH_USDT", Side::Short, "20", "2000", "2500", "100");
        bench.push(Push::Position(report));
        assert!(bench.position("ETH_USDT", Side::Short).is_none(), "no fill says yet why it is there");
        bench.asked_so_far.clear();
        match wish {
            "flatten" => {
                bench.command("f", Action::Flatten);
                assert!(matches!(bench.command_status("f"), CommandStatus::Working { .. }));
            }
            exit => {
                let amount = if exit == "E1" { "" } else { "50%" };
                ordered(bench.signal("x", exit, "ETH_USDT", "buy", amount));
            }
        }
        let closes: Vec<_> = placed(&bench.asked_so_far).iter().map(|(_, _, place)| place.contracts).collect();
        assert_eq!(closes, [Contracts(d(if wish == "ZE1" { "10" } else { "20" }))], "{wish}");
        assert_eq!(bench.alerts(AlertKind::PositionOpenedOutside).len(), 1, "{wish}");
        bench.check_replay();
    }
}

/// "Nothing to close" is said of what the exchange says now, not of what it said a while ago.
#[test]
fn an_exit_of_what_is_not_known_here_asks_the_exchange_first() {
    let mut bench = Bench::ready();
    bench.pass(secs(5));
    bench.asked_so_far.clear();
    bench.signal_raw(raw("x", "E1", "ETH_USDT", "buy", ""));
    assert!(bench.state().signal_outcome(&SignalId::new("x").unwrap()).is_none(), "asked first");
    assert!(bench.asked(|request| matches!(request, Request::Positions)));
    bench.pass(std::time::Duration::from_millis(100));
    let report = bench.position_report("ETH_USDT", Side::Short, "20", "2000", "2500", "100");
    bench.sync(vec![report]);
    assert!(matches!(bench.outcome("x"), SignalOutcome::Ordered { .. }));
    assert_eq!(placed(&bench.asked_so_far).len(), 1);

    // It holds nothing: said after one question, and not asked again at once.
    bench.signal_raw(raw("y", "E1", "SOL_USDT", "sell", ""));
    assert!(reason(&bench.outcome("y")).contains("no LONG position of SOL_USDT"));
    // It does not answer: said within a second.
    bench.pass(secs(5));
    bench.signal_raw(raw("z", "E1", "SOL_USDT", "sell", ""));
    bench.pass(std::time::Duration::from_millis(1_100));
    assert!(reason(&bench.outcome("z")).contains("no LONG position of SOL_USDT"));
}
