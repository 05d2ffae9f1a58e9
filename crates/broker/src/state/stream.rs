//! One stream: its slots, its members, and the ledger of the buffers promised to them.

use std::collections::BTreeMap;

use wharf_protocol::{
    Amounts, BrokerError, EndReason, Incarnation, MoveContract, Policy, Rotation, SessionId, SetId, Slot,
};

use super::FdHandle;
use super::accounts::{CONSUMER_PAGE, NOTHING, sum};
use super::bells::JoinBells;
use super::peers::Session;

/// A stream of frames over one buffer set.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) producer: SessionId,
    /// The producer's user, who is charged for the stream.
    pub(super) uid: u32,
    pub(super) set: SetId,
    pub(super) max_consumers: u32,
    /// How long it may take to move to more buffers for a consumer; `None` if it is not to be done.
    pub(super) room_ms: Option<u64>,
    /// After whose departure the set moves to other memory.
    pub(super) rotation: Rotation,
    /// The newest generation that somebody may still have after whose departure the set moves; 0 if there is none.
    pub(super) left_with: u64,
    /// The pages the broker hands out, as long as the stream runs.
    pub(super) pages: Option<Pages>,
    /// The broker's end of the bell it rings for a producer that polls, as long as the stream runs.
    pub(super) bell: Option<FdHandle>,
    /// Why it is over, once it is.
    pub(super) end: EndReason,
    pub(super) members: BTreeMap<Slot, Member>,
}

/// The shared pages of a running stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub(super) ring: FdHandle,
    pub(super) status: FdHandle,
}

/// A consumer in a slot.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) session: SessionId,
    /// The consumer's user, who is charged for the page.
    pub(super) uid: u32,
    pub(super) incarnation: Incarnation,
    pub(super) depth: u32,
    pub(super) policy: Policy,
    pub(super) contract: MoveContract,
    /// Its page, as long as the stream runs: the producer may ask for it again.
    pub(super) page: Option<FdHandle>,
    /// Whether it polls.
    pub(super) polls: bool,
    /// The ends of bells that the broker keeps, as long as the stream runs.
    pub(super) bells: JoinBells,
}

impl Stream {
    pub(super) fn is_running(&self) -> bool {
        self.pages.is_some()
    }

    /// The pages of a stream that runs.
    pub(super) fn running_pages(&self) -> Result<Pages, BrokerError> {
        self.pages.ok_or(BrokerError::StreamEnded { reason: self.end })
    }

    /// Finds a slot for another consumer of the given depth, if `buffers` are enough for all of them.
    ///
    /// Each consumer may hold as many frames as its depth, and one more buffer is being written: with fewer, a slow
    /// consumer that keeps within its depth could stop the producer for good.
    pub(super) fn admit(&self, depth: u32, buffers: u32) -> Result<Slot, BrokerError> {
        let slot = self.free_slot()?;
        let promised = self.promised();
        if promised.saturating_add(depth).saturating_add(1) > buffers {
            return Err(BrokerError::CountsExhausted {
                buffers,
                promised,
                requested: depth,
            });
        }
        Ok(slot)
    }

    /// Finds a slot for another consumer.
    pub(super) fn free_slot(&self) -> Result<Slot, BrokerError> {
        let mut slots = (0..self.max_consumers).map(Slot);
        let free = slots.find(|slot| !self.members.contains_key(slot));
        free.ok_or(BrokerError::StreamFull {
            max: self.max_consumers,
        })
    }

    /// The frames all members together may hold.
    pub(super) fn promised(&self) -> u32 {
        self.members
            .values()
            .map(|member| member.depth)
            .fold(0, u32::saturating_add)
    }

    /// The ends of bells that the broker rings.
    pub(super) fn bells(&self) -> Vec<FdHandle> {
        let members = self.members.values().filter_map(Member::bell);
        self.bell.into_iter().chain(members).collect()
    }

    /// The consumers that joined after the one given, in the order in which they joined.
    pub(super) fn newcomers(&self, after: Incarnation) -> Vec<(Slot, &Member)> {
        let members = self.members.iter().map(|(slot, member)| (*slot, member));
        let mut newcomers: Vec<_> = members.filter(|(_, member)| member.incarnation > after).collect();
        newcomers.sort_unstable_by_key(|(_, member)| member.incarnation);
        newcomers
    }
}

impl Member {
    /// The end of its bell that the broker rings.
    pub(super) fn bell(&self) -> Option<FdHandle> {
        Some(self.bells.own?.broker)
    }

    /// What the broker keeps of it as long as the stream runs: its page and ends of bells. Taken out; empty if it is over.
    pub(super) fn take_descriptors(&mut self) -> (Vec<FdHandle>, Amounts) {
        let Some(page) = self.page.take() else {
            return (Vec::new(), NOTHING);
        };
        let bells = std::mem::take(&mut self.bells);
        let kept = [page].into_iter().chain(bells.kept()).collect();
        (kept, sum(CONSUMER_PAGE, bells.cost()))
    }

    /// The member as it is shown to others.
    pub(super) fn describe(&self, slot: Slot, session: &Session) -> wharf_protocol::Member {
        wharf_protocol::Member {
            slot,
            incarnation: self.incarnation,
            label: session.label.clone(),
            pid: session.credentials.pid,
            uid: session.credentials.uid,
            depth: self.depth,
            policy: self.policy,
            polls: self.polls,
        }
    }
}
