//! `/dev/udmabuf`: buffers made of the program's own memory files.
//!
//! A whole memory file becomes a buffer without cost: the new descriptor is the same memory, opened once more. A memory file cannot show
//! another one's pages at other offsets. So a part of one, and a list of more than one, take mappings that are
//! [exact](super::Exactness): without them they are refused like what the kernel's driver cannot do.
//!
//! References: `udmabuf_ioctl_create`, `udmabuf_create`, `check_memfd_seals` (drivers/dma-buf/udmabuf.c, v6.12).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{OFlags, SealFlags};
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_uapi::udmabuf::{Create, CreateItem, CreateListHead, FLAGS_CLOEXEC, LIST_LIMIT, SIZE_LIMIT_BYTES};

use super::{Caller, FileId, Object, Objects, argument};

/// A buffer to be made, that passed the kernel's checks.
#[derive(Debug)]
pub(crate) struct Request {
    /// What it shows, one after another.
    pub(crate) parts: Vec<Part>,
    /// Flags of the new descriptor.
    pub(crate) flags: OFlags,
}

impl Request {
    fn new(parts: Vec<Part>, flags: u32) -> Self {
        let close_on_exec = flags & FLAGS_CLOEXEC != 0;
        let flags = if close_on_exec {
            OFlags::CLOEXEC
        } else {
            OFlags::empty()
        };
        Self { parts, flags }
    }

    /// The memory file, if the buffer is one whole.
    pub(crate) fn whole(&self) -> Option<&Part> {
        match self.parts.as_slice() {
            [part] if part.is_whole => Some(part),
            _ => None,
        }
    }
}

/// A part of a memory file.
#[derive(Debug)]
pub(crate) struct Part {
    /// The memory.
    pub(crate) memory: Arc<OwnedFd>,
    pub(crate) id: FileId,
    /// Where the part begins, in bytes.
    pub(crate) offset_bytes: u64,
    /// How long it is, in bytes.
    pub(crate) size_bytes: u64,
    /// Whether it is all of the memory.
    pub(crate) is_whole: bool,
}

/// Reads and checks `CREATE`.
pub(crate) fn check(caller: &dyn Caller, objects: &Objects, address: u64) -> Result<Request, Errno> {
    let asked = Create::from_bytes(&argument::<{ Create::SIZE_BYTES }>(caller, address)?);
    let part = CreateItem {
        memfd: asked.memfd,
        pad: 0,
        offset: asked.offset,
        size: asked.size,
    };
    let parts = check_parts((caller, objects), &[part])?;
    Ok(Request::new(parts, asked.flags))
}

/// Reads and checks `CREATE_LIST`.
pub(crate) fn check_list(caller: &dyn Caller, objects: &Objects, address: u64) -> Result<Request, Errno> {
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
    let parts = check_parts((caller, objects), &parts)?;
    Ok(Request::new(parts, head.flags))
}

fn check_parts(around: (&dyn Caller, &Objects), parts: &[CreateItem]) -> Result<Vec<Part>, Errno> {
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
    let mut known = HashMap::new();
    let check = |part: &CreateItem| {
        let memory: &Memory = match known.entry(part.memfd) {
            Entry::Occupied(memory) => memory.into_mut(),
            Entry::Vacant(place) => place.insert(Memory::of(around, part.memfd)?),
        };
        memory.part(part)
    };
    parts.iter().map(check).collect()
}

/// A memory file that can be in a buffer.
struct Memory {
    file: Arc<OwnedFd>,
    id: FileId,
    size_bytes: u64,
}

impl Memory {
    /// What the caller has open as `number`.
    fn of((caller, objects): (&dyn Caller, &Objects), number: u32) -> Result<Self, Errno> {
        // CAST: descriptors above the positive ints do not exist.
        let (file, id) = caller.file(number as i32).map_err(|errno| match errno {
            // Our own lack of room is not the caller's mistake.
            Errno::MFILE | Errno::NFILE => errno,
            _ => Errno::BADFD,
        })?;
        // A buffer is no memory file, unless it is both.
        let is_memory = match objects.get(id) {
            Some(Object::Buffer(buffer)) => buffer.is_memory_file(),
            _ => true,
        };
        if !is_memory {
            return Err(Errno::BADFD);
        }
        let size_bytes = check_memory(&file)?;
        let file = Arc::new(file);
        Ok(Self { file, id, size_bytes })
    }

    fn part(&self, asked: &CreateItem) -> Result<Part, Errno> {
        let end = asked.offset.checked_add(asked.size).ok_or(Errno::INVAL)?;
        if asked.size == 0 || end > self.size_bytes {
            return Err(Errno::INVAL);
        }
        Ok(Part {
            memory: Arc::clone(&self.file),
            id: self.id,
            offset_bytes: asked.offset,
            size_bytes: asked.size,
            is_whole: asked.size == self.size_bytes,
        })
    }
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
    use super::super::Buffer;
    use super::super::test_caller::TestCaller;
    use super::*;
    use crate::memory::{Memories, Parts};
    use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};

    fn nothing() -> Objects {
        Objects::new([]).unwrap()
    }

    /// The beginning of the file that the caller has open as 0.
    fn asked(size: u64) -> Create {
        Create {
            memfd: 0,
            flags: 0,
            offset: 0,
            size,
        }
    }

    fn ask(size: u64, seals: SealFlags, change: impl FnOnce(&mut Create)) -> Result<Request, Errno> {
        let memory = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, size).unwrap();
        fcntl_add_seals(&memory, seals).unwrap();
        let mut asked = asked(size);
        change(&mut asked);
        let caller = TestCaller::with_memory(&asked.to_bytes());
        caller.installed.borrow_mut().push(memory);
        check(&caller, &nothing(), 0)
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
        let asked = asked(4096);
        let caller = TestCaller::with_memory(&asked.to_bytes());
        caller
            .installed
            .borrow_mut()
            .push(std::fs::File::open("/dev/null").unwrap().into());
        assert_eq!(check(&caller, &nothing(), 0).unwrap_err(), Errno::BADFD);
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
        check_list(&caller, &nothing(), 0)
    }

    #[test]
    fn list_of_one_whole_memory_is_whole() {
        let request = ask_list(1, &[(0, 0, 8192)]).unwrap();
        assert!(request.flags.contains(OFlags::CLOEXEC));
        assert!(request.whole().is_some());
        let parts: [&[(u32, u64, u64)]; 3] = [
            &[(0, 4096, 4096)],
            &[(0, 4096, 4096), (0, 0, 4096)],
            &[(0, 0, 8192), (0, 0, 8192)],
        ];
        for parts in parts {
            let request = ask_list(parts.len() as u32, parts).unwrap();
            let told: Vec<_> = request
                .parts
                .iter()
                .map(|part| (0, part.offset_bytes, part.size_bytes))
                .collect();
            assert_eq!(told, parts);
            assert!(request.whole().is_none(), "{parts:?}");
        }
    }

    #[test]
    fn buffers_are_no_memory() {
        let parts = |memory| Part {
            id: FileId::of(&memory).unwrap(),
            memory: Arc::new(memory),
            offset_bytes: 4096,
            size_bytes: 4096,
            is_whole: false,
        };
        let memory = memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        let made = Parts::new(&[parts(memory)], &Memories::default()).unwrap();
        let given = made.open().unwrap();
        let objects = nothing();
        let id = FileId::of(&given).unwrap();
        objects.insert(id, Object::Buffer(Arc::new(Buffer::of_parts(made))));
        let asked = asked(4096);
        let caller = TestCaller::with_memory(&asked.to_bytes());
        caller.installed.borrow_mut().push(given);
        assert_eq!(check(&caller, &objects, 0).unwrap_err(), Errno::BADFD);
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
