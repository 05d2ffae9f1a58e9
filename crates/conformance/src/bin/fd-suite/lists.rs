//! Buffers made of several parts: `UDMABUF_CREATE_LIST`.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::SealFlags;
use rustix::io::{Errno, FdFlags};
use wharf_uapi::udmabuf::{CREATE_LIST, CreateItem, CreateListHead, LIST_LIMIT, SIZE_LIMIT_BYTES};

use crate::case::{Outcome, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::sys::{self, Access, PAGE, Pages, Place, Share, seek};
use crate::things::{SIZE, call_at, memory, udmabuf_device};
use crate::udmabuf::good;

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    suite.add("lists/one-whole-memory", || {
        let memory = good()?;
        let buffer = expect_ok(create(0, &[part(&memory, 0, SIZE)]))?;
        expect(SIZE as i64, seek(&buffer, 0, libc::SEEK_END)?)
    });
    suite.add("lists/one-part", || {
        let memory = good()?;
        expect_ok(create(0, &[part(&memory, PAGE, PAGE)])).map(drop)
    });
    suite.add("lists/parts-in-their-order", in_order);
    suite.add("lists/parts-of-two-memories", || {
        let (one, other) = (good()?, good()?);
        let buffer = expect_ok(create(0, &[part(&one, 0, SIZE), part(&other, 0, PAGE)]))?;
        expect((SIZE + PAGE) as i64, seek(&buffer, 0, libc::SEEK_END)?)
    });
    suite.add("lists/the-same-part-twice", || {
        let memory = good()?;
        expect_ok(create(0, &[part(&memory, 0, PAGE), part(&memory, 0, PAGE)])).map(drop)
    });
    suite.add("lists/closed-on-exec-by-flag", || {
        let memory = good()?;
        let buffer = expect_ok(create(1, &[part(&memory, 0, SIZE)]))?;
        expect(FdFlags::CLOEXEC.bits(), rustix::io::fcntl_getfd(&buffer)?.bits())
    });
    refusals(suite);
}

fn part(memory: &OwnedFd, offset: usize, size: usize) -> CreateItem {
    CreateItem {
        memfd: memory.as_raw_fd().cast_unsigned(),
        pad: 0,
        offset: offset as u64,
        size: size as u64,
    }
}

/// Makes a buffer of parts; who says how many there are is asked for as many.
fn create(flags: u32, parts: &[CreateItem]) -> Result<OwnedFd, Errno> {
    let count = u32::try_from(parts.len()).map_err(|_| Errno::OVERFLOW)?;
    let head = CreateListHead { flags, count }.to_bytes();
    let bytes: Vec<u8> = head
        .into_iter()
        .chain(parts.iter().flat_map(CreateItem::to_bytes))
        .collect();
    let pages = Pages::new(bytes.len().div_ceil(PAGE))?;
    pages.put(0, &bytes);
    let device = udmabuf_device().map_err(|_| Errno::NOENT)?;
    let fd = call_at(&device, CREATE_LIST, pages.place(0))?;
    sys::adopt(fd.cast_unsigned())
}

fn in_order() -> Outcome {
    let memory = good()?;
    let buffer = expect_ok(create(0, &[part(&memory, PAGE, PAGE), part(&memory, 0, PAGE)]))?;
    let mine = Pages::of(&memory, (0, SIZE), Access::ReadWrite, Share::SHARED)?;
    let shown = Pages::of(&buffer, (0, SIZE), Access::ReadWrite, Share::SHARED)?;
    mine.put(0, &[1]);
    mine.put(PAGE, &[2]);
    let told = format!("{} {}", shown.get(0, 1)[0], shown.get(PAGE, 1)[0]);
    expect_of("pages:", "2 1".to_owned(), told)
}

/// A list whose second part is wrong, and how it is refused.
type Wrong = (&'static str, Errno, fn(&mut CreateItem));

fn refusals(suite: &mut Suite) {
    let wrong: [Wrong; 7] = [
        ("offset-within-a-page", Errno::INVAL, |part| part.offset = 1),
        ("size-within-a-page", Errno::INVAL, |part| part.size = 1),
        ("nothing", Errno::INVAL, |part| part.size = 0),
        ("more-than-there-is", Errno::INVAL, |part| part.size = 1 << 20),
        ("more-than-the-limit", Errno::INVAL, |part| {
            part.size = SIZE_LIMIT_BYTES
        }),
        ("no-descriptor", Errno::BADFD, |part| part.memfd = 9999),
        ("stdin", Errno::BADFD, |part| part.memfd = 0),
    ];
    for (name, errno, change) in wrong {
        suite.add(format!("lists/part-of-{name}-is-refused"), move || {
            let memory = good()?;
            let mut second = part(&memory, 0, SIZE);
            change(&mut second);
            expect_errno(errno, create(0, &[part(&memory, 0, SIZE), second]))
        });
    }
    suite.add("lists/part-without-seals-is-refused", || {
        let (one, other) = (good()?, memory(SIZE, SealFlags::empty())?);
        expect_errno(
            Errno::INVAL,
            create(0, &[part(&one, 0, SIZE), part(&other, 0, SIZE)]),
        )
    });
    wrong_lists(suite);
}

fn wrong_lists(suite: &mut Suite) {
    suite.add("lists/no-parts-are-refused", || {
        expect_errno(Errno::INVAL, create(0, &[]))
    });
    suite.add("lists/too-many-parts-are-refused", || {
        let memory = good()?;
        let parts = vec![part(&memory, 0, PAGE); LIST_LIMIT as usize + 1];
        expect_errno(Errno::INVAL, create(0, &parts))
    });
    suite.add("lists/as-many-parts-as-there-can-be", || {
        let memory = good()?;
        let parts = vec![part(&memory, 0, PAGE); LIST_LIMIT as usize];
        expect_ok(create(0, &parts)).map(drop)
    });
    for (name, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("lists/address-{name}"), move || {
            expect_errno(Errno::FAULT, call_at(udmabuf_device()?, CREATE_LIST, place))
        });
    }
    suite.add("lists/parts-that-run-into-a-hole", || {
        let page = Pages::new(1)?;
        let head = CreateListHead { flags: 0, count: 2 };
        page.put(PAGE - CreateListHead::SIZE_BYTES, &head.to_bytes());
        let place = page.last(CreateListHead::SIZE_BYTES);
        expect_errno(Errno::FAULT, call_at(udmabuf_device()?, CREATE_LIST, place))
    });
}
