//! The way a command leaves the dashboard. An [`Armed`] command can be built only here: by the
//! confirmation that its risk asks for, or, for an acknowledgement, without one. Friction follows
//! the direction of risk: what reduces it is a key, what increases it is a word.

mod armed;
mod gates;
mod prompt;
mod subject;

pub use armed::Armed;
pub use gates::{Gate, Gates};
pub use prompt::{Answer, EXPIRES, Prompt, QUIET_AFTER_DRAW, QUIET_AFTER_SETTLING};
pub use subject::{Seen, Subject, Target, Tier};

use crate::model::{Action, AlertId, Command, CommandId};

/// Who sends a command, and under which id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The id of the command: the same id again is the same command.
    pub id: CommandId,
    /// Its number in this dashboard.
    pub number: u64,
    /// Who sits in front of the dashboard.
    pub by: String,
}

/// Arms an acknowledgement. It asks for no confirmation: it hides nothing and changes no order.
pub fn acknowledge(alerts: Vec<AlertId>, sender: &Sender) -> Armed<Command> {
    armed::arm(Command { id: sender.id.clone(), by: sender.by.clone(), action: Action::Acknowledge { alerts } })
}
