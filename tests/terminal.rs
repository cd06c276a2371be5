//! The dashboard in a real pseudo-terminal: the four hazards of a full-screen program that trades.
//!
//! The tests of panics and of typed keys run the dashboard on a stage session: this test program
//! starts itself again inside the pseudo-terminal. The others run `perpdeck` itself.
#![cfg(test)]

#[path = "terminal/child.rs"]
mod child;
#[path = "terminal/pty.rs"]
mod pty;

use std::time::Duration;

use pty::Pty;

fn perpdeck(data: &std::path::Path, env: &[(&str, &str)]) -> Pty {
    let program = env!("CARGO_BIN_EXE_perpdeck");
    let data = data.display().to_string();
    Pty::start(program, &["--data-dir", &data], env, (120, 40))
}

#[test]
fn perpdeck_shows_a_session_and_a_signal_gives_the_terminal_back() {
    for signal in ["TERM", "HUP"] {
        let data = tempfile::tempdir().unwrap();
        let mut pty = perpdeck(data.path(), &[]);
        pty.until("the dashboard", |screen| screen.contains("1 Positions") && screen.contains("X HALT"));
        assert!(pty.is_alternate() && pty.is_raw(), "the dashboard has the terminal");
        pty.signal(signal);
        pty.until_gone();
        assert!(!pty.is_alternate(), "SIG{signal} leaves the alternate screen on");
        assert!(!pty.is_raw(), "SIG{signal} leaves the terminal raw");
        assert!(!pty.hides_cursor(), "SIG{signal} leaves the cursor hidden");
    }
}

/// The last reason that the journal has for the end.
fn why_stopped(data: &std::path::Path) -> Option<String> {
    use perpdeck::model::{Event, Phase};
    let entries = perpdeck::journal::read(&perpdeck::runtime::journal_of(data)).unwrap();
    let facts = entries.map(|entry| {
        let entry = entry.unwrap();
        perpdeck::model::read_event(entry.schema, &entry.body).unwrap()
    });
    let reasons = facts.filter_map(|fact| match fact {
        Event::PhaseChanged { phase: Phase::Stopping, reason } => Some(reason),
        _ => None,
    });
    reasons.last()
}

/// An orderly stop may take a call time-out and five seconds; it has nothing to wait for here.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn a_terminal_that_nobody_reads_costs_frames_and_no_signal() {
    let data = tempfile::tempdir().unwrap();
    // A lot to draw, so that the terminal is full soon.
    let mut pty = perpdeck(data.path(), &[("PERPDECK_SIMULATOR_SPEED", "20"), ("PERPDECK_DASHBOARD_MAX_FPS", "60")]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.stall();
    // It fills while the session goes on; then a resize asks for whole frames.
    for columns in [160, 120, 200, 100] {
        pty.resize((columns, 60));
        std::thread::sleep(Duration::from_millis(200));
    }
    pty.signal("TERM");
    assert_eq!(pty.exit_code(STOPS_WITHIN), 0);
    assert_eq!(why_stopped(data.path()).as_deref(), Some("stop by SIGTERM"));
}

#[test]
fn a_terminal_of_any_size_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let mut pty = perpdeck(data.path(), &[]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    for claimed in [(u16::MAX, u16::MAX), (0, 0), (1, 1), (u16::MAX, 1), (1, u16::MAX), (u16::MAX, u16::MAX)] {
        pty.claim(claimed);
        // The first of them may have been on its way.
        pty.until_frames(2);
    }
    // A storm of sizes, the last one is a person's.
    for n in 0..400_u16 {
        pty.claim((n.wrapping_mul(977), n.wrapping_mul(613)));
    }
    pty.resize((120, 40));
    pty.until("the dashboard again", |screen| screen.contains("1 Positions") && screen.contains("X HALT"));
    pty.signal("TERM");
    assert_eq!(pty.exit_code(STOPS_WITHIN), 0);
}

#[test]
fn a_terminal_that_is_closed_is_an_orderly_stop_and_no_panic() {
    let data = tempfile::tempdir().unwrap();
    let mut pty = perpdeck(data.path(), &[("PERPDECK_SIMULATOR_SPEED", "20")]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.close();
    assert_eq!(pty.exit_code(STOPS_WITHIN), 0);
    let why = why_stopped(data.path());
    assert!(matches!(why.as_deref(), Some("stop by SIGHUP" | "stop by the end of the terminal")), "{why:?}");
}

#[test]
fn a_hook_gets_a_clean_environment() {
    let data = tempfile::tempdir().unwrap();
    let (hook, out) = (data.path().join("hook"), data.path().join("environment"));
    let script = format!("#!/bin/sh\nenv > {0}.part && mv {0}.part {0}\n", out.display());
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let secrets = [
        ("PERPDECK_API_KEY", "mx0-the-key"),
        ("PERPDECK_API_SECRET", "the-secret"),
        ("PERPDECK_QUESTDB_CONF", "http::addr=127.0.0.1:9000;username=u;password=the-password;"),
        ("SOMETHING_ELSE", "of-the-shell"),
    ];
    let hook = hook.display().to_string();
    let mut env = secrets.to_vec();
    env.push((child::HOOK, hook.as_str()));
    let mut pty = Pty::stage("critical", &env);
    pty.until("the banner", |screen| screen.contains("LIQUIDATION"));
    pty.until_true("the hook", Duration::from_secs(30), |_| out.exists());
    let seen = std::fs::read_to_string(&out).unwrap();
    assert!(seen.contains("PERPDECK_ALERT_TITLE=LIQUIDATION") && seen.contains("PATH="), "{seen}");
    for (name, value) in secrets {
        assert!(!seen.contains(name) && !seen.contains(value), "{name} is in\n{seen}");
    }
    let documented = ["PATH", "HOME", "LANG", "TERM", "USER", "PWD", "OLDPWD", "SHLVL", "_"];
    for line in seen.lines().filter(|line| line.contains('=')) {
        let name = line.split('=').next().unwrap();
        assert!(documented.contains(&name) || name.starts_with("PERPDECK_ALERT_"), "{name} is in\n{seen}");
    }
    pty.signal("TERM");
    pty.until_gone();
}

#[test]
fn a_terminal_of_20_by_5_shows_the_session_and_a_banner() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().display().to_string();
    let mut pty = Pty::start(env!("CARGO_BIN_EXE_perpdeck"), &["--data-dir", &data], &[], (20, 5));
    pty.until("the session's word", |screen| screen.contains("PAPER"));
    pty.resize((120, 40));
    pty.until("the whole dashboard", |screen| screen.contains("1 Positions"));
    pty.resize((20, 5));
    pty.until("the tiny form", |screen| !screen.contains("1 Positions") && screen.contains("PAPER"));
    pty.signal("TERM");
    pty.until_gone();
}

#[test]
fn a_panic_in_another_thread_leaves_the_keys_alive() {
    let mut pty = Pty::stage("panic-elsewhere", &[]);
    pty.until("the panic as a critical alert", |screen| screen.contains("a part of the program ended unexpectedly"));
    assert!(pty.is_alternate() && pty.is_raw(), "the terminal was given back under a live session");
    pty.keys("?");
    pty.until("the help: keys still work", |screen| screen.contains("? Help"));
    pty.keys("\x1b");
    pty.until("the help closed", |screen| !screen.contains("? Help"));
    pty.signal("TERM");
    pty.until_gone();
    assert!(!pty.is_raw() && !pty.is_alternate());
}

#[test]
fn a_panic_of_the_dashboard_gives_the_terminal_back() {
    let mut pty = Pty::stage("panic-here", &[]);
    pty.until_gone();
    assert!(!pty.is_raw() && !pty.is_alternate());
    assert!(pty.seen().contains("on purpose"), "the message is printed: {}", pty.seen());
}

#[test]
fn pasted_text_is_never_keys() {
    let mut pty = Pty::stage("wait", &[]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.keys("\x1b[200~Xhalt\r\x1b[201~");
    pty.until("the paste refused", |screen| screen.contains("pasted text was dropped"));
    assert!(!pty.screen().contains("HALT SESSION"));
    // The same without brackets, as fast as a machine types: a burst.
    pty.keys("Xhalt\rXhalt\ryyyy");
    pty.until("the burst refused", |screen| screen.contains("too fast"));
    assert!(!pty.screen().contains("HALT not delivered") && !pty.screen().contains("halt  "));
    pty.signal("TERM");
    pty.until_gone();
}

#[test]
fn no_color_keeps_the_banner_reversed() {
    let mut pty = Pty::stage("critical", &[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]);
    pty.until("the banner", |screen| screen.contains("LIQUIDATION"));
    // The first second blinks.
    pty.until_true("a reversed banner", Duration::from_secs(10), |parser| {
        let screen = parser.screen();
        let row: Vec<_> = (0..80).filter_map(|column| screen.cell(2, column)).collect();
        row.len() == 80 && row.iter().all(|cell| cell.inverse())
    });
    assert!(pty.colours().is_empty(), "a colour was sent: {:?}", pty.colours());
    pty.signal("TERM");
    pty.until_gone();
}

#[test]
fn a_history_that_hangs_holds_no_frame_and_no_key() {
    let mut pty = Pty::stage("wait", &[]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.keys("H");
    pty.until("the pane that waits", |screen| screen.contains("7 History") && screen.contains("reading"));
    // Time goes on, on a screen that is drawn.
    pty.until("a second of waiting", |screen| screen.contains("reading 1.") || screen.contains("reading 2."));
    pty.keys("?");
    pty.until("the help: keys still work", |screen| screen.contains("? Help"));
    pty.keys("\x1b");
    pty.until("the help closed", |screen| !screen.contains("? Help"));
    pty.keys("\x1b");
    pty.until("the panes", |screen| screen.contains("1 Positions"));
    pty.signal("TERM");
    pty.until_gone();
    assert!(!pty.is_raw() && !pty.is_alternate());
}

#[test]
fn a_held_ctrl_c_asks_and_never_ends_the_session() {
    let mut pty = Pty::stage("wait", &[]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.keys("\x03");
    pty.until("the hint", |screen| screen.contains("Ctrl-C again"));
    pty.keys("\x03");
    pty.until("the question", |screen| screen.contains("End the session?"));
    pty.keys("\x1b");
    pty.until("the answer", |screen| !screen.contains("End the session?"));
    pty.signal("TERM");
    pty.until_gone();
}

/// Suspended and continued by its shell, without a key after it.
fn suspended_and_continued() -> Pty {
    let mut pty = Pty::stage_in_shell("wait");
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.keys("\x1a");
    pty.until("the warning", |screen| screen.contains("Ctrl-Z again"));
    pty.keys("\x1a");
    pty.until_seen("the stop, as the shell tells it", "STOPPED");
    pty.until("the dashboard again", |screen| screen.contains("1 Positions"));
    pty
}

#[test]
fn after_a_suspend_a_signal_ends_it_without_a_key() {
    let mut pty = suspended_and_continued();
    pty.signal_below("TERM");
    assert_eq!(pty.exit_code(STOPS_WITHIN), 0);
    // What it wrote last is read, too.
    pty.until_gone();
    assert!(!pty.is_raw() && !pty.is_alternate());
}

#[test]
fn after_a_suspend_the_first_key_counts() {
    let mut pty = suspended_and_continued();
    pty.keys("?");
    pty.until("the help", |screen| screen.contains("? Help"));
    pty.signal_below("TERM");
    assert_eq!(pty.exit_code(STOPS_WITHIN), 0);
}

const REQUEST: &str = "\x1b[5n";
const ANSWER: &str = "\x1b[0n";

#[test]
fn answers_that_come_late_are_no_keys_and_hold_no_start() {
    let mut pty = Pty::stage("wait", &[]);
    // The request stands; the start does not wait for it.
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.until_seen("the request", REQUEST);
    // Answers to what a program before it has asked, too; as keys they would open and type all kinds of things.
    pty.keys("\x1b]11;rgb:FFFF/pppp/XXXX\x1b\\\x1b[12;40R\x1b[?64;1;2c\x1bP>|pause(388)\x1b\\");
    pty.keys(ANSWER);
    // One that is cut in two by the line.
    pty.keys("\x1b]11;rgb:1e1e/");
    pty.keys("XXXX/pppp\x1b\\");
    pty.keys("?");
    pty.until("the help, and nothing else", |screen| screen.contains("? Help"));
    let seen = pty.seen();
    for opened in ["HALT SESSION", "pause: no new exposure", "FLATTEN", "too fast"] {
        assert!(!seen.contains(opened), "{opened} was opened");
    }
    pty.signal("TERM");
    pty.until_gone();
}

#[test]
fn a_prompt_is_answered_only_after_the_terminal_says_that_it_shows_it() {
    let mut pty = Pty::stage("wait", &[]);
    pty.until("the dashboard", |screen| screen.contains("1 Positions"));
    pty.until_seen("the request", REQUEST);
    pty.keys(ANSWER);
    let asked = |pty: &Pty| pty.seen().matches(REQUEST).count();
    pty.keys("p");
    pty.until("the prompt", |screen| screen.contains("pause: no new exposure"));
    while asked(&pty) < 2 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Its answer is under way, as over a line that is slow: a key now was meant for what was there before.
    pty.keys("y");
    pty.until("the refusal", |screen| screen.contains("too early"));
    // The frame that says so is asked about as well. Once all is answered, quiet time begins.
    let answers = asked(&pty) - 1;
    pty.keys(&ANSWER.repeat(answers));
    let mut answered = answers + 1;
    for _ in 0..200 {
        let more = asked(&pty) - answered;
        pty.keys(&ANSWER.repeat(more));
        answered += more;
        std::thread::sleep(Duration::from_millis(50));
        pty.keys("y");
        if !pty.screen().contains("pause: no new exposure") {
            break;
        }
    }
    pty.until("the prompt gone", |screen| !screen.contains("pause: no new exposure"));
    pty.signal("TERM");
    pty.until_gone();
}
