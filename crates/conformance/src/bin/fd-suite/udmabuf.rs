//! Buffers made of memory files: `UDMABUF_CREATE`.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, OFlags, SealFlags, memfd_create};
use rustix::io::{Errno, FdFlags};
use wharf_uapi::Ioctl;
use wharf_uapi::dma_buf::{SYNC_END, SYNC_READ, SYNC_RW};
use wharf_uapi::udmabuf::{CREATE, Create, SIZE_LIMIT_BYTES};

use crate::case::{Outcome, Stop, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::sys::{Access, PAGE, Pages, Place, Share, seek};
use crate::things::{
    SIZE, asking, call, call_at, create, device, export, leave_no_room, memory, sync, udmabuf_device, whole,
};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    creation(suite);
    ranges(suite);
    memories(suite);
    brackets(suite);
    contents(suite);
    descriptors(suite);
}

/// A memory file of two pages that can be a buffer.
pub(crate) fn good() -> Result<OwnedFd, Errno> {
    memory(SIZE, SealFlags::SHRINK)
}

fn made() -> Result<(OwnedFd, OwnedFd), Stop> {
    let memory = good()?;
    let buffer = create(udmabuf_device()?, whole(&memory, SIZE))?;
    Ok((memory, buffer))
}

fn creation(suite: &mut Suite) {
    for (name, flags) in [("read-only", OFlags::RDONLY), ("both", OFlags::RDWR)] {
        suite.add(format!("udmabuf/device-opened-{name}"), move || {
            let device = device("/dev/udmabuf", flags)?;
            let memory = good()?;
            expect_ok(create(&device, whole(&memory, SIZE))).map(drop)
        });
    }
    for (name, flags, expected) in [("no-flags", 0, 0), ("flag", 1, 1), ("unknown-flag", 2, 0)] {
        suite.add(format!("udmabuf/closed-on-exec-by-{name}"), move || {
            let memory = good()?;
            let asked = Create {
                flags,
                ..whole(&memory, SIZE)
            };
            let buffer = expect_ok(create(udmabuf_device()?, asked))?;
            expect(
                expected,
                (rustix::io::fcntl_getfd(&buffer)? & FdFlags::CLOEXEC).bits(),
            )
        });
    }
    suite.add("udmabuf/buffer-can-be-read-and-written", || {
        expect(2, rustix::fs::fcntl_getfl(made()?.1)?.bits() & 3)
    });
    refused_calls(suite);
}

fn refused_calls(suite: &mut Suite) {
    suite.add("udmabuf/no-room-for-a-descriptor", || {
        let (device, memory) = (udmabuf_device()?, good()?);
        leave_no_room()?;
        expect_errno(Errno::MFILE, create(&device, whole(&memory, SIZE)))
    });
    for (name, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("udmabuf/address-{name}"), move || {
            expect_errno(Errno::FAULT, call_at(udmabuf_device()?, CREATE, place))
        });
    }
    suite.add("udmabuf/unknown-number", || {
        expect_errno(
            Errno::NOTTY,
            call(udmabuf_device()?, Ioctl::write(b'u', 0x44, 24), &[0; 24]),
        )
    });
    suite.add("udmabuf/allocation-of-a-heap-is-unknown", || {
        let asked = asking(2).to_bytes();
        expect_errno(
            Errno::NOTTY,
            call(udmabuf_device()?, wharf_uapi::dma_heap::ALLOC, &asked),
        )
    });
}

fn ranges(suite: &mut Suite) {
    let sizes: [(&str, u64, u64); 7] = [
        ("offset-within-a-page", 1, PAGE as u64),
        ("size-within-a-page", 0, PAGE as u64 + 1),
        ("nothing", 0, 0),
        ("more-than-there-is", 0, 2 * SIZE as u64),
        ("from-the-end", SIZE as u64, PAGE as u64),
        ("more-than-the-limit", 0, SIZE_LIMIT_BYTES + PAGE as u64),
        ("what-wraps", PAGE as u64, 0_u64.wrapping_sub(PAGE as u64)),
    ];
    for (name, offset, size) in sizes {
        suite.add(format!("udmabuf/{name}-is-refused"), move || {
            let memory = good()?;
            let asked = Create {
                offset,
                size,
                ..whole(&memory, SIZE)
            };
            expect_errno(Errno::INVAL, create(udmabuf_device()?, asked))
        });
    }
    for (name, offset) in [("first-page", 0), ("last-page", PAGE as u64)] {
        suite.add(format!("udmabuf/{name}-only"), move || {
            let memory = good()?;
            let size = PAGE as u64;
            let asked = Create {
                offset,
                size,
                ..whole(&memory, SIZE)
            };
            let buffer = expect_ok(create(udmabuf_device()?, asked))?;
            expect(PAGE as i64, seek(&buffer, 0, libc::SEEK_END)?)
        });
    }
    suite.add("udmabuf/64-mib", || {
        let bytes = usize::try_from(SIZE_LIMIT_BYTES).map_err(|_| Errno::OVERFLOW)?;
        let memory = memory(bytes, SealFlags::SHRINK)?;
        expect_ok(create(udmabuf_device()?, whole(&memory, bytes))).map(drop)
    });
}

fn memories(suite: &mut Suite) {
    let seals: [(&str, SealFlags); 4] = [
        ("without-seals", SealFlags::empty()),
        ("that-may-shrink", SealFlags::GROW),
        (
            "sealed-against-writing",
            SealFlags::SHRINK.union(SealFlags::WRITE),
        ),
        (
            "sealed-against-writing-later",
            SealFlags::SHRINK.union(SealFlags::FUTURE_WRITE),
        ),
    ];
    for (name, seals) in seals {
        suite.add(format!("udmabuf/memory-{name}-is-refused"), move || {
            let memory = memory(SIZE, seals)?;
            expect_errno(Errno::INVAL, create(udmabuf_device()?, whole(&memory, SIZE)))
        });
    }
    suite.add("udmabuf/memory-with-more-seals", || {
        let memory = memory(SIZE, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        expect_ok(create(udmabuf_device()?, whole(&memory, SIZE))).map(drop)
    });
    suite.add("udmabuf/memory-that-cannot-be-sealed-is-refused", || {
        let memory = memfd_create("fd-suite", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&memory, SIZE as u64)?;
        expect_errno(Errno::INVAL, create(udmabuf_device()?, whole(&memory, SIZE)))
    });
    no_memories(suite);
}

fn no_memories(suite: &mut Suite) {
    suite.add("udmabuf/device-is-no-memory", || {
        let null = device("/dev/null", OFlags::RDWR)?;
        expect_errno(Errno::BADFD, create(udmabuf_device()?, whole(&null, SIZE)))
    });
    suite.add("udmabuf/buffer-is-no-memory", || {
        let buffer = crate::things::buffer()?;
        expect_errno(Errno::BADFD, create(udmabuf_device()?, whole(&buffer, SIZE)))
    });
    for (name, number) in [("closed", 9999), ("negative", u32::MAX)] {
        suite.add(format!("udmabuf/{name}-descriptor-is-no-memory"), move || {
            let asked = Create {
                memfd: number,
                flags: 0,
                offset: 0,
                size: SIZE as u64,
            };
            expect_errno(Errno::BADFD, create(udmabuf_device()?, asked))
        });
    }
}

fn brackets(suite: &mut Suite) {
    suite.add("udmabuf/end-before-any-begin-is-refused", || {
        expect_errno(Errno::INVAL, sync(made()?.1, SYNC_RW | SYNC_END))
    });
    suite.add("udmabuf/end-after-a-begin", || {
        let (_memory, buffer) = made()?;
        expect_ok(sync(&buffer, SYNC_READ))?;
        expect_ok(sync(&buffer, SYNC_RW | SYNC_END))?;
        expect_ok(sync(&buffer, SYNC_RW | SYNC_END))
    });
    suite.add("udmabuf/second-buffer-of-the-same-memory-is-its-own", || {
        let (memory, first) = made()?;
        sync(&first, SYNC_RW)?;
        let second = create(udmabuf_device()?, whole(&memory, SIZE))?;
        expect_errno(Errno::INVAL, sync(&second, SYNC_RW | SYNC_END))
    });
    suite.add("udmabuf/memory-itself-is-no-buffer", || {
        let (memory, _buffer) = made()?;
        expect_errno(Errno::NOTTY, sync(&memory, SYNC_RW))
    });
    suite.add("udmabuf/has-fences", || {
        expect_ok(export(made()?.1, SYNC_READ)).map(drop)
    });
}

fn contents(suite: &mut Suite) {
    suite.add("udmabuf/shows-the-memory", || shows(0, SIZE));
    suite.add("udmabuf/second-page-shows-the-second-page", || {
        shows(PAGE as u64, PAGE)
    });
    suite.add("udmabuf/memory-stays-when-its-file-is-closed", || {
        let (memory, buffer) = made()?;
        let mine = Pages::of(&memory, (0, SIZE), Access::ReadWrite, Share::SHARED)?;
        mine.put(0, &[9]);
        drop((mine, memory));
        let shown = Pages::of(&buffer, (0, SIZE), Access::Read, Share::SHARED)?;
        expect_of("what was written:", 9, shown.get(0, 1)[0])
    });
}

fn shows(offset: u64, bytes: usize) -> Outcome {
    let memory = good()?;
    let asked = Create {
        offset,
        size: bytes as u64,
        ..whole(&memory, SIZE)
    };
    let buffer = create(udmabuf_device()?, asked)?;
    let mine = Pages::of(&memory, (offset, bytes), Access::ReadWrite, Share::SHARED)?;
    let shown = Pages::of(&buffer, (0, bytes), Access::ReadWrite, Share::SHARED)?;
    mine.put(100, &[42]);
    expect_of("what the memory had:", 42, shown.get(100, 1)[0])?;
    shown.put(200, &[43]);
    expect_of("what the buffer had:", 43, mine.get(200, 1)[0])
}

fn descriptors(suite: &mut Suite) {
    suite.add("udmabuf/seek-end-tells-the-size", || {
        expect(SIZE as i64, seek(made()?.1, 0, libc::SEEK_END)?)
    });
    suite.add("udmabuf/private-mapping-is-refused", || {
        let private = Pages::of(made()?.1, (0, SIZE), Access::Read, Share::PRIVATE);
        expect_errno(Errno::INVAL, private)
    });
    suite.add("udmabuf/mapping-beyond-the-end-is-refused", || {
        let long = Pages::of(made()?.1, (0, 2 * SIZE), Access::Read, Share::SHARED);
        expect_errno(Errno::INVAL, long)
    });
    suite.add("udmabuf/is-another-file-than-the-memory", || {
        let (memory, buffer) = made()?;
        let inode = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
        expect_of("the same:", false, inode(&memory)? == inode(&buffer)?)
    });
    suite.add("udmabuf/seals-are-not-told", || {
        expect_errno(Errno::INVAL, rustix::fs::fcntl_get_seals(made()?.1))
    });
}
