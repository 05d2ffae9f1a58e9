//! Sets within one process: a [`SetMachine`] with buffers.
//!
//! | Type | What it is |
//! |---|---|
//! | [`SetHeap`] | where memory comes from |
//! | [`LocalSet`] | the set |
//! | [`SetToken`], [`SetMember`] | a permission to take part, and a participant; given up when dropped |
//! | [`Generation`] | the buffers there are, ordinary [`DmaBuf`](crate::DmaBuf)s that are attached to as ever |
//!
//! What a participant declares about moves is what its attachments are:
//!
//! | [`Contract`](crate::Contract) | Attachment | In a move |
//! |---|---|---|
//! | static | [`DmaBuf::attach`](crate::DmaBuf::attach) | none begins while it is declared, or attached |
//! | dynamic | [`DmaBuf::attach_dynamic`](crate::DmaBuf::attach_dynamic) | told by [`Importer::move_notify`](crate::Importer::move_notify); in the way while it pins |
//! | revocable | the same, with [`Revocable`](crate::Revocable) | told likewise; if all of a buffer are, pins are not in the way, and the old buffer is revoked after the move |
//!
//! Also in the way are mappings for the CPU, and fences that do not signal in time. Which generation is the current one
//! [`SetMember::check`] says; buffers of an old one stay readable as long as somebody keeps them, but nobody else looks at them any more.

mod blockers;
mod copy;
mod drive;
mod generation;
mod handles;
mod heap;
mod relocate;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{SetConfig, SetError, SetMachine, SetSnapshot, Solver, TokenId};
use crate::negotiation::{Plan, Report};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::wait::Waiter;
use crate::{Wait, WaitError};

pub use generation::Generation;
pub use handles::{DeclareError, SetMember, SetToken};
pub use heap::SetHeap;

/// A negotiated buffer set of one process. Cloning gives the same set.
#[derive(Clone)]
pub struct LocalSet {
    shared: Arc<Shared>,
}

struct Shared {
    heaps: Vec<Box<dyn SetHeap>>,
    patience: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    machine: SetMachine,
    /// What has been allocated, and is not given up.
    generations: BTreeMap<u64, Arc<Generation>>,
    /// Why newcomers were refused that the memory was to move for.
    refused: BTreeMap<TokenId, SetError>,
    /// Whether a thread is doing what the machine orders.
    is_driven: bool,
    waiting: Vec<Arc<Waiter<()>>>,
}

impl LocalSet {
    /// Makes a set with memory from `heaps`, instead of those that `config` names, and returns the creator's token besides. In a move,
    /// fences and locks are waited for as long as `patience`, each time.
    ///
    /// # Errors
    /// [`SetError::Invalid`]: EINVAL for the creator's label.
    pub fn create(
        config: SetConfig,
        heaps: Vec<Box<dyn SetHeap>>,
        solver: Box<dyn Solver>,
        patience: Duration,
    ) -> Result<(Self, SetToken), SetError> {
        let machine = SetMachine::new(config, solver)?;
        let root = machine.root();
        let inner = Inner {
            machine,
            generations: BTreeMap::new(),
            refused: BTreeMap::new(),
            is_driven: false,
            waiting: Vec::new(),
        };
        let set = Self {
            shared: Arc::new(Shared {
                heaps,
                patience,
                inner: Mutex::new(inner),
            }),
        };
        let root = SetToken::new(set.clone(), root);
        Ok((set, root))
    }

    /// Returns what can be seen of the set.
    ///
    /// # Blocking
    /// No.
    pub fn snapshot(&self) -> SetSnapshot {
        self.lock().machine.snapshot()
    }

    /// Returns what was decided for the current generation.
    pub fn plan(&self) -> Option<Plan> {
        self.lock().machine.plan().cloned()
    }

    /// Returns the report of the last failure or refusal.
    pub fn last_report(&self) -> Option<Report> {
        self.lock().machine.last_report().cloned()
    }

    /// Returns whom the set waits for, to warn of; see [`SetMachine::stall_report`].
    pub fn stall_report(&self) -> Option<Report> {
        self.lock().machine.stall_report()
    }

    /// Says that whoever is expected has had time enough; see [`SetMachine::deadline_passed`].
    ///
    /// # Blocking
    /// As long as heaps take.
    ///
    /// # Errors
    /// As [`SetMachine::deadline_passed`].
    pub fn deadline_passed(&self) -> Result<(), SetError> {
        self.act(SetMachine::deadline_passed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.shared.inner)
    }

    /// Calls the machine and does what it orders.
    fn act<T>(&self, call: impl FnOnce(&mut SetMachine) -> Result<T, SetError>) -> Result<T, SetError> {
        // Heaps are foreign code, which is not called under the lock.
        let offers = self.offers();
        let mut inner = self.lock();
        inner.machine.set_heaps(offers);
        let outcome = call(&mut inner.machine);
        drop(inner);
        self.drive();
        outcome
    }

    /// Blocks until something has changed since `inner` was locked.
    fn wait_for_change(&self, mut inner: MutexGuard<'_, Inner>, wait: &Wait<'_>) -> Result<(), WaitError> {
        let waiter = Waiter::new();
        inner.waiting.retain(|waiter| Arc::strong_count(waiter) > 1);
        inner.waiting.push(Arc::clone(&waiter));
        drop(inner);
        waiter.wait(wait)
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalSet").field(&self.lock().machine).finish()
    }
}
