//! A set this session made.

use super::seat::SeatHold;
use super::{NegotiationError, Seat, SeatSpec, SetExplanation, SetOptions};
use crate::connection::Connection;
use std::sync::Arc;
use wharf_core::negotiation::Participant;
use wharf_protocol::{SealSet, SetId, Token};

/// A negotiated set this session made and pays for.
///
/// It issues seats to others, and has one itself, which is given up when this is dropped without
/// [`NegotiatedSet::take_seat`]. When this session ends before, the set does, and everybody is told.
#[derive(Debug)]
pub struct NegotiatedSet {
    hold: Arc<SeatHold>,
}

impl NegotiatedSet {
    pub(crate) fn create(
        connection: &Arc<Connection>,
        options: &SetOptions<'_>,
    ) -> Result<Self, NegotiationError> {
        let reply = connection.ask(options.request())?;
        let hold = SeatHold::new(connection, reply.set, reply.participant, reply.token);
        Ok(Self { hold })
    }

    /// The set's number: what `wharf explain` and [`Session::explain`](crate::Session::explain) are asked for.
    pub fn id(&self) -> SetId {
        self.hold.set
    }

    /// Makes a token with which one other session can take part: pass it on.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Session`]: `EINVAL` for the label, `ENOSPC` when the set has as many seats as it can.
    /// [`NegotiationError::Over`] and [`NegotiationError::Refused`] when the set is over.
    pub fn issue(&self, spec: &SeatSpec<'_>) -> Result<Token, NegotiationError> {
        self.hold.issue(spec)
    }

    /// Says that nobody else is waited for: memory is allocated for those who are there.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Refused`] when nothing suits. [`NegotiationError::Session`]: `EBUSY` when it is sealed, `EAGAIN` when nobody takes
    /// part. [`NegotiationError::Over`].
    pub fn seal(&self) -> Result<(), NegotiationError> {
        let set = self.hold.set;
        self.hold.connection.ask(SealSet { set })?;
        Ok(())
    }

    /// How the set stands, and why.
    ///
    /// # Blocking
    ///
    /// For the broker's answer, at most [`PATIENCE`](crate::PATIENCE).
    ///
    /// # Errors
    ///
    /// [`NegotiationError::Session`] when the broker does not answer.
    pub fn explain(&self) -> Result<SetExplanation, NegotiationError> {
        super::seat::explain(&self.hold.connection, self.hold.set)
    }

    /// Takes part in the set, too. The seat still issues others: [`Seat::issue`].
    ///
    /// # Blocking
    ///
    /// As [`Session::take_seat`](crate::Session::take_seat).
    ///
    /// # Errors
    ///
    /// As [`Session::take_seat`](crate::Session::take_seat). The set is given up then.
    pub fn take_seat(self, participant: Participant) -> Result<Seat, NegotiationError> {
        Seat::take(self.hold, participant)
    }
}
