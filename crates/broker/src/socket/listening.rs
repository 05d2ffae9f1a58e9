//! A listening socket at a path, private to its user from its first moment.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, fchmod, statat, unlink};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::geteuid;

use super::BindError;
use super::error::MAX_PATH_BYTES;

/// Connections the kernel queues before the broker accepts them.
const BACKLOG: i32 = 128;

/// A listening socket that is removed from the file system when dropped.
#[derive(Debug)]
pub(crate) struct ListeningSocket {
    path: PathBuf,
    /// Device and inode of the socket we made, so that nobody else's file is ever removed.
    identity: (u64, u64),
}

impl ListeningSocket {
    /// Creates the socket at `path`, replacing a stale one. The caller holds the path's lock.
    pub(crate) fn create(path: &Path) -> Result<(Self, UnixListener), BindError> {
        let address = address_of(path)?;
        remove_stale(path, &address)?;
        let listener = new_socket().map_err(|errno| system("make a socket for", path, errno))?;
        // On Linux the mode of the socket's own inode is the mode that bind gives to the file: nobody else can
        // connect, not even between bind and a later chmod.
        fchmod(&listener, Mode::RUSR | Mode::WUSR).map_err(|errno| system("set the mode of", path, errno))?;
        bind(&listener, &address).map_err(|errno| system("create the socket", path, errno))?;
        let stat = stat(path)
            .and_then(|stat| stat.ok_or(Errno::NOENT))
            .map_err(|errno| system("inspect the new socket", path, errno))?;
        let socket = Self {
            path: path.to_owned(),
            identity: (stat.st_dev, stat.st_ino),
        };
        listen(&listener, BACKLOG).map_err(|errno| system("listen on", path, errno))?;
        Ok((socket, listener.into()))
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        if let Ok(Some(found)) = stat(&self.path)
            && (found.st_dev, found.st_ino) == self.identity
        {
            // Failure leaves a stale socket, which the next broker replaces.
            let _ = unlink(&self.path);
        }
    }
}

fn new_socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

fn address_of(path: &Path) -> Result<SocketAddrUnix, BindError> {
    let length_bytes = path.as_os_str().as_bytes().len();
    if length_bytes > MAX_PATH_BYTES {
        return Err(BindError::PathTooLong {
            path: path.to_owned(),
            length_bytes,
        });
    }
    SocketAddrUnix::new(path).map_err(|errno| system("use as a socket path", path, errno))
}

/// Makes room for a new socket: removes one that is ours and that nobody listens on, refuses everything else.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), BindError> {
    let Some(found) = stat(path).map_err(|errno| system("inspect", path, errno))? else {
        return Ok(());
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(BindError::NotASocket {
            path: path.to_owned(),
        });
    }
    let own_uid = geteuid().as_raw();
    if found.st_uid != own_uid {
        return Err(BindError::Foreign {
            path: path.to_owned(),
            owner_uid: found.st_uid,
            own_uid,
        });
    }
    if is_listened_on(address).map_err(|errno| system("probe the existing socket", path, errno))? {
        return Err(BindError::InUse {
            path: path.to_owned(),
        });
    }
    match unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(system("remove the stale socket", path, errno)),
    }
}

/// Whether a program accepts connections at `address`. Does not wait.
fn is_listened_on(address: &SocketAddrUnix) -> Result<bool, Errno> {
    match connect(&new_socket()?, address) {
        // EAGAIN: the listener's queue is full. EPROTOTYPE: somebody uses it for datagrams or packets.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn stat(path: &Path) -> Result<Option<Stat>, Errno> {
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn system(action: &'static str, path: &Path, errno: Errno) -> BindError {
    BindError::System {
        action,
        path: path.to_owned(),
        errno,
    }
}
