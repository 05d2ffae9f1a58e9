//! Several fences in one file: `SYNC_IOC_MERGE`, and what `SYNC_IOC_FILE_INFO` tells.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use wharf_uapi::dma_buf::SYNC_READ;
use wharf_uapi::sync_file::{FILE_INFO, FileInfo, MERGE, MergeData};

use crate::case::{Stop, Suite, expect, expect_errno, expect_of, expect_ok};
use crate::fences::Pending;
use crate::ready::{expect_ready, ready};
use crate::sys::{self, Pages, Place};
use crate::things::{
    buffer, call, call_at, constant, details, device, export, leave_no_room, merge, merging,
    open_descriptors, summary, text,
};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    merges(suite);
    refusals(suite);
    infos(suite);
    refused_infos(suite);
}

fn signaled() -> Result<OwnedFd, Stop> {
    Ok(export(buffer()?, SYNC_READ)?)
}

/// Two pending fences, and one file of them.
fn pair() -> Result<(Pending, Pending, OwnedFd), Stop> {
    let (one, other) = (Pending::new()?, Pending::new()?);
    let both = merge(&one.file, &other.file)?;
    Ok((one, other, both))
}

fn merges(suite: &mut Suite) {
    suite.add("merge/is-signaled-when-all-are", || {
        let (one, other, both) = pair()?;
        expect_ready(PollFlags::empty(), ready(&both, PollFlags::IN)?)?;
        one.signal()?;
        expect_ready(PollFlags::empty(), ready(&both, PollFlags::IN)?)?;
        other.signal()?;
        expect_ready(PollFlags::IN, ready(&both, PollFlags::IN)?)
    });
    suite.add("merge/of-signaled-ones-is-signaled", || {
        let file = merge(signaled()?, signaled()?)?;
        expect_ready(PollFlags::IN, ready(&file, PollFlags::IN)?)
    });
    suite.add("merge/with-itself", || {
        let pending = Pending::new()?;
        let file = expect_ok(merge(&pending.file, &pending.file))?;
        expect_of("fences:", 1, summary(&file)?.num_fences)
    });
    suite.add("merge/drops-what-is-signaled", || {
        let pending = Pending::new()?;
        let file = merge(&pending.file, signaled()?)?;
        expect_of("fences:", 1, summary(&file)?.num_fences)
    });
    suite.add("merge/of-merged-ones-has-all", || {
        let (_one, _other, both) = pair()?;
        let (_third, _fourth, more) = pair()?;
        expect_of("fences:", 4, summary(merge(&both, &more)?)?.num_fences)
    });
    merged_files(suite);
}

fn merged_files(suite: &mut Suite) {
    suite.add("merge/outlives-its-parts", || {
        let (one, other, both) = pair()?;
        let fences = [one, other];
        expect_ready(PollFlags::empty(), ready(&both, PollFlags::IN)?)?;
        for fence in fences {
            fence.signal()?;
        }
        expect_ready(PollFlags::IN, ready(&both, PollFlags::IN)?)
    });
    suite.add("merge/is-closed-on-exec", || {
        let file = merge(signaled()?, signaled()?)?;
        expect(FdFlags::CLOEXEC.bits(), rustix::io::fcntl_getfd(&file)?.bits())
    });
    suite.add("merge/has-the-name-given", || {
        expect("merged".to_owned(), name_given(b"merged")?)
    });
    suite.add("merge/name-is-cut-to-31-bytes", || {
        expect("x".repeat(31), name_given(&[b'x'; 32])?)
    });
}

fn name_given(name: &[u8]) -> Result<String, Stop> {
    let file = signaled()?;
    let (_, told) = call(&file, MERGE, &merging(name, file.as_raw_fd()).to_bytes())?;
    let merged = sys::adopt(MergeData::from_bytes(&told).fence.cast_unsigned())?;
    Ok(text(&summary(&merged)?.name))
}

fn refusals(suite: &mut Suite) {
    let refused = |change: fn(&mut MergeData)| {
        let file = signaled()?;
        let mut argument = merging(b"x", file.as_raw_fd());
        change(&mut argument);
        Ok::<_, Stop>(call(&file, MERGE, &argument.to_bytes()))
    };
    suite.add("merge/flags-are-refused", move || {
        expect_errno(Errno::INVAL, refused(|argument| argument.flags = 1)?)
    });
    suite.add("merge/padding-is-refused", move || {
        expect_errno(Errno::INVAL, refused(|argument| argument.pad = 1)?)
    });
    for (name, number) in [("closed", 9999), ("negative", -1)] {
        suite.add(format!("merge/with-a-{name}-descriptor"), move || {
            let file = signaled()?;
            expect_errno(
                Errno::NOENT,
                call(&file, MERGE, &merging(b"x", number).to_bytes()),
            )
        });
    }
    refused_files(suite);
}

fn refused_files(suite: &mut Suite) {
    suite.add("merge/with-a-buffer", || {
        expect_errno(Errno::NOENT, merge(signaled()?, buffer()?))
    });
    suite.add("merge/with-another-file", || {
        let null = device("/dev/null", OFlags::RDWR)?;
        expect_errno(Errno::NOENT, merge(signaled()?, null))
    });
    suite.add("merge/at-null", || {
        expect_errno(Errno::FAULT, call_at(signaled()?, MERGE, Place::NULL))
    });
    suite.add("merge/that-cannot-be-told", || {
        let file = signaled()?;
        let page = constant(&merging(b"x", file.as_raw_fd()).to_bytes())?;
        let before = open_descriptors()?;
        expect_errno(Errno::FAULT, call_at(&file, MERGE, page.place(0)))?;
        expect_of("descriptors left:", 0, open_descriptors()? - before)
    });
    suite.add("merge/without-room", || {
        let file = signaled()?;
        leave_no_room()?;
        expect_errno(Errno::MFILE, merge(&file, &file))
    });
}

fn infos(suite: &mut Suite) {
    suite.add("info/of-an-idle-buffer", || {
        let told = summary(signaled()?)?;
        expect_of(
            "fences, status:",
            "1, 1".to_owned(),
            format!("{}, {}", told.num_fences, told.status),
        )
    });
    suite.add("info/name-of-an-idle-buffers", || {
        expect("stub-stub0-0".to_owned(), text(&summary(signaled()?)?.name))
    });
    suite.add("info/fence-of-an-idle-buffer", || {
        let (_, fences) = details(signaled()?, 1)?;
        let fence = fences.first().ok_or_else(|| Stop::differs("a fence", "none"))?;
        let told = format!(
            "{} {} {}",
            text(&fence.driver_name),
            text(&fence.obj_name),
            fence.status
        );
        expect("stub stub 1".to_owned(), told)
    });
    suite.add("info/name-of-a-pending-one", || {
        let pending = Pending::new()?;
        let (told, fences) = details(&pending.file, 1)?;
        let fence = fences.first().ok_or_else(|| Stop::differs("a fence", "none"))?;
        let whose = format!("{}-{}", text(&fence.driver_name), text(&fence.obj_name));
        let name = text(&told.name);
        // The numbers of context and point follow.
        let numbers = name.strip_prefix(&whose).unwrap_or("no").split('-');
        let all_numbers = numbers.map(str::parse::<u64>).all(|number| number.is_ok());
        expect_of("driver, timeline, and two numbers:", true, all_numbers)
    });
    suite.add("info/of-what-is-pending", || {
        let pending = Pending::new()?;
        let (told, fences) = details(&pending.file, 1)?;
        let statuses: Vec<i32> = fences.iter().map(|fence| fence.status).collect();
        let times: Vec<u64> = fences.iter().map(|fence| fence.timestamp_ns).collect();
        expect_of(
            "status, statuses, times:",
            "0 [0] [0]".to_owned(),
            format!("{} {statuses:?} {times:?}", told.status),
        )
    });
    infos_of_signals(suite);
}

fn infos_of_signals(suite: &mut Suite) {
    suite.add("info/time-of-the-signal-is-told", || {
        let pending = Pending::new()?;
        let file = rustix::io::dup(&pending.file)?;
        let before = now_ns();
        pending.signal()?;
        let after = now_ns();
        let (told, fences) = details(&file, 1)?;
        let time = fences.first().map_or(0, |fence| fence.timestamp_ns);
        expect_of("status", 1, told.status)?;
        // A few microseconds may be lost between two clocks.
        let within = time + 10_000 >= before && time <= after + 10_000;
        expect_of("a time between before and after:", true, within)
    });
    suite.add("info/counts-all", || {
        let (_one, _other, both) = pair()?;
        expect_of("fences:", 2, summary(&both)?.num_fences)
    });
    suite.add("info/tells-each", || {
        let (one, _other, both) = pair()?;
        one.signal()?;
        let (told, fences) = details(&both, 2)?;
        let mut statuses: Vec<i32> = fences.iter().map(|fence| fence.status).collect();
        statuses.sort_unstable();
        expect_of(
            "status, statuses:",
            "0 [0, 1]".to_owned(),
            format!("{} {statuses:?}", told.status),
        )
    });
    suite.add("info/more-room-than-fences", || {
        let (told, _) = expect_ok(details(signaled()?, 7))?;
        expect_of("fences:", 1, told.num_fences)
    });
}

fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

fn refused_infos(suite: &mut Suite) {
    suite.add("info/less-room-than-fences", || {
        let (_one, _other, both) = pair()?;
        expect_errno(Errno::INVAL, details(&both, 1))
    });
    for (name, place) in [("null", Place::NULL), ("of-the-kernel", Place::OF_KERNEL)] {
        suite.add(format!("info/room-at-{name}"), move || {
            let asked = FileInfo {
                num_fences: 1,
                sync_fence_info: place.number(),
                ..FileInfo::default()
            };
            expect_errno(Errno::FAULT, call(signaled()?, FILE_INFO, &asked.to_bytes()))
        });
        suite.add(format!("info/at-{name}"), move || {
            expect_errno(Errno::FAULT, call_at(signaled()?, FILE_INFO, place))
        });
    }
    suite.add("info/room-before-a-hole", || {
        let page = Pages::new(1)?;
        let asked = FileInfo {
            num_fences: 1,
            sync_fence_info: page.last(8).number(),
            ..FileInfo::default()
        };
        expect_errno(Errno::FAULT, call(signaled()?, FILE_INFO, &asked.to_bytes()))
    });
    refused_fields(suite);
}

fn refused_fields(suite: &mut Suite) {
    suite.add("info/flags-are-refused", || {
        let asked = FileInfo {
            flags: 1,
            ..FileInfo::default()
        };
        expect_errno(Errno::INVAL, call(signaled()?, FILE_INFO, &asked.to_bytes()))
    });
    suite.add("info/padding-is-refused", || {
        let asked = FileInfo {
            pad: 1,
            ..FileInfo::default()
        };
        expect_errno(Errno::INVAL, call(signaled()?, FILE_INFO, &asked.to_bytes()))
    });
    suite.add("info/that-cannot-be-told", || {
        let page = constant(&FileInfo::default().to_bytes())?;
        expect_errno(Errno::FAULT, call_at(signaled()?, FILE_INFO, page.place(0)))
    });
}
