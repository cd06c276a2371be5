//! Raw mode, the alternate screen, and their way back.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd as _;
use std::time::Duration;

use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;

use super::bounded::Bounded;
use super::pen::{Ink, Pen};
use crate::tui::model::Model;
use crate::tui::theme::Theme;
use crate::tui::view;

/// How long a terminal that takes nothing is waited for when it is given back.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the dashboard cannot have the terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// There is none.
    #[error(
        "standard output is not a terminal, and the dashboard needs one. For scripts and pipes use: perpdeck run --headless"
    )]
    NotATerminal,
    /// It does not obey.
    #[error("the terminal cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// The terminal while the dashboard has it; given back when dropped.
pub struct Screen {
    terminal: Terminal<Bounded<Pen>>,
    ink: Ink,
    taken: bool,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none, or it does not obey.
    pub fn take() -> Result<Self, TerminalError> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(TerminalError::NotATerminal);
        }
        // Colours are chosen by the theme alone: crossterm's own answer to NO_COLOR resets weight
        // and reverse video too, and with them the banner.
        crossterm::style::force_color_output(true);
        let pen = Pen::on_stdout()?;
        let ink = pen.ink();
        let mut screen = Self { terminal: Terminal::new(Bounded::new(pen))?, ink, taken: false };
        screen.enter()?;
        Ok(screen)
    }

    /// Takes it again, after it was given back.
    ///
    /// # Errors
    /// When it does not obey.
    pub fn enter(&mut self) -> Result<(), TerminalError> {
        enable_raw_mode()?;
        self.taken = true;
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange,
            cursor::Hide
        )?;
        self.terminal.backend_mut().write_all(b"\x1b[22;2t")?;
        // Not `clear`: it asks the terminal where its cursor is, and waits two seconds for one that
        // does not answer. A resize to the same size clears as well.
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())?;
        Ok(())
    }

    /// Gives it back; a terminal that takes nothing is waited for, though not for long.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.taken) {
            // Writing to a pen does not fail.
            let _ = give_back(self.terminal.backend_mut());
            self.ink.finish(LAST_WORDS);
            let _ = disable_raw_mode();
        }
    }

    /// Whether everything is written: the next frame may be drawn.
    pub fn is_idle(&self) -> bool {
        self.ink.is_idle()
    }

    /// Waits until everything is written, or the terminal is gone. Cancel safe.
    pub async fn idle(&self) {
        self.ink.idle().await;
    }

    /// Whether the terminal is gone.
    pub fn is_lost(&self) -> bool {
        self.ink.is_lost()
    }

    /// Draws a frame, as one update of the terminal.
    ///
    /// # Errors
    /// When the terminal does not take it.
    pub fn draw(&mut self, model: &mut Model, theme: &Theme) -> Result<(), TerminalError> {
        self.terminal.autoresize()?;
        let area = self.terminal.get_frame().area();
        model.size = (area.width, area.height);
        model.refresh();
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view::draw(model, theme, frame.buffer_mut()))?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())?;
        Ok(())
    }

    /// Writes bytes that are no part of the frame: title, bell, clipboard. A terminal that takes nothing
    /// does without.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.ink.has_room(bytes.len()) {
            let pen = self.terminal.backend_mut();
            // Writing to a pen does not fail.
            let _ = pen.write_all(bytes).and_then(|()| Write::flush(pen));
        }
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// When the terminal does not say.
    pub fn size(&self) -> Result<(u16, u16), TerminalError> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Everything that was taken, given back, from the panic hook, which has no [`Screen`]. A terminal that
/// takes nothing does not hold up the end.
pub(super) fn restore() {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let restoring = std::thread::Builder::new().name("restore".into()).spawn(move || {
        if let Ok(out) = io::stdout().as_fd().try_clone_to_owned() {
            let _ = give_back(&mut File::from(out));
        }
        let _ = tell.send(());
    });
    if restoring.is_ok() {
        let _ = told.recv_timeout(LAST_WORDS);
    }
    let _ = disable_raw_mode();
}

fn give_back(out: &mut impl Write) -> io::Result<()> {
    queue!(out, EndSynchronizedUpdate, DisableFocusChange, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show)?;
    out.write_all(b"\x1b[23;2t")?;
    out.flush()
}
