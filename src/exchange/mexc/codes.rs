//! The exchange's codes and what follows from each (mexc-contract-api.md section 15 D).
//!
//! What is not in the table is unknown: a placement answered so is looked up, never given up.

use crate::model::{ErrorClass, Refusal};

/// What kind of call an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Places an order: doing it twice is not the same as doing it once.
    Place,
    /// Cancels: may be repeated.
    Cancel,
    /// Reads, or sets what may be set again.
    Read,
}

/// What is known of a request after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not done, and not when tried again unchanged.
    Refused,
    /// Not done; may be later.
    Later,
    /// May have been done, or was done in spite of the refusal: must be looked up.
    Unknown,
    /// Not done: the key or what it may do is refused, for every call.
    Access,
}

impl Outcome {
    /// What it means for a call of this kind.
    pub const fn class(self, call: Call) -> ErrorClass {
        match (self, call) {
            (Self::Access, _) => ErrorClass::AccessRefused,
            (Self::Unknown, Call::Place) => ErrorClass::Ambiguous,
            (Self::Later, _) | (Self::Unknown, Call::Cancel | Call::Read) => ErrorClass::Retryable,
            (Self::Refused, _) => ErrorClass::Fatal,
        }
    }
}

/// What an answer that is no success says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was done.
    pub outcome: Outcome,
    /// Why, in our words.
    pub refusal: Refusal,
    /// Whether the circuit breaker counts it: what stands for a 5xx (the exchange answers those with
    /// status 200 and such a code), and what is not the exchange's own answer.
    pub counts: bool,
}

impl Verdict {
    /// Not the exchange's own answer: a gateway or firewall before it.
    pub const EDGE: Self = Self { outcome: Outcome::Unknown, refusal: Refusal::Edge, counts: true };
    /// The exchange, or a server before it, failed.
    pub const FAILED: Self = Self { outcome: Outcome::Unknown, refusal: Refusal::Internal, counts: true };
    /// The status for too many requests. It comes from the edge, so whether a placement was done is not sure.
    pub const TOO_MANY: Self = Self { outcome: Outcome::Unknown, refusal: Refusal::TooFrequent, counts: false };
}

/// A code, or a run of codes of one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The number, or the first of the run.
    pub first: i32,
    /// The last of the run.
    pub last: i32,
    /// What it means, for people.
    pub meaning: &'static str,
    /// What follows.
    pub outcome: Outcome,
    /// Why, in our words.
    pub refusal: Refusal,
}

const fn code(number: i32, meaning: &'static str, outcome: Outcome, refusal: Refusal) -> Code {
    run(number, number, meaning, outcome, refusal)
}

const fn run(first: i32, last: i32, meaning: &'static str, outcome: Outcome, refusal: Refusal) -> Code {
    Code { first, last, meaning, outcome, refusal }
}

/// What a code and its words say; a code that is not in the table says nothing sure.
pub fn verdict(number: i32, message: &str) -> Verdict {
    let Some(known) = known(number) else {
        return Verdict { outcome: Outcome::Unknown, refusal: Refusal::Unspecified, counts: false };
    };
    let failed = matches!(number, 500 | 501 | 9999);
    // The notice of a maintenance comes as code 500 with these words.
    let maintenance = failed && message.to_ascii_lowercase().contains("maintenance");
    let refusal = if maintenance { Refusal::Maintenance } else { known.refusal };
    Verdict { outcome: known.outcome, refusal, counts: failed }
}

/// The row of a code.
pub fn known(number: i32) -> Option<&'static Code> {
    CODES.iter().find(|known| (known.first..=known.last).contains(&number))
}

/// All documented codes that an order, a cancel or a read can meet.
pub const CODES: &[Code] = {
    use Outcome::{Access, Later, Refused, Unknown};
    use Refusal as R;
    &[
        code(400, "bad request", Refused, R::Malformed),
        code(401, "not logged in", Access, R::Access),
        code(402, "the key has expired or is unknown", Access, R::Access),
        code(403, "access denied", Access, R::Access),
        code(406, "this IP address is not on the key's list", Access, R::Access),
        code(500, "internal error or maintenance", Unknown, R::Internal),
        code(501, "system busy", Unknown, R::Internal),
        code(506, "unknown source of the request", Refused, R::Malformed),
        code(510, "too many requests", Later, R::TooFrequent),
        code(511, "the key may not use this interface", Refused, R::Access),
        code(513, "invalid request: the time stamp is outside the window", Later, R::ClockWrong),
        code(600, "parameter error", Refused, R::Malformed),
        code(601, "the body could not be decoded", Refused, R::Malformed),
        code(602, "signature verification failed", Access, R::Access),
        code(603, "repeated request", Unknown, R::DuplicateId),
        code(604, "under maintenance", Later, R::Maintenance),
        code(701, "the key may not read the account", Access, R::Access),
        code(702, "the key may not write to the account", Access, R::Access),
        code(703, "the key may not read orders", Access, R::Access),
        code(704, "the key may not place orders", Access, R::Access),
        code(705, "the key lacks a permission", Access, R::Access),
        code(801, "the system is under maintenance", Later, R::Maintenance),
        code(1000, "the account does not exist: futures are not activated", Access, R::Access),
        code(1001, "the contract does not exist", Refused, R::ContractUnknown),
        code(1002, "the contract is not activated", Refused, R::MarketClosed),
        code(1003, "risk level error", Refused, R::RiskLimit),
        code(1004, "amount error", Refused, R::OffSteps),
        code(2001, "wrong side", Refused, R::PositionMode),
        code(2002, "wrong margin mode", Refused, R::PositionMismatch),
        code(2003, "the price is above the allowed band", Refused, R::PriceBand),
        code(2004, "the price is below the allowed band", Refused, R::PriceBand),
        code(2005, "balance insufficient", Refused, R::Balance),
        code(2006, "leverage error", Refused, R::Leverage),
        code(2007, "price error", Refused, R::OffSteps),
        code(2008, "more than can be closed", Refused, R::ClosableTooSmall),
        code(2009, "the position does not exist or is closed", Refused, R::PositionGone),
        code(2011, "quantity error", Refused, R::OffSteps),
        code(2013, "too many cancels in one request", Refused, R::Malformed),
        code(2014, "too many orders in one request", Refused, R::Malformed),
        code(2015, "price or quantity is off the step", Refused, R::OffSteps),
        code(2016, "too many trigger orders", Later, R::TooManyOrders),
        code(2018, "more than the margin that can be taken away", Refused, R::Balance),
        code(2019, "orders or positions block the change of leverage", Refused, R::Leverage),
        code(2021, "the leverage differs from the position's", Refused, R::Leverage),
        code(2022, "wrong type of the position", Refused, R::PositionMismatch),
        code(2023, "positions above the highest leverage", Refused, R::Leverage),
        code(2024, "orders above the highest leverage", Refused, R::Leverage),
        code(2025, "position limit reached", Refused, R::RiskLimit),
        code(2026, "the leverage of a cross position cannot be changed", Refused, R::Leverage),
        code(2027, "one margin mode for each direction", Refused, R::PositionMismatch),
        code(2028, "one order may not be so large", Refused, R::TooLarge),
        code(2029, "order type error", Refused, R::PositionMode),
        code(2030, "the client order id is longer than 32 characters", Refused, R::Malformed),
        code(2031, "risk limit exceeded", Refused, R::RiskLimit),
        code(2032, "the price is below the liquidation price of the long position", Refused, R::BeyondLiquidation),
        code(2033, "the price is above the liquidation price of the short position", Refused, R::BeyondLiquidation),
        code(2034, "too many ids in one query", Refused, R::Malformed),
        code(2035, "the market level is not supported", Refused, R::TooLarge),
        code(2036, "too many open orders", Later, R::TooManyOrders),
        code(2037, "trading too frequently", Later, R::TooFrequent),
        code(2038, "limit of the position's quantity reached", Refused, R::RiskLimit),
        code(2039, "more than the best level holds", Refused, R::TooLarge),
        code(2040, "the order does not exist", Unknown, R::Unspecified),
        code(2041, "the order cannot be cancelled in its state", Unknown, R::Unspecified),
        code(2042, "the client order id was used before", Unknown, R::DuplicateId),
        code(2043, "the order does not match the position", Refused, R::PositionMismatch),
        code(2044, "not enough margin for the leverage", Refused, R::Leverage),
        run(2045, 2048, "a bound of trailing orders", Refused, R::Malformed),
        code(2049, "the fill would lead to a liquidation", Refused, R::BeyondLiquidation),
        code(2051, "one order may not be so large", Refused, R::TooLarge),
        run(2052, 2055, "the order cannot be amended", Unknown, R::Unspecified),
        code(2056, "a market close is under way", Later, R::CloseInProgress),
        code(2057, "below the smallest quantity", Refused, R::TooSmall),
        run(2058, 2064, "a chase order is refused", Refused, R::Malformed),
        code(2065, "margin insufficient", Refused, R::Balance),
        code(2066, "a chase order is refused", Refused, R::Malformed),
        run(2070, 2076, "a chase order is refused", Refused, R::Malformed),
        code(
            2078,
            "the fill price is beyond the liquidation price: a limit order is wanted",
            Refused,
            R::BeyondLiquidation,
        ),
        run(3001, 3015, "a trigger order is refused", Refused, R::Malformed),
        code(4001, "the currency is not supported", Refused, R::Malformed),
        code(5001, "neither a take-profit nor a stop-loss price", Refused, R::Malformed),
        code(5002, "no such stop or take-profit order", Refused, R::Malformed),
        code(5003, "wrong stop or take-profit price", Refused, R::Malformed),
        code(5004, "more than can be closed", Refused, R::ClosableTooSmall),
        code(5005, "a stop or take-profit order is refused", Refused, R::Malformed),
        code(5006, "the margin mode must match the position's", Refused, R::PositionMismatch),
        code(6001, "trading is forbidden", Refused, R::Access),
        code(6002, "opening is forbidden", Refused, R::OpeningStopped),
        code(6003, "time range error", Refused, R::Malformed),
        code(6004, "fields are missing", Refused, R::Malformed),
        code(6005, "the trading pair is not available", Refused, R::ContractUnknown),
        code(6006, "cross margin needs another client", Refused, R::Access),
        code(6007, "orders or positions block the change of mode", Refused, R::PositionMode),
        code(6008, "the order was placed (its liquidation price is shown later)", Unknown, R::Unspecified),
        code(6009, "opening is forbidden", Refused, R::OpeningStopped),
        run(6010, 6019, "multi-asset mode does not permit it", Refused, R::Access),
        code(6020, "multi-asset mode trades cross margin only", Refused, R::PositionMismatch),
        code(6021, "a liability currency has a problem, try later", Later, R::Internal),
        code(6022, "trading error, try later", Unknown, R::Internal),
        run(6023, 6025, "multi-asset mode does not permit it", Refused, R::Access),
        code(7001, "orders or positions block the change of position mode", Refused, R::PositionMode),
        code(7002, "the order's position mode differs from the account's", Refused, R::PositionMode),
        code(7003, "the margin mode must match the position's", Refused, R::PositionMismatch),
        code(7004, "leverage error", Refused, R::Leverage),
        code(7005, "more than can be closed", Refused, R::ClosableTooSmall),
        code(7008, "below the smallest quantity", Refused, R::TooSmall),
        code(7009, "risk limit exceeded", Refused, R::RiskLimit),
        code(8012, "balance insufficient", Refused, R::Balance),
        run(8815, 8816, "risk limit exceeded", Refused, R::RiskLimit),
        code(8817, "the endpoint is retired", Unknown, R::Unspecified),
        run(8818, 8819, "risk limit exceeded", Refused, R::RiskLimit),
        code(8820, "opening is forbidden", Refused, R::OpeningStopped),
        code(8821, "risk limit exceeded", Refused, R::RiskLimit),
        run(8912, 8913, "the stop or take-profit order has ended", Unknown, R::Unspecified),
        code(8915, "orders or positions block the change of margin mode", Refused, R::PositionMode),
        code(8917, "the reduce-only order would leave other orders without margin", Refused, R::TooManyOrders),
        code(8918, "the query is refused", Unknown, R::Unspecified),
        code(8919, "risk limit exceeded", Refused, R::RiskLimit),
        code(8920, "opening is forbidden", Refused, R::OpeningStopped),
        code(8921, "closing is suspended", Refused, R::MarketClosed),
        code(8922, "the pair is suspended", Later, R::MarketClosed),
        code(8930, "the pair is not listed yet", Later, R::MarketClosed),
        code(8931, "the leverage is above what this country may use", Refused, R::Leverage),
        code(8932, "opening is forbidden", Refused, R::OpeningStopped),
        code(8934, "opening is forbidden", Refused, R::OpeningStopped),
        run(9065, 9067, "transfers are refused", Unknown, R::Access),
        code(9068, "the market is closed: only cancels are taken", Later, R::MarketClosed),
        code(9069, "only the fair price may trigger stops", Refused, R::PositionMismatch),
        code(9070, "only isolated margin", Refused, R::PositionMismatch),
        code(9071, "only cross margin", Refused, R::PositionMismatch),
        code(9998, "opening is forbidden", Refused, R::OpeningStopped),
        code(9999, "internal error", Unknown, R::Internal),
        run(200_005, 200_006, "identity verification is needed", Access, R::Access),
        run(300_000, 300_001, "identity verification is needed", Access, R::Access),
        code(300_002, "not available in this region", Access, R::Access),
    ]
};

/// Why the exchange ended an order, by the `errorCode` in the order itself (section 8.2 and the last
/// paragraph of 15 D).
pub const fn order_refusal(number: i64) -> Refusal {
    match number {
        1 => Refusal::Malformed,
        2 => Refusal::Balance,
        3 | 12..=14 => Refusal::PositionGone,
        4 | 17 => Refusal::ClosableTooSmall,
        5 | 6 | 10 => Refusal::BeyondLiquidation,
        7 => Refusal::RiskLimit,
        8 | 16 | 999 => Refusal::Internal,
        9 => Refusal::PositionMode,
        11 => Refusal::MarketClosed,
        15 => Refusal::Access,
        18 | 20 | 21 => Refusal::RestCancelled,
        19 => Refusal::TooLarge,
        22 | 23 => Refusal::DuplicateId,
        _ => Refusal::Unspecified,
    }
}

#[cfg(test)]
mod tests;
