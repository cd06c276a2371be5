//! Prices.

use serde::Deserialize;

use super::{Dec, Int, Text, WireError, price};
use crate::model::{Quote, Symbol, VenueTime};

/// A ticker as it is written, by push and by answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawTicker<'a> {
    #[serde(borrow)]
    symbol: Text<'a>,
    last_price: Option<Dec>,
    fair_price: Option<Dec>,
    bid1: Option<Dec>,
    ask1: Option<Dec>,
    funding_rate: Option<Dec>,
    timestamp: Option<Int>,
}

impl RawTicker<'_> {
    /// The prices in our words; the fair price is the mark.
    ///
    /// # Errors
    /// When the symbol is none.
    pub fn quote(&self, sent: Option<i64>) -> Result<Quote, WireError> {
        Ok(Quote {
            symbol: Symbol::new(&self.symbol.0)?,
            last: price(self.last_price),
            mark: price(self.fair_price),
            bid: price(self.bid1),
            ask: price(self.ask1),
            funding_rate: self.funding_rate.map(|Dec(rate)| rate),
            at: VenueTime::from_millis(self.timestamp.map(|Int(millis)| millis).or(sent).unwrap_or_default()),
        })
    }
}

/// What a list of tickers is asked for: a price of each contract.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawPrice<'a> {
    /// Which contract.
    #[serde(borrow)]
    pub symbol: Text<'a>,
    /// Its fair price.
    pub fair_price: Option<Dec>,
    /// Its last price.
    pub last_price: Option<Dec>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fair_price_is_the_mark_and_absent_prices_are_unknown() {
        let quote = |json: &str, sent| serde_json::from_str::<RawTicker>(json).unwrap().quote(sent).unwrap();
        let full = quote(
            r#"{"contractId":10,"symbol":"BTC_USDT","lastPrice":64300.1,"bid1":64300.0,"ask1":64300.1,"volume24":40146908,"amount24":258100741.2,"fairPrice":64310.2,"fundingRate":0.0001,"timestamp":1795401565487}"#,
            Some(5),
        );
        assert_eq!(full.mark.map(|p| p.to_string()).as_deref(), Some("64310.2"));
        assert_eq!(full.at.millis(), 1_795_401_565_487);
        let bare = quote(r#"{"symbol":"BTC_USDT","lastPrice":0}"#, Some(5));
        assert_eq!((bare.last, bare.mark, bare.at.millis()), (None, None, 5));
    }
}
