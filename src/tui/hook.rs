//! The operator's notification command: no shell, the texts in its environment, and of our own
//! environment only what a program needs to run. Keys and passwords are none of its business.

use std::process::{Command, Stdio};

use super::update::Notification;

/// What of our environment a hook is given.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TERM", "USER"];

/// Runs it and does not wait for it.
///
/// # Errors
/// Why it could not be started, for people.
pub fn run(command: &str, notification: &Notification) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return Ok(()) };
    let mut child = Command::new(program);
    child.args(words).env_clear();
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            child.env(name, value);
        }
    }
    let child = child
        .env("PERPDECK_ALERT_TITLE", &notification.title)
        .env("PERPDECK_ALERT_BODY", &notification.body)
        .env("PERPDECK_ALERT_STAGE", notification.stage)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(|error| format!("dashboard.notify_command {program:?} could not be run: {error}"))?;
    // Somebody has to wait for it, or it stays behind as a zombie.
    let waiting = std::thread::Builder::new().name("hook".into()).spawn(move || drop(child.wait()));
    waiting.map(drop).map_err(|error| format!("dashboard.notify_command {program:?} is not waited for: {error}"))
}
