//! The files that there are.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use fuser::BackingId;
use parking_lot::Mutex;
use rustix::io::Errno;

/// The directory that the files are in.
pub(super) const ROOT: u64 = 1;

/// What there is to know of a file.
#[derive(Debug)]
struct File<B> {
    size_bytes: u64,
    /// The memory, until the kernel has it.
    memory: Option<OwnedFd>,
    /// The kernel's handle of the memory, from the first time it is opened.
    backing: Option<Arc<B>>,
    /// How many descriptions of it are open.
    open: u32,
}

#[derive(Debug)]
struct Inner<B> {
    files: HashMap<u64, File<B>>,
    last_inode: u64,
    last_handle: u64,
}

/// All files, by their inodes' numbers.
///
/// `B` is what the kernel gives for a memory.
#[derive(Debug)]
pub(super) struct Table<B = BackingId>(Mutex<Inner<B>>);

impl<B> Default for Table<B> {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            files: HashMap::new(),
            last_inode: ROOT,
            last_handle: 0,
        }))
    }
}

impl<B> Table<B> {
    /// Adds a file of this memory; returns its number, which no other one had.
    pub(super) fn add(&self, memory: OwnedFd, size_bytes: u64) -> u64 {
        let mut inner = self.0.lock();
        inner.last_inode += 1;
        let inode = inner.last_inode;
        let file = File {
            size_bytes,
            memory: Some(memory),
            backing: None,
            open: 0,
        };
        inner.files.insert(inode, file);
        inode
    }

    pub(super) fn remove(&self, inode: u64) {
        // Dropped without the lock: that are calls on the kernel.
        let removed = self.0.lock().files.remove(&inode);
        drop(removed);
    }

    /// Its size in bytes; none if there is no such file.
    pub(super) fn size_bytes(&self, inode: u64) -> Option<u64> {
        self.0.lock().files.get(&inode).map(|file| file.size_bytes)
    }

    /// A description more: its number, and what the kernel has for the memory. `register` gives it to the kernel, once for all descriptions
    /// of a file.
    ///
    /// # Errors
    /// `ENOENT`: there is no such file; what `register` says.
    pub(super) fn open(
        &self,
        inode: u64,
        register: impl FnOnce(BorrowedFd<'_>) -> Result<B, Errno>,
    ) -> Result<(u64, Arc<B>), Errno> {
        let mut inner = self.0.lock();
        inner.last_handle += 1;
        let handle = inner.last_handle;
        let file = inner.files.get_mut(&inode).ok_or(Errno::NOENT)?;
        if let Some(memory) = &file.memory {
            file.backing = Some(Arc::new(register(memory.as_fd())?));
            file.memory = None;
        }
        let backing = file.backing.as_ref().ok_or(Errno::NOENT)?;
        file.open += 1;
        Ok((handle, Arc::clone(backing)))
    }

    /// A description less; tells whether it was the last.
    pub(super) fn close(&self, inode: u64) -> bool {
        let mut inner = self.0.lock();
        let Some(file) = inner.files.get_mut(&inode) else {
            return false;
        };
        file.open = file.open.saturating_sub(1);
        file.open == 0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn memory() -> OwnedFd {
        memfd_create("test", MemfdFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn memory_is_given_to_the_kernel_once() {
        let table = Table::<u32>::default();
        let file = table.add(memory(), 4096);
        let given = Cell::new(0);
        let open = || {
            let register = |_: BorrowedFd<'_>| {
                given.set(given.get() + 1);
                Ok(7)
            };
            table
                .open(file, register)
                .map(|(handle, backing)| (handle, *backing))
        };
        let (first, second) = (open().unwrap(), open().unwrap());
        assert_eq!((first.1, second.1, given.get()), (7, 7, 1));
        assert_ne!(first.0, second.0, "each description has a number of its own");
        assert!(!table.close(file), "one is open");
        assert!(table.close(file));
    }

    #[test]
    fn file_that_could_not_be_opened_can_be_tried_again() {
        let table = Table::<u32>::default();
        let file = table.add(memory(), 4096);
        assert_eq!(table.open(file, |_| Err(Errno::PERM)), Err(Errno::PERM));
        assert_eq!(*table.open(file, |_| Ok(7)).unwrap().1, 7);
        assert!(table.close(file), "what failed does not count");
    }

    #[test]
    fn removed_files_are_none() {
        let table = Table::<u32>::default();
        let (first, second) = (table.add(memory(), 4096), table.add(memory(), 8192));
        table.remove(first);
        assert_eq!(
            (table.size_bytes(first), table.size_bytes(second)),
            (None, Some(8192))
        );
        assert_eq!(table.open(first, |_| Ok(7)), Err(Errno::NOENT));
        assert!(table.add(memory(), 4096) > second, "numbers are not used again");
    }
}
