//! It ends as the program ends, and what is said to it the program hears.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use wharf_testkit::{Process, ProcessError};

use crate::support::{PATIENCE, run, wharf, without_environment};

fn shell(script: &str) -> Command {
    let mut command = wharf(&["run", "--", "sh", "-c"]);
    command.arg(script);
    command
}

#[test]
fn exit_codes_are_the_programs() {
    for code in [0, 1, 7, 125, 255] {
        let ended = run(shell(&format!("exit {code}")));
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn signals_that_kill_the_program_kill_the_run() {
    for signal in [
        Signal::SEGV,
        Signal::KILL,
        Signal::TERM,
        Signal::ABORT,
        Signal::PIPE,
    ] {
        let ended = run(shell(&format!("kill -{} $$", signal.as_raw())));
        assert_eq!(ended.status.signal(), Some(signal.as_raw()), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn programs_that_are_none_are_told_apart() {
    let missing = run(wharf(&["run", "--", "/nowhere/program"]));
    assert_eq!(missing.status.code(), Some(127));
    assert_eq!(
        missing.stderr,
        "wharf: cannot run /nowhere/program: there is no such program\n"
    );
    let directory = run(wharf(&["run", "--", "/"]));
    assert_eq!(directory.status.code(), Some(126));
    assert!(
        directory.stderr.starts_with("wharf: cannot run /: "),
        "{directory:?}"
    );
    let nothing = run(wharf(&["run"]));
    assert_eq!(nothing.status.code(), Some(2));
    let no_broker = run(wharf(&["run", "--socket", "/nowhere/wharf-0", "--", "true"]));
    assert_eq!(no_broker.status.code(), Some(125));
    assert!(
        no_broker
            .stderr
            .starts_with("wharf: no broker at /nowhere/wharf-0"),
        "{no_broker:?}"
    );
}

#[test]
fn input_and_output_pass_through() {
    let mut process = Process::spawn("cat", wharf(&["run", "--", "cat"]), PATIENCE).unwrap();
    process.say("hello").unwrap();
    assert_eq!(process.hear(PATIENCE).unwrap(), "hello");
    process.close_stdin();
    assert!(matches!(
        process.hear(PATIENCE),
        Err(ProcessError::Ended { status: Some(status), .. }) if status.success()
    ));
}

#[test]
fn arguments_and_environment_pass_through() {
    let mut command = wharf(&[
        "run",
        "--heap",
        "system",
        "--",
        "sh",
        "-c",
        "printf '%s,' \"$@\"; printf %s \"$COLOUR\"",
        "sh",
    ]);
    command.args(["--heap", "", "a b", "--"]).env("COLOUR", "green");
    assert_eq!(run(command).stdout, "--heap,,a b,--,green\n");
}

#[test]
fn signals_for_the_run_reach_the_program() {
    let script = "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.01; done";
    let mut process = Process::spawn("trap", shell(script), PATIENCE).unwrap();
    assert_eq!(process.hear(PATIENCE).unwrap(), "ready");
    process.signal(Signal::USR1).unwrap();
    assert_eq!(process.hear(PATIENCE).unwrap(), "got it");
    assert!(matches!(
        process.hear(PATIENCE),
        Err(ProcessError::Ended { status: Some(status), .. }) if status.code() == Some(9)
    ));
}

#[test]
fn killing_the_run_kills_the_program() {
    let mut process = Process::spawn("killed", shell("echo $$; exec sleep 1000"), PATIENCE).unwrap();
    let program: i32 = process.hear(PATIENCE).unwrap().parse().unwrap();
    process.signal(Signal::KILL).unwrap();
    let is_gone = || match std::fs::read_to_string(format!("/proc/{program}/stat")) {
        Ok(stat) if !stat.contains(") Z ") => Err(stat),
        _ => Ok(()),
    };
    wharf_testkit::eventually(PATIENCE, is_gone).unwrap();
}

#[test]
fn children_outlive_the_program() {
    // The run ends with the program; what the program left behind goes on.
    let script = "(sleep 0.3; test -e /dev/udmabuf && echo later) & exit 3";
    let ended = run(shell(script));
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(ended.stdout, "later\n");
}

/// The time this process has spent on a processor, in ticks.
fn ticks(process: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn supervisor_sleeps_while_children_outlive_the_program() {
    // A shell around the run lives on, so that what the run leaves behind does, too, and is killed with the shell.
    let script = "\"$0\" run -- sh -c 'sleep 1000 >&- 2>&- & echo $PPID'; echo over; read end";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_wharf")]);
    without_environment(&mut command);
    let mut process = Process::spawn("left", command, PATIENCE * 2).unwrap();
    let supervisor = process.hear(PATIENCE).unwrap();
    assert_eq!(process.hear(PATIENCE).unwrap(), "over");
    let before = ticks(&supervisor);
    std::thread::sleep(Duration::from_secs(1));
    let spent = ticks(&supervisor) - before;
    // A second has a hundred; a few are for what is young when the program ends.
    assert!(spent < 20, "{spent} ticks in a second with nothing to do");
}
