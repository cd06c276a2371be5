//! Checks of who asks: mexc-contract-api.md section 2.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::refusal::Refusal;
use crate::model::VenueTime;

/// The key pair that the simulator accepts.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The public half, sent as `ApiKey`.
    pub key: SecretString,
    /// The half that signs; never sent.
    pub secret: SecretString,
}

impl Credentials {
    /// A key pair.
    pub fn new(key: &str, secret: &str) -> Self {
        Self { key: SecretString::from(key.to_owned()), secret: SecretString::from(secret.to_owned()) }
    }
}

/// What a request says about itself.
pub struct Claim<'a> {
    pub key: Option<&'a str>,
    pub time: Option<&'a str>,
    pub signature: Option<&'a str>,
    /// `Recv-Window` in seconds; beyond 60 it counts as 60.
    pub window: Option<&'a str>,
    pub parameters: &'a [u8],
}

/// Documented time window of a signed request.
const WINDOW: Duration = Duration::from_secs(10);
/// The widest window that `Recv-Window` can ask for.
const WIDEST: u64 = 60;

/// Whether a signed request is one of ours, and fresh. `slack` widens the window for sessions that
/// run faster than real time.
pub fn check(credentials: &Credentials, claim: &Claim<'_>, now: VenueTime, slack: Duration) -> Result<(), Refusal> {
    let (Some(key), Some(time), Some(signature)) = (claim.key, claim.time, claim.signature) else {
        return Err(Refusal::of(401));
    };
    if key != credentials.key.expose_secret() {
        return Err(Refusal::of(402));
    }
    let sent = time.parse().map(VenueTime::from_millis).map_err(|_| Refusal::of(513))?;
    if !verified(credentials, key, time, claim.parameters, signature) {
        return Err(Refusal::of(602));
    }
    let asked = claim.window.and_then(|text| text.parse::<u64>().ok()).map(|s| Duration::from_secs(s.min(WIDEST)));
    let window = asked.unwrap_or(WINDOW).max(slack);
    if now.since(sent).max(sent.since(now)) > window {
        return Err(Refusal::of(513));
    }
    Ok(())
}

fn verified(credentials: &Credentials, key: &str, time: &str, parameters: &[u8], signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(credentials.secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(key.as_bytes());
    mac.update(time.as_bytes());
    mac.update(parameters);
    hex::decode(signature).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
        && signature.bytes().all(|b| !b.is_ascii_uppercase())
}

/// The parameters of a query as they are signed: sorted by name and encoded anew, so that every
/// client's own order and encoding is accepted.
pub fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort();
    let parts: Vec<String> = sorted.iter().map(|(k, v)| format!("{}={}", encoded(k), encoded(v))).collect();
    parts.join("&")
}

/// Splits and decodes a query string.
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Percent-decoding of a query or path part; `+` is a space.
pub fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                out.extend(hex::decode(pair).unwrap_or_default());
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "1761888808839";

    fn claim<'a>(parameters: &'a [u8], signature: &'a str) -> Claim<'a> {
        Claim {
            key: Some("mx0vglTestAccessKey"),
            time: Some(TIME),
            signature: Some(signature),
            window: None,
            parameters,
        }
    }

    fn credentials() -> Credentials {
        Credentials::new("mx0vglTestAccessKey", "9b1f3c7d2e8a4f60a5b6c7d8e9f00112")
    }

    #[test]
    fn the_documented_vectors_verify_and_nothing_else_does() {
        let query = query_pairs("symbol=BTC_USDT&states=2%2C3&page_num=1&page_size=20");
        let canonical = canonical_query(&query);
        assert_eq!(canonical, "page_num=1&page_size=20&states=2%2C3&symbol=BTC_USDT");
        let create = br#"{"symbol":"BTC_USDT","price":109777.5,"vol":5,"leverage":2,"side":1,"type":1,"openType":1,"externalOid":"eng-000001"}"#;
        let vectors: [(&[u8], &str); 4] = [
            (canonical.as_bytes(), "36aba38f822a0be2ec5746e6240984272d3985a069273c496436724c0a4d1710"),
            (create, "c056ae6df6fb57e12df19db0463203e51ea4f37ca91e825f3d94d3c9adf17bfa"),
            (
                b"[739113577038255616,739113577038255617]",
                "1fb9f680d1a264bda7bbde6f571ae2b9adc646f69f8a9104b379796d5427eaec",
            ),
            (b"", "bbbe73db15f463e8312b666ee064c208101970c831a3eb280bd8c0f045c9c239"),
        ];
        let now = VenueTime::from_millis(1_761_888_808_839);
        for (parameters, signature) in vectors {
            assert_eq!(check(&credentials(), &claim(parameters, signature), now, Duration::ZERO), Ok(()));
            let wrong = check(&credentials(), &claim(b"x", signature), now, Duration::ZERO);
            assert_eq!(wrong.unwrap_err().code, 602);
        }
    }

    #[test]
    fn the_window_is_ten_seconds_and_the_header_cannot_widen_it_beyond_sixty() {
        let signature = "bbbe73db15f463e8312b666ee064c208101970c831a3eb280bd8c0f045c9c239";
        let at = |offset: i64| VenueTime::from_millis(1_761_888_808_839 + offset);
        let code = |window, offset| {
            let claim = Claim { window, ..claim(b"", signature) };
            check(&credentials(), &claim, at(offset), Duration::ZERO).map_err(|e| e.code)
        };
        assert_eq!(code(None, 10_000), Ok(()));
        assert_eq!(code(None, 10_001), Err(513));
        assert_eq!(code(None, -10_001), Err(513));
        assert_eq!(code(Some("5000"), 60_000), Ok(()));
        assert_eq!(code(Some("5000"), 60_001), Err(513));
    }

    #[test]
    fn missing_headers_and_unknown_keys_have_their_own_codes() {
        let none = Claim { key: None, time: None, signature: None, window: None, parameters: b"" };
        assert_eq!(check(&credentials(), &none, VenueTime::ZERO, Duration::ZERO).unwrap_err().code, 401);
        let other = Claim { key: Some("other"), ..claim(b"", "00") };
        assert_eq!(check(&credentials(), &other, VenueTime::ZERO, Duration::ZERO).unwrap_err().code, 402);
    }
}
