//! Huge pages.

use rustix::io::Errno;
use wharf_memory::{CHUNK_BYTES, Mapping};

use super::locked::map;
use super::refusal::{PromiseField, RefusalReason};
use super::system::whole_chunks;
use super::{
    AllocationRequest, Heap, HeapGuarantees, HeapMemory, HeapRefusal, LockedMapping, Residency, pool, smaps,
};
use crate::Memfd;

// CAST: 2 MiB.
const CHUNK: u64 = CHUNK_BYTES as u64;

/// The heap "memfd-huge": memory in physically contiguous, naturally aligned chunks of 2 MiB, all there from the start.
///
/// It takes reserved huge pages (hugetlb) where enough are free and the request has a single writer. Otherwise it has the
/// kernel put ordinary memory together (`MADV_HUGEPAGE`, `MADV_COLLAPSE`), then looks up in `/proc/self/smaps` that every chunk
/// is one huge page, and refuses if not: memory may be too fragmented.
///
/// # What can undo the promise
/// Of reserved huge pages nothing: they are not swapped, and the seal that comes with their writer keeps holes out. Of huge
/// pages put together:
/// - swapping, unless the request says `locked`: what comes back may come in small pages. A machine without swap does not;
/// - a hole punched by whoever may write, until [`Memfd::seal_future_writes`]: then by nobody;
/// - a page of failing RAM, which the kernel takes out.
///
/// Shrinking is ruled out by seals. The kernel may move a chunk as a whole, which leaves it contiguous. Mappings of a part, or
/// at an odd address, leave it whole as well.
#[derive(Debug, Clone, Copy, Default)]
pub struct HugeHeap;

impl Heap for HugeHeap {
    fn name(&self) -> &str {
        "memfd-huge"
    }

    /// The capacity is not known in advance: it depends on how fragmented memory is.
    fn guarantees(&self) -> HeapGuarantees {
        HeapGuarantees {
            chunk_bytes: CHUNK,
            locked: true,
            committed: true,
            zeroed: true,
            cached: true,
            dma_buf: false,
            max_size_bytes: u64::MAX,
            cost: 20,
            capacity_bytes: None,
        }
    }

    fn allocate(&self, request: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
        let allocate = || {
            self.guarantees().check(request)?;
            let size_bytes = whole_chunks(request, CHUNK)?;
            match reserved(request, size_bytes) {
                Some(memory) => Ok(memory),
                None => put_together(request, size_bytes),
            }
        };
        allocate().map_err(|reason| HeapRefusal::new(self.name(), request, reason))
    }
}

/// Memory of reserved huge pages, if it can be had: there is another way if not.
fn reserved(request: &AllocationRequest, size_bytes: u64) -> Option<HeapMemory> {
    if !request.single_writer || pool::free_bytes()? < size_bytes {
        return None;
    }
    let memfd = Memfd::create_huge(&request.label, size_bytes).ok()?;
    HeapMemory::new(memfd, CHUNK, Residency::Reserved).ok()
}

/// Ordinary memory that the kernel put together.
fn put_together(request: &AllocationRequest, size_bytes: u64) -> Result<HeapMemory, RefusalReason> {
    let memfd = Memfd::create(&request.label, size_bytes)?;
    let mapping = map(&memfd, size_bytes)?;
    let assembled = mapping.assemble_huge_pages();
    verify(&mapping, size_bytes, assembled)?;
    drop(mapping);
    let residency = match request.locked {
        true => Residency::Locked(LockedMapping::lock(&memfd)?),
        false => Residency::Swappable,
    };
    Ok(HeapMemory::new(memfd, CHUNK, residency)?)
}

/// Believes what can be seen, whatever the kernel answered.
fn verify(mapping: &Mapping, size_bytes: u64, assembled: Result<(), Errno>) -> Result<(), RefusalReason> {
    let seen = smaps::bytes_in_huge_pages(mapping).map_err(|error| RefusalReason::Unsupported {
        why: format!("huge pages cannot be verified, /proc/self/smaps: {error}"),
    });
    judge(size_bytes, assembled, seen?)
}

fn judge(size_bytes: u64, assembled: Result<(), Errno>, got: u64) -> Result<(), RefusalReason> {
    match assembled {
        _ if got >= size_bytes => Ok(()),
        Err(Errno::INVAL) if got == 0 => Err(RefusalReason::Unsupported {
            why: "this kernel puts no huge pages together for shared memory (MADV_COLLAPSE, since 6.1)"
                .to_owned(),
        }),
        _ => Err(RefusalReason::Promise {
            field: PromiseField::BytesInChunks,
            needed: size_bytes,
            got,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_seen_counts() {
        assert_eq!(judge(2 * CHUNK, Ok(()), 2 * CHUNK), Ok(()));
        assert_eq!(judge(2 * CHUNK, Err(Errno::AGAIN), 2 * CHUNK), Ok(()));
        for answer in [Ok(()), Err(Errno::NOMEM), Err(Errno::BUSY), Err(Errno::INVAL)] {
            let refused = judge(2 * CHUNK, answer, CHUNK);
            let short = RefusalReason::Promise {
                field: PromiseField::BytesInChunks,
                needed: 2 * CHUNK,
                got: CHUNK,
            };
            assert_eq!(refused, Err(short));
        }
    }

    #[test]
    fn kernel_that_cannot_is_told_from_memory_in_pieces() {
        let refused = judge(CHUNK, Err(Errno::INVAL), 0);
        assert!(
            matches!(refused, Err(RefusalReason::Unsupported { .. })),
            "{refused:?}"
        );
        let refused = judge(CHUNK, Err(Errno::NOMEM), 0);
        assert!(
            matches!(refused, Err(RefusalReason::Promise { .. })),
            "{refused:?}"
        );
    }
}
