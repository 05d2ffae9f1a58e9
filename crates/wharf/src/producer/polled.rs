//! A producer in an event loop.

use super::Producer;
use crate::buffers::{BufferSet, Reallocation};
use crate::connection::Connection;
use crate::error::{AcquireError, PublishError, SessionError};
use crate::frame::FrameMut;
use crate::moving::MoveStep;
use crate::producer::{ConsumerInfo, ProducerStats, StreamTerms};
use crate::watch::Watch;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use wharf_core::Fence;
use wharf_memory::heavy_fences_reach_others;
use wharf_stream::FrameInfo;

/// A way to acquire a buffer.
type Acquire = fn(&mut Producer, Option<Duration>) -> Result<FrameMut, AcquireError>;

/// A producer that waits for buffers with poll, epoll, or what is built on them. Made by
/// [`Session::create_polled_stream`](crate::Session::create_polled_stream).
///
/// Its descriptor is ready for reading when [`PolledProducer::try_acquire`] may have a buffer. It is level-triggered: it stays ready until
/// `try_acquire` has found nothing. It is also ready when consumers come or die, which `try_acquire` takes note of. Poll it only to get a
/// buffer: as long as nobody tries to acquire one it stays ready, because buffers are there. Never read from it, and add nothing to it.
#[derive(Debug)]
pub struct PolledProducer {
    /// Consumers know that this producer waits for its bells. If not, its own is rung.
    armed: bool,
    fd: Arc<OwnedFd>,
    producer: Producer,
}

impl PolledProducer {
    pub(crate) fn create(
        connection: &Arc<Connection>,
        name: &str,
        buffers: BufferSet,
        terms: StreamTerms,
    ) -> Result<Self, SessionError> {
        let producer = Producer::create(connection, name, buffers, terms.polled())?;
        let watch = producer.watch.as_ref();
        let watch = watch.ok_or_else(|| SessionError::Incompatible {
            stream: name.to_owned(),
        })?;
        // Nobody rings before this producer has looked for the first time.
        watch.ring();
        Ok(Self {
            armed: false,
            fd: watch.shared(),
            producer,
        })
    }

    /// Takes a buffer to fill if there is one that no consumer has any more. Poll again when it returned `None`.
    ///
    /// # Blocking
    ///
    /// Never on consumers. A consumer that has just joined is fetched from the broker, as by [`Producer::publish`]; when the buffers move
    /// the broker is asked twice.
    ///
    /// # Errors
    ///
    /// [`AcquireError::AllInHand`] (`EBUSY`) when only the caller can end the wait, by publishing or dropping what it has: do that before
    /// polling.
    pub fn try_acquire(&mut self) -> Result<Option<FrameMut>, AcquireError> {
        self.try_with(Producer::acquire)
    }

    /// As [`PolledProducer::try_acquire`], for who can wait later: if there is no other buffer, takes one on which only devices still work, with the
    /// fences of that work, as [`Producer::acquire_async`] does.
    ///
    /// # Errors
    ///
    /// As [`PolledProducer::try_acquire`].
    pub fn try_acquire_async(&mut self) -> Result<Option<FrameMut>, AcquireError> {
        self.try_with(Producer::acquire_async)
    }

    fn try_with(&mut self, acquire: Acquire) -> Result<Option<FrameMut>, AcquireError> {
        if let Some(frame) = self.try_once(acquire)? {
            self.disarm();
            return Ok(Some(frame));
        }
        if !self.armed {
            self.producer.ring.arm();
            self.armed = true;
            let found = self.try_once(acquire);
            if !matches!(found, Ok(None)) {
                self.disarm();
                return found;
            }
        }
        self.producer.take_rings();
        let found = self.try_once(acquire);
        if !matches!(found, Ok(None)) {
            self.disarm();
        }
        found
    }

    fn try_once(&mut self, acquire: Acquire) -> Result<Option<FrameMut>, AcquireError> {
        match acquire(&mut self.producer, Some(Duration::ZERO)) {
            Ok(frame) => Ok(Some(frame)),
            Err(AcquireError::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks not to be rung any more, and stays ready: spares consumers a system call for each release while this producer is at work.
    fn disarm(&mut self) {
        if self.armed {
            self.armed = false;
            self.producer.ring.disarm();
            self.producer.watch.iter().for_each(Watch::ring);
        }
    }

    /// As [`Producer::publish`].
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`].
    pub fn publish(&mut self, frame: FrameMut, info: &FrameInfo) -> Result<u64, PublishError> {
        self.producer.publish(frame, info)
    }

    /// As [`Producer::publish_when`]. That the contents are there makes the descriptor ready, if this producer waits for their buffer.
    ///
    /// # Errors
    ///
    /// As [`Producer::publish_when`].
    pub fn publish_when(
        &mut self,
        frame: FrameMut,
        info: &FrameInfo,
        fence: &Fence,
    ) -> Result<u64, PublishError> {
        self.producer.publish_when(frame, info, fence)
    }

    /// As [`Producer::wait_for_consumers`]; blocks.
    ///
    /// # Errors
    ///
    /// As [`Producer::wait_for_consumers`].
    pub fn wait_for_consumers(
        &mut self,
        count: usize,
        timeout: Option<Duration>,
    ) -> Result<bool, SessionError> {
        self.disarm();
        self.producer.wait_for_consumers(count, timeout)
    }

    /// As [`Producer::begin_move`].
    ///
    /// # Errors
    ///
    /// As [`Producer::begin_move`].
    pub fn begin_move(&mut self, to: &Reallocation<'_>) -> Result<u64, SessionError> {
        self.producer.begin_move(to)
    }

    /// As [`Producer::observe_moves`].
    pub fn observe_moves(&mut self, observer: impl FnMut(MoveStep, u64) + Send + 'static) {
        self.producer.observe_moves(observer);
    }

    /// As [`Producer::take_departed`].
    pub fn take_departed(&mut self) -> Vec<ConsumerInfo> {
        self.producer.take_departed()
    }

    /// As [`Producer::take_trouble`].
    pub fn take_trouble(&mut self) -> Option<SessionError> {
        self.producer.take_trouble()
    }

    /// As [`Producer::finish`].
    ///
    /// # Errors
    ///
    /// As [`Producer::finish`].
    pub fn finish(self) -> Result<ProducerStats, SessionError> {
        self.producer.finish()
    }

    /// The descriptor to wait for, for those who want to keep it.
    pub fn shared_fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }
}

impl Producer {
    /// Silences the bells that were rung, and takes note of who died.
    fn take_rings(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let roster = &self.roster;
        let seen = watch.silence(|incarnation| roster.silence(incarnation));
        if self.mover.is_unfinished() || self.has_news_pending() || !heavy_fences_reach_others() {
            self.watch.iter_mut().for_each(Watch::look_again);
        }
        if seen.death {
            self.bury_dead();
        }
    }
}

impl Deref for PolledProducer {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.producer
    }
}

impl AsFd for PolledProducer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for PolledProducer {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
