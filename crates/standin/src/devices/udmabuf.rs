//! `/dev/udmabuf`: buffers made of the program's own memory files.
//!
//! A memory file cannot show another one's pages at other offsets. So only a whole memory file becomes a buffer: the new descriptor is
//! the same memory, opened once more. A part of one, and a list of more than one, are refused like what the kernel's driver cannot do.
//!
//! References: `udmabuf_ioctl_create`, `udmabuf_create`, `check_memfd_seals` (drivers/dma-buf/udmabuf.c, v6.12).

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, SealFlags};
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_uapi::udmabuf::{Create, CreateItem, CreateListHead, FLAGS_CLOEXEC, LIST_LIMIT, SIZE_LIMIT_BYTES};

use super::{Caller, FileId, argument};

/// A buffer to be made, that passed the kernel's checks.
#[derive(Debug)]
pub(crate) struct Request {
    /// The memory.
    pub(crate) memory: OwnedFd,
    pub(crate) id: FileId,
    /// In bytes, all of the memory.
    pub(crate) size_bytes: u64,
    /// Flags of the new descriptor.
    pub(crate) flags: OFlags,
}

/// Reads and checks `CREATE`.
pub(crate) fn check(caller: &dyn Caller, address: u64) -> Result<Request, Errno> {
    let asked = Create::from_bytes(&argument::<{ Create::SIZE_BYTES }>(caller, address)?);
    let part = CreateItem {
        memfd: asked.memfd,
        pad: 0,
        offset: asked.offset,
        size: asked.size,
    };
    only_whole(check_parts(caller, &[part])?, asked.flags)
}

/// Reads and checks `CREATE_LIST`.
pub(crate) fn check_list(caller: &dyn Caller, address: u64) -> Result<Request, Errno> {
    let head = CreateListHead::from_bytes(&argument::<{ CreateListHead::SIZE_BYTES }>(caller, address)?);
    if head.count > LIST_LIMIT {
        return Err(Errno::INVAL);
    }
    // CAST: at most 24 KiB; a header is 8 bytes.
    let mut bytes = vec![0; head.count as usize * CreateItem::SIZE_BYTES];
    let first = address.checked_add(CreateListHead::SIZE_BYTES as u64);
    caller.read(first.ok_or(Errno::FAULT)?, &mut bytes)?;
    let parts: Vec<CreateItem> = bytes
        .chunks(CreateItem::SIZE_BYTES)
        .map(CreateItem::from_bytes)
        .collect();
    only_whole(check_parts(caller, &parts)?, head.flags)
}

/// A part of a memory file that can be in a buffer.
struct Part {
    memory: OwnedFd,
    id: FileId,
    size_bytes: u64,
    is_whole: bool,
}

fn check_parts(caller: &dyn Caller, parts: &[CreateItem]) -> Result<Vec<Part>, Errno> {
    let mut total: u64 = 0;
    for part in parts {
        let aligned = part.offset.is_multiple_of(PAGE_BYTES) && part.size.is_multiple_of(PAGE_BYTES);
        total = total.checked_add(part.size).ok_or(Errno::INVAL)?;
        if !aligned || total > SIZE_LIMIT_BYTES {
            return Err(Errno::INVAL);
        }
    }
    if total == 0 {
        return Err(Errno::INVAL);
    }
    parts.iter().map(|part| check_part(caller, part)).collect()
}

fn check_part(caller: &dyn Caller, part: &CreateItem) -> Result<Part, Errno> {
    // CAST: descriptors above the positive ints do not exist.
    let (memory, id) = caller.file(part.memfd as i32).map_err(|_| Errno::BADFD)?;
    let size_bytes = check_memory(&memory)?;
    let end = part.offset.checked_add(part.size).ok_or(Errno::INVAL)?;
    if part.size == 0 || end > size_bytes {
        return Err(Errno::INVAL);
    }
    let is_whole = part.size == size_bytes;
    Ok(Part {
        memory,
        id,
        size_bytes,
        is_whole,
    })
}

/// What can be made: a buffer of one whole memory file.
fn only_whole(mut parts: Vec<Part>, flags: u32) -> Result<Request, Errno> {
    let part = parts.pop().filter(|part| part.is_whole && parts.is_empty());
    // DIFFERENCE: of up to 1024 parts the driver would make a buffer.
    let Part {
        memory,
        id,
        size_bytes,
        ..
    } = part.ok_or(Errno::INVAL)?;
    let close_on_exec = flags & FLAGS_CLOEXEC != 0;
    Ok(Request {
        memory,
        id,
        size_bytes,
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

    fn ask_list(count: u32, parts: &[(u32, u64, u64)]) -> Result<Request, Errno> {
        let memory = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, 8192).unwrap();
        fcntl_add_seals(&memory, SealFlags::SHRINK).unwrap();
        let mut bytes = CreateListHead { flags: 1, count }.to_bytes();
        for (memfd, offset, size) in parts.iter().copied() {
            let pad = 0;
            bytes.extend(
                CreateItem {
                    memfd,
                    pad,
                    offset,
                    size,
                }
                .to_bytes(),
            );
        }
        let caller = TestCaller::with_memory(&bytes);
        caller.installed.borrow_mut().push(memory);
        check_list(&caller, 0)
    }

    #[test]
    fn list_of_one_whole_memory_is_a_buffer() {
        assert!(
            ask_list(1, &[(0, 0, 8192)])
                .unwrap()
                .flags
                .contains(OFlags::CLOEXEC)
        );
        let parts: [&[(u32, u64, u64)]; 2] = [&[(0, 4096, 4096)], &[(0, 4096, 4096), (0, 0, 4096)]];
        for parts in parts {
            assert_eq!(
                ask_list(parts.len() as u32, parts).unwrap_err(),
                Errno::INVAL,
                "{parts:?}"
            );
        }
    }

    #[test]
    fn lists_are_refused_as_by_the_driver() {
        assert_eq!(ask_list(0, &[]).unwrap_err(), Errno::INVAL);
        assert_eq!(ask_list(LIST_LIMIT + 1, &[]).unwrap_err(), Errno::INVAL);
        assert_eq!(ask_list(2, &[(0, 0, 8192)]).unwrap_err(), Errno::FAULT);
        assert_eq!(
            ask_list(2, &[(0, 0, 8192), (9, 0, 4096)]).unwrap_err(),
            Errno::BADFD
        );
        assert_eq!(
            ask_list(2, &[(0, 0, 8192), (9, 1, 4096)]).unwrap_err(),
            Errno::INVAL
        );
        let most = SIZE_LIMIT_BYTES;
        assert_eq!(
            ask_list(2, &[(0, 0, most), (0, 0, 4096)]).unwrap_err(),
            Errno::INVAL
        );
    }
}
