//! Buffers that are dma-bufs of the kernel, too.

use wharf_linux::dma_buf::KernelBuffer;
use wharf_linux::udmabuf::Udmabuf;
use wharf_linux::{Memfd, UdmabufHeap};
use wharf_protocol::BufferPlan;

/// Whether the memory of a generation is of the heap whose memory can be dma-bufs.
pub(crate) fn is_wanted(plan: &str) -> bool {
    let plan = BufferPlan::read(plan);
    plan.is_some_and(|plan| plan.heaps.iter().any(|heap| **heap == *UdmabufHeap::NAME))
}

/// The same memory as a dma-buf; to be made before it is sealed. None where this process may not use the device.
pub(crate) fn make(memory: &Memfd) -> Option<KernelBuffer> {
    Udmabuf::open().and_then(|device| device.create(memory)).ok()
}
