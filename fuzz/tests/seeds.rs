//! The committed seeds: that they hold, and that they get the fuzzer to where it is to begin.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The contents of a target's seeds.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let entries = fs::read_dir(directory).expect("seeds are committed");
    entries
        .map(|entry| fs::read(entry.expect("an entry").path()).expect("a file"))
        .collect()
}

#[test]
fn y4m_seeds_have_frames() {
    let frames: u64 = seeds("y4m").iter().map(|file| wharf_fuzz::y4m::check(file)).sum();
    assert!(frames > 0);
}

#[test]
fn broker_seeds_succeed_with_every_method() {
    let scripts = seeds("broker_messages");
    let succeeded: BTreeSet<&str> = scripts
        .iter()
        .flat_map(|script| wharf_fuzz::broker::check(script).succeeded)
        .collect();
    assert_eq!(succeeded.len(), 34, "{succeeded:?}");
}

#[test]
fn sets_have_plans_and_reports() {
    let outcomes: BTreeSet<Option<bool>> = seeds("sets")
        .iter()
        .map(|file| wharf_fuzz::sets::check(file))
        .collect();
    assert_eq!(outcomes, [None, Some(false), Some(true)].into());
}

#[test]
fn attachment_seeds_map_move_and_fail() {
    let reached: BTreeSet<String> = seeds("attachments")
        .iter()
        .flat_map(|script| wharf_fuzz::attachments::check(script))
        .collect();
    for wanted in [
        "mapped after a move",
        "map EIO (5)",
        "move EBUSY (16)",
        "detach refused",
        "revoked",
    ] {
        assert!(reached.contains(wanted), "{wanted} is not among {reached:?}");
    }
}
