//! Buffers of parts of memory files: making them, and having the caller map the parts one after another.
//!
//! The caller first reserves the addresses and then maps each stretch over them, from descriptors that it has for this moment only.
//! What fails midway is taken back. References: `dma_buf_mmap_internal` (drivers/dma-buf/dma-buf.c), `mmap_udmabuf`
//! (drivers/dma-buf/udmabuf.c), `do_mmap` (mm/mmap.c), v6.12.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;

use super::answering::{Listener, Next};
use super::injection::{Call, Seized, Stopped, failure, is_failure};
use super::mapping::marked;
use super::sys::Reply;
use super::task::Task;
use crate::devices::udmabuf::Request;
use crate::devices::{Answer, Buffer, Caller as _, Exactness, FileId, Object};
use crate::memory::{Parts, Stretch};

/// What of the flags says how it is shared.
const KIND: i32 = 0x0f;
/// What every kernel takes; only `MAP_SHARED_VALIDATE` fails with other flags.
const KNOWN_FLAGS: i32 = KIND
    | libc::MAP_FIXED
    | libc::MAP_DENYWRITE
    | libc::MAP_EXECUTABLE
    | libc::MAP_GROWSDOWN
    | libc::MAP_LOCKED
    | libc::MAP_NORESERVE
    | libc::MAP_POPULATE
    | libc::MAP_NONBLOCK
    | libc::MAP_STACK
    | libc::MAP_HUGETLB
    | libc::MAP_HUGE_2MB
    | libc::MAP_HUGE_1GB
    | LOW_OR_HIGH;
/// `MAP_32BIT` and `MAP_ABOVE4G`, which other architectures have not.
const LOW_OR_HIGH: i32 = 0x40 | 0x80;
/// What of the flags says where the mapping is to be.
const PLACING: i32 = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE | LOW_OR_HIGH;

impl Listener {
    /// Gives the caller a buffer of parts.
    pub(super) fn make_of_parts(
        &self,
        task: &Task<'_>,
        exactness: Exactness,
        asked: &Request,
    ) -> Result<Answer, Errno> {
        // DIFFERENCE: the driver knows no others; but a buffer that nobody can map would be a lie.
        if exactness == Exactness::Whole || !task.can_be_made_to_map() {
            return Err(Errno::INVAL);
        }
        let parts = Parts::new(&asked.parts, &self.memories)?;
        let id = FileId::of(&parts.placeholder)?;
        let given = parts.open()?;
        self.objects
            .insert(id, Object::Buffer(Arc::new(Buffer::of_parts(parts))));
        let told = task.return_fd(given.as_fd(), asked.flags);
        drop(given);
        // If it failed it is released like any other that nobody has.
        self.releases.add(&self.objects, id, 0);
        told.map(|()| Answer::Answered)
    }

    /// Has the caller map the parts instead of their placeholder.
    pub(super) fn map_parts(&self, task: &Task<'_>, parts: &Parts) -> Result<Next, Errno> {
        let asked = Asked::check(task.notification.data.args)?;
        let shown = parts.shown(asked.offset_bytes, asked.length_bytes)?;
        let seized = Seized::seize(task.notification.pid).map_err(|_| Errno::PERM)?;
        let mut lent = Lent::default();
        let ready = lent.install(task, parts, &shown);
        self.reply(task.notification.id, Reply::Value(0));
        seized.act(|stopped| {
            let result = match ready {
                Ok(()) => asked.map(stopped, &shown, &lent)?,
                Err(errno) => failure(errno),
            };
            lent.close(stopped)?;
            Some(result)
        });
        Ok(Next::Nothing)
    }
}

/// Descriptors that the caller has for a moment: one for each memory, by its place among the buffer's.
#[derive(Default)]
struct Lent(BTreeMap<usize, u32>);

impl Lent {
    /// Gives the caller one for each memory that is shown.
    // DIFFERENCE: the driver needs none. `EMFILE`.
    fn install(&mut self, task: &Task<'_>, parts: &Parts, shown: &[Stretch]) -> Result<(), Errno> {
        for stretch in shown {
            if let Entry::Vacant(place) = self.0.entry(stretch.memory) {
                let memory = parts.memory(stretch).ok_or(Errno::INVAL)?;
                place.insert(task.install(memory.as_fd(), OFlags::CLOEXEC)?);
            }
        }
        Ok(())
    }

    fn close(&self, stopped: &Stopped<'_>) -> Option<()> {
        for number in self.0.values() {
            stopped.call(&Call::new(libc::SYS_close, [u64::from(*number), 0, 0, 0, 0, 0]))?;
        }
        Some(())
    }
}

/// A mapping that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    address: u64,
    /// Whole pages.
    length_bytes: u64,
    protection: u64,
    flags: i32,
    offset_bytes: u64,
}

impl Asked {
    /// Checks what does not depend on the buffer, before anything is unmapped for it.
    fn check(arguments: [u64; 6]) -> Result<Self, Errno> {
        let [address, length, protection, flags, _, offset_bytes] = arguments;
        // CAST: the kernel knows no higher ones.
        let flags = flags as i32;
        if length == 0 || !offset_bytes.is_multiple_of(PAGE_BYTES) {
            return Err(Errno::INVAL);
        }
        let length_bytes = length.checked_next_multiple_of(PAGE_BYTES).ok_or(Errno::NOMEM)?;
        if flags & KIND == libc::MAP_SHARED_VALIDATE && flags & !KNOWN_FLAGS != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        if flags & (libc::MAP_HUGETLB | libc::MAP_GROWSDOWN) != 0 {
            return Err(Errno::INVAL);
        }
        Ok(Self {
            address,
            length_bytes,
            protection,
            flags,
            offset_bytes,
        })
    }

    /// Maps what is shown. Returns what the call is to return; `None` when the thread dies.
    fn map(&self, stopped: &Stopped<'_>, shown: &[Stretch], lent: &Lent) -> Option<u64> {
        if let [all] = shown {
            return stopped.call(&self.stretch(self.address, self.flags, all, lent));
        }
        let start = stopped.call(&self.reservation())?;
        if is_failure(start) {
            return Some(start);
        }
        let over = self.flags & !PLACING | libc::MAP_FIXED;
        let mut place = start;
        for stretch in shown {
            let result = stopped.call(&self.stretch(place, over, stretch, lent))?;
            if is_failure(result) {
                let all = [start, self.length_bytes, 0, 0, 0, 0];
                stopped.call(&Call::new(libc::SYS_munmap, all))?;
                return Some(result);
            }
            place += stretch.length_bytes;
        }
        Some(start)
    }

    /// Takes the addresses, with nothing there yet.
    fn reservation(&self) -> Call {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | self.flags & PLACING;
        // CAST: flags are small and positive; no descriptor is -1.
        let arguments = [self.address, self.length_bytes, 0, flags as u64, u64::MAX, 0];
        Call::new(libc::SYS_mmap, arguments)
    }

    fn stretch(&self, place: u64, flags: i32, stretch: &Stretch, lent: &Lent) -> Call {
        let flags = flags & !KIND | libc::MAP_SHARED;
        // No number is nobody's: all that are shown were lent.
        let number = lent.0.get(&stretch.memory).copied().unwrap_or(u32::MAX);
        let arguments = [
            place,
            stretch.length_bytes,
            self.protection,
            // CAST: flags are small and positive.
            flags as u64,
            marked(number),
            stretch.offset_bytes,
        ];
        Call::new(libc::SYS_mmap, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: u64, flags: i32, offset: u64) -> Result<Asked, Errno> {
        Asked::check([0, length, 3, flags as u64, 5, offset])
    }

    #[test]
    fn lengths_are_whole_pages() {
        let asked = check(5000, libc::MAP_SHARED, 4096).unwrap();
        assert_eq!((asked.length_bytes, asked.offset_bytes), (8192, 4096));
        for (length, offset, errno) in [
            (0, 0, Errno::INVAL),
            (4096, 1, Errno::INVAL),
            (u64::MAX, 0, Errno::NOMEM),
        ] {
            assert_eq!(
                check(length, libc::MAP_SHARED, offset),
                Err(errno),
                "{length} {offset}"
            );
        }
    }

    #[test]
    fn flags_are_what_a_kernel_takes() {
        let validated = libc::MAP_SHARED_VALIDATE;
        for unknown in [libc::MAP_SYNC, libc::MAP_FIXED_NOREPLACE] {
            assert!(check(4096, libc::MAP_SHARED | unknown, 0).is_ok());
            assert_eq!(check(4096, validated | unknown, 0), Err(Errno::OPNOTSUPP));
        }
        assert!(
            check(
                4096,
                validated | libc::MAP_FIXED | libc::MAP_POPULATE | LOW_OR_HIGH,
                0
            )
            .is_ok()
        );
        for flag in [libc::MAP_HUGETLB, libc::MAP_GROWSDOWN] {
            assert_eq!(check(4096, libc::MAP_SHARED | flag, 0), Err(Errno::INVAL));
        }
    }

    #[test]
    fn addresses_are_reserved_where_they_are_wanted() {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE | libc::MAP_LOCKED | libc::MAP_POPULATE;
        let asked = Asked {
            address: 0x10000,
            ..check(8192, flags, 0).unwrap()
        };
        let [address, length, protection, flags, ..] = asked.reservation().arguments;
        assert_eq!((address, length, protection), (0x10000, 8192, 0));
        let none = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        assert_eq!(flags as i32, none | libc::MAP_FIXED_NOREPLACE);
    }
}
