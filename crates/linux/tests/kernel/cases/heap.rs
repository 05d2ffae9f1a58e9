//! Heaps.

use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_linux::dma_heap::{self, DmaHeap};

use super::{PAGE, system_heap};

pub(crate) fn sizes_are_whole_pages_and_contents_zero() {
    let Some(heap) = system_heap() else { return };
    assert!(dma_heap::names().unwrap().contains(&"system".to_owned()));
    for (asked, got) in [(1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE), (2 << 20, 2 << 20)] {
        let buffer = heap.allocate(asked as u64, AccessMode::ReadWrite).unwrap();
        assert_eq!(buffer.size_bytes(), got as u64, "{asked}");
        let mapping = buffer.map(AccessMode::ReadOnly).unwrap();
        let mut bytes = vec![1; got];
        mapping.view().copy_to(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0), "{asked}");
    }
}

pub(crate) fn odd_sizes_are_refused() {
    let Some(heap) = system_heap() else { return };
    assert_eq!(
        heap.allocate(0, AccessMode::ReadWrite).unwrap_err().errno(),
        Errno::INVAL
    );
    let none = DmaHeap::open("wharf-no-such-heap").unwrap_err();
    assert_eq!(none.errno(), Errno::NOENT);
}

/// The kernel would end this process.
pub(crate) fn more_than_the_machine_has_is_refused_without_asking() {
    let Some(heap) = system_heap() else { return };
    for size_bytes in [1 << 40, u64::MAX] {
        let refused = heap.allocate(size_bytes, AccessMode::ReadWrite).unwrap_err();
        assert_eq!(refused.errno(), Errno::NOMEM);
        assert!(refused.to_string().contains("MemAvailable"), "{refused}");
    }
}

pub(crate) fn buffer_for_reading_cannot_be_written_by_anybody() {
    let Some(heap) = system_heap() else { return };
    let buffer = heap.allocate(PAGE as u64, AccessMode::ReadOnly).unwrap();
    assert_eq!(buffer.access(), AccessMode::ReadOnly);
    buffer.map(AccessMode::ReadOnly).unwrap();
    let refused = buffer.map(AccessMode::ReadWrite).unwrap_err();
    assert_eq!(refused.errno(), Errno::ACCESS, "{refused}");
    // Nor does another descriptor of it help.
    let other = buffer.try_clone().unwrap();
    assert_eq!(
        other.map(AccessMode::ReadWrite).unwrap_err().errno(),
        Errno::ACCESS
    );
}
