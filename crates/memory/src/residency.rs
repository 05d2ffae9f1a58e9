//! Where in RAM the pages of a mapping are.

use crate::CHUNK_BYTES;
use crate::mapping::Mapping;
use rustix::io::Errno;
use rustix::mm::{Advice, madvise, mlock};

/// How often pages are put together that are in use.
const ATTEMPTS: usize = 4;

impl Mapping {
    /// Locks the pages into RAM, allocating those that are missing, until the mapping is dropped.
    ///
    /// The lock is this mapping's: it goes with it, and other mappings of the same memory neither have nor need one.
    ///
    /// # Blocking
    ///
    /// While the kernel finds and zeroes missing pages.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the limit (`RLIMIT_MEMLOCK`) or the memory does not suffice, `EPERM` when the limit is zero, `EAGAIN` when
    /// some pages could not be locked. What was locked before the failure is unlocked when the mapping is dropped.
    ///
    /// # References
    ///
    /// `mlock(2)`.
    pub fn lock(&self) -> Result<(), Errno> {
        // SAFETY:
        // * The range is this mapping, which is live; locking moves no byte and changes no access.
        unsafe { mlock(self.base().as_ptr().cast(), self.len_bytes()) }
    }

    /// Asks the kernel to hold each whole [`CHUNK_BYTES`] of the memory in one huge page, allocating what is missing, and to
    /// map it so. Contents are kept.
    ///
    /// Works on memfds of ordinary pages, also through read-only mappings and where `shmem_enabled` says `never`. What came
    /// out is to be looked up in `/proc/self/smaps`: success alone proves nothing.
    ///
    /// # Blocking
    ///
    /// While the kernel looks for huge pages, zeroes or fills them: in the order of a millisecond per huge page.
    ///
    /// # Errors
    ///
    /// `EINVAL` when the mapping is not aligned or the kernel (before 6.1, or built without huge pages) cannot do it; `ENOMEM`
    /// when no huge page is free, `EBUSY` when the memory control group has no room, `EAGAIN` when pages stay in use, by I/O for example.
    ///
    /// # References
    ///
    /// `madvise(2)` MADV_HUGEPAGE, MADV_POPULATE_READ, MADV_COLLAPSE.
    pub fn assemble_huge_pages(&self) -> Result<(), Errno> {
        // Makes first touches give huge pages at once where the machine's owner allows it; elsewhere it does nothing.
        let _ = self.advise(0, self.len_bytes(), Advice::LinuxHugepage);
        let page_bytes = rustix::param::page_size().min(self.len_bytes());
        // One page is enough for the kernel to see memory there; the rest is allocated with the huge page.
        for start in (0..self.len_bytes()).step_by(CHUNK_BYTES) {
            let touched_bytes = page_bytes.min(self.len_bytes() - start);
            self.advise(start, touched_bytes, Advice::LinuxPopulateRead)?;
        }
        self.collapse()
    }

    /// Advises on `len_bytes` bytes from `start` on, which must lie inside.
    fn advise(&self, start: usize, len_bytes: usize, advice: Advice) -> Result<(), Errno> {
        debug_assert!(
            start + len_bytes <= self.len_bytes(),
            "advice outside of the mapping"
        );
        let address = self.base().as_ptr().wrapping_add(start);
        // SAFETY:
        // * The range lies inside this live mapping.
        // * The advices used here allocate pages or say how to; none takes contents away.
        unsafe { madvise(address.cast(), len_bytes, advice) }
    }

    /// Pages that the kernel is busy with are tried again a few times.
    fn collapse(&self) -> Result<(), Errno> {
        let mut outcome = self.collapse_once();
        for _ in 1..ATTEMPTS {
            if outcome != Err(Errno::AGAIN) {
                break;
            }
            outcome = self.collapse_once();
        }
        outcome
    }

    fn collapse_once(&self) -> Result<(), Errno> {
        // rustix has no name for this advice.
        // SAFETY:
        // * The range is this mapping, which is live; the kernel moves the pages and keeps contents and access.
        let outcome =
            unsafe { libc::madvise(self.base().as_ptr().cast(), self.len_bytes(), libc::MADV_COLLAPSE) };
        if outcome == 0 {
            return Ok(());
        }
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}
