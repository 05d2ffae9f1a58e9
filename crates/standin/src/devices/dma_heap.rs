//! `/dev/dma_heap/*`.
//!
//! References: `dma_heap_ioctl`, `dma_heap_ioctl_allocate`, `dma_heap_buffer_alloc` (drivers/dma-buf/dma-heap.c, v6.12).

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_uapi::Ioctl;
use wharf_uapi::dma_heap::{ALLOC, AllocationData, VALID_FD_FLAGS, VALID_HEAP_FLAGS};

use super::Caller;

/// An allocation that passed the kernel's checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// In bytes, whole pages, at least one.
    pub(crate) size_bytes: u64,
    /// How the new descriptor is to be opened.
    pub(crate) flags: OFlags,
    /// The argument, as long as what is written back.
    pub(crate) argument: Vec<u8>,
}

impl Request {
    /// The argument to write back, with the new descriptor in it.
    pub(crate) fn with_number(&self, fd: u32) -> Vec<u8> {
        let mut answered = AllocationData::from_bytes(&self.argument);
        answered.fd = fd;
        answered.to_bytes()
    }
}

/// Reads and checks the argument of an allocation.
///
/// The structure can be of any size: a shorter one counts as ending in zeros, of a longer one the end is ignored. Like the kernel, it does not look
/// at whose call it is: number 0 of any kind allocates, and no other number exists.
pub(crate) fn check(caller: &dyn Caller, request: Ioctl, address: u64) -> Result<Request, Errno> {
    if request.number() != ALLOC.number() {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; if request.reads() { request.size_bytes() } else { 0 }];
    caller.read(address, &mut bytes)?;
    let asked = AllocationData::from_bytes(&bytes);
    let wrong_flags = asked.fd_flags & !VALID_FD_FLAGS != 0 || asked.heap_flags & !VALID_HEAP_FLAGS != 0;
    if asked.fd != 0 || wrong_flags {
        return Err(Errno::INVAL);
    }
    // Wraps to zero for sizes above the last page, as in the kernel.
    let size_bytes = asked.len.wrapping_add(PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if size_bytes == 0 {
        return Err(Errno::INVAL);
    }
    let written = if request.writes() { request.size_bytes() } else { 0 };
    let mut argument = asked.to_bytes();
    argument.truncate(written);
    Ok(Request {
        size_bytes,
        flags: OFlags::from_bits_retain(asked.fd_flags),
        argument,
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_caller::TestCaller;
    use super::*;
    use wharf_uapi::dma_heap::ALLOC;

    fn ask(data: AllocationData) -> Result<Request, Errno> {
        let caller = TestCaller::with_memory(&data.to_bytes());
        check(&caller, ALLOC, 0)
    }

    const GOOD: AllocationData = AllocationData {
        len: 5000,
        fd: 0,
        fd_flags: 0,
        heap_flags: 0,
    };

    #[test]
    fn sizes_are_whole_pages() {
        assert_eq!(ask(GOOD).unwrap().size_bytes, 8192);
        assert_eq!(ask(AllocationData { len: 1, ..GOOD }).unwrap().size_bytes, 4096);
        assert_eq!(
            ask(AllocationData { len: 8192, ..GOOD }).unwrap().size_bytes,
            8192
        );
    }

    #[test]
    fn nothing_and_more_than_everything_are_refused() {
        for len in [0, u64::MAX, u64::MAX - 4094] {
            assert_eq!(ask(AllocationData { len, ..GOOD }), Err(Errno::INVAL), "{len}");
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        for data in [
            AllocationData { fd: 1, ..GOOD },
            AllocationData {
                fd_flags: 0o4000,
                ..GOOD
            },
            AllocationData {
                heap_flags: 1,
                ..GOOD
            },
            AllocationData {
                heap_flags: 1 << 63,
                ..GOOD
            },
        ] {
            assert_eq!(ask(data), Err(Errno::INVAL), "{data:?}");
        }
        let all = AllocationData {
            fd_flags: VALID_FD_FLAGS,
            ..GOOD
        };
        assert_eq!(ask(all).unwrap().flags.bits(), VALID_FD_FLAGS);
    }

    #[test]
    fn only_the_number_tells_the_call() {
        let caller = TestCaller::with_memory(&3_u64.to_ne_bytes());
        let bracket = check(&caller, wharf_uapi::dma_buf::SYNC, 0).unwrap();
        assert_eq!((bracket.size_bytes, bracket.argument.len()), (4096, 0));
        for other in [wharf_uapi::dma_buf::SET_NAME_B, wharf_uapi::sync_file::MERGE] {
            assert_eq!(check(&caller, other, 0), Err(Errno::INVAL), "{other:?}");
        }
    }

    #[test]
    fn older_and_newer_structures_are_understood() {
        let sized = |size: usize| Ioctl::read_write(b'H', 0, size);
        let mut memory = GOOD.to_bytes();
        memory.extend([0xff; 40]);
        let caller = TestCaller::with_memory(&memory);
        assert_eq!(
            check(&caller, sized(64), 0).unwrap().argument.len(),
            24,
            "what is beyond is left alone"
        );
        let older = check(&caller, sized(16), 0).unwrap();
        assert_eq!((older.size_bytes, older.argument.len()), (8192, 16));
        assert_eq!(check(&caller, sized(0), 0), Err(Errno::INVAL), "no length");
        assert_eq!(
            check(&caller, sized(65), 0),
            Err(Errno::FAULT),
            "beyond the program's memory"
        );
    }
}
