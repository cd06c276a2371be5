//! The exchange's codes and what follows from each (mexc-contract-api.md section 8.1).

use crate::model::ErrorClass;

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

/// What a code says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key or what it may do is refused.
    AccessRefused,
    /// Too frequent: not executed.
    TooFrequent,
    /// The time stamp is outside the window: not executed; the clock must be measured again.
    StaleStamp,
    /// The exchange failed inside, and may have done it before that.
    Failed,
    /// The same request or id was seen before: what became of it must be looked up.
    Repeated,
    /// Closed for a while: not executed.
    Closed,
    /// Refused by rule: not executed, and not when tried again.
    Refused,
}

impl Verdict {
    /// What it means for a call of this kind.
    pub const fn class(self, call: Call) -> ErrorClass {
        match (self, call) {
            (Self::AccessRefused, _) => ErrorClass::AccessRefused,
            (Self::Failed | Self::Repeated, Call::Place) => ErrorClass::Ambiguous,
            (Self::TooFrequent | Self::StaleStamp, _)
            | (Self::Failed | Self::Repeated | Self::Closed, Call::Cancel | Call::Read) => ErrorClass::Retryable,
            (Self::Closed, Call::Place) | (Self::Refused, _) => ErrorClass::Fatal,
        }
    }

    /// Whether the circuit breaker counts it: only what stands for a 5xx (the exchange answers
    /// those with status 200 and such a code).
    pub const fn counts(self) -> bool {
        matches!(self, Self::Failed)
    }
}

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The number.
    pub number: i32,
    /// What it means, for people.
    pub meaning: &'static str,
    /// What follows.
    pub verdict: Verdict,
}

const fn code(number: i32, meaning: &'static str, verdict: Verdict) -> Code {
    Code { number, meaning, verdict }
}

/// What a code means; a code that is not in the table is a refusal.
pub fn verdict(code: i32) -> Verdict {
    known(code).map_or(Verdict::Refused, |known| known.verdict)
}

/// The row of a code.
pub fn known(code: i32) -> Option<&'static Code> {
    CODES.iter().find(|known| known.number == code)
}

/// All documented codes.
pub const CODES: &[Code] = {
    use Verdict::{AccessRefused, Closed, Failed, Refused, Repeated, StaleStamp, TooFrequent};
    &[
        code(401, "not logged in", AccessRefused),
        code(402, "the key has expired or is unknown", AccessRefused),
        code(403, "access denied", AccessRefused),
        code(406, "this IP address is not on the key's list", AccessRefused),
        code(500, "internal error or maintenance", Failed),
        code(501, "system busy", Failed),
        code(506, "unknown source of the request", Refused),
        code(510, "too many requests", TooFrequent),
        code(511, "the interface may not be used", Refused),
        code(513, "the request's time stamp is outside the window", StaleStamp),
        code(600, "parameter error", Refused),
        code(601, "the body could not be decoded", Refused),
        code(602, "signature verification failed", AccessRefused),
        code(603, "repeated request", Repeated),
        code(604, "under maintenance", Closed),
        code(701, "the key may not read the account", AccessRefused),
        code(702, "the key may not write to the account", AccessRefused),
        code(703, "the key may not read orders", AccessRefused),
        code(704, "the key may not place orders", AccessRefused),
        code(801, "the system is under maintenance", Closed),
        code(1000, "the account does not exist: futures are not activated", AccessRefused),
        code(1001, "the contract does not exist", Refused),
        code(1002, "the contract is not activated", Refused),
        code(1003, "risk level error", Refused),
        code(1004, "amount error", Refused),
        code(2001, "wrong side", Refused),
        code(2002, "wrong margin mode", Refused),
        code(2003, "the price is above the allowed band", Refused),
        code(2004, "the price is below the allowed band", Refused),
        code(2005, "balance insufficient", Refused),
        code(2006, "leverage error", Refused),
        code(2007, "price error", Refused),
        code(2008, "more than can be closed", Refused),
        code(2009, "the position does not exist or is closed", Refused),
        code(2011, "quantity error", Refused),
        code(2013, "more than 50 cancels in one request", Refused),
        code(2014, "more than 50 orders in one request", Refused),
        code(2015, "price or quantity is off the step", Refused),
        code(2016, "the trigger volume is too large", Refused),
        code(2018, "more than the available margin", Refused),
        code(2019, "open orders or a position block the change", Refused),
        code(2021, "the leverage differs from the position's", Refused),
        code(2022, "wrong direction of the position", Refused),
        code(2023, "positions above the highest leverage", Refused),
        code(2024, "orders above the highest leverage", Refused),
        code(2025, "position limit reached", Refused),
        code(2026, "the leverage of a cross position cannot be changed", Refused),
        code(2027, "one margin mode for each direction", Refused),
        code(2028, "order size limit reached", Refused),
        code(2029, "order type error", Refused),
        code(2030, "the client order id is longer than 32 characters", Refused),
        code(2031, "risk limit exceeded", Refused),
        code(2032, "the price is below the liquidation price of the long position", Refused),
        code(2033, "the price is above the liquidation price of the short position", Refused),
        code(2034, "more than 50 ids in one query", Refused),
        code(2035, "market level is not supported", Refused),
        code(2036, "too many open orders", Refused),
        code(2037, "trading too frequently", TooFrequent),
        code(2038, "limit of the position's quantity reached", Refused),
        code(2040, "the order does not exist", Refused),
        code(2041, "the order cannot be cancelled in its state", Refused),
        code(2042, "the client order id was used before", Repeated),
        code(2043, "the order does not match the position", Refused),
        code(3001, "trigger price type error", Refused),
        code(3002, "trigger type error", Refused),
        code(3003, "execution cycle error", Refused),
        code(3004, "trigger price error", Refused),
        code(4001, "the currency is not supported", Refused),
        code(5001, "take-profit and stop-loss are both empty", Refused),
        code(5002, "the take-profit or stop-loss order was not found", Refused),
        code(5003, "the take-profit or stop-loss price is wrong", Refused),
        code(5004, "the take-profit or stop-loss volume is too large", Refused),
        code(6001, "trading is forbidden", Refused),
        code(6002, "opening positions is forbidden", Refused),
        code(6003, "time range error", Refused),
        code(6004, "fields are missing", Refused),
        code(6005, "the pair is not available", Refused),
        code(8817, "the endpoint is retired", Refused),
        code(9999, "internal error", Failed),
        code(200_005, "identity verification is needed", AccessRefused),
        code(200_006, "identity verification is needed", AccessRefused),
        code(300_000, "identity verification is needed", AccessRefused),
        code(300_001, "identity verification is needed", AccessRefused),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole of section 8.1, written down a second time from the document: how a place, a
    /// cancel and a read react to each code, and whether the breaker counts it.
    #[test]
    fn every_documented_code_has_its_reaction() {
        use ErrorClass::{AccessRefused as A, Ambiguous as U, Fatal as F, Retryable as R};
        let special = [
            (
                &[401, 402, 403, 406, 602, 701, 702, 703, 704, 1000, 200_005, 200_006, 300_000, 300_001][..],
                [A, A, A],
                false,
            ),
            (&[500, 501, 9999][..], [U, R, R], true),
            (&[603, 2042][..], [U, R, R], false),
            (&[510, 513, 2037][..], [R, R, R], false),
            (&[604, 801][..], [F, R, R], false),
        ];
        for row in CODES {
            let (classes, counts) = special
                .iter()
                .find(|(codes, ..)| codes.contains(&row.number))
                .map_or(([F, F, F], false), |(_, classes, counts)| (*classes, *counts));
            let found = [Call::Place, Call::Cancel, Call::Read].map(|call| row.verdict.class(call));
            assert_eq!(found, classes, "{row:?}");
            assert_eq!(row.verdict.counts(), counts, "{row:?}");
        }
        for (codes, ..) in special {
            assert!(codes.iter().all(|&code| known(code).is_some()), "{codes:?}");
        }
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(CODES.is_sorted_by(|a, b| a.number < b.number));
    }

    #[test]
    fn an_unknown_code_is_a_refusal() {
        assert_eq!(verdict(777_777), Verdict::Refused);
    }
}
