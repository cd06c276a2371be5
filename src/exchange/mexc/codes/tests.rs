//! The whole of section 15 D, written down a second time from the document.

use super::*;

use ErrorClass::{AccessRefused as A, Ambiguous as U, Fatal as F, Retryable as R};

type Row = (&'static [i32], [ErrorClass; 3], Refusal);

/// Codes; how a place, a cancel and a read react; why.
fn document() -> Vec<Row> {
    use Refusal as Y;
    vec![
        (&[400, 506, 600, 601], [F; 3], Y::Malformed),
        (&[401, 402, 403, 406, 602, 701, 702, 703, 704, 705, 1000], [A; 3], Y::Access),
        (&[200_005, 200_006, 300_000, 300_001, 300_002], [A; 3], Y::Access),
        (&[511, 6001, 6006], [F; 3], Y::Access),
        (&[500, 501, 9999, 6022], [U, R, R], Y::Internal),
        (&[510, 2037], [R; 3], Y::TooFrequent),
        (&[513], [R; 3], Y::ClockWrong),
        (&[603, 2042], [U, R, R], Y::DuplicateId),
        (&[604, 801], [R; 3], Y::Maintenance),
        (&[1001, 6005], [F; 3], Y::ContractUnknown),
        (&[1002, 8921], [F; 3], Y::MarketClosed),
        (&[8922, 8930, 9068], [R; 3], Y::MarketClosed),
        (&[1004, 2007, 2011, 2015], [F; 3], Y::OffSteps),
        (&[7008, 2057], [F; 3], Y::TooSmall),
        (&[2001, 2029, 6007, 7001, 7002, 8915], [F; 3], Y::PositionMode),
        (&[2002, 2022, 2027, 2043, 5006, 6020, 7003, 9069, 9070, 9071], [F; 3], Y::PositionMismatch),
        (&[2003, 2004], [F; 3], Y::PriceBand),
        (&[2005, 8012, 2065, 2018], [F; 3], Y::Balance),
        (&[2006, 2019, 2021, 2023, 2024, 2026, 2044, 7004, 8931], [F; 3], Y::Leverage),
        (&[2008, 7005, 5004], [F; 3], Y::ClosableTooSmall),
        (&[2009], [F; 3], Y::PositionGone),
        (&[2016, 2036], [R; 3], Y::TooManyOrders),
        (&[8917], [F; 3], Y::TooManyOrders),
        (&[1003, 2025, 2031, 2038, 7009, 8815, 8816, 8818, 8819, 8821, 8919], [F; 3], Y::RiskLimit),
        (&[2028, 2051, 2035, 2039], [F; 3], Y::TooLarge),
        (&[2032, 2033, 2049, 2078], [F; 3], Y::BeyondLiquidation),
        (&[2013, 2014, 2030, 2034, 4001, 6003, 6004], [F; 3], Y::Malformed),
        (&[2045, 2046, 2047, 2048, 2058, 2059, 2060, 2061, 2062, 2063, 2064, 2066], [F; 3], Y::Malformed),
        (&[2070, 2071, 2072, 2073, 2074, 2075, 2076], [F; 3], Y::Malformed),
        (&[3001, 3002, 3003, 3004, 3005, 3006, 3007, 3008, 3009, 3010], [F; 3], Y::Malformed),
        (&[3011, 3012, 3013, 3014, 3015, 5001, 5002, 5003, 5005], [F; 3], Y::Malformed),
        (&[2056], [R; 3], Y::CloseInProgress),
        (&[6002, 6009, 8820, 8920, 8932, 8934, 9998], [F; 3], Y::OpeningStopped),
        (&[6010, 6011, 6012, 6013, 6014, 6015, 6016, 6017, 6018, 6019, 6023, 6024, 6025], [F; 3], Y::Access),
        (&[6021], [R; 3], Y::Internal),
        // Accepted anyway: looked up, never sent again.
        (&[6008], [U, R, R], Y::Unspecified),
        // Of orders that stand: looked up.
        (&[2040, 2041, 2052, 2053, 2054, 2055], [U, R, R], Y::Unspecified),
        // Not answers to a placement.
        (&[8817, 8912, 8913, 8918], [U, R, R], Y::Unspecified),
        (&[9065, 9066, 9067], [U, R, R], Y::Access),
    ]
}

#[test]
fn every_documented_code_has_its_outcome_by_kind_of_call_and_its_reason() {
    let document = document();
    for (codes, classes, refusal) in &document {
        for &number in *codes {
            let row = known(number).unwrap_or_else(|| panic!("{number} is not in the table"));
            let found = [Call::Place, Call::Cancel, Call::Read].map(|call| row.outcome.class(call));
            assert_eq!((found, row.refusal), (*classes, *refusal), "{number}: {row:?}");
            assert_eq!(verdict(number, "").counts, [500, 501, 9999].contains(&number), "{number}");
        }
    }
    let documented: i32 = document.iter().map(|(codes, ..)| i32::try_from(codes.len()).unwrap()).sum();
    let listed: i32 = CODES.iter().map(|row| row.last - row.first + 1).sum();
    assert_eq!(listed, documented, "no row but those of the document");
}

#[test]
fn codes_are_sorted_and_unique() {
    assert!(CODES.is_sorted_by(|a, b| a.last < b.first));
    assert!(CODES.iter().all(|row| row.first <= row.last));
}

#[test]
fn a_code_that_is_not_documented_leaves_a_placement_unknown_and_is_never_a_refusal_for_good() {
    for number in [777_777, -5, 1, 2077, 8000, 9501, i32::MAX] {
        let Verdict { outcome, refusal, counts } = verdict(number, "x");
        assert_eq!([Call::Place, Call::Cancel, Call::Read].map(|call| outcome.class(call)), [U, R, R], "{number}");
        assert_eq!((refusal, counts), (Refusal::Unspecified, false), "{number}");
    }
}

#[test]
fn the_notice_of_a_maintenance_is_told_from_a_failure_by_its_words() {
    assert_eq!(verdict(500, "Under maintenance, please try again later").refusal, Refusal::Maintenance);
    assert_eq!(verdict(500, "Internal error").refusal, Refusal::Internal);
    assert_eq!(verdict(2005, "maintenance margin").refusal, Refusal::Balance);
}

#[test]
fn why_an_order_ended_is_translated_as_the_document_says() {
    use Refusal as Y;
    for (numbers, refusal) in [
        (&[0, 24, -1][..], Y::Unspecified),
        (&[1], Y::Malformed),
        (&[2], Y::Balance),
        (&[3, 12, 13, 14], Y::PositionGone),
        (&[4, 17], Y::ClosableTooSmall),
        (&[5, 6, 10], Y::BeyondLiquidation),
        (&[7], Y::RiskLimit),
        (&[8, 16, 999], Y::Internal),
        (&[9], Y::PositionMode),
        (&[11], Y::MarketClosed),
        (&[15], Y::Access),
        (&[18, 20, 21], Y::RestCancelled),
        (&[19], Y::TooLarge),
        (&[22, 23], Y::DuplicateId),
    ] {
        for &number in numbers {
            assert_eq!(order_refusal(number), refusal, "{number}");
        }
    }
}
