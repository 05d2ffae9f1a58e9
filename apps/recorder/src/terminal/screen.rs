//! The terminal itself: entered, left in every case, and asked for keys.

use std::io::{self, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Alternate screen, no cursor, no line wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// Ends a picture that was being drawn, and undoes [`ENTER`].
const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether this process has the terminal in its hands.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// What the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Start or stop recording.
    Record,
    /// Leave.
    Quit,
    /// Change the size of the terminal to so many columns and rows.
    Resize {
        /// New number of columns.
        columns: u16,
        /// New number of rows.
        rows: u16,
    },
}

/// The terminal while it shows pictures. Dropping it, or a panic anywhere in the process, puts the terminal
/// back as it was.
#[derive(Debug)]
pub struct Screen {
    _only_open: (),
}

impl Screen {
    /// Whether there is a terminal to draw in: standard output is one, it has a size, and it claims to be
    /// more than a typewriter.
    #[must_use]
    pub fn is_available() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        io::stdout().is_terminal()
            && !dumb
            && terminal::size().is_ok_and(|(columns, rows)| columns > 0 && rows > 0)
    }

    /// Takes over the terminal of standard output; keys are read from standard input or, if that is something
    /// else, from `/dev/tty`.
    ///
    /// # Errors
    ///
    /// What the system says; then the terminal is as it was.
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        terminal::enable_raw_mode()?;
        ENTERED.store(true, Ordering::SeqCst);
        let screen = Self { _only_open: () };
        send(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows of the terminal.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        terminal::size()
    }

    /// Sends what a [`Renderer`](super::Renderer) made.
    ///
    /// # Blocking
    ///
    /// Until the terminal has taken it.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the terminal is gone.
    pub fn draw(&mut self, text: &str) -> io::Result<()> {
        send(text)
    }

    /// Waits up to `timeout` for the user to do something that means something here.
    ///
    /// # Errors
    ///
    /// What the system says, for example that the terminal is gone.
    pub fn poll(&mut self, timeout: Duration) -> io::Result<Option<Input>> {
        if !event::poll(timeout)? {
            return Ok(None);
        }
        Ok(meaning(&event::read()?))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// What an event means, if anything.
fn meaning(event: &Event) -> Option<Input> {
    match *event {
        Event::Resize(columns, rows) => Some(Input::Resize { columns, rows }),
        Event::Key(KeyEvent {
            code,
            modifiers,
            kind: KeyEventKind::Press,
            ..
        }) => match code {
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Some(Input::Quit),
            KeyCode::Char('q' | 'Q') => Some(Input::Quit),
            KeyCode::Char('r' | 'R') => Some(Input::Record),
            _ => None,
        },
        _ => None,
    }
}

fn send(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Puts the terminal back, once; what fails cannot be helped.
fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let _ = send(LEAVE);
        let _ = terminal::disable_raw_mode();
    }
}

/// From now on a panic puts the terminal back before it prints its message.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            previous(panic);
        }));
    });
}

/// The terminal's state, kept by a parent to put it back when a child with a [`Screen`] was killed and could
/// not.
#[derive(Debug)]
pub struct Rescue {
    terminal: OwnedFd,
    state: Termios,
}

impl Rescue {
    /// Remembers the state of the terminal of standard output; `None` if that is none.
    #[must_use]
    pub fn new() -> Option<Self> {
        let terminal = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 0).ok()?;
        let state = tcgetattr(&terminal).ok()?;
        Some(Self { terminal, state })
    }

    /// Puts the terminal back into the remembered state.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn restore(&self) -> io::Result<()> {
        send(LEAVE)?;
        Ok(tcsetattr(&self.terminal, OptionalActions::Drain, &self.state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn keys_have_their_meaning() {
        let plain = |letter| meaning(&key(KeyCode::Char(letter), KeyModifiers::NONE));
        assert_eq!(
            (plain('r'), plain('q'), plain('x'), plain('c')),
            (Some(Input::Record), Some(Input::Quit), None, None)
        );
        assert_eq!(
            meaning(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            Some(Input::Quit)
        );
        assert_eq!(
            meaning(&Event::Resize(80, 24)),
            Some(Input::Resize {
                columns: 80,
                rows: 24
            })
        );
        assert_eq!(meaning(&Event::FocusLost), None);
    }

    #[test]
    fn released_keys_mean_nothing() {
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(meaning(&Event::Key(released)), None);
    }
}
