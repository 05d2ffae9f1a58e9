//! The heaps of the broker.

use wharf_linux::Heaps;

use super::finding::{Area, Finding, State};

/// Tries the least of each.
pub(super) fn find() -> Vec<Finding> {
    let found = Heaps::of_this_machine();
    let works = found.heaps.iter().map(|heap| {
        let promised = heap.guarantees();
        let mut detail = format!("pieces of {} KiB", promised.chunk_bytes >> 10);
        for (is_so, word) in [
            (promised.locked, "locked if asked"),
            (promised.committed, "allocated at once"),
        ] {
            if is_so {
                detail = detail + ", " + word;
            }
        }
        Finding::yes(Area::Memory, heap.name(), State::Yes, detail)
    });
    let mut findings: Vec<Finding> = works.collect();
    findings.extend(found.absent.iter().map(|refusal| {
        Finding::no(
            Area::Memory,
            &*refusal.heap,
            refusal.errno(),
            (refusal.reason.to_string(), ""),
        )
    }));
    findings
}
