//! Parts of memory files that one buffer shows one after another.
//!
//! A memory file cannot show pages of another one, so the program's descriptor is of a *placeholder*: an empty memory file of the
//! buffer's size, opened for writing only, which the kernel never maps. Whoever maps it in a run is made to map the parts instead; whoever
//! does elsewhere is refused (`EACCES`) and does not see zeros.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fstatfs, ftruncate, memfd_create};
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;

use crate::devices::{FileId, udmabuf::Part};
use crate::listener::task::open_again;

/// `HUGETLBFS_MAGIC`.
const HUGE_PAGES: u64 = 0x9584_58f6;
/// Nobody changes a placeholder's size or contents.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

/// The memory files that buffers show parts of: each is opened once, however many buffers there are.
#[derive(Debug, Default)]
pub(crate) struct Memories(Mutex<HashMap<FileId, Weak<OwnedFd>>>);

impl Memories {
    /// A description of our own of the memory that `file` is open of.
    fn open(&self, id: FileId, file: &OwnedFd) -> Result<Arc<OwnedFd>, Errno> {
        let mut known = self.0.lock();
        if let Some(memory) = known.get(&id).and_then(Weak::upgrade) {
            return Ok(memory);
        }
        // DIFFERENCE: huge pages cannot be mapped a small page at a time.
        if fstatfs(file)?.f_type.cast_unsigned() == HUGE_PAGES {
            return Err(Errno::INVAL);
        }
        let memory = Arc::new(open_again(file, OFlags::RDWR)?);
        known.retain(|_, memory| memory.strong_count() > 0);
        known.insert(id, Arc::downgrade(&memory));
        Ok(memory)
    }
}

/// Pages of one memory file that follow each other there and in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Which memory: its place among all of a buffer's.
    pub(crate) memory: usize,
    /// Where it begins there, in bytes.
    pub(crate) offset_bytes: u64,
    /// How long it is, in bytes.
    pub(crate) length_bytes: u64,
}

impl Stretch {
    fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.length_bytes
    }
}

/// What a buffer of parts is.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Our own description of the placeholder, which the kernel does not count among the open ones.
    pub(crate) placeholder: OwnedFd,
    memories: Vec<Arc<OwnedFd>>,
    stretches: Vec<Stretch>,
}

impl Parts {
    /// Makes a buffer of these.
    ///
    /// # Errors
    /// `EINVAL`: one has huge pages; `EACCES`: one is another user's; `EMFILE`: this process has no room for their descriptors.
    pub(crate) fn new(parts: &[Part], known: &Memories) -> Result<Self, Errno> {
        let mut memories = Vec::new();
        let mut places = HashMap::new();
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            let memory = match places.get(&part.id) {
                Some(place) => *place,
                None => {
                    memories.push(known.open(part.id, &part.memory)?);
                    places.insert(part.id, memories.len() - 1);
                    memories.len() - 1
                }
            };
            all.push(Stretch {
                memory,
                offset_bytes: part.offset_bytes,
                length_bytes: part.size_bytes,
            });
        }
        let size_bytes = all.iter().map(|stretch| stretch.length_bytes).sum();
        Ok(Self {
            placeholder: placeholder(size_bytes)?,
            memories,
            stretches: joined(all),
        })
    }

    /// A description for the program.
    pub(crate) fn open(&self) -> Result<OwnedFd, Errno> {
        open_again(&self.placeholder, OFlags::WRONLY)
    }

    /// The memory of a stretch.
    pub(crate) fn memory(&self, stretch: &Stretch) -> Option<&OwnedFd> {
        self.memories.get(stretch.memory).map(Arc::as_ref)
    }

    /// What is shown at `offset_bytes` and `length_bytes` on, both whole pages.
    ///
    /// # Errors
    /// `EINVAL`: not all of that is in the buffer.
    pub(crate) fn shown(&self, offset_bytes: u64, length_bytes: u64) -> Result<Vec<Stretch>, Errno> {
        let end = offset_bytes.checked_add(length_bytes).ok_or(Errno::INVAL)?;
        let (mut at, mut shown) = (0, Vec::new());
        for stretch in &self.stretches {
            let next = at + stretch.length_bytes;
            let (first, last) = (offset_bytes.max(at), end.min(next));
            if first < last {
                shown.push(Stretch {
                    memory: stretch.memory,
                    offset_bytes: stretch.offset_bytes + (first - at),
                    length_bytes: last - first,
                });
            }
            at = next;
        }
        if end > at { Err(Errno::INVAL) } else { Ok(shown) }
    }
}

/// The same with those joined that follow each other in one memory.
fn joined(parts: Vec<Stretch>) -> Vec<Stretch> {
    let mut joined: Vec<Stretch> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(last) if last.memory == part.memory && last.end_bytes() == part.offset_bytes => {
                last.length_bytes += part.length_bytes;
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn placeholder(size_bytes: u64) -> Result<OwnedFd, Errno> {
    debug_assert!(size_bytes.is_multiple_of(PAGE_BYTES), "parts are whole pages");
    let file = memfd_create("udmabuf", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, size_bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = PAGE_BYTES;

    fn memory(pages: u64) -> OwnedFd {
        let memory = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, pages * PAGE).unwrap();
        memory
    }

    fn part(memory: &OwnedFd, first: u64, pages: u64) -> Part {
        Part {
            id: FileId::of(memory).unwrap(),
            memory: Arc::new(memory.try_clone().unwrap()),
            offset_bytes: first * PAGE,
            size_bytes: pages * PAGE,
            is_whole: false,
        }
    }

    fn stretch(memory: usize, first: u64, pages: u64) -> Stretch {
        Stretch {
            memory,
            offset_bytes: first * PAGE,
            length_bytes: pages * PAGE,
        }
    }

    /// One memory's pages 4, 5 and 6, another's 0, and the first one's 0.
    fn example() -> Parts {
        let (one, other) = (memory(8), memory(2));
        let parts = [
            part(&one, 4, 1),
            part(&one, 5, 2),
            part(&other, 0, 1),
            part(&one, 0, 1),
        ];
        Parts::new(&parts, &Memories::default()).unwrap()
    }

    #[test]
    fn parts_that_follow_each_other_are_one() {
        let all = [stretch(0, 4, 3), stretch(1, 0, 1), stretch(0, 0, 1)];
        assert_eq!(example().shown(0, 5 * PAGE).unwrap(), all);
    }

    #[test]
    fn any_pages_are_shown_where_they_are() {
        let parts = example();
        let cases: [(u64, u64, &[Stretch]); 5] = [
            (0, 1, &[stretch(0, 4, 1)]),
            (1, 1, &[stretch(0, 5, 1)]),
            (2, 2, &[stretch(0, 6, 1), stretch(1, 0, 1)]),
            (3, 1, &[stretch(1, 0, 1)]),
            (4, 1, &[stretch(0, 0, 1)]),
        ];
        for (first, pages, shown) in cases {
            assert_eq!(
                parts.shown(first * PAGE, pages * PAGE).unwrap(),
                shown,
                "{first} {pages}"
            );
        }
    }

    #[test]
    fn what_is_beyond_the_end_is_not_shown() {
        let parts = example();
        for (offset, length) in [
            (0, 6 * PAGE),
            (5 * PAGE, PAGE),
            (4 * PAGE, 2 * PAGE),
            (u64::MAX - PAGE + 1, PAGE),
            (PAGE, u64::MAX - PAGE + 1),
        ] {
            assert_eq!(
                parts.shown(offset, length),
                Err(Errno::INVAL),
                "{offset} {length}"
            );
        }
    }

    #[test]
    fn memory_is_opened_once_for_all_buffers() {
        let (known, memory) = (Memories::default(), memory(2));
        let one = Parts::new(&[part(&memory, 0, 1), part(&memory, 0, 1)], &known).unwrap();
        let other = Parts::new(&[part(&memory, 1, 1)], &known).unwrap();
        assert_eq!(one.memories.len(), 1);
        assert!(Arc::ptr_eq(&one.memories[0], &other.memories[0]));
        drop((one, other));
        assert!(known.0.lock().values().all(|memory| memory.upgrade().is_none()));
    }

    #[test]
    fn nobody_reads_or_changes_a_placeholder() {
        let parts = example();
        let given = parts.open().unwrap();
        let size_bytes = rustix::fs::fstat(&given).unwrap().st_size;
        assert_eq!(size_bytes.cast_unsigned(), 5 * PAGE);
        assert_eq!(rustix::io::read(&given, &mut [0]), Err(Errno::BADF));
        assert_eq!(rustix::io::write(&given, &[1]), Err(Errno::PERM));
        assert!(ftruncate(&given, PAGE).is_err());
        let mapped = wharf_memory::Mapping::map(
            std::os::fd::AsFd::as_fd(&given),
            PAGE as usize,
            wharf_memory::Access::ReadOnly,
        );
        assert_eq!(mapped.unwrap_err().errno(), Errno::ACCESS);
    }
}
