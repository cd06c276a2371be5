//! The loop: the only place that waits. Input goes before data, data is drained before a frame is
//! drawn, and nothing is drawn while nothing changed.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::hook;
use super::keymap::{Keymap, KeymapError};
use super::model::{Model, Now, Setup};
use super::terminal::{self, Input, Keyboard, PanicWatch, Screen, Shown, Stamped, TerminalError};
use super::theme::{ASCII, Depth, Theme, ThemeError, UNICODE, locale_is_utf8};
use super::update::{Effect, Exit, Msg, Notification, next_tick, update};
use crate::model::Severity;
use crate::runtime::{SessionHandle, Update};

/// Between two frames over a slow connection.
const SLOW_LINK: Duration = Duration::from_millis(200);
/// A loop that stood still for longer may have missed what was on the screen meanwhile.
const STILL: Duration = Duration::from_millis(100);
/// Between two times that this is taken note of.
const STILL_AGAIN: Duration = Duration::from_secs(2);
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
    resized: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            hang_up: on(SignalKind::hangup())?,
            interrupt: on(SignalKind::interrupt())?,
            resized: on(SignalKind::window_change())?,
        })
    }

    /// The next one; whether it is an end, else the window has another size.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.hang_up.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.resized.recv() => false,
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
    let frame = frame_every(&setup);
    let state = Box::new((*handle.snapshot).clone());
    let size = screen.size()?;
    let mut model = Model::new(state, setup, Arc::clone(&dressing.keymap), size, now());
    model.past.sources = handle.archive.names();
    let mut keyboard = Some(Keyboard::listen().map_err(Error::Keyboard)?);
    let mut shown = Shown::default();
    screen.write(shown.try_out());
    let mut pace = Pace { awake: started, worked: Duration::ZERO, stood_at: None };
    let mut tick_at = Instant::now();
    let mut last_frame: Option<Instant> = None;
    let mut urgent = true;
    let mut unseen = false;
    loop {
        if is_shown(&mut unseen, &mut shown, &mut screen, &model) {
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
        let mut inputs: Vec<Stamped> = Vec::new();
        pace.sleeps();
        tokio::select! {
            biased;
            ends = signals.next() => {
                if ends {
                    return Ok(Exit::Terminated);
                }
                let Ok((columns, rows)) = screen.size() else { return Ok(Exit::TerminalLost) };
                messages.push(Msg::Resize(columns, rows));
            }
            event = next_input(&mut keyboard) => match read(event)? {
                Some(input) => inputs.push(input),
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
        if pace.wakes(wake) {
            messages.insert(0, Msg::StoodStill);
        }
        if !drain(&mut handle, keyboard.as_mut(), &mut inputs, &mut messages)? {
            return Ok(Exit::TerminalLost);
        }
        messages.extend(inputs.into_iter().filter_map(|stamped| message(stamped, started, &mut shown)));
        messages.extend(panics.take().into_iter().map(Msg::Panicked));
        if Instant::now() >= tick_at {
            messages.push(Msg::Tick);
        }
        for msg in messages {
            urgent |= !matches!(msg, Msg::Tick | Msg::Events(_) | Msg::Snapshot(_) | Msg::Durable(_) | Msg::Sink(_));
            let (head, armed) = (model.banner.head, model.prompt_armed());
            let effects = update(&mut model, msg, now());
            // What it asks now was not in the frame that is being written.
            if model.prompt_armed() != armed {
                unseen = false;
                shown.forget();
            }
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

/// Time between two frames at least.
fn frame_every(setup: &Setup) -> Duration {
    if setup.dashboard.slow_link {
        return SLOW_LINK;
    }
    Duration::from_secs(1).checked_div(setup.dashboard.max_fps.max(1)).unwrap_or(SLOW_LINK)
}

/// Whether the last frame is before the eyes: it is written, and a terminal that answers has said so where
/// something asks.
fn is_shown(unseen: &mut bool, shown: &mut Shown, screen: &mut Screen, model: &Model) -> bool {
    let now = Instant::now().into_std();
    if !(*unseen && screen.is_idle()) {
        return shown.gives_up(now);
    }
    *unseen = false;
    if !(shown.answers() && model.wants_to_be_seen()) {
        return true;
    }
    if let Some(request) = shown.ask(now) {
        screen.write(request);
    }
    shown.gives_up(now)
}

/// Whether the loop keeps up.
struct Pace {
    /// Since when it is awake.
    awake: Instant,
    /// How long the work of the round before took.
    worked: Duration,
    /// When it was last taken note of that it did not keep up.
    stood_at: Option<Instant>,
}

impl Pace {
    /// Its work of this round is done.
    fn sleeps(&mut self) {
        self.worked = self.awake.elapsed();
    }

    /// It is awake again, at this time at the latest if all is well; whether it stood still.
    fn wakes(&mut self, wanted: Instant) -> bool {
        self.awake = Instant::now();
        let stood = self.worked >= STILL || self.awake.saturating_duration_since(wanted) >= STILL;
        // Not again and again: on a machine that is always slow nothing could be confirmed.
        let again = self.stood_at.is_none_or(|before| self.awake.saturating_duration_since(before) >= STILL_AGAIN);
        if stood && again {
            self.stood_at = Some(self.awake);
        }
        stood && again
    }
}

/// An input; `None` when the terminal is gone.
fn read(event: Option<std::io::Result<Stamped>>) -> Result<Option<Stamped>, Error> {
    match event {
        Some(Ok(input)) => Ok(Some(input)),
        Some(Err(error)) if is_gone(&error) => Ok(None),
        Some(Err(error)) => Err(Error::Keyboard(error)),
        None => Ok(None),
    }
}

/// The next that the terminal sends.
async fn next_input(keyboard: &mut Option<Keyboard>) -> Option<std::io::Result<Stamped>> {
    match keyboard {
        Some(keyboard) => keyboard.next().await,
        None => None,
    }
}

/// Everything that waits, up to a bound, so that a frame shows the latest; `false` when the terminal is
/// gone.
fn drain(
    handle: &mut SessionHandle,
    keyboard: Option<&mut Keyboard>,
    inputs: &mut Vec<Stamped>,
    messages: &mut Vec<Msg>,
) -> Result<bool, Error> {
    if let Some(keyboard) = keyboard {
        for _ in 0..DRAIN {
            let Some(event) = keyboard.try_next() else { break };
            match read(Some(event))? {
                Some(input) => inputs.push(input),
                None => return Ok(false),
            }
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

fn message(stamped: Stamped, started: Instant, shown: &mut Shown) -> Option<Msg> {
    match stamped.input {
        Input::Key(press) => Some(Msg::Key(press, Instant::from_std(stamped.at).saturating_duration_since(started))),
        Input::Paste => Some(Msg::Paste),
        Input::FocusGained => Some(Msg::FocusGained),
        Input::FocusLost => Some(Msg::FocusLost),
        Input::Answer => shown.answered().then_some(Msg::Drawn),
    }
}

/// Does what the model wants done; the exit when the dashboard is to end.
fn perform(
    effects: Vec<Effect>,
    model: &mut Model,
    handle: &mut SessionHandle,
    screen: &mut Screen,
    keyboard: &mut Option<Keyboard>,
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
fn suspend(model: &mut Model, screen: &mut Screen, keyboard: &mut Option<Keyboard>, now: Now) -> Result<(), Error> {
    // Nobody reads the terminal while the shell has it.
    *keyboard = None;
    screen.leave();
    // A group without a shell to bring it back cannot be stopped; then the dashboard just goes on.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
    screen.enter()?;
    let _ = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
    *keyboard = Some(Keyboard::listen().map_err(Error::Keyboard)?);
    update(model, Msg::Resumed, now);
    Ok(())
}
