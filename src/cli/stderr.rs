//! Last words on standard error, which may be a terminal that takes nothing or is gone: they are
//! written by a thread, and waited for a moment only.

use std::io::Write as _;
use std::time::Duration;

/// How long they are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says a line to the person at the terminal.
pub fn say(text: &str) {
    let line = format!("perpdeck: {text}\n");
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let saying = std::thread::Builder::new().name("stderr".into()).spawn(move || {
        // Nobody is there to hear it otherwise.
        let _ = std::io::stderr().write_all(line.as_bytes());
        let _ = tell.send(());
    });
    if saying.is_ok() {
        let _ = told.recv_timeout(PATIENCE);
    }
}
