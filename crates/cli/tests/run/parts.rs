//! Buffers of parts of memory files: `--exact-udmabuf`.

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};
use wharf_memory::{Access, Mapping};
use wharf_testkit::{Process, ProcessError, eventually, skip};
use xtask::{Ending, Guest, Trouble};

use crate::programs::{Linked, outcome, outcome_unprivileged, program, wharf_run};
use crate::relatives::{first_child, guardian, parent};
use crate::support::PATIENCE;

const EXACT: &[&str] = &["--exact-udmabuf"];

/// What a kernel says to `programs/parts.c`.
const PARTS: &str = include_str!("parts.txt");

/// What a kernel with `vgem` says to it.
const THROUGH_A_CARD: &str = "import: ok
export: ok
what it gave out: 12 13 24 20 21 10
sync: ok
close: ok
what it had given out: 12 13 24 20 21 10
";

const LIMITS: &str = "room for no descriptor: EMFILE
room for one: EMFILE
room for one, one needed: ok
no room for pages: ENOMEM
room for some: ok
a later part sealed: EPERM
what is left of it: ENOMEM
to read: ok
private: EACCES
traced: EPERM
traced, other memory: ok
descriptors left: 0
";

#[test]
fn parts_are_shown_as_by_the_kernel() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        for options in [EXACT, &["--exact-udmabuf", "--vgem"]] {
            if let Some(ended) = outcome(options, "parts", linked, &[]) {
                assert_eq!(ended.output(), PARTS, "{linked:?} {options:?}");
            }
        }
    }
}

#[test]
fn cards_keep_buffers_of_parts_and_give_them_out() {
    let options = ["--exact-udmabuf", "--vgem"];
    if let Some(ended) = outcome(&options, "parts", Linked::Dynamically, &["card"]) {
        assert_eq!(ended.output(), THROUGH_A_CARD);
    }
}

#[test]
fn parts_need_no_privilege() {
    if let Some(ended) = outcome_unprivileged(EXACT, "parts", Linked::Statically) {
        assert_eq!(ended.output(), PARTS);
    }
}

#[test]
fn kernel_shows_parts_in_this_way() {
    let Some(program) = program("parts", Linked::Statically) else {
        return;
    };
    for (argument, said) in [("all", PARTS), ("card", THROUGH_A_CARD)] {
        let guest = Guest::new().module("vgem", "");
        let output = match guest.output(&program, &[argument.into()]) {
            Err(Trouble::Unavailable(reason)) => {
                skip(&format!("parts on a real kernel: {reason}"));
                return;
            }
            other => other.expect("the guest can be started"),
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.outcome.ending, Ending::Exit(0), "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    }
}

#[test]
fn mappings_that_fail_midway_leave_nothing() {
    if let Some(ended) = outcome(EXACT, "parts", Linked::Dynamically, &["limits"]) {
        assert_eq!(ended.output(), LIMITS);
    }
}

#[test]
fn parts_are_refused_where_they_were_not_asked_for() {
    if let Some(ended) = outcome(&[], "parts", Linked::Dynamically, &[]) {
        assert_eq!(ended.stdout, "cannot create a list: EINVAL\n", "{ended:?}");
    }
}

/// A program that makes and closes a hundred buffers as it is told.
struct Obeying {
    process: Process,
    pid: Pid,
    /// A descriptor of a buffer that it has all the time.
    buffer: i32,
}

impl Obeying {
    fn start() -> Option<Self> {
        let program = program("parts", Linked::Dynamically)?;
        let command = wharf_run(EXACT, &program, &["obey"]);
        let mut process = Process::spawn("parts", command, PATIENCE * 4).unwrap();
        let ready = process.hear(PATIENCE).unwrap();
        let numbers: Vec<i32> = ready
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [pid, buffer] = numbers.try_into().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        Some(Self { process, pid, buffer })
    }

    fn order(&mut self, order: &str) {
        self.process.say(order).unwrap();
        assert_eq!(self.process.hear(PATIENCE).unwrap(), format!("{order}: ok"));
    }
}

#[test]
fn outsiders_cannot_map_a_buffer_of_parts() {
    let Some(obeying) = Obeying::start() else {
        return;
    };
    let process = pidfd_open(obeying.pid, PidfdFlags::empty()).unwrap();
    let buffer = pidfd_getfd(&process, obeying.buffer, PidfdGetfdFlags::empty()).unwrap();
    assert_eq!(seek(&buffer, SeekFrom::End(0)), Ok(6 * 4096));
    for access in [Access::ReadOnly, Access::ReadWrite] {
        let mapped = Mapping::map(std::os::fd::AsFd::as_fd(&buffer), 4096, access);
        assert_eq!(mapped.unwrap_err().errno(), Errno::ACCESS, "{access:?}");
    }
}

#[test]
fn closed_buffers_of_parts_are_forgotten() {
    let Some(mut obeying) = Obeying::start() else {
        return;
    };
    let supervisor = parent(obeying.pid);
    let directory = format!("/proc/{}/fd", supervisor.as_raw_nonzero());
    let open = || std::fs::read_dir(&directory).unwrap().count();
    let before = open();
    for _ in 0..3 {
        obeying.order("make");
        assert!(open() >= before + 100, "each is watched until it is closed");
        obeying.order("close");
        // Mapped still, which keeps nothing open.
        let gone = || if open() <= before + 2 { Ok(()) } else { Err(open()) };
        eventually(PATIENCE, gone).unwrap_or_else(|open| panic!("{before} and then {open}"));
    }
}

#[test]
fn supervisor_that_dies_leaves_no_wrong_mapping() {
    use std::os::unix::process::ExitStatusExt;
    let Some(program) = program("parts", Linked::Dynamically) else {
        return;
    };
    for pause in [0, 1, 3, 7, 12, 20] {
        let command = wharf_run(EXACT, &program, &["endless"]);
        let mut process = Process::spawn("parts", command, PATIENCE * 2).unwrap();
        assert_eq!(process.hear(PATIENCE).unwrap(), "mapping");
        std::thread::sleep(std::time::Duration::from_millis(pause));
        kill_process(first_child(guardian(&process)).unwrap(), Signal::KILL).unwrap();
        match process.hear(PATIENCE) {
            // Its mappings are refused from now on.
            Ok(heard) => assert_eq!(heard, "refused, wrong before: 0"),
            // It was being made to map at that moment.
            Err(ProcessError::Ended {
                status: Some(status), ..
            }) => assert_eq!(status.signal(), Some(Signal::KILL.as_raw())),
            Err(error) => panic!("{error}"),
        }
    }
}
