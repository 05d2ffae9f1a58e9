//! The program, its output, and its end.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::machine::port;
use crate::orders::Orders;

/// Where the program's checks say what they skip.
const SKIP_LOG: &str = "/run/skipped";

/// Exit code of a program that is there but cannot be executed, as of a shell.
const CANNOT_EXECUTE: i32 = 126;
/// Exit code of a program that is not there, as of a shell.
const NOT_FOUND: i32 = 127;

/// How a program ended.
pub(crate) enum End {
    /// With this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// Runs the program until it and all its descendants have ended; these are killed when it ends.
pub(crate) fn run(orders: &Orders) -> io::Result<End> {
    fs::create_dir_all(&orders.directory)?;
    let (program, arguments) = orders.arguments.split_first().ok_or(io::ErrorKind::NotFound)?;
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(orders.environment.iter().map(|(name, value)| (name, value)))
        .env("WHARF_SKIP_LOG", SKIP_LOG)
        .current_dir(&orders.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(not_run(program.as_ref(), &error)),
    };
    let copies = [
        child.stdout.take().map(|pipe| copy(pipe, "stdout")),
        child.stderr.take().map(|pipe| copy(pipe, "stderr")),
    ];
    let end = wait_for(Pid::from_child(&child))?;
    end_others()?;
    for copy in copies.into_iter().flatten() {
        copy.join()
            .map_err(|_| io::Error::other("whoever passes the program's output on panicked"))??;
    }
    Ok(end)
}

fn not_run(program: &Path, error: &io::Error) -> End {
    if let Ok(mut stderr) = port("stderr") {
        // The exit code says it, too.
        let _ = writeln!(stderr, "guest: {}: {error}", program.display());
    }
    End::Exit(if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        CANNOT_EXECUTE
    })
}

/// Passes what comes through the pipe on to the host. The program has a pipe, as ports take one writer only.
fn copy(mut pipe: impl Read + Send + 'static, name: &'static str) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut port = port(name)?;
        // Not `io::copy`, which splices: a port takes an empty pipe for its end.
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = pipe.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            port.write_all(&bytes[..count])?;
        }
    })
}

/// Waits for the program, and meanwhile for orphans, which become children of the first process.
fn wait_for(program: Pid) -> io::Result<End> {
    loop {
        match rustix::process::wait(WaitOptions::empty())? {
            Some((pid, status)) if pid == program => return end_of(status),
            _ => {}
        }
    }
}

fn end_of(status: WaitStatus) -> io::Result<End> {
    if let Some(code) = status.exit_status() {
        return Ok(End::Exit(code));
    }
    let signal = status.terminating_signal().map(End::Signal);
    signal.ok_or_else(|| io::Error::other(format!("the program ended in an unknown way: {status:?}")))
}

/// Kills whoever is left until nobody is.
fn end_others() -> io::Result<()> {
    loop {
        for pid in others()? {
            // Kernel threads do not care, and who has just ended need not.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn others() -> io::Result<Vec<Pid>> {
    let mut others = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        others.extend(number.and_then(Pid::from_raw).filter(|&pid| pid != Pid::INIT));
    }
    Ok(others)
}

/// What the program's checks said that they skip.
pub(crate) fn skipped() -> Vec<String> {
    let log = fs::read_to_string(SKIP_LOG).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}
