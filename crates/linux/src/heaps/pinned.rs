//! Memory that the kernel's drivers can use.

use super::refusal::RefusalReason;
use super::system::whole_chunks;
use super::{AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, Residency};
use crate::Memfd;
use crate::kernel_error::KernelError;
use crate::sizes::page_bytes;
use crate::udmabuf::{Udmabuf, size_limit_bytes};

/// The heap "udmabuf": memory files that are dma-bufs of the kernel as well, all there from the start and pinned while the heap's dma-buf
/// lives, so that they never leave RAM and devices of every driver can use them.
///
/// The memory file is what readers get, sealed like any other. A dma-buf of it can be written by whoever has it, so nobody gets the one of the
/// heap; who may write the memory makes one of its own ([`Udmabuf::create`]) before the seal. Contract: S5.
///
/// Pinned memory does not count against `RLIMIT_MEMLOCK`; the quotas of the broker bound it.
#[derive(Debug, Clone, Copy, Default)]
pub struct UdmabufHeap;

impl UdmabufHeap {
    /// Its name.
    pub const NAME: &str = "udmabuf";
}

impl Heap for UdmabufHeap {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn guarantees(&self) -> HeapGuarantees {
        HeapGuarantees {
            chunk_bytes: page_bytes(),
            locked: true,
            committed: true,
            zeroed: true,
            cached: true,
            dma_buf: true,
            max_size_bytes: size_limit_bytes(),
            cost: 30,
            capacity_bytes: None,
        }
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        let allocate = || {
            self.guarantees().check(request)?;
            let size_bytes = whole_chunks(request, page_bytes())?;
            let max_bytes = size_limit_bytes();
            if size_bytes > max_bytes {
                return Err(RefusalReason::Size { max_bytes });
            }
            let device = Udmabuf::open().map_err(unsupported)?;
            let memfd = Memfd::create(&request.label, size_bytes)?;
            let pinned = device.create(&memfd).map_err(RefusalReason::from)?;
            if pinned.is_emulated() {
                return Err(RefusalReason::Unsupported {
                    why: "wharf run stands in for /dev/udmabuf, and pins nothing".to_owned(),
                });
            }
            Ok(HeapMemory::new(memfd, page_bytes(), Residency::Pinned(pinned))?)
        };
        allocate().map_err(|reason| HeapRefusal::new(self.name(), request, reason))
    }
}

/// Where the device cannot be opened there is no such heap.
fn unsupported(error: KernelError) -> RefusalReason {
    RefusalReason::Unsupported {
        why: error.to_string(),
    }
}
