//! Heaps: `DMA_HEAP_IOCTL_ALLOC`, right and wrong.

use std::os::fd::AsFd;

use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use wharf_uapi::Ioctl;
use wharf_uapi::dma_buf::SYNC_RW;
use wharf_uapi::dma_heap::{ALLOC, AllocationData};

use crate::case::{Outcome, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::sys::{self, Access, PAGE, Pages, Place, Share, seek};
use crate::things::{
    CLOEXEC, RDONLY, RDWR, SIZE, allocate, asking, call, call_at, call_number, constant, device, heap,
    leave_no_room, open_descriptors, sync,
};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    opening(suite);
    sizes(suite);
    flags(suite);
    refusals(suite);
    structures(suite);
    suite.add("heap/memory-is-zeroed", zeroed);
    suite.add("heap/each-buffer-is-its-own", apart);
    suite.add("heap/no-room-for-a-descriptor", || {
        let heap = heap()?;
        leave_no_room()?;
        expect_errno(Errno::MFILE, allocate(&heap, asking(RDWR)))
    });
}

fn opening(suite: &mut Suite) {
    for (name, flags) in [
        ("read-only", OFlags::RDONLY),
        ("write-only", OFlags::WRONLY),
        ("both", OFlags::RDWR),
    ] {
        suite.add(format!("heap/opened-{name}-allocates"), move || {
            let heap = device("/dev/dma_heap/system", flags)?;
            expect_ok(allocate(&heap, asking(RDWR))).map(drop)
        });
    }
    suite.add("heap/of-another-name-is-none", || {
        let path = "/dev/dma_heap/no-such-heap";
        expect_errno(
            Errno::NOENT,
            rustix::fs::open(path, OFlags::RDONLY, rustix::fs::Mode::empty()),
        )
    });
    suite.add("heap/opened-as-a-path-is-none", || {
        let heap = device("/dev/dma_heap/system", OFlags::PATH)?;
        expect_errno(Errno::BADF, allocate(&heap, asking(RDWR)))
    });
    suite.add("heap/is-a-character-device", || {
        let mode = rustix::fs::fstat(heap()?)?.st_mode;
        let kind = rustix::fs::FileType::from_raw_mode(mode);
        expect("CharacterDevice".to_owned(), format!("{kind:?}"))
    });
    suite.add("heap/is-not-mapped", || {
        let heap = device("/dev/dma_heap/system", OFlags::RDWR)?;
        expect_errno(
            Errno::NODEV,
            Pages::of(&heap, (0, PAGE), Access::Read, Share::SHARED),
        )
    });
    suite.add("heap/is-not-read", || {
        expect_errno(Errno::INVAL, rustix::io::read(heap()?, &mut [0; 8]))
    });
}

fn sizes(suite: &mut Suite) {
    for (asked, given) in [(1, PAGE), (4096, PAGE), (5000, 2 * PAGE), (1 << 20, 1 << 20)] {
        suite.add(format!("heap/{asked}-bytes-are-whole-pages"), move || {
            let asked = AllocationData {
                len: asked,
                ..asking(RDWR)
            };
            let buffer = allocate(heap()?, asked)?;
            expect(given as i64, expect_ok(seek(&buffer, 0, libc::SEEK_END))?)
        });
    }
    for (name, len) in [
        ("nothing", 0),
        ("the-largest-number", u64::MAX),
        ("what-wraps-to-nothing", u64::MAX - 4094),
    ] {
        suite.add(format!("heap/{name}-is-refused"), move || {
            let asked = AllocationData { len, ..asking(RDWR) };
            expect_errno(Errno::INVAL, allocate(heap()?, asked))
        });
    }
}

fn flags(suite: &mut Suite) {
    suite.add("heap/descriptor-stays-open-on-exec", || {
        let buffer = allocate(heap()?, asking(RDWR))?;
        expect(0, rustix::io::fcntl_getfd(&buffer)?.bits())
    });
    suite.add("heap/descriptor-is-closed-on-exec-if-asked", || {
        let buffer = allocate(heap()?, asking(RDWR | CLOEXEC))?;
        expect(FdFlags::CLOEXEC.bits(), rustix::io::fcntl_getfd(&buffer)?.bits())
    });
    for (name, mode) in [("read-only", 0), ("write-only", 1), ("both", 2), ("neither", 3)] {
        suite.add(format!("heap/descriptor-opened-{name}"), move || {
            let buffer = allocate(heap()?, asking(mode))?;
            expect(mode, rustix::fs::fcntl_getfl(&buffer)?.bits() & 3)
        });
    }
    for (name, wrong) in [("append", 0o2000), ("nonblock", 0o4000), ("unknown", 1 << 31)] {
        suite.add(format!("heap/descriptor-flag-{name}-is-refused"), move || {
            expect_errno(Errno::INVAL, allocate(heap()?, asking(RDWR | wrong)))
        });
    }
    for bit in [0, 63] {
        suite.add(format!("heap/heap-flag-{bit}-is-refused"), move || {
            let asked = AllocationData {
                heap_flags: 1 << bit,
                ..asking(RDWR)
            };
            expect_errno(Errno::INVAL, allocate(heap()?, asked))
        });
    }
    suite.add("heap/descriptor-given-is-refused", || {
        let asked = AllocationData {
            fd: 1,
            ..asking(RDWR)
        };
        expect_errno(Errno::INVAL, allocate(heap()?, asked))
    });
}

fn refusals(suite: &mut Suite) {
    for (name, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("heap/address-{name}"), move || {
            expect_errno(Errno::FAULT, call_at(heap()?, ALLOC, place))
        });
    }
    suite.add("heap/address-before-a-hole", || {
        let page = Pages::new(1)?;
        expect_errno(Errno::FAULT, call_at(heap()?, ALLOC, page.last(16)))
    });
    suite.add("heap/argument-that-cannot-be-written", || {
        let page = constant(&asking(RDWR).to_bytes())?;
        expect_errno(Errno::FAULT, call_at(heap()?, ALLOC, page.place(0)))
    });
    suite.add(
        "heap/argument-that-cannot-be-written-leaves-no-descriptor",
        || {
            let (heap, page) = (heap()?, constant(&asking(RDWR).to_bytes())?);
            let before = open_descriptors()?;
            let _ = call_at(&heap, ALLOC, page.place(0));
            expect_of("descriptors left:", 0, open_descriptors()? - before)
        },
    );
    numbers(suite);
}

fn numbers(suite: &mut Suite) {
    for (name, number) in [("closed", 9999), ("negative", -1)] {
        suite.add(format!("heap/{name}-descriptor"), move || {
            expect_errno(Errno::BADF, call_number(number, ALLOC, &asking(RDWR).to_bytes()))
        });
    }
    suite.add("heap/unknown-number", || {
        expect_errno(
            Errno::INVAL,
            call(heap()?, Ioctl::read_write(b'H', 1, 24), &[0; 24]),
        )
    });
    suite.add("heap/number-of-a-buffers-name", || {
        expect_errno(
            Errno::INVAL,
            call(heap()?, wharf_uapi::dma_buf::SET_NAME_B, &[0; 24]),
        )
    });
    suite.add("heap/bracket-of-a-buffer-allocates", || {
        // Only the lower part of the number counts; 3 bytes are asked for, and nothing is told.
        let before = (heap()?, open_descriptors()?);
        expect_ok(sync(&before.0, SYNC_RW))?;
        expect_of("new descriptors:", 1, open_descriptors()? - before.1)
    });
    suite.add("heap/number-0-of-another-type", || {
        let allocates = call(heap()?, Ioctl::read_write(b'X', 0, 24), &asking(RDWR).to_bytes());
        expect_ok(allocates).map(drop)
    });
    suite.add("heap/call-on-another-file", || {
        let null = device("/dev/null", OFlags::RDWR)?;
        expect_errno(Errno::NOTTY, allocate(null, asking(RDWR)))
    });
}

/// Arguments as they were in older and will be in newer programs.
fn structures(suite: &mut Suite) {
    let sized = |bytes| Ioctl::read_write(b'H', 0, bytes);
    suite.add("heap/longer-argument-is-cut", move || {
        let mut longer = asking(RDWR).to_bytes();
        longer.resize(64, 0xff);
        let (_, told) = expect_ok(call(heap()?, sized(64), &longer))?;
        expect_of(
            "an end that is unchanged:",
            true,
            told[24..].iter().all(|byte| *byte == 0xff),
        )
    });
    suite.add("heap/shorter-argument-ends-in-zeros", move || {
        let (_, told) = expect_ok(call(heap()?, sized(16), &asking(RDWR).to_bytes()[..16]))?;
        let fd = AllocationData::from_bytes(&told).fd;
        expect_ok(sys::adopt(fd)).map(drop)
    });
    suite.add("heap/shortest-argument-asks-for-nothing", move || {
        expect_errno(Errno::INVAL, call(heap()?, sized(0), &[]))
    });
    suite.add("heap/argument-that-is-only-read-is-not-written", || {
        let asked = asking(RDWR).to_bytes();
        let (_, told) = expect_ok(call(heap()?, Ioctl::write(b'H', 0, 24), &asked))?;
        expect_of("an argument that is unchanged:", true, told == asked)
    });
    suite.add("heap/argument-keeps-what-was-asked", || {
        let asked = AllocationData {
            len: 5000,
            ..asking(RDONLY | CLOEXEC)
        };
        let (value, told) = expect_ok(call(heap()?, ALLOC, &asked.to_bytes()))?;
        let told = AllocationData::from_bytes(&told);
        expect_of("value", 0, value)?;
        expect_of(
            "the same but for fd:",
            true,
            AllocationData { fd: 0, ..told } == asked,
        )
    });
}

fn zeroed() -> Outcome {
    let heap = heap()?;
    // Memory that was used a moment ago is what a careless allocator gives again.
    for _ in 0..8 {
        let buffer = allocate(&heap, asking(RDWR))?;
        let pages = Pages::of(&buffer, (0, SIZE), Access::ReadWrite, Share::SHARED)?;
        let clean = pages.get(0, SIZE).iter().all(|byte| *byte == 0);
        expect_of("only zeros:", true, clean)?;
        pages.put(0, &[0xa5; SIZE]);
    }
    Ok(())
}

fn apart() -> Outcome {
    let heap = heap()?;
    let (one, other) = (allocate(&heap, asking(RDWR))?, allocate(&heap, asking(RDWR))?);
    let inode = |file: &dyn AsFd| rustix::fs::fstat(file.as_fd()).map(|stat| stat.st_ino);
    expect_of("same inode:", false, inode(&one)? == inode(&other)?)?;
    let map = |buffer| Pages::of(buffer, (0, SIZE), Access::ReadWrite, Share::SHARED);
    let (left, right) = (map(&one)?, map(&other)?);
    left.put(0, &[1; SIZE]);
    expect_of("same memory:", false, right.get(0, 1) == [1])
}
