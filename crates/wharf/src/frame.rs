//! Frames: the right to fill a buffer, and the right to read one.

use crate::buffers::mapping;
use crate::generation::Generation;
use crate::membership::Membership;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wharf_core::DmaBuf;
use wharf_core::layout::FrameLayout;
use wharf_memory::{NotWritable, OutOfBounds, View, ViewMut};
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
    pub(crate) published: bool,
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

    /// The buffer the frame will lie in.
    pub fn buffer(&self) -> &DmaBuf {
        &self.buffer
    }
}

impl Drop for FrameMut {
    fn drop(&mut self) {
        if !self.published {
            self.returned.put(self.index);
        }
    }
}

/// A buffer that a consumer reads again and again. Its frames share this, so that each costs one count of references.
#[derive(Debug)]
pub(crate) struct Reading {
    // Before the buffer: the producer hears of a last frame's end before the broker is asked to note it.
    membership: Arc<Membership>,
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

    /// The bytes the frame uses.
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

    /// The buffer it lies in.
    pub fn buffer(&self) -> &DmaBuf {
        &self.reading.buffer
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let Membership { page, ring, bell } = &*self.reading.membership;
        wharf_stream::release(page, ring, bell.as_deref(), self.index);
    }
}
