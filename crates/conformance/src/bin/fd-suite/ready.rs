//! What `poll` and `epoll` say of buffers and sync files.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use wharf_uapi::dma_buf::{SYNC_READ, SYNC_WRITE};

use crate::case::{Outcome, Stop, Suite, expect, expect_of, expect_ok};
use crate::fences::Pending;
use crate::things::{buffer, export, import};

/// How soon what must not happen would have happened.
pub(crate) const SOON: Duration = Duration::from_millis(150);

/// What of `asked` is ready within a while.
pub(crate) fn ready_within(file: impl AsFd, asked: PollFlags, while_: Duration) -> Result<PollFlags, Errno> {
    let timeout = Timespec {
        tv_sec: while_.as_secs().cast_signed(),
        tv_nsec: while_.subsec_nanos().into(),
    };
    let file = file.as_fd();
    let mut fds = [PollFd::new(&file, asked)];
    poll(&mut fds, Some(&timeout))?;
    Ok(fds[0].revents())
}

/// What of `asked` is ready now.
pub(crate) fn ready(file: impl AsFd, asked: PollFlags) -> Result<PollFlags, Errno> {
    ready_within(file, asked, Duration::ZERO)
}

/// Expects that just this is ready.
pub(crate) fn expect_ready(expected: PollFlags, got: PollFlags) -> Outcome {
    expect(names(expected), names(got))
}

fn names(flags: PollFlags) -> String {
    let known = [
        (PollFlags::IN, "POLLIN"),
        (PollFlags::OUT, "POLLOUT"),
        (PollFlags::RDNORM, "POLLRDNORM"),
        (PollFlags::WRNORM, "POLLWRNORM"),
        (PollFlags::PRI, "POLLPRI"),
        (PollFlags::ERR, "POLLERR"),
        (PollFlags::HUP, "POLLHUP"),
        (PollFlags::NVAL, "POLLNVAL"),
    ];
    let set = known.into_iter().filter(|(flag, _)| flags.contains(*flag));
    let set: Vec<&str> = set.map(|(_, name)| name).collect();
    if set.is_empty() {
        "nothing".to_owned()
    } else {
        set.join("|")
    }
}

/// Adds the cases of this area.
pub(crate) fn add(suite: &mut Suite) {
    idle(suite);
    with_fences(suite);
    with_epoll(suite);
}

fn idle(suite: &mut Suite) {
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::RDNORM | PollFlags::WRNORM | PollFlags::PRI;
    for (name, asked, expected) in [
        ("readers", PollFlags::IN, PollFlags::IN),
        ("writers", PollFlags::OUT, PollFlags::OUT),
        (
            "both",
            PollFlags::IN | PollFlags::OUT,
            PollFlags::IN | PollFlags::OUT,
        ),
        ("nobody", PollFlags::empty(), PollFlags::empty()),
        ("readers-in-other-words", PollFlags::RDNORM, PollFlags::empty()),
        ("everybody", all, PollFlags::IN | PollFlags::OUT),
    ] {
        suite.add(format!("ready/idle-buffer-for-{name}"), move || {
            expect_ready(expected, ready(buffer()?, asked)?)
        });
    }
}

/// A buffer with a pending fence on it.
fn busy(flags: u32) -> Result<(OwnedFd, Pending), Stop> {
    let (buffer, pending) = (buffer()?, Pending::new()?);
    import(&buffer, flags, &pending.file)?;
    Ok((buffer, pending))
}

fn with_fences(suite: &mut Suite) {
    let both = PollFlags::IN | PollFlags::OUT;
    for (name, flags, expected) in [
        ("writer", SYNC_WRITE, PollFlags::empty()),
        ("reader", SYNC_READ, PollFlags::IN),
    ] {
        suite.add(format!("ready/buffer-of-a-pending-{name}"), move || {
            let (buffer, _pending) = busy(flags)?;
            expect_ready(
                expected,
                ready_within(&buffer, both & !expected, SOON)? | ready(&buffer, expected)?,
            )
        });
        suite.add(format!("ready/buffer-of-a-{name}-that-is-done"), move || {
            let (buffer, pending) = busy(flags)?;
            pending.signal()?;
            expect_ready(both, ready(&buffer, both)?)
        });
    }
    suite.add("ready/who-polls-a-buffer-is-woken", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        let later = pending.signal_after(SOON);
        let woken = ready_within(&buffer, PollFlags::IN, Duration::from_secs(5))?;
        expect_ready(PollFlags::IN, woken)?;
        later.expect_waited()
    });
}

/// Asks `epoll` for POLLIN of a file; returns how many events there are now and then, when `signal` has been called.
fn events(file: &OwnedFd, signal: impl FnOnce() -> Result<(), Errno>) -> Result<(usize, usize), Errno> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&set, file, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    let count = |milliseconds: i64| {
        let mut events = Vec::with_capacity(4);
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: milliseconds * 1_000_000,
        };
        epoll::wait(&set, spare_capacity(&mut events), Some(&timeout))
    };
    let before = count(0)?;
    signal()?;
    Ok((before, count(900)?))
}

fn with_epoll(suite: &mut Suite) {
    suite.add("ready/epoll-of-an-idle-buffer", || {
        let (before, after) = expect_ok(events(&buffer()?, || Ok(())))?;
        expect_of("events:", "1 1".to_owned(), format!("{before} {after}"))
    });
    suite.add("ready/epoll-of-a-busy-buffer", || {
        let (buffer, pending) = busy(SYNC_WRITE)?;
        let (before, after) = expect_ok(events(&buffer, || pending.signal()))?;
        expect_of("events:", "0 1".to_owned(), format!("{before} {after}"))
    });
    suite.add("ready/epoll-of-a-file-that-is-signaled", || {
        let file = export(buffer()?, SYNC_READ)?;
        let (before, after) = expect_ok(events(&file, || Ok(())))?;
        expect_of("events:", "1 1".to_owned(), format!("{before} {after}"))
    });
    suite.add("ready/epoll-of-a-file-that-is-pending", || {
        let pending = Pending::new()?;
        let file = rustix::io::dup(&pending.file)?;
        let (before, after) = expect_ok(events(&file, || pending.signal()))?;
        expect_of("events:", "0 1".to_owned(), format!("{before} {after}"))
    });
}
