//! A card that makes buffers, and fences on them.

use wharf_testkit::Process;

use crate::programs::{Linked, outcome, outcome_unprivileged, program, wharf_run};
use crate::support::{Broker, PATIENCE};

/// What a kernel with `vgem` says to `programs/vgem.c`, but for what docs/run.md lists.
const SURFACE: &str = include_str!("vgem.txt");

/// What it says when it waits for fences that nobody signals.
const EXPIRY: &str = "sync of a fence that nobody signals: ok
expired in time: 1
signal what has expired: ETIMEDOUT
signal it again: ENOENT
";

#[test]
fn card_answers_as_the_kernels() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        if let Some(ended) = outcome(&["--vgem"], "vgem", linked, &[]) {
            assert_eq!(ended.output(), SURFACE, "{linked:?}");
        }
    }
}

#[test]
fn card_needs_no_privilege() {
    if let Some(ended) = outcome_unprivileged(&["--vgem"], "vgem", Linked::Statically) {
        assert_eq!(ended.output(), SURFACE);
    }
}

#[test]
fn fences_expire() {
    if let Some(ended) = outcome(&["--vgem", "--sw-sync"], "vgem", Linked::Dynamically, &["expire"]) {
        assert_eq!(ended.output(), format!("{SURFACE}{EXPIRY}"));
    }
}

#[test]
fn rest_of_the_graphics_devices_is_not_seen() {
    let mut command = crate::support::wharf(&["run", "--vgem", "--"]);
    command.args(["ls", "/dev/dri"]);
    assert_eq!(crate::support::run(command).output(), "card0\n");
}

#[test]
fn random_calls_lose_nothing_and_leave_nothing_behind() {
    make_random_calls("--vgem");
}

/// Both files of each buffer last as long as the program has either.
#[test]
fn random_calls_lose_nothing_where_coherency_is_checked() {
    make_random_calls("--check-coherency");
}

fn make_random_calls(option: &str) {
    let Some(program) = program("cards", Linked::Statically) else {
        return;
    };
    let broker = Broker::start(&[]);
    let socket = broker.socket();
    let options = [option, "--socket", socket.to_str().expect("a path in UTF-8")];
    for seed in ["1", "22", "0xfeedbeef"] {
        let command = wharf_run(&options, &program, &[seed, "1500"]);
        let mut process = Process::spawn("cards", command, PATIENCE * 4).expect("it can be started");
        for line in ["thread: ok", "thread: ok", "thread: ok", "descriptors left: 0"] {
            assert_eq!(process.hear(PATIENCE * 4).expect("it goes on"), line, "{seed}");
        }
        broker.expect_none(&["sets"]);
        process.close_stdin();
        process.finish().expect("it ends well");
    }
}
