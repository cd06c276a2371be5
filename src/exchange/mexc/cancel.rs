//! Cancelling orders: each has its own outcome, for the envelope says "success" even when every
//! single cancel failed.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::codes::Call;
use super::core::{Ask, Core, Payload, SMALL};
use super::limiter::{Group, Lane};
use super::wire::{Int, Text, WireError};
use crate::model::{CallError, CancelOrder, CancelOutcome, OrderNo, VenueOrderId, escape_controls};

/// Most orders in one request; the exchange refuses more with code 2013.
const MOST: usize = 50;

/// Cancels orders by the exchange's ids where known, by ours otherwise. When only a part of the
/// requests fails, its orders have that failure as their outcome, so that none is lost.
///
/// # Errors
/// When no request had an answer.
pub async fn cancel(core: &Core, orders: &[CancelOrder]) -> Result<Vec<(OrderNo, CancelOutcome)>, CallError> {
    let (known, unknown): (Vec<_>, Vec<_>) = orders.iter().partition(|order| order.venue_id.is_some());
    let mut outcomes = BTreeMap::new();
    let mut failure = None;
    let mut answered = false;
    let requests = known.chunks(MOST).map(|part| (part, true)).chain(unknown.chunks(MOST).map(|part| (part, false)));
    for (part, by_venue_id) in requests {
        match one_request(core, part, by_venue_id).await {
            Ok(found) => {
                answered = true;
                outcomes.extend(found);
            }
            Err(error) => {
                outcomes.extend(part.iter().map(|order| (order.no, refused(error.code.unwrap_or(0), &error.message))));
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        Some(error) if !answered => Err(error),
        _ => Ok(orders.iter().filter_map(|order| Some((order.no, outcomes.get(&order.no)?.clone()))).collect()),
    }
}

async fn one_request(
    core: &Core,
    orders: &[&CancelOrder],
    by_venue_id: bool,
) -> Result<Vec<(OrderNo, CancelOutcome)>, CallError> {
    let (path, body) = if by_venue_id {
        ("/api/v1/private/order/cancel", venue_ids(orders))
    } else {
        ("/api/v1/private/order/batch_cancel_with_external", client_ids(orders))
    };
    let about = match orders {
        [one] => one.client_id.to_string(),
        many => format!("({} orders)", many.len()),
    };
    let ask = Ask {
        name: "cancel",
        about: &about,
        call: Call::Cancel,
        group: Group::General,
        lane: Lane::Cancel,
        path,
        most_body: SMALL,
        payload: Payload::Post(body.into()),
    };
    let answer = core.ask(ask, |data| read(data, orders)).await;
    let mut outcomes = match (answer, orders) {
        // What is usually said of each order can be said of the request when it names only one.
        (Err(CallError { code: Some(2040), .. }), [one]) => return Ok(vec![(one.no, CancelOutcome::NotFound)]),
        (Err(CallError { code: Some(2041), .. }), [one]) => return Ok(vec![(one.no, CancelOutcome::NotCancellable)]),
        (answer, _) => answer?,
    };
    for (_, outcome) in &mut outcomes {
        if let CancelOutcome::Refused { message, .. } = outcome {
            *message = core.signer.redact(message);
        }
    }
    Ok(outcomes)
}

/// A bare array of ids, as numbers when they are numbers.
fn venue_ids(orders: &[&CancelOrder]) -> String {
    let mut body = String::from("[");
    for id in orders.iter().filter_map(|order| order.venue_id.as_ref()) {
        let gap = if body.len() > 1 { "," } else { "" };
        let digits = id.as_str().bytes().all(|byte| byte.is_ascii_digit());
        // Writing to a string cannot fail.
        let _ = if digits {
            write!(body, "{gap}{id}")
        } else {
            write!(body, "{gap}{}", serde_json::Value::from(id.as_str()))
        };
    }
    body.push(']');
    body
}

fn client_ids(orders: &[&CancelOrder]) -> String {
    let mut body = String::from("[");
    for order in orders {
        let gap = if body.len() > 1 { "," } else { "" };
        let _ = write!(body, "{gap}{{\"symbol\":\"{}\",\"externalOid\":\"{}\"}}", order.symbol, order.client_id);
    }
    body.push(']');
    body
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    order_id: Option<Text<'a>>,
    #[serde(borrow)]
    external_oid: Option<Text<'a>>,
    error_code: Int,
    #[serde(borrow)]
    error_msg: Option<Text<'a>>,
}

impl Item<'_> {
    fn is_of(&self, order: &CancelOrder) -> bool {
        let same =
            |told: &Option<Text<'_>>, ours: Option<&str>| told.as_ref().is_some_and(|told| Some(&*told.0) == ours);
        same(&self.order_id, order.venue_id.as_ref().map(VenueOrderId::as_str))
            || same(&self.external_oid, Some(order.client_id.as_str()))
    }

    fn outcome(&self) -> CancelOutcome {
        match self.error_code.0 {
            0 => CancelOutcome::Accepted,
            2040 => CancelOutcome::NotFound,
            2041 => CancelOutcome::NotCancellable,
            other => refused(
                i32::try_from(other).unwrap_or(i32::MAX),
                self.error_msg.as_ref().map_or("no reason given", |text| &text.0),
            ),
        }
    }
}

fn read(data: Option<&RawValue>, orders: &[&CancelOrder]) -> Result<Vec<(OrderNo, CancelOutcome)>, WireError> {
    let raw = data.ok_or_else(|| WireError::Senseless("a success without the outcomes of the cancels".into()))?;
    let items: Vec<Item> = serde_json::from_str(raw.get())?;
    let same_length = items.len() == orders.len();
    let outcome = |index: usize, order: &CancelOrder| {
        let named = items.iter().find(|item| item.is_of(order));
        // A cancel by client id may be answered with the exchange's id alone, which we do not know:
        // then the order of the list is what remains.
        let in_place =
            items.get(index).filter(|item| same_length && order.venue_id.is_none() && item.external_oid.is_none());
        named.or(in_place).map_or_else(|| refused(0, "the answer names no outcome for it"), Item::outcome)
    };
    Ok(orders.iter().enumerate().map(|(index, order)| (order.no, outcome(index, order))).collect())
}

fn refused(code: i32, message: &str) -> CancelOutcome {
    let cut: String = message.chars().take(300).collect();
    CancelOutcome::Refused { code, message: escape_controls(&cut).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientOrderId, Symbol};

    fn order(no: u64, venue_id: Option<&str>) -> CancelOrder {
        CancelOrder {
            no: OrderNo(no),
            symbol: Symbol::new("BTC_USDT").unwrap(),
            venue_id: venue_id.map(|id| VenueOrderId::new(id).unwrap()),
            client_id: ClientOrderId::new(&format!("k-{no}")).unwrap(),
        }
    }

    fn outcomes(json: &str, orders: &[CancelOrder]) -> Vec<CancelOutcome> {
        let orders: Vec<_> = orders.iter().collect();
        read(Some(serde_json::from_str(json).unwrap()), &orders)
            .unwrap()
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect()
    }

    #[test]
    fn bodies_are_written_as_documented() {
        let (a, b) = (order(1, Some("739113577038255616")), order(2, Some("x\"1")));
        assert_eq!(venue_ids(&[&a, &b]), r#"[739113577038255616,"x\"1"]"#);
        assert_eq!(client_ids(&[&a]), r#"[{"symbol":"BTC_USDT","externalOid":"k-1"}]"#);
    }

    #[test]
    fn each_order_has_its_own_outcome_whatever_the_order_of_the_list() {
        let json = r#"[{"orderId":3,"errorCode":2041,"errorMsg":"order state cannot be cancelled"},{"orderId":814218083416790528,"errorCode":0,"errorMsg":"success"},{"orderId":"1","errorCode":2040,"errorMsg":"order not exist"},{"orderId":4,"errorCode":9,"errorMsg":"a\u001bb"}]"#;
        let orders = [
            order(1, Some("814218083416790528")),
            order(2, Some("1")),
            order(3, Some("3")),
            order(4, Some("4")),
            order(5, Some("5")),
        ];
        assert_eq!(
            outcomes(json, &orders),
            [
                CancelOutcome::Accepted,
                CancelOutcome::NotFound,
                CancelOutcome::NotCancellable,
                CancelOutcome::Refused { code: 9, message: "a\\u{1b}b".into() },
                CancelOutcome::Refused { code: 0, message: "the answer names no outcome for it".into() },
            ]
        );
    }

    #[test]
    fn cancels_by_our_id_are_matched_by_it_or_by_place() {
        let orders = [order(1, None), order(2, None)];
        let named =
            r#"[{"orderId":8,"externalOid":"k-2","errorCode":2040},{"orderId":9,"externalOid":"k-1","errorCode":0}]"#;
        assert_eq!(outcomes(named, &orders), [CancelOutcome::Accepted, CancelOutcome::NotFound]);
        let bare = r#"[{"orderId":8,"errorCode":0},{"orderId":9,"errorCode":2041}]"#;
        assert_eq!(outcomes(bare, &orders), [CancelOutcome::Accepted, CancelOutcome::NotCancellable]);
    }
}
