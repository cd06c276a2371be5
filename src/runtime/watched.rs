//! Background tasks whose end is never silent.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use super::gateway::panic_text;
use crate::engine::Input;

/// Runs a task in the background; should it panic, the engine is told.
pub fn spawn(
    name: &'static str,
    inputs: mpsc::UnboundedSender<Input>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    tokio::spawn(async move {
        if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
            let what = format!("{name} ended by a defect: {}", panic_text(panic.as_ref()));
            // Nobody to tell: the session has ended.
            let _ = inputs.send(Input::Failure { what });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_the_background_is_told() {
        let (inputs, mut told) = mpsc::unbounded_channel();
        spawn("the strategy", inputs, async { panic!("it divided by zero") });
        match told.recv().await {
            Some(Input::Failure { what }) => assert_eq!(what, "the strategy ended by a defect: it divided by zero"),
            other => panic!("{other:?}"),
        }
    }
}
