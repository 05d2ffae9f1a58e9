//! Streams to test with: pages on the heap or in real memfds, and the broker's part played by the test.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use wharf_memory::{
    Access, CELL_BYTES, HeapWords, Mapping, Ordering, OwnedWords, ReadOnlyWords, ReadWords, WriteWords,
};
use wharf_stream::layout::{consumer, points, ring, status};
use wharf_stream::status::{SlotState, StatusWriter, StreamState};
use wharf_stream::{
    CONSUMER_PAGE_CELLS, Claim, Consumer, FrameInfo, MAX_BUFFERS, Member, Policy, Producer, RING_PAGE_CELLS,
    STATUS_PAGE_CELLS,
};

/// Where pages live.
pub(crate) trait Kind {
    type Page;
    type Own: WriteWords + Send + Sync;
    type Other: ReadWords + Send + Sync;

    /// A zeroed page; the cells in `narrow` hold 32-bit words.
    fn page(cells: usize, narrow: &[usize]) -> Self::Page;
    /// The page for the one who writes it.
    fn own(page: &Self::Page) -> Self::Own;
    /// The page for everybody else.
    fn other(page: &Self::Page) -> Self::Other;
}

/// Pages on the heap.
pub(crate) enum Heap {}

impl Kind for Heap {
    type Page = Arc<HeapWords>;
    type Own = Arc<HeapWords>;
    type Other = Arc<HeapWords>;

    fn page(cells: usize, narrow: &[usize]) -> Self::Page {
        let wide = (0..cells).filter(|cell| !narrow.contains(cell));
        Arc::new(HeapWords::new(wide, narrow.iter().copied()))
    }

    fn own(page: &Self::Page) -> Self::Own {
        Arc::clone(page)
    }

    fn other(page: &Self::Page) -> Self::Other {
        Arc::clone(page)
    }
}

/// Pages in memfds, mapped once for each who uses them.
pub(crate) enum Mapped {}

/// A sealed memfd.
pub(crate) fn memfd(size_bytes: usize) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, size_bytes as u64).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    fd
}

impl Kind for Mapped {
    type Page = (OwnedFd, usize);
    type Own = OwnedWords;
    type Other = ReadOnlyWords;

    fn page(cells: usize, _: &[usize]) -> Self::Page {
        (memfd(cells * CELL_BYTES), cells)
    }

    fn own((fd, cells): &Self::Page) -> Self::Own {
        let mapping = Mapping::map(fd, cells * CELL_BYTES, Access::ReadWrite).unwrap();
        OwnedWords::new(mapping, *cells).unwrap()
    }

    fn other((fd, cells): &Self::Page) -> Self::Other {
        let mapping = Mapping::map(fd, cells * CELL_BYTES, Access::ReadOnly).unwrap();
        ReadOnlyWords::new(mapping, *cells).unwrap()
    }
}

/// The cells of a consumer's page that hold 32-bit words.
pub(crate) const NARROW: [usize; 7] = [
    consumer::RELEASES,
    consumer::POINTS + points::SLEEPERS,
    consumer::POINTS + points::BELL,
    consumer::LEFT,
    consumer::WAITING,
    consumer::SLEEPLESS,
    consumer::FENCED,
];

pub(crate) type ProducerOf<K> = Producer<<K as Kind>::Own, <K as Kind>::Other>;
pub(crate) type ConsumerOf<K> = Consumer<<K as Kind>::Own, <K as Kind>::Other>;
pub(crate) type MemberOf<K> = Member<<K as Kind>::Other>;

/// The pages of a stream, with the test as its broker.
pub(crate) struct Stream<K: Kind> {
    pub(crate) ring: K::Page,
    pub(crate) status: K::Page,
    pub(crate) broker: StatusWriter<K::Own>,
    buffers: usize,
    incarnations: Cell<u64>,
}

/// What each side gets to know of a consumer that the broker has let in.
pub(crate) struct Place<K: Kind> {
    pub(crate) page: K::Page,
    pub(crate) member: MemberOf<K>,
    pub(crate) consumer: ConsumerOf<K>,
}

impl<K: Kind> Stream<K> {
    pub(crate) fn new(buffers: usize) -> Self {
        let status = K::page(STATUS_PAGE_CELLS, &[status::VERSION, status::STREAM]);
        Self {
            ring: K::page(
                RING_PAGE_CELLS,
                &[
                    ring::WAITING,
                    ring::FENCED,
                    ring::POINTS + points::SLEEPERS,
                    ring::POINTS + points::BELL,
                ],
            ),
            broker: StatusWriter::new(K::own(&status)),
            status,
            buffers,
            incarnations: Cell::new(0),
        }
    }

    pub(crate) fn producer(&self) -> ProducerOf<K> {
        Producer::new(K::own(&self.ring), K::other(&self.status), self.buffers)
    }

    /// The broker's page, for who reads it.
    pub(crate) fn status_page(&self) -> K::Other {
        K::other(&self.status)
    }

    /// Lets a consumer in; the producer does not know of it yet.
    pub(crate) fn place(&self, slot: usize, depth: usize, policy: Policy) -> Place<K> {
        self.place_on(K::page(CONSUMER_PAGE_CELLS, &NARROW), (slot, depth, policy))
    }

    /// As [`Stream::place`], for a consumer that has already written into its page.
    pub(crate) fn place_on(&self, page: K::Page, (slot, depth, policy): (usize, usize, Policy)) -> Place<K> {
        let incarnation = self.incarnations.get() + 1;
        self.incarnations.set(incarnation);
        self.broker.set_slot(slot, incarnation, SlotState::Live);
        let consumer = Consumer::new(
            K::own(&page),
            (K::other(&self.ring), K::other(&self.status)),
            (slot, incarnation),
            self.buffers,
            (depth, policy),
        );
        let member = Member::new(slot, incarnation, depth, policy, K::other(&page));
        Place {
            page,
            member,
            consumer,
        }
    }

    /// Lets a consumer in and has the producer admit it.
    pub(crate) fn join(
        &self,
        producer: &mut ProducerOf<K>,
        slot: usize,
        depth: usize,
        policy: Policy,
    ) -> ConsumerOf<K> {
        let place = self.place(slot, depth, policy);
        producer.admit(place.member);
        place.consumer
    }

    /// Records that a consumer is gone.
    pub(crate) fn bury(&self, consumer: &ConsumerOf<K>) {
        self.broker
            .set_slot(consumer.slot(), consumer.incarnation(), SlotState::Gone);
    }

    pub(crate) fn end(&self, state: StreamState) {
        self.broker.set_stream_state(state);
    }
}

/// Publishes one more frame, in whichever buffer is free, and returns that buffer.
pub(crate) fn publish<O: WriteWords, R: ReadWords>(producer: &mut Producer<O, R>) -> usize {
    let buffer = producer.try_acquire().unwrap();
    producer.publish(buffer, &FrameInfo::default()).unwrap();
    buffer
}

pub(crate) fn publish_many<O: WriteWords, R: ReadWords>(producer: &mut Producer<O, R>, frames: usize) {
    for _ in 0..frames {
        publish(producer);
    }
}

/// Claims a frame that must be there.
pub(crate) fn claim<O: WriteWords, R: ReadWords>(consumer: &mut Consumer<O, R>) -> Claim {
    consumer.try_claim().unwrap().unwrap()
}

/// Claims and releases every frame there is, and returns their numbers.
pub(crate) fn drain<O: WriteWords, R: ReadWords>(consumer: &mut Consumer<O, R>) -> Vec<u64> {
    let next = || {
        let claim = consumer.try_claim().unwrap()?;
        consumer.release(claim.buffer);
        Some(claim.seq)
    };
    std::iter::from_fn(next).collect()
}

/// Runs each behaviour, a function generic over [`Kind`], on both kinds of page.
macro_rules! on_both_kinds_of_page {
    ($($behaviour:ident),+ $(,)?) => {
        mod on_heap_pages {
            $(#[test] fn $behaviour() { super::$behaviour::<crate::support::Heap>(); })+
        }
        mod on_mapped_pages {
            $(#[test] fn $behaviour() { super::$behaviour::<crate::support::Mapped>(); })+
        }
    };
}
pub(crate) use on_both_kinds_of_page;

/// The frame that the ring page says is in a buffer; 0 if none.
pub(crate) fn frame_in(ring: &impl ReadWords, buffer: usize) -> u64 {
    let words = (0..MAX_BUFFERS as u64).map(|seq| ring.load_u64(ring::slot(seq), Ordering::Acquire));
    let mut here = words.filter(|word| *word != 0 && word >> ring::SEQ_BITS == buffer as u64);
    here.next().map_or(0, ring::seq_of)
}
