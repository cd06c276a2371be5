//! Signing (mexc-contract-api.md section 2): lower-case hex HMAC-SHA256 over key, time stamp and
//! parameters.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Holds the keys and signs with them; prints neither.
#[derive(Clone)]
pub struct Signer {
    api_key: SecretString,
    header: HeaderValue,
    keyed: Hmac<Sha256>,
    secret: SecretString,
}

/// Why keys cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// One of them is empty.
    #[error("the API key or its secret is empty")]
    Empty,
    /// A key that cannot stand in a header.
    #[error("the API key holds characters other than visible ASCII")]
    NotAscii,
}

impl Signer {
    /// Takes the keys.
    ///
    /// # Errors
    /// When one is empty or cannot stand in a header.
    pub fn new(api_key: SecretString, secret: SecretString) -> Result<Self, KeyError> {
        let key_text = api_key.expose_secret();
        if key_text.is_empty() || secret.expose_secret().is_empty() {
            return Err(KeyError::Empty);
        }
        if !key_text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::NotAscii);
        }
        let mut header = HeaderValue::from_str(key_text).map_err(|_| KeyError::NotAscii)?;
        header.set_sensitive(true);
        // HMAC takes keys of any length; an error cannot arise and would mean the same.
        let keyed = Hmac::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| KeyError::Empty)?;
        Ok(Self { api_key, header, keyed, secret })
    }

    /// The signature of these parameters at this time: the sorted query of a GET, the body of a
    /// POST, nothing for a login.
    pub fn signature(&self, request_time: &str, parameters: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(self.api_key.expose_secret().as_bytes());
        mac.update(request_time.as_bytes());
        mac.update(parameters);
        hex::encode(mac.finalize().into_bytes())
    }

    /// The value of the `ApiKey` header.
    pub fn key_header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The key itself, for the login frame.
    pub fn api_key(&self) -> &str {
        self.api_key.expose_secret()
    }

    /// Text from outside with the keys in it blotted out, should it repeat them.
    pub fn redact(&self, text: &str) -> String {
        text.replace(self.secret.expose_secret(), "(secret)").replace(self.api_key.expose_secret(), "(key)")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(keys hidden)")
    }
}

/// A query as it is sent and signed: sorted by name, values percent-encoded, absent ones left out.
pub fn query(parameters: &[(&str, &str)]) -> String {
    let mut sorted: Vec<_> = parameters.to_vec();
    sorted.sort_unstable();
    let mut out = String::with_capacity(96);
    for (name, value) in sorted {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        encode_into(&mut out, value);
    }
    out
}

/// Percent-encodes everything but unreserved characters.
pub fn encode_into(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(HEX.get(usize::from(digit)).map(|&hex| char::from(hex)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "1761888808839";

    fn signer() -> Signer {
        Signer::new("mx0vglTestAccessKey".to_owned().into(), "9b1f3c7d2e8a4f60a5b6c7d8e9f00112".to_owned().into())
            .unwrap()
    }

    #[test]
    fn vector_v1_a_query_is_sorted_and_encoded() {
        let query = query(&[("symbol", "BTC_USDT"), ("states", "2,3"), ("page_num", "1"), ("page_size", "20")]);
        assert_eq!(query, "page_num=1&page_size=20&states=2%2C3&symbol=BTC_USDT");
        assert_eq!(
            signer().signature(TIME, query.as_bytes()),
            "36aba38f822a0be2ec5746e6240984272d3985a069273c496436724c0a4d1710"
        );
    }

    #[test]
    fn vector_v2_a_body_is_signed_as_sent() {
        let body = r#"{"symbol":"BTC_USDT","price":109777.5,"vol":5,"leverage":2,"side":1,"type":1,"openType":1,"externalOid":"eng-000001"}"#;
        assert_eq!(
            signer().signature(TIME, body.as_bytes()),
            "c056ae6df6fb57e12df19db0463203e51ea4f37ca91e825f3d94d3c9adf17bfa"
        );
    }

    #[test]
    fn vector_v3_a_bare_array() {
        assert_eq!(
            signer().signature(TIME, b"[739113577038255616,739113577038255617]"),
            "1fb9f680d1a264bda7bbde6f571ae2b9adc646f69f8a9104b379796d5427eaec"
        );
    }

    #[test]
    fn vector_v4_no_parameters() {
        assert_eq!(signer().signature(TIME, b""), "bbbe73db15f463e8312b666ee064c208101970c831a3eb280bd8c0f045c9c239");
    }

    #[test]
    fn keys_are_never_printed() {
        let signer = signer();
        let shown = format!("{signer:?} {:?}", signer.key_header());
        assert!(!shown.contains("mx0vgl") && !shown.contains("9b1f3c7d"), "{shown}");
        let echoed = signer.redact("bad key mx0vglTestAccessKey / 9b1f3c7d2e8a4f60a5b6c7d8e9f00112");
        assert_eq!(echoed, "bad key (key) / (secret)");
    }

    #[test]
    fn keys_that_cannot_be_sent_are_refused() {
        let new = |key: &str, secret: &str| Signer::new(key.to_owned().into(), secret.to_owned().into()).map(|_| ());
        assert_eq!(new("", "s"), Err(KeyError::Empty));
        assert_eq!(new("k", ""), Err(KeyError::Empty));
        assert_eq!(new("k\n", "s"), Err(KeyError::NotAscii));
    }
}
