//! In which margin mode a position is held, the exchange says: a guess of ours gives way at the first picture.

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AlertKind, Category, Chore, Event, Intent, MarginMode, PositionReport, Push, Refusal, Severity, Side, VenueTime,
};

use crate::harness::*;

fn mode(bench: &Bench) -> MarginMode {
    bench.position("BTC_USDT", Side::Long).unwrap().margin_mode
}

fn learned(bench: &Bench) -> usize {
    bench.events(|event| matches!(event, Event::MarginModeLearned { .. })).len()
}

/// An order of another client, in cross margin, whose fill is told before the exchange shows the position.
fn opened_outside() -> Bench {
    let mut bench = Bench::ready();
    let fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Long), "100", "50000", Category::Normal);
    bench.push(Push::Fill(fill));
    assert_eq!(mode(&bench), MarginMode::Isolated, "the setting, as long as nobody says otherwise");
    bench
}

fn cross(bench: &Bench, contracts: &str) -> PositionReport {
    let report = bench.position_report("BTC_USDT", Side::Long, contracts, "50000", "33546.4", "166.67");
    PositionReport { margin_mode: MarginMode::Cross, version: 1, ..report }
}

/// The margin mode that an exit names now.
fn exit_names(bench: &mut Bench, id: &str) -> MarginMode {
    bench.signal(id, "E1", "BTC_USDT", "sell", "");
    bench.placed().remove(0).2.margin_mode
}

#[test]
fn a_push_corrects_what_was_taken_for_it_and_exits_name_it() {
    let mut bench = opened_outside();
    let report = cross(&bench, "100");
    bench.push(Push::Position(report));
    assert_eq!((mode(&bench), learned(&bench)), (MarginMode::Cross, 1));
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    let spec = &bench.state().contracts[&symbol("BTC_USDT")];
    assert_eq!(position.margin_ratio_pct(spec, bench.state().quotes[&symbol("BTC_USDT")].mark.unwrap()), None);
    assert!(bench.state().has_cross_position());
    assert_eq!(exit_names(&mut bench, "out"), MarginMode::Cross);
    bench.check_replay();
    // Told again it is no news.
    let report = cross(&bench, "100");
    bench.push(Push::Position(PositionReport { version: 2, ..report }));
    assert_eq!(learned(&bench), 1);
}

#[test]
fn a_picture_of_another_size_corrects_it_too() {
    let mut bench = opened_outside();
    // The exchange speaks of a second fill that is not told here yet.
    let report = cross(&bench, "150");
    bench.push(Push::Position(report));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    assert_eq!(exit_names(&mut bench, "out"), MarginMode::Cross);
    bench.check_replay();
}

#[test]
fn an_exit_that_is_refused_for_its_margin_mode_asks_and_goes_out_right() {
    let mut bench = opened_outside();
    assert_eq!(exit_names(&mut bench, "out"), MarginMode::Isolated);
    let (no, ..) = bench.placed().remove(0);
    let wrong = perpdeck::model::CallError {
        code: Some(2027),
        refusal: Refusal::PositionMismatch,
        message: "Only one margin mode is allowed in one direction".to_owned(),
        ..refusal()
    };
    bench.refuse(no, wrong);
    bench.tick();
    let asked_at = bench.state().upkeep.chore(Chore::SyncPositions).asked_at;
    assert!(asked_at.is_some() || bench.asked(|request| matches!(request, Request::Positions)), "{:?}", bench.requests);
    // The lists do not agree with the fills about the size, and tell the mode all the same.
    let row = cross(&bench, "120");
    bench.reply(Reply::Positions {
        asked_at: bench.now,
        result: Ok(vec![row].into()),
        account: Ok(vec![account_of("10000")].into()),
    });
    let placed = placed(&bench.pass_quoted(secs(3)));
    assert_eq!(placed.first().map(|(_, _, order)| order.margin_mode), Some(MarginMode::Cross), "{placed:?}");
}

#[test]
fn a_picture_of_an_earlier_opening_changes_nothing() {
    let mut bench = Bench::ready();
    // Held in cross by somebody else, and closed again; a list that lags shows it once more.
    let old = PositionReport { updated_at: venue(bench.now).minus(secs(3)), ..cross(&bench, "50") };
    let fill = bench.foreign_fill("BTC_USDT", Intent::open(Side::Long), "100", "50000", Category::Normal);
    bench.push(Push::Fill(fill));
    bench.sync(vec![old]);
    assert_eq!(mode(&bench), MarginMode::Isolated);
    // A stamp that is missing proves nothing either.
    let odd = PositionReport { updated_at: VenueTime::ZERO, ..cross(&bench, "50") };
    bench.sync(vec![odd]);
    assert_eq!(mode(&bench), MarginMode::Isolated);
}

#[test]
fn what_was_said_of_the_margin_of_the_other_mode_ends() {
    // Isolated in our books, and near its end by them.
    let mut bench = opened_outside();
    let report = PositionReport { margin_mode: MarginMode::Isolated, ..cross(&bench, "100") };
    bench.push(Push::Position(report));
    bench.quote("BTC_USDT", "33585");
    let standing = |bench: &Bench, subject: &str| {
        let alerts = bench.alerts(AlertKind::MarginRatioLow);
        alerts.iter().any(|alert| alert.is_active() && alert.key.subject == subject)
    };
    let id = bench.position("BTC_USDT", Side::Long).unwrap().id.to_string();
    assert!(standing(&bench, &id), "{:?}", bench.alerts(AlertKind::MarginRatioLow));
    let report = PositionReport { version: 2, ..cross(&bench, "100") };
    bench.push(Push::Position(report));
    assert!(!standing(&bench, &id), "in cross the ratio is the account's");
    // And the other way round: the account's, when it was the only one.
    let report = PositionReport { margin_mode: MarginMode::Isolated, version: 3, ..cross(&bench, "100") };
    bench.push(Push::Position(report));
    assert!(!standing(&bench, "account") && standing(&bench, &id));
    let worst = bench.alerts(AlertKind::MarginRatioLow).iter().map(|alert| alert.severity).max();
    assert!(worst >= Some(Severity::Warning));
    bench.check_replay();
}
