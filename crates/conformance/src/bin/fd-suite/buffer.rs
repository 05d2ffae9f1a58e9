//! A buffer's descriptor as a file: position, size, what files can do and buffers cannot.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{FallocateFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use wharf_uapi::Ioctl;

use crate::case::{Outcome, Stop, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::sys::seek;
use crate::things::{RDONLY, RDWR, SIZE, allocate, asking, buffer, call, heap};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    positions(suite);
    refused(suite);
    statuses(suite);
    proc_files(suite);
    numbers(suite);
}

fn positions(suite: &mut Suite) {
    suite.add("buffer/seek-end-tells-the-size", || {
        expect(SIZE as i64, expect_ok(seek(buffer()?, 0, libc::SEEK_END))?)
    });
    suite.add("buffer/seek-begin", || {
        expect(0, expect_ok(seek(buffer()?, 0, libc::SEEK_SET))?)
    });
    for (name, offset, whence) in [
        ("end-plus-1", 1, libc::SEEK_END),
        ("end-minus-1", -1, libc::SEEK_END),
        ("begin-plus-1", 1, libc::SEEK_SET),
        ("begin-plus-size", SIZE as i64, libc::SEEK_SET),
        ("current", 0, libc::SEEK_CUR),
        ("current-plus-1", 1, libc::SEEK_CUR),
        ("data", 0, libc::SEEK_DATA),
        ("hole", 0, libc::SEEK_HOLE),
        ("unknown", 0, 99),
    ] {
        suite.add(format!("buffer/seek-{name}-is-refused"), move || {
            expect_errno(Errno::INVAL, seek(buffer()?, offset, whence))
        });
    }
}

/// A call that is refused, and how.
type Refused = (&'static str, Errno, fn(&OwnedFd) -> Result<(), Errno>);

fn refused(suite: &mut Suite) {
    let cases: [Refused; 9] = [
        ("read", Errno::INVAL, |file| {
            rustix::io::read(file, &mut [0; 8]).map(drop)
        }),
        ("write", Errno::INVAL, |file| {
            rustix::io::write(file, &[1; 8]).map(drop)
        }),
        ("pread", Errno::SPIPE, |file| {
            rustix::io::pread(file, &mut [0; 8], 0).map(drop)
        }),
        ("pwrite", Errno::SPIPE, |file| {
            rustix::io::pwrite(file, &[1; 8], 0).map(drop)
        }),
        ("truncate-to-less", Errno::INVAL, |file| {
            rustix::fs::ftruncate(file, 4096)
        }),
        ("truncate-to-more", Errno::INVAL, |file| {
            rustix::fs::ftruncate(file, 1 << 20)
        }),
        ("allocate", Errno::NODEV, |file| {
            rustix::fs::fallocate(file, FallocateFlags::empty(), 0, 1 << 20)
        }),
        ("flush", Errno::INVAL, |file| rustix::fs::fsync(file)),
        ("list-it", Errno::NOTDIR, |file| {
            rustix::fs::openat(file, "x", OFlags::RDONLY, Mode::empty()).map(drop)
        }),
    ];
    for (name, errno, refused) in cases {
        suite.add(format!("buffer/{name}-is-refused"), move || {
            expect_errno(errno, refused(&buffer()?))
        });
    }
    suite.add("buffer/seals-are-not-told", || {
        expect_errno(Errno::INVAL, rustix::fs::fcntl_get_seals(buffer()?))
    });
    suite.add("buffer/seals-are-not-added", || {
        expect_errno(
            Errno::INVAL,
            rustix::fs::fcntl_add_seals(buffer()?, SealFlags::SEAL),
        )
    });
}

fn statuses(suite: &mut Suite) {
    suite.add("buffer/status-has-the-size", || {
        expect(SIZE as i64, rustix::fs::fstat(buffer()?)?.st_size)
    });
    suite.add("buffer/status-has-the-blocks", || {
        expect(SIZE as i64 / 512, rustix::fs::fstat(buffer()?)?.st_blocks)
    });
    suite.add("buffer/status-has-no-kind-of-file", || {
        expect(0, rustix::fs::fstat(buffer()?)?.st_mode & libc::S_IFMT)
    });
    suite.add("buffer/file-system-is-that-of-dma-bufs", || {
        let kind = rustix::fs::fstatfs(buffer()?)?.f_type;
        expect("0x444d4142".to_owned(), format!("{kind:#x}"))
    });
    suite.add("buffer/file-system-is-one-for-all", || {
        let device = |buffer: OwnedFd| rustix::fs::fstat(buffer).map(|stat| stat.st_dev);
        expect_of("same device:", true, device(buffer()?)? == device(buffer()?)?)
    });
    for (name, mode) in [("read-only", RDONLY), ("both", RDWR)] {
        suite.add(format!("buffer/flags-of-{name}-are-the-mode-only"), move || {
            let flags = rustix::fs::fcntl_getfl(allocate(heap()?, asking(mode))?)?;
            expect(mode, flags.bits())
        });
    }
}

fn link(file: &OwnedFd) -> Result<String, Errno> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = rustix::fs::readlink(path, Vec::new())?;
    Ok(link.to_string_lossy().into_owned())
}

/// A line of the file in /proc/self/fdinfo.
fn info(file: &OwnedFd, key: &str) -> Result<String, Stop> {
    let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let text = std::fs::read_to_string(path).map_err(|_| Errno::NOENT)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
        .ok_or_else(|| Stop::differs(format!("a line {key}"), "none"))
}

fn named() -> Result<OwnedFd, Stop> {
    let buffer = buffer()?;
    crate::names::name(&buffer, b"frame\0")?;
    Ok(buffer)
}

fn proc_files(suite: &mut Suite) {
    suite.add("buffer/link-tells-it-is-one", || {
        expect("/dmabuf:".to_owned(), link(&buffer()?)?)
    });
    suite.add("buffer/link-tells-the-name", || {
        expect("/dmabuf:frame".to_owned(), link(&named()?)?)
    });
    suite.add("buffer/cannot-be-opened-again", || {
        let buffer = buffer()?;
        let path = format!("/proc/self/fd/{}", buffer.as_raw_fd());
        expect_errno(Errno::NXIO, rustix::fs::open(path, OFlags::RDWR, Mode::empty()))
    });
    suite.add("buffer/info-tells-the-size", || {
        expect(SIZE.to_string(), info(&buffer()?, "size")?)
    });
    suite.add("buffer/info-tells-how-many-hold-it", || {
        let buffer = buffer()?;
        let _copy = buffer.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        // All descriptors of a file are one reference each.
        expect("2".to_owned(), info(&buffer, "count")?)
    });
    suite.add("buffer/info-tells-whose-it-is", || {
        expect("system".to_owned(), info(&buffer()?, "exp_name")?)
    });
    suite.add("buffer/info-tells-the-name", || {
        expect("frame".to_owned(), info(&named()?, "name")?)
    });
    suite.add("buffer/info-of-none-has-no-name", || {
        let nameless = info(&buffer()?, "name").is_err();
        expect_of("no line name:", true, nameless)
    });
}

fn numbers(suite: &mut Suite) {
    let unknown = |name: &str, number: Ioctl, suite: &mut Suite| {
        suite.add(format!("buffer/{name}-is-unknown"), move || -> Outcome {
            expect_errno(Errno::NOTTY, call(buffer()?, number, &[0; 64]))
        });
    };
    unknown("number-9", Ioctl::read_write(b'b', 9, 8), suite);
    unknown("sync-of-another-size", Ioctl::write(b'b', 0, 16), suite);
    unknown("sync-that-is-written", Ioctl::read_write(b'b', 0, 8), suite);
    unknown("allocation", wharf_uapi::dma_heap::ALLOC, suite);
    unknown("merge", wharf_uapi::sync_file::MERGE, suite);
    // FIONREAD, which regular files know.
    unknown("bytes-to-read", Ioctl::from_raw(0x541b), suite);
    // TCGETS, which tells a terminal.
    unknown("terminal", Ioctl::from_raw(0x5401), suite);
}
