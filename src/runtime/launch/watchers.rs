//! Small tasks beside a session: each waits for one thing and tells the engine of it.

use tokio::sync::{mpsc, watch};

use crate::clock::{Clock, Reading, Sleeps};
use crate::engine::Input;
use crate::model::{Action, Command, CommandId, SinkStatus, StopPolicy};
use crate::runtime::embedded::ExchangeEnd;
use crate::runtime::handle::CommandSender;

pub(super) async fn tell_market_over(mut ended: watch::Receiver<bool>, tell: mpsc::UnboundedSender<ExchangeEnd>) {
    if ended.wait_for(|over| *over).await.is_ok() {
        // Nobody to tell: the session has ended.
        let _ = tell.send(ExchangeEnd::MarketOver);
    }
}

/// Notices that the machine slept or that this loop stood still: the clock is set right, and the engine
/// told that everything it knows is as old as that.
pub(super) async fn tell_sleeps(clock: Clock, inputs: mpsc::UnboundedSender<Input>) {
    /// Between two looks, real time.
    const LOOK: std::time::Duration = std::time::Duration::from_secs(1);
    let mut sleeps = Sleeps::since(Reading::now());
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(slept) = sleeps.look(Reading::now()) {
            clock.add_sleep(slept.uncounted);
            if inputs.send(Input::Suspended { slept: slept.whole }).is_err() {
                return;
            }
        }
    }
}

/// The copy's thread holds the other end for as long as it lives.
pub(super) async fn tell_sink_end(mut view: watch::Receiver<SinkStatus>, inputs: mpsc::UnboundedSender<Input>) {
    while view.changed().await.is_ok() {}
    let what = "the copy to QuestDB ended by a defect; the next start sends what is missing".to_owned();
    // In an orderly end the session is over before.
    let _ = inputs.send(Input::Failure { what });
}

/// A session on recorded prices ends with them; one whose exchange failed is told so.
pub(super) async fn stop_at_end(
    mut ended: mpsc::UnboundedReceiver<ExchangeEnd>,
    starts: u32,
    policy: StopPolicy,
    inputs: mpsc::UnboundedSender<Input>,
    commands: CommandSender,
) {
    match ended.recv().await {
        Some(ExchangeEnd::MarketOver) => {
            if let Ok(id) = CommandId::new(&format!("market-over-{starts}")) {
                let action = Action::Stop { policy };
                // It has ended already when this does not arrive.
                let _ = commands.send(Command { id, by: "end of the recorded market".into(), action });
            }
        }
        Some(ExchangeEnd::Failed(what)) => {
            let _ = inputs.send(Input::Failure { what });
        }
        None => {}
    }
}

/// A file that may not grow any more (`ulimit -f`) is an error of the write, as a full disk is, and
/// not the end of the process: whoever listens for its signal is not killed by it.
pub(super) fn outlive_size_limits() -> Option<tokio::signal::unix::Signal> {
    /// SIGXFSZ, the same number on Linux and macOS.
    const FILE_SIZE_EXCEEDED: i32 = 25;
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_SIZE_EXCEEDED)).ok()
}
