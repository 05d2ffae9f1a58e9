//! A consumer that tries to write what it may only read, by the means that safe code has.

use crate::stage::{Failure, Part, perform};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;
use wharf::{Session, Token};
use wharf_linux::Memfd;
use wharf_memory::{Access, Mapping};
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{JoinStream, Policy, Register};
use wharf_testkit::actor::{Attempt, Order, Report};

const PATIENCE: Duration = Duration::from_secs(10);
// CAST: usize is at most 64 bits wide on Linux.
const OWN_PAGE_BYTES: u64 = wharf_stream::CONSUMER_PAGE_BYTES as u64;
const LOOT: &[u8] = b"overwritten";

pub(crate) fn play() -> Result<(), Failure> {
    perform(Intruder)
}

struct Intruder;

impl Part for Intruder {
    fn is_busy(&self) -> bool {
        false
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn obey(&mut self, order: Order, _session: &Session) -> Result<Report, Failure> {
        match order {
            Order::Intrude { socket, token } => Ok(Report::Attempts(intrude(&socket, token)?)),
            order => Err(format!("{order:?} is not for an intruder").into()),
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Joins over a connection of its own, to have the descriptors that the library does not give out, and attacks each.
fn intrude(socket: &Path, token: Token) -> Result<Vec<Attempt>, Failure> {
    let mut client = BlockingClient::connect(socket, PATIENCE)?;
    let label = "intruder".to_owned();
    client.call(Register { label }, &[], PATIENCE)?;
    let own = Memfd::create("intruder", OWN_PAGE_BYTES)?;
    own.seal_future_writes()?;
    let request = JoinStream::new(token, 1, Policy::Latest);
    let (_, fds) = client.call(request, &[own.as_fd()], PATIENCE)?;
    let mut attempts = Vec::new();
    for (index, fd) in fds.into_iter().enumerate() {
        let target = match index {
            0 => "ring page".to_owned(),
            1 => "status page".to_owned(),
            // The producer's process is no memory.
            2 => continue,
            index => format!("buffer {}", index - 3),
        };
        attempts.extend(attack_all(&target, &fd)?);
    }
    Ok(attempts)
}

/// An attack on a descriptor, and its name.
type Attack = (&'static str, fn(&OwnedFd) -> Result<(), Errno>);

const ATTACKS: [Attack; 14] = [
    ("write", |fd| rustix::io::write(fd, LOOT).map(drop)),
    ("pwrite", |fd| rustix::io::pwrite(fd, LOOT, 0).map(drop)),
    ("truncate", |fd| rustix::fs::ftruncate(fd, 0)),
    ("grow", |fd| rustix::fs::ftruncate(fd, 1 << 30)),
    ("punch", |fd| punch(fd)),
    ("writable mapping", |fd| map_writable(fd)),
    ("pwrite after opening again", |fd| {
        rustix::io::pwrite(reopen(fd)?, LOOT, 0).map(drop)
    }),
    ("truncate after opening again", |fd| {
        rustix::fs::ftruncate(reopen(fd)?, 0)
    }),
    ("grow after opening again", |fd| {
        rustix::fs::ftruncate(reopen(fd)?, 1 << 30)
    }),
    ("punch after opening again", |fd| punch(&reopen(fd)?)),
    ("writable mapping after opening again", |fd| {
        map_writable(&reopen(fd)?)
    }),
    ("opening to truncate", open_to_truncate),
    ("pwrite after changing the mode", |fd| {
        rustix::fs::fchmod(fd, Mode::from_raw_mode(0o666))?;
        rustix::io::pwrite(reopen(fd)?, LOOT, 0).map(drop)
    }),
    ("writing to the mapping through /proc", write_through_proc),
];

fn attack_all(target: &str, fd: &OwnedFd) -> Result<Vec<Attempt>, Failure> {
    let before = contents(fd)?;
    let mut attempts = Vec::new();
    for (attack, run) in ATTACKS {
        let outcome = run(fd);
        attempts.push(Attempt {
            target: target.to_owned(),
            attack: attack.to_owned(),
            errno: outcome.err().map(Errno::raw_os_error),
            is_unchanged: contents(fd)? == before,
        });
    }
    Ok(attempts)
}

/// All bytes there are.
fn contents(fd: &OwnedFd) -> Result<Vec<u8>, Failure> {
    // CAST: no file has a negative size, and these are small.
    let mut bytes = vec![0; rustix::fs::fstat(fd)?.st_size as usize];
    let read = rustix::io::pread(fd, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Opens the memory for writing: the kernel allows that, and only seals stand in the way of what follows.
fn reopen(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path_of(fd), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

fn path_of(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn punch(fd: &OwnedFd) -> Result<(), Errno> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(fd, flags, 0, 4096)
}

fn map_writable(fd: &OwnedFd) -> Result<(), Errno> {
    Mapping::map(fd, 4096, Access::ReadWrite)
        .map(drop)
        .map_err(|error| error.errno())
}

fn open_to_truncate(fd: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
    rustix::fs::open(path_of(fd), flags, Mode::empty()).map(drop)
}

/// Writes to a read-only mapping the way a debugger does.
fn write_through_proc(fd: &OwnedFd) -> Result<(), Errno> {
    let mapping = Mapping::map(fd, 4096, Access::ReadOnly).map_err(|error| error.errno())?;
    let written = address_of(fd).and_then(|address| {
        let memory = fs::OpenOptions::new().write(true).open("/proc/self/mem")?;
        memory.write_all_at(LOOT, address)
    });
    drop(mapping);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Where this process has mapped the memory, by its inode.
fn address_of(fd: &OwnedFd) -> std::io::Result<u64> {
    let inode = fs::File::from(fd.try_clone()?).metadata()?.ino().to_string();
    let maps = fs::read_to_string("/proc/self/maps")?;
    let is_it = |line: &&str| line.split_whitespace().nth(4) == Some(&inode);
    let start = maps.lines().find(is_it).and_then(|line| line.split_once('-'));
    let address = start.and_then(|(start, _)| u64::from_str_radix(start, 16).ok());
    address.ok_or_else(|| std::io::ErrorKind::NotFound.into())
}
