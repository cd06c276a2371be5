//! Why the exchange refuses a request: MEXC's `code` and a message.

/// A business failure: answered with HTTP 200 and `success:false`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("code {code}: {message}")]
pub struct Refusal {
    /// MEXC's code (mexc-contract-api.md section 8.1).
    pub code: i64,
    /// The message in English.
    pub message: String,
}

impl Refusal {
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The refusal for a code of the table.
    pub fn of(code: i64) -> Self {
        Self::new(code, meaning(code))
    }
}

fn meaning(code: i64) -> &'static str {
    match code {
        401 => "Not logged in",
        402 => "API Key expired or does not exist",
        500 => "Internal error",
        510 => "Requests are too frequent, please try again later",
        513 => "Invalid request: the request time is outside the receive window",
        600 => "Parameter error",
        601 => "Data decode error",
        602 => "Signature verification failed",
        1001 => "Contract does not exist",
        1002 => "Contract not activated",
        1004 => "Amount error",
        2001 => "Order side error",
        2002 => "Open type error",
        2003 => "Order price is higher than the allowed band",
        2004 => "Order price is lower than the allowed band",
        2005 => "Balance insufficient",
        2006 => "Leverage error",
        2007 => "Order price error",
        2008 => "The quantity is insufficient",
        2009 => "Position does not exist or is closed",
        2011 => "Order quantity error",
        2013 => "Cancel orders over the maximum limit",
        2014 => "The quantity of the batch order exceeds the limit",
        2015 => "Price or quantity precision error",
        2018 => "Exceeds the maximum margin that can be changed",
        2019 => "There is an open order or position",
        2021 => "The leverage of the order differs from that of the position",
        2024 => "The position or its orders exceed the maximum leverage",
        2027 => "Only one margin mode is allowed in one direction",
        2028 => "The order size exceeds the limit",
        2029 => "Order type error",
        2030 => "External order id is too long",
        2031 => "Exceeds the risk limit",
        2032 => "The order price is lower than the liquidation price of the long position",
        2033 => "The order price is higher than the liquidation price of the short position",
        2034 => "Batch query exceeds the limit",
        2036 => "Too many open orders",
        2040 => "order not exist",
        2041 => "order state cannot be cancelled",
        2042 => "Duplicate order id",
        2078 => "Fill price exceeds the liquidation price. Use a limit order",
        4001 => "Unsupported currency",
        5001 => "Take-profit and stop-loss price are both empty",
        5002 => "Take-profit or stop-loss order does not exist",
        5003 => "Take-profit or stop-loss price error",
        5004 => "Take-profit or stop-loss volume is larger than what can be closed",
        7002 => "The position mode does not match",
        8817 => "This interface is no longer available",
        _ => "Request refused",
    }
}
