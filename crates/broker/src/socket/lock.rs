//! The lock file beside a socket: at most one broker serves a path.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, open, statat, unlink};
use rustix::io::Errno;
use rustix::process::{geteuid, getpid};

use super::BindError;

/// An exclusive lock on `<socket path>.lock`, held until dropped. The file is removed then.
///
/// The kernel releases the lock when its holder dies, so that a killed broker blocks nobody.
#[derive(Debug)]
pub(crate) struct PathLock {
    file: File,
    path: PathBuf,
}

/// How often the lock file may be replaced under our hands before that counts as interference.
const ATTEMPTS: usize = 16;

impl PathLock {
    /// Takes the lock for `socket`, without waiting.
    pub(crate) fn acquire(socket: &Path) -> Result<Self, BindError> {
        let path = lock_path(socket);
        for _ in 0..ATTEMPTS {
            let mut file = open_lock(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(BindError::AlreadyServed {
                        path: socket.to_owned(),
                        pid: read_pid(&mut file),
                    });
                }
                Err(errno) => return Err(system("lock", &path, errno)),
            }
            // The former holder removes the file before it lets go: a lock on a removed file protects nothing.
            if is_still_at(&file, &path) {
                write_pid(&mut file).map_err(|errno| system("write to", &path, errno))?;
                return Ok(Self { file, path });
            }
        }
        Err(system("lock", &path, Errno::AGAIN))
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        if is_still_at(&self.file, &self.path) {
            // Failure leaves an unlocked file behind, which the next broker takes over.
            let _ = unlink(&self.path);
        }
    }
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn open_lock(path: &Path) -> Result<File, BindError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: OwnedFd = open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| system("open the lock file", path, errno))?;
    let stat = fstat(&file).map_err(|errno| system("inspect", path, errno))?;
    let own_uid = geteuid().as_raw();
    if stat.st_uid != own_uid {
        return Err(BindError::Foreign {
            path: path.to_owned(),
            owner_uid: stat.st_uid,
            own_uid,
        });
    }
    Ok(file.into())
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (fstat(file), statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(held), Ok(found)) => (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino),
        _ => false,
    }
}

fn write_pid(file: &mut File) -> Result<(), Errno> {
    let text = format!("{}\n", getpid().as_raw_nonzero());
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Reads the process id of the lock's holder. What is in the file is only shown to people, never acted upon.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn system(action: &'static str, path: &Path, errno: Errno) -> BindError {
    BindError::System {
        action,
        path: path.to_owned(),
        errno,
    }
}
