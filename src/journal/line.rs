//! One line: how it is written, and how it is proved to be what was written.

use std::io::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use super::JournalError;

/// The largest record, bytes; more is a mistake of the caller.
pub const BODY_MAX: usize = 16 * 1024 * 1024;

/// A checksum as it stands in the file: eight lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum([u8; 8]);

impl Sum {
    /// What the first line of all is chained to.
    pub const START: Self = Self(*b"00000000");

    /// The sum of a line that follows one with this sum.
    pub fn chained(self, content: &[u8]) -> Self {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.0);
        crc.update(content);
        let mut text = [0; 8];
        let mut rest = crc.finalize();
        for digit in text.iter_mut().rev() {
            *digit = match u8::try_from(rest & 15) {
                Ok(n @ 0..=9) => b'0' + n,
                Ok(n) => b'a' + (n - 10),
                Err(_) => b'?',
            };
            rest >>= 4;
        }
        Self(text)
    }

    /// The digits.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("????????")
    }

    /// From digits that were read.
    pub fn read(text: &[u8]) -> Option<Self> {
        let digits: [u8; 8] = text.try_into().ok()?;
        digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }
}

/// Ends a line whose content begins at `start` of the buffer: adds its sum and the line end.
pub fn seal(out: &mut Vec<u8>, start: usize, before: Sum) -> Sum {
    let sum = before.chained(out.get(start..).unwrap_or_default());
    out.extend_from_slice(b",\"sum\":\"");
    out.extend_from_slice(&sum.0);
    out.extend_from_slice(b"\"}\n");
    sum
}

/// Takes the sum off a line without its line end and checks it; what is left is the content.
///
/// # Errors
/// What is wrong.
pub fn unseal(line: &[u8], before: Sum) -> Result<(&[u8], Sum), String> {
    let parts = line.len().checked_sub(18).and_then(|at| line.split_at_checked(at));
    let Some((content, tail)) = parts else {
        return Err("the line is too short to be an entry".into());
    };
    let found = tail
        .strip_prefix(b",\"sum\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .and_then(Sum::read)
        .ok_or("the line does not end with a checksum")?;
    let due = before.chained(content);
    if found != due {
        return Err(format!("the checksum is {}, but the content has {}", found.text(), due.text()));
    }
    Ok((content, due))
}

/// Appends an entry to the buffer.
///
/// # Errors
/// [`JournalError::BadRecord`] when the body is not one JSON object on one line or the time is
/// outside the years 0 to 9999; the buffer is then as it was.
pub fn encode(out: &mut Vec<u8>, seq: u64, at: i64, body: &str, before: Sum) -> Result<Sum, JournalError> {
    check_body(body)?;
    let start = out.len();
    let written =
        write!(out, "{{\"seq\":{seq},\"at\":\"").map_err(|error| error.to_string()).and_then(|()| write_time(out, at));
    if let Err(what) = written {
        out.truncate(start);
        return Err(JournalError::BadRecord { what });
    }
    out.extend_from_slice(b"\",\"body\":");
    out.extend_from_slice(body.as_bytes());
    Ok(seal(out, start, before))
}

/// Refuses what is not one JSON object on one line.
///
/// # Errors
/// [`JournalError::BadRecord`].
pub fn check_body(body: &str) -> Result<(), JournalError> {
    let bad = |what: String| Err(JournalError::BadRecord { what });
    if body.len() > BODY_MAX {
        return bad(format!("it has {} bytes, at most {BODY_MAX} are allowed", body.len()));
    }
    if !body.starts_with('{') {
        return bad("it is not a JSON object".into());
    }
    if body.bytes().any(|b| b == b'\n' || b == b'\r') {
        return bad("it has a line end in it".into());
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => bad(format!("it is not valid JSON: {error}")),
    }
}

/// A line that was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was recorded.
    pub at: i64,
    /// What it holds.
    pub body: &'a str,
    /// Its sum.
    pub sum: Sum,
}

/// Reads and proves a line without its line end.
///
/// # Errors
/// What is wrong.
pub fn decode(line: &[u8], due: u64, before: Sum) -> Result<Line<'_>, String> {
    let (content, sum) = unseal(line, before)?;
    let text = std::str::from_utf8(content).map_err(|_| "it is not text".to_string())?;
    let parse = || -> Option<(u64, Line<'_>)> {
        let (seq, rest) = text.strip_prefix("{\"seq\":")?.split_once(",\"at\":\"")?;
        let (at, body) = rest.split_once("\",\"body\":")?;
        Some((seq.parse().ok()?, Line { at: read_time(at)?, body, sum }))
    };
    let (seq, line) = parse().ok_or("it does not have the form of an entry")?;
    if seq != due {
        return Err(format!("it is entry {seq}, but {due} is due"));
    }
    Ok(line)
}

fn write_time(out: &mut Vec<u8>, micros: i64) -> Result<(), String> {
    let at = DateTime::from_timestamp_micros(micros).filter(|at| (0..=9999).contains(&at.year()));
    let Some(at) = at else {
        return Err(format!("its time, {micros} microseconds since 1970, is not in the years 0 to 9999"));
    };
    write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.nanosecond() / 1_000
    )
    .map_err(|error| error.to_string())
}

fn read_time(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let marks = text.len() == 27
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')]
            .iter()
            .all(|(at, mark)| text.as_bytes().get(*at) == Some(mark));
    if !marks {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(part(0, 4)?).ok()?, part(5, 7)?, part(8, 10)?)?;
    let at = date.and_hms_micro_opt(part(11, 13)?, part(14, 16)?, part(17, 19)?, part(20, 26)?)?;
    Some(at.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_reads_as_documented() {
        let mut out = Vec::new();
        let sum = encode(&mut out, 1, 1_795_443_727_418_123, "{\"n\":1}", Sum::START).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\"seq\":1,\"at\":\"2026-11-23T14:22:07.418123Z\",\"body\":{{\"n\":1}},\"sum\":\"{}\"}}\n",
                sum.text()
            )
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["body"]["n"], 1);
    }

    #[test]
    fn what_is_no_record_is_refused_and_leaves_nothing() {
        for (at, body) in
            [(0, "[]"), (0, ""), (0, "{"), (0, "{}x"), (0, "{\"a\":\n1}"), (0, "{\"a\":\"\u{1}\"}"), (i64::MAX, "{}")]
        {
            let mut out = b"before".to_vec();
            assert!(matches!(encode(&mut out, 1, at, body, Sum::START), Err(JournalError::BadRecord { .. })), "{body}");
            assert_eq!(out, b"before");
        }
    }

    proptest! {
        #[test]
        fn lines_read_back(at in -62_167_219_200_000_000_i64..253_402_300_799_999_999, text in ".*", seq in 1_u64..) {
            let body = serde_json::json!({ "t": text, "sum": "\",\"sum\":\"" }).to_string();
            let mut out = Vec::new();
            let sum = encode(&mut out, seq, at, &body, Sum::START).unwrap();
            let line = out.strip_suffix(b"\n").unwrap();
            prop_assert_eq!(decode(line, seq, Sum::START), Ok(Line { at, body: &body, sum }));
            prop_assert!(decode(line, seq, sum).is_err());
        }
    }
}
