//! Programs that nobody can trust.

use crate::programs::{Linked, outcome, program, wharf_run};
use crate::support::{Broker, run, wharf};

#[test]
fn signals_lose_nothing() {
    for mode in ["restart", "interrupt"] {
        if let Some(ended) = outcome(&["--sw-sync"], "storm", Linked::Dynamically, &[mode, "all"]) {
            assert_eq!(
                ended.output(),
                "failed: 0 lost: 0 leaked: 0 signals: 1\n",
                "{mode}"
            );
        }
    }
}

#[test]
fn races_harm_nobody_else() {
    if let Some(ended) = outcome(&[], "hostile", Linked::Dynamically, &[]) {
        assert_eq!(
            ended.stdout, "odd answers: 0, some good ones: 1\nafterwards: ok\n",
            "{ended:?}"
        );
    }
}

#[test]
fn random_calls_are_answered() {
    for options in [&["--sw-sync"][..], &["--sw-sync", "--exact-udmabuf"]] {
        for seed in ["3", "0x9e3779b97f4a7c15", "77777"] {
            if let Some(ended) = outcome(options, "fuzz", Linked::Statically, &[seed, "8000"]) {
                assert!(
                    ended.stdout.ends_with("afterwards: ok\n") && ended.status.success(),
                    "{seed} {options:?}: {ended:?}"
                );
            }
        }
    }
}

#[test]
fn random_calls_of_threads_leave_nothing_behind() {
    let Some(program) = program("threads", Linked::Statically) else {
        return;
    };
    let broker = Broker::start(&[]);
    let socket = broker.socket();
    let socket = socket.to_str().expect("a path in UTF-8");
    for options in [
        &["--sw-sync", "--socket", socket][..],
        &["--sw-sync", "--exact-udmabuf", "--socket", socket],
    ] {
        for seed in ["1", "2", "0xfeedbeef"] {
            let ended = run(wharf_run(options, &program, &[seed, "1500"]));
            assert_eq!(ended.output(), "afterwards: ok\n", "{seed} {options:?}");
            broker.expect_none(&["sessions", "sets"]);
        }
    }
}

#[test]
fn descriptors_can_run_out() {
    if let Some(ended) = outcome(&[], "many", Linked::Dynamically, &["10000"]) {
        let expected = "sync on the last: ok\nno room: alloc: EMFILE\nno room: export: EMFILE\nroom for one: alloc: ok\n";
        assert_eq!(ended.output(), expected);
    }
}

#[test]
fn programs_can_have_filters_of_their_own() {
    let expected = "filter that allows: ok
alloc under it: ok
second listener: EBUSY
alloc after that: ok
filter that forbids: ok
alloc under it: EPERM
";
    if let Some(ended) = outcome(&[], "filters", Linked::Statically, &[]) {
        let entry = "32-bit entry: 0\n32-bit entry, bad flags: -22\n";
        let output = ended.output();
        assert_eq!(output.strip_prefix(entry).unwrap_or(output), expected);
        if cfg!(target_arch = "x86_64") && !output.starts_with(entry) {
            // A kernel without the 32-bit entry kills who uses it; one with it is seen to work.
            panic!("{output}");
        }
    }
}

#[test]
fn run_within_a_run_says_why_not() {
    let within = wharf(&["run", "--", env!("CARGO_BIN_EXE_wharf"), "run", "--", "true"]);
    let ended = run(within);
    assert_eq!(ended.status.code(), Some(125), "{ended:?}");
    assert!(
        ended.stderr.contains("supervised by another one already"),
        "{ended:?}"
    );
}

#[test]
fn container_that_forbids_looking_is_told() {
    let Some(forbid) = program("forbid", Linked::Dynamically) else {
        return;
    };
    let mut command = std::process::Command::new(forbid);
    command
        .arg(env!("CARGO_BIN_EXE_wharf"))
        .args(["run", "--", "true"]);
    crate::support::without_environment(&mut command);
    let ended = run(command);
    assert_eq!(ended.status.code(), Some(125), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot look at the program's descriptors")
            && ended.stderr.contains("CAP_SYS_PTRACE"),
        "{ended:?}"
    );
}
