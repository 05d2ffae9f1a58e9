//! The director's ends of the conversation. None of them blocks.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::line::{LineError, Lines, to_line};
use super::message::{Order, Word};

/// Why there is no place for children to connect to.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a control socket in {}: {source}", directory.display())]
pub(crate) struct ListenError {
    /// Where it was to be.
    directory: PathBuf,
    /// What the system said.
    source: io::Error,
}

/// Where children connect. The socket lies in a directory of its own that only this user can enter; both are removed when this
/// is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    _directory: Directory,
}

/// A directory with at most one file in it, removed when dropped. Unlike the general way, that needs no descriptor, of which
/// there may be none left.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    file: PathBuf,
}

impl Directory {
    fn create(file: &str) -> io::Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("wharf-recorder-")
            .permissions(PermissionsExt::from_mode(0o700))
            .tempdir()?
            .keep();
        let file = path.join(file);
        Ok(Self { path, file })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is empty and in a place for temporary files.
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir(&self.path);
    }
}

impl Listener {
    pub(crate) fn new() -> Result<Self, ListenError> {
        Self::create().map_err(|source| ListenError {
            directory: std::env::temp_dir(),
            source,
        })
    }

    fn create() -> io::Result<Self> {
        let directory = Directory::create("control")?;
        let socket = UnixListener::bind(&directory.file)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path: directory.file.clone(),
            _directory: directory,
        })
    }

    /// The path to connect to.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection of a process of this user, with the number of the process; `None` if nobody waits.
    ///
    /// # Errors
    ///
    /// What the system says, for example that this process has too many descriptors; who waits goes on to do so.
    pub(crate) fn accept(&self) -> io::Result<Option<(u32, Line)>> {
        loop {
            let socket = match self.socket.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Ok(Some(accepted)) = identify(socket) {
                return Ok(Some(accepted));
            }
        }
    }
}

/// Makes a line of a connection, unless it is another user's.
fn identify(socket: UnixStream) -> io::Result<Option<(u32, Line)>> {
    let peer = socket_peercred(&socket)?;
    if peer.uid != geteuid() {
        return Ok(None);
    }
    socket.set_nonblocking(true)?;
    let line = Line {
        socket,
        lines: Lines::default(),
        unsent: Vec::new(),
    };
    // CAST: process numbers are positive.
    Ok(Some((peer.pid.as_raw_nonzero().get().unsigned_abs(), line)))
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The connection to a child.
#[derive(Debug)]
pub(crate) struct Line {
    socket: UnixStream,
    lines: Lines,
    unsent: Vec<u8>,
}

/// What came from a child.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Its words, in order.
    pub(crate) words: Vec<Word>,
    /// Whether it has hung up.
    pub(crate) hung_up: bool,
    /// What was wrong with what it said, after those words.
    pub(crate) nonsense: Option<LineError>,
}

impl Line {
    /// Sends an order, now or when [`Self::flush`] finds room for it.
    pub(crate) fn tell(&mut self, order: &Order) {
        // Orders are plain data, which always has a form in JSON.
        if let Ok(line) = to_line(order) {
            self.unsent.extend_from_slice(&line);
        }
        self.flush();
    }

    /// Whether there is something left to send.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what there is room for. What a child that hung up does not get is forgotten.
    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(bytes) => drop(self.unsent.drain(..bytes)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.unsent.clear(),
            }
        }
    }

    /// Takes what the child has said.
    pub(crate) fn hear(&mut self) -> Heard {
        let (mut heard, mut buffer) = (Heard::default(), [0; 4096]);
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => heard.hung_up = true,
                Ok(bytes) => self.lines.push(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return heard,
                Err(_) => heard.hung_up = true,
            }
            loop {
                match self.lines.next() {
                    Ok(Some(word)) => heard.words.push(word),
                    Ok(None) => break,
                    Err(error) => {
                        heard.nonsense = Some(error);
                        return heard;
                    }
                }
            }
            if heard.hung_up {
                return heard;
            }
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_is_known_by_its_process_and_heard_to_its_last_word() {
        let listener = Listener::new().unwrap();
        assert!(listener.accept().unwrap().is_none());
        let mut child = UnixStream::connect(listener.path()).unwrap();
        let (pid, mut line) = listener.accept().unwrap().unwrap();
        assert_eq!(pid, std::process::id());
        line.tell(&Order::Begin);
        assert!(!line.has_unsent());
        child.write_all(b"\"joined\"\n\"record_due\"\n\"jo").unwrap();
        assert_eq!(line.hear().words, [Word::Joined, Word::RecordDue]);
        child.write_all(b"ined\"\n").unwrap();
        drop(child);
        let heard = line.hear();
        assert_eq!(heard.words, [Word::Joined]);
        assert!(heard.hung_up && heard.nonsense.is_none());
        line.tell(&Order::Stop);
        line.tell(&Order::Stop);
        assert!(!line.has_unsent());
    }

    #[test]
    fn nonsense_is_told_apart() {
        let listener = Listener::new().unwrap();
        let mut child = UnixStream::connect(listener.path()).unwrap();
        let (_, mut line) = listener.accept().unwrap().unwrap();
        child.write_all(b"\"joined\"\n\"what?\"\n").unwrap();
        let heard = line.hear();
        assert_eq!(heard.words, [Word::Joined]);
        assert!(heard.nonsense.is_some());
    }

    #[test]
    fn directory_is_private_and_goes_with_the_listener() {
        let listener = Listener::new().unwrap();
        let directory = listener.path().parent().unwrap().to_path_buf();
        let mode = directory.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(listener);
        assert!(!directory.exists());
    }
}
