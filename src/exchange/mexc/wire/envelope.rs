//! The envelope of every answer. Success is `success == true && code == 0` and nothing else: the
//! exchange answers refusals with HTTP status 200 (A20).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Flag, Int, WireError};

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    success: Option<Flag>,
    code: Option<Int>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// An answer that the protocol defines.
#[derive(Debug)]
pub enum Envelope<'a> {
    /// Done, or found; the data when there is some.
    Success(Option<&'a RawValue>),
    /// Refused, or failed.
    Failure {
        /// Why, as a number.
        code: i32,
        /// Why, in words that may be in Chinese.
        message: Cow<'a, str>,
    },
}

/// An answer that the protocol does not define: what it means cannot be known.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be understood: {0}")]
pub struct EnvelopeError(String);

/// Reads the envelope of an answer.
///
/// # Errors
/// When it is not the protocol's JSON, or says success and failure at once.
pub fn read(body: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let raw: RawEnvelope = serde_json::from_slice(body).map_err(|error| EnvelopeError(error.to_string()))?;
    let code = raw.code.map(|Int(code)| i32::try_from(code).unwrap_or(i32::MAX));
    match (raw.success, code) {
        (Some(Flag(true)), Some(0)) => Ok(Envelope::Success(raw.data)),
        // The maintenance notice has no `success`, but a code.
        (Some(Flag(false)) | None, Some(code)) if code != 0 => {
            Ok(Envelope::Failure { code, message: raw.message.unwrap_or_default() })
        }
        (Some(Flag(false)), Some(_) | None) => Err(EnvelopeError("success is false and the code says nothing".into())),
        (None, _) => Err(EnvelopeError("`success` is missing".into())),
        (Some(Flag(true)), code) => Err(EnvelopeError(format!(
            "success is true and the code is {}",
            code.map_or("missing".into(), |c| c.to_string())
        ))),
    }
}

/// The objects of a push or an answer that is now one object, now a list of them, each as raw JSON.
///
/// # Errors
/// When it is neither.
pub fn items(raw: &RawValue) -> Result<Vec<&RawValue>, WireError> {
    if raw.get().starts_with('[') { Ok(serde_json::from_str(raw.get())?) } else { Ok(vec![raw]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_success_is_true_with_code_zero_and_nothing_else() {
        assert!(matches!(read(br#"{"success":true,"code":0,"data":[]}"#), Ok(Envelope::Success(Some(_)))));
        assert!(matches!(read(br#"{"success":true,"code":0}"#), Ok(Envelope::Success(None))));
        assert!(matches!(read(br#"{"success":true,"code":0,"data":null}"#), Ok(Envelope::Success(None))));
        assert!(matches!(
            read(br#"{"success":false,"code":2005,"message":"Balance insufficient"}"#),
            Ok(Envelope::Failure { code: 2005, .. })
        ));
        assert!(matches!(
            read(br#"{"code":500,"message":"Under maintenance","announcement":"x"}"#),
            Ok(Envelope::Failure { code: 500, .. })
        ));
    }

    #[test]
    fn what_contradicts_itself_is_not_understood() {
        for body in [
            r#"{"success":true,"code":510,"data":[]}"#,
            r#"{"success":true,"data":[]}"#,
            r#"{"success":false,"code":0,"data":[]}"#,
            r#"{"success":false}"#,
            r#"{"code":0,"data":[]}"#,
            r#"{"data":[]}"#,
            "[]",
            "",
            "<html>",
            r#"{"success":true,"code":0"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
