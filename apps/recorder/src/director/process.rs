//! One child process.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use wharf::SOCKET_ENV;

use crate::conductor::Ending;
use crate::control::{CONTROL_ENV, Line, Order, Word};
use crate::report::Role;

/// Our own program, also if its file has been replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";

/// A child process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    /// Readable once the process has ended.
    pub(super) ended: OwnedFd,
    connection: Connection,
}

/// A child's connection.
#[derive(Debug)]
enum Connection {
    /// The child has not made it yet; what it is to be told then.
    Awaited(Vec<Order>),
    Open(Line),
    /// The child has hung up.
    Closed,
}

/// What a child is started with.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) role: Role,
    pub(super) broker: &'a Path,
    pub(super) control: &'a Path,
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
}

impl Child {
    pub(super) fn start(start: Start<'_>) -> io::Result<Self> {
        let mut process = Command::new(PROGRAM)
            .arg0("recorder")
            .arg(start.role.name())
            .env(SOCKET_ENV, start.broker)
            .env(CONTROL_ENV, start.control)
            .stdin(start.stdin)
            .stdout(start.stdout)
            .spawn()?;
        match watch(&process) {
            Ok(ended) => Ok(Self {
                process,
                ended,
                connection: Connection::Awaited(Vec::new()),
            }),
            Err(errno) => {
                // Better none than one that cannot be watched.
                process.kill()?;
                process.wait()?;
                Err(errno.into())
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Takes the connection that the child has made. It has only one.
    pub(super) fn connected(&mut self, mut line: Line) {
        if let Connection::Awaited(orders) = &self.connection {
            for order in orders {
                line.tell(order);
            }
            self.connection = Connection::Open(line);
        }
    }

    /// The connection, while there is one.
    pub(super) fn line(&self) -> Option<&Line> {
        match &self.connection {
            Connection::Open(line) => Some(line),
            Connection::Awaited(_) | Connection::Closed => None,
        }
    }

    /// Tells the child something, now or as soon as it listens.
    pub(super) fn tell(&mut self, order: Order) {
        match &mut self.connection {
            Connection::Awaited(orders) => orders.push(order),
            Connection::Open(line) => line.tell(&order),
            Connection::Closed => {}
        }
    }

    /// Takes what the child has said, and sends what waits. A child that talks nonsense is killed.
    pub(super) fn converse(&mut self) -> Vec<Word> {
        let Connection::Open(line) = &mut self.connection else {
            return Vec::new();
        };
        line.flush();
        let heard = line.hear();
        if heard.nonsense.is_some() {
            self.kill();
        }
        if heard.hung_up || heard.nonsense.is_some() {
            self.connection = Connection::Closed;
        }
        heard.words
    }

    /// How the process ended; `None` while it lives.
    pub(super) fn ending(&mut self) -> Option<Ending> {
        let status = self.process.try_wait().ok()??;
        Some(match status.signal() {
            Some(signal) => Ending::Signaled(signal),
            None => Ending::Exited(status.code().unwrap_or_default()),
        })
    }

    pub(super) fn kill(&mut self) {
        // It can only have ended by itself just before.
        let _ = self.process.kill();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing happens to a process that has been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn watch(process: &std::process::Child) -> Result<OwnedFd, Errno> {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    pidfd_open(pid.ok_or(Errno::SRCH)?, PidfdFlags::empty())
}
