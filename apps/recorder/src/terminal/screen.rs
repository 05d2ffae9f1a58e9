//! The terminal itself: entered, left in every case, and asked for keys.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

use super::keys::{Key, Keys};

/// Alternate screen, no cursor, no line wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// Ends a picture that was being drawn, and undoes [`ENTER`].
const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal's state from before, while this process has it in its hands.
static ENTERED: Mutex<Option<Rescue>> = Mutex::new(None);

/// The terminal while it shows pictures. Dropping it, or a panic anywhere in the process, puts the terminal
/// back as it was.
#[derive(Debug)]
pub struct Screen {
    /// Where keys come from: a descriptor of its own, so that nobody else's buffer is in between.
    input: OwnedFd,
    keys: Keys,
}

impl Screen {
    /// Whether there is a terminal to draw in: standard output is one, it has a size, claims to be more than a
    /// typewriter, and this process is not in its background.
    #[must_use]
    pub fn is_available() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let stdout = rustix::stdio::stdout();
        let has_size = || tcgetwinsize(stdout).is_ok_and(|size| size.ws_col > 0 && size.ws_row > 0);
        io::stdout().is_terminal()
            && !dumb
            && has_size()
            && tcgetpgrp(stdout).is_ok_and(|group| group == getpgrp())
    }

    /// Takes over the terminal of standard output; keys are read from standard input or, if that is something
    /// else, from `/dev/tty`.
    ///
    /// # Errors
    ///
    /// What the system says; then the terminal is as it was.
    pub fn enter() -> io::Result<Self> {
        restore_on_panic();
        let stdin = rustix::stdio::stdin();
        let input = if isatty(stdin) {
            rustix::io::fcntl_dupfd_cloexec(stdin, 0)?
        } else {
            File::open("/dev/tty")?.into()
        };
        let rescue = Rescue::of(rustix::io::fcntl_dupfd_cloexec(&input, 0)?)?;
        let mut raw = rescue.state.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Drain, &raw)?;
        *entered() = Some(rescue);
        let screen = Self {
            input,
            keys: Keys::default(),
        };
        send(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows of the terminal.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(rustix::stdio::stdout())?;
        Ok((size.ws_col, size.ws_row))
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

    /// The keys of meaning that were pressed since the last call. Does not wait.
    ///
    /// # Errors
    ///
    /// What the system says, or `EIO` when the terminal is gone.
    pub fn pressed(&mut self) -> io::Result<Vec<Key>> {
        let mut pressed = Vec::new();
        let mut buffer = [0; 256];
        while is_readable(&self.input)? {
            match rustix::io::read(&self.input, &mut buffer) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(bytes) => pressed.extend(self.keys.push(&buffer[..bytes])),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(pressed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn is_readable(fd: impl AsFd) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut fds, Some(&at_once)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn send(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn entered() -> std::sync::MutexGuard<'static, Option<Rescue>> {
    ENTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the terminal back, once; what fails cannot be helped.
fn leave() {
    let rescue = entered().take();
    if let Some(rescue) = rescue {
        let _ = rescue.restore();
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

/// The terminal's state, kept to put it back: by a [`Screen`], and by the parent of a process with one, which
/// may be killed and cannot then.
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
        Self::of(terminal).ok()
    }

    fn of(terminal: OwnedFd) -> io::Result<Self> {
        let state = tcgetattr(&terminal)?;
        Ok(Self { terminal, state })
    }

    /// Puts the terminal back into the remembered state.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn restore(&self) -> io::Result<()> {
        let sent = send(LEAVE);
        tcsetattr(&self.terminal, OptionalActions::Drain, &self.state)?;
        sent
    }
}
