//! `/dev/udmabuf`: buffers made of the program's own memory files.
//!
//! A memory file cannot show another one's pages at other offsets. So only a whole memory file becomes a buffer: the new descriptor is
//! the same memory, opened once more. A part of one, and a list, are refused like what the kernel's driver cannot do.
//!
//! References: `udmabuf_ioctl_create`, `udmabuf_create`, `check_memfd_seals` (drivers/dma-buf/udmabuf.c, v6.12).

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, SealFlags};
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_uapi::udmabuf::{Create, CreateListHead, FLAGS_CLOEXEC, SIZE_LIMIT_BYTES};

use super::{Caller, FileId, argument};

/// A buffer to be made, that passed the kernel's checks.
#[derive(Debug)]
pub(crate) struct Request {
    /// The memory.
    pub(crate) memory: OwnedFd,
    pub(crate) id: FileId,
    /// Flags of the new descriptor.
    pub(crate) flags: OFlags,
}

/// Reads and checks `CREATE`.
pub(crate) fn check(caller: &dyn Caller, address: u64) -> Result<Request, Errno> {
    let asked = Create::from_bytes(&argument::<{ Create::SIZE_BYTES }>(caller, address)?);
    let aligned = asked.offset.is_multiple_of(PAGE_BYTES) && asked.size.is_multiple_of(PAGE_BYTES);
    if !aligned || asked.size == 0 || asked.size > SIZE_LIMIT_BYTES {
        return Err(Errno::INVAL);
    }
    // CAST: descriptors above the positive ints do not exist.
    let (memory, id) = caller.file(asked.memfd as i32).map_err(|_| Errno::BADFD)?;
    let size_bytes = check_memory(&memory)?;
    if asked.offset != 0 || asked.size != size_bytes {
        return Err(Errno::INVAL);
    }
    let close_on_exec = asked.flags & FLAGS_CLOEXEC != 0;
    Ok(Request {
        memory,
        id,
        flags: if close_on_exec {
            OFlags::CLOEXEC
        } else {
            OFlags::empty()
        },
    })
}

/// Checks that it is a memory file that cannot shrink and can be written; returns its size in bytes.
fn check_memory(memory: &OwnedFd) -> Result<u64, Errno> {
    let seals = rustix::fs::fcntl_get_seals(memory).map_err(|_| Errno::BADFD)?;
    if !seals.contains(SealFlags::SHRINK) || seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE) {
        return Err(Errno::INVAL);
    }
    let stat = rustix::fs::fstat(memory).map_err(|_| Errno::BADFD)?;
    u64::try_from(stat.st_size).map_err(|_| Errno::INVAL)
}

/// Reads and refuses `CREATE_LIST`: a list that the driver would refuse, and every other one, too.
pub(crate) fn refuse_list(caller: &dyn Caller, address: u64) -> Errno {
    let head = argument::<{ CreateListHead::SIZE_BYTES }>(caller, address);
    // DIFFERENCE: of up to 1024 good parts the driver would make a buffer.
    head.map_or_else(|errno| errno, |_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::super::test_caller::TestCaller;
    use super::*;
    use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};

    fn ask(size: u64, seals: SealFlags, change: impl FnOnce(&mut Create)) -> Result<Request, Errno> {
        let memory = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, size).unwrap();
        fcntl_add_seals(&memory, seals).unwrap();
        let mut asked = Create {
            memfd: 0,
            flags: 0,
            offset: 0,
            size,
        };
        change(&mut asked);
        let caller = TestCaller::with_memory(&asked.to_bytes());
        caller.installed.borrow_mut().push(memory);
        check(&caller, 0)
    }

    #[test]
    fn whole_memory_that_cannot_shrink_is_a_buffer() {
        let request = ask(8192, SealFlags::SHRINK, |_| ()).unwrap();
        assert!(!request.flags.contains(OFlags::CLOEXEC));
        let flagged = ask(8192, SealFlags::SHRINK, |asked| asked.flags = FLAGS_CLOEXEC).unwrap();
        assert!(flagged.flags.contains(OFlags::CLOEXEC));
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        let changes: [fn(&mut Create); 6] = [
            |asked| asked.offset = 1,
            |asked| asked.size = 4097,
            |asked| asked.size = 0,
            |asked| asked.size = SIZE_LIMIT_BYTES + 4096,
            |asked| asked.size = 16384,
            |asked| asked.offset = 4096,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            assert_eq!(
                ask(8192, SealFlags::SHRINK, change).unwrap_err(),
                Errno::INVAL,
                "{index}"
            );
        }
    }

    #[test]
    fn seals_are_what_the_driver_wants() {
        for seals in [
            SealFlags::GROW,
            SealFlags::SHRINK | SealFlags::WRITE,
            SealFlags::SHRINK | SealFlags::FUTURE_WRITE,
        ] {
            assert_eq!(ask(8192, seals, |_| ()).unwrap_err(), Errno::INVAL, "{seals:?}");
        }
    }

    #[test]
    fn other_files_and_nothing_are_no_memory() {
        let none = ask(8192, SealFlags::SHRINK, |asked| asked.memfd = 9);
        assert_eq!(none.unwrap_err(), Errno::BADFD);
        let asked = Create {
            memfd: 0,
            flags: 0,
            offset: 0,
            size: 4096,
        };
        let caller = TestCaller::with_memory(&asked.to_bytes());
        caller
            .installed
            .borrow_mut()
            .push(std::fs::File::open("/dev/null").unwrap().into());
        assert_eq!(check(&caller, 0).unwrap_err(), Errno::BADFD);
    }
}
