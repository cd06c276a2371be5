//! Prices as the exchange tells them.

use serde::{Deserialize, Serialize};

use super::{Decimal, Price, Symbol, VenueTime};

/// The latest prices of a symbol. A quote is an event, but not a fact: it is never journaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Which contract.
    pub symbol: Symbol,
    /// Price of the last trade.
    pub last: Option<Price>,
    /// Mark price (the exchange's "fair price"): margin and liquidation are reckoned on it.
    pub mark: Option<Price>,
    /// Best bid.
    pub bid: Option<Price>,
    /// Best ask.
    pub ask: Option<Price>,
    /// Current funding rate for one interval.
    pub funding_rate: Option<Decimal>,
    /// When the exchange said so.
    pub at: VenueTime,
}

impl Quote {
    /// The price that risk is measured at: mark, else last.
    pub fn risk_price(&self) -> Option<Price> {
        self.mark.or(self.last).filter(|price| price.is_positive())
    }
}
