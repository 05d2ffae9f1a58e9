//! The processes of a run: the guardian's child is the supervisor, whose child is the program.

use std::fmt::Display;

use rustix::process::Pid;
use wharf_testkit::{Process, eventually};

use crate::support::PATIENCE;

/// The guardian: the process that was started.
pub(crate) fn guardian(run: &Process) -> Pid {
    Pid::from_raw(run.pid().cast_signed()).unwrap()
}

/// The parent of a process, in whichever namespace: the supervisor of a program.
pub(crate) fn parent(of: impl Display) -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{of}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Pid::from_raw(parent.unwrap().trim().parse().unwrap()).unwrap()
}

/// The first child of a process, if it has one by now.
pub(crate) fn first_child(of: Pid) -> Option<Pid> {
    let of = of.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// The supervisor and the program of a run, once that is what it is to be.
pub(crate) fn supervisor_and_program(guardian: Pid, name: &str) -> (Pid, Pid) {
    let begun = || {
        let supervisor = first_child(guardian).ok_or("no supervisor")?;
        let program = first_child(supervisor).ok_or("no program")?;
        let of = program.as_raw_nonzero();
        let found = std::fs::read_to_string(format!("/proc/{of}/comm")).unwrap_or_default();
        let is_it = found.starts_with(name);
        is_it.then_some((supervisor, program)).ok_or("not yet")
    };
    eventually(PATIENCE, begun).unwrap()
}
