//! What a signal or a command asks for, as a digest: the same id with other content is another wish.
//!
//! The text under the digest must stay the same in every later version, because ids are remembered for
//! ever: a new field is left out of it while it says nothing.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Action, Amount, Price, Signal};

/// The first eight bytes of the SHA-256 of a canonical text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl Digest {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let hash = Sha256::digest(text.as_bytes());
        Self(hash.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }
}

impl Signal {
    /// What it asks for, without what may differ between two deliveries: times, confidence, what the
    /// strategy saw.
    pub fn content(&self) -> Digest {
        let mut text = String::with_capacity(128);
        // Writing to a text cannot fail.
        let _ = write!(text, "{}|{}|", self.kind.code(), self.symbol);
        let _ = match self.amount {
            Amount::Quantity(quantity) => write!(text, "{}", quantity.0.normalize()),
            Amount::SharePct(share) => write!(text, "{}%", share.normalize()),
            Amount::All => write!(text, "all"),
        };
        if let Some(side) = self.side {
            let _ = write!(text, "|side={side}");
        }
        for (name, price) in [("price", self.price), ("stop", self.stop_loss), ("profit", self.take_profit)] {
            if let Some(Price(price)) = price {
                let _ = write!(text, "|{name}={}", price.normalize());
            }
        }
        let _ = write!(text, "|strategy={}", self.strategy);
        if let Some(cancels) = &self.cancels {
            let _ = write!(text, "|cancels={cancels}");
        }
        Digest::of(&text)
    }
}

impl Action {
    /// What it asks for.
    pub fn content(&self) -> Digest {
        let mut text = String::new();
        canonical(&serde_json::to_value(self).unwrap_or_default(), &mut text);
        Digest::of(&text)
    }
}

/// JSON with sorted keys, without what says nothing: null, false, empty texts and lists.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            out.push('{');
            for name in names {
                let Some(value) = fields.get(name).filter(|value| !says_nothing(value)) else { continue };
                out.push_str(name);
                out.push(':');
                canonical(value, out);
                out.push(';');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrderNo, RawSignal, SessionTime};

    fn signal(change: impl FnOnce(&mut RawSignal)) -> Signal {
        let mut raw = RawSignal {
            signal_id: "a".into(),
            signal_type: "S1".into(),
            symbol: "BTC_USDT".into(),
            side: "buy".into(),
            quantity: Some("0.10".into()),
            ..RawSignal::default()
        };
        change(&mut raw);
        raw.parse(SessionTime::from_secs(7)).unwrap()
    }

    #[test]
    fn content_is_what_is_asked_for_however_it_is_written() {
        let first = signal(|_| {}).content();
        assert_eq!(signal(|raw| raw.quantity = Some("0.1".into())).content(), first);
        assert_eq!(signal(|raw| raw.side = "long".into()).content(), first);
        assert_eq!(signal(|raw| raw.timestamp = Some(5)).content(), first, "a second delivery may be stamped anew");
        let others = [
            signal(|raw| raw.quantity = Some("0.2".into())),
            signal(|raw| raw.side = "sell".into()),
            signal(|raw| raw.symbol = "ETH_USDT".into()),
            signal(|raw| raw.price = Some("1".into())),
            signal(|raw| raw.stop_loss = Some("1".into())),
            signal(|raw| raw.take_profit = Some("1".into())),
            signal(|raw| raw.strategy = Some("other".into())),
        ];
        assert!(others.iter().all(|other| other.content() != first));
    }

    /// Journals of years rest on these numbers: a change of them is a change of every id's content.
    #[test]
    fn digests_never_change_between_versions() {
        assert_eq!(signal(|_| {}).content(), Digest(0xcfca_ef53_9c1a_31f4));
        assert_eq!(Action::CancelAll { symbol: None }.content(), Digest(0x505d_93c2_a80e_6709));
        assert_eq!(Action::Cancel { orders: vec![OrderNo(3)] }.content(), Digest(0xe56b_facf_e0fc_80e6));
    }
}
