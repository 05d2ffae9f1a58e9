//! What a supervisor does besides answering.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::listener::Listener;
use crate::memory::{STOCK_LIFE, YOUTH};

/// How often is looked whether a signal interrupts a call that waits for a fence, whether young buffers are closed, and whether fences
/// have expired.
const TICK: Duration = YOUTH;

/// Attends to everything but the calls until no program is left. `others` are watched, too: `on_ready` is told which are readable, and
/// ends it by saying so.
pub(crate) fn keep(listener: &Listener, others: &[BorrowedFd<'_>], mut on_ready: impl FnMut(usize) -> bool) {
    let (mut is_busy, mut has_stock) = (true, true);
    loop {
        let own = [
            PollFd::from_borrowed_fd(listener.fd(), PollFlags::empty()),
            PollFd::from_borrowed_fd(listener.releases.closings(), PollFlags::IN),
            PollFd::from_borrowed_fd(listener.releases.bell(), PollFlags::IN),
            PollFd::from_borrowed_fd(listener.objects.closings(), PollFlags::IN),
        ];
        let others = others
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = own.into_iter().chain(others).collect();
        let timeout = match (is_busy, has_stock) {
            (true, _) => Some(timespec(TICK)),
            (false, true) => Some(timespec(STOCK_LIFE)),
            (false, false) => None,
        };
        if poll(&mut fds, timeout.as_ref()).is_err() {
            continue;
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[0] {
            return;
        }
        listener.releases.heard();
        if ready[3] {
            listener.objects.forget_closed();
            listener.close_cards();
        }
        is_busy = listener.releases.look(&listener.objects, YOUTH)
            | listener.interrupt_waits()
            | listener.expire_fences();
        has_stock = listener.depot.drop_stale(STOCK_LIFE);
        listener.depot.free_done();
        for (index, _) in ready[4..].iter().enumerate().filter(|(_, ready)| **ready) {
            if !on_ready(index) {
                return;
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        // CAST: less than a second.
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}
