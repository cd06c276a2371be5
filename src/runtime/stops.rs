//! Signals that end the process have a thread of their own: whatever the screen, standard output or
//! the engine's other observers are doing, the session is told at once to stop in order.
//!
//! The first signal asks for an orderly stop. Another one within a second counts as the same (GNU
//! `timeout` sends two); a later one ends the session as it stands, its journal still closed in order.
//! So does the deadline: a call time-out and five seconds, so that a placement that hangs still gets
//! its answer or its time-out, and what is not known of it is on record as UNKNOWN.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::handle::CommandSender;
use super::watched::{self, Alarm, StopWithout};
use crate::clock::wall_time;
use crate::model::{Action, Command, CommandId, StopPolicy};

/// Signals this close together are one.
const SAME_WITHIN: Duration = Duration::from_secs(1);
/// What an orderly stop may take beyond one call to the exchange, real time.
const BEYOND_A_CALL: Duration = Duration::from_secs(5);

/// How long an orderly stop may take, real time, when a call to the exchange may take so long.
pub fn stop_deadline(call_timeout: Duration) -> Duration {
    call_timeout.saturating_add(BEYOND_A_CALL)
}

/// What a stop by signal does, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRule {
    /// With working orders.
    pub policy: StopPolicy,
    /// From the first signal to the end as it stands, real time.
    pub deadline: Duration,
}

/// Starts the thread. The receiver is told the first signal's name, before the session is.
///
/// # Errors
/// When the system refuses the thread or a signal handler.
pub fn watch(
    commands: CommandSender,
    abandon: mpsc::UnboundedSender<String>,
    rule: StopRule,
    alarm: Alarm,
) -> std::io::Result<mpsc::UnboundedReceiver<&'static str>> {
    let (tell, asked) = mpsc::unbounded_channel();
    let (tell_set_up, set_up) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell_set_up.send(Err(error))),
        };
        let without = StopWithout { commands: commands.clone(), policy: rule.policy };
        // Without it SIGTERM would not be heard.
        watched::work("the thread of signals", &alarm, Some(&without), || {
            runtime.block_on(async {
                let mut signals = match Signals::listen() {
                    Ok(signals) => signals,
                    Err(error) => return drop(tell_set_up.send(Err(error))),
                };
                let _ = tell_set_up.send(Ok(()));
                serve(&mut signals, &commands, &abandon, rule, &tell).await;
            });
        });
    })?;
    set_up.recv().map_err(|_| std::io::Error::other("the thread that listens to signals ended at once"))??;
    Ok(asked)
}

async fn serve(
    signals: &mut Signals,
    commands: &CommandSender,
    abandon: &mpsc::UnboundedSender<String>,
    rule: StopRule,
    tell: &mpsc::UnboundedSender<&'static str>,
) {
    let mut first: Option<Instant> = None;
    loop {
        let late = first.and_then(|first| first.checked_add(rule.deadline));
        let name = tokio::select! {
            biased;
            name = signals.next() => name,
            () = until(late) => {
                // It has ended already when this does not arrive; and it is said once.
                let _ = abandon.send(format!("it did not stop within {} s", rule.deadline.as_secs()));
                return;
            }
        };
        match heard(first, Instant::now()) {
            Heard::First => {
                first = Some(Instant::now());
                // Before the session: whoever lists what works lists it as it was.
                let _ = tell.send(name);
                if let Ok(id) = CommandId::new(&format!("signal-{:x}", wall_time().micros())) {
                    let action = Action::Stop { policy: rule.policy };
                    let _ = commands.send(Command { id, by: name.into(), action });
                }
            }
            Heard::Same => {}
            Heard::Again => {
                let _ = abandon.send(format!("interrupted again, by {name}"));
                return;
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    First,
    Same,
    Again,
}

fn heard(first: Option<Instant>, now: Instant) -> Heard {
    match first {
        None => Heard::First,
        Some(first) if now.saturating_duration_since(first) <= SAME_WITHIN => Heard::Same,
        Some(_) => Heard::Again,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` under nohup: whoever started us wants a hang-up to be ignored.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            Some(()) = hung_up(self.hang_up.as_mut()) => "SIGHUP",
            else => std::future::pending().await,
        }
    }
}

async fn hung_up(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored.
fn hang_up_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hang_up(&status))
}

fn ignores_hang_up(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is number 1: the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_within_a_second_is_the_same_one_and_a_later_one_is_not() {
        let start = Instant::now();
        assert_eq!(heard(None, start), Heard::First);
        assert_eq!(heard(Some(start), start + Duration::from_millis(999)), Heard::Same);
        assert_eq!(heard(Some(start), start + Duration::from_millis(1_001)), Heard::Again);
    }

    #[test]
    fn a_stop_waits_longer_than_a_call_that_hangs() {
        let call = crate::config::Settings::default().exchange.call_timeout;
        assert!(stop_deadline(call) > call + Duration::from_secs(1));
    }

    #[test]
    fn nohup_is_respected() {
        assert!(ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"));
        assert!(!ignores_hang_up(""));
    }
}
