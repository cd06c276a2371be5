mod flow;

use std::time::Duration;

use super::command::CandleMark;
use super::order::Category;
use super::*;
use crate::model::{Contracts, Usdt};
use crate::simulator::faults::{FaultKind, FaultSpec, Leg as FaultLeg};
use crate::simulator::scenario::Scenario;

const START: SessionTime = SessionTime::from_secs(1_795_392_000);

fn pace(at: VenueTime) -> SessionTime {
    SessionTime::from_micros(at.micros())
}

fn d(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

fn beginning(scenario: &str, mode: i64) -> Beginning {
    Beginning {
        seed: 42,
        balance: d("10000"),
        mode,
        duplicates: DuplicateMode::Reject2042,
        scenario: Scenario::load(scenario).unwrap(),
        candles: None,
        rules: RULES,
        clock: ClockError::default(),
    }
}

fn venue(scenario: &str) -> Venue {
    Venue::new(beginning(scenario, 1), None, START)
}

fn request(of: &str, side: Side, kind: Kind, vol: u32) -> Request {
    Request {
        symbol: symbol(of),
        side,
        kind,
        price: None,
        vol: Contracts(Decimal::from(vol)),
        cross: false,
        leverage: Some(3),
        external: None,
        position_mode: None,
        position_id: None,
        reduce_only: false,
        stop_loss: None,
        take_profit: None,
        loss_trend: 1,
        profit_trend: 1,
    }
}

fn place(venue: &mut Venue, request: Request) -> Result<u64, i64> {
    match venue.apply(&Command::Place { path: "test".into(), request: Box::new(request), fail: None }) {
        Answer::Id(id) => Ok(id),
        Answer::Refused(refusal) => Err(refusal.code),
        other => panic!("{other:?}"),
    }
}

fn limit(of: &str, side: Side, price: Price, vol: u32) -> Request {
    Request { price: Some(price), ..request(of, side, Kind::Limit, vol) }
}

fn seconds(venue: &mut Venue, n: u64) {
    let to = venue.now.plus(Duration::from_secs(n));
    venue.advance(to);
}

fn fault(venue: &mut Venue, spec: FaultSpec) {
    venue.apply(&Command::FaultOn { spec: Box::new(spec) });
}

fn switch(kind: FaultKind, of: &str) -> FaultSpec {
    FaultSpec { symbol: Some(symbol(of)), ..FaultSpec::new(kind) }
}

/// Money from the fills alone: what was sold less what was bought, at contract sizes.
fn equity_from_fills(venue: &Venue) -> Decimal {
    let mut equity = venue.account.deposits.0 + venue.account.funding.0;
    let mut net: BTreeMap<Symbol, Decimal> = BTreeMap::new();
    for fill in &venue.fills {
        let value = venue.instrument(&fill.symbol).unwrap().value(fill.price, fill.vol).0;
        let sign = if fill.side.is_buy() { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        equity -= sign * value + fill.fee.0;
        *net.entry(fill.symbol.clone()).or_default() += sign * fill.vol.0;
    }
    for (symbol, vol) in net {
        let market = &venue.markets[&symbol];
        equity += market.fair.0 * market.instrument.contract_size * vol;
    }
    equity
}

#[test]
fn a_market_order_fills_and_opens_a_position() {
    let mut venue = venue("calm");
    let id = place(&mut venue, request("BTC_USDT", Side::OpenLong, Kind::Market, 50)).unwrap();
    assert!(id > 1 << 53);
    let order = &venue.orders[&id];
    assert_eq!((order.state.code(), order.filled), (3, Contracts(d("50"))));
    let position = &venue.positions[&(symbol("BTC_USDT"), true)];
    assert_eq!(position.hold, Contracts(d("50")));
    let value = venue.fills[0].price.0 * d("0.0001") * d("50");
    assert_eq!(position.entry_value, Usdt(value));
    // Orders by the API pay 0.08 % as takers.
    assert_eq!(venue.account.fees, Usdt(value * d("0.0008")));
    let channels: Vec<_> = venue.take_pushes().iter().map(|push| push.channel).collect();
    for channel in ["order", "order.deal", "position", "asset"] {
        assert!(channels.contains(&format!("push.personal.{channel}").as_str()), "{channels:?}");
    }
}

#[test]
fn order_types_end_as_documented() {
    let mut venue = venue("calm");
    fault(&mut venue, FaultSpec { amount: Some(d("1000000")), ..FaultSpec::new(FaultKind::Transfer) });
    let ask = venue.markets[&symbol("BTC_USDT")].book.ask().unwrap();
    let tick = d("0.1");
    let through = Price(ask.0 + tick);
    let below = Price(ask.0 - d("50"));
    let many = 20_000;
    let typed = |kind, price, vol| Request { kind, ..limit("BTC_USDT", Side::OpenLong, price, vol) };
    let ends = |venue: &mut Venue, request| {
        let id = place(venue, request).unwrap();
        (venue.orders[&id].state.code(), venue.orders[&id].error)
    };
    assert_eq!(ends(&mut venue, typed(Kind::PostOnly, through, 1)), (4, 20));
    assert_eq!(ends(&mut venue, typed(Kind::PostOnly, below, 1)), (2, 0));
    assert_eq!(ends(&mut venue, typed(Kind::FillOrKill, ask, many)), (4, 19));
    assert_eq!(ends(&mut venue, typed(Kind::ImmediateOrCancel, below, 1)), (4, 18));
    assert_eq!(ends(&mut venue, typed(Kind::Limit, below, 1)), (2, 0));
    assert_eq!(ends(&mut venue, typed(Kind::FillOrKill, through, 1)), (3, 0));
    let part = place(&mut venue, typed(Kind::ImmediateOrCancel, ask, many)).unwrap();
    let order = &venue.orders[&part];
    assert!(order.filled.is_positive() && order.filled < order.request.vol);
    assert_eq!((order.state.code(), order.error), (4, 18));
}

#[test]
fn resting_orders_fill_as_maker_when_the_book_crosses_them_in_parts() {
    let mut venue = venue("calm");
    fault(&mut venue, FaultSpec { amount: Some(d("1000000")), ..FaultSpec::new(FaultKind::Transfer) });
    let xrp = symbol("XRP_USDT");
    let bid = venue.markets[&xrp].book.bid().unwrap();
    let id = place(&mut venue, limit("XRP_USDT", Side::OpenLong, bid, 150_000)).unwrap();
    assert_eq!(venue.orders[&id].state, State::Open);
    let mut partial = false;
    for _ in 0..2_000 {
        seconds(&mut venue, 1);
        let order = &venue.orders[&id];
        partial |= order.filled.is_positive() && order.state == State::Open;
        if order.state == State::Filled {
            break;
        }
    }
    let order = &venue.orders[&id];
    assert_eq!(order.state, State::Filled);
    assert!(partial, "a large order fills in parts");
    assert!(venue.fills.iter().all(|fill| !fill.taker && fill.price == bid));
    assert_eq!(order.taker_fee, Usdt::ZERO);
}

#[test]
fn refusals_have_their_codes() {
    let mut venue = venue("calm");
    let btc = venue.markets[&symbol("BTC_USDT")].last;
    let wide = |share: &str| venue.markets[&symbol("BTC_USDT")].instrument.on_tick(btc.0 * d(share));
    let (high, low) = (wide("1.2"), wide("0.8"));
    let at = |side, price, vol| limit("BTC_USDT", side, price, vol);
    let cases = [
        (request("BTC_USDT", Side::OpenLong, Kind::Market, 0), 2011),
        (Request { vol: Contracts(d("1.5")), ..at(Side::OpenLong, low, 1) }, 2015),
        (Request { symbol: symbol("ABC_USDT"), ..at(Side::OpenLong, low, 1) }, 1001),
        (at(Side::OpenLong, high, 1), 2003),
        (at(Side::OpenShort, low, 1), 2004),
        (at(Side::OpenLong, Price(low.0 + d("0.01")), 1), 2015),
        (Request { price: None, ..at(Side::OpenLong, low, 1) }, 2007),
        (at(Side::CloseLong, btc, 1), 2009),
        (at(Side::OpenLong, low, 400_000), 2005),
        (at(Side::OpenLong, low, 2_500_001), 2028),
        (request("BTC_USDT", Side::OpenLong, Kind::Market, 400_001), 2028),
        (Request { position_mode: Some(2), ..at(Side::OpenLong, low, 1) }, 7002),
        (Request { leverage: None, ..at(Side::OpenLong, low, 1) }, 2006),
        (Request { leverage: Some(201), ..at(Side::OpenLong, low, 1) }, 2006),
        (Request { leverage: Some(150), ..at(Side::OpenLong, low, 200_000) }, 2031),
        (Request { external: Some("x".repeat(33)), ..at(Side::OpenLong, low, 1) }, 2030),
        (Request { stop_loss: Some(high), ..at(Side::OpenLong, low, 1) }, 5003),
    ];
    for (request, code) in cases {
        assert_eq!(place(&mut venue, request.clone()), Err(code), "{request:?}");
    }
    assert!(venue.orders.is_empty());
}

#[test]
fn a_repeated_client_id_follows_the_mode_and_never_gives_two_live_orders() {
    for mode in [DuplicateMode::Reject2042, DuplicateMode::ReturnExisting, DuplicateMode::AcceptThenInvalidate] {
        let mut venue = venue("calm");
        venue.apply(&Command::Duplicates { mode });
        let price = Price(venue.markets[&symbol("BTC_USDT")].last.0 - d("100"));
        let order = Request { external: Some("eng-1".into()), ..limit("BTC_USDT", Side::OpenLong, price, 1) };
        let first = place(&mut venue, order.clone()).unwrap();
        let second = place(&mut venue, order);
        match mode {
            DuplicateMode::Reject2042 => assert_eq!(second, Err(2042)),
            DuplicateMode::ReturnExisting => assert_eq!(second, Ok(first)),
            DuplicateMode::AcceptThenInvalidate => {
                let second = &venue.orders[&second.unwrap()];
                assert_eq!((second.state, second.error), (State::Invalid, 22));
            }
        }
        assert_eq!(venue.working(None), [first]);
        assert_eq!(venue.requests.iter().filter(|note| note.client == "eng-1").count(), 2);
    }
}

#[test]
fn closing_more_than_is_held_is_refused_and_reservations_count() {
    let mut venue = venue("calm");
    place(&mut venue, request("ETH_USDT", Side::OpenLong, Kind::Market, 10)).unwrap();
    let far = Price(venue.markets[&symbol("ETH_USDT")].last.0 + d("200"));
    let close = |vol| limit("ETH_USDT", Side::CloseLong, far, vol);
    place(&mut venue, close(7)).unwrap();
    assert_eq!(place(&mut venue, close(4)), Err(2008));
    let resting = place(&mut venue, close(3)).unwrap();
    assert_eq!(venue.frozen_vol(&(symbol("ETH_USDT"), true)), Contracts(d("10")));
    // A person closes half: the reservation that no longer fits goes.
    fault(&mut venue, FaultSpec { vol: Some(d("5")), ..switch(FaultKind::ManualClose, "ETH_USDT") });
    assert_eq!((venue.orders[&resting].state, venue.orders[&resting].error), (State::Cancelled, 4));
    fault(&mut venue, switch(FaultKind::ManualClose, "ETH_USDT"));
    assert!(venue.positions.is_empty() && venue.open.is_empty());
    assert_eq!(venue.closed[0].profit, venue.account.realised);
}

#[test]
fn a_pushed_cross_position_is_the_one_that_rest_shows() {
    let mut venue = venue("calm");
    let price = Price(venue.markets[&symbol("BTC_USDT")].last.0 - d("100"));
    let cross = |request: Request| Request { cross: true, leverage: Some(20), ..request };
    place(&mut venue, cross(limit("BTC_USDT", Side::OpenLong, price, 3_000))).unwrap();
    for (of, side, vol) in [
        ("ETH_USDT", Side::OpenLong, 300),
        ("ETH_USDT", Side::OpenLong, 50),
        ("ETH_USDT", Side::CloseLong, 120),
        ("ETH_USDT", Side::CloseLong, 230),
    ] {
        venue.take_pushes();
        place(&mut venue, cross(request(of, side, Kind::Market, vol))).unwrap();
        let pushes = venue.take_pushes();
        let told = pushes.iter().rfind(|push| push.channel == "push.personal.position").unwrap();
        let Some(held) = venue.positions.get(&(symbol(of), true)) else {
            assert!(told.data.contains("\"state\":3"), "{}", told.data);
            continue;
        };
        let field = |json: &str, key: &str| json.split(key).nth(1).unwrap().split(',').next().unwrap().to_owned();
        for key in ["\"liquidatePrice\":", "\"marginRatio\":", "\"holdVol\":"] {
            assert_eq!(field(&told.data, key), field(&venue.position_json(held, false), key), "{side:?} {vol} {key}");
        }
    }
}

#[test]
fn one_way_mode_nets_and_flips() {
    let mut venue = Venue::new(beginning("calm", 2), None, START);
    place(&mut venue, request("SOL_USDT", Side::OpenLong, Kind::Market, 10)).unwrap();
    place(&mut venue, request("SOL_USDT", Side::OpenShort, Kind::Market, 25)).unwrap();
    assert!(!venue.positions.contains_key(&(symbol("SOL_USDT"), true)));
    assert_eq!(venue.positions[&(symbol("SOL_USDT"), false)].hold, Contracts(d("15")));
    let reduce = Request { reduce_only: true, ..request("SOL_USDT", Side::OpenLong, Kind::Market, 15) };
    place(&mut venue, reduce.clone()).unwrap();
    assert!(venue.positions.is_empty());
    assert_eq!(place(&mut venue, reduce), Err(2009));
    assert_eq!(venue.equity().0, equity_from_fills(&venue));
}

#[test]
fn stop_loss_and_take_profit_close_what_the_entry_filled() {
    let mut venue = venue("volatile");
    let doge = venue.markets[&symbol("DOGE_USDT")].last.0;
    let near = |share: &str| Some(venue.markets[&symbol("DOGE_USDT")].instrument.on_tick(doge * d(share)));
    let (stop_loss, take_profit) = (near("0.995"), near("1.005"));
    let entry = Request { stop_loss, take_profit, ..request("DOGE_USDT", Side::OpenLong, Kind::Market, 3) };
    place(&mut venue, entry).unwrap();
    assert_eq!(venue.stops.len(), 1);
    for _ in 0..1_200 {
        seconds(&mut venue, 1);
    }
    let stop = venue.stops.values().next().unwrap();
    assert_eq!(stop.state, 3, "one of both prices is reached within twenty minutes");
    assert!(venue.positions.is_empty());
    let order = &venue.orders[&stop.became];
    assert!(order.external.starts_with("stoporder_"), "{}", order.external);
    assert_eq!((order.category, order.request.side), (Category::Normal, Side::CloseLong));
}

#[test]
fn a_crash_liquidates_three_times_leverage_by_the_formulas() {
    let mut venue = venue("crash");
    seconds(&mut venue, 5);
    for (of, vol) in [("SOL_USDT", 50), ("XRP_USDT", 800), ("DOGE_USDT", 50)] {
        place(&mut venue, request(of, Side::OpenLong, Kind::Market, vol)).unwrap();
    }
    let wallet = venue.account.wallet;
    let lines: BTreeMap<_, _> =
        venue.positions.keys().map(|leg| (leg.0.clone(), venue.liquidation_price(leg))).collect();
    let margins: Usdt = venue.positions.values().map(|held| held.margin).sum();
    seconds(&mut venue, 55);
    assert!(venue.positions.is_empty(), "{:?}", venue.positions.keys());
    assert_eq!(venue.liquidations.len(), 3);
    for note in &venue.liquidations {
        assert!(note.fair <= lines[&note.symbol], "{note:?}");
        let order = &venue.orders[&note.order];
        assert_eq!((order.category, order.state, order.filled), (Category::Liquidation, State::Filled, note.vol));
        assert!(order.external.starts_with("_m_"));
    }
    let lost = wallet - venue.account.wallet;
    assert!(lost <= margins && lost >= margins.times(d("0.999")), "lost {lost} of {margins}");
    let pushes = venue.take_pushes();
    let seen = |channel: &str, part: &str| pushes.iter().any(|p| p.channel == channel && p.data.contains(part));
    assert!(seen("push.personal.position", "\"state\":2"));
    assert!(seen("push.personal.position", "\"state\":3"));
    assert!(seen("push.personal.order.deal", "\"category\":2"));
    assert!(seen("push.personal.generic.notify", "\"notifyType\":1"));
}

#[test]
fn a_squeeze_liquidates_shorts_opened_after_the_fall() {
    let mut venue = venue("crash");
    seconds(&mut venue, 60);
    place(&mut venue, request("SOL_USDT", Side::OpenShort, Kind::Market, 50)).unwrap();
    seconds(&mut venue, 40);
    assert!(venue.liquidations.iter().any(|note| !note.long));
}

#[test]
fn a_big_position_drops_tier_by_tier() {
    let mut venue = venue("calm");
    fault(&mut venue, FaultSpec { amount: Some(d("100000000")), ..FaultSpec::new(FaultKind::Transfer) });
    let open = FaultSpec {
        side: Some(FaultLeg::Long),
        vol: Some(d("55000")),
        leverage: Some(20),
        ..switch(FaultKind::ManualOpen, "SOL_USDT")
    };
    // The book is thin: a person buys over and over until tier 3 is reached.
    for _ in 0..4_000 {
        let held = venue.positions.values().map(|held| held.hold).sum::<Contracts>();
        if held >= Contracts(d("45000")) {
            break;
        }
        let missing = (d("55000") - held.0).min(d("3000"));
        fault(&mut venue, FaultSpec { vol: Some(missing), ..open.clone() });
        seconds(&mut venue, 1);
    }
    let leg = (symbol("SOL_USDT"), true);
    let before = venue.positions[&leg].hold;
    assert!(before > Contracts(d("40000")), "{before}");
    let line = venue.liquidation_price(&leg).0;
    let fair = venue.markets[&leg.0].fair.0;
    // Just beyond the line of tier 3, and well inside that of tier 1.
    let percent = ((line * d("0.9995") - fair) / fair * d("100")).round_dp(3);
    fault(&mut venue, FaultSpec { percent: Some(percent), ..switch(FaultKind::PriceJump, "SOL_USDT") });
    seconds(&mut venue, 1);
    assert!(!venue.liquidations.is_empty());
    assert!(venue.liquidations[0].partial, "a part is taken over first: {:?}", venue.liquidations);
    let first = venue.liquidations[0].vol;
    assert_eq!(before - first, Contracts(d("40000")), "down to the cap of the tier below");
}

#[test]
fn cross_liquidation_nets_the_legs_and_takes_everything_over() {
    let mut venue = venue("calm");
    let cross = |of, side, vol, leverage| Request {
        cross: true,
        leverage: Some(leverage),
        ..request(of, side, Kind::Market, vol)
    };
    place(&mut venue, cross("SOL_USDT", Side::OpenLong, 1_000, 20)).unwrap();
    place(&mut venue, cross("SOL_USDT", Side::OpenShort, 100, 20)).unwrap();
    place(&mut venue, cross("XRP_USDT", Side::OpenLong, 8_000, 20)).unwrap();
    let far = Price(venue.markets[&symbol("BTC_USDT")].last.0 - d("2000"));
    let resting = place(&mut venue, limit("BTC_USDT", Side::OpenLong, far, 10)).unwrap();
    fault(&mut venue, FaultSpec { percent: Some(d("-75")), ..switch(FaultKind::PriceJump, "SOL_USDT") });
    seconds(&mut venue, 1);
    assert_eq!(venue.orders[&resting].error, 13);
    assert!(venue.liquidations.iter().any(|note| note.kind == "hedge"));
    assert!(venue.positions.is_empty(), "{:?}", venue.positions);
    assert!(venue.account.wallet >= Usdt::ZERO, "the loss ends at the account: {}", venue.account.wallet);
}

#[test]
fn forced_liquidation_adl_and_manual_orders_have_their_marks() {
    let mut venue = venue("calm");
    for of in ["BTC_USDT", "ETH_USDT"] {
        place(&mut venue, request(of, Side::OpenLong, Kind::Market, 10)).unwrap();
    }
    fault(&mut venue, switch(FaultKind::ForcedLiquidation, "BTC_USDT"));
    fault(&mut venue, FaultSpec { vol: Some(d("4")), ..switch(FaultKind::Adl, "ETH_USDT") });
    let categories: Vec<i64> = venue.fills.iter().map(|fill| fill.category.code()).collect();
    assert_eq!(categories, [1, 1, 2, 4]);
    assert_eq!(venue.positions[&(symbol("ETH_USDT"), true)].hold, Contracts(d("6")));
    let price = Price(venue.markets[&symbol("ETH_USDT")].last.0 - d("100"));
    let id = place(&mut venue, limit("ETH_USDT", Side::OpenLong, price, 1)).unwrap();
    fault(&mut venue, FaultSpec { order: Some(id.to_string()), ..FaultSpec::new(FaultKind::ManualCancel) });
    assert_eq!(venue.orders[&id].state, State::Cancelled);
}

#[test]
fn funding_is_paid_by_longs_every_eight_hours() {
    let mut venue = venue("calm");
    // START is a multiple of eight hours.
    assert_eq!(START.secs() % FUNDING_SECONDS, 0);
    place(&mut venue, request("BTC_USDT", Side::OpenLong, Kind::Market, 50)).unwrap();
    venue.step = Duration::from_secs(60);
    seconds(&mut venue, 8 * 3_600 - 120);
    assert!(venue.account.fundings.is_empty());
    seconds(&mut venue, 240);
    assert_eq!(venue.account.fundings.len(), 1);
    let note = &venue.account.fundings[0];
    assert_eq!(note.amount, Usdt(-(note.value.0 * note.rate).round_dp(12)));
    assert_eq!(venue.positions[&(symbol("BTC_USDT"), true)].funding, note.amount);
    assert_eq!(venue.equity().0, equity_from_fills(&venue));
}

#[test]
fn leverage_margin_and_mode_change_by_the_rules() {
    let mut venue = venue("calm");
    let id = place(&mut venue, request("BTC_USDT", Side::OpenLong, Kind::Market, 100)).unwrap();
    let position = venue.orders[&id].position_id;
    let code = |answer| if let Answer::Refused(refusal) = answer { refusal.code } else { 0 };
    let lever = |position, leverage| Command::Leverage { position, symbol: None, cross: None, long: None, leverage };
    assert_eq!(code(venue.apply(&lever(Some(position), 10))), 0);
    let leg = (symbol("BTC_USDT"), true);
    let value = venue.positions[&leg].entry_value;
    assert_eq!(venue.positions[&leg].margin, Usdt((value.0 / d("10")).round_dp(12)));
    assert_eq!(code(venue.apply(&lever(Some(1), 10))), 2009);
    assert_eq!(code(venue.apply(&lever(Some(position), 500))), 2006);
    let before = venue.liquidation_price(&leg);
    assert_eq!(code(venue.apply(&Command::Margin { position, amount: d("20") })), 0);
    assert!(venue.liquidation_price(&leg) < before);
    assert_eq!(code(venue.apply(&Command::Margin { position, amount: d("-82") })), 2018);
    assert_eq!(code(venue.apply(&Command::Margin { position, amount: d("99999") })), 2005);
    assert_eq!(code(venue.apply(&Command::Mode { mode: 2 })), 2019);
    assert_eq!(place(&mut venue, request("BTC_USDT", Side::OpenLong, Kind::Market, 1)), Err(2021));
}

#[test]
fn the_outage_scenario_switches_itself_on_and_off() {
    let mut venue = venue("outage");
    let active = |venue: &Venue| venue.faults.values().filter(|fault| fault.is_on(venue.now)).count();
    seconds(&mut venue, 4);
    assert_eq!(active(&venue), 0);
    seconds(&mut venue, 2);
    assert_eq!(active(&venue), 2, "an accepted order that seems refused, and the outage of the others");
    seconds(&mut venue, 45);
    assert_eq!(active(&venue), 1, "what waits for an order waits on; the outage is over");
}

#[test]
fn calm_markets_break_out_several_times_a_minute() {
    let mut venue = venue("calm");
    let window = 20;
    let mut highs: BTreeMap<Symbol, Vec<Price>> = BTreeMap::new();
    let mut breakouts = 0;
    for _ in 0..600 {
        seconds(&mut venue, 1);
        for (symbol, market) in &venue.markets {
            let seen = highs.entry(symbol.clone()).or_default();
            let recent = &seen[seen.len().saturating_sub(window)..];
            let high = recent.iter().max().copied().unwrap_or(market.last);
            let above = market.last.0 > high.0 * d("1.0002");
            let fresh = seen.len() >= window && above && seen.last().is_some_and(|last| *last <= high);
            breakouts += i32::from(fresh);
            seen.push(market.last);
        }
    }
    assert!(breakouts >= 30, "{breakouts} breakouts in ten minutes");
    for (symbol, seen) in highs {
        let (low, high) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
        assert!(high.0 / low.0 < d("1.06"), "{symbol} is calm: {low} to {high}");
    }
}

#[test]
fn recorded_prices_stay_inside_their_candles_and_end() {
    use crate::simulator::candles::{Candles, GapRule};
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/xrp_usdt_5m_2021-11-15.csv");
    let candles = Arc::new(Candles::load(std::path::Path::new(file), GapRule::Refuse).unwrap());
    let mark = CandleMark { symbol: symbol("XRP_USDT"), rows: candles.rows().len(), digest: String::new() };
    let begin = Beginning { candles: Some(mark), ..beginning("calm", 1) };
    let mut venue = Venue::new(begin, Some(&candles), pace(candles.start()));
    assert_eq!(venue.markets.len(), 1);
    assert_eq!(venue.step(), Duration::from_secs(15));
    let mut touched = 0;
    let on_tick = |price| venue.markets[&symbol("XRP_USDT")].instrument.on_tick(price).0;
    let rows: Vec<_> = candles.rows().iter().map(|row| (row.time, on_tick(row.low), on_tick(row.high))).collect();
    for (time, lowest, highest) in rows {
        let time = pace(time);
        let (mut low, mut high) = (highest, lowest);
        for step in 0..20 {
            venue.advance(time.plus(Duration::from_secs(15 * step)));
            let last = venue.markets[&symbol("XRP_USDT")].last.0;
            assert!(last >= lowest && last <= highest, "{last} at {time}");
            (low, high) = (low.min(last), high.max(last));
        }
        touched += i32::from(low == lowest && high == highest);
    }
    assert_eq!(touched, 1_999, "every extreme is touched");
    assert!(!venue.ended());
    venue.advance(pace(candles.end()));
    assert!(venue.ended());
}
