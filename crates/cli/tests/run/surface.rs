//! Every call, right and wrong, and whose descriptors are looked at.

use crate::programs::{Linked, outcome, outcome_unprivileged};

/// What a kernel with heaps and `udmabuf` says to `programs/surface.c`, but for what docs/compat.toml lists.
const SURFACE: &str = include_str!("surface.txt");

const TABLES: &str = "own table: sync: ok
own table: closed here only: EBADF
still open here: ok
not open here: EBADF
threads: ok
fork: sync of the parent's: ok
a dead process's buffer: sync: ok
a dead process's buffer: contents 77
exec: inherited buffer: ok
exec: new buffer: ok
";

#[test]
fn every_call_is_answered_as_by_the_kernel() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        for options in [&[][..], &["--exact-udmabuf"]] {
            if let Some(ended) = outcome(options, "surface", linked, &[]) {
                assert_eq!(ended.output(), SURFACE, "{linked:?} {options:?}");
            }
        }
    }
}

#[test]
fn privileges_make_no_difference() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        if let Some(ended) = outcome_unprivileged(&[], "surface", linked) {
            assert_eq!(ended.output(), SURFACE, "{linked:?}");
        }
    }
}

#[test]
fn each_process_and_thread_has_its_own_descriptors() {
    for linked in [Linked::Dynamically, Linked::Statically] {
        if let Some(ended) = outcome(&[], "tables", linked, &[]) {
            assert_eq!(ended.output(), TABLES, "{linked:?}");
        }
    }
    if let Some(ended) = outcome_unprivileged(&[], "tables", Linked::Statically) {
        assert_eq!(ended.output(), TABLES);
    }
}

#[test]
fn heaps_have_the_names_asked_for() {
    let mut command = crate::support::wharf(&["run", "--heap", "linux,cma", "--heap", "reserved", "--"]);
    command.args(["ls", "/dev/dma_heap"]);
    assert_eq!(crate::support::run(command).output(), "linux,cma\nreserved\n");
    for name in ["", ".", "..", "a/b"] {
        let refused = crate::support::run(crate::support::wharf(&["run", "--heap", name, "--", "true"]));
        assert_eq!(refused.status.code(), Some(2), "{name}: {refused:?}");
    }
}

#[test]
fn rest_of_dev_is_there() {
    let mut command = crate::support::wharf(&["run", "--", "sh", "-c"]);
    command.arg("test -c /dev/null && test -e /dev/fd/0 && echo written > /dev/null && ls /dev/udmabuf && ls /dev/sw_sync 2>&- || true");
    assert_eq!(crate::support::run(command).output(), "/dev/udmabuf\n");
}
