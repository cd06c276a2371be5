//! Lists. How many rows one may have is checked while it is read, so that a broken or hostile answer
//! costs neither time nor memory.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::WireError;

/// The most rows of one answer; an account that has more cannot be traded here.
pub const MOST_ROWS: usize = 20_000;

/// The rows of a list, each as raw JSON.
#[derive(Debug)]
struct Rows<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(row) = rows.next_element()? {
                    if all.len() >= MOST_ROWS {
                        return Err(A::Error::custom(format_args!("the list has more than {MOST_ROWS} rows")));
                    }
                    all.push(row);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(Reader).map(Self)
    }
}

/// The rows of an answer that is a list, a page of one (`{"resultList":[...]}`), or the `null` that is
/// written for an empty one.
///
/// # Errors
/// When it is none of them, or too long.
pub fn rows(raw: &RawValue) -> Result<Vec<&RawValue>, WireError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page<'a> {
        #[serde(borrow)]
        result_list: Option<&'a RawValue>,
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'[') => Ok(serde_json::from_str::<Rows>(text)?.0),
        Some(b'{') => {
            // A null of the page's list is an empty list as well, but a page without one is none.
            let names_list = text.contains("\"resultList\"");
            match serde_json::from_str::<Page>(text)?.result_list {
                Some(list) => Ok(serde_json::from_str::<Rows>(list.get())?.0),
                None if names_list => Ok(Vec::new()),
                None => Err(WireError::Senseless("the data is not a list".into())),
            }
        }
        Some(b'n') => Ok(Vec::new()),
        _ => Err(WireError::Senseless("the data is not a list".into())),
    }
}

/// The objects of a push or an answer that is now one object, now a list of them, each as raw JSON.
///
/// # Errors
/// When it is neither, or too long.
pub fn items(raw: &RawValue) -> Result<Vec<&RawValue>, WireError> {
    if raw.get().starts_with('[') { Ok(serde_json::from_str::<Rows>(raw.get())?.0) } else { Ok(vec![raw]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(json: &str) -> Result<usize, String> {
        rows(serde_json::from_str(json).unwrap()).map(|rows| rows.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_pages_and_null_are_lists_and_nothing_else_is() {
        for (json, rows) in [
            ("[]", 0),
            ("[1,{}]", 2),
            ("null", 0),
            (r#"{"pageSize":20,"totalCount":2,"totalPage":1,"currentPage":1,"resultList":[{},{}]}"#, 2),
            (r#"{"resultList":[]}"#, 0),
            (r#"{"resultList":null,"totalCount":0}"#, 0),
        ] {
            assert_eq!(count(json), Ok(rows), "{json}");
        }
        for json in ["{}", r#"{"rows":[]}"#, r#"{"resultList":5}"#, "0", "\"x\"", "true"] {
            assert!(count(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_list_that_is_longer_than_any_account_has_is_refused_with_its_bound() {
        let long = |rows: usize| format!("[{}]", vec!["{}"; rows].join(","));
        assert_eq!(count(&long(MOST_ROWS)), Ok(MOST_ROWS));
        assert!(count(&long(MOST_ROWS + 1)).unwrap_err().contains("20000"));
    }
}
