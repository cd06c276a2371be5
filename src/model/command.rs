//! What an operator asks of the session, and what became of it.

use serde::{Deserialize, Serialize};

use super::{AlertId, CallClass, CommandId, OrderNo, RiskLimit, SessionTime, Side, StopPolicy, Symbol};

/// A command. The same id again is the same command and gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Made by the sender.
    pub id: CommandId,
    /// Who asks.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Cancel these orders, as they were when the operator decided.
    Cancel {
        /// Which.
        orders: Vec<OrderNo>,
    },
    /// Cancel every working order of the session.
    CancelAll {
        /// Of this contract only.
        #[serde(default)]
        symbol: Option<Symbol>,
    },
    /// No new exposure.
    Pause {
        /// And cancel the working entries.
        #[serde(default)]
        cancel_entries: bool,
    },
    /// New exposure again.
    Resume,
    /// No new exposure, cancel entries, keep protective orders.
    Halt,
    /// End all exposure, step by step.
    Flatten,
    /// Take back the wish to close or reduce a position.
    WithdrawExit {
        /// Which contract.
        symbol: Symbol,
        /// Which side of it.
        side: Side,
    },
    /// Close a breaker by hand.
    ResetBreaker {
        /// Which.
        class: CallClass,
    },
    /// Take a tripped risk limit back.
    ResetLimit {
        /// Which.
        limit: RiskLimit,
    },
    /// Seen.
    Acknowledge {
        /// Which alerts.
        alerts: Vec<AlertId>,
    },
    /// End the session.
    Stop {
        /// What to do with working orders.
        policy: StopPolicy,
    },
}

impl Action {
    /// One line for the audit pane.
    pub fn summary(&self) -> String {
        match self {
            Self::Cancel { orders } => match orders.as_slice() {
                [one] => format!("cancel {one}"),
                many => format!("cancel {} orders", many.len()),
            },
            Self::CancelAll { symbol: None } => "cancel all".to_owned(),
            Self::CancelAll { symbol: Some(symbol) } => format!("cancel all {symbol}"),
            Self::Pause { cancel_entries: false } => "pause".to_owned(),
            Self::Pause { cancel_entries: true } => "pause, cancel entries".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Halt => "halt".to_owned(),
            Self::Flatten => "flatten".to_owned(),
            Self::WithdrawExit { symbol, side } => format!("withdraw the exit of {symbol} {side}"),
            Self::ResetBreaker { class } => format!("reset breaker {class}"),
            Self::ResetLimit { limit } => format!("reset limit {}", limit.word()),
            Self::Acknowledge { alerts } => match alerts.as_slice() {
                [one] => format!("ack {one}"),
                many => format!("ack {} alerts", many.len()),
            },
            Self::Stop { policy: StopPolicy::Leave } => "stop, leave orders".to_owned(),
            Self::Stop { policy: StopPolicy::CancelEntries } => "stop, cancel entries".to_owned(),
        }
    }
}

/// How far a command is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum CommandStatus {
    /// The engine has it and acts.
    Accepted,
    /// It is at the exchange, or at this step.
    Working {
        /// For people.
        step: String,
    },
    /// It is done, and known to be.
    Done {
        /// For people.
        note: String,
    },
    /// It will not be done.
    Rejected {
        /// Why, for people.
        why: String,
    },
    /// It cannot be told whether it was done.
    Unknown {
        /// Why, for people.
        why: String,
    },
}

impl CommandStatus {
    /// Whether nothing follows.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Rejected { .. } | Self::Unknown { .. })
    }
}

/// A command and what became of it, for the audit pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The command.
    pub command: Command,
    /// When the engine got it.
    pub at: SessionTime,
    /// How far it is.
    pub status: CommandStatus,
    /// When that last changed.
    pub updated_at: SessionTime,
    /// The orders it still waits for.
    pub waiting_for: Vec<OrderNo>,
    /// All orders that it is about, from its beginning; empty when it is about none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderNo>,
}
