//! An engine that is ready to trade, without an exchange.

use perpdeck::config::Settings;
use perpdeck::engine::{Engine, Input, Out, Reply};
use perpdeck::model::{
    AccountReport, ContractSpec, Contracts, Decimal, Environment, Phase, PositionMode, Price, Push, Quote, RawSignal,
    RiskTier, SessionId, SessionInfo, SessionState, SessionTime, Symbol, Usdt, VenueTime,
};

pub fn d(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

pub fn contract(name: &str) -> ContractSpec {
    ContractSpec {
        symbol: Symbol::new(name).unwrap(),
        contract_size: d("0.0001"),
        tick: d("0.1"),
        lot: d("1"),
        min_contracts: Contracts(d("1")),
        max_contracts: Contracts(d("400000")),
        max_leverage: 200,
        taker_fee_rate: d("0.0006"),
        maker_fee_rate: d("0.0002"),
        liquidation_fee_rate: d("0.0004"),
        tiers: vec![RiskTier {
            max_contracts: Contracts(d("400000")),
            maintenance_rate: d("0.004"),
            max_leverage: 200,
        }],
        enabled: true,
    }
}

pub fn info(now: SessionTime) -> SessionInfo {
    SessionInfo {
        id: SessionId::new("bench001").unwrap(),
        environment: Environment::Paper,
        exchange: "http://127.0.0.1:1".to_owned(),
        label: "bench".to_owned(),
        started_at: now,
        starts: 1,
        incarnation: None,
        identity: None,
    }
}

pub fn quote(name: &str, price: &str, at: SessionTime) -> Push {
    let price = Some(Price(d(price)));
    Push::Quote(Quote {
        symbol: Symbol::new(name).unwrap(),
        last: price,
        mark: price,
        bid: price,
        ask: price,
        funding_rate: None,
        at: VenueTime::from_micros(at.micros()),
    })
}

pub fn account(equity: &str) -> AccountReport {
    AccountReport {
        equity: Some(Usdt(d(equity))),
        available: Usdt(d(equity)),
        position_margin: Usdt::ZERO,
        order_margin: Usdt::ZERO,
        unrealised: Some(Usdt::ZERO),
    }
}

/// An engine that is ready, with a price of each contract and a lot of equity.
pub fn ready(settings: Settings, symbols: &[&str], now: SessionTime) -> Engine {
    let mut engine = Engine::new(settings, SessionState::default());
    let mut out = Out::default();
    let mut step = |input| {
        out.clear();
        engine.step(now, input, &mut out);
    };
    step(Input::Start { info: Box::new(info(now)), note: None });
    step(Input::Push(Box::new(Push::Connected)));
    let clock = perpdeck::model::ClockOffset { offset_us: 0, round_trip_us: 1_000 };
    step(Input::Reply(Box::new(Reply::ServerTime { result: Ok(clock) })));
    let specs = symbols.iter().map(|name| contract(name)).collect();
    step(Input::Reply(Box::new(Reply::Contracts { result: Ok(specs) })));
    step(Input::Reply(Box::new(Reply::PositionMode { result: Ok(PositionMode::Hedge) })));
    for name in symbols {
        // A first price is confirmed by a second one.
        step(Input::Push(Box::new(quote(name, "50000", now.minus(std::time::Duration::from_secs(1))))));
        step(Input::Push(Box::new(quote(name, "50000", now))));
    }
    step(Input::Reply(Box::new(Reply::OpenOrders { asked_at: now, result: Ok(Vec::new().into()) })));
    step(Input::Reply(Box::new(Reply::Positions {
        asked_at: now,
        result: Ok(Vec::new().into()),
        account: Ok(vec![account("100000000")].into()),
    })));
    step(Input::Reply(Box::new(Reply::Fills { asked_at: now, result: Ok(Vec::new().into()) })));
    assert_eq!(engine.state().phase, Phase::Ready);
    engine
}

pub fn entry(id: String, name: &str) -> RawSignal {
    RawSignal {
        signal_id: id,
        signal_type: "S1".to_owned(),
        symbol: name.to_owned(),
        side: "buy".to_owned(),
        quantity: Some("0.01".to_owned()),
        price: Some("49900".to_owned()),
        strategy: Some("bench".to_owned()),
        ..RawSignal::default()
    }
}
