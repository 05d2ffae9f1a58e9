//! Having heaps allocate without waiting for them.
//!
//! Huge pages are put together and locked pages are found and zeroed while the call lasts, which can take long. So it is done by
//! threads, a few for each user. Contract: P1, N4.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::Builder;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use wharf_core::PAGE_BYTES;
use wharf_core::negotiation::{Guarantees, HeapOffer};
use wharf_linux::{AllocationRequest, Heap, HeapMemory, Heaps};

use crate::state::{HeapFailure, HeapRequest, OperationId};

/// How many allocations of one user are under way at a time; the others wait.
const MAX_RUNNING: usize = 2;

/// The heaps of this machine, as they were found first.
static MACHINE: OnceLock<Arc<Heaps>> = OnceLock::new();

/// The heaps of this machine.
pub(crate) fn heaps_of_this_machine() -> Arc<Heaps> {
    let heaps = MACHINE.get_or_init(|| {
        let found = Heaps::of_this_machine();
        for absent in &found.absent {
            tracing::debug!(%absent, "a heap does not work on this machine");
        }
        Arc::new(found.heaps)
    });
    Arc::clone(heaps)
}

/// What heaps offer, in the words of participants.
pub(super) fn offers(heaps: &Heaps) -> Vec<HeapOffer> {
    heaps.iter().map(offer).collect()
}

fn offer(heap: &dyn Heap) -> HeapOffer {
    let promised = heap.guarantees();
    let cache_modes = if promised.cached { &["cached"][..] } else { &[] };
    HeapOffer {
        name: heap.name().into(),
        guarantees: Guarantees {
            chunk_bytes: promised.chunk_bytes,
            base_align_bytes: promised.chunk_bytes.max(PAGE_BYTES),
            cache_modes: cache_modes.iter().copied().collect(),
            zeroed: promised.zeroed,
            locked: promised.locked,
            max_size_bytes: promised.max_size_bytes,
            extensions: promised
                .dma_buf
                .then_some(wharf_linux::DMA_BUF)
                .into_iter()
                .collect(),
            ..Guarantees::default()
        },
        cost: promised.cost,
        // What there is now says little about later.
        capacity_bytes: None,
    }
}

/// An allocation.
#[derive(Debug)]
struct Job {
    operation: OperationId,
    request: HeapRequest,
}

/// An allocation that is over.
#[derive(Debug)]
pub(super) struct Finished {
    uid: u32,
    pub(super) operation: OperationId,
    pub(super) outcome: Result<Vec<HeapMemory>, HeapFailure>,
}

/// The threads that allocate.
#[derive(Debug)]
pub(super) struct Heaping {
    heaps: Arc<Heaps>,
    /// Readable when an allocation is over.
    bell: Arc<OwnedFd>,
    sender: Sender<Finished>,
    receiver: Receiver<Finished>,
    running: BTreeMap<u32, usize>,
    waiting: VecDeque<Job>,
}

impl Heaping {
    pub(super) fn new(heaps: Arc<Heaps>) -> Result<Self, Errno> {
        let (sender, receiver) = channel();
        Ok(Self {
            heaps,
            bell: Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
            sender,
            receiver,
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
        })
    }

    /// Begins an allocation, or has it wait for others of the same user.
    pub(super) fn begin(&mut self, operation: OperationId, request: HeapRequest) {
        self.waiting.push_back(Job { operation, request });
        self.start_waiting();
    }

    fn start_waiting(&mut self) {
        for job in std::mem::take(&mut self.waiting) {
            let running = self.running.entry(job.request.uid).or_default();
            if *running >= MAX_RUNNING {
                self.waiting.push_back(job);
            } else {
                *running += 1;
                self.start(job);
            }
        }
    }

    fn start(&self, job: Job) {
        let (bell, sender) = (Arc::clone(&self.bell), self.sender.clone());
        let heaps = Arc::clone(&self.heaps);
        let (uid, operation) = (job.request.uid, job.operation);
        let work = move || {
            // The user's other allocations wait for this one: it has to be over even if the heap breaks. Contract: B5.
            let outcome = catch_unwind(AssertUnwindSafe(|| job.run(&heaps)));
            let outcome = outcome.unwrap_or_else(|_| Err(broken()));
            // If the broker is gone by now, nobody is interested.
            let _ = sender.send(Finished {
                uid,
                operation,
                outcome,
            });
            ring(&bell);
        };
        if let Err(error) = Builder::new().name("wharf-heap".to_owned()).spawn(work) {
            let outcome = Err(HeapFailure {
                errno: wharf_core::Errno::EAGAIN,
                reason: format!("cannot start a thread to allocate: {error}"),
            });
            let _ = self.sender.send(Finished {
                uid,
                operation,
                outcome,
            });
            ring(&self.bell);
        }
    }

    /// The allocations that are over.
    pub(super) fn finished(&mut self) -> Vec<Finished> {
        let mut count = [0; 8];
        // Nothing to read means that an earlier call has seen everything.
        let _ = rustix::io::read(&*self.bell, &mut count);
        let finished: Vec<_> = self.receiver.try_iter().collect();
        for over in &finished {
            if let Some(running) = self.running.get_mut(&over.uid) {
                *running = running.saturating_sub(1);
            }
        }
        self.running.retain(|_, running| *running > 0);
        self.start_waiting();
        finished
    }
}

fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

impl AsFd for Heaping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Job {
    fn run(&self, heaps: &Heaps) -> Result<Vec<HeapMemory>, HeapFailure> {
        let asked = &self.request;
        let request = AllocationRequest {
            min_chunk_bytes: Some(asked.min_chunk_bytes),
            locked: asked.locked,
            // Whoever is given the buffers to write could take reserved pages out of them before it maps them.
            single_writer: false,
            ..AllocationRequest::new(&asked.name, asked.size_bytes)
        };
        let order = [asked.heap.as_str()];
        let allocated = heaps.allocate_set(&request, asked.count, &order);
        let allocated = allocated.map_err(|refusal| HeapFailure {
            errno: wharf_core::Errno::new(refusal.errno().raw_os_error()),
            reason: match refusal.trail() {
                [only] => only.reason.to_string(),
                _ => refusal.to_string(),
            },
        })?;
        Ok(allocated.buffers)
    }
}

fn broken() -> HeapFailure {
    HeapFailure {
        errno: wharf_core::Errno::EIO,
        reason: "the heap panicked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use wharf_linux::{HeapGuarantees, HeapRefusal, SystemHeap};

    use super::*;

    fn request(uid: u32, count: u32) -> HeapRequest {
        HeapRequest {
            uid,
            heap: "memfd".to_owned(),
            name: "test".to_owned(),
            size_bytes: 8192,
            count,
            min_chunk_bytes: 4096,
            locked: false,
        }
    }

    fn collect(heaping: &mut Heaping, count: usize) -> Vec<Finished> {
        let until = Instant::now() + Duration::from_secs(20);
        let mut all = Vec::new();
        while all.len() < count && Instant::now() < until {
            all.extend(heaping.finished());
            std::thread::sleep(Duration::from_millis(1));
        }
        all
    }

    #[test]
    fn every_allocation_ends_even_if_many_wait() {
        let mut heaping = Heaping::new(heaps_of_this_machine()).unwrap();
        for number in 0..10 {
            heaping.begin(OperationId(number), request(1000, 2));
        }
        let mut ended: Vec<u64> = collect(&mut heaping, 10)
            .iter()
            .map(|over| {
                assert_eq!(over.outcome.as_ref().map(Vec::len), Ok(2));
                over.operation.0
            })
            .collect();
        ended.sort_unstable();
        assert_eq!(ended, (0..10).collect::<Vec<_>>());
        assert!(heaping.running.is_empty());
    }

    #[test]
    fn heap_that_is_not_there_refuses() {
        let mut heaping = Heaping::new(heaps_of_this_machine()).unwrap();
        let request = HeapRequest {
            heap: "carved in stone".to_owned(),
            ..request(1000, 1)
        };
        heaping.begin(OperationId(1), request);
        let over = collect(&mut heaping, 1).remove(0);
        assert_eq!(over.outcome.unwrap_err().errno, wharf_core::Errno::EOPNOTSUPP);
    }

    #[derive(Debug)]
    struct Broken;

    impl Heap for Broken {
        fn name(&self) -> &str {
            "broken"
        }

        fn guarantees(&self) -> HeapGuarantees {
            SystemHeap.guarantees()
        }

        fn allocate(&self, _: &AllocationRequest) -> Result<HeapMemory, HeapRefusal> {
            panic!("this heap is broken")
        }
    }

    #[test]
    fn heap_that_breaks_ends_its_allocation_and_not_those_behind_it() {
        let mut heaps = Heaps::new();
        heaps.add(Arc::new(Broken)).unwrap();
        heaps.add(Arc::new(SystemHeap)).unwrap();
        let mut heaping = Heaping::new(Arc::new(heaps)).unwrap();
        let broken = HeapRequest {
            heap: "broken".to_owned(),
            ..request(1000, 1)
        };
        for number in 0..4 {
            heaping.begin(OperationId(number), broken.clone());
        }
        heaping.begin(OperationId(4), request(1000, 1));
        let ended = collect(&mut heaping, 5);
        let whole = ended.iter().filter(|over| over.outcome.is_ok());
        assert_eq!((ended.len(), whole.count()), (5, 1));
        assert!(heaping.running.is_empty());
    }

    #[test]
    fn small_pages_are_offered_as_the_least_scarce() {
        let offers = offers(&heaps_of_this_machine());
        let cheapest = offers.iter().min_by_key(|offer| offer.cost).unwrap();
        assert_eq!(
            (&*cheapest.name, cheapest.guarantees.chunk_bytes),
            ("memfd", 4096)
        );
        offers
            .into_iter()
            .for_each(|offer| drop(offer.checked().unwrap()));
    }
}
