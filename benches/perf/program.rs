//! The program itself: resident memory with 1000 orders and 100 positions recovered from a journal,
//! and the time from its start to its first frame in a real terminal.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perpdeck::clock::wall_time;
use perpdeck::journal::{Journal, Options};
use perpdeck::runtime::DataDir;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::book;
use crate::report::{Table, percentile};
use crate::wire::Receiver;

const STARTS: usize = 20;
/// Recovery, the first frames and the first answers of the exchange are over by then.
const SETTLES: Duration = Duration::from_secs(3);

pub fn memory(table: &mut Table) {
    let bare = resident_after(|| Command::new("sleep").arg("5").stdout(Stdio::null()).spawn().unwrap());
    let engine = headless();
    let dashboard = with_dashboard();
    let shown = |kib: u64| format!("{:.1} MB", kib as f64 / 1024.0);
    let reference = format!("{} (a process that sleeps)", shown(bare));
    table.row("resident memory, engine alone", shown(engine), reference.clone(), "20 MB", engine <= 20 * 1024);
    table.row("resident memory, with the dashboard", shown(dashboard), reference, "30 MB", dashboard <= 30 * 1024);
}

pub fn startup(table: &mut Table) {
    let mut ours = Vec::new();
    let mut reference = Vec::new();
    for _ in 0..STARTS {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        ours.push(time_until(&["--data-dir", data.to_str().unwrap()], "Positions"));
        reference.push(time_until(&["--version"], "perpdeck"));
    }
    ours.sort();
    reference.sort();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    table.row(
        "start to first frame, p50",
        ms(percentile(&ours, 0.5)),
        format!("{} (the same program printing its version)", ms(percentile(&reference, 0.5))),
        "100 ms",
        percentile(&ours, 0.5) <= Duration::from_millis(100),
    );
}

/// A data directory whose journal holds the book.
fn prepare(root: &Path, exchange: &str) {
    let dir = DataDir::open(root).unwrap();
    let now = wall_time();
    let (mut journal, _) = Journal::open(&dir.journal(), Options::default()).unwrap();
    for fact in book::facts(now, &format!("http://{exchange}")) {
        journal.append(now.micros(), &serde_json::to_string(&fact).unwrap()).unwrap();
    }
    journal.sync().unwrap();
}

/// The program on that journal; its exchange answers every question with "too frequent", so that
/// the book stays as it is.
fn arguments(root: &Path, exchange: &str) -> Vec<String> {
    let exchange = format!("http://{exchange}");
    ["run", "--data-dir", root.to_str().unwrap(), "--exchange-url", &exchange].map(str::to_owned).to_vec()
}

fn headless() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let exchange = Receiver::start();
    prepare(&root, &exchange.address.to_string());
    resident_after(|| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_perpdeck"))
            .args(arguments(&root, &exchange.address))
            .arg("--headless")
            .env("PERPDECK_API_KEY", "mx0benchkey")
            .env("PERPDECK_API_SECRET", "9b1f3c7d2e8a4f60a5b6c7d8e9f00112")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It never gets ready there; what it says is read so that it is not held up.
        let mut said = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        child
    })
}

/// Resident memory of a child some time after it has said that it is ready, in KiB.
fn resident_after(start: impl FnOnce() -> std::process::Child) -> u64 {
    let mut child = start();
    std::thread::sleep(SETTLES);
    let kib = resident(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    kib
}

/// Resident memory of a process in KiB, if it is still there.
pub fn resident_now(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn with_dashboard() -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let exchange = Receiver::start();
    prepare(&root, &exchange.address.to_string());
    let pair = native_pty_system().openpty(PtySize { rows: 60, cols: 200, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_perpdeck"));
    command.args(arguments(&root, &exchange.address));
    command.env("PERPDECK_API_KEY", "mx0benchkey");
    command.env("PERPDECK_API_SECRET", "9b1f3c7d2e8a4f60a5b6c7d8e9f00112");
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let screen = Arc::new(Mutex::new(vt100::Parser::new(60.try_into().unwrap(), 200.try_into().unwrap(), 0)));
    let drawn = Arc::clone(&screen);
    std::thread::spawn(move || {
        let mut chunk = [0_u8; 65_536];
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            drawn.lock().unwrap().process(&chunk[..read]);
        }
    });
    std::thread::sleep(SETTLES);
    let shown = screen.lock().unwrap().screen().contents();
    assert!(shown.contains("resting 1000") && shown.contains(" 100? open"), "not the book:\n{shown}");
    let kib = resident(child.process_id().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    kib
}

/// From the start of the program until a word of it is on the terminal.
fn time_until(arguments: &[&str], word: &str) -> Duration {
    let pair = native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_perpdeck"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    let mut reader = pair.master.try_clone_reader().unwrap();
    let begun = Instant::now();
    let mut child = pair.slave.spawn_command(command).unwrap();
    let mut seen = Vec::new();
    let mut chunk = [0_u8; 65_536];
    let time = loop {
        let read = reader.read(&mut chunk).unwrap();
        seen.extend_from_slice(&chunk[..read]);
        if String::from_utf8_lossy(&seen).contains(word) {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no {word:?} on the screen");
    };
    // Already gone when it only printed its version.
    let _ = child.kill();
    child.wait().unwrap();
    time
}
