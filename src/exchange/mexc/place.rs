//! Placing an order: checked against the contract, written as the protocol wants it, sent once.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::codes::Call;
use super::core::{Ask, Core, Payload, SMALL};
use super::limiter::{Group, Lane};
use super::wire::{Text, WireError};
use crate::exchange::Departure;
use crate::model::{
    CallError, ContractSpec, Contracts, Decimal, Effect, Intent, MarginMode, OrderType, PlaceOrder, PositionMode,
    Price, Side, VenueOrderId,
};

/// Sends the order once.
///
/// # Errors
/// Ambiguous when it may have been accepted: no answer, an answer that cannot be understood, or a
/// success without an id (A4).
pub async fn place(core: &Core, order: &PlaceOrder, departure: &Departure) -> Result<VenueOrderId, CallError> {
    let lane = if order.intent.reduces() { Lane::Exit } else { Lane::Entry };
    let ask = Ask {
        name: "place order",
        about: order.client_id.as_str(),
        call: Call::Place,
        group: Group::Orders,
        lane,
        path: "/api/v1/private/order/create",
        most_body: SMALL,
        payload: Payload::Post(body(order).into()),
    };
    core.ask_if(ask, Some(departure), accepted_id).await
}

/// Why an order is not sent: it is off the contract's steps. Nothing is rounded here in silence.
pub fn against_contract(order: &PlaceOrder, spec: &ContractSpec) -> Option<String> {
    let contracts = order.contracts;
    if !contracts.is_positive() || !on_step(contracts.0, spec.lot) {
        return Some(format!("{contracts} contracts is not a multiple of the lot {}", spec.lot));
    }
    if !order.intent.reduces() && (contracts < spec.min_contracts || contracts > spec.max_contracts) {
        let Contracts(least) = spec.min_contracts;
        return Some(format!("{contracts} contracts is not between {least} and {}", spec.max_contracts));
    }
    let prices = [
        ("price", order.order_type.limit()),
        ("stop-loss price", order.stop_loss),
        ("take-profit price", order.take_profit),
    ];
    prices.into_iter().find_map(|(name, price)| {
        let Price(price) = price?;
        (price <= Decimal::ZERO || !on_step(price, spec.tick))
            .then(|| format!("the {name} {price} is not a multiple of the tick {}", spec.tick))
    })
}

fn on_step(value: Decimal, step: Decimal) -> bool {
    value.checked_rem(step).is_some_and(|rest| rest.is_zero())
}

/// `side` of the protocol: an exit of a long is 4 and can never open a short (A3).
pub const fn side_number(intent: Intent) -> u8 {
    match (intent.effect, intent.side) {
        (Effect::Open, Side::Long) => 1,
        (Effect::Close, Side::Short) => 2,
        (Effect::Open, Side::Short) => 3,
        (Effect::Close, Side::Long) => 4,
    }
}

/// `openType` of the protocol.
pub const fn open_type_number(mode: MarginMode) -> u8 {
    match mode {
        MarginMode::Isolated => 1,
        MarginMode::Cross => 2,
    }
}

/// The body, written by hand: decimals as plain JSON numbers without an exponent, exactly as they
/// are. Symbols and client ids hold no character that JSON would escape.
fn body(order: &PlaceOrder) -> String {
    let mut body = String::with_capacity(320);
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = body.write_fmt(text);
    };
    put(format_args!("{{\"symbol\":\"{}\"", order.symbol.as_str()));
    if let Some(Price(price)) = order.order_type.limit() {
        put(format_args!(",\"price\":{}", price.normalize()));
    }
    put(format_args!(",\"vol\":{}", order.contracts.0.normalize()));
    if !order.intent.reduces() {
        put(format_args!(",\"leverage\":{}", order.leverage));
    }
    let kind = match order.order_type {
        OrderType::Limit(_) => 1,
        OrderType::ImmediateOrCancel(_) => 3,
        OrderType::Market => 5,
    };
    let mode = if order.position_mode == PositionMode::Hedge { 1 } else { 2 };
    put(format_args!(
        ",\"side\":{},\"type\":{kind},\"openType\":{},\"positionMode\":{mode}",
        side_number(order.intent),
        open_type_number(order.margin_mode)
    ));
    if order.intent.reduces() {
        if let Some(id) = order.position_id.as_ref().filter(|id| id.as_str().bytes().all(|byte| byte.is_ascii_digit()))
        {
            put(format_args!(",\"positionId\":{}", id.as_str()));
        }
        if order.position_mode == PositionMode::OneWay {
            put(format_args!(",\"reduceOnly\":true"));
        }
    }
    put(format_args!(",\"externalOid\":\"{}\"", order.client_id.as_str()));
    if let Some(Price(price)) = order.stop_loss {
        put(format_args!(",\"stopLossPrice\":{}", price.normalize()));
    }
    if let Some(Price(price)) = order.take_profit {
        put(format_args!(",\"takeProfitPrice\":{}", price.normalize()));
    }
    put(format_args!("}}"));
    body
}

/// The id in the answer: `{"orderId":...}`, or the bare id of the older path.
fn accepted_id(data: Option<&RawValue>) -> Result<VenueOrderId, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created<'a> {
        #[serde(borrow)]
        order_id: Text<'a>,
    }
    let raw = data.ok_or_else(|| WireError::Senseless("a success without an order id".into()))?.get();
    let id =
        if raw.starts_with('{') { serde_json::from_str::<Created>(raw)?.order_id } else { serde_json::from_str(raw)? };
    if id.0 == "0" {
        return Err(WireError::Senseless("order id 0".into()));
    }
    Ok(VenueOrderId::new(&id.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientOrderId, RiskTier, Symbol, VenuePositionId};

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn order(intent: Intent, order_type: OrderType) -> PlaceOrder {
        PlaceOrder {
            client_id: ClientOrderId::new("k3f9a2xq-12").unwrap(),
            symbol: Symbol::new("BTC_USDT").unwrap(),
            intent,
            order_type,
            contracts: Contracts(dec("20.00")),
            leverage: 10,
            margin_mode: MarginMode::Isolated,
            position_mode: PositionMode::OneWay,
            position_id: None,
            stop_loss: None,
            take_profit: None,
        }
    }

    #[test]
    fn an_entry_carries_price_leverage_and_protection() {
        let entry = PlaceOrder {
            stop_loss: Some(Price(dec("60000"))),
            take_profit: Some(Price(dec("70000.10"))),
            ..order(Intent::open(Side::Long), OrderType::Limit(Price(dec("64250.50"))))
        };
        assert_eq!(
            body(&entry),
            r#"{"symbol":"BTC_USDT","price":64250.5,"vol":20,"leverage":10,"side":1,"type":1,"openType":1,"positionMode":2,"externalOid":"k3f9a2xq-12","stopLossPrice":60000,"takeProfitPrice":70000.1}"#
        );
    }

    #[test]
    fn a3_an_exit_of_a_long_closes_it_and_is_reduce_only() {
        let mut exit = order(Intent::close(Side::Long), OrderType::Market);
        exit.position_id = Some(VenuePositionId::new("1109973831").unwrap());
        assert_eq!(
            body(&exit),
            r#"{"symbol":"BTC_USDT","vol":20,"side":4,"type":5,"openType":1,"positionMode":2,"positionId":1109973831,"reduceOnly":true,"externalOid":"k3f9a2xq-12"}"#
        );
        exit.position_mode = PositionMode::Hedge;
        assert!(!body(&exit).contains("reduceOnly") && body(&exit).contains("\"positionMode\":1"));
        let numbers = [
            Intent::open(Side::Long),
            Intent::close(Side::Short),
            Intent::open(Side::Short),
            Intent::close(Side::Long),
        ]
        .map(side_number);
        assert_eq!(numbers, [1, 2, 3, 4]);
    }

    #[test]
    fn a29_numbers_are_plain_json_without_an_exponent() {
        let mut small = order(Intent::open(Side::Short), OrderType::Limit(Price(dec("0.00000001"))));
        small.contracts = Contracts(dec("100000000000000"));
        let body = body(&small);
        assert!(body.contains(r#""price":0.00000001,"vol":100000000000000,"#), "{body}");
    }

    #[test]
    fn a4_only_a_real_id_is_an_acceptance() {
        let id = |json: &str| accepted_id(Some(serde_json::from_str(json).unwrap()));
        for json in [
            r#"{"orderId":"814218083416790528","ts":1}"#,
            r#"{"orderId":814218083416790528}"#,
            "814218083416790528",
            r#""814218083416790528""#,
        ] {
            assert_eq!(id(json).unwrap().as_str(), "814218083416790528", "{json}");
        }
        for json in
            [r#"{"orderId":"","ts":1}"#, r#"{"orderId":null}"#, r#"{"order_id":"1"}"#, "{}", r#""""#, "0", "[]", "true"]
        {
            assert!(id(json).is_err(), "{json}");
        }
        assert!(accepted_id(None).is_err());
    }

    #[test]
    fn a29_what_is_off_the_steps_is_refused_and_never_altered() {
        let spec = ContractSpec {
            symbol: Symbol::new("BTC_USDT").unwrap(),
            contract_size: dec("0.0001"),
            tick: dec("0.5"),
            lot: dec("2"),
            min_contracts: Contracts(dec("4")),
            max_contracts: Contracts(dec("100")),
            max_leverage: 100,
            taker_fee_rate: dec("0.0006"),
            maker_fee_rate: dec("0.0002"),
            liquidation_fee_rate: dec("0.0004"),
            tiers: vec![RiskTier {
                max_contracts: Contracts(dec("100")),
                maintenance_rate: dec("0.004"),
                max_leverage: 100,
            }],
            enabled: true,
        };
        let with = |contracts: &str, price: &str, intent: Intent| {
            let mut order = order(intent, OrderType::Limit(Price(dec(price))));
            order.contracts = Contracts(dec(contracts));
            against_contract(&order, &spec)
        };
        let open = Intent::open(Side::Long);
        assert_eq!(with("20", "100.5", open), None);
        assert_eq!(with("2", "100.5", Intent::close(Side::Long)), None, "a rest below the minimum can be closed");
        for (contracts, price) in [
            ("3", "100.5"),
            ("2", "100.5"),
            ("102", "100.5"),
            ("0", "100.5"),
            ("-4", "100.5"),
            ("20", "100.3"),
            ("20", "0"),
            ("20", "-1"),
        ] {
            assert!(with(contracts, price, open).is_some(), "{contracts} at {price}");
        }
        let mut stopped = order(open, OrderType::Market);
        stopped.stop_loss = Some(Price(dec("99.9")));
        assert!(against_contract(&stopped, &spec).unwrap().contains("stop-loss price 99.9"));
    }
}
