//! Random order flow: money and positions stay exact, and the same commands give the same books.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Move {
    Place { market: usize, side: Side, kind: Kind, vol: u32, off: i32, cross: bool },
    CancelAll,
    Wait(u64),
    Jump(usize, i32),
    CloseAll,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let side = prop_oneof![Just(Side::OpenLong), Just(Side::OpenShort), Just(Side::CloseLong), Just(Side::CloseShort)];
    let kind = prop_oneof![
        3 => Just(Kind::Market),
        2 => Just(Kind::Limit),
        1 => Just(Kind::PostOnly),
        1 => Just(Kind::ImmediateOrCancel),
        1 => Just(Kind::FillOrKill)
    ];
    let place = (0..5_usize, side, kind, 1..400_u32, -40..40_i32, any::<bool>())
        .prop_map(|(market, side, kind, vol, off, cross)| Move::Place { market, side, kind, vol, off, cross });
    let one = prop_oneof![
        10 => place,
        1 => Just(Move::CancelAll),
        5 => (1..60_u64).prop_map(Move::Wait),
        2 => (0..5_usize, -45..60_i32).prop_map(|(market, by)| Move::Jump(market, by)),
        1 => Just(Move::CloseAll),
    ];
    prop::collection::vec(one, 1..60)
}

fn carry_out(venue: &mut Venue, step: &Move) {
    let name = |at: usize| ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT", "DOGE_USDT"][at];
    match step {
        Move::Place { market, side, kind, vol, off, cross } => {
            let of = &venue.markets[&symbol(name(*market))];
            let price = Price(of.last.0 + of.instrument.tick * Decimal::from(*off));
            let order = Request {
                price: Some(price),
                cross: *cross,
                leverage: Some(if *cross { 10 } else { 5 }),
                ..request(name(*market), *side, *kind, *vol)
            };
            let held = venue.positions.get(&(order.symbol.clone(), side.leg_is_long())).map(|held| held.hold);
            let placed = place(venue, order.clone());
            let after = venue.positions.get(&(order.symbol, side.leg_is_long())).map(|held| held.hold);
            if !side.opens() && placed.is_ok() {
                assert!(after.unwrap_or_default() <= held.unwrap_or_default(), "closing never increases");
            }
        }
        Move::CancelAll => drop(venue.apply(&Command::CancelAll { path: String::new(), symbol: None })),
        Move::Wait(n) => seconds(venue, *n),
        Move::Jump(market, by) => {
            let percent = Some(Decimal::from(*by));
            fault(venue, FaultSpec { percent, ..switch(FaultKind::PriceJump, name(*market)) });
            seconds(venue, 1);
        }
        Move::CloseAll => drop(venue.apply(&Command::CloseAll { path: String::new() })),
    }
}

fn check(venue: &Venue) {
    let account = &venue.account;
    assert_eq!(account.wallet, account.deposits + account.realised - account.fees + account.funding);
    assert_eq!(venue.equity().0, equity_from_fills(venue), "equity is what the fills say");
    for (symbol, ids) in &venue.open {
        assert!(!ids.is_empty());
        for id in ids {
            assert!(venue.orders[id].state.is_open() && venue.orders[id].request.symbol == *symbol);
        }
    }
    for order in venue.orders.values() {
        assert!(order.filled <= order.request.vol);
        let fills = venue.fills_of.get(&order.id).into_iter().flatten().map(|at| venue.fills[*at].vol);
        assert_eq!(fills.sum::<Contracts>(), order.filled);
        assert_eq!(order.state == State::Filled, order.remaining().is_zero(), "{order:?}");
        assert_eq!(order.state.is_open(), venue.open.get(&order.request.symbol).is_some_and(|o| o.contains(&order.id)));
    }
    for (leg, held) in &venue.positions {
        assert!(held.hold.is_positive() && held.margin >= Usdt::ZERO);
        assert!(venue.frozen_vol(leg) <= held.hold, "reservations fit what is held");
        let liquidates = held.exposure(venue.instrument(&leg.0).unwrap()).liquidates(venue.markets[&leg.0].fair);
        assert!(held.cross || !liquidates || venue.stamp() == held.updated, "nobody survives liquidation");
    }
    let nets: BTreeMap<Leg, Contracts> = venue.fills.iter().fold(BTreeMap::new(), |mut nets, fill| {
        let net = nets.entry((fill.symbol.clone(), fill.side.leg_is_long())).or_default();
        if fill.side.opens() {
            *net += fill.vol;
        } else {
            *net -= fill.vol;
        }
        nets
    });
    for (leg, net) in nets {
        assert_eq!(venue.positions.get(&leg).map_or(Contracts::ZERO, |held| held.hold), net);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn money_and_positions_are_exact_after_any_order_flow(steps in moves()) {
        let mut venue = venue("volatile");
        for step in &steps {
            carry_out(&mut venue, step);
            check(&venue);
        }
    }

    #[test]
    fn the_same_commands_give_the_same_books(steps in moves()) {
        let run = || {
            let mut venue = venue("volatile");
            let mut pushes = Vec::new();
            for step in &steps {
                carry_out(&mut venue, step);
                pushes.extend(venue.take_pushes().into_iter().map(|push| push.data));
            }
            (venue.ledger(), pushes)
        };
        prop_assert_eq!(run(), run());
    }
}
