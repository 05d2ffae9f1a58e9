//! What the driver holds for the state machine: descriptors and status pages.

use std::collections::BTreeMap;

use wharf_broker::state::{FdHandle, Inspection, ReceivedFd};
use wharf_linux::SealFlags;
use wharf_protocol::{Incarnation, Slot, StreamId, TimelineId};
use wharf_stream::status::{Generations, SlotState, StreamState};
use wharf_stream::timeline::layout::PAGE_BYTES;
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::script::Page;

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// A page that a peer sent.
    Received(Page),
    /// A buffer that can be mapped for writing.
    Fresh,
    /// A buffer that cannot.
    Sealed,
    /// A status page, read-only.
    Status,
    /// An end of a doorbell.
    Bell,
}

/// What a status page shows.
#[derive(Debug, Default)]
pub(super) struct StatusPage {
    slots: BTreeMap<Slot, (Incarnation, SlotState)>,
    ending: Option<StreamState>,
    generations: Generations,
}

/// What the status page of a timeline shows.
#[derive(Debug, Default)]
struct TimelinePage {
    newest: u64,
    is_over: bool,
}

/// All descriptors and status pages.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    descriptors: BTreeMap<FdHandle, Held>,
    /// The sizes of buffers, in bytes.
    buffers: BTreeMap<FdHandle, u64>,
    last: u64,
    pages: BTreeMap<StreamId, StatusPage>,
    timelines: BTreeMap<TimelineId, TimelinePage>,
    last_incarnation: Option<Incarnation>,
}

impl Holdings {
    pub(super) fn add(&mut self, held: Held) -> FdHandle {
        self.last += 1;
        let handle = FdHandle(self.last);
        self.descriptors.insert(handle, held);
        handle
    }

    /// Makes buffers that can be mapped for writing.
    pub(super) fn add_buffers(&mut self, count: u32, size_bytes: u64) -> Vec<FdHandle> {
        let mut add = |_| {
            let handle = self.add(Held::Fresh);
            self.buffers.insert(handle, size_bytes);
            handle
        };
        (0..count).map(&mut add).collect()
    }

    /// The memory of all buffers, in bytes.
    pub(super) fn buffer_bytes(&self) -> u64 {
        self.buffers.values().sum()
    }

    /// Takes in what a peer sent.
    pub(super) fn receive(&mut self, page: Page) -> ReceivedFd {
        let good = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        let memfd = |size_bytes: usize, seals| Inspection::Memfd {
            size_bytes: size_bytes as u64,
            seals,
        };
        let inspection = match page {
            Page::Ring => memfd(RING_PAGE_BYTES, good),
            Page::Consumer => memfd(CONSUMER_PAGE_BYTES, good),
            Page::Timeline => memfd(PAGE_BYTES, good),
            Page::OddSize => memfd(1, good),
            Page::Unsealed => memfd(RING_PAGE_BYTES, SealFlags::SHRINK),
            Page::File => Inspection::Unusable {
                reason: "it is a file".to_owned(),
            },
        };
        ReceivedFd {
            handle: self.add(Held::Received(page)),
            inspection,
        }
    }

    /// What a descriptor is that must be held.
    pub(super) fn get(&self, handle: FdHandle) -> Held {
        *self
            .descriptors
            .get(&handle)
            .unwrap_or_else(|| panic!("{handle:?} is not held"))
    }

    pub(super) fn give_up(&mut self, handle: FdHandle) {
        self.buffers.remove(&handle);
        assert!(
            self.descriptors.remove(&handle).is_some(),
            "{handle:?} is not held any more"
        );
    }

    /// Seals buffers, as far as they are still held.
    pub(super) fn seal(&mut self, buffers: &[FdHandle]) {
        for buffer in buffers {
            if let Some(held) = self.descriptors.get_mut(buffer) {
                *held = Held::Sealed;
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.descriptors.len()
    }

    pub(super) fn add_page(&mut self, stream: StreamId) {
        assert!(
            self.pages.insert(stream, StatusPage::default()).is_none(),
            "{stream} has two status pages"
        );
    }

    pub(super) fn drop_page(&mut self, stream: StreamId) {
        assert!(
            self.pages.remove(&stream).is_some(),
            "{stream} has no status page"
        );
    }

    pub(super) fn add_timeline_page(&mut self, timeline: TimelineId) {
        let before = self.timelines.insert(timeline, TimelinePage::default());
        assert!(before.is_none(), "{timeline} has two status pages");
    }

    pub(super) fn drop_timeline_page(&mut self, timeline: TimelineId) {
        assert!(
            self.timelines.remove(&timeline).is_some(),
            "{timeline} has no status page"
        );
    }

    fn timeline(&mut self, timeline: TimelineId) -> &mut TimelinePage {
        let page = self.timelines.get_mut(&timeline);
        page.unwrap_or_else(|| panic!("{timeline} has no status page"))
    }

    pub(super) fn set_imports(&mut self, timeline: TimelineId, newest: u64) {
        let page = self.timeline(timeline);
        assert!(page.newest <= newest && !page.is_over, "back to the past");
        page.newest = newest;
    }

    pub(super) fn end_timeline(&mut self, timeline: TimelineId) {
        let page = self.timeline(timeline);
        assert!(
            !std::mem::replace(&mut page.is_over, true),
            "{timeline} ended twice"
        );
    }

    pub(super) fn timelines(&self) -> impl Iterator<Item = TimelineId> {
        self.timelines.keys().copied()
    }

    fn page(&mut self, stream: StreamId) -> &mut StatusPage {
        self.pages
            .get_mut(&stream)
            .unwrap_or_else(|| panic!("{stream} has no status page"))
    }

    pub(super) fn set_stream_state(&mut self, stream: StreamId, state: StreamState) {
        assert_ne!(state, StreamState::Running);
        assert_eq!(
            self.page(stream).ending.replace(state),
            None,
            "{stream} ended twice"
        );
    }

    pub(super) fn set_generations(&mut self, stream: StreamId, generations: Generations) {
        let page = self.page(stream);
        assert!(
            page.generations.current <= generations.current,
            "back to the past"
        );
        let offers = [generations.for_producer, generations.for_consumers];
        assert!(
            offers
                .into_iter()
                .flatten()
                .all(|offered| offered > generations.current)
        );
        page.generations = generations;
    }

    pub(super) fn set_slot(
        &mut self,
        stream: StreamId,
        slot: Slot,
        incarnation: Incarnation,
        state: SlotState,
    ) {
        match state {
            SlotState::Live => {
                assert!(
                    self.last_incarnation < Some(incarnation),
                    "{incarnation} was given before"
                );
                self.last_incarnation = Some(incarnation);
                let before = self.page(stream).slots.insert(slot, (incarnation, state));
                assert!(
                    before.is_none_or(|(_, state)| state == SlotState::Gone),
                    "{slot} is taken"
                );
            }
            SlotState::Gone => {
                let before = self.page(stream).slots.insert(slot, (incarnation, state));
                assert_eq!(
                    before,
                    Some((incarnation, SlotState::Live)),
                    "{slot} was not live"
                );
            }
            SlotState::Free => panic!("{slot} was used and is called free"),
        }
    }

    /// The live members that a stream's page shows; `None` if the stream is over.
    pub(super) fn members(&self, stream: StreamId) -> Option<Vec<(Slot, Incarnation)>> {
        let slots = self.pages.get(&stream)?.slots.iter();
        let live = slots.filter(|(_, (_, state))| *state == SlotState::Live);
        Some(
            live.map(|(slot, (incarnation, _))| (*slot, *incarnation))
                .collect(),
        )
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.pages.keys().copied()
    }

    pub(super) fn assert_empty(&self) {
        assert!(self.descriptors.is_empty(), "left over: {:?}", self.descriptors);
        assert!(self.pages.is_empty(), "left over: {:?}", self.pages);
        assert!(self.timelines.is_empty(), "left over: {:?}", self.timelines);
    }
}
