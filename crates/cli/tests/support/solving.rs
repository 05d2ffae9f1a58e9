//! `wharf solve` and `wharf explain`, on files and on a terminal.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Outcome, wharf};

/// Where the sets are that are shipped.
pub(crate) const SETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sets");

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Solved {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end. It reads what it is given and solves within a budget: it does not wait for anybody.
pub(crate) fn solve(command: &mut Command) -> Solved {
    let output = command.output().expect("it can be started");
    Solved {
        code: output.status.code().expect("it ended by itself"),
        stdout: String::from_utf8(output.stdout).expect("it prints text"),
        stderr: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

/// Runs a command with that in its stdin.
pub(crate) fn wharf_on(arguments: &[&str], input: &str) -> Solved {
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    file.write_all(input.as_bytes()).expect("it takes the input");
    file.rewind().expect("it is a file");
    solve(wharf(arguments).stdin(file))
}

/// Runs a command on a terminal of its own, and returns what it wrote there.
pub(crate) fn on_terminal(mut command: Command) -> Result<String, Box<dyn std::error::Error>> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let name = ptsname(&terminal, Vec::new())?;
    let side = File::options().read(true).write(true).open(name.to_str()?)?;
    let mut child = command.stdin(Stdio::null()).stdout(OwnedFd::from(side)).spawn()?;
    // Its own side is the last one, so that the end of the command is the end of the text.
    drop(command);
    let mut text = Vec::new();
    let mut reader = File::from(terminal);
    let mut piece = [0; 4096];
    // Linux answers EIO when nobody has the other side any more.
    while let Ok(read @ 1..) = reader.read(&mut piece) {
        text.extend_from_slice(&piece[..read]);
    }
    child.wait()?;
    Ok(String::from_utf8(text)?.replace("\r\n", "\n"))
}

/// Compares with what a file says, or writes it there where `UPDATE_EXPECTED` is set.
pub(crate) fn expected(file: &Path, actual: &str) -> Outcome {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(file, actual)?;
    }
    let expected = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    assert_eq!(actual, expected, "{}", file.display());
    Ok(())
}
