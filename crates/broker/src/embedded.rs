//! A broker inside the process that uses it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, mkdir, rmdir};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::config::Config;
use crate::error::ServeError;
use crate::server::Server;
use crate::socket::BindError;

/// A broker that runs in a thread of this process and is stopped when dropped.
///
/// Its socket is in a directory of its own that only this user can enter. Programs started by this process use it when
/// they are told its path.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wharf_broker::Embedded;
/// use wharf_protocol::Register;
/// use wharf_protocol::transport::BlockingClient;
///
/// let broker = Embedded::start()?;
/// let patience = Duration::from_secs(5);
/// let mut client = BlockingClient::connect(broker.socket_path(), patience)?;
/// let (reply, _) = client.call(Register { label: "camera".to_owned() }, &[], patience)?;
/// assert_eq!(reply.pid, std::process::id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Embedded {
    /// Stopped before the directory goes.
    _thread: Running,
    directory: Directory,
}

/// Why no broker could be started in this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// There is no place for the socket.
    #[error("cannot create the directory {} for the broker's socket: {errno}", path.display())]
    Directory {
        /// What was to be created.
        path: PathBuf,
        /// What the system said.
        errno: Errno,
    },
    /// The socket cannot be served.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The thread cannot be started.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl EmbeddedError {
    /// The system's error number.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Directory { errno, .. } => *errno,
            Self::Bind(error) => error.errno(),
            Self::Serve(error) => error.errno(),
        }
    }
}

impl Embedded {
    /// Starts a broker with the default configuration.
    ///
    /// # Errors
    /// [`EmbeddedError`]: the system has no place for the socket, no descriptors or no threads left.
    pub fn start() -> Result<Self, EmbeddedError> {
        let directory = Directory::create()?;
        let server = Server::bind_here(&directory.socket, Config::default())?;
        let thread = Running::start(server)?;
        Ok(Self {
            _thread: thread,
            directory,
        })
    }

    /// Where clients can connect.
    #[must_use]
    pub fn socket_path(&self) -> &Path {
        &self.directory.socket
    }
}

/// A directory that only this user can enter, removed when dropped.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    socket: PathBuf,
}

impl Directory {
    fn create() -> Result<Self, EmbeddedError> {
        let mut bits = [0; 8];
        let random = getrandom(&mut bits, GetRandomFlags::empty()).map(|_| u64::from_ne_bytes(bits));
        let name = format!("wharf-{}-{:016x}", std::process::id(), random.unwrap_or(0));
        let path = std::env::temp_dir().join(name);
        match mkdir(&path, Mode::RWXU) {
            Ok(()) => Ok(Self {
                socket: path.join("wharf-0"),
                path,
            }),
            Err(errno) => Err(EmbeddedError::Directory { path, errno }),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(errno) = rmdir(&self.path) {
            tracing::warn!(%errno, path = %self.path.display(), "cannot remove the broker's directory");
        }
    }
}

/// The thread of a broker, stopped when dropped.
#[derive(Debug)]
struct Running {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut server: Server) -> Result<Self, ServeError> {
        let stop = eventfd(0, EventfdFlags::CLOEXEC)
            .map(Arc::new)
            .map_err(|errno| ServeError {
                action: "create an event descriptor",
                errno,
            })?;
        let watched = Arc::clone(&stop);
        let serve = move || {
            if let Err(error) = server.run(&*watched) {
                tracing::error!(%error, "the embedded broker has stopped");
            }
        };
        let thread = Builder::new()
            .name("wharf-broker".to_owned())
            .spawn(serve)
            .map_err(|error| {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
                ServeError {
                    action: "start a thread",
                    errno,
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Adding 1 to a counter that starts at 0 and is never read cannot fail.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself.
            let _ = thread.join();
        }
    }
}
