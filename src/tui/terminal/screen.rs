//! Raw mode, the alternate screen, and their way back.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::tui::model::Model;
use crate::tui::theme::Theme;
use crate::tui::view;

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
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
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
        let mut screen = Self {
            terminal: Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout())))?,
            taken: false,
        };
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

    /// Gives it back.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.taken) {
            let _ = self.terminal.backend_mut().flush();
            restore();
        }
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
        self.terminal.backend_mut().flush()?;
        Ok(())
    }

    /// Writes bytes that are no part of the frame: title, bell, clipboard.
    ///
    /// # Errors
    /// When the terminal does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), TerminalError> {
        self.terminal.backend_mut().write_all(bytes)?;
        self.terminal.backend_mut().flush()?;
        Ok(())
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

/// Everything that was taken, given back; also from the panic hook, which has no [`Screen`].
pub(super) fn restore() {
    let mut out = io::stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = out.write_all(b"\x1b[23;2t");
    let _ = out.flush();
    let _ = disable_raw_mode();
}
