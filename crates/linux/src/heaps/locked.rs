//! Pages that stay in RAM.

use std::fs;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use wharf_memory::{Access, Mapping};

use super::refusal::RefusalReason;
use super::system::small_pages;
use super::{AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, Residency};
use crate::Memfd;
use crate::proc_fields::field_bytes;
use crate::sizes::page_bytes;

const LIMIT_NAME: &str = "RLIMIT_MEMLOCK";

/// One lock at a time, so that what was counted against the limit is still true when the kernel counts.
static LOCKING: Mutex<()> = Mutex::new(());

/// The heap "memfd-locked": ordinary pages, all there from the start and never swapped out, so that no touch waits for a disk.
///
/// Its memory counts against `RLIMIT_MEMLOCK` of the process that allocates. That limit is kept even by processes that the
/// kernel would let exceed it (`CAP_IPC_LOCK`): it is what the machine's owner said. See [`LockedMapping`] for how long the
/// lock lasts.
#[derive(Debug, Clone, Copy, Default)]
pub struct LockedHeap;

/// A mapping that locks the pages of a memory file into RAM while it lives.
///
/// The kernel locks mappings, not files: pages stay in RAM for all processes as long as one mapping locks them. So whoever
/// answers for the buffer keeps this until the buffer is gone; nobody else needs to lock anything. It ends with the process.
/// Nothing can be read or written through it.
#[derive(Debug)]
pub struct LockedMapping {
    _mapping: Mapping,
}

impl LockedMapping {
    /// Locks all of `memfd`, allocating the pages that are missing, within `RLIMIT_MEMLOCK` of this process.
    ///
    /// # Blocking
    /// While the kernel finds and zeroes missing pages, and while other threads lock.
    ///
    /// # Errors
    /// [`RefusalReason::Limit`]: EDQUOT. [`RefusalReason::NoMemory`]: ENOMEM. [`RefusalReason::Map`] and
    /// [`RefusalReason::Memfd`] when it is no memory that can be mapped.
    pub fn lock(memfd: &Memfd) -> Result<Self, RefusalReason> {
        let requested_bytes = memfd.inspect()?.size_bytes;
        let _turn = LOCKING.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Room::of_this_process();
        if requested_bytes > room.left_bytes() {
            return Err(room.exceeded_by(requested_bytes));
        }
        let mapping = map(memfd, requested_bytes)?;
        match mapping.lock() {
            Ok(()) => Ok(Self { _mapping: mapping }),
            // The kernel counts what `/proc` did not tell.
            Err(Errno::PERM) => Err(room.exceeded_by(requested_bytes)),
            Err(source) => Err(RefusalReason::NoMemory {
                call: "mlock",
                source,
            }),
        }
    }
}

/// Maps all of a memory file for reading.
pub(super) fn map(memfd: &Memfd, size_bytes: u64) -> Result<Mapping, RefusalReason> {
    let len_bytes = usize::try_from(size_bytes).map_err(|_| RefusalReason::NoMemory {
        call: "mmap",
        source: Errno::NOMEM,
    })?;
    Ok(Mapping::map(memfd, len_bytes, Access::ReadOnly)?)
}

/// What this process may lock, and does.
#[derive(Debug, Clone, Copy)]
struct Room {
    limit_bytes: Option<u64>,
    used_bytes: u64,
}

impl Room {
    fn of_this_process() -> Self {
        // Where `/proc` is not mounted the kernel's own count has to do.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            limit_bytes: getrlimit(Resource::Memlock).current,
            used_bytes: field_bytes(&status, "VmLck:").unwrap_or(0),
        }
    }

    fn left_bytes(self) -> u64 {
        let limit_bytes = self.limit_bytes.unwrap_or(u64::MAX);
        limit_bytes.saturating_sub(self.used_bytes)
    }

    fn exceeded_by(self, requested_bytes: u64) -> RefusalReason {
        RefusalReason::Limit {
            limit: LIMIT_NAME,
            limit_bytes: self.limit_bytes.unwrap_or(u64::MAX),
            used_bytes: self.used_bytes,
            requested_bytes,
        }
    }
}

impl Heap for LockedHeap {
    fn name(&self) -> &str {
        "memfd-locked"
    }

    fn guarantees(&self) -> HeapGuarantees {
        let room = Room::of_this_process();
        HeapGuarantees {
            chunk_bytes: page_bytes(),
            locked: true,
            committed: true,
            zeroed: true,
            cached: true,
            dma_buf: false,
            max_size_bytes: u64::MAX,
            cost: 10,
            capacity_bytes: room.limit_bytes.map(|_| room.left_bytes()),
        }
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        let allocate = || {
            self.guarantees().check(request)?;
            let memfd = small_pages(request)?;
            let lock = LockedMapping::lock(&memfd)?;
            Ok(HeapMemory::new(memfd, page_bytes(), Residency::Locked(lock))?)
        };
        allocate().map_err(|reason| HeapRefusal::new(self.name(), request, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_used_than_the_limit_leaves_nothing() {
        let room = |limit_bytes, used_bytes| Room {
            limit_bytes,
            used_bytes,
        };
        assert_eq!(room(Some(100), 60).left_bytes(), 40);
        assert_eq!(room(Some(100), 160).left_bytes(), 0);
        assert_eq!(room(None, 160).left_bytes(), u64::MAX - 160);
    }
}
