//! Starting this executable again as one of the processes of a run.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::stage;
use crate::error::RunError;
use crate::options::Options;
use crate::supervisor;

/// Which of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The one that answers.
    Supervisor,
    /// The one that becomes the program.
    Stage,
}

/// What a process is told when it is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) options: Options,
    /// The broker's socket, once it is known.
    pub(crate) broker: Option<PathBuf>,
    /// The signals that were blocked when the run was begun, and are for the program.
    pub(crate) blocked: Vec<i32>,
    /// Where the supervisor writes down what it is about: a descriptor's number.
    pub(crate) in_flight: Option<i32>,
}

/// The subcommand of this executable that [`play`] is behind.
const SUBCOMMAND: &str = "run-part";

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Stage => "stage",
        }
    }
}

/// Starts this executable again as `part`, with one end of `channel`.
pub(crate) fn start(
    part: Part,
    orders: &Orders,
    program: &[OsString],
    (channel, keep): (&Channel, &[&OwnedFd]),
) -> Result<Child, RunError> {
    let failed = |errno| RunError::setup("start a process of ours", errno);
    let executable = std::env::current_exe().map_err(|error| RunError::io("find this executable", &error))?;
    let number = channel.keep_on_exec().map_err(failed)?;
    for fd in keep {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).map_err(failed)?;
    }
    let orders = serde_json::to_string(orders).map_err(|_| failed(Errno::INVAL))?;
    Command::new(executable)
        .args([SUBCOMMAND, part.name(), &number.to_string(), &orders, "--"])
        .args(program)
        .stdin(Stdio::inherit())
        .spawn()
        .map_err(|error| RunError::io("start a process of ours", &error))
}

/// Plays a part of a run that another process has begun: what the hidden subcommand does. `part` is its name, `fd` and `orders` are as
/// they were passed. Returns the exit code.
///
/// # Errors
/// [`RunError::Setup`]: `EINVAL`, it was not started by a run; anything else has been told to whoever began the run.
pub fn play(part: &str, fd: i32, orders: &str, program: &[OsString]) -> Result<u8, RunError> {
    let misuse = || RunError::setup("do that: this is for wharf run to use", Errno::INVAL);
    let orders: Orders = serde_json::from_str(orders).map_err(|_| misuse())?;
    let channel = Channel::from(inherited(fd).ok_or_else(misuse)?);
    match part {
        "supervisor" => {
            let in_flight = orders.in_flight.and_then(inherited).ok_or_else(misuse)?;
            Ok(supervisor::run(channel, in_flight, &orders, program))
        }
        "stage" => Ok(stage::run(&channel, &orders, program)),
        _ => Err(misuse()),
    }
}

/// A descriptor that was inherited, closed on exec from now on.
fn inherited(fd: i32) -> Option<OwnedFd> {
    if fd <= 2 {
        return None;
    }
    crate::listener::sys::own(fd)
}
