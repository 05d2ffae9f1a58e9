//! Fences as files: out of a buffer, into a buffer, and what the files are.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use wharf_uapi::Ioctl;
use wharf_uapi::dma_buf::{
    EXPORT_SYNC_FILE, ExportSyncFile, IMPORT_SYNC_FILE, SYNC_READ, SYNC_RW, SYNC_WRITE,
};
use wharf_uapi::sync_file::{SET_DEADLINE, SetDeadline};

use crate::case::{Outcome, Stop, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::fences::Pending;
use crate::ready::{expect_ready, ready};
use crate::sys::{Access, PAGE, Pages, Place, Share, seek};
use crate::things::{
    buffer, call, call_at, constant, device, export, import, import_number, leave_no_room, open_descriptors,
    sync,
};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    exports(suite);
    snapshots(suite);
    imports(suite);
    files(suite);
    deadlines(suite);
}

fn exports(suite: &mut Suite) {
    for flags in [SYNC_READ, SYNC_WRITE, SYNC_RW] {
        suite.add(
            format!("sync-file/export-{flags}-of-an-idle-buffer-is-signaled"),
            move || {
                let file = expect_ok(export(buffer()?, flags))?;
                expect_ready(PollFlags::IN, ready(&file, PollFlags::IN)?)
            },
        );
    }
    for flags in [0, 4, 5, 8, u32::MAX] {
        suite.add(format!("sync-file/export-{flags}-is-refused"), move || {
            expect_errno(Errno::INVAL, export(buffer()?, flags))
        });
        suite.add(format!("sync-file/import-{flags}-is-refused"), move || {
            let buffer = buffer()?;
            let file = export(&buffer, SYNC_READ)?;
            expect_errno(Errno::INVAL, import(&buffer, flags, &file))
        });
    }
    suite.add("sync-file/export-is-closed-on-exec", || {
        let file = export(buffer()?, SYNC_READ)?;
        expect(FdFlags::CLOEXEC.bits(), rustix::io::fcntl_getfd(&file)?.bits())
    });
    for (name, number) in [("export", EXPORT_SYNC_FILE), ("import", IMPORT_SYNC_FILE)] {
        suite.add(format!("sync-file/{name}-at-null"), move || {
            expect_errno(Errno::FAULT, call_at(buffer()?, number, Place::NULL))
        });
    }
    exports_that_fail(suite);
}

fn exports_that_fail(suite: &mut Suite) {
    suite.add("sync-file/export-that-cannot-be-told", || {
        let argument = ExportSyncFile {
            flags: SYNC_RW,
            fd: -1,
        };
        let (buffer, page) = (buffer()?, constant(&argument.to_bytes())?);
        let before = open_descriptors()?;
        expect_errno(Errno::FAULT, call_at(&buffer, EXPORT_SYNC_FILE, page.place(0)))?;
        expect_of("descriptors left:", 0, open_descriptors()? - before)
    });
    suite.add("sync-file/export-without-room", || {
        let buffer = buffer()?;
        leave_no_room()?;
        expect_errno(Errno::MFILE, export(&buffer, SYNC_READ))
    });
}

/// Whether the file of `flags` is signaled, taken from a buffer with a pending fence imported as `fence`.
fn taken(fence: u32, flags: u32) -> Result<bool, Stop> {
    let (buffer, pending) = (buffer()?, Pending::new()?);
    import(&buffer, fence, &pending.file)?;
    let file = export(&buffer, flags)?;
    let before = ready(&file, PollFlags::IN)?.contains(PollFlags::IN);
    pending.signal()?;
    expect_ready(PollFlags::IN, ready(&file, PollFlags::IN)?)?;
    Ok(before)
}

fn snapshots(suite: &mut Suite) {
    for (name, fence, flags, expected) in [
        ("readers-take-writers", SYNC_WRITE, SYNC_READ, false),
        ("readers-leave-readers", SYNC_READ, SYNC_READ, true),
        ("writers-take-writers", SYNC_WRITE, SYNC_WRITE, false),
        ("writers-take-readers", SYNC_READ, SYNC_WRITE, false),
        ("both-take-readers", SYNC_READ, SYNC_RW, false),
        ("both-imported-count-as-writers", SYNC_RW, SYNC_READ, false),
    ] {
        suite.add(format!("sync-file/{name}"), move || {
            expect_of("signaled at once:", expected, taken(fence, flags)?)
        });
    }
    suite.add("sync-file/later-fences-are-not-in-it", || {
        let (buffer, first, second) = (buffer()?, Pending::new()?, Pending::new()?);
        import(&buffer, SYNC_WRITE, &first.file)?;
        let file = export(&buffer, SYNC_READ)?;
        import(&buffer, SYNC_WRITE, &second.file)?;
        first.signal()?;
        expect_ready(PollFlags::IN, ready(&file, PollFlags::IN)?)
    });
    suite.add("sync-file/outlives-its-buffer", || {
        let (buffer, pending) = (buffer()?, Pending::new()?);
        import(&buffer, SYNC_WRITE, &pending.file)?;
        let file = export(&buffer, SYNC_READ)?;
        drop(buffer);
        expect_ready(PollFlags::empty(), ready(&file, PollFlags::IN)?)?;
        pending.signal()?;
        expect_ready(PollFlags::IN, ready(&file, PollFlags::IN)?)
    });
}

fn imports(suite: &mut Suite) {
    suite.add("sync-file/import-of-what-is-signaled", || {
        let buffer = buffer()?;
        let file = export(&buffer, SYNC_READ)?;
        expect_ok(import(&buffer, SYNC_WRITE, &file))?;
        expect_ok(sync(&buffer, SYNC_RW))
    });
    suite.add("sync-file/import-into-two-buffers", || {
        let (one, other, pending) = (buffer()?, buffer()?, Pending::new()?);
        expect_ok(import(&one, SYNC_WRITE, &pending.file))?;
        expect_ok(import(&other, SYNC_WRITE, &pending.file))?;
        pending.signal()?;
        expect_ok(sync(&one, SYNC_RW))?;
        expect_ok(sync(&other, SYNC_RW))
    });
    suite.add("sync-file/import-of-a-file-closed-afterwards", || {
        let (buffer, pending) = (buffer()?, Pending::new()?);
        let copy = rustix::io::dup(&pending.file)?;
        import(&buffer, SYNC_WRITE, &copy)?;
        drop(copy);
        let file = export(&buffer, SYNC_READ)?;
        expect_ready(PollFlags::empty(), ready(&file, PollFlags::IN)?)
    });
    suite.add("sync-file/import-of-a-buffer-is-refused", || {
        let buffer = buffer()?;
        expect_errno(Errno::INVAL, import(&buffer, SYNC_READ, &buffer))
    });
    suite.add("sync-file/import-of-another-file-is-refused", || {
        let null = device("/dev/null", OFlags::RDWR)?;
        expect_errno(Errno::INVAL, import(buffer()?, SYNC_READ, &null))
    });
    for (name, number) in [("a-closed-descriptor", 9999), ("a-negative-descriptor", -1)] {
        suite.add(format!("sync-file/import-of-{name}-is-refused"), move || {
            expect_errno(Errno::INVAL, import_number(buffer()?, SYNC_READ, number))
        });
    }
}

fn signaled() -> Result<OwnedFd, Stop> {
    Ok(export(buffer()?, SYNC_READ)?)
}

fn files(suite: &mut Suite) {
    suite.add("sync-file/pending-is-not-ready", || {
        let pending = Pending::new()?;
        expect_ready(PollFlags::empty(), ready(&pending.file, PollFlags::IN)?)
    });
    suite.add("sync-file/is-never-ready-for-writers", || {
        expect_ready(PollFlags::empty(), ready(signaled()?, PollFlags::OUT)?)
    });
    suite.add("sync-file/is-not-ready-in-other-words", || {
        expect_ready(PollFlags::empty(), ready(signaled()?, PollFlags::RDNORM)?)
    });
    suite.add("sync-file/is-not-read", || {
        expect_errno(Errno::INVAL, rustix::io::read(signaled()?, &mut [0; 8]))
    });
    suite.add("sync-file/is-not-written", || {
        expect_errno(Errno::BADF, rustix::io::write(signaled()?, &[1]))
    });
    suite.add("sync-file/is-not-mapped", || {
        expect_errno(
            Errno::NODEV,
            Pages::of(signaled()?, (0, PAGE), Access::Read, Share::SHARED),
        )
    });
    suite.add("sync-file/has-no-position", || {
        expect_errno(Errno::SPIPE, seek(signaled()?, 0, libc::SEEK_END))
    });
    suite.add("sync-file/has-no-flags", || {
        expect(0, rustix::fs::fcntl_getfl(signaled()?)?.bits())
    });
    suite.add("sync-file/link-tells-it-is-one", || {
        let file = signaled()?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = rustix::fs::readlink(path, Vec::new())?;
        let link = link.to_string_lossy();
        // The number that pipes and sockets have there is another one each time.
        let kind = link.split_once(":[").map_or(&*link, |(kind, _)| kind);
        expect("anon_inode:sync_file", kind)
    });
    unknown_numbers(suite);
}

fn unknown_numbers(suite: &mut Suite) {
    let unknown = |name: &str, number: Ioctl, suite: &mut Suite| {
        suite.add(format!("sync-file/{name}-is-unknown"), move || -> Outcome {
            expect_errno(Errno::NOTTY, call(signaled()?, number, &[0; 64]))
        });
    };
    unknown("number-9", Ioctl::read_write(b'>', 9, 8), suite);
    unknown("sync-of-a-buffer", wharf_uapi::dma_buf::SYNC, suite);
    unknown("merge-of-another-size", Ioctl::read_write(b'>', 3, 40), suite);
    unknown("bytes-to-read", Ioctl::from_raw(0x541b), suite);
}

fn deadlines(suite: &mut Suite) {
    let set = |file: &OwnedFd, deadline_ns, pad| {
        call(file, SET_DEADLINE, &SetDeadline { deadline_ns, pad }.to_bytes())
    };
    suite.add("sync-file/deadline-of-what-is-signaled", move || {
        expect_ok(set(&signaled()?, 1, 0)).map(drop)
    });
    for (name, deadline_ns) in [("past", 0), ("far-future", u64::MAX)] {
        suite.add(format!("sync-file/deadline-in-the-{name}"), move || {
            let pending = Pending::new()?;
            expect_ok(set(&pending.file, deadline_ns, 0)).map(drop)
        });
    }
    suite.add("sync-file/deadline-with-padding-is-refused", move || {
        expect_errno(Errno::INVAL, set(&signaled()?, 1, 1))
    });
    suite.add("sync-file/deadline-at-null", || {
        expect_errno(Errno::FAULT, call_at(signaled()?, SET_DEADLINE, Place::NULL))
    });
}
