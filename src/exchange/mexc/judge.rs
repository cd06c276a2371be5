//! What an answer says: data, or why there is none.

use serde_json::value::RawValue;

use super::codes::{Verdict, known, verdict};
use super::transport::{HttpResponse, Sent, TransportError};
use super::wire::{self, Envelope};

/// What an answer says.
pub enum Judged<'a> {
    /// Success, with its data when there is some; an explicit `null` is data.
    Data(Option<&'a RawValue>),
    /// No success.
    Failed {
        /// What follows.
        verdict: Verdict,
        /// The exchange's code. Only its own JSON has one: a page of a firewall says nothing about a key.
        code: Option<i32>,
        /// For people.
        text: String,
    },
}

/// Judges an answer by its JSON, and by its status where that is not the exchange's.
pub fn judge(response: &HttpResponse) -> Judged<'_> {
    let status = response.status;
    let by_status =
        |verdict, what: &str| Judged::Failed { verdict, code: None, text: format!("HTTP status {status}: {what}") };
    match (status, wire::read(&response.body)) {
        (200..=299, Ok(Envelope::Success(data))) => Judged::Data(data),
        (_, Ok(Envelope::Failure { code, message })) => {
            let said = verdict(code, &message);
            let meaning = known(code).map_or("a code that is not documented", |known| known.meaning);
            Judged::Failed {
                verdict: Verdict { counts: said.counts || is_failure(status), ..said },
                code: Some(code),
                text: format!("refused with code {code} ({meaning}): {message}"),
            }
        }
        // An answer that is not the protocol's comes from something that is not the exchange, or from
        // one that is broken: what became of the request is not known.
        (200..=299, Err(error)) => Judged::Failed { verdict: Verdict::EDGE, code: None, text: error.to_string() },
        (429, _) => by_status(Verdict::TOO_MANY, "too many requests"),
        (300..=399, _) => by_status(Verdict::EDGE, "the address leads elsewhere, and redirects are not followed"),
        (403, _) => by_status(
            Verdict::EDGE,
            "a gateway or firewall before the exchange turned the request away, not the exchange itself",
        ),
        _ if is_failure(status) => by_status(Verdict::FAILED, "the exchange or a server before it failed"),
        _ => by_status(Verdict::EDGE, "refused without a code of the exchange"),
    }
}

const fn is_failure(status: u16) -> bool {
    matches!(status, 408 | 500..=599)
}

/// For people: why there is no answer.
pub fn unanswered(error: &TransportError) -> String {
    match error.sent {
        Sent::No => format!("not sent, no connection: {error}"),
        Sent::Maybe => format!("sent, but {error}"),
        Sent::TimedOut => format!("sent, but {error}: the call time-out is over"),
    }
}
