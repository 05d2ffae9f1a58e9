//! Doing what the machine orders.

use std::sync::Arc;

use super::{Generation, Inner, LocalSet, SetHeap, relocate};
use crate::contain::contain;
use crate::negotiation::{HeapOffer, MemoryPlan, Plan};
use crate::set::{AllocationFailure, Contents, News, Order, TokenId};
use crate::{DmaBuf, Errno, Refusal};

impl LocalSet {
    /// Does what the machine orders, until there is nothing left; or leaves it to the thread that is doing so already.
    pub(super) fn drive(&self) {
        let mut inner = self.lock();
        if inner.is_driven {
            return;
        }
        inner.is_driven = true;
        loop {
            let orders = inner.machine.take_orders();
            if orders.is_empty() {
                break;
            }
            drop(inner);
            for order in orders {
                self.execute(order);
            }
            inner = self.lock();
            inner.wake();
        }
        inner.is_driven = false;
        inner.wake();
    }

    /// Returns what all heaps have to offer.
    pub(super) fn offers(&self) -> Vec<HeapOffer> {
        let heaps = self.shared.heaps.iter();
        heaps.filter_map(|heap| contain(|| heap.offer()).ok()).collect()
    }

    fn execute(&self, order: Order) {
        match order {
            Order::Allocate {
                generation,
                plan,
                heaps,
            } => self.allocate(generation, *plan, &heaps),
            Order::Move {
                from, to, contents, ..
            } => self.change(from, to, contents),
            Order::Free { generation } => {
                // Not under the lock: exporters may be called.
                let freed = self.lock().generations.remove(&generation);
                drop(freed);
            }
            Order::Tell { whom, news } => self.told(TokenId::from(whom), news),
        }
    }

    fn told(&self, whom: TokenId, news: News) {
        if let News::Refused(error) = news {
            self.lock().refused.insert(whom, error);
        }
    }

    fn allocate(&self, number: u64, plan: Plan, heaps: &[Box<str>]) {
        let made = self.all_buffers(&plan, heaps);
        let mut inner = self.lock();
        let failure = match made {
            Ok(buffers) => {
                let made = Arc::new(Generation {
                    number,
                    plan,
                    buffers,
                });
                let unused = inner.keep(number, made);
                drop(inner);
                drop(unused);
                return;
            }
            Err((memory, refusal)) => AllocationFailure::Heap {
                memory,
                errno: refusal.errno,
                reason: refusal.reason.into(),
            },
        };
        // Stale if nobody wants it any more.
        let _ = inner.machine.allocated(number, Err(failure));
    }

    fn all_buffers(&self, plan: &Plan, heaps: &[Box<str>]) -> Result<Vec<Vec<DmaBuf>>, (usize, Refusal)> {
        let buffer = || {
            let memories = plan.memories.iter().zip(heaps).enumerate();
            let made = memories.map(|(index, (memory, heap))| {
                self.memory(memory, heap)
                    .map_err(|refusal| (index, refusal.checked()))
            });
            made.collect::<Result<Vec<DmaBuf>, _>>()
        };
        (0..plan.count()).map(|_| buffer()).collect()
    }

    fn memory(&self, memory: &MemoryPlan, heap: &str) -> Result<DmaBuf, Refusal> {
        let heap = self.heap(heap)?;
        let made = contain(|| heap.allocate(memory))
            .map_err(|message| Refusal::new(Errno::EIO, format!("it panicked: {message}")))??;
        let size_bytes = made.size_bytes();
        if size_bytes != memory.size_bytes {
            let reason = format!("it gave {size_bytes} bytes instead of {}", memory.size_bytes);
            return Err(Refusal::new(Errno::EIO, reason));
        }
        Ok(made)
    }

    fn heap(&self, name: &str) -> Result<&dyn SetHeap, Refusal> {
        let mut heaps = self.shared.heaps.iter();
        let found = heaps.find(|heap| contain(|| heap.offer()).is_ok_and(|offer| &*offer.name == name));
        found
            .map(|heap| &**heap)
            .ok_or_else(|| Refusal::new(Errno::ENODEV, "there is no such heap any more"))
    }

    /// Has everybody change to other buffers.
    fn change(&self, from: u64, to: u64, contents: Contents) {
        let inner = self.lock();
        let generation = |number| inner.generations.get(&number).cloned();
        let both = generation(from).zip(generation(to));
        drop(inner);
        let outcome = match &both {
            Some((old, new)) => self.relocate(old, new, contents, || self.lock().machine.moved(to).is_ok()),
            None => Err(relocate::no_memory()),
        };
        if let Err(failure) = outcome {
            // Stale if nobody wants it any more.
            let _ = self.lock().machine.not_moved(to, failure);
        }
    }
}

impl Inner {
    /// Keeps memory that was allocated, or returns it if nobody wants it any more.
    fn keep(&mut self, number: u64, made: Arc<Generation>) -> Option<Arc<Generation>> {
        match self.machine.allocated(number, Ok(())) {
            Ok(()) => self.generations.insert(number, made),
            Err(_) => Some(made),
        }
    }

    /// Wakes everybody who waits for a change.
    fn wake(&mut self) {
        for waiter in self.waiting.drain(..) {
            waiter.deliver(());
        }
    }
}
