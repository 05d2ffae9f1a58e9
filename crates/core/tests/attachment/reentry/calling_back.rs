//! Importers and exporters that call the framework from where it calls them.

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{Backing, Errno};

use super::Hooked;
use crate::support::{Heap, LOW, any, contiguous, forever};

#[test]
fn exporter_that_panics_when_asked_whether_it_keeps_mappings_gets_the_mapping_back() {
    let hooked = Hooked::new(Heap::caching(Backing::At(contiguous(LOW))));
    let buffer = hooked.export(MapAtAttach);
    let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
    hooked.on_call(|call, _| assert!(call != "caches_mappings", "told to panic"));
    hooked.heap.log().take();
    let error = gpu.map(ToDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    let log = hooked.heap.log().take();
    let count = |call| log.iter().filter(|entry| entry.starts_with(call)).count();
    assert_eq!(count("map "), count("unmap "), "{log:?}");
}
