//! What the private channels of the WebSocket are told.

use crate::model::Symbol;

/// One private message, before anybody's filter.
#[derive(Clone, Debug)]
pub struct Push {
    /// The channel, such as `push.personal.order`.
    pub channel: &'static str,
    /// Its name in `personal.filter`.
    pub filter: &'static str,
    pub symbol: Option<Symbol>,
    /// The `data`, as JSON.
    pub data: String,
    /// When, in milliseconds.
    pub at: i64,
}
