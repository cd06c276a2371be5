//! Fills ("deals"), by push and by answer.

use serde::Deserialize;

use super::{Dec, Flag, Int, Text, WireError, category, intent};
use crate::model::{ClientOrderId, Contracts, FillId, FillReport, Price, Symbol, Usdt, VenueOrderId, VenueTime};

/// A fill as it is written. Pushes also name the client id; answers do not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawFill<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    symbol: Text<'a>,
    side: Int,
    vol: Dec,
    price: Dec,
    fee: Option<Dec>,
    profit: Option<Dec>,
    #[serde(borrow)]
    fee_currency: Option<Text<'a>>,
    #[serde(alias = "isTaker")]
    taker: Option<Flag>,
    category: Option<Int>,
    #[serde(borrow)]
    order_id: Option<Text<'a>>,
    #[serde(borrow)]
    external_oid: Option<Text<'a>>,
    timestamp: Int,
}

impl RawFill<'_> {
    /// The fill in our words. A fee in another currency than USDT is not known in USDT.
    ///
    /// # Errors
    /// When an id is none, a number is not defined, or size or price are not above zero.
    pub fn report(&self) -> Result<FillReport, WireError> {
        if self.vol.0.is_sign_negative()
            || self.vol.0.is_zero()
            || self.price.0.is_sign_negative()
            || self.price.0.is_zero()
        {
            return Err(WireError::Senseless(format!("a fill of {} contracts at {}", self.vol.0, self.price.0)));
        }
        let in_usdt = self.fee_currency.as_ref().is_none_or(|currency| currency.0 == "USDT");
        Ok(FillReport {
            id: FillId::new(&self.id.0)?,
            venue_order: self.order_id.as_ref().and_then(|id| VenueOrderId::new(&id.0).ok()),
            client_id: self.external_oid.as_ref().and_then(|id| ClientOrderId::new(&id.0).ok()),
            symbol: Symbol::new(&self.symbol.0)?,
            intent: intent(self.side.0)?,
            contracts: Contracts(self.vol.0),
            price: Price(self.price.0),
            fee: self.fee.filter(|_| in_usdt).map(|Dec(fee)| Usdt(fee)),
            profit: self.profit.map(|Dec(profit)| Usdt(profit)),
            taker: self.taker.map(|Flag(taker)| taker),
            category: category(self.category.map(|Int(number)| number)),
            at: VenueTime::from_millis(self.timestamp.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(json: &str) -> Result<FillReport, WireError> {
        serde_json::from_str::<RawFill>(json)?.report()
    }

    #[test]
    fn answer_and_push_agree_but_for_the_client_id() {
        let answer = report(
            r#"{"id":"13914408525","symbol":"BTC_USDT","side":1,"vol":20,"price":64250.5,"fee":0.0771006,"feeCurrency":"USDT","profit":0,"category":1,"orderId":"814218083416790528","timestamp":1795401565600,"positionMode":2,"taker":true}"#,
        )
        .unwrap();
        let push = report(
            r#"{"id":13914408525,"symbol":"BTC_USDT","side":1,"vol":20,"price":64250.5,"fee":0.0771006,"feeCurrency":"USDT","profit":0,"isTaker":true,"category":1,"orderId":"814218083416790528","externalOid":"eng-01J0000001","isSelf":false,"positionMode":2,"timestamp":1795401565600}"#,
        )
        .unwrap();
        assert_eq!(push.client_id.as_ref().map(ClientOrderId::as_str), Some("eng-01J0000001"));
        assert_eq!(answer, FillReport { client_id: None, ..push });
        assert_eq!(answer.taker, Some(true));
    }

    #[test]
    fn b18_a_fee_is_what_the_exchange_says_or_unknown() {
        let fee = |tail: &str| {
            report(&format!(
                r#"{{"id":"1","symbol":"BTC_USDT","side":4,"vol":1,"price":2,"orderId":"3","timestamp":4{tail}}}"#
            ))
            .unwrap()
            .fee
        };
        assert_eq!(fee(""), None);
        assert_eq!(fee(r#","fee":0.5,"feeCurrency":"MX""#), None);
        assert_eq!(fee(r#","fee":-0.5,"feeCurrency":"USDT""#).map(|fee| fee.to_string()).as_deref(), Some("-0.5"));
    }

    #[test]
    fn a_fill_of_nothing_is_refused() {
        for (vol, price) in [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")] {
            let json = format!(
                r#"{{"id":"1","symbol":"BTC_USDT","side":4,"vol":{vol},"price":{price},"orderId":"3","timestamp":4}}"#
            );
            assert!(report(&json).is_err(), "{json}");
        }
    }
}
