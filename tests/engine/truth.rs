//! What is true of orders, fills and positions: absence needs proof, words have an order, odd rows are
//! apart, waits have an end, and the exchange's own numbers count.

use std::collections::BTreeSet;

use perpdeck::engine::{Reply, Request};
use perpdeck::model::{
    AccountReport, AlertKind, BreakerState, CallClass, CallError, Category, Chore, Contracts, ErrorClass, Event,
    FillId, FillReport, Intent, Listing, OrderState, Origin, Phase, PositionMode, PositionReport, Price, Push,
    Severity, Side, UnreadableRow, Usdt, VenueOrderState, VenuePositionId,
};
use proptest::prelude::*;

use crate::harness::*;

fn account(margin: &str) -> AccountReport {
    AccountReport {
        equity: Some(Usdt(d("10000"))),
        available: Usdt(d("10000")),
        position_margin: Usdt(d(margin)),
        order_margin: Usdt::ZERO,
        unrealised: Some(Usdt::ZERO),
    }
}

fn btc(bench: &Bench, contracts: &str, version: u64) -> PositionReport {
    PositionReport { version, ..bench.position_report("BTC_USDT", Side::Long, contracts, "50000", "33546.4", "166.67") }
}

/// Answers what is out: positions by these lists (the last one again and again), fills by these.
fn serve(bench: &mut Bench, positions: &Listing<PositionReport>, margin: &str, fills: &[FillReport]) {
    let out = |bench: &Bench, chore| bench.state().upkeep.chore(chore).asked_at;
    if let Some(asked_at) = out(bench, Chore::SyncPositions) {
        bench.reply(Reply::Positions {
            asked_at,
            result: Ok(positions.clone()),
            account: Ok(vec![account(margin)].into()),
        });
    }
    if out(bench, Chore::FetchFills).is_some() {
        bench.fills_told(Ok(fills.to_vec().into()));
    }
    if let Some(asked_at) = out(bench, Chore::PollOrders) {
        bench.reply(Reply::OpenOrders { asked_at, result: Ok(Vec::new().into()) });
    }
}

fn opened() -> Bench {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let report = btc(&bench, "100", 1);
    bench.push(Push::Position(report));
    bench.pass_quoted(secs(10));
    bench
}

fn quiet(bench: &Bench) {
    for kind in [AlertKind::PositionClosedOutside, AlertKind::PositionOpenedOutside, AlertKind::ReconciliationStuck] {
        assert!(bench.alerts(kind).is_empty(), "{:?}", bench.alerts(kind));
    }
    assert!(bench.events(|event| matches!(event, Event::PositionAdjusted { .. })).is_empty());
    assert!(bench.events(|event| matches!(event, Event::PositionClosed { .. })).is_empty());
}

#[test]
fn one_empty_list_that_says_success_changes_nothing() {
    let mut bench = opened();
    let id = bench.position("BTC_USDT", Side::Long).unwrap().id;
    let row = btc(&bench, "100", 1);
    bench.sync(Vec::new());
    assert!(!bench.state().upkeep.is_confirmed(&key("BTC_USDT", Side::Long)), "shown as unconfirmed");
    bench.tick();
    assert!(bench.asked(|request| matches!(request, Request::Positions)), "the second list is asked for at once");
    for _ in 0..60 {
        serve(&mut bench, &vec![row.clone()].into(), "166.67", &[]);
        bench.pass_quoted(secs(1));
    }
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().id, id);
    assert!(bench.state().upkeep.is_confirmed(&key("BTC_USDT", Side::Long)));
    quiet(&bench);
}

#[test]
fn rows_missing_in_half_of_the_lists_close_and_open_nothing() {
    let mut bench = opened();
    let row = btc(&bench, "100", 1);
    let mut random = 0x9e37_79b9_u32;
    for _ in 0..300 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let rows = if random & 0x8000_0000 == 0 { vec![row.clone()] } else { Vec::new() };
        serve(&mut bench, &rows.into(), "166.67", &[]);
        bench.pass_quoted(std::time::Duration::from_millis(200));
    }
    quiet(&bench);
}

#[test]
fn lists_that_lag_by_up_to_five_seconds_raise_no_alert_and_move_no_size() {
    let mut bench = opened();
    let mut words = vec![(bench.now, btc(&bench, "100", 1))];
    let (mut fills, mut version, mut held) = (Vec::new(), 1, 100);
    for step in 0..100_u64 {
        if step % 4 == 1 && held > 4 {
            let exit = ordered(bench.signal(&format!("z{step}"), "ZE1", "BTC_USDT", "sell", "0.0003"));
            bench.accept(exit);
            let fill = bench.fill_of(exit, "3", "50000");
            (version, held) = (version + 1, held - 3);
            fills.push(fill.clone());
            bench.push(Push::Fill(fill));
            let word = btc(&bench, &held.to_string(), version);
            words.push((bench.now, word.clone()));
            bench.push(Push::Position(word));
        }
        let lag = secs(step * 7 % 6);
        let seen = bench.now.minus(lag);
        let listed = words.iter().rev().find(|(at, _)| *at <= seen).map(|(_, word)| word.clone());
        let told: Vec<FillReport> = fills.iter().filter(|fill| fill.at <= venue(seen)).cloned().collect();
        serve(&mut bench, &listed.into_iter().collect(), "100", &told);
        bench.pass_quoted(secs(1));
    }
    quiet(&bench);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d(&held.to_string()));
}

#[test]
fn a_position_that_two_lists_lack_is_gone_and_a_push_of_its_end_needs_none() {
    let mut bench = opened();
    for _ in 0..10 {
        serve(&mut bench, &Listing::default(), "0", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(bench.position("BTC_USDT", Side::Long).is_none(), "{:?}", bench.state().upkeep.unconfirmed);
    let mut bench = opened();
    let end = btc(&bench, "0", 2);
    bench.push(Push::Position(end));
    let row = btc(&bench, "100", 1);
    for _ in 0..10 {
        // The list still shows what the push ended: it is older.
        serve(&mut bench, &vec![row.clone()].into(), "166.67", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(bench.position("BTC_USDT", Side::Long).is_none());
    assert!(bench.alerts(AlertKind::PositionOpenedOutside).is_empty());
}

#[test]
fn an_odd_row_of_a_list_is_told_once_and_spoils_no_other() {
    let mut bench = opened();
    let eth = bench.position_report("ETH_USDT", Side::Short, "10", "2000", "2600", "6.67");
    let odd = UnreadableRow {
        symbol: Some("BTC_USDT".to_owned()),
        text: "{\"state\":4}".to_owned(),
        why: "state 4".to_owned(),
    };
    let list = Listing { rows: vec![eth.clone()], unreadable: vec![odd] };
    for _ in 0..40 {
        serve(&mut bench, &list, "0", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(bench.position("BTC_USDT", Side::Long).is_some(), "its row may be the odd one");
    assert!(bench.position("ETH_USDT", Side::Short).is_some(), "the others count");
    let alerts = bench.alerts(AlertKind::VenueAnswerUnknown);
    assert_eq!((alerts.len(), alerts[0].count, alerts[0].severity), (1, 1, Severity::Critical));
    assert!(alerts[0].message.contains("state 4") && alerts[0].is_active());
    let row = btc(&bench, "100", 1);
    for _ in 0..20 {
        serve(&mut bench, &vec![eth.clone(), row.clone()].into(), "173", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(!bench.alerts(AlertKind::VenueAnswerUnknown)[0].is_active());
}

#[test]
fn a_comparison_that_fails_for_two_intervals_is_told_with_its_reason_until_it_succeeds() {
    let mut bench = opened();
    for _ in 0..30 {
        if let Some(asked_at) = bench.state().upkeep.chore(Chore::SyncPositions).asked_at {
            bench.reply(Reply::Positions { asked_at, result: Err(refusal()), account: Err(refusal()) });
        }
        bench.pass_quoted(secs(1));
    }
    let alerts = bench.alerts(AlertKind::ReconciliationStale);
    assert_eq!((alerts.len(), alerts[0].severity, alerts[0].count), (1, Severity::Critical, 1));
    assert!(alerts[0].message.contains("Balance insufficient"), "{}", alerts[0].message);
    assert!(!bench.state().positions_known(bench.now, secs(20)), "none would be unknown now");
    let row = btc(&bench, "100", 1);
    for _ in 0..70 {
        serve(&mut bench, &vec![row.clone()].into(), "166", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(!bench.alerts(AlertKind::ReconciliationStale)[0].is_active());
    assert!(bench.state().positions_known(bench.now, secs(20)));
}

#[test]
fn fills_that_never_come_put_the_truth_off_for_two_syncs_and_an_exit_can_close_it() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    bench.push_order(no, VenueOrderState::Filled, "100", 2);
    let row = btc(&bench, "100", 1);
    let begun = bench.now;
    while bench.position("BTC_USDT", Side::Long).is_none() {
        assert!(bench.now < begun.plus(secs(34)), "two syncs, and the time to notice");
        if let Some(asked_at) = bench.state().upkeep.chore(Chore::SyncPositions).asked_at {
            bench.reply(Reply::Positions {
                asked_at,
                result: Ok(vec![row.clone()].into()),
                account: Ok(vec![account("166")].into()),
            });
        }
        if bench.state().upkeep.chore(Chore::FetchFills).asked_at.is_some() {
            bench.fills_told(Err(error(perpdeck::model::ErrorClass::Retryable, false, "500")));
        }
        bench.pass_quoted(secs(1));
    }
    let alert = bench.alerts(AlertKind::ReconciliationStuck).remove(0);
    assert_eq!(alert.severity, Severity::Critical);
    assert!(alert.message.contains("fills of order #1") && alert.message.contains("500"), "{}", alert.message);
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().origin, Origin::Own);
    bench.signal("e1", "E1", "BTC_USDT", "sell", "");
    let exits = bench.state().orders.working().filter(|order| order.reduces()).map(|order| order.contracts.0);
    assert_eq!(exits.collect::<Vec<_>>(), [d("100")]);
    // The fill comes at last: it is in the size already.
    let mut fill = bench.fill_of(no, "100", "50000");
    fill.at = venue(begun);
    bench.push(Push::Fill(fill));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
    assert_eq!(bench.state_of(no), OrderState::Filled);
    bench.check_replay();
}

#[test]
fn the_exchange_s_profit_counts_and_a_close_is_not_told_while_it_says_that_more_is_held() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.02");
    bench.accept(no);
    let late = bench.fill_of(no, "100", "51000");
    bench.fill(no, "100", "50000");
    let told = PositionReport { entry_price: Some(Price(d("50500"))), ..btc(&bench, "200", 2) };
    bench.push(Push::Position(told));
    bench.pass_quoted(secs(1));
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    let mut fill = bench.fill_of(exit, "100", "51000");
    fill.profit = Some(Usdt(d("5")));
    bench.push(Push::Fill(fill));
    let told = PositionReport { entry_price: Some(Price(d("50500"))), ..btc(&bench, "100", 3) };
    bench.push(Push::Position(told));
    assert!(bench.events(|event| matches!(event, Event::PositionClosed { .. })).is_empty());
    bench.push(Push::Fill(late));
    let position = bench.position("BTC_USDT", Side::Long).unwrap();
    assert_eq!((position.contracts.0, position.realised.0), (d("100"), d("5")), "not 10 of our own average");
    assert_eq!(position.entry_price.unwrap().0, d("50500"));
    assert_eq!(bench.alerts(AlertKind::ResultDiffers)[0].severity, Severity::Info);
    bench.check_replay();
}

#[test]
fn fills_never_exceed_their_order_whatever_their_ids() {
    let mut bench = Bench::ready();
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.01");
    bench.accept(no);
    let fill = bench.fill_of(no, "100", "50000");
    bench.push(Push::Fill(fill.clone()));
    let again = FillReport { id: FillId::new("of-rest").unwrap(), ..fill.clone() };
    bench.reply(Reply::OrderFills { no, result: Ok(vec![again].into()) });
    assert!(bench.alerts(AlertKind::VenueAnswerUnknown).is_empty(), "the same fill");
    let more = FillReport { id: FillId::new("more").unwrap(), contracts: Contracts(d("7")), ..fill };
    bench.push(Push::Fill(more.clone()));
    bench.push(Push::Fill(more));
    assert_eq!(bench.alerts(AlertKind::VenueAnswerUnknown).len(), 1);
    assert_eq!(bench.alerts(AlertKind::VenueAnswerUnknown)[0].count, 1);
    assert_eq!(bench.order(no).filled_contracts.0, d("100"));
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
}

#[test]
fn a_liquidation_has_its_own_quantity_price_and_loss() {
    let mut bench = Bench::ready();
    bench.open_position("s1", "BTC_USDT", "buy", "0.01", "50000");
    let half = ordered(bench.signal("z1", "ZE1", "BTC_USDT", "sell", "50%"));
    bench.accept(half);
    bench.fill(half, "50", "51000");
    let fill = bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), "50", "40000", Category::Liquidation);
    bench.push(Push::Fill(fill));
    let closed = bench.state().positions.closed().next_back().unwrap();
    assert_eq!((closed.quantity.0, closed.exit_price.unwrap().0), (d("0.01"), d("45500")));
    assert_eq!(closed.realised.unwrap().0, d("-45"));
    let taken = closed.taken.as_ref().unwrap();
    assert_eq!(
        (taken.quantity.0, taken.price.unwrap().0, taken.realised.unwrap().0),
        (d("0.005"), d("40000"), d("-50"))
    );
}

/// A trade of several fills and the position pushes that go with them; in order, or mixed.
fn story(order: &[usize], flat: bool) -> (Usdt, Usdt, Option<(Contracts, Option<Price>)>, usize) {
    let mut bench = Bench::ready_with(|settings| {
        settings.risk.max_position_pct = d("100");
        settings.risk.symbol_concentration_pct = d("100");
    });
    let no = bench.enter("s1", "BTC_USDT", "buy", "0.0096");
    bench.accept(no);
    let parts: [(bool, &str, &str); 6] = [
        (true, "64", "50000"),
        (false, "1", "50100"),
        (true, "32", "50300"),
        (false, "2", "50200"),
        (false, "4", "50400"),
        (false, "89", "50500"),
    ];
    let mut pushes = Vec::new();
    let (mut held, mut value) = (d("0"), d("0"));
    for (at, (opens, contracts, price)) in parts.iter().enumerate().take(if flat { 6 } else { 5 }) {
        bench.now = bench.now.plus(std::time::Duration::from_millis(10));
        let (size, price) = (d(contracts), d(price));
        let mut fill = if *opens {
            bench.fill_of(no, contracts, &price.to_string())
        } else {
            bench.foreign_fill("BTC_USDT", Intent::close(Side::Long), contracts, &price.to_string(), Category::Normal)
        };
        if *opens {
            value += size * price;
            held += size;
        } else {
            let entry = value / held;
            fill.profit = Some(Usdt((price - entry) * size * d("0.0001")));
            value -= size * entry;
            held -= size;
        }
        pushes.push(Push::Fill(fill));
        let version = u64::try_from(at).unwrap() + 1;
        let entry = if held.is_zero() { None } else { Some(Price((value / held).round_dp(8))) };
        let told = btc(&bench, &held.to_string(), version);
        let venue_id = VenuePositionId::new("77").unwrap();
        pushes.push(Push::Position(PositionReport { entry_price: entry, venue_id, ..told }));
    }
    // The first fill and word begin it; all others come in any order, some twice.
    for first in &pushes[..2] {
        bench.push(first.clone());
    }
    for which in order {
        bench.push(pushes[2 + which % (pushes.len() - 2)].clone());
    }
    let mut rest: Vec<usize> = (0..pushes.len() - 2).collect();
    let told: BTreeSet<usize> = order.iter().map(|which| which % rest.len()).collect();
    rest.retain(|which| !told.contains(which));
    for which in rest {
        bench.push(pushes[2 + which].clone());
    }
    bench.check_replay();
    let fees: Usdt = bench.state().positions.open().map(|position| position.fees).sum::<Usdt>()
        + bench.state().positions.closed().map(|closed| closed.fees).sum::<Usdt>();
    let left = bench.position("BTC_USDT", Side::Long).map(|position| (position.contracts, position.entry_price));
    let ends = bench.events(|event| matches!(event, Event::PositionClosed { .. })).len();
    (bench.state().equity.day_realised, fees, left, ends)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Late, repeated and reordered words lead to the same end.
    #[test]
    fn any_order_of_fills_and_position_pushes_leads_to_the_same_end(
        order in prop::collection::vec(0_usize..40, 0..24), flat in any::<bool>(),
    ) {
        prop_assert_eq!(story(&order, flat), story(&[], flat));
    }
}

#[test]
fn a_closing_is_told_once_however_often_the_exchange_speaks_of_it() {
    let mut bench = opened();
    let exit = ordered(bench.signal("e1", "E1", "BTC_USDT", "sell", ""));
    bench.accept(exit);
    let fill = bench.fill_of(exit, "100", "50100");
    let end = btc(&bench, "0", 9);
    for _ in 0..5 {
        bench.push(Push::Fill(fill.clone()));
        bench.push(Push::Position(end.clone()));
        bench.push(Push::LiquidationNotice { key: Some(key("BTC_USDT", Side::Long)), liquidated: false });
        serve(&mut bench, &Listing::default(), "0", &[]);
        bench.pass_quoted(secs(1));
    }
    assert_eq!(bench.events(|event| matches!(event, Event::PositionClosed { .. })).len(), 1);
    assert_eq!(bench.state().positions.closed().count(), 1);
}

/// Balances that the exchange told, but not in USDT.
fn odd_balances() -> Result<Listing<AccountReport>, CallError> {
    let (text, why) = (r#"{"currency":"MX"}"#.into(), "the answer is about another currency than USDT".into());
    Ok(Listing { rows: Vec::new(), unreadable: vec![UnreadableRow { symbol: None, text, why }] })
}

#[test]
fn an_account_that_cannot_be_read_keeps_no_start_from_its_positions_and_no_exit_from_leaving() {
    for account in [odd_balances(), Err(refusal()), Err(error(ErrorClass::Retryable, true, "500"))] {
        let mut bench = Bench::started_with(|_| {});
        bench.reply(Reply::ServerTime { result: Ok(clock_offset()) });
        bench.push(Push::Connected);
        bench.reply(Reply::Contracts { result: Ok(vec![contract("BTC_USDT"), contract("ETH_USDT")]) });
        bench.reply(Reply::PositionMode { result: Ok(PositionMode::Hedge) });
        bench.quote("BTC_USDT", "50000");
        bench.quote("ETH_USDT", "2000");
        bench.reply(Reply::OpenOrders { asked_at: bench.now, result: Ok(Vec::new().into()) });
        let held = Ok(vec![btc(&bench, "100", 1)].into());
        bench.reply(Reply::Positions { asked_at: bench.now, result: held, account: account.clone() });
        bench.tick();
        bench.fills_told(Ok(Vec::new().into()));
        assert_eq!(bench.state().phase, Phase::Ready, "{account:?}");
        for _ in 0..30 {
            if let Some(asked_at) = bench.state().upkeep.chore(Chore::SyncPositions).asked_at {
                let held = Ok(vec![btc(&bench, "100", 1)].into());
                bench.reply(Reply::Positions { asked_at, result: held, account: account.clone() });
            }
            if bench.state().upkeep.chore(Chore::FetchFills).asked_at.is_some() {
                bench.fills_told(Ok(Vec::new().into()));
            }
            bench.pass_quoted(secs(1));
        }
        assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("100"));
        bench.signal("e1", "E1", "BTC_USDT", "sell", "");
        assert_eq!(bench.placed().len(), 1, "an exit needs no equity");
        let refused = bench.signal("s1", "S1", "ETH_USDT", "buy", "0.1");
        assert!(format!("{refused:?}").contains("equity is not known"), "{refused:?}");
    }
}

#[test]
fn balances_that_cannot_be_read_are_a_matter_of_their_own_and_unknown_after_two_syncs() {
    let mut bench = opened();
    let (told, mut row) = (bench.now, btc(&bench, "100", 1));
    for second in 0..150 {
        // The positions go on counting.
        if second == 30 {
            row = btc(&bench, "60", 2);
        }
        if let Some(asked_at) = bench.state().upkeep.chore(Chore::SyncPositions).asked_at {
            let result = Ok(vec![row.clone()].into());
            let account =
                if second % 20 < 10 { Err(error(ErrorClass::Retryable, true, "500")) } else { odd_balances() };
            bench.reply(Reply::Positions { asked_at, result, account });
        }
        if bench.state().upkeep.chore(Chore::FetchFills).asked_at.is_some() {
            bench.fills_told(Ok(Vec::new().into()));
        }
        bench.pass_quoted(secs(1));
        let age = bench.now.since(told);
        assert!(age < secs(35) || bench.state().equity.account.is_none(), "stale balances are no balances");
        assert!(age > secs(10) || bench.state().equity.account.is_some(), "one bad answer forgets nothing");
    }
    assert_eq!(bench.position("BTC_USDT", Side::Long).unwrap().contracts.0, d("60"));
    assert_eq!(bench.state().breaker(CallClass::Reads).state, BreakerState::Closed, "positions are asked on");
    let named = bench.alerts(AlertKind::VenueAnswerUnknown).remove(0);
    assert!(named.message.contains("balances") && named.message.contains("another currency"), "{}", named.message);
    let stale = bench.alerts(AlertKind::ReconciliationStale).remove(0);
    assert!(stale.is_active() && stale.message.contains("balances"), "{}", stale.message);
    let refused = bench.signal("s2", "S1", "ETH_USDT", "buy", "0.1");
    assert!(format!("{refused:?}").contains("equity is not known"), "{refused:?}");
    for _ in 0..20 {
        serve(&mut bench, &vec![row.clone()].into(), "100", &[]);
        bench.pass_quoted(secs(1));
    }
    assert!(bench.alerts(AlertKind::VenueAnswerUnknown).iter().all(|alert| !alert.is_active()));
    assert!(bench.alerts(AlertKind::ReconciliationStale).iter().all(|alert| !alert.is_active()));
    ordered(bench.signal("s3", "S1", "ETH_USDT", "buy", "0.1"));
    bench.check_replay();
}
