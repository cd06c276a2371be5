//! Orders, by push and by answer.

use serde::Deserialize;

use super::{Dec, Int, Text, WireError, category, intent, price};
use crate::exchange::mexc::codes::order_refusal;
use crate::model::{ClientOrderId, Contracts, OrderReport, Refusal, Symbol, VenueOrderId, VenueOrderState, VenueTime};

/// An order as it is written (mexc-contract-api.md sections 4.3 and 10).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawOrder<'a> {
    #[serde(borrow)]
    order_id: Text<'a>,
    #[serde(borrow)]
    symbol: Text<'a>,
    vol: Dec,
    side: Int,
    state: Int,
    deal_vol: Dec,
    deal_avg_price: Option<Dec>,
    category: Option<Int>,
    error_code: Option<Int>,
    #[serde(borrow)]
    external_oid: Option<Text<'a>>,
    version: Option<Int>,
    update_time: Option<Int>,
    create_time: Option<Int>,
    price: Option<Dec>,
    order_type: Option<Int>,
}

impl RawOrder<'_> {
    /// The order in our words.
    ///
    /// # Errors
    /// When an id is none or a number is not defined. A state that is not defined is no error: it
    /// is reported as such.
    pub fn report(&self) -> Result<OrderReport, WireError> {
        let state = match self.state.0 {
            1 => VenueOrderState::Pending,
            2 => VenueOrderState::Resting,
            3 => VenueOrderState::Filled,
            4 => VenueOrderState::Cancelled,
            5 => VenueOrderState::Invalid,
            other => VenueOrderState::Unrecognised(i32::try_from(other).unwrap_or(i32::MAX)),
        };
        let updated = self.update_time.or(self.create_time).map_or(0, |Int(millis)| millis);
        Ok(OrderReport {
            venue_id: VenueOrderId::new(&self.order_id.0)?,
            client_id: self.external_oid.as_ref().and_then(|id| ClientOrderId::new(&id.0).ok()),
            symbol: Symbol::new(&self.symbol.0)?,
            intent: intent(self.side.0)?,
            state,
            contracts: Contracts(self.vol.0),
            filled: Contracts(self.deal_vol.0),
            average_price: price(self.deal_avg_price),
            category: category(self.category.map(|Int(number)| number)),
            error_code: self.error_code.map_or(0, |Int(number)| i32::try_from(number).unwrap_or(i32::MAX)),
            refusal: self.error_code.map_or(Refusal::Unspecified, |Int(number)| order_refusal(number)),
            version: self.version.map_or(0, |Int(number)| u64::try_from(number).unwrap_or(0)),
            updated_at: VenueTime::from_millis(updated),
            created_at: self.create_time.map(|Int(millis)| VenueTime::from_millis(millis)),
            limit: price(self.price).filter(|_| !matches!(self.order_type, Some(Int(5)))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Category, Intent, Side};

    fn report(json: &str) -> Result<OrderReport, WireError> {
        serde_json::from_str::<RawOrder>(json)?.report()
    }

    #[test]
    fn the_documented_samples_read_the_same_by_answer_and_by_push() {
        let answer = report(
            r#"{"orderId":"814218083416790528","symbol":"BTC_USDT","positionId":0,"price":64250.5,"priceStr":"64250.500000000000000000","vol":20,"leverage":10,"side":1,"category":1,"orderType":1,"dealAvgPrice":64250.5,"dealAvgPriceStr":"64250.5","dealVol":20,"orderMargin":12.9272006,"state":3,"externalOid":"eng-01J0000001","errorCode":0,"createTime":1795401565487,"updateTime":1795401565600,"positionMode":2,"reduceOnly":false,"version":2}"#,
        )
        .unwrap();
        let push = report(
            r#"{"orderId":814218083416790528,"symbol":"BTC_USDT","positionId":1109973831,"price":64250.5,"vol":20.0,"leverage":10,"side":1,"sideType":"buy","positionType":"long","category":1,"orderType":1,"dealAvgPrice":64250.50,"dealVol":20,"remainVol":0,"feeCurrency":"USDT","openType":1,"state":3,"errorCode":0,"externalOid":"eng-01J0000001","positionMode":2,"version":2,"createTime":1795401565487,"updateTime":1795401565600}"#,
        )
        .unwrap();
        assert_eq!(answer, push);
        assert_eq!(answer.venue_id.as_str(), "814218083416790528");
        assert_eq!(answer.state, VenueOrderState::Filled);
        assert_eq!(answer.intent, Intent::open(Side::Long));
        assert_eq!(answer.updated_at.millis(), 1_795_401_565_600);
    }

    #[test]
    fn why_an_order_ended_is_told_in_our_words() {
        let ended = |code: &str| {
            report(&format!(
                r#"{{"orderId":"1","symbol":"BTC_USDT","vol":1,"side":4,"state":5,"dealVol":0,"externalOid":"a","errorCode":{code},"updateTime":1}}"#
            ))
            .unwrap()
            .refusal
        };
        for (code, refusal) in [
            ("0", Refusal::Unspecified),
            ("null", Refusal::Unspecified),
            ("9", Refusal::PositionMode),
            ("\"22\"", Refusal::DuplicateId),
            ("5", Refusal::BeyondLiquidation),
        ] {
            assert_eq!(ended(code), refusal, "{code}");
        }
    }

    #[test]
    fn foreign_client_ids_and_unknown_states_are_reported_as_such() {
        let base = |oid: &str, state: i32, side: i32| {
            format!(
                r#"{{"orderId":"1","symbol":"BTC_USDT","vol":1,"side":{side},"state":{state},"dealVol":0,"dealAvgPrice":0,"category":2,"externalOid":"{oid}","updateTime":1}}"#
            )
        };
        let order = report(&base("_m_0123456789abcdef0123456789abcdef", 9, 4)).unwrap();
        assert_eq!(order.client_id, None);
        assert_eq!(order.state, VenueOrderState::Unrecognised(9));
        assert_eq!(order.average_price, None);
        assert_eq!(order.category, Category::Liquidation);
        assert!(report(&base("a", 2, 5)).is_err(), "side 5 is not defined");
    }
}
