//! Buffers as memory: what can be mapped, how, and how far.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::case::{Outcome, Suite, expect_errno, expect_of, expect_ok};
use crate::sys::{Access, PAGE, Pages, Share};
use crate::things::{RDONLY, RDWR, SIZE, allocate, asking, buffer, heap};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    ranges(suite);
    modes(suite);
    suite.add("mapping/two-show-the-same-memory", || {
        let buffer = buffer()?;
        let (one, other) = (both(&buffer)?, both(&buffer)?);
        one.put(PAGE, &[42]);
        expect_of("what the other shows:", 42, other.get(PAGE, 1)[0])
    });
    suite.add("mapping/tail-shows-the-tail", || {
        let buffer = buffer()?;
        let (all, tail) = (both(&buffer)?, map(&buffer, PAGE as u64, PAGE)?);
        all.put(SIZE - 1, &[43]);
        expect_of("the last byte:", 43, tail.get(PAGE - 1, 1)[0])
    });
    suite.add("mapping/of-all-pages-of-a-large-buffer", large);
}

fn map(buffer: &OwnedFd, offset: u64, length: usize) -> Result<Pages, Errno> {
    Pages::of(buffer, (offset, length), Access::ReadWrite, Share::SHARED)
}

fn both(buffer: &OwnedFd) -> Result<Pages, Errno> {
    map(buffer, 0, SIZE)
}

fn ranges(suite: &mut Suite) {
    for (name, offset, length) in [
        ("longer-than-the-buffer", 0, SIZE + PAGE),
        ("twice-the-buffer", 0, 2 * SIZE),
        ("from-the-end", SIZE as u64, PAGE),
        ("from-beyond-the-end", 4 * SIZE as u64, PAGE),
        ("from-the-middle-beyond-the-end", PAGE as u64, SIZE),
        ("of-nothing", 0, 0),
        ("from-within-a-page", 1, PAGE),
    ] {
        suite.add(format!("mapping/{name}-is-refused"), move || {
            expect_errno(Errno::INVAL, map(&buffer()?, offset, length))
        });
    }
    for (name, offset, length) in [
        ("whole", 0, SIZE),
        ("first-byte", 0, 1),
        ("last-page", PAGE as u64, PAGE),
    ] {
        suite.add(format!("mapping/{name}"), move || {
            expect_ok(map(&buffer()?, offset, length)).map(drop)
        });
    }
}

fn modes(suite: &mut Suite) {
    for (name, access) in [("readable", Access::Read), ("writable", Access::ReadWrite)] {
        suite.add(format!("mapping/private-{name}-is-refused"), move || {
            let private = Pages::of(buffer()?, (0, SIZE), access, Share::PRIVATE);
            expect_errno(Errno::INVAL, private)
        });
    }
    suite.add("mapping/read-only-descriptor-is-read", || {
        let buffer = allocate(heap()?, asking(RDONLY))?;
        expect_ok(Pages::of(&buffer, (0, SIZE), Access::Read, Share::SHARED)).map(drop)
    });
    suite.add("mapping/read-only-descriptor-is-not-written", || {
        let buffer = allocate(heap()?, asking(RDONLY))?;
        expect_errno(Errno::ACCESS, both(&buffer))
    });
    suite.add("mapping/read-only-descriptor-is-not-written-later", || {
        let buffer = allocate(heap()?, asking(RDONLY))?;
        let pages = Pages::of(&buffer, (0, SIZE), Access::Read, Share::SHARED)?;
        expect_errno(Errno::ACCESS, pages.allow(Access::ReadWrite))
    });
    for (name, mode) in [("write-only", 1), ("neither", 3)] {
        suite.add(format!("mapping/{name}-descriptor-is-not-mapped"), move || {
            let buffer = allocate(heap()?, asking(mode))?;
            expect_errno(
                Errno::ACCESS,
                Pages::of(&buffer, (0, SIZE), Access::Read, Share::SHARED),
            )
        });
    }
    suite.add("mapping/read-write-descriptor-is-written-later", || {
        let pages = Pages::of(
            allocate(heap()?, asking(RDWR))?,
            (0, SIZE),
            Access::Read,
            Share::SHARED,
        )?;
        expect_ok(pages.allow(Access::ReadWrite))
    });
}

fn large() -> Outcome {
    // Larger than the largest piece that a heap allocates at once.
    let pages = 600;
    let asked = wharf_uapi::dma_heap::AllocationData {
        len: (pages * PAGE) as u64,
        ..asking(RDWR)
    };
    let buffer = allocate(heap()?, asked)?;
    let (one, other) = (map(&buffer, 0, pages * PAGE)?, map(&buffer, 0, pages * PAGE)?);
    for page in 0..pages {
        one.put(page * PAGE, &page.to_ne_bytes());
    }
    let wrong = (0..pages).filter(|page| other.get(page * PAGE, 8) != page.to_ne_bytes());
    expect_of("wrong pages:", 0, wrong.count())
}
