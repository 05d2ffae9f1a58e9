//! Making, importing and inspecting memory files.

use std::error::Error;
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use wharf_core::AccessMode;
use wharf_linux::{Memfd, MemfdError, SealFlags};

type TestResult = Result<(), Box<dyn Error>>;

#[test]
fn new_memory_is_zeroed_and_cannot_be_resized() -> TestResult {
    let memfd = Memfd::create("fresh", 8192)?;
    let mut contents = vec![0xff; 8192];
    assert_eq!(rustix::io::pread(&memfd, &mut contents, 0)?, 8192);
    assert!(contents.iter().all(|byte| *byte == 0));
    assert_eq!(rustix::fs::ftruncate(&memfd, 4096), Err(Errno::PERM));
    assert_eq!(rustix::fs::ftruncate(&memfd, 12288), Err(Errno::PERM));

    let info = memfd.inspect()?;
    assert_eq!(info.size_bytes, 8192);
    assert_eq!(info.access, AccessMode::ReadWrite);
    assert!(info.seals.contains(Memfd::FIXED_SIZE));
    assert!(!info.seals.intersects(SealFlags::FUTURE_WRITE | SealFlags::SEAL));
    Ok(())
}

#[test]
fn new_memory_is_closed_on_exec() -> TestResult {
    let memfd = Memfd::create("cloexec", 4096)?;
    let flags = rustix::io::fcntl_getfd(&memfd)?;
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    let reopened = memfd.reopen_read_only()?;
    assert!(rustix::io::fcntl_getfd(&reopened)?.contains(rustix::io::FdFlags::CLOEXEC));
    Ok(())
}

#[test]
fn impossible_sizes_are_refused() {
    for size_bytes in [0, 1, 4095, 4097, 1 << 63, u64::MAX, u64::MAX - 4095] {
        let refused = Memfd::create("sized", size_bytes).map(drop);
        assert!(
            matches!(refused, Err(MemfdError::Size { .. })),
            "{size_bytes}: {refused:?}"
        );
        assert_eq!(refused.map_err(|error| error.errno()), Err(Errno::INVAL));
    }
}

#[test]
fn impossible_names_are_refused() {
    for name in ["x".repeat(250), "nul\0inside".to_owned()] {
        let refused = Memfd::create(&name, 4096).map(drop);
        let expected = MemfdError::Name {
            len_bytes: name.len(),
            max_bytes: 249,
        };
        assert_eq!(refused, Err(expected));
    }
    assert!(
        Memfd::create(&"x".repeat(249), 4096).is_ok(),
        "the longest name the kernel takes"
    );
}

#[test]
fn reopened_and_duplicated_descriptors_are_the_same_memory() -> TestResult {
    let memfd = Memfd::create("identity", 4096)?;
    let other = Memfd::create("identity", 4096)?;
    let reopened = Memfd::from_fd(memfd.reopen_read_only()?)?;
    let duplicate = Memfd::from_fd(memfd.as_fd().try_clone_to_owned()?)?;
    assert_eq!(reopened.inspect()?.id, memfd.inspect()?.id);
    assert_eq!(reopened.inspect()?.access, AccessMode::ReadOnly);
    assert_eq!(duplicate.inspect()?, memfd.inspect()?);
    assert_ne!(other.inspect()?.id, memfd.inspect()?.id);
    Ok(())
}

#[test]
fn memory_that_can_shrink_is_refused_and_handed_back() -> TestResult {
    let raw = rustix::fs::memfd_create("unsealed", MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&raw, 4096)?;
    let refused = Memfd::from_fd(raw).map(drop).expect_err("it can shrink");
    assert!(matches!(refused.cause(), MemfdError::Unsealed { missing, .. } if *missing == SealFlags::SHRINK));
    assert_eq!(refused.errno(), Errno::INVAL);

    let raw = refused.into_fd();
    rustix::fs::fcntl_add_seals(&raw, SealFlags::SHRINK)?;
    let memfd = Memfd::from_fd(raw)?;
    assert_eq!(memfd.inspect()?.size_bytes, 4096);
    let missing = memfd
        .inspect()?
        .require_seals(Memfd::WRITE_SEALED)
        .expect_err("it can grow");
    assert!(missing.to_string().contains("GROW"), "{missing}");
    Ok(())
}

#[test]
fn descriptors_that_are_no_memory_are_refused() -> TestResult {
    let (pipe, _other_end) = rustix::pipe::pipe()?;
    let directory = rustix::fs::open("/", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    for fd in [pipe, directory] {
        let refused = Memfd::from_fd(fd).map(drop).expect_err("not a memfd");
        assert!(
            matches!(refused.cause(), MemfdError::NotAMemfd { .. }),
            "{refused}"
        );
        assert_eq!(refused.errno(), Errno::BADFD);
    }
    Ok(())
}

#[test]
fn descriptors_that_cannot_be_read_are_refused() -> TestResult {
    let memfd = Memfd::create("unreadable", 4096)?;
    for flags in [OFlags::PATH, OFlags::WRONLY] {
        let path = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&memfd.as_fd())
        );
        let unreadable = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?;
        let refused = Memfd::from_fd(unreadable).map(drop).expect_err("not readable");
        assert!(
            matches!(refused.cause(), MemfdError::NotReadable { .. }),
            "{refused}"
        );
        assert_eq!(refused.errno(), Errno::BADF);
    }
    Ok(())
}

#[test]
fn sealing_against_writes_twice_is_fine_but_not_through_a_read_only_descriptor() -> TestResult {
    let memfd = Memfd::create("sealed", 4096)?;
    let viewer = Memfd::from_fd(memfd.reopen_read_only()?)?;
    let refused = viewer
        .seal_future_writes()
        .expect_err("seals need a writable descriptor");
    assert_eq!(refused.errno(), Errno::PERM);
    memfd.seal_future_writes()?;
    memfd.seal_future_writes()?;
    viewer.seal_future_writes()?;
    assert!(viewer.inspect()?.require_seals(Memfd::WRITE_SEALED).is_ok());
    Ok(())
}
