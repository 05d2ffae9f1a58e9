//! Timelines that a program drives.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::{Errno, FdFlags};
use wharf_uapi::Ioctl;
use wharf_uapi::sw_sync::{CREATE_FENCE, CreateFenceData, GET_DEADLINE, GetDeadline, INC};
use wharf_uapi::sync_file::{SET_DEADLINE, SetDeadline};

use crate::case::{Suite, expect, expect_errno, expect_of, expect_ok};
use crate::fences::{advance, point, timeline};
use crate::ready::{expect_ready, ready};
use crate::sys::Place;
use crate::things::{
    call, call_at, constant, details, leave_no_room, merge, open_descriptors, summary, text,
};

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    points(suite);
    counts(suite);
    merged(suite);
    ends(suite);
    refusals(suite);
    deadlines(suite);
}

fn status(file: &OwnedFd) -> Result<i32, Errno> {
    summary(file).map(|told| told.status)
}

fn points(suite: &mut Suite) {
    for (name, value, expected) in [
        ("now", 0, 1),
        ("next", 1, 0),
        ("past", u32::MAX, 1),
        ("half-way", 1 << 31, 1),
    ] {
        suite.add(format!("sw-sync/point-{name}"), move || {
            expect_of("status", expected, status(&point(&timeline()?, value)?)?)
        });
    }
    suite.add("sw-sync/point-is-passed", || {
        let timeline = timeline()?;
        let five = point(&timeline, 5)?;
        let mut statuses = Vec::new();
        for by in [0, 1, 3, 1, 5] {
            advance(&timeline, by)?;
            statuses.push(status(&five)?);
        }
        expect("[0, 0, 0, 1, 1]".to_owned(), format!("{statuses:?}"))
    });
    suite.add("sw-sync/point-is-closed-on-exec", || {
        let point = point(&timeline()?, 1)?;
        expect(FdFlags::CLOEXEC.bits(), rustix::io::fcntl_getfd(&point)?.bits())
    });
    timelines(suite);
}

fn timelines(suite: &mut Suite) {
    suite.add("sw-sync/two-opened-are-two-timelines", || {
        let (one, other) = (timeline()?, timeline()?);
        let (here, there) = (point(&one, 1)?, point(&other, 1)?);
        advance(&one, 1)?;
        expect_of(
            "statuses:",
            "1 0".to_owned(),
            format!("{} {}", status(&here)?, status(&there)?),
        )
    });
    suite.add("sw-sync/copy-is-the-same-timeline", || {
        let timeline = timeline()?;
        let first = point(&timeline, 1)?;
        advance(&rustix::io::dup(&timeline)?, 1)?;
        expect_of("status", 1, status(&first)?)
    });
    suite.add(
        "sw-sync/copy-made-before-the-first-call-is-the-same-timeline",
        || {
            let timeline = timeline()?;
            let copy = rustix::io::dup(&timeline)?;
            let first = point(&timeline, 1)?;
            advance(&copy, 1)?;
            expect_of("status", 1, status(&first)?)
        },
    );
    suite.add("sw-sync/fence-tells-whose-it-is", || {
        let (_, fences) = details(point(&timeline()?, 1)?, 1)?;
        let driver = fences.first().map(|fence| text(&fence.driver_name));
        expect("sw_sync".to_owned(), driver.unwrap_or_default())
    });
    suite.add("sw-sync/fence-tells-who-opened-the-timeline", || {
        let program = std::fs::read_to_string("/proc/self/comm").map_err(|_| Errno::NOENT)?;
        let (_, fences) = details(point(&timeline()?, 1)?, 1)?;
        let name = fences.first().map(|fence| text(&fence.obj_name));
        expect(program.trim().to_owned(), name.unwrap_or_default())
    });
}

fn counts(suite: &mut Suite) {
    suite.add("sw-sync/by-nothing", || expect_ok(advance(&timeline()?, 0)));
    for (name, by) in [("half", 1 << 31), ("all-but-1", u32::MAX)] {
        suite.add(format!("sw-sync/by-{name}-of-32-bits"), move || {
            let timeline = timeline()?;
            let near = point(&timeline, 5)?;
            advance(&timeline, by)?;
            expect_of("status", 1, status(&near)?)
        });
    }
    suite.add("sw-sync/runs-over-the-end-of-32-bits", || {
        let timeline = timeline()?;
        advance(&timeline, u32::MAX - 10)?;
        let after = point(&timeline, 3)?;
        let before = status(&after)?;
        advance(&timeline, 20)?;
        expect_of(
            "statuses:",
            "0 1".to_owned(),
            format!("{before} {}", status(&after)?),
        )
    });
}

fn merged(suite: &mut Suite) {
    suite.add("sw-sync/points-of-one-timeline-merge-into-the-later", || {
        let timeline = timeline()?;
        let both = merge(point(&timeline, 1)?, point(&timeline, 5)?)?;
        expect_of("fences:", 1, summary(&both)?.num_fences)?;
        advance(&timeline, 1)?;
        expect_ready(PollFlags::empty(), ready(&both, PollFlags::IN)?)?;
        advance(&timeline, 4)?;
        expect_ready(PollFlags::IN, ready(&both, PollFlags::IN)?)
    });
    suite.add("sw-sync/points-of-two-timelines-are-two", || {
        let (one, other) = (timeline()?, timeline()?);
        let both = merge(point(&one, 1)?, point(&other, 1)?)?;
        expect_of("fences:", 2, summary(&both)?.num_fences)
    });
}

fn ends(suite: &mut Suite) {
    suite.add("sw-sync/closed-timeline-fails-its-points", || {
        let timeline = timeline()?;
        let left = point(&timeline, 1)?;
        drop(timeline);
        crate::ready::ready_within(&left, PollFlags::IN, std::time::Duration::from_secs(5))?;
        expect_of("status", -Errno::NOENT.raw_os_error(), status(&left)?)?;
        expect_ready(PollFlags::IN, ready(&left, PollFlags::IN)?)
    });
    suite.add("sw-sync/closed-timeline-leaves-what-is-signaled", || {
        let timeline = timeline()?;
        let passed = point(&timeline, 0)?;
        drop(timeline);
        expect_of("status", 1, status(&passed)?)
    });
    suite.add("sw-sync/timeline-lasts-as-long-as-a-copy", || {
        let timeline = timeline()?;
        let left = point(&timeline, 1)?;
        let copy = rustix::io::dup(&timeline)?;
        drop(timeline);
        std::thread::sleep(crate::ready::SOON);
        expect_of("status", 0, status(&left)?)?;
        advance(&copy, 1)?;
        expect_of("status", 1, status(&left)?)
    });
}

fn refusals(suite: &mut Suite) {
    for (name, number) in [("point", CREATE_FENCE), ("step", INC), ("deadline", GET_DEADLINE)] {
        suite.add(format!("sw-sync/{name}-at-null"), move || {
            expect_errno(Errno::FAULT, call_at(timeline()?, number, Place::NULL))
        });
    }
    suite.add("sw-sync/unknown-number", || {
        expect_errno(
            Errno::NOTTY,
            call(timeline()?, Ioctl::read_write(b'W', 9, 8), &[0; 8]),
        )
    });
    suite.add("sw-sync/points-know-no-steps", || {
        let timeline = timeline()?;
        let point = point(&timeline, 1)?;
        expect_errno(Errno::NOTTY, advance(&point, 1))
    });
    suite.add("sw-sync/point-that-cannot-be-told", || {
        let timeline = timeline()?;
        let page = constant(&CreateFenceData::default().to_bytes())?;
        let before = open_descriptors()?;
        expect_errno(Errno::FAULT, call_at(&timeline, CREATE_FENCE, page.place(0)))?;
        expect_of("descriptors left:", 0, open_descriptors()? - before)
    });
    suite.add("sw-sync/point-without-room", || {
        let timeline = timeline()?;
        let _first = point(&timeline, 1)?;
        leave_no_room()?;
        expect_errno(Errno::MFILE, point(&timeline, 2))
    });
}

/// The deadline that the timeline tells of a fence.
fn ask(timeline: &OwnedFd, fence_fd: i32, pad: u32) -> Result<u64, Errno> {
    let asked = GetDeadline {
        deadline_ns: 0,
        pad,
        fence_fd,
    };
    let (_, told) = call(timeline, GET_DEADLINE, &asked.to_bytes())?;
    Ok(GetDeadline::from_bytes(&told).deadline_ns)
}

fn deadlines(suite: &mut Suite) {
    let set = |file: &OwnedFd, deadline_ns| {
        call(
            file,
            SET_DEADLINE,
            &SetDeadline { deadline_ns, pad: 0 }.to_bytes(),
        )
    };
    suite.add("sw-sync/no-deadline", move || {
        let timeline = timeline()?;
        let point = point(&timeline, 1)?;
        expect_errno(Errno::NOENT, ask(&timeline, point.as_raw_fd(), 0))
    });
    suite.add("sw-sync/earliest-deadline-is-told", move || {
        let timeline = timeline()?;
        let point = point(&timeline, 1)?;
        let late = 5_000_000_000_000_000_u64;
        for deadline_ns in [late + 1000, late, late + 2000] {
            set(&point, deadline_ns)?;
        }
        let told = expect_ok(ask(&timeline, point.as_raw_fd(), 0))?;
        // Kept as a moment of another clock, it may be off by a little.
        expect_of(
            "as set, give or take 1 ms:",
            true,
            told.abs_diff(late) < 1_000_000,
        )
    });
    refused_deadlines(suite);
}

fn refused_deadlines(suite: &mut Suite) {
    suite.add("sw-sync/deadline-with-padding-is-refused", move || {
        let timeline = timeline()?;
        let point = point(&timeline, 1)?;
        expect_errno(Errno::INVAL, ask(&timeline, point.as_raw_fd(), 1))
    });
    for (name, number) in [("stdin", 0), ("a-closed-descriptor", 9999)] {
        suite.add(format!("sw-sync/deadline-of-{name}-is-refused"), move || {
            expect_errno(Errno::INVAL, ask(&timeline()?, number, 0))
        });
    }
}
