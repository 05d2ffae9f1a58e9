//! A card that makes buffers, and fences on them.

use crate::programs::{Linked, outcome, outcome_unprivileged};

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
