//! What the program's process does before it is the program.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigmaskHow, Signal, sigprocmask};
use rustix::io::Errno;
use wharf_protocol::transport::BlockingClient;

use super::channel::Channel;
use super::orders::{Failure, StageReport};
use super::part::Orders;
use super::private_dev;
use crate::error::RunError;
use crate::listener::{filter, sys};

/// Becomes the program. Returns an exit code if that fails, which has been told then.
pub(super) fn run(channel: &Channel, orders: &Orders, program: &[OsString]) -> u8 {
    let Err(error) = become_program(channel, orders, program);
    let code = error.exit_code();
    // Who does not hear it sees the exit code.
    let _ = channel.send(&StageReport::Failed(Failure::from(error)), &[]);
    code
}

fn become_program(
    channel: &Channel,
    orders: &Orders,
    program: &[OsString],
) -> Result<std::convert::Infallible, RunError> {
    let connection = connect(orders);
    let devices = private_dev::enter(&orders.options)?;
    let listener = install_filter(orders)?;
    let fds: Vec<_> = std::iter::once(listener.as_fd())
        .chain(connection.as_ref().map(AsFd::as_fd))
        .collect();
    let told = channel.send(&StageReport::Ready { devices }, &fds);
    told.map_err(|errno| RunError::setup("talk to the supervisor", errno))?;
    drop((listener, connection));
    match channel.receive::<()>() {
        Ok(Some(_)) => execute(orders, program),
        _ => Err(RunError::setup("hear from the supervisor", Errno::PIPE)),
    }
}

/// A connection to the broker made by this process, which is then whose session it is. Without it the session is the supervisor's.
fn connect(orders: &Orders) -> Option<BlockingClient> {
    let socket = orders.broker.as_ref()?;
    BlockingClient::connect(socket, wharf::PATIENCE).ok()
}

fn install_filter(orders: &Orders) -> Result<OwnedFd, RunError> {
    let mut program = filter::program(&orders.options).map_err(|error| RunError::Setup {
        reason: error.to_string(),
        errno: Errno::NOSYS,
    })?;
    let installed = match sys::install_filter(&mut program) {
        // Who may not change the rules for programs with more privileges can give up getting any.
        Err(Errno::ACCESS) => {
            rustix::thread::set_no_new_privs(true)
                .map_err(|errno| RunError::setup("give up new privileges", errno))?;
            sys::install_filter(&mut program)
        }
        installed => installed,
    };
    installed.map_err(|errno| RunError::Setup {
        reason: match errno {
            Errno::BUSY => "cannot supervise calls: this process is supervised by another one already (wharf run within wharf run, or a \
                            container manager that supervises calls), and the kernel allows one"
                .to_owned(),
            Errno::INVAL | Errno::NOSYS => format!("cannot supervise calls: {errno}; it takes Linux 5.19 with seccomp"),
            _ => format!("cannot supervise calls: {errno}"),
        },
        errno,
    })
}

fn execute(orders: &Orders, program: &[OsString]) -> Result<std::convert::Infallible, RunError> {
    let Some((name, arguments)) = program.split_first() else {
        return Err(RunError::setup("run nothing", Errno::INVAL));
    };
    let mut command = Command::new(name);
    command.args(arguments);
    if let Some(socket) = &orders.broker {
        command.env(wharf::SOCKET_ENV, socket);
    }
    block_signals(&orders.blocked);
    let error = command.exec();
    let program = name.to_string_lossy().into_owned();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) | None => Err(RunError::NoProgram { program }),
        Some(errno) => Err(RunError::Program { program, errno }),
    }
}

/// Blocks these signals and no others.
fn block_signals(numbers: &[i32]) {
    let signals = numbers.iter().filter_map(|number| Signal::try_from(*number).ok());
    // Blocking what can be blocked does not fail.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&signals.collect()), None);
}
