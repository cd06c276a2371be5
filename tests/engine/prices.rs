//! A price must make sense before it may carry an entry or lift a limit.

use std::time::Duration;

use perpdeck::engine::Reply;
use perpdeck::model::{ClockOffset, Price, Push, Quote, Side, VenueTime};

use crate::harness::*;

impl Bench {
    fn tick_of(&mut self, name: &str, price: &str, change: impl FnOnce(&mut Quote)) {
        let price = Some(Price(d(price)));
        let mut quote = Quote {
            symbol: symbol(name),
            last: price,
            mark: price,
            bid: price,
            ask: price,
            funding_rate: None,
            at: venue(self.now),
        };
        change(&mut quote);
        self.push(Push::Quote(quote));
    }

    fn mark_of(&self, name: &str) -> Price {
        self.state().quote(&symbol(name)).unwrap().mark.unwrap()
    }

    fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
    }
}

#[test]
fn one_bad_tick_lifts_no_size_limit_whatever_fields_it_garbles() {
    type Garble = (&'static str, fn(&mut Quote));
    let garble: [Garble; 4] = [
        ("all", |_| {}),
        ("last and mark", |quote| {
            quote.bid = Some(Price(d("49999")));
            quote.ask = Some(Price(d("50001")));
        }),
        ("mark", |quote| {
            quote.last = Some(Price(d("50000")));
            quote.bid = Some(Price(d("49999")));
            quote.ask = Some(Price(d("50001")));
        }),
        ("mark alone", |quote| {
            quote.last = None;
            quote.bid = None;
            quote.ask = None;
        }),
    ];
    for (name, garble) in garble {
        let mut bench = Bench::ready();
        bench.wait(500);
        bench.tick_of("BTC_USDT", "10", garble);
        let outcome = bench.signal("s1", "S1", "BTC_USDT", "buy", "0.4");
        assert!(reason(&outcome).contains("waiting for a second tick"), "{name}: {outcome:?}");
        assert!(bench.placed().is_empty(), "{name}");
        // The next tick is back: at once as before.
        bench.wait(50);
        bench.tick_of("BTC_USDT", "50010", |_| {});
        assert!(reason(&bench.signal("s2", "S1", "BTC_USDT", "buy", "0.4")).contains("size"), "{name}");
        ordered(bench.signal("s3", "S1", "BTC_USDT", "buy", "0.01"));
    }
}

/// After every start, and for each contract that is new, there is nothing to compare with.
#[test]
fn the_first_price_of_a_contract_lifts_no_limit_before_a_second_confirms_it() {
    let mut bench = Bench::ready();
    bench.open_position("s0", "BTC_USDT", "buy", "0.01", "50000");
    let mut again = bench.restarted();
    again.reply(perpdeck::engine::Reply::ServerTime { result: Ok(clock_offset()) });
    again.tick_of("BTC_USDT", "10", |_| {});
    let held = vec![again.position_report("BTC_USDT", Side::Long, "100", "50000", "40000", "1000")];
    again.answer_start(perpdeck::model::PositionMode::Hedge, held);
    again.fills_told(Ok(Vec::new().into()));
    // What `answer_start` quoted says something else, and nothing confirmed it yet.
    let outcome = again.signal("s1", "S1", "BTC_USDT", "buy", "0.01");
    assert!(reason(&outcome).contains("the first price of BTC_USDT: waiting for a second tick"), "{outcome:?}");
    again.wait(500);
    again.tick_of("BTC_USDT", "50000", |_| {});
    ordered(again.signal("s2", "S1", "BTC_USDT", "buy", "0.01"));

    let mut fresh = bench.restarted();
    fresh.tick_of("SOL_USDT", "0.01", |_| {});
    assert_eq!(fresh.state().exposure_price(&symbol("SOL_USDT")), None, "unknown, not tiny");
    fresh.wait(100);
    fresh.tick_of("SOL_USDT", "0.01", |_| {});
    assert_eq!(fresh.state().exposure_price(&symbol("SOL_USDT")), None, "too soon to be a second");
    fresh.tick_of("SOL_USDT", "0.01", |quote| {
        (quote.last, quote.mark, quote.bid, quote.ask) = (None, None, None, None);
    });
    assert_eq!(fresh.state().exposure_price(&symbol("SOL_USDT")), None, "nothing confirms nothing");
    fresh.wait(500);
    fresh.tick_of("SOL_USDT", "100", |_| {});
    assert_eq!(fresh.state().exposure_price(&symbol("SOL_USDT")), None, "the second says something else");
    fresh.wait(500);
    fresh.tick_of("SOL_USDT", "101", |_| {});
    assert_eq!(fresh.state().exposure_price(&symbol("SOL_USDT")), Some(Price(d("101"))));
}

#[test]
fn a_jump_is_believed_when_a_second_tick_says_the_same() {
    let mut bench = Bench::ready();
    bench.wait(500);
    bench.tick_of("BTC_USDT", "40000", |_| {});
    assert!(reason(&bench.signal("s1", "S1", "BTC_USDT", "buy", "0.01")).contains("jumped from 50000 to 40000"));
    bench.wait(100);
    bench.tick_of("BTC_USDT", "40100", |_| {});
    assert!(
        reason(&bench.signal("s2", "S1", "BTC_USDT", "buy", "0.01")).contains("second tick"),
        "too soon to be a second"
    );
    bench.wait(100);
    bench.tick_of("BTC_USDT", "40050", |_| {});
    ordered(bench.signal("s3", "S1", "BTC_USDT", "buy", "0.01"));
    // Two bad ticks that say different things confirm nothing.
    bench.wait(500);
    bench.tick_of("BTC_USDT", "10", |_| {});
    bench.wait(500);
    bench.tick_of("BTC_USDT", "90000", |_| {});
    assert!(reason(&bench.signal("s4", "S1", "BTC_USDT", "buy", "0.01")).contains("second tick"));
}

#[test]
fn a_market_that_stays_wide_is_doubted_once_and_not_for_ever() {
    let mut bench = Bench::ready();
    let wide = |quote: &mut Quote| {
        quote.bid = Some(Price(d("51500")));
        quote.ask = Some(Price(d("51600")));
    };
    bench.wait(500);
    bench.tick_of("BTC_USDT", "50000", wide);
    let outcome = bench.signal("s1", "S1", "BTC_USDT", "buy", "0.001");
    assert!(reason(&outcome).contains("outside bid 51500 and ask 51600"), "{outcome:?}");
    for n in 0..4 {
        bench.wait(500);
        bench.tick_of("BTC_USDT", "50000", wide);
        ordered(bench.signal(&format!("t{n}"), "S1", "BTC_USDT", "buy", "0.001"));
    }
}

#[test]
fn a_doubted_price_warns_and_makes_no_limit_wider_elsewhere() {
    let mut bench = Bench::ready_with(|settings| {
        settings.risk.max_position_pct = d("100");
        settings.risk.symbol_concentration_pct = d("100");
    });
    bench.open_position("s1", "BTC_USDT", "buy", "0.1", "50000");
    let report = bench.position_report("BTC_USDT", Side::Long, "1000", "50000", "40000", "1000");
    bench.push(Push::Position(report));
    bench.wait(500);
    bench.tick_of("BTC_USDT", "500000", |_| {});
    // 45,000 USDT of profit that may not be there would allow five times as much of another contract.
    let outcome = bench.signal("s2", "S1", "ETH_USDT", "buy", "10");
    assert!(reason(&outcome).contains("of equity"), "{outcome:?}");
    bench.wait(500);
    bench.tick_of("BTC_USDT", "40500", |_| {});
    bench.wait(100);
    bench.tick_of("BTC_USDT", "40500", |_| {});
    assert!(!bench.alerts(perpdeck::model::AlertKind::LiquidationNear).is_empty(), "it may always warn");
}

#[test]
fn a_stamp_of_the_far_future_is_not_fresh_for_ever() {
    let mut bench = Bench::ready();
    bench.wait(500);
    bench.tick_of("BTC_USDT", "50000", |quote| quote.at = VenueTime::from_secs(253_370_764_800));
    let limit = bench.engine.settings().risk.max_price_age;
    bench.pass(limit + secs(1));
    assert!(reason(&bench.signal("s1", "S1", "BTC_USDT", "buy", "0.001")).contains("s old"));
    // And it does not lock out the ticks that follow it.
    bench.tick_of("BTC_USDT", "50020", |_| {});
    assert_eq!(bench.mark_of("BTC_USDT"), Price(d("50020")));
    ordered(bench.signal("s2", "S1", "BTC_USDT", "buy", "0.001"));
}

#[test]
fn the_age_of_a_price_is_the_same_wherever_the_exchanges_clock_stands() {
    for ahead_ms in [-45_000, -5_000, -300, 0, 300, 5_000, 45_000] {
        let mut bench = Bench::ready();
        let offset = ClockOffset { offset_us: ahead_ms * 1_000, round_trip_us: 20_000 };
        bench.reply(Reply::ServerTime { result: Ok(offset) });
        let age = |bench: &Bench| bench.state().quote_age(&symbol("BTC_USDT"), bench.now).unwrap();
        bench.wait(60_000);
        let stamped = offset.to_venue(bench.now).minus(secs(3));
        bench.tick_of("BTC_USDT", "50000", |quote| quote.at = stamped);
        assert_eq!(age(&bench), secs(3) - offset.uncertainty(), "{ahead_ms}: late on the way");
        let stamped = offset.to_venue(bench.now);
        bench.tick_of("BTC_USDT", "50000", |quote| quote.at = stamped);
        assert_eq!(age(&bench), Duration::ZERO, "{ahead_ms}: just now");
    }
}

#[test]
fn an_older_tick_never_replaces_a_newer_one() {
    let mut bench = Bench::ready();
    bench.wait(2_000);
    bench.tick_of("BTC_USDT", "50100", |_| {});
    let earlier = venue(bench.now).minus(Duration::from_millis(1));
    bench.wait(100);
    bench.tick_of("BTC_USDT", "49900", |quote| quote.at = earlier);
    assert_eq!(bench.mark_of("BTC_USDT"), Price(d("50100")));
}

#[test]
fn quotes_of_contracts_that_nobody_knows_are_kept_within_bounds() {
    let mut bench = Bench::ready();
    for n in 0..1_000 {
        bench.tick_of(&format!("X{n}_USDT"), "1", |_| {});
    }
    assert!(bench.state().quotes.len() <= 256, "{}", bench.state().quotes.len());
    bench.wait(500);
    bench.tick_of("BTC_USDT", "50050", |_| {});
    assert_eq!(bench.mark_of("BTC_USDT"), Price(d("50050")));
}
