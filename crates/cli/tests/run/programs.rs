//! The programs, compiled once each.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;
use wharf_testkit::skip;

use crate::support::{Ended, run, without_environment};

/// How a program is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Linked {
    Dynamically,
    Statically,
}

/// Programs by name and kind: where they are, or why not.
type Compiled = HashMap<(String, Linked), Result<PathBuf, String>>;

static COMPILED: Mutex<Option<Compiled>> = Mutex::new(None);

/// The program `programs/<name>.c`; `None`, said aloud, where it cannot be compiled.
pub(crate) fn program(name: &str, linked: Linked) -> Option<PathBuf> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = compiled.get_or_insert_default();
    let outcome = known
        .entry((name.to_owned(), linked))
        .or_insert_with(|| compile(name, linked))
        .clone();
    match outcome {
        Ok(path) => Some(path),
        Err(reason) => {
            skip(&format!("{name}.c cannot be compiled here: {reason}"));
            None
        }
    }
}

fn compile(name: &str, linked: Linked) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/run/programs/{name}.c"));
    let output =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{linked:?}-{}", std::process::id()));
    let mut command = Command::new("cc");
    command.args(["-O1", "-w", "-pthread"]);
    if linked == Linked::Statically {
        // Low addresses, for calls that enter the kernel the 32-bit way.
        command.args(["-static", "-no-pie"]);
    }
    let made = command
        .arg("-o")
        .arg(&output)
        .arg(source)
        .output()
        .map_err(|error| error.to_string())?;
    if made.status.success() {
        Ok(output)
    } else {
        Err(String::from_utf8_lossy(&made.stderr).into_owned())
    }
}

/// `wharf run` with these options.
pub(crate) fn wharf_run(options: &[&str], program: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::support::wharf(&["run"]);
    command.args(options).arg("--").arg(program).args(arguments);
    command
}

/// What a program leaves behind that is run to its end.
pub(crate) fn outcome(options: &[&str], name: &str, linked: Linked, arguments: &[&str]) -> Option<Ended> {
    Some(run(wharf_run(options, &program(name, linked)?, arguments)))
}

/// The same as a user without any privilege; `None`, said aloud, where this one cannot become such a user.
pub(crate) fn outcome_unprivileged(options: &[&str], name: &str, linked: Linked) -> Option<Ended> {
    let program = program(name, linked)?;
    if !rustix::process::geteuid().is_root() {
        return Some(run(wharf_run(options, &program, &[])));
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        skip("becoming an unprivileged user takes setpriv");
        return None;
    }
    let place = TempDir::new().expect("a directory");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path(), open.clone()).expect("our own directory");
    let copied = |from: &Path, name: &str| {
        let to = place.path().join(name);
        std::fs::copy(from, &to).expect("it can be copied");
        std::fs::set_permissions(&to, open.clone()).expect("our own file");
        to
    };
    let wharf = copied(Path::new(env!("CARGO_BIN_EXE_wharf")), "wharf");
    let program = copied(&program, "program");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(wharf).arg("run").args(options).arg("--").arg(program);
    without_environment(&mut command);
    Some(run(command))
}
