//! The envelope of every answer. Success is `success == true` with code 0 or 200 and nothing else: the
//! exchange answers refusals with HTTP status 200 (A20).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Flag, Int};

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    success: Option<Flag>,
    code: Option<Int>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "written")]
    data: Option<&'a RawValue>,
}

/// What is written is there, `null` too.
fn written<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// An answer that the protocol defines.
#[derive(Debug)]
pub enum Envelope<'a> {
    /// Done, or found; the data when there is some, which can be an explicit `null`.
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
        (Some(Flag(true)), Some(0 | 200)) => Ok(Envelope::Success(raw.data)),
        // The maintenance notice has no `success`, but a code.
        (Some(Flag(false)) | None, Some(code)) if !matches!(code, 0 | 200) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_success_is_true_with_code_zero_or_200_and_nothing_else() {
        assert!(matches!(read(br#"{"success":true,"code":0,"data":[]}"#), Ok(Envelope::Success(Some(_)))));
        assert!(matches!(read(br#"{"success":true,"code":0}"#), Ok(Envelope::Success(None))));
        let Ok(Envelope::Success(Some(null))) = read(br#"{"success":true,"code":0,"data":null}"#) else {
            panic!("a null that is written is data");
        };
        assert_eq!(null.get(), "null");
        assert!(matches!(read(br#"{"success":true,"code":200,"data":[]}"#), Ok(Envelope::Success(Some(_)))));
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
            r#"{"success":false,"code":200,"data":[]}"#,
            r#"{"code":200,"data":[]}"#,
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
