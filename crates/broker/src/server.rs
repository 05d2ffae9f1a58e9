//! A broker that serves a socket.

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::sockopt::socket_acceptconn;
use wharf_linux::Heaps;

use crate::config::Config;
use crate::descriptor_limit::raise_descriptor_limit;
use crate::driver::{Driver, heaps_of_this_machine};
use crate::error::ServeError;
use crate::socket::{BindError, ListeningSocket, PathLock};

/// A broker, ready to serve.
///
/// Clients can connect from the moment it exists; they are answered while [`Server::run`] runs. When it is dropped, all
/// connections end and the socket is removed. Memory that clients have mapped stays theirs, and streams they
/// have joined go on. Contract: P6.
///
/// # Examples
///
/// ```no_run
/// use std::os::unix::net::UnixStream;
/// use std::path::Path;
/// use wharf_broker::{Config, Server};
///
/// let (stop, _stopper) = UnixStream::pair()?; // dropping the other end stops the broker
/// let mut server = Server::bind(Path::new("/run/user/1000/wharf-0"), Config::default())?;
/// server.run(&stop)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    /// Dropped first: while the socket is open nobody else's can have its inode, by which it is known to be ours.
    socket: Option<ListeningSocket>,
    driver: Driver,
    /// Dropped last: whoever gets the lock finds no socket of ours.
    _lock: Option<PathLock>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Creates a socket at `path` that only the user of this process can connect to, and listens on it.
    ///
    /// At most one broker serves a path: `<path>.lock` is locked for as long as the server exists. A socket that
    /// nobody listens on any more is replaced. Also raises the process's soft limit on open file descriptors to the hard
    /// limit.
    ///
    /// # Errors
    /// See [`BindError`]: the path is served by another program, is not a socket, belongs to another user (`EADDRINUSE`,
    /// `ENOTSOCK`, `EACCES`), is too long (`ENAMETOOLONG`), or the system refuses.
    pub fn bind(path: &Path, config: Config) -> Result<Self, BindError> {
        raise_descriptor_limit();
        Self::bind_here(path, config)
    }

    /// [`Server::bind`], with other heaps for negotiated sets than those of this machine.
    ///
    /// # Errors
    /// As [`Server::bind`].
    ///
    /// # Examples
    /// ```no_run
    /// use std::path::Path;
    /// use std::sync::Arc;
    /// use wharf_broker::{Config, Server};
    /// use wharf_linux::{Heaps, LockedHeap};
    ///
    /// // Nothing that can be swapped out.
    /// let mut heaps = Heaps::new();
    /// heaps.add(Arc::new(LockedHeap))?;
    /// let server = Server::bind_with_heaps(Path::new("/run/user/1000/wharf-0"), Config::default(), heaps)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind_with_heaps(path: &Path, config: Config, heaps: Heaps) -> Result<Self, BindError> {
        raise_descriptor_limit();
        Self::bind_to(path, config, Arc::new(heaps))
    }

    /// Serves a socket that somebody else has bound and removes again, such as systemd.
    ///
    /// Also raises the process's soft limit on open file descriptors to the hard limit.
    ///
    /// # Errors
    /// [`ServeError`]: the socket does not listen (`EINVAL`), or the system refuses.
    pub fn from_listener(listener: UnixListener, config: Config) -> Result<Self, ServeError> {
        let failed = |action| move |errno| ServeError { action, errno };
        match socket_acceptconn(&listener) {
            Ok(true) => {}
            Ok(false) => return Err(failed("serve a socket that does not listen")(Errno::INVAL)),
            Err(errno) => return Err(failed("serve what is not a socket")(errno)),
        }
        listener.set_nonblocking(true).map_err(|error| {
            failed("make the socket non-blocking")(Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        raise_descriptor_limit();
        Ok(Self {
            driver: Driver::new(listener, config, heaps_of_this_machine())?,
            socket: None,
            _lock: None,
        })
    }

    /// [`Server::bind`] without a change to the process.
    pub(crate) fn bind_here(path: &Path, config: Config) -> Result<Self, BindError> {
        Self::bind_to(path, config, heaps_of_this_machine())
    }

    fn bind_to(path: &Path, config: Config, heaps: Arc<Heaps>) -> Result<Self, BindError> {
        let lock = PathLock::acquire(path)?;
        let (socket, listener) = ListeningSocket::create(path)?;
        Ok(Self {
            driver: Driver::new(listener, config, heaps)?,
            socket: Some(socket),
            _lock: Some(lock),
        })
    }

    /// Serves until `stop` is ready for reading or has hung up. Can be called again.
    ///
    /// # Blocking
    /// For as long as that takes; never on a client. Contract: P1.
    ///
    /// # Errors
    /// [`ServeError`]: the system refuses to wait for events. No client can cause this.
    pub fn run(&mut self, stop: impl AsFd) -> Result<(), ServeError> {
        self.driver.run(stop.as_fd())
    }
}
