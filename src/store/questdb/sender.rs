//! Sending one request, and what its failure means. `questdb-rs` does the line protocol; trying
//! again is ours, because it blocks for up to 20 s on a server that hangs and does not tell apart
//! what must not be sent again.

use std::time::Duration;

use questdb::ErrorCode;
use questdb::ingress::{Buffer, Protocol, ProtocolVersion, Sender, SenderBuilder};
use secrecy::ExposeSecret as _;

use super::conf::{Access, Conf};
use super::error::QuestDbError;
use super::server::shorten;

/// The longest that a request may take, beside the time for its bytes.
const REQUEST: Duration = Duration::from_secs(3);
/// Bytes in a second that a request is given time for.
const THROUGHPUT: u64 = 1024 * 1024;

/// Why a request failed.
#[derive(Debug)]
pub enum Failure {
    /// The server refuses a row: nothing of the request is stored, and sending it again does not
    /// help.
    Refused {
        /// Which line, from 1 on, when it says so.
        line: Option<usize>,
        /// Its words.
        why: String,
    },
    /// Anything else: what was sent may be stored, or be stored later.
    InDoubt(QuestDbError),
    /// Nothing left this machine.
    Unsent(QuestDbError),
}

/// A connection that takes rows; made when it is first needed.
pub struct Rows {
    conf: Conf,
    sender: Option<Sender>,
}

impl Rows {
    /// To this server; nothing is sent yet.
    pub fn new(conf: &Conf) -> Self {
        Self { conf: conf.clone(), sender: None }
    }

    /// An empty buffer. Exact decimals need protocol version 3.
    pub fn buffer() -> Buffer {
        Buffer::new(ProtocolVersion::V3)
    }

    /// Sends a buffer that touches one table: all of it is stored, or nothing.
    ///
    /// # Errors
    /// As [`Failure`] says; the buffer is kept.
    pub fn send(&mut self, buffer: &Buffer) -> Result<(), Failure> {
        if buffer.row_count() == 0 {
            return Ok(());
        }
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => build(&self.conf).map_err(|error| Failure::Unsent(self.words(&error)))?,
        };
        match sender.flush_and_keep_with_flags(buffer, true) {
            Ok(()) => {
                self.sender = Some(sender);
                Ok(())
            }
            Err(error) => {
                let failure = self.class(&error);
                // A connection that failed otherwise is not used again.
                if matches!(failure, Failure::Refused { .. }) {
                    self.sender = Some(sender);
                }
                Err(failure)
            }
        }
    }

    fn class(&self, error: &questdb::Error) -> Failure {
        if error.code() == ErrorCode::ServerFlushError
            && let Some((line, why)) = refusal(error.msg())
        {
            return Failure::Refused { line, why };
        }
        match error.code() {
            ErrorCode::AuthError => Failure::Unsent(QuestDbError::Auth { address: self.conf.url() }),
            // The one failure that certainly comes before anything was sent.
            ErrorCode::SocketError if error.msg().contains("onnection refused") => Failure::Unsent(self.words(error)),
            _ => Failure::InDoubt(self.words(error)),
        }
    }

    fn words(&self, error: &questdb::Error) -> QuestDbError {
        let why = error.msg().strip_prefix("Could not flush buffer: ").unwrap_or(error.msg());
        if error.code() == ErrorCode::ServerFlushError {
            return QuestDbError::Answer { what: "rows".into(), why: shorten(why) };
        }
        QuestDbError::Unreachable { address: self.conf.url(), why: shorten(why) }
    }
}

fn build(conf: &Conf) -> Result<Sender, questdb::Error> {
    let protocol = if conf.tls { Protocol::Https } else { Protocol::Http };
    let host = if conf.host.contains(':') { format!("[{}]", conf.host) } else { conf.host.clone() };
    let builder = SenderBuilder::new(protocol, host, conf.port)
        .protocol_version(ProtocolVersion::V3)?
        .retry_timeout(Duration::ZERO)?
        .request_timeout(REQUEST)?
        .request_min_throughput(THROUGHPUT)?;
    match &conf.access {
        Access::Open => builder,
        Access::Basic { username, password } => builder.username(username)?.password(password.expose_secret())?,
        Access::Token(token) => builder.token(token.expose_secret())?,
    }
    .build()
}

/// The line and the words of a refusal: an answer with `"code":"invalid"`, which the client appends
/// in brackets.
fn refusal(text: &str) -> Option<(Option<usize>, String)> {
    let (why, detail) = text.rsplit_once(" [")?;
    let detail = detail.strip_suffix(']')?;
    let mut parts = detail.split(", ");
    if !parts.clone().any(|part| part == "code: invalid") {
        return None;
    }
    let line = parts.find_map(|part| part.strip_prefix("line: ")).and_then(|line| line.parse().ok());
    Some((line, shorten(why.strip_prefix("Could not flush buffer: ").unwrap_or(why))))
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn only_what_names_an_invalid_row_is_a_refusal() {
        let text = "Could not flush buffer: failed to parse line protocol: error in line 2: cast error \
                    [id: ab-1, code: invalid, line: 2]";
        let (line, why) = refusal(text).unwrap();
        assert_eq!((line, why.starts_with("failed to parse")), (Some(2), true));
        assert_eq!(refusal("Could not flush buffer: boom [id: x-1, code: internal error]"), None);
        assert_eq!(refusal("Could not flush buffer: code: invalid is what a note said"), None);
        assert_eq!(refusal("nothing [code: invalid]").unwrap().0, None);
    }
}
