use serde_json::{Value, json};

use super::*;
use crate::model::{
    Contracts, Decimal, Environment, Fill, FillId, Intent, MarginMode, Order, OrderNo, OrderState, OrderType, Origin,
    Position, PositionId, PositionKey, Price, Purpose, Qty, SessionId, SessionInfo, SessionTime, Side, StrategyId,
    Symbol, Usdt, VenueOrderId, VenueTime,
};

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

struct Story {
    outward: Outward,
    seq: u64,
}

impl Story {
    fn new() -> Self {
        let mut story = Self { outward: Outward::default(), seq: 0 };
        let info = SessionInfo {
            id: SessionId::new("abc").unwrap(),
            environment: Environment::Paper,
            exchange: "memory".into(),
            label: "test".into(),
            started_at: SessionTime::from_secs(1),
            starts: 1,
            incarnation: None,
            identity: None,
        };
        story.tell(Event::SessionStarted { info: Box::new(info) });
        story
    }

    fn tell(&mut self, event: Event) -> Vec<Value> {
        self.seq += 1;
        let record = Record { seq: self.seq, at: SessionTime::from_secs(i64::try_from(self.seq).unwrap()), event };
        self.outward.tell(&record).iter().map(|line| serde_json::from_str(&line.text()).unwrap()).collect()
    }
}

fn order(no: u64) -> Order {
    let session = SessionId::new("abc").unwrap();
    Order {
        no: OrderNo(no),
        client_id: OrderNo(no).client_id(&session, None),
        venue_id: None,
        signal_id: None,
        strategy: StrategyId::new("test").unwrap(),
        symbol: Symbol::new("BTC_USDT").unwrap(),
        intent: Intent::open(Side::Long),
        purpose: Purpose::Entry,
        order_type: OrderType::Market,
        contracts: Contracts(dec("20")),
        quantity: Qty(dec("0.002")),
        decision_price: None,
        leverage: 3,
        margin_mode: MarginMode::Isolated,
        position_mode: crate::model::PositionMode::Hedge,
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
        created_at: SessionTime::ZERO,
        accepted_at: None,
        updated_at: SessionTime::ZERO,
        ended_at: None,
    }
}

fn fill(id: &str, no: u64, contracts: &str, quantity: &str, price: &str) -> Fill {
    Fill {
        id: FillId::new(id).unwrap(),
        order: Some(OrderNo(no)),
        venue_order: None,
        foreign_client_id: None,
        position: Some(PositionId(1)),
        symbol: Symbol::new("BTC_USDT").unwrap(),
        intent: Intent::open(Side::Long),
        contracts: Contracts(dec(contracts)),
        quantity: Qty(dec(quantity)),
        price: Price(dec(price)),
        fee: Some(Usdt(dec("0.01"))),
        realised: Some(Usdt::ZERO),
        computed: None,
        estimated: false,
        taker: Some(true),
        category: crate::model::Category::Normal,
        at: VenueTime::from_secs(9),
        moves_position: true,
    }
}

fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

#[test]
fn b12_every_transition_is_told_once() {
    let mut story = Story::new();
    let created = story.tell(Event::OrderCreated { order: Box::new(order(1)) });
    assert_eq!(names(&created), ["order_created"]);
    assert_eq!(created[0]["status"], "NEW");
    assert_eq!(created[0]["order_id"], "abc-1");
    assert_eq!(created[0]["quantity"], "0.002", "decimals are strings");
    assert_eq!(names(&story.tell(Event::OrderSent { no: OrderNo(1), attempt: 1 })), ["order_updated"]);
    let failed = story.tell(Event::OrderFailed { no: OrderNo(1), reason: "no".into() });
    assert_eq!(names(&failed), ["order_failed"], "a failure is not told as a creation");
    assert_eq!(failed[0]["error"], "no");

    story.tell(Event::OrderCreated { order: Box::new(order(2)) });
    story.tell(Event::OrderSent { no: OrderNo(2), attempt: 1 });
    let venue_id = VenueOrderId::new("739113577038255616").unwrap();
    let accepted = story.tell(Event::OrderAccepted { no: OrderNo(2), venue_id });
    assert_eq!(accepted[0]["exchange_order_id"], "739113577038255616", "beyond 2^53");
    let cancelled = story.tell(Event::OrderCancelled { no: OrderNo(2), reason: "by the exchange".into() });
    assert_eq!(names(&cancelled), ["order_cancelled"]);
    assert_eq!(cancelled[0]["symbol"], "BTC_USDT");
}

#[test]
fn a8_each_fill_is_told_and_the_order_once_with_its_totals() {
    let mut story = Story::new();
    story.tell(Event::OrderCreated { order: Box::new(order(1)) });
    story.tell(Event::OrderSent { no: OrderNo(1), attempt: 1 });
    let position = Position {
        id: PositionId(1),
        key: PositionKey { symbol: Symbol::new("BTC_USDT").unwrap(), side: Side::Long },
        venue_id: None,
        origin: Origin::Own,
        margin_mode: MarginMode::Isolated,
        contracts: Contracts::ZERO,
        quantity: Qty::ZERO,
        entry_price: None,
        venue: crate::model::VenueFigures::default(),
        realised: Usdt::ZERO,
        fees: Usdt::ZERO,
        stop_loss: None,
        take_profit: None,
        settled_to: VenueTime::ZERO,
        venue_version: 0,
        opened_at: SessionTime::ZERO,
        touched_at: SessionTime::ZERO,
        synced_at: None,
        watch: crate::model::LiquidationWatch::default(),
    };
    assert!(story.tell(Event::PositionOpened { position: Box::new(position) }).is_empty());
    let first = story.tell(Event::Filled { fill: Box::new(fill("f1", 1, "5", "0.0005", "100")) });
    assert_eq!(names(&first), ["fill", "position_updated"]);
    assert_eq!(first[1]["status"], "opened");
    assert_eq!(first[1]["liquidation_price"], Value::Null, "unknown is not zero");
    let last = story.tell(Event::Filled { fill: Box::new(fill("f2", 1, "15", "0.0015", "104")) });
    assert_eq!(names(&last), ["fill", "order_filled", "position_updated"]);
    assert_eq!(last[1]["filled_price"], "103");
    assert_eq!(last[1]["commission"], "0.02");
    assert_eq!(last[2]["status"], "updated");
    assert_eq!(last[2]["entry_price"], "103");
    assert_eq!((&last[2]["as_of"], &last[2]["confirmed"]), (&Value::Null, &json!(true)), "nobody has told of it yet");
    let doubt = crate::model::Doubt { differs_since: Some(SessionTime::ZERO), missing: None };
    let key = PositionKey { symbol: Symbol::new("BTC_USDT").unwrap(), side: Side::Long };
    assert!(story.tell(Event::DoubtMoved { key, doubt: Some(doubt) }).is_empty());
    let third = story.tell(Event::Filled { fill: Box::new(fill("f3", 1, "5", "0.0005", "104")) });
    assert_eq!(third.last().unwrap()["confirmed"], json!(false));
}

#[test]
fn a_line_begins_with_its_event_and_carries_the_session() {
    let mut outward = Outward::default();
    let record = Record {
        seq: 3,
        at: SessionTime::from_millis(1_500),
        event: Event::DayRolled { day: 5, equity: Usdt(dec("10000.5")) },
    };
    let lines = outward.tell(&record);
    assert_eq!(
        lines[0].text(),
        r#"{"event":"day_rolled","seq":3,"timestamp":1500,"time":"1970-01-01T00:00:01.500Z","day":5,"equity":"10000.5"}"#
    );
    let mut story = Story::new();
    let lines = story.tell(Event::DayRolled { day: 5, equity: Usdt(dec("1")) });
    assert_eq!(lines[0]["session_id"], json!("abc"));
}
