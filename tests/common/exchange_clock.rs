//! Where a run of the tests wants the exchange's clock. Whoever brings up an exchange asks here, so that
//! `.ci/run` and `.ci/clocks` can run the same tests with an exchange that is behind or ahead.

/// How far the exchange's clock is ahead of ours in this run, in ms: `TEST_EXCHANGE_CLOCK_MS`, else 0.
pub fn ahead_ms() -> i64 {
    match std::env::var("TEST_EXCHANGE_CLOCK_MS") {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("TEST_EXCHANGE_CLOCK_MS={text}: {error}")),
        Err(_) => 0,
    }
}
