//! A consumer in an event loop.

use super::Consumer;
use crate::connection::Connection;
use crate::error::{ReceiveError, SessionError};
use crate::frame::Frame;
use crate::moving::MoveStep;
use crate::options::JoinOptions;
use crate::watch::Watch;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use wharf_memory::heavy_fences_reach_others;
use wharf_protocol::Token;

/// A consumer that is waited for with poll, epoll, or what is built on them. Made by
/// [`Session::join_polled`](crate::Session::join_polled).
///
/// Its descriptor is ready for reading when [`PolledConsumer::try_receive`] may have something to say: a frame, the end of the stream, the
/// death of the producer, that this consumer was cut off. It is level-triggered: it stays ready until `try_receive` has found
/// nothing, so calling that once each time the descriptor is ready is enough, and calling it until it finds nothing is quicker. With an
/// edge-triggered loop call it until it finds nothing.
///
/// The descriptor is also ready now and then without a frame to show for it: when the buffers move, `try_receive` does this process's
/// part. Never read from the descriptor, and add nothing to it.
///
/// Moves, names and figures are those of the [`Consumer`] it is.
#[derive(Debug)]
pub struct PolledConsumer {
    watch: Watch,
    broker_gone: bool,
    consumer: Consumer,
}

impl PolledConsumer {
    pub(crate) fn join(
        connection: &Arc<Connection>,
        token: &Token,
        options: JoinOptions<'_>,
    ) -> Result<Self, SessionError> {
        let options = JoinOptions {
            polled: true,
            ..options
        };
        let (consumer, bell) = Consumer::join(connection, token, options)?;
        let bell = bell.ok_or_else(|| SessionError::Incompatible {
            stream: consumer.name.clone(),
        })?;
        let watch = Watch::new(bell, connection)?;
        watch.add_process(&consumer.producer)?;
        // Nobody rings before this consumer has looked for the first time.
        watch.ring();
        Ok(Self {
            watch,
            broker_gone: false,
            consumer,
        })
    }

    /// Receives the next frame if there is one; which one that is [`Consumer::receive`] says.
    ///
    /// Poll again when it returned `None`, or was called once since the descriptor was ready. While this consumer holds as many
    /// frames as it may the call fails, and the descriptor may stay ready: drop one before polling.
    ///
    /// # Blocking
    ///
    /// Never on the producer. When the buffers move it asks the broker, which takes some hundred microseconds, once a move, and
    /// two tenths of a second at most.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`] but [`ReceiveError::TimedOut`]. After [`ReceiveError::HoldsTooMany`] and [`ReceiveError::Corrupt`] call
    /// again; the others are final, and the descriptor stays ready.
    pub fn try_receive(&mut self) -> Result<Option<Frame>, ReceiveError> {
        if let Some(frame) = self.try_once()? {
            return Ok(Some(frame));
        }
        // The bell is silenced only when others know that this consumer waits for it and there is nothing.
        if !self.consumer.port.arm()
            && let Some(frame) = self.try_once()?
        {
            return Ok(Some(frame));
        }
        let seen = self.watch.silence(|_| ());
        self.broker_gone |= seen.broker_gone;
        let somebody_died = (seen.death || self.broker_gone) && self.consumer.look();
        if self.consumer.port.settle() && !somebody_died {
            if self.has_to_look_again() {
                self.watch.look_again();
            }
            return Ok(None);
        }
        // What was silenced was about this, perhaps, or about more.
        self.watch.ring();
        self.try_once()
    }

    fn try_once(&mut self) -> Result<Option<Frame>, ReceiveError> {
        match self.consumer.receive(Some(Duration::ZERO)) {
            Ok(frame) => {
                self.consumer.port.disarm_after(frame.seq());
                Ok(Some(frame))
            }
            Err(ReceiveError::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something to do at a later time that no event tells of.
    fn has_to_look_again(&mut self) -> bool {
        let may_miss_rings = !heavy_fences_reach_others();
        may_miss_rings
            || self.consumer.memory.is_moving()
            || self.broker_gone && !self.consumer.port.is_admitted()
    }

    /// The descriptor to wait for, for those who want to keep it.
    pub fn shared_fd(&self) -> Arc<OwnedFd> {
        self.watch.shared()
    }

    /// As [`Consumer::observe_moves`], from within [`PolledConsumer::try_receive`].
    pub fn observe_moves(&mut self, observer: impl FnMut(MoveStep, u64) + Send + 'static) {
        self.consumer.observe_moves(observer);
    }
}

impl Deref for PolledConsumer {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        &self.consumer
    }
}

impl AsFd for PolledConsumer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

impl AsRawFd for PolledConsumer {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
