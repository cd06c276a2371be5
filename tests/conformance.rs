//! Independent programs: a MEXC client with response validation passes 25 of 25 against the simulator,
//! and the adapter works with a server that knows nothing of this project.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use perpdeck::clock::Clock;
use perpdeck::simulator::{Credentials, Scenario, Server, Settings};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/typed_mexc_client.py");

#[path = "conformance/adapter.rs"]
mod adapter;
#[path = "conformance/server.rs"]
mod server;

/// A python that has this package at this version, made under `target/` when it is not there.
fn python_with(package: &str, version: &str) -> Result<PathBuf, String> {
    // One at a time: the tests of this file share it.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let home = target.join(format!("conformance-venv-{package}"));
    let python = home.join("bin/python3");
    let is_there = |python: &Path| {
        let probe = format!("import importlib.metadata as m, sys; sys.exit(m.version('{package}') != '{version}')");
        run(Command::new(python).args(["-c", &probe])).is_ok()
    };
    if is_there(&python) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &format!("{package}=={version}")]))?;
    if is_there(&python) { Ok(python) } else { Err(format!("{package} {version} is not there after its installation")) }
}

/// The same, or `None` where a test may be skipped: without python, and not under CI.
fn python_or_skip(package: &str, version: &str) -> Option<PathBuf> {
    match python_with(package, version) {
        Ok(python) => Some(python),
        Err(problem) if std::env::var_os("CI").is_none() => {
            println!("SKIPPED: this needs python3 and pip: {problem}");
            None
        }
        Err(problem) => panic!("CI is set, so this must run: {problem}"),
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

#[test]
fn typed_mexc_passes_25_of_25() {
    let Some(python) = python_or_skip("typed-mexc", "2.3.0") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let settings = Settings::new(seed, Scenario::load("calm").unwrap(), Credentials::new("mx0testkey", "testsecret"));
    assert!(settings.rate_limits, "the documented limits are on");
    let server = runtime.block_on(Server::start(&settings, "127.0.0.1:0".parse().unwrap(), Clock::wall())).unwrap();
    let output = Command::new(python)
        .arg(CLIENT)
        .arg(server.rest_url())
        .args(["--ws", &server.ws_url(), "--key", "mx0testkey", "--secret", "testsecret"])
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success(), "seed {seed}: {text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("PASS")).count(), 25, "seed {seed}: {text}");
    assert!(text.contains("TOTAL 0 fail"), "seed {seed}: {text}");
}
