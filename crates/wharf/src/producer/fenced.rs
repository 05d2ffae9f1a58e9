//! How a producer publishes and acquires buffers in which work goes on.

use super::Producer;
use super::members::Identity;
use crate::error::{AcquireError, PublishError};
use crate::fences::{Contents, FarWork, note};
use crate::frame::FrameMut;
use std::sync::Arc;
use std::time::Duration;
use wharf_core::{Fence, FenceStatus, Usage};
use wharf_linux::PidFd;
use wharf_memory::{OwnedWords, ReadOnlyWords};
use wharf_stream::timeline::End;
use wharf_stream::{Departure, Doorbell, FrameInfo, Lent, Points, Sleepers};

pub(super) type Ring = wharf_stream::Producer<Arc<OwnedWords>, Arc<ReadOnlyWords>>;

/// The work on a stream's frames, as its producer knows it.
#[derive(Debug)]
pub(super) struct Fences {
    name: String,
    status: Arc<ReadOnlyWords>,
    sleepers: Arc<Sleepers<Arc<OwnedWords>>>,
    contents: Arc<Contents>,
    consumers: Vec<(Identity, Arc<FarWork>)>,
}

impl Fences {
    /// `bell` is the producer's own, if it polls.
    pub(super) fn new(
        ring: &Arc<OwnedWords>,
        status: &Arc<ReadOnlyWords>,
        name: &str,
        bell: Option<Arc<dyn Doorbell>>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            status: Arc::clone(status),
            sleepers: Arc::new(Sleepers::of_producer(Arc::clone(ring))),
            contents: Contents::new(Arc::clone(ring), name, bell),
            consumers: Vec::new(),
        }
    }

    /// Takes note of a consumer, before it is admitted.
    pub(super) fn admit(&mut self, consumer: Identity, page: &Arc<ReadOnlyWords>, process: &Arc<PidFd>) {
        self.contents.add(consumer, Arc::clone(page));
        let pages = (Arc::clone(page), Arc::clone(&self.status));
        let points = Points::of_consumer(pages, consumer, Arc::clone(&self.sleepers));
        let work = FarWork::new(points, Arc::clone(process), &self.name);
        self.consumers.push((consumer, Arc::new(work)));
    }

    /// Forgets a consumer that is gone: its work is over.
    pub(super) fn forget(&mut self, consumer: Identity, departure: Departure) {
        self.contents.remove(consumer);
        let end = match departure {
            Departure::Left => End::Dropped,
            Departure::Gone | Departure::Misbehaved | Departure::Dropped => End::OwnerDied,
        };
        for (_, work) in self.consumers.extract_if(.., |(other, _)| *other == consumer) {
            work.close(end);
        }
    }

    /// The fences of the work in a buffer, with what each does there.
    fn of(&self, lent: &Lent) -> Vec<(Fence, Usage)> {
        let work = |consumer: &Identity| self.consumers.iter().find(|(other, _)| other == consumer);
        let reads = lent.by.iter().filter_map(work);
        let reads = reads.map(|(_, work)| (work.fence(lent.buffer, lent.seq), Usage::Read));
        let writes = self.contents.pending(lent.buffer).filter(|_| lent.is_unfinished);
        let writes = writes.map(|fence| (fence, Usage::Write));
        reads.chain(writes).collect()
    }
}

impl Producer {
    /// As [`Producer::acquire`], for who can wait later: if there is no other buffer, takes one on which only devices still work, with the fences of that
    /// work. Nothing may be written before these are signaled: [`FrameMut::release_fences`], [`FrameMut::wait_idle`].
    ///
    /// They are on the reservation of the [buffer](FrameMut::buffer), too. Dropped unpublished, the frame is in hand until they are signaled.
    ///
    /// # Blocking
    ///
    /// As [`Producer::acquire`], but not while devices work.
    ///
    /// # Errors
    ///
    /// As [`Producer::acquire`].
    pub fn acquire_async(&mut self, timeout: Option<Duration>) -> Result<FrameMut, AcquireError> {
        let acquire = |ring: &mut Ring| {
            let idle = ring.acquire_now().map(|buffer| (buffer, None));
            idle.or_else(|| ring.try_acquire_lent().map(|lent| (lent.buffer, Some(lent))))
        };
        let (index, lent) = self.acquire_by(timeout, acquire)?;
        let mut frame = self.frame(index);
        if let Some(lent) = lent {
            for (fence, usage) in self.fences.of(&lent) {
                note(&frame.buffer, &fence, usage);
                frame.fences.push(fence);
            }
        }
        Ok(frame)
    }

    /// Publishes a frame before its contents are there: they are when `fence` is signaled; with an error, they are bad. Consumers get the
    /// frame at once and must not read it before, see [`Frame::wait_ready`](crate::Frame::wait_ready).
    ///
    /// Any fence will do. It must be signaled in bounded time, as all fences, and after all of [`FrameMut::release_fences`]; the buffer is not filled
    /// again before. Until then it is on the [buffer](FrameMut::buffer)'s reservation, with [`Usage::Write`]. A fence that is signaled already makes this
    /// [`Producer::publish`].
    ///
    /// # Blocking
    ///
    /// As [`Producer::publish`].
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`], but fences of the frame need not be signaled.
    pub fn publish_when(
        &mut self,
        frame: FrameMut,
        info: &FrameInfo,
        fence: &Fence,
    ) -> Result<u64, PublishError> {
        if fence.status() == FenceStatus::Signaled {
            return self.publish(frame, info);
        }
        self.check(&frame, info)?;
        self.refresh();
        let contents = self.fences.contents.begin(frame.index, self.ring.head() + 1);
        note(&frame.buffer, &contents.fence(), Usage::Write);
        let seq = self.ring.publish_unfinished(frame.index, info);
        let seq = seq.ok_or_else(|| self.foreign())?;
        self.stats.published += 1;
        self.fences
            .contents
            .finish_with((frame.index, seq), contents, fence);
        self.keep(frame);
        Ok(seq)
    }
}
