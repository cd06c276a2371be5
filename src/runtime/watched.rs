//! Background tasks and threads whose end is never silent.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::gateway::panic_text;
use super::handle::CommandSender;
use crate::clock::wall_time;
use crate::engine::Input;
use crate::model::{Action, Command, CommandId, StopPolicy};

/// Tells the engine of a part of the program that ended by a defect: it becomes an alert.
#[derive(Clone, Debug)]
pub struct Alarm(mpsc::UnboundedSender<Input>);

impl Alarm {
    /// An alarm that goes this way.
    pub const fn new(inputs: mpsc::UnboundedSender<Input>) -> Self {
        Self(inputs)
    }

    /// Tells what happened. Nobody listens any more when the session has ended.
    pub fn tell(&self, what: String) {
        let _ = self.0.send(Input::Failure { what });
    }

    /// Tells how a part ended, and what follows from that.
    pub fn ended(&self, name: &str, panic: &(dyn Any + Send), then: &str) {
        self.tell(format!("{name} ended by a defect{then}: {}", panic_text(panic)));
    }
}

/// An orderly stop for want of a part without which commands or signals would be lost.
#[derive(Clone, Debug)]
pub struct StopWithout {
    /// Takes the command.
    pub commands: CommandSender,
    /// With working orders.
    pub policy: StopPolicy,
}

impl StopWithout {
    fn stop(&self, name: &str) {
        if let Ok(id) = CommandId::new(&format!("defect-{:x}", wall_time().micros())) {
            let action = Action::Stop { policy: self.policy };
            // It has ended already when this does not arrive.
            let _ = self.commands.send(Command { id, by: format!("the end of {name}"), action });
        }
    }
}

/// Runs a task in the background; should it panic, the engine is told.
pub fn spawn(name: &'static str, alarm: Alarm, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
            alarm.ended(name, panic.as_ref(), "");
        }
    });
}

/// The work of a thread; should it panic, the engine is told, and stopped in order when it cannot do without.
pub fn work(name: &'static str, alarm: &Alarm, without: Option<&StopWithout>, work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        let then = if without.is_some() { " and the session is stopped, for it would be deaf" } else { "" };
        alarm.ended(name, panic.as_ref(), then);
        if let Some(without) = without {
            without.stop(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(told: &mut mpsc::UnboundedReceiver<Input>) -> String {
        match told.try_recv() {
            Ok(Input::Failure { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_panic_in_the_background_is_told() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        spawn("the strategy", Alarm::new(inputs), async { panic!("it divided by zero") });
        match told.recv().await {
            Some(Input::Failure { what }) => assert_eq!(what, "the strategy ended by a defect: it divided by zero"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_panic_of_a_thread_is_told_and_stops_the_session_in_order_where_it_would_be_deaf() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        let alarm = Alarm::new(inputs);
        let (commands, mut taken) = CommandSender::channel();
        let without = StopWithout { commands, policy: StopPolicy::Leave };
        work("standard output", &alarm, None, || panic!("no"));
        assert_eq!(failure(&mut told), "standard output ended by a defect: no");
        work("standard input", &alarm, Some(&without), || {});
        assert!(taken.try_recv().is_err() && told.try_recv().is_err(), "an end in order is no defect");
        work("standard input", &alarm, Some(&without), || panic!("no"));
        assert!(failure(&mut told).contains("the session is stopped"));
        let command = taken.try_recv().unwrap();
        assert_eq!(
            (command.by.as_str(), command.action),
            ("the end of standard input", Action::Stop { policy: StopPolicy::Leave })
        );
    }
}
