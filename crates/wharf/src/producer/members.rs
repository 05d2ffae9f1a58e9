//! The producer's list of its consumers.

use crate::error::BlockingConsumer;
use std::sync::Arc;
use wharf_linux::{BellEnd, PidFd};
use wharf_protocol::Member;
use wharf_stream::{Blocker, Departure, Policy};

/// A consumer as its producer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// What it calls itself; a hint.
    pub label: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Most frames it may have queued and held together.
    pub depth: u32,
    /// What happens when it does not keep up.
    pub policy: Policy,
    /// Why it is gone; `None` while it is there.
    pub departure: Option<Departure>,
}

/// Which consumer: its slot and its incarnation.
pub(super) type Identity = (usize, u64);

#[derive(Debug)]
struct Entry {
    identity: Identity,
    info: ConsumerInfo,
    process: Arc<PidFd>,
    /// What it rings for a producer that polls.
    rings: Option<BellEnd>,
}

/// How many departed consumers are remembered for a user who never asks; the oldest are forgotten first.
const MAX_DEPARTED: usize = 1024;

/// The consumers present, and those departed since the user last asked.
#[derive(Debug, Default)]
pub(super) struct Roster {
    present: Vec<Entry>,
    departed: Vec<ConsumerInfo>,
}

impl Roster {
    pub(super) fn present(&self) -> impl Iterator<Item = &ConsumerInfo> {
        self.present.iter().map(|entry| &entry.info)
    }

    pub(super) fn take_departed(&mut self) -> Vec<ConsumerInfo> {
        std::mem::take(&mut self.departed)
    }

    /// Notes a consumer that was admitted.
    pub(super) fn add(&mut self, member: &Member, process: Arc<PidFd>, rings: Option<BellEnd>) {
        let info = ConsumerInfo {
            label: member.label.clone(),
            pid: member.pid,
            uid: member.uid,
            depth: member.depth,
            policy: policy(member),
            departure: None,
        };
        self.present.push(Entry {
            identity: identity(member),
            info,
            process,
            rings,
        });
    }

    /// Silences the bell of a consumer.
    pub(super) fn silence(&self, incarnation: u64) {
        let mut entries = self.present.iter();
        if let Some(entry) = entries.find(|entry| entry.identity.1 == incarnation) {
            entry.rings.iter().for_each(BellEnd::silence);
        }
    }

    /// Notes that a consumer is gone.
    pub(super) fn remove(&mut self, identity: Identity, departure: Departure) {
        if let Some(index) = self.present.iter().position(|entry| entry.identity == identity) {
            let entry = self.present.swap_remove(index);
            if self.departed.len() >= MAX_DEPARTED {
                self.departed.remove(0);
            }
            self.departed.push(ConsumerInfo {
                departure: Some(departure),
                ..entry.info
            });
        }
    }

    /// The consumers whose process is dead.
    pub(super) fn dead(&self) -> Vec<Identity> {
        let is_dead = |entry: &&Entry| entry.process.is_dead().unwrap_or(false);
        self.present
            .iter()
            .filter(is_dead)
            .map(|entry| entry.identity)
            .collect()
    }

    /// Names a consumer in the producer's way.
    pub(super) fn blame(&self, blocker: &Blocker) -> Option<BlockingConsumer> {
        let identity = (blocker.slot, blocker.incarnation);
        let entry = self.present.iter().find(|entry| entry.identity == identity)?;
        Some(BlockingConsumer {
            label: entry.info.label.clone(),
            pid: entry.info.pid,
            frames: blocker.frames,
        })
    }
}

pub(super) fn identity(member: &Member) -> Identity {
    // CAST: the broker numbers slots below 64; the caller checks before use.
    (member.slot.0 as usize, member.incarnation.0)
}

pub(super) fn policy(member: &Member) -> Policy {
    match member.policy {
        wharf_protocol::Policy::Block => Policy::Block,
        wharf_protocol::Policy::Latest => Policy::Latest,
    }
}
