//! When a process of ours dies.

use rustix::process::{Pid, Signal, kill_process};
use wharf_testkit::{Process, ProcessError};

use crate::programs::{Linked, program, wharf_run};
use crate::relatives::{guardian, parent, supervisor_and_program};
use crate::support::PATIENCE;

struct Run {
    process: Process,
    program: String,
}

impl Run {
    fn start() -> Option<Self> {
        let hold = program("hold", Linked::Dynamically)?;
        let mut process = Process::spawn("run", wharf_run(&[], &hold, &["4096"]), PATIENCE * 2).unwrap();
        let ready = process.hear(PATIENCE).unwrap();
        let program = ready.strip_prefix("ready ").unwrap().to_owned();
        Some(Self { process, program })
    }

    fn order(&mut self, order: &str) {
        assert_eq!(self.ask(order), format!("{order}: ok"));
    }

    fn ask(&mut self, order: &str) -> String {
        self.process.say(order).unwrap();
        self.process.hear(PATIENCE).unwrap()
    }

    /// Kills the supervisor. A call that it receives while it dies fails with EINTR, as if a signal had interrupted it.
    fn kill_supervisor(&mut self) {
        kill_process(parent(&self.program), Signal::KILL).unwrap();
        let first = self.ask("sync");
        assert!(first == "sync: ok" || first == "sync: EINTR", "{first}");
    }
}

#[test]
fn supervisor_that_dies_is_replaced() {
    let Some(mut run) = Run::start() else { return };
    run.order("allocate");
    run.order("sync");
    run.kill_supervisor();
    // Buffers of before, and new ones.
    for order in ["sync", "allocate", "sync", "close", "sync"] {
        run.order(order);
    }
    run.process.close_stdin();
    match run.process.hear(PATIENCE) {
        Err(ProcessError::Ended {
            status: Some(status),
            stderr,
            ..
        }) => {
            assert!(status.success());
            assert!(
                stderr.contains("the supervisor ended (signal: 9 (SIGKILL))"),
                "{stderr}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn replaced_supervisors_run_ends_as_the_program_does() {
    use std::os::unix::process::ExitStatusExt;
    let Some(mut run) = Run::start() else { return };
    run.order("allocate");
    run.kill_supervisor();
    run.order("sync");
    kill_process(Pid::from_raw(run.program.parse().unwrap()).unwrap(), Signal::USR2).unwrap();
    match run.process.hear(PATIENCE) {
        Err(ProcessError::Ended {
            status: Some(status), ..
        }) => assert_eq!(status.signal(), Some(Signal::USR2.as_raw())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_under_way_do_not_wait_for_ever() {
    let Some(storm) = program("storm", Linked::Dynamically) else {
        return;
    };
    // Whatever the supervisor is at when it is killed: the calls go on, or fail with EINTR.
    for pause in [0, 1, 5, 11, 23] {
        let mut process = Process::spawn("storm", wharf_run(&[], &storm, &[]), PATIENCE * 2).unwrap();
        let (supervisor, _) = supervisor_and_program(guardian(&process), "storm");
        std::thread::sleep(std::time::Duration::from_millis(pause));
        kill_process(supervisor, Signal::KILL).unwrap();
        let heard = process.hear(PATIENCE).unwrap();
        assert!(heard.starts_with("failed: 0 lost: 0"), "{heard}");
    }
}
