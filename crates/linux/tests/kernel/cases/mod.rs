//! The cases, for each world in which the devices are there.

pub(crate) mod buffer;
pub(crate) mod camera;
pub(crate) mod fence;
pub(crate) mod heap;
pub(crate) mod memory_file;

use wharf_core::AccessMode;
use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::dma_heap::DmaHeap;
use wharf_linux::udmabuf::Udmabuf;
use wharf_testkit::skip;

pub(crate) const PAGE: usize = 4096;

/// The heap that every machine with heaps has.
pub(crate) fn system_heap() -> Option<DmaHeap> {
    DmaHeap::open("system")
        .inspect_err(|error| skip(&error.to_string()))
        .ok()
}

/// A buffer of two pages.
pub(crate) fn buffer() -> Option<KernelBuffer> {
    Some(
        system_heap()?
            .allocate(2 * PAGE as u64, AccessMode::ReadWrite)
            .unwrap(),
    )
}

/// The device that makes buffers of memory files.
pub(crate) fn udmabuf() -> Option<Udmabuf> {
    Udmabuf::open().inspect_err(|error| skip(&error.to_string())).ok()
}
