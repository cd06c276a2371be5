//! A QuestDB server, asked over its REST interface. Everything here blocks: use it on a thread that
//! may wait, never within an async task.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::conf::{Access, Conf};
use super::error::QuestDbError;
use crate::model::escape_controls;

/// The longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Characters of a server's words that an error repeats.
const WORDS: usize = 300;

/// A server.
pub struct Server {
    conf: Conf,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// The rows that a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The columns: name and type.
    pub columns: Vec<(String, String)>,
    /// The rows. Timestamps are ISO texts with microseconds, decimals are texts with all places,
    /// LONG and INT are numbers, unknown is `null`.
    pub rows: Vec<Vec<Value>>,
}

impl Answer {
    /// A value as a whole number.
    pub fn whole(&self, row: usize, column: usize) -> Option<i64> {
        self.rows.get(row)?.get(column)?.as_i64()
    }

    /// A value as a text.
    pub fn text(&self, row: usize, column: usize) -> Option<&str> {
        self.rows.get(row)?.get(column)?.as_str()
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its version.
    pub version: String,
    /// The versions of the line protocol that it takes.
    pub protocols: Vec<u64>,
}

#[derive(Deserialize)]
struct Reply {
    error: Option<String>,
    #[serde(default)]
    columns: Vec<Column>,
    #[serde(default)]
    dataset: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Server {
    /// A server; nothing is asked yet. `patience` is the longest that one question may take.
    ///
    /// # Errors
    /// When the system refuses what a connection needs.
    pub fn new(conf: &Conf, patience: Duration) -> Result<Self, QuestDbError> {
        let unreachable = |why: String| QuestDbError::Unreachable { address: conf.url(), why };
        // The program has done so already; a second time does no harm.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT.min(patience))
            .timeout(patience)
            .no_proxy()
            .build()
            .map_err(|error| unreachable(words(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self { conf: conf.clone(), client, runtime })
    }

    /// Where it is.
    pub const fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// When it cannot be reached, refuses the user, or refuses the statement; also when it says so
    /// under HTTP status 200, as QuestDB does when a query fails while running.
    pub fn exec(&self, sql: &str) -> Result<Answer, QuestDbError> {
        let (status, body) = self.get("/exec", Some(sql))?;
        let failed = |why: &str| QuestDbError::Answer { what: shorten(sql), why: shorten(why) };
        let reply: Reply = match serde_json::from_str(&body) {
            Ok(reply) => reply,
            Err(_) => return Err(failed(&format!("HTTP {status} {body}"))),
        };
        if let Some(error) = reply.error {
            return Err(failed(&error));
        }
        if !(200..300).contains(&status) {
            return Err(failed(&format!("HTTP {status}")));
        }
        let columns = reply.columns.into_iter().map(|column| (column.name, column.kind)).collect();
        Ok(Answer { columns, rows: reply.dataset })
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// When it is not, or says otherwise.
    pub fn ping(&self) -> Result<(), QuestDbError> {
        let (status, body) = self.get("/ping", None)?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        Err(QuestDbError::Answer { what: "/ping".into(), why: shorten(&format!("HTTP {status} {body}")) })
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it cannot be reached or is no QuestDB.
    pub fn about(&self) -> Result<About, QuestDbError> {
        let (status, body) = self.get("/settings", None)?;
        let no_questdb = || QuestDbError::Answer {
            what: "/settings (is it a QuestDB?)".into(),
            why: shorten(&format!("HTTP {status} {body}")),
        };
        let settings: Value = serde_json::from_str(&body).map_err(|_| no_questdb())?;
        let config = settings.get("config").ok_or_else(no_questdb)?;
        let version = config.get("release.version").and_then(Value::as_str).unwrap_or("of an unknown version");
        let protocols = config.get("line.proto.support.versions").and_then(Value::as_array);
        Ok(About {
            version: escape_controls(version).into_owned(),
            protocols: protocols.map_or_else(Vec::new, |all| all.iter().filter_map(Value::as_u64).collect()),
        })
    }

    fn get(&self, path: &str, query: Option<&str>) -> Result<(u16, String), QuestDbError> {
        let mut url = format!("{}{path}", self.conf.url());
        if let Some(query) = query {
            url.push_str("?query=");
            url.push_str(&encode(query));
        }
        let request = self.client.get(url);
        let request = match &self.conf.access {
            Access::Open => request,
            Access::Basic { username, password } => request.basic_auth(username, Some(password.expose_secret())),
            Access::Token(token) => request.bearer_auth(token.expose_secret()),
        };
        let answer = self.runtime.block_on(async {
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        });
        let unreachable =
            |error: reqwest::Error| QuestDbError::Unreachable { address: self.conf.url(), why: words(&error) };
        match answer.map_err(unreachable)? {
            (401 | 403, _) => Err(QuestDbError::Auth { address: self.conf.url() }),
            answer => Ok(answer),
        }
    }
}

/// A text within quotes of SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The last words of an error's chain say what happened; the first only repeat the address.
fn words(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    if error.is_timeout() { "no answer in time".into() } else { shorten(&last.to_string()) }
}

/// What came from outside, on one line and not too long.
pub fn shorten(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = one_line.chars().take(WORDS).collect();
    if shown.len() < one_line.len() {
        shown.push_str("...");
    }
    escape_controls(&shown).into_owned()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}
