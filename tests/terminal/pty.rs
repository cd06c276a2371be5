//! A program in a pseudo-terminal, with a terminal emulator that reads what it writes.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Far longer than anything here takes; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Pty {
    /// Until the terminal is closed.
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    shared: Arc<Mutex<Shared>>,
    /// Reads on for as long as this is set.
    reads: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

fn size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Pty {
    pub fn start(program: &str, args: &[&str], env: &[(&str, &str)], screen: (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(size(screen)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        for name in ["NO_COLOR", "COLORTERM", "TMUX", "LC_ALL", "PERPDECK_BLESS", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in env {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (rows, columns) = (NonZeroU16::new(screen.1).unwrap(), NonZeroU16::new(screen.0).unwrap());
        let shared = Arc::new(Mutex::new(Shared { parser: vt100::Parser::new(rows, columns, 0), raw: Vec::new() }));
        let sink = Arc::clone(&shared);
        let reads = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&reads);
        let thread = std::thread::spawn(move || {
            let mut bytes = [0_u8; 8192];
            while let Ok(n) = reader.read(&mut bytes) {
                if n == 0 || !goes_on.load(Ordering::SeqCst) {
                    return;
                }
                let mut shared = sink.lock().unwrap();
                shared.parser.process(&bytes[..n]);
                shared.raw.extend_from_slice(&bytes[..n]);
            }
        });
        let (master, writer, reader) = (Some(pair.master), Some(writer), Some(thread));
        Self { master, writer, child, shared, reads, reader }
    }

    /// Reads nothing more, as a connection that stalls. The program must be drawing: what it draws next
    /// is the last that is taken.
    pub fn stall(&mut self) {
        self.reads.store(false, Ordering::SeqCst);
        let _ = self.reader.take().unwrap().join();
    }

    /// Closes the terminal, as its window is closed.
    pub fn close(&mut self) {
        self.stall();
        self.writer = None;
        self.master = None;
    }

    /// How it ended.
    pub fn exit_code(&mut self, within: Duration) -> u32 {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it does not end within {within:?}; the screen is\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// This test program again, as the dashboard on a stage session.
    pub fn stage(what: &str, env: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().unwrap().display().to_string();
        let mut env = env.to_vec();
        env.push((crate::child::VARIABLE, what));
        let args = ["child::stage_session", "--exact", "--nocapture", "--test-threads=1"];
        Self::start(&program, &args, &env, (80, 24))
    }

    pub fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub fn resize(&mut self, screen: (u16, u16)) {
        self.master.as_ref().unwrap().resize(size(screen)).unwrap();
        let (rows, columns) = (NonZeroU16::new(screen.1).unwrap(), NonZeroU16::new(screen.0).unwrap());
        self.shared.lock().unwrap().parser.screen_mut().set_size(rows, columns);
    }

    /// The terminal says of itself that it has this size, whatever size it has.
    pub fn claim(&mut self, screen: (u16, u16)) {
        self.master.as_ref().unwrap().resize(size(screen)).unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// The same below a shell that knows jobs, as people start it; a job that stops goes on at once.
    pub fn stage_in_shell(what: &str) -> Self {
        let program = std::env::current_exe().unwrap().display().to_string();
        let script =
            "set -m; \"$@\"; code=$?; if [ $code -gt 128 ]; then echo STOPPED; fg >/dev/null; code=$?; fi; exit $code";
        let args = ["-c", script, "sh", &program, "child::stage_session", "--exact", "--nocapture", "--test-threads=1"];
        Self::start("sh", &args, &[(crate::child::VARIABLE, what)], (80, 24))
    }

    /// Sends a signal to the program that the shell started.
    pub fn signal_below(&self, name: &str) {
        let shell = self.child.process_id().unwrap();
        let below = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let status = std::process::Command::new("kill").args(["-s", name, below.trim()]).status().unwrap();
        assert!(status.success());
    }

    pub fn screen(&self) -> String {
        self.shared.lock().unwrap().parser.screen().contents()
    }

    /// Everything that was written.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().unwrap().raw).into_owned()
    }

    /// Waits until something was written, on the screen still or not.
    pub fn until_seen(&mut self, what: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen().contains(text) {
            assert!(Instant::now() < deadline, "{what} did not come; the screen is\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until so many more frames were drawn.
    pub fn until_frames(&mut self, more: usize) {
        let frames = |pty: &Self| pty.seen().matches("\x1b[?2026l").count();
        let (before, deadline) = (frames(self), Instant::now() + PATIENCE);
        while frames(self) < before + more {
            assert!(Instant::now() < deadline, "no frame comes; the screen is\n{}", self.screen());
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended; the screen is\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The colour commands that were written.
    pub fn colours(&self) -> Vec<String> {
        let seen = self.seen();
        let mut found = Vec::new();
        for part in seen.split("\x1b[").skip(1) {
            let Some(end) = part.find(|c: char| c.is_ascii_alphabetic()) else { continue };
            if part.as_bytes()[end] != b'm' {
                continue;
            }
            let numbers: Vec<&str> = part[..end].split(';').collect();
            let coloured = numbers.iter().any(|n| matches!(n.parse::<u8>(), Ok(30..=38 | 40..=48 | 90..=107)));
            if coloured {
                found.push(part[..=end].to_owned());
            }
        }
        found
    }

    pub fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        self.until_true(what, PATIENCE, |parser| holds(&parser.screen().contents()));
    }

    pub fn until_true(&mut self, what: &str, patience: Duration, holds: impl Fn(&vt100::Parser) -> bool) {
        let deadline = Instant::now() + patience;
        while !holds(&self.shared.lock().unwrap().parser) {
            assert!(Instant::now() < deadline, "{what} did not come; the screen is\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn until_gone(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end; the screen is\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
        // What it wrote last is still on its way through the reader.
        let mut before = usize::MAX;
        loop {
            let now = self.shared.lock().unwrap().raw.len();
            if now == before {
                return;
            }
            before = now;
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn is_alternate(&self) -> bool {
        self.shared.lock().unwrap().parser.screen().alternate_screen()
    }

    pub fn hides_cursor(&self) -> bool {
        self.shared.lock().unwrap().parser.screen().hide_cursor()
    }

    /// Whether the terminal is in raw mode, by its own settings.
    pub fn is_raw(&self) -> bool {
        let termios = self.master.as_ref().unwrap().get_termios().unwrap();
        // By its words: the type belongs to a release of nix that is not ours.
        !format!("{:?}", termios.local_flags).contains("ICANON")
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
