//! Buffers that are files of a FUSE file system: `--fd-kind fuse`.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wharf_testkit::{Process, ProcessError, eventually};

use crate::programs::{Linked, outcome, program, wharf_run};
use crate::relatives::{guardian, parent, supervisor_and_program};
use crate::support::{Broker, PATIENCE, files_are_possible, run, run_unprivileged};

const FUSE: [&str; 2] = ["--fd-kind", "fuse"];

fn with<'o>(options: &[&'o str]) -> Vec<&'o str> {
    [&FUSE[..], options].concat()
}

/// One buffer, held by a program in a run and by one outside of it.
struct Shared {
    inside: Process,
    outside: Process,
    /// The process outside.
    pid: Pid,
    _place: TempDir,
}

/// Says `order` and expects `answer`.
fn ask(process: &mut Process, order: &str, answer: &str) {
    process.say(order).unwrap();
    expect(process, order, answer);
}

fn expect(process: &mut Process, order: &str, answer: &str) {
    let word = order.split(' ').next().unwrap();
    assert_eq!(
        process.hear(PATIENCE).unwrap(),
        format!("{word}: {answer}"),
        "{order}"
    );
}

impl Shared {
    fn start(program: &Path) -> Self {
        let place = TempDir::new().unwrap();
        let path = place.path().join("socket");
        let path = path.to_str().unwrap();
        let mut listening = std::process::Command::new(program);
        listening.arg(path);
        let mut outside = Process::spawn("outside", listening, PATIENCE * 3).unwrap();
        assert_eq!(outside.hear(PATIENCE).unwrap(), "listens");
        let command = wharf_run(&with(&["--sw-sync"]), program, &[path, "in"]);
        let mut inside = Process::spawn("inside", command, PATIENCE * 3).unwrap();
        pid_of(&mut inside);
        let pid = pid_of(&mut outside);
        Self {
            inside,
            outside,
            pid,
            _place: place,
        }
    }

    /// Where it is possible here.
    fn try_start() -> Option<Self> {
        let program = program("outside", Linked::Dynamically)?;
        files_are_possible().then(|| Self::start(&program))
    }

    fn inside(&mut self, order: &str, answer: &str) {
        ask(&mut self.inside, order, answer);
    }

    fn outside(&mut self, order: &str, answer: &str) {
        ask(&mut self.outside, order, answer);
    }
}

fn pid_of(process: &mut Process) -> Pid {
    let ready = process.hear(PATIENCE).unwrap();
    let pid = ready.strip_prefix("ready ").and_then(|pid| pid.parse().ok());
    Pid::from_raw(pid.unwrap_or_else(|| panic!("{ready}"))).unwrap()
}

fn is_gone(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    status.map_or(true, |status| status.contains(") Z "))
}

#[test]
fn memory_is_one_inside_and_outside() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    shared.inside("map", "ok");
    shared.outside("map", "ok");
    shared.outside("write hello", "ok");
    shared.inside("read", "hello");
    shared.inside("write again", "ok");
    shared.outside("read", "again");
}

#[test]
fn calls_from_outside_are_answered() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    for (order, answer) in [
        ("sync", "ok"),
        ("bad-sync", "EINVAL"),
        ("name short", "ok"),
        ("name one-that-is-longer-than-a-name-can-be-here", "EINVAL"),
        ("name one-that-is-long-enough", "ok"),
        ("unknown", "ENOTTY"),
        // A file system cannot give anybody a descriptor.
        ("export", "ENOTTY"),
        ("reopen", "No such device or address"),
        ("poll 5", "in out"),
        ("epoll 0", "1 events"),
    ] {
        shared.outside(order, answer);
    }
}

#[test]
fn fences_are_waited_for_inside_and_outside() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    for (point, order, answer) in [
        (1, "wait 1", " in later"),
        (2, "wait 4", " out later"),
        (3, "wait 5", " in out later"),
        (4, "epoll 10000", " 1 events"),
        (5, "sync", " ok"),
    ] {
        shared.inside(&format!("import {point}"), "ok");
        for who in [&mut shared.inside, &mut shared.outside] {
            ask(who, "poll 5", "nothing");
            ask(who, "epoll 0", "0 events");
        }
        shared.outside.say(order).unwrap();
        assert!(
            shared.outside.hear(Duration::from_millis(150)).is_err(),
            "{order} does not wait"
        );
        shared.inside("advance", "ok");
        expect(&mut shared.outside, order, answer.trim_start());
        shared.inside("poll 5", "in out");
    }
}

#[test]
fn fences_are_imported_from_outside() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    shared.inside("make 1", "ok");
    shared.inside("give-fence", "ok");
    shared.outside("take-fence", "ok");
    shared.inside("poll 5", "nothing");
    shared.outside("poll 5", "nothing");
    shared.inside("advance", "ok");
    shared.outside("poll 5", "in out");
}

#[test]
fn signals_end_waits_outside() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    shared.inside("import 1", "ok");
    shared.outside.say("sync").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    kill_process(shared.pid, Signal::USR1).unwrap();
    expect(&mut shared.outside, "sync", "EINTR");
    shared.outside.say("sync").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let killed = shared.pid;
    kill_process(killed, Signal::KILL).unwrap();
    let gone = || if is_gone(killed) { Ok(()) } else { Err("it waits") };
    eventually(PATIENCE, gone).unwrap();
    shared.inside("advance", "ok");
    shared.inside("sync", "ok");
}

#[test]
fn memory_of_the_program_is_no_buffer_itself() {
    let Some(mut shared) = Shared::try_start() else {
        return;
    };
    for (order, answer) in [
        ("udmabuf", "ok"),
        ("sync", "ok"),
        ("memory-sync", "ENOTTY"),
        ("import 1", "ok"),
        ("poll 5", "nothing"),
        ("advance", "ok"),
        ("poll 5", "in out"),
        ("close", "ok"),
    ] {
        shared.inside(order, answer);
    }
}

#[test]
fn files_of_a_dead_supervisor_say_so_and_the_rest_goes_on() {
    let Some(program) = program("outside", Linked::Dynamically) else {
        return;
    };
    if !files_are_possible() {
        return;
    }
    let place = TempDir::new().unwrap();
    let path = place.path().join("socket");
    let path = path.to_str().unwrap();
    let mut listening = std::process::Command::new(&program);
    listening.arg(path);
    let mut outside = Process::spawn("outside", listening, PATIENCE * 3).unwrap();
    outside.hear(PATIENCE).unwrap();
    let command = wharf_run(&with(&["--sw-sync"]), &program, &[path, "in"]);
    let mut inside = Process::spawn("inside", command, PATIENCE * 3).unwrap();
    let pid = pid_of(&mut inside);
    pid_of(&mut outside);
    for who in [&mut inside, &mut outside] {
        ask(who, "map", "ok");
    }
    let supervisor = parent(pid.as_raw_nonzero());
    kill_process(supervisor, Signal::KILL).unwrap();
    let gone = || {
        if is_gone(supervisor) {
            Ok(())
        } else {
            Err("it hangs")
        }
    };
    eventually(PATIENCE, gone).unwrap();
    ask(&mut outside, "write still", "ok");
    ask(&mut inside, "read", "still");
    // Who asks while the supervisor's threads still end is told in another way.
    let lost = || {
        outside.say("sync").unwrap();
        match outside.hear(PATIENCE).unwrap() {
            answer if answer == "sync: Transport endpoint is not connected" => Ok(()),
            answer if answer == "sync: Software caused connection abort" => Err(answer),
            answer => panic!("{answer}"),
        }
    };
    eventually(PATIENCE, lost).unwrap();
    ask(&mut inside, "poll 5", "error");
    // The first that its successor receives.
    inside.say("sync").unwrap();
    let first = inside.hear(PATIENCE).unwrap();
    assert!(
        first == "sync: Transport endpoint is not connected" || first == "sync: EINTR",
        "{first}"
    );
    ask(&mut inside, "sync", "Transport endpoint is not connected");
    for (order, answer) in [
        ("allocate", "ok"),
        ("sync", "ok"),
        ("poll 5", "in out"),
        ("import 1", "ok"),
        ("poll 5", "nothing"),
    ] {
        ask(&mut inside, order, answer);
    }
    inside.close_stdin();
    match inside.hear(PATIENCE) {
        Err(ProcessError::Ended {
            status: Some(status),
            stderr,
            ..
        }) => {
            assert!(status.success(), "{stderr}");
            assert!(
                stderr.contains("buffers of before were files of the supervisor"),
                "{stderr}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Whoever is killed, at whatever moment: nothing is left of it, and nobody waits for it for ever.
#[test]
fn deaths_leave_nothing_behind() {
    let Some(storm) = program("storm", Linked::Dynamically) else {
        return;
    };
    if !files_are_possible() {
        return;
    }
    let broker = Broker::start(&[]);
    let socket = broker.socket();
    let options = with(&["--socket", socket.to_str().unwrap()]);
    for round in 0..24 {
        let mut process =
            Process::spawn("storm", wharf_run(&options, &storm, &["restart"]), PATIENCE * 2).unwrap();
        let guardian = guardian(&process);
        let (supervisor, program) = supervisor_and_program(guardian, "storm");
        std::thread::sleep(Duration::from_millis(round * 3));
        let victim = [program, supervisor, guardian][usize::try_from(round % 3).unwrap()];
        kill_process(victim, Signal::KILL).unwrap();
        if victim == supervisor {
            // Its buffer of before is lost; it goes on allocating.
            let lost = "export: Transport endpoint is not connected";
            let last = std::iter::repeat_with(|| process.hear(PATIENCE).unwrap()).find(|line| line != lost);
            assert!(
                last.as_ref().is_some_and(|line| line.starts_with("failed: ")),
                "{last:?}"
            );
        }
        for part in [guardian, supervisor, program] {
            let gone = || if is_gone(part) { Ok(()) } else { Err("it hangs") };
            eventually(PATIENCE, gone).unwrap_or_else(|error| panic!("{round}: {part:?}: {error}"));
        }
        broker.expect_none(&["sessions", "sets"]);
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("fuse wharf"), "{mounts}");
}

#[test]
fn programs_that_others_have_run_end_as_with_memory_files() {
    if !files_are_possible() {
        return;
    }
    let programs: [(&[&str], &str, &[&str]); 6] = [
        (&[], "surface", &[]),
        (&[], "tables", &[]),
        (&[], "many", &["10000"]),
        (&["--sw-sync"], "storm", &["restart", "all"]),
        (&["--sw-sync"], "storm", &["interrupt", "all"]),
        (&["--vgem"], "vgem", &[]),
    ];
    for (options, name, arguments) in programs {
        let plain = outcome(options, name, Linked::Dynamically, arguments);
        let files = outcome(&with(options), name, Linked::Dynamically, arguments);
        if let (Some(plain), Some(files)) = (plain, files) {
            assert_eq!(files.output(), plain.output(), "{name}");
        }
    }
}

#[test]
fn random_calls_leave_nothing_behind() {
    if !files_are_possible() {
        return;
    }
    let broker = Broker::start(&[]);
    let socket = broker.socket();
    let socket = ["--socket", socket.to_str().unwrap()];
    for (options, name, last) in [
        (["--sw-sync"], "threads", "afterwards: ok"),
        (["--vgem"], "cards", "descriptors left: 0"),
    ] {
        let Some(program) = program(name, Linked::Statically) else {
            return;
        };
        let options = with(&[&options[..], &socket].concat());
        let ended = run(wharf_run(&options, &program, &["7", "1500"]));
        assert_eq!(ended.output().lines().last(), Some(last), "{name}");
        broker.expect_none(&["sessions", "sets"]);
    }
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    for option in ["--exact-udmabuf", "--check-coherency"] {
        let mut command = crate::support::wharf(&["run"]);
        command.args(with(&[option, "--", "true"]));
        let ended = run(command);
        assert_eq!(ended.status.code(), Some(125), "{ended:?}");
        assert!(ended.stderr.contains("leave out one of the two"), "{ended:?}");
    }
}

#[test]
fn who_cannot_have_it_is_told_why() {
    let Some(ended) = run_unprivileged(&FUSE, Path::new("/bin/true")) else {
        return;
    };
    assert_eq!(ended.status.code(), Some(125), "{ended:?}");
    for part in ["--fd-kind fuse", "--fd-kind memfd needs none of this"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    // What is missing depends on who may open /dev/fuse.
    let said = ["CAP_SYS_ADMIN", "/dev/fuse"];
    assert!(said.iter().any(|part| ended.stderr.contains(part)), "{ended:?}");
}
