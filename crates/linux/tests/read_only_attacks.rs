//! What a consumer can try to write memory that it may only read.
//!
//! Attacks that need a mapping's address in unsafe code (mprotect, madvise) are in the tests of `wharf-memory`.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use wharf_core::AccessMode;
use wharf_linux::{HeapError, Memfd, MemfdExporter};
use wharf_memory::{Access, Mapping};

type TestResult = Result<(), Box<dyn Error>>;

const SIZE_BYTES: u64 = 8192;
const SECRET: &[u8] = b"the producer's frame";

/// A buffer as it is once it has been shared: the producer's mapping, and what a consumer receives.
struct Shared {
    producer: Mapping,
    consumer: OwnedFd,
}

impl Shared {
    fn new() -> Result<Self, Box<dyn Error>> {
        Self::named("attacked")
    }

    fn named(name: &str) -> Result<Self, Box<dyn Error>> {
        let memfd = Memfd::create(name, SIZE_BYTES)?;
        let producer = Mapping::map(&memfd, usize::try_from(SIZE_BYTES)?, Access::ReadWrite)?;
        producer.view_mut()?.copy_from(0, SECRET)?;
        memfd.seal_future_writes()?;
        let consumer = memfd.reopen_read_only()?;
        Ok(Self { producer, consumer })
    }

    /// The consumer's own way back to a writable descriptor: the kernel lets it.
    fn reopen_for_writing(&self) -> Result<OwnedFd, Errno> {
        reopen_for_writing(&self.consumer)
    }

    fn assert_unharmed(&self) -> TestResult {
        assert_eq!(
            rustix::fs::fstat(&self.consumer)?.st_size,
            i64::try_from(SIZE_BYTES)?
        );
        let mut contents = vec![0xff; usize::try_from(SIZE_BYTES)?];
        self.producer.view().copy_to(0, &mut contents)?;
        let (start, rest) = contents.split_at(SECRET.len());
        assert_eq!(start, SECRET);
        assert!(rest.iter().all(|byte| *byte == 0));
        Ok(())
    }
}

fn reopen_for_writing(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

#[test]
fn without_the_seal_a_read_only_descriptor_can_be_undone() -> TestResult {
    let memfd = Memfd::create("unsealed", SIZE_BYTES)?;
    let consumer = memfd.reopen_read_only()?;
    let writable = reopen_for_writing(&consumer)?;
    assert_eq!(
        rustix::io::pwrite(&writable, b"overwritten", 0)?,
        11,
        "this is what the seal is for"
    );
    Ok(())
}

#[test]
fn writing_through_the_received_descriptor_fails() -> TestResult {
    let shared = Shared::new()?;
    let fd = &shared.consumer;
    assert_eq!(rustix::io::pwrite(fd, b"x", 0), Err(Errno::BADF));
    assert_eq!(rustix::io::write(fd, b"x"), Err(Errno::BADF));
    assert_eq!(
        rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, 4096),
        Err(Errno::BADF)
    );
    assert_eq!(rustix::fs::ftruncate(fd, 4096), Err(Errno::INVAL));
    shared.assert_unharmed()
}

#[test]
fn writing_after_opening_again_for_writing_fails() -> TestResult {
    let shared = Shared::new()?;
    let fd = shared.reopen_for_writing()?;
    assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
    assert_eq!(
        rustix::io::pwrite(&fd, b"x", SIZE_BYTES),
        Err(Errno::PERM),
        "appending"
    );
    assert_eq!(rustix::io::write(&fd, b"x"), Err(Errno::PERM));
    shared.assert_unharmed()
}

#[test]
fn resizing_after_opening_again_for_writing_fails() -> TestResult {
    let shared = Shared::new()?;
    let fd = shared.reopen_for_writing()?;
    for size_bytes in [0, 4096, SIZE_BYTES + 4096] {
        assert_eq!(
            rustix::fs::ftruncate(&fd, size_bytes),
            Err(Errno::PERM),
            "to {size_bytes}"
        );
    }
    let path = format!("/proc/self/fd/{}", shared.consumer.as_raw_fd());
    let truncating = OpenOptions::new().write(true).truncate(true).open(path);
    assert_eq!(
        truncating.map(drop).map_err(|error| error.raw_os_error()),
        Err(Some(1)),
        "EPERM"
    );
    shared.assert_unharmed()
}

#[test]
fn punching_zeroing_and_extending_fail() -> TestResult {
    let shared = Shared::new()?;
    let fd = shared.reopen_for_writing()?;
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(rustix::fs::fallocate(&fd, punch, 0, 4096), Err(Errno::PERM));
    assert!(rustix::fs::fallocate(&fd, FallocateFlags::ZERO_RANGE, 0, 4096).is_err());
    assert!(rustix::fs::fallocate(&fd, FallocateFlags::COLLAPSE_RANGE, 0, 4096).is_err());
    assert_eq!(
        rustix::fs::fallocate(&fd, FallocateFlags::empty(), SIZE_BYTES, 4096),
        Err(Errno::PERM)
    );
    shared.assert_unharmed()
}

#[test]
fn changing_the_mode_first_does_not_help() -> TestResult {
    let shared = Shared::new()?;
    rustix::fs::fchmod(&shared.consumer, Mode::from_raw_mode(0o666))?;
    let fd = shared.reopen_for_writing()?;
    assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
    shared.assert_unharmed()
}

#[test]
fn splicing_and_copying_into_it_fail() -> TestResult {
    let shared = Shared::new()?;
    let fd = shared.reopen_for_writing()?;
    let source = Memfd::create("source", SIZE_BYTES)?;
    rustix::io::pwrite(&source, b"overwritten", 0)?;

    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::io::write(&writer, b"overwritten")?;
    let spliced = rustix::pipe::splice(&reader, None, &fd, Some(&mut 0), 11, SpliceFlags::empty());
    assert_eq!(spliced, Err(Errno::PERM));
    let copied = rustix::fs::copy_file_range(&source, Some(&mut 0), &fd, Some(&mut 0), 11);
    assert_eq!(copied, Err(Errno::PERM));
    assert_eq!(
        rustix::fs::sendfile(&fd, &source, Some(&mut 0), 11),
        Err(Errno::PERM)
    );
    shared.assert_unharmed()
}

#[test]
fn mapping_it_for_writing_fails() -> TestResult {
    let shared = Shared::new()?;
    let received = Memfd::from_fd(shared.consumer.try_clone()?)?;
    let refused = MemfdExporter::map(received, AccessMode::ReadWrite).map(drop);
    assert_eq!(
        refused.map_err(|error| error.errno()),
        Err(Errno::ACCESS),
        "read-only descriptor"
    );

    let reopened = Memfd::from_fd(shared.reopen_for_writing()?)?;
    let refused = MemfdExporter::map(reopened, AccessMode::ReadWrite).map(drop);
    assert!(matches!(refused, Err(HeapError::Map { .. })), "{refused:?}");
    assert_eq!(
        refused.map_err(|error| error.errno()),
        Err(Errno::PERM),
        "sealed memory"
    );
    shared.assert_unharmed()
}

#[test]
fn writing_a_read_only_mapping_through_proc_mem_fails() -> TestResult {
    // A name of its own: the addresses of other tests' mappings are not stable.
    let shared = Shared::named("attacked by address")?;
    for fd in [shared.consumer.try_clone()?, shared.reopen_for_writing()?] {
        let mapping = Mapping::map(&fd, usize::try_from(SIZE_BYTES)?, Access::ReadOnly)?;
        let address = read_only_mapping("memfd:attacked by address")?;
        let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
        assert!(memory.write_at(b"overwritten", address).is_err());
        drop(mapping);
    }
    shared.assert_unharmed()
}

/// Where the read-only mapping of a file begins in this process.
fn read_only_mapping(file: &str) -> Result<u64, Box<dyn Error>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let line = maps
        .lines()
        .find(|line| line.contains(file) && line.contains(" r--s "));
    let (address, _) = line
        .and_then(|line| line.split_once('-'))
        .ok_or("the mapping is not listed")?;
    Ok(u64::from_str_radix(address, 16)?)
}

#[test]
fn adding_seals_fails() -> TestResult {
    let shared = Shared::new()?;
    let fd = shared.reopen_for_writing()?;
    for seal in [SealFlags::WRITE, SealFlags::EXEC, SealFlags::FUTURE_WRITE] {
        assert_eq!(
            rustix::fs::fcntl_add_seals(&fd, seal),
            Err(Errno::PERM),
            "{seal:?}"
        );
    }
    shared.assert_unharmed()
}

#[test]
fn the_producers_earlier_mapping_still_writes_and_the_consumer_sees_it() -> TestResult {
    let shared = Shared::new()?;
    let received = Memfd::from_fd(shared.consumer.try_clone()?)?;
    let buffer = MemfdExporter::map(received, AccessMode::ReadOnly)?.export(None)?;
    let exporter = buffer.exporter::<MemfdExporter>().ok_or("another exporter")?;
    shared.producer.view_mut()?.copy_from(4096, b"next frame")?;
    let mut seen = [0; 10];
    exporter.mapping().view().copy_to(4096, &mut seen)?;
    assert_eq!(&seen, b"next frame");
    Ok(())
}
