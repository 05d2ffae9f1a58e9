//! Frames: the right to fill a buffer, and the right to read one.

use crate::buffers::mapping;
use crate::error::ReadyError;
use crate::fences::{when_all_signaled, when_signaled};
use crate::generation::Generation;
use crate::membership::Membership;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wharf_core::layout::FrameLayout;
use wharf_core::{Deadline as CoreDeadline, DmaBuf, Fence, FenceStatus, Wait};
use wharf_memory::{Deadline, NotWritable, OutOfBounds, View, ViewMut};
use wharf_stream::FrameInfo;

/// Buffers whose frames were dropped unpublished, one bit each: the producer takes them up at its next call.
#[derive(Debug, Default)]
pub(crate) struct Returned(AtomicU64);

impl Returned {
    fn put(&self, index: usize) {
        // ORDERING: Release: what the dropping thread wrote into the buffer comes before its next use.
        self.0.fetch_or(1 << index, Ordering::Release);
    }

    #[inline]
    pub(crate) fn take(&self) -> impl Iterator<Item = usize> {
        // ORDERING: relaxed; what is not seen yet is taken up by the next call. Nearly always there is nothing, and a load is cheaper.
        let bits = match self.0.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.0.swap(0, Ordering::Acquire),
        };
        let mut rest = bits;
        std::iter::from_fn(move || {
            let index = (rest != 0).then(|| rest.trailing_zeros() as usize);
            rest &= rest.wrapping_sub(1);
            index
        })
    }
}

/// A buffer to fill. Publish it with [`Producer::publish`](crate::Producer::publish); dropped instead, it goes back unseen.
#[derive(Debug)]
pub struct FrameMut {
    pub(crate) buffer: DmaBuf,
    pub(crate) generation: u64,
    pub(crate) index: usize,
    pub(crate) returned: Arc<Returned>,
    /// Work on the buffer that was not over when it was acquired.
    pub(crate) fences: Vec<Fence>,
    /// It does not go back when it is dropped.
    pub(crate) is_published: bool,
}

impl FrameMut {
    /// The bytes, for writing. They are what the last frame in this buffer left, or zero.
    ///
    /// # Errors
    ///
    /// [`NotWritable`] (`EACCES`): not for a frame that came from [`Producer::acquire`](crate::Producer::acquire).
    pub fn view_mut(&self) -> Result<ViewMut<'_>, NotWritable> {
        mapping(self.buffer()).ok_or(NotWritable)?.view_mut()
    }

    /// Which generation of the stream's buffers it will lie in (contract N5).
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The buffer the frame will lie in. Work on it that is not over is on its reservation.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buffer
    }

    /// Work on the buffer that was not over when it was acquired with [`Producer::acquire_async`](crate::Producer::acquire_async): consumers
    /// read the frame before, or the producer's own device fills it still. Nothing may be written before all of it is over. Which error it had does not
    /// matter for that.
    pub fn release_fences(&self) -> &[Fence] {
        &self.fences
    }

    /// Waits until the buffer may be written; tells whether it may.
    ///
    /// # Blocking
    ///
    /// While some of [`FrameMut::release_fences`] is not signaled: asleep, for `timeout`; for ever without one. A consumer that dies counts as
    /// done.
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let wait = deadline.map_or_else(Wait::forever, |deadline| Wait::until(CoreDeadline::At(deadline)));
        self.fences.iter().all(|fence| fence.wait(&wait).is_ok())
    }

    /// Drops a frame that was published.
    pub(crate) fn forget(mut self) {
        self.is_published = true;
    }

    /// How many of the fences are not signaled.
    pub(crate) fn pending(&self) -> usize {
        self.fences.iter().filter(|fence| !fence.is_signaled()).count()
    }
}

impl Drop for FrameMut {
    fn drop(&mut self) {
        if !self.is_published {
            // As long as somebody works on it, it is in hand.
            let (returned, index) = (Arc::clone(&self.returned), self.index);
            when_all_signaled(std::mem::take(&mut self.fences), move || returned.put(index));
        }
    }
}

/// A buffer that a consumer reads again and again. Its frames share this, so that each costs one count of references.
#[derive(Debug)]
pub(crate) struct Reading {
    // Before the buffer: the producer hears of a last frame's end before the broker is asked to note it.
    pub(crate) membership: Arc<Membership>,
    pub(crate) buffer: DmaBuf,
}

impl Reading {
    /// The buffers of a generation, for a member of their stream.
    pub(crate) fn all_of(memory: &Generation, membership: &Arc<Membership>) -> Vec<Arc<Self>> {
        let reading = |buffer: &DmaBuf| {
            Arc::new(Self {
                membership: Arc::clone(membership),
                buffer: buffer.clone(),
            })
        };
        memory.buffers.iter().map(reading).collect()
    }
}

/// A frame this consumer holds: nobody refills it until it is dropped (contract S2).
///
/// It may be sent to another thread and outlive its [`Consumer`](crate::Consumer).
#[derive(Debug)]
pub struct Frame {
    pub(crate) seq: u64,
    pub(crate) skipped: u64,
    pub(crate) info: FrameInfo,
    pub(crate) published_ns: u64,
    pub(crate) received_ns: u64,
    pub(crate) index: usize,
    /// The fence of contents that were not there, or bad, when it was received.
    pub(crate) acquire_fence: Option<Fence>,
    /// It was released with a fence.
    pub(crate) is_lent: bool,
    pub(crate) reading: Arc<Reading>,
}

impl Frame {
    /// Its number in the stream, from 1, without gaps between frames published.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Frames this consumer passed over since the one before.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// What the producer says of it. Sizes and layout were checked against the buffer.
    pub fn info(&self) -> &FrameInfo {
        &self.info
    }

    /// How the picture lies in the buffer, if it is one.
    pub fn layout(&self) -> Option<&FrameLayout> {
        self.info.layout.as_ref()
    }

    /// Which generation of the stream's buffers it lies in (contract N5).
    pub fn generation(&self) -> u64 {
        self.info.generation
    }

    /// When the producer published it, in nanoseconds of `CLOCK_MONOTONIC`, as the producer says.
    pub fn published_ns(&self) -> u64 {
        self.published_ns
    }

    /// When this consumer received it, in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn received_ns(&self) -> u64 {
        self.received_ns
    }

    /// Time from publication to receipt in nanoseconds; 0 when the producer's stamp lies ahead.
    pub fn latency_ns(&self) -> u64 {
        self.received_ns.saturating_sub(self.published_ns)
    }

    /// The fence of the contents, if they were not there when the frame was received, or bad: nothing may be read before it is signaled, and
    /// with an error never. For a device; who reads himself calls [`Frame::wait_ready`].
    pub fn acquire_fence(&self) -> Option<&Fence> {
        self.acquire_fence.as_ref()
    }

    /// Waits until the contents are there. Returns at once for a frame that came with them.
    ///
    /// # Blocking
    ///
    /// Asleep, for `timeout`; for ever without one. The death of the producer ends the wait, also when the broker is dead.
    ///
    /// # Errors
    ///
    /// [`ReadyError::TimedOut`] (`ETIMEDOUT`): wait again. [`ReadyError::Bad`]: the contents are bad for good, and what the producer says of that;
    /// `EOWNERDEAD`: it died before they were there.
    pub fn wait_ready(&self, timeout: Option<Duration>) -> Result<(), ReadyError> {
        let Some(fence) = &self.acquire_fence else {
            return Ok(());
        };
        let seq = self.seq;
        if !fence.is_signaled() {
            let started = Instant::now();
            let deadline = timeout.map(Deadline::after);
            if !self.reading.membership.contents.wait(self.index, seq, deadline) {
                let waited = started.elapsed();
                return Err(ReadyError::TimedOut { seq, waited });
            }
        }
        match fence.status() {
            FenceStatus::Failed(errno) => Err(ReadyError::Bad { seq, errno }),
            FenceStatus::Signaled | FenceStatus::Unsignaled => Ok(()),
        }
    }

    /// Gives the frame back now, while work that this consumer has begun still reads it: that ends when `fence` is signaled, with an error or
    /// without. Until then the producer does not fill the buffer, and the frame counts against the depth this consumer joined with.
    ///
    /// Any fence will do. It must be signaled in bounded time, as all fences; until then this process keeps the buffer mapped, and its place in the
    /// stream, whatever else is dropped.
    ///
    /// # Blocking
    ///
    /// No.
    pub fn release_after(mut self, fence: &Fence) {
        if fence.is_signaled() {
            return;
        }
        let (index, reading) = (self.index, Arc::clone(&self.reading));
        let Membership { page, ring, bell, .. } = &*reading.membership;
        let Some(point) = wharf_stream::lend(page, ring, bell.as_deref(), index) else {
            return;
        };
        self.is_lent = true;
        // What it reads is dropped after the producer was told.
        when_signaled(fence, move |error| {
            let Membership {
                ring, bell, releases, ..
            } = &*reading.membership;
            releases.settle((ring, bell.as_deref()), (index, point), error);
        });
    }

    /// The bytes the frame uses. Where there is an [acquire fence](Frame::acquire_fence) they mean nothing before [`Frame::wait_ready`].
    /// [`View::copy_to`] copies of them, [`View::blocks`] shows them all in place.
    ///
    /// # Errors
    ///
    /// [`OutOfBounds`]: not for a frame that was received, whose length was checked.
    pub fn view(&self) -> Result<View<'_>, OutOfBounds> {
        let used = usize::try_from(self.info.used_bytes).unwrap_or(usize::MAX);
        let out_of_bounds = OutOfBounds {
            offset_bytes: 0,
            len_bytes: used,
            window_bytes: 0,
        };
        mapping(self.buffer())
            .ok_or(out_of_bounds)?
            .view()
            .subview(0, used)
    }

    /// The buffer it lies in. Contents that are not there are on its reservation.
    pub fn buffer(&self) -> &DmaBuf {
        &self.reading.buffer
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if !self.is_lent {
            let Membership { page, ring, bell, .. } = &*self.reading.membership;
            wharf_stream::release(page, ring, bell.as_deref(), self.index);
        }
    }
}
