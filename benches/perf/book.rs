//! A session with 1000 working orders and 100 positions, as facts.

use perpdeck::model::{
    Contracts, Event, Intent, LiquidationWatch, MarginMode, Order, OrderNo, OrderState, OrderType, Origin, Position,
    PositionId, PositionKey, PositionMode, Price, Purpose, Qty, Quote, SessionInfo, SessionTime, Side, StrategyId,
    Symbol, Usdt, VenueFigures, VenueOrderId, VenuePositionId, VenueTime,
};

use crate::fixture::{contract, d, info};

pub const ORDERS: u64 = 1000;
pub const POSITIONS: u64 = 100;

/// A symbol for each position.
pub fn symbol(n: u64) -> Symbol {
    Symbol::new(&format!("C{n:03}_USDT")).unwrap()
}

/// All facts, in order.
pub fn facts(now: SessionTime, exchange: &str) -> Vec<Event> {
    // A journal without a schema is that of version 0.1.0, whose label tells the exchange.
    let label = "paper, exchange apart".to_owned();
    let info = SessionInfo { exchange: exchange.to_owned(), label, ..info(now) };
    let session = info.id.clone();
    let mut facts =
        vec![Event::SessionStarted { info: Box::new(info) }, Event::PositionModeLearned { mode: PositionMode::Hedge }];
    for n in 0..POSITIONS {
        facts.push(Event::ContractLearned { spec: Box::new(contract(symbol(n).as_str())) });
    }
    for n in 0..POSITIONS {
        let id = PositionId(n + 1);
        let side = if n % 2 == 0 { Side::Long } else { Side::Short };
        facts.push(Event::PositionOpened {
            position: Box::new(Position {
                id,
                key: PositionKey { symbol: symbol(n), side },
                venue_id: None,
                origin: Origin::Own,
                margin_mode: MarginMode::Isolated,
                contracts: Contracts(d("120")),
                quantity: Qty(d("0.0120")),
                entry_price: Some(Price(d("50000"))),
                venue: VenueFigures::default(),
                realised: Usdt::ZERO,
                fees: Usdt(d("0.36")),
                stop_loss: None,
                take_profit: None,
                settled_to: VenueTime::ZERO,
                venue_version: 0,
                opened_at: now,
                touched_at: now,
                synced_at: None,
                watch: LiquidationWatch::default(),
            }),
        });
        facts.push(Event::PositionSnapshot {
            id,
            venue_id: VenuePositionId::new(&format!("11099738{n}")).unwrap(),
            figures: VenueFigures {
                margin: Some(Usdt(d("200"))),
                liquidation_price: Some(Price(d(if n % 2 == 0 { "33520.1" } else { "66380.4" }))),
                leverage: Some(3),
                funding: Some(Usdt::ZERO),
            },
            entry_price: None,
            version: 1,
            mark: Some(Price(d("50010"))),
            unrealised: Some(Usdt(d("0.12"))),
            margin_ratio_pct: Some(d("6900")),
        });
    }
    for n in 1..=ORDERS {
        let no = OrderNo(n);
        facts.push(Event::OrderCreated {
            order: Box::new(Order {
                no,
                client_id: no.client_id(&session, None),
                venue_id: None,
                signal_id: None,
                strategy: StrategyId::new("bench").unwrap(),
                symbol: symbol(n % POSITIONS),
                intent: Intent::open(if n % 2 == 0 { Side::Long } else { Side::Short }),
                purpose: Purpose::Entry,
                order_type: OrderType::Limit(Price(d("49900.1"))),
                contracts: Contracts(d("100")),
                quantity: Qty(d("0.0100")),
                decision_price: Some(Price(d("50000"))),
                leverage: 3,
                margin_mode: MarginMode::Isolated,
                position_mode: PositionMode::Hedge,
                position_id: None,
                stop_loss: None,
                take_profit: None,
                state: OrderState::Pending,
                filled_contracts: Contracts::ZERO,
                filled: Qty::ZERO,
                filled_value: Usdt::ZERO,
                fees: Usdt::ZERO,
                fees_incomplete: false,
                venue_filled: Contracts::ZERO,
                venue_version: 0,
                counted_at: None,
                venue_end: None,
                settled: Contracts::ZERO,
                renews: None,
                attempts: 0,
                next_attempt_at: None,
                sent_at: None,
                unknown_since: None,
                cancel: None,
                note: None,
                created_at: now,
                accepted_at: None,
                updated_at: now,
                ended_at: None,
            }),
        });
        facts.push(Event::OrderSent { no, attempt: 1 });
        facts.push(Event::OrderAccepted { no, venue_id: VenueOrderId::new(&format!("81421808341{n:08}")).unwrap() });
    }
    facts
}

/// A price of one symbol.
pub fn quote(n: u64, step: u64, at: SessionTime) -> Event {
    let price = Some(Price(d(&format!("50{:03}.{}", step % 1000, step % 10))));
    let quote = Quote {
        symbol: symbol(n),
        last: price,
        mark: price,
        bid: price,
        ask: price,
        funding_rate: None,
        at: VenueTime::from_micros(at.micros()),
    };
    Event::Quoted { quote: Box::new(quote) }
}
