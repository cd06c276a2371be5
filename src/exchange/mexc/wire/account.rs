//! Balances, by push and by answer.

use serde::Deserialize;

use super::{Dec, Text};
use crate::model::{AccountReport, Usdt};

/// A balance as it is written; pushes carry neither `equity` nor `unrealized`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawAsset<'a> {
    #[serde(borrow)]
    currency: Text<'a>,
    position_margin: Dec,
    available_balance: Dec,
    frozen_balance: Dec,
    equity: Option<Dec>,
    unrealized: Option<Dec>,
}

impl RawAsset<'_> {
    /// The account in our words; `None` for other currencies than USDT.
    pub fn report(&self) -> Option<AccountReport> {
        (self.currency.0 == "USDT").then(|| AccountReport {
            equity: self.equity.map(|Dec(value)| Usdt(value)),
            available: Usdt(self.available_balance.0),
            position_margin: Usdt(self.position_margin.0),
            order_margin: Usdt(self.frozen_balance.0),
            unrealised: self.unrealized.map(|Dec(value)| Usdt(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_know_more_than_pushes_and_other_currencies_are_left_out() {
        let read = |json: &str| serde_json::from_str::<RawAsset>(json).unwrap().report();
        let answer = read(r#"{"currency":"USDT","positionMargin":12.8501,"availableBalance":987.0728,"cashBalance":987.0728,"frozenBalance":0,"equity":1000.0419,"unrealized":0.119,"bonus":0}"#).unwrap();
        let push = read(
            r#"{"currency":"USDT","availableBalance":987.0728,"frozenBalance":0,"positionMargin":12.8501,"bonus":0}"#,
        )
        .unwrap();
        assert_eq!(AccountReport { equity: None, unrealised: None, ..answer.clone() }, push);
        assert_eq!(answer.equity.map(|equity| equity.to_string()).as_deref(), Some("1000.0419"));
        assert_eq!(read(r#"{"currency":"MX","availableBalance":1,"frozenBalance":0,"positionMargin":0}"#), None);
    }
}
