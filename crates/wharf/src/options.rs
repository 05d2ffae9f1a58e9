//! On which terms a consumer joins.

use crate::negotiation::Seat;
use wharf_core::negotiation::Participant;
use wharf_protocol::MoveContract;
use wharf_stream::{Policy, Waiting};

/// The terms on which a consumer joins a stream (contract S1).
#[derive(Debug, Clone, Copy)]
pub struct JoinOptions<'a> {
    /// Most frames it may have queued and held together: 1..=64. The broker sets as many buffers of the stream aside.
    pub depth: u32,
    /// What happens when it does not keep up.
    pub policy: Policy,
    /// What becomes of it when the buffers move to other memory.
    pub contract: MoveContract,
    /// How it waits for a frame. One that spins ([`Waiting::Spin`]) never sleeps, and the producer need not ask whether it does;
    /// to one that sleeps at once ([`Waiting::Sleep`]) the producer looks more closely, which saves it a system call a frame.
    pub waiting: Waiting,
    /// Who it is to a negotiated set.
    pub(crate) part: Part<'a>,
    /// Whether it is to have a doorbell.
    pub(crate) polled: bool,
}

/// Who a consumer is to the negotiated set that the stream's buffers are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Part<'a> {
    /// Somebody who needs nothing but as many buffers as its depth; or the set is not negotiated.
    #[default]
    Anybody,
    /// Somebody who comes with the stream and leaves with it.
    Needs(&'a Participant),
    /// Somebody who has a seat already.
    Seated(&'a Seat),
}

impl<'a> JoinOptions<'a> {
    /// Every frame, in order; the producer waits while `depth` of them are queued or held.
    pub fn every_frame(depth: u32) -> Self {
        Self::new(depth, Policy::Block)
    }

    /// The newest frames; older ones that were not received in time are lost to this consumer, and counted.
    pub fn latest(depth: u32) -> Self {
        Self::new(depth, Policy::Latest)
    }

    /// The newest `depth` frames or all of them, as `policy` says; movable.
    pub fn new(depth: u32, policy: Policy) -> Self {
        Self {
            depth,
            policy,
            contract: MoveContract::Movable,
            waiting: Waiting::default(),
            part: Part::Anybody,
            polled: false,
        }
    }

    /// The same under another contract about moves.
    pub fn with_contract(self, contract: MoveContract) -> Self {
        Self { contract, ..self }
    }

    /// The same, waiting for frames in another way than [`Waiting::default`].
    pub fn with_waiting(self, waiting: Waiting) -> Self {
        Self { waiting, ..self }
    }

    /// The same for somebody who needs something of the buffers: only for streams over a negotiated set. If the buffers there are do
    /// not suit, they are moved while the stream runs, or the join fails with a report ([`SessionError::report`](crate::SessionError::report)).
    ///
    /// If the participant states how many buffers it counts on (`camping`), that is at least `depth`. Its contract
    /// counts and not [`JoinOptions::contract`].
    pub fn needs(self, participant: &'a Participant) -> Self {
        Self {
            part: Part::Needs(participant),
            ..self
        }
    }

    /// The same for somebody who has taken a seat in the stream's set, and counts on at least `depth` buffers there.
    pub fn seat(self, seat: &'a Seat) -> Self {
        Self {
            part: Part::Seated(seat),
            ..self
        }
    }
}
