//! What a consumer can try, with a mapping's address in unsafe code, to write memory that it may only read.
//!
//! Attacks through descriptors alone are in the tests of `wharf-linux`.
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(
    unsafe_code,
    reason = "the attacker of this test is not bound by safe interfaces"
)]

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create, open,
};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap, mprotect, mremap};
use rustix::thread::futex::{Flags, requeue};
use wharf_memory::{
    Access, CELL_BYTES, Deadline, Mapping, ReadOnlyWords, ReadWords, WaitOutcome, wait_any, wake,
};

const SIZE_BYTES: usize = 8192;
const SECRET: &[u8] = b"the producer's frame";

unsafe extern "C" {
    /// read(2): rustix's takes a slice, which read-only memory must not become.
    fn read(fd: c_int, into: *mut c_void, len: usize) -> isize;
    /// process_vm_writev(2), which rustix does not have.
    fn process_vm_writev(
        pid: c_int,
        local: *const IoVec,
        local_count: c_ulong,
        remote: *const IoVec,
        remote_count: c_ulong,
        flags: c_ulong,
    ) -> c_long;
}

#[repr(C)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

/// A buffer once it has been shared: the producer's mapping, and what a consumer receives.
struct Shared {
    producer: Mapping,
    consumer: OwnedFd,
}

impl Shared {
    fn new() -> Self {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("attacked", flags).unwrap();
        ftruncate(&fd, SIZE_BYTES as u64).unwrap();
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        let producer = Mapping::map(&fd, SIZE_BYTES, Access::ReadWrite).unwrap();
        producer.view_mut().unwrap().copy_from(0, SECRET).unwrap();
        fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE | SealFlags::SEAL).unwrap();
        let consumer = reopen(&fd, OFlags::RDONLY);
        Self { producer, consumer }
    }

    /// The consumer's mappings: of the descriptor it received, and of one that it opened again for writing.
    fn attackers(&self) -> [Attacker; 2] {
        let again = reopen(&self.consumer, OFlags::RDWR);
        [Attacker::map(&self.consumer), Attacker::map(&again)]
    }

    fn assert_unharmed(&self) {
        assert_eq!(fstat(&self.consumer).unwrap().st_size, SIZE_BYTES as i64);
        let mut contents = vec![0xff; SIZE_BYTES];
        self.producer.view().copy_to(0, &mut contents).unwrap();
        let (start, rest) = contents.split_at(SECRET.len());
        assert_eq!(start, SECRET);
        assert!(rest.iter().all(|byte| *byte == 0));
    }
}

fn reopen(fd: impl AsFd, flags: OFlags) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// A read-only mapping in the hands of somebody who does not use this library. Never unmapped: the tests end.
struct Attacker {
    base: *mut c_void,
}

impl Attacker {
    fn map(fd: &OwnedFd) -> Self {
        // SAFETY:
        // * The address hint is null, so the kernel picks a range that nothing else uses.
        let base = unsafe { mmap(null_mut(), SIZE_BYTES, ProtFlags::READ, MapFlags::SHARED, fd, 0) };
        Self { base: base.unwrap() }
    }

    fn make_writable(&self) -> Result<(), Errno> {
        // SAFETY:
        // * The range is the attacker's own mapping, and no reference covers it.
        unsafe { mprotect(self.base, SIZE_BYTES, MprotectFlags::READ | MprotectFlags::WRITE) }
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY:
        // * The range is the attacker's own mapping, and no reference covers it.
        unsafe { madvise(self.base, SIZE_BYTES, advice) }
    }

    /// Has the kernel write into the mapping what it reads from `source`.
    fn read_into(&self, source: &OwnedFd) -> io::Result<usize> {
        // SAFETY:
        // * The range is the attacker's own mapping, and no reference covers it: what the kernel writes breaks nothing.
        let read = unsafe { read(source.as_raw_fd(), self.base, SIZE_BYTES) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }

    /// Has the kernel write into the mapping as a debugger would.
    fn write_as_debugger(&self) -> io::Result<usize> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let mut bytes = *b"overwritten";
        let len = bytes.len();
        let base = bytes.as_mut_ptr().cast();
        let (local, remote) = (IoVec { base, len }, IoVec { base: self.base, len });
        // SAFETY:
        // * `local` describes `bytes`, which is only read, and `remote` the attacker's own mapping, which no reference covers.
        let written = unsafe { process_vm_writev(pid, &local, 1, &remote, 1, 0) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn read_only_mapping_cannot_be_made_writable() {
    let shared = Shared::new();
    for attacker in shared.attackers() {
        assert_eq!(attacker.make_writable(), Err(Errno::ACCESS));
    }
    shared.assert_unharmed();
}

#[test]
fn read_only_mapping_stays_read_only_when_it_is_moved() {
    let shared = Shared::new();
    for attacker in shared.attackers() {
        // SAFETY:
        // * The range is the attacker's own mapping, and no reference covers it.
        let moved = unsafe { mremap(attacker.base, SIZE_BYTES, 2 * SIZE_BYTES, MremapFlags::MAYMOVE) };
        let attacker = Attacker {
            base: moved.unwrap_or(attacker.base),
        };
        assert_eq!(attacker.make_writable(), Err(Errno::ACCESS));
    }
    shared.assert_unharmed();
}

#[test]
fn pages_cannot_be_punched_out_through_a_mapping() {
    let shared = Shared::new();
    for attacker in shared.attackers() {
        let refused = attacker.advise(Advice::LinuxRemove);
        assert!(matches!(refused, Err(Errno::ACCESS | Errno::PERM)), "{refused:?}");
        shared.assert_unharmed();
        // Allowed, and harmless: the pages are still in the file.
        attacker.advise(Advice::LinuxDontNeed).unwrap();
    }
    shared.assert_unharmed();
}

#[test]
fn producers_own_mapping_cannot_punch_pages_out_either() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("punched", flags).unwrap();
    ftruncate(&fd, SIZE_BYTES as u64).unwrap();
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY:
    // * The address hint is null, so the kernel picks a range that nothing else uses.
    let base = unsafe { mmap(null_mut(), SIZE_BYTES, protection, MapFlags::SHARED, &fd, 0) };
    let producer = Attacker { base: base.unwrap() };
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE).unwrap();
    assert_eq!(producer.advise(Advice::LinuxRemove), Err(Errno::PERM));
}

#[test]
fn kernel_does_not_read_a_file_into_a_read_only_mapping() {
    let shared = Shared::new();
    for attacker in shared.attackers() {
        let zero = open("/dev/zero", OFlags::RDONLY, Mode::empty()).unwrap();
        assert_eq!(
            errno(attacker.read_into(&zero)),
            Some(Errno::FAULT.raw_os_error())
        );
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, b"overwritten").unwrap();
        assert_eq!(
            errno(attacker.read_into(&reader)),
            Some(Errno::FAULT.raw_os_error())
        );
    }
    shared.assert_unharmed();
}

#[test]
fn debuggers_write_does_not_reach_a_read_only_mapping() {
    let shared = Shared::new();
    for attacker in shared.attackers() {
        assert_eq!(
            errno(attacker.write_as_debugger()),
            Some(Errno::FAULT.raw_os_error())
        );
    }
    shared.assert_unharmed();
}

#[test]
fn private_writable_mapping_is_a_copy() {
    let shared = Shared::new();
    let again = reopen(&shared.consumer, OFlags::RDWR);
    for fd in [&shared.consumer, &again] {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY:
        // * The address hint is null, so the kernel picks a range that nothing else uses.
        let base = unsafe { mmap(null_mut(), SIZE_BYTES, protection, MapFlags::PRIVATE, fd, 0) };
        let attacker = Attacker { base: base.unwrap() };
        assert_eq!(attacker.write_as_debugger().unwrap(), 11);
    }
    shared.assert_unharmed();
}

#[test]
fn sleepers_that_a_reader_moved_elsewhere_are_freed_by_their_deadline() {
    const CELL: usize = 100;
    let shared = Shared::new();
    let mapping = Mapping::map(&shared.consumer, SIZE_BYTES, Access::ReadOnly).unwrap();
    let page = ReadOnlyWords::new(mapping, CELL + 1).unwrap();
    let attacker = Attacker::map(&shared.consumer);
    let [word, elsewhere] = [CELL, CELL + 1].map(|cell| {
        let address = attacker.base.wrapping_byte_add(cell * CELL_BYTES);
        // SAFETY:
        // * The four bytes are aligned and lie in the attacker's own mapping, which is never unmapped; the reference only
        //   carries their address to the kernel.
        unsafe { &*address.cast::<AtomicU32>() }
    });
    std::thread::scope(|scope| {
        let deadline = Deadline::after(Duration::from_millis(200));
        let page = &page;
        let sleeper = scope.spawn(move || wait_any(&[(page.futex(CELL), 0)], Some(deadline)));
        let mut moved = 0;
        while moved == 0 && !sleeper.is_finished() {
            moved = requeue(word, Flags::empty(), 0, 1, elsewhere).unwrap();
        }
        wake(page.futex(CELL));
        assert_eq!(sleeper.join().unwrap(), WaitOutcome::TimedOut);
    });
}
