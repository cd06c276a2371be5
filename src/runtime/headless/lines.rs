//! What an input line asks for. Numbers keep their digits: they are never read as floats.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::once::key_given_twice;
use super::reader::{InputLine, LONGEST};
use crate::model::{Action, CommandId, Decimal, OrderNo, RawSignal, escape_controls};

/// A line that is understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The id to answer to.
    pub id: String,
    /// What is wanted.
    pub wish: Wish,
}

/// What a line wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// A signal; the engine judges its fields.
    Signal(Box<RawSignal>),
    /// A command.
    Command(CommandId, Action),
}

/// Why a line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line's id, when that at least could be read.
    pub id: Option<String>,
    /// For people: what is wrong, which value, what to do.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    signal: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(borrow)]
    command: Option<&'a RawValue>,
}

/// Understands a line; `None` for an empty one. `order` finds the order that a cancel names.
pub fn understand(line: &InputLine, order: &dyn Fn(&str) -> Option<OrderNo>) -> Result<Option<Asked>, Mistake> {
    let text = line.text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let at = |message: String| format!("line {}: {message}", line.number);
    if line.cut {
        return Err(Mistake { id: None, message: at(format!("it is longer than {LONGEST} bytes and was not taken")) });
    }
    let form: Form = serde_json::from_str(text).map_err(|error| Mistake {
        id: None,
        message: at(format!(
            "not the JSON that is expected: {}. Write {{\"id\":\"1\",\"signal\":{{...}}}} or \
             {{\"id\":\"1\",\"command\":{{\"action\":\"pause\"}}}}",
            escape_controls(&error.to_string())
        )),
    })?;
    let id = form.id.and_then(|raw| text_of(raw.get())).ok_or_else(|| Mistake {
        id: None,
        message: at("it has no \"id\": give each line a text or number as its id".into()),
    })?;
    let mistake = |message: String| Mistake { id: Some(id.clone()), message: at(message) };
    if let Some(key) = key_given_twice(text) {
        let key = escape_controls(&key).into_owned();
        return Err(mistake(format!("\"{key}\" is given twice: which one is meant cannot be told, write it once")));
    }
    let wish = match (form.signal, form.command) {
        (Some(fields), None) => Wish::Signal(Box::new(signal(&id, fields).map_err(mistake)?)),
        (None, Some(raw)) => {
            let command_id = CommandId::new(&id).map_err(|error| mistake(error.to_string()))?;
            Wish::Command(command_id, command(raw.get(), order).map_err(mistake)?)
        }
        (Some(_), Some(_)) => return Err(mistake("it has both \"signal\" and \"command\": write two lines".into())),
        (None, None) => return Err(mistake("it has neither \"signal\" nor \"command\"".into())),
    };
    Ok(Some(Asked { id, wish }))
}

const SIGNAL_FIELDS: &str = "signal_id, signal_type, symbol, side, quantity, price, stop_loss, take_profit, strategy_id, \
                             confidence, cancels, timestamp, indicator_values, metadata";

fn signal(id: &str, fields: BTreeMap<String, &RawValue>) -> Result<RawSignal, String> {
    let mut signal = RawSignal::default();
    for (name, raw) in fields {
        let raw = raw.get();
        if raw == "null" {
            continue;
        }
        let text = || {
            text_of(raw).ok_or_else(|| format!("signal field \"{name}\" is {}: write a text or a number", shown(raw)))
        };
        match name.as_str() {
            "signal_id" => signal.signal_id = text()?,
            "signal_type" => signal.signal_type = text()?,
            "symbol" => signal.symbol = text()?,
            "side" => signal.side = text()?,
            "quantity" => signal.quantity = Some(text()?),
            "price" => signal.price = Some(text()?),
            "stop_loss" => signal.stop_loss = Some(text()?),
            "take_profit" => signal.take_profit = Some(text()?),
            "strategy" | "strategy_id" | "strategy_name" => signal.strategy = Some(text()?),
            "confidence" => signal.confidence = Some(text()?),
            "cancels" => signal.cancels = Some(text()?),
            "timestamp" => {
                let millis = raw.parse().map_err(|_| {
                    format!("signal field \"timestamp\" is {}: write whole milliseconds since 1970", shown(raw))
                })?;
                signal.timestamp = Some(millis);
            }
            "indicator_values" | "metadata" => {
                let values: BTreeMap<String, &RawValue> = serde_json::from_str(raw)
                    .map_err(|_| format!("signal field \"{name}\" is {}: write an object", shown(raw)))?;
                for (key, value) in values {
                    let value = text_of(value.get()).unwrap_or_else(|| value.get().to_owned());
                    signal.indicator_values.insert(key, value);
                }
            }
            _ => {
                let name = escape_controls(&name).into_owned();
                return Err(format!("signal field \"{name}\" is unknown: use {SIGNAL_FIELDS}"));
            }
        }
    }
    if signal.signal_id.is_empty() {
        id.clone_into(&mut signal.signal_id);
    }
    Ok(signal)
}

/// A cancel as it may be written: orders by number, by `#12`, by client id or by the exchange's id, one
/// or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel<'a> {
    #[serde(rename = "action")]
    _action: String,
    #[serde(borrow, default)]
    orders: Vec<&'a RawValue>,
    #[serde(borrow, alias = "order", alias = "order_no", alias = "exchange_order_id")]
    order_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ActionName {
    #[serde(default)]
    action: String,
}

fn command(raw: &str, order: &dyn Fn(&str) -> Option<OrderNo>) -> Result<Action, String> {
    let mistake = |error: serde_json::Error| {
        format!(
            "the command {} is not understood: {}. Actions are cancel (orders or order_id), cancel_all (symbol), pause \
             (cancel_entries), resume, halt, flatten, withdraw_exit (symbol, side), reset_breaker (class), \
             reset_limit (limit), acknowledge (alerts) \
             and stop (policy)",
            shown(raw),
            escape_controls(&error.to_string())
        )
    };
    let is_cancel = serde_json::from_str::<ActionName>(raw).is_ok_and(|name| name.action == "cancel");
    if !is_cancel {
        let action: Action = serde_json::from_str(raw).map_err(mistake)?;
        return only_its_own_fields(raw, &action).map(|()| action);
    }
    let cancel: Cancel = serde_json::from_str(raw).map_err(mistake)?;
    let mut orders = Vec::new();
    for named in cancel.orders.into_iter().chain(cancel.order_id) {
        let found = match serde_json::from_str::<u64>(named.get()) {
            // A number is the order's own; only one that no order has can be the exchange's.
            Ok(number) => order(&format!("#{number}")).or_else(|| order(&number.to_string())),
            Err(_) => text_of(named.get()).and_then(|name| order(&name)),
        };
        orders.push(found.ok_or_else(|| {
            format!(
                "no order of this session is {}: name it by its order_id, its order_no, \"#12\" or the exchange's id",
                shown(named.get())
            )
        })?);
    }
    if orders.is_empty() {
        return Err("a cancel names no order: give \"order_id\", or \"orders\" as a list".into());
    }
    Ok(Action::Cancel { orders })
}

/// A field that an action does not have was meant to narrow it: it must not act on everything instead.
fn only_its_own_fields(raw: &str, action: &Action) -> Result<(), String> {
    let given: BTreeMap<String, &RawValue> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let own = serde_json::to_value(action).map_err(|error| error.to_string())?;
    let own: Vec<&String> = own.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    match given.into_keys().find(|name| !own.contains(&name)) {
        None => Ok(()),
        Some(name) => {
            let fields: Vec<&str> = own.iter().map(|name| name.as_str()).filter(|name| *name != "action").collect();
            let fields =
                if fields.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", fields.join(", ")) };
            Err(format!("command field \"{}\" is unknown to {}: {fields}", escape_controls(&name), action.summary()))
        }
    }
}

/// A JSON text without its quotes, or a JSON number with the digits that it was written with.
fn text_of(raw: &str) -> Option<String> {
    if raw.starts_with('"') {
        return serde_json::from_str(raw).ok();
    }
    if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    if raw.contains(['e', 'E']) {
        // `1e-05` is how some senders write 0.00001; what does not fit is left for the engine to
        // refuse by name.
        return Some(Decimal::from_scientific(raw).map_or_else(|_| raw.to_owned(), |number| number.to_string()));
    }
    Some(raw.to_owned())
}

fn shown(raw: &str) -> String {
    let short: String = raw.chars().take(80).collect();
    escape_controls(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StopPolicy;

    fn take(text: &str) -> Result<Option<Asked>, Mistake> {
        let order = |name: &str| match name {
            "#4" | "4" | "k3f9a2xq0a1b2c4" | "814218083416790528" => Some(OrderNo(4)),
            _ => None,
        };
        understand(&InputLine { number: 7, text: text.into(), cut: false }, &order)
    }

    #[test]
    fn a_cancel_names_its_order_by_any_id_that_events_tell() {
        let cancel = |fields: &str| take(&format!(r#"{{"id":"c1","command":{{"action":"cancel",{fields}}}}}"#));
        for fields in [
            r#""order_id":"k3f9a2xq0a1b2c4""#,
            r##""order_id":"#4""##,
            r#""order_id":"814218083416790528""#,
            r#""order_id":814218083416790528"#,
            r#""order_id":4"#,
            r#""orders":[4]"#,
            r#""orders":["k3f9a2xq0a1b2c4"]"#,
        ] {
            let action = Action::Cancel { orders: vec![OrderNo(4)] };
            let wish = cancel(fields).unwrap().unwrap().wish;
            assert_eq!(wish, Wish::Command(CommandId::new("c1").unwrap(), action), "{fields}");
        }
        for (fields, expected) in
            [(r#""order_id":"nope""#, "no order of this session is \"nope\""), (r#""orders":[]"#, "names no order")]
        {
            let mistake = cancel(fields).unwrap_err();
            assert!(mistake.message.contains(expected) && mistake.id.as_deref() == Some("c1"), "{}", mistake.message);
        }
    }

    #[test]
    fn a_command_with_a_field_that_its_action_does_not_have_does_nothing() {
        for (command, field) in [
            (r#"{"action":"flatten","symbol":"ETH_USDT"}"#, "symbol"),
            (r#"{"action":"pause","cancel_entires":true}"#, "cancel_entires"),
            (r#"{"action":"cancel_all","symbols":["ETH_USDT"]}"#, "symbols"),
            (r#"{"action":"halt","now":true}"#, "now"),
            (r#"{"action":"stop","policy":"leave","wait":1}"#, "wait"),
        ] {
            let mistake = take(&format!(r#"{{"id":"c","command":{command}}}"#)).unwrap_err();
            let expected = format!("command field \"{field}\" is unknown");
            assert!(mistake.message.contains(&expected) && mistake.id.as_deref() == Some("c"), "{}", mistake.message);
        }
        for command in [
            r#"{"action":"cancel_all","symbol":"ETH_USDT"}"#,
            r#"{"action":"cancel_all"}"#,
            r#"{"action":"pause","cancel_entries":true}"#,
            r#"{"action":"withdraw_exit","symbol":"ETH_USDT","side":"LONG"}"#,
        ] {
            let taken = take(&format!(r#"{{"id":"c","command":{command}}}"#));
            assert!(taken.is_ok(), "{taken:?}");
        }
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused_by_name() {
        for (text, key) in [
            (r#"{"id":"a","signal":{"quantity":1,"quantity":2}}"#, "quantity"),
            (r#"{"id":"a","signal":{"signal_type":"S1","side":"buy","signal_type":"E1"}}"#, "signal_type"),
            (r#"{"id":"a","signal":{"metadata":{"x":1,"x":2}}}"#, "x"),
            (r#"{"id":"a","signal":{"quant\u0069ty":1,"quantity":2}}"#, "quantity"),
            (r#"{"id":"a","command":{"action":"pause","action":"halt"}}"#, "action"),
        ] {
            let mistake = take(text).unwrap_err();
            assert!(mistake.message.contains(&format!("\"{key}\" is given twice")), "{text}: {}", mistake.message);
        }
        assert!(take(r#"{"id":"a","id":"b","signal":{}}"#).is_err());
    }

    fn signal_of(text: &str) -> RawSignal {
        match take(text).unwrap().unwrap().wish {
            Wish::Signal(signal) => *signal,
            other @ Wish::Command(..) => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_keep_their_digits_whether_quoted_or_not() {
        for quantity in ["0.10000000000000000001", "12345678901234567890.5", "5"] {
            for text in [quantity.to_owned(), format!("\"{quantity}\"")] {
                let line = format!(r#"{{"id":"a","signal":{{"signal_type":"S1","quantity":{text}}}}}"#);
                assert_eq!(signal_of(&line).quantity.as_deref(), Some(quantity));
            }
        }
        let line = r#"{"id":"a","signal":{"quantity":1e-05,"price":1.5E3,"stop_loss":"50%"}}"#;
        assert_eq!(signal_of(line).quantity.as_deref(), Some("0.00001"));
        assert_eq!(signal_of(line).price.as_deref(), Some("1500"));
        assert_eq!(signal_of(line).stop_loss.as_deref(), Some("50%"));
    }

    #[test]
    fn the_line_id_is_the_signal_id_when_there_is_none() {
        assert_eq!(signal_of(r#"{"id":12,"signal":{"symbol":"BTC_USDT"}}"#).signal_id, "12");
        assert_eq!(signal_of(r#"{"id":12,"signal":{"signal_id":"x","price":null}}"#).signal_id, "x");
    }

    #[test]
    fn commands_are_read_with_their_fields() {
        let wish = |text: &str| take(text).unwrap().unwrap().wish;
        let id = CommandId::new("c1").unwrap();
        let pause = wish(r#"{"id":"c1","command":{"action":"pause"}}"#);
        assert_eq!(pause, Wish::Command(id.clone(), Action::Pause { cancel_entries: false }));
        let stop = wish(r#"{"id":"c1","command":{"action":"stop","policy":"cancel_entries"}}"#);
        assert_eq!(stop, Wish::Command(id, Action::Stop { policy: StopPolicy::CancelEntries }));
    }

    #[test]
    fn mistakes_name_the_line_the_value_and_what_to_do() {
        let cases = [
            ("{", "line 7: not the JSON"),
            ("[1]", "line 7: not the JSON"),
            (r#"{"signal":{}}"#, "no \"id\""),
            (r#"{"id":"a"}"#, "neither"),
            (r#"{"id":"a","signal":{},"command":{}}"#, "both"),
            (r#"{"id":"a","signal":{"qty":1}}"#, "\"qty\" is unknown: use signal_id"),
            (r#"{"id":"a","signal":{"quantity":[1]}}"#, "\"quantity\" is [1]"),
            (r#"{"id":"a","signal":{"timestamp":1.5}}"#, "whole milliseconds"),
            (r#"{"id":"a","command":{"action":"explode"}}"#, "\"action\":\"explode\""),
            (r#"{"id":"a","comand":{"action":"pause"}}"#, "unknown field `comand`"),
        ];
        for (text, expected) in cases {
            let mistake = take(text).unwrap_err();
            assert!(mistake.message.contains(expected), "{text}: {}", mistake.message);
            assert!(mistake.message.starts_with("line 7: "), "{}", mistake.message);
        }
        assert_eq!(take(r#"{"id":"a","signal":{"qty":1}}"#).unwrap_err().id.as_deref(), Some("a"));
        assert_eq!(take("  "), Ok(None));
    }

    #[test]
    fn what_came_in_cannot_reach_a_terminal_raw() {
        let mistake = take("{\"id\":\"a\",\"signal\":{\"\\u001b[2J\":1}}").unwrap_err();
        assert!(!mistake.message.contains('\u{1b}'), "{}", mistake.message);
    }
}
