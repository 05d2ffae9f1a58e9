//! The programs, compiled once each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use wharf_testkit::skip;

use crate::support::{Ended, run, run_unprivileged};

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
    run_unprivileged(options, &program(name, linked)?)
}
