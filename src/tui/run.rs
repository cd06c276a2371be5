//! The loop: the only place that waits. Input goes before data, data is drained before a frame is
//! drawn, and nothing is drawn while nothing changed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::{FutureExt, StreamExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::hook;
use super::keymap::{Keymap, KeymapError, Press};
use super::model::{Model, Now, Setup};
use super::terminal::{self, PanicWatch, Screen, TerminalError};
use super::theme::{ASCII, Depth, Theme, ThemeError, UNICODE, locale_is_utf8};
use super::update::{Effect, Exit, Msg, Notification, next_tick, update};
use crate::model::Severity;
use crate::runtime::{SessionHandle, Update};

/// Between two frames over a slow connection.
const SLOW_LINK: Duration = Duration::from_millis(200);
/// Updates and keys taken before a frame gets its turn.
const DRAIN: usize = 512;

/// Why the dashboard could not run, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// The theme.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// The keys.
    #[error(transparent)]
    Keymap(#[from] KeymapError),
    /// Signals cannot be listened to.
    #[error("signals cannot be listened to: {0}")]
    Signals(std::io::Error),
    /// The keyboard cannot be read.
    #[error("the keyboard cannot be read: {0}")]
    Keyboard(std::io::Error),
}

/// Theme and keys, read before the session starts, so that a mistake in them is told at once.
#[derive(Clone, Debug)]
pub struct Dressing {
    /// The theme, at the depth of this terminal.
    pub theme: Theme,
    /// The keys.
    pub keymap: Arc<Keymap>,
}

impl Dressing {
    /// Reads theme and keys.
    ///
    /// # Errors
    /// When a file has an error; says which line.
    pub fn load(setup: &Setup, themes: Option<&Path>) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok();
        let ascii = setup.dashboard.ascii || !locale_is_utf8(variable);
        let glyphs = if ascii { ASCII } else { UNICODE };
        let theme = Theme::load(&setup.dashboard.theme, themes, Depth::detect(variable), glyphs)?;
        Ok(Self { theme, keymap: Arc::new(Keymap::load(setup.dashboard.keymap.as_deref())?) })
    }
}

struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            hang_up: on(SignalKind::hangup())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The dashboard on a session, until the operator leaves it, the session ends, or a signal says so.
/// The terminal is given back in every case. Runs on the thread that calls it; the session runs on
/// others.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn run(mut handle: SessionHandle, setup: Setup, dressing: Dressing) -> Result<Exit, Error> {
    let mut signals = Signals::listen()?;
    let panics = PanicWatch::begin();
    let mut screen = Screen::take()?;
    let started = Instant::now();
    let clock = handle.clock.clone();
    let now = || Now { real: started.elapsed(), session: clock.now() };
    let frame = if setup.dashboard.slow_link {
        SLOW_LINK
    } else {
        Duration::from_secs(1).checked_div(setup.dashboard.max_fps.max(1)).unwrap_or(SLOW_LINK)
    };
    let state = Box::new((*handle.snapshot).clone());
    let size = screen.size()?;
    let mut model = Model::new(state, setup, Arc::clone(&dressing.keymap), size, now());
    model.past.sources = handle.archive.names();
    let mut keyboard = EventStream::new();
    let mut tick_at = Instant::now();
    let mut last_frame: Option<Instant> = None;
    let mut urgent = true;
    let mut unseen = false;
    loop {
        // Told only when it is written, and only while nothing that was typed came between.
        if unseen && screen.is_idle() {
            unseen = false;
            let effects = update(&mut model, Msg::Drawn, now());
            if let Some(exit) = perform(effects, &mut model, &mut handle, &mut screen, &mut keyboard, now())? {
                return Ok(exit);
            }
        }
        let due = urgent || last_frame.is_none_or(|last| last.elapsed() >= frame);
        if model.dirty && due && screen.is_idle() {
            // Writing does not fail here: the terminal does not even say how large it is.
            if screen.draw(&mut model, &dressing.theme).is_err() {
                return Ok(Exit::TerminalLost);
            }
            model.dirty = false;
            urgent = false;
            last_frame = Some(Instant::now());
            unseen = true;
        }
        if screen.is_lost() {
            return Ok(Exit::TerminalLost);
        }
        let writing = !screen.is_idle();
        let frame_at = last_frame.map_or_else(Instant::now, |last| last + frame);
        // While the last frame is on its way to the terminal the next one waits for that, not for a time.
        let wake = if model.dirty && !writing { frame_at.min(tick_at) } else { tick_at };
        let mut messages: Vec<Msg> = Vec::new();
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Exit::Terminated),
            event = keyboard.next() => match event {
                Some(Ok(event)) => messages.extend(message(&event)),
                Some(Err(error)) if is_gone(&error) => return Ok(Exit::TerminalLost),
                Some(Err(error)) => return Err(Error::Keyboard(error)),
                None => return Ok(Exit::TerminalLost),
            },
            () = screen.idle(), if writing || unseen => {}
            next = handle.updates.next(), if !model.ended => messages.push(next.map_or(Msg::Ended, told)),
            Ok(()) = handle.durable.changed() => {
                messages.push(Msg::Durable(handle.durable.borrow_and_update().clone()));
            }
            answer = handle.archive.next() => {
                messages.push(Msg::Past(answer.ticket, answer.page.map_err(|error| error.to_string())));
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        if !drain(&mut handle, &mut keyboard, &mut messages)? {
            return Ok(Exit::TerminalLost);
        }
        messages.extend(panics.take().into_iter().map(Msg::Panicked));
        if Instant::now() >= tick_at {
            messages.push(Msg::Tick);
        }
        for msg in messages {
            urgent |= !matches!(msg, Msg::Tick | Msg::Events(_) | Msg::Snapshot(_) | Msg::Durable(_) | Msg::Sink(_));
            // What it opens was not in the frame that is being written.
            unseen &= !matches!(msg, Msg::Key(_));
            let head = model.banner.head;
            let effects = update(&mut model, msg, now());
            // What is critical does not wait for the next frame.
            urgent |= model.banner.head != head && model.banner.severity(&model.state) == Some(Severity::Critical);
            if let Some(exit) = perform(effects, &mut model, &mut handle, &mut screen, &mut keyboard, now())? {
                return Ok(exit);
            }
        }
        let wanted = Instant::now() + next_tick(&model);
        tick_at = if Instant::now() >= tick_at { wanted } else { tick_at.min(wanted) };
    }
}

/// The terminal was closed under us: no error, but its end.
fn is_gone(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::IO, Errno::NXIO, Errno::BADF, Errno::NOTTY].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| gone.contains(&code))
}

/// Everything that waits, up to a bound, so that a frame shows the latest; `false` when the terminal is
/// gone.
fn drain(handle: &mut SessionHandle, keyboard: &mut EventStream, messages: &mut Vec<Msg>) -> Result<bool, Error> {
    for _ in 0..DRAIN {
        match keyboard.next().now_or_never() {
            Some(Some(Ok(event))) => messages.extend(message(&event)),
            Some(Some(Err(error))) if is_gone(&error) => return Ok(false),
            Some(Some(Err(error))) => return Err(Error::Keyboard(error)),
            Some(None) | None => break,
        }
    }
    for _ in 0..DRAIN {
        let Some(next) = handle.updates.try_next() else { break };
        messages.push(told(next));
    }
    // After the events whose place on disk it tells of.
    if handle.durable.has_changed().unwrap_or(false) {
        messages.push(Msg::Durable(handle.durable.borrow_and_update().clone()));
    }
    if let Some(sink) = &mut handle.sink
        && sink.has_changed().unwrap_or(false)
    {
        messages.push(Msg::Sink(Box::new(sink.borrow_and_update().clone())));
    }
    Ok(true)
}

fn told(update: Update) -> Msg {
    match update {
        Update::Events(records) => Msg::Events(records),
        Update::Snapshot(state) => Msg::Snapshot(state),
    }
}

fn message(event: &TerminalEvent) -> Option<Msg> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(Press::from(*key))),
        TerminalEvent::Paste(_) => Some(Msg::Paste),
        TerminalEvent::FocusGained => Some(Msg::FocusGained),
        TerminalEvent::FocusLost => Some(Msg::FocusLost),
        TerminalEvent::Resize(columns, rows) => Some(Msg::Resize(*columns, *rows)),
        _ => None,
    }
}

/// Does what the model wants done; the exit when the dashboard is to end.
fn perform(
    effects: Vec<Effect>,
    model: &mut Model,
    handle: &mut SessionHandle,
    screen: &mut Screen,
    keyboard: &mut EventStream,
    now: Now,
) -> Result<Option<Exit>, Error> {
    let mut effects = VecDeque::from(effects);
    while let Some(effect) = effects.pop_front() {
        match effect {
            Effect::Send(armed) => {
                if handle.commands.send(armed.get().clone()).is_err() {
                    effects.extend(update(model, Msg::NotDelivered(armed), now));
                }
            }
            Effect::Title(text) => screen.write(&terminal::title(&text)),
            Effect::Ring(notification) => {
                screen.write(&terminal::ring(&notification, |name| std::env::var(name).ok()));
            }
            Effect::Notify(notification) => notify(model, &notification),
            Effect::Copy(text) => screen.write(&terminal::copy(&text)),
            Effect::Suspend => suspend(model, screen, keyboard, now)?,
            Effect::Look { source, ticket, query } => handle.archive.ask(source, ticket, query),
            Effect::Leave(exit) => return Ok(Some(exit)),
        }
    }
    Ok(None)
}

/// Runs the operator's notification command, when there is one.
fn notify(model: &mut Model, notification: &Notification) {
    let Some(command) = &model.setup.dashboard.notify_command else { return };
    if let Err(text) = hook::run(command, notification) {
        model.banner.raise("notify", Severity::Warning, text, model.now);
    }
}

/// Gives the terminal back, stops the process, and takes the terminal again when it goes on. Keys
/// that were typed meanwhile were meant for the shell: they are dropped.
fn suspend(model: &mut Model, screen: &mut Screen, keyboard: &mut EventStream, now: Now) -> Result<(), Error> {
    screen.leave();
    // A group without a shell to bring it back cannot be stopped; then the dashboard just goes on.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
    screen.enter()?;
    *keyboard = EventStream::new();
    while crossterm::event::poll(Duration::ZERO).map_err(Error::Keyboard)? {
        crossterm::event::read().map_err(Error::Keyboard)?;
    }
    update(model, Msg::Resumed, now);
    Ok(())
}
