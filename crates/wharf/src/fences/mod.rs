//! Fences of frames: nobody has to wait for a device (contracts F, R, S).
//!
//! A producer whose device fills buffers by itself publishes frames at once, with the fence of that work:
//! [`Producer::publish_when`](crate::Producer::publish_when). Consumers get the frame with [`Frame::acquire_fence`](crate::Frame::acquire_fence), for their
//! device, or wait: [`Frame::wait_ready`](crate::Frame::wait_ready). A consumer whose device reads by itself gives the frame back at once, with the
//! fence of that work: [`Frame::release_after`](crate::Frame::release_after). The producer fills the buffer when that is over; or it takes it before,
//! with [`Producer::acquire_async`](crate::Producer::acquire_async), and gives its device the [fences](crate::FrameMut::release_fences).
//!
//! All are [`Fence`](wharf_core::Fence)s on both sides. They travel as points in the stream's pages: nobody asks the broker, and a frame
//! without fences costs nothing more. In this process they are on the reservation of the buffer, too: work that fills it with
//! [`Usage::Write`](wharf_core::Usage), work that reads it with [`Usage::Read`](wharf_core::Usage), as long as it is not over. Each side has one
//! context for each buffer, so that a frame's fence takes the place of the one before.
//!
//! # When somebody dies
//!
//! | who | what becomes of work that was not over |
//! |---|---|
//! | producer | its frames are bad: `EOWNERDEAD`, at once; without a broker within 100 ms |
//! | consumer | it counts as over, with `EOWNERDEAD`, and the buffer is filled again: its process must have taken its device along |
//! | broker | nothing changes |
//!
//! A consumer counts frames lent against its depth until their fences are signaled, so that it can keep no more of the stream than it could by
//! not releasing them; [`AcquireError::TimedOut`](crate::AcquireError::TimedOut) names it.

mod far;
mod near;

pub(crate) use far::FarWork;
pub(crate) use near::{Contents, Releases};

use std::sync::OnceLock;
use wharf_core::{CallbackOutcome, DmaBuf, Errno, Fence, FenceContext, Usage};
use wharf_stream::MAX_BUFFERS;

/// The timelines of one side's work: one for each buffer, made when it is first needed.
#[derive(Debug)]
struct Contexts {
    name: String,
    of_buffers: [OnceLock<FenceContext>; MAX_BUFFERS],
}

impl Contexts {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            of_buffers: [const { OnceLock::new() }; MAX_BUFFERS],
        }
    }

    /// That of `buffer`, which is below [`MAX_BUFFERS`].
    fn of(&self, buffer: usize) -> &FenceContext {
        self.of_buffers[buffer % MAX_BUFFERS].get_or_init(|| FenceContext::new("wharf", &self.name))
    }
}

/// Calls `then` when `fence` is signaled, with its error: on the thread that signals it, or at once on this one.
pub(crate) fn when_signaled(fence: &Fence, then: impl FnOnce(Option<Errno>) + Send + 'static) {
    let told = fence.add_callback(move |fence: &Fence| then(fence.status().error()));
    if let CallbackOutcome::AlreadySignaled(then) = told {
        then(fence);
    }
}

/// Calls `then` when all `fences` are signaled.
pub(crate) fn when_all_signaled(mut fences: Vec<Fence>, then: impl FnOnce() + Send + 'static) {
    // Those that are signaled are passed here, not in a callback: the stack does not grow.
    while let Some(fence) = fences.pop() {
        if !fence.is_signaled() {
            when_signaled(&fence, move |_| when_all_signaled(fences, then));
            return;
        }
    }
    then();
}

/// Notes work on a buffer that is not over on its reservation.
pub(crate) fn note(buffer: &DmaBuf, fence: &Fence, usage: Usage) {
    // Refused are only containers, and this library's own fences are none.
    let noted = buffer.reservation().add_foreign_fence(fence, usage);
    debug_assert!(noted.is_ok(), "{noted:?}");
}
