//! A driver made of plain values: it executes effects, and checks that each of them makes sense.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wharf_core::negotiation::{Guarantees, HeapOffer};
use wharf_protocol::{Amounts, BrokerError, Incarnation, Reply, Slot, StreamId, TimelineId};
use wharf_stream::status::{Generations, SlotState, StreamState};
use wharf_stream::timeline::End;

use crate::state::{
    DEFAULT_QUOTA, Effect, Event, FdHandle, FdRef, HeapFailure, HeapRequest, Machine, OperationId, PeerId,
    Settings,
};

/// The user who runs the broker in these tests.
pub(super) const BROKER_UID: u32 = 1000;

/// Two heaps, the second one scarcer and of larger chunks.
fn heaps() -> Vec<HeapOffer> {
    let offer = |name: &str, chunk_bytes, cost| HeapOffer {
        name: name.into(),
        guarantees: Guarantees {
            chunk_bytes,
            base_align_bytes: chunk_bytes,
            ..Guarantees::default()
        },
        cost,
        capacity_bytes: None,
    };
    vec![offer("small", 4096, 0), offer("large", 1 << 16, 10)]
}

/// What a page shows to its stream's participants.
#[derive(Debug, Default)]
pub(super) struct StatusPage {
    pub(super) slots: BTreeMap<Slot, (Incarnation, SlotState)>,
    pub(super) ended: Option<StreamState>,
    pub(super) generations: Generations,
}

/// What a page shows to those who have a timeline.
#[derive(Debug, Default)]
pub(super) struct TimelinePage {
    pub(super) newest: u64,
    /// How often it was changed.
    pub(super) version: u64,
    pub(super) over: Option<End>,
}

pub(super) type Outcome = Result<(Reply, Vec<FdRef>), BrokerError>;

/// A broker and the world around it.
pub(super) struct World {
    pub(super) machine: Machine,
    /// Descriptors the machine owns.
    pub(super) fds: BTreeSet<FdHandle>,
    pub(super) status_pages: BTreeMap<StreamId, StatusPage>,
    /// How streams ended whose page is gone.
    pub(super) endings: BTreeMap<StreamId, StreamState>,
    pub(super) timeline_pages: BTreeMap<TimelineId, TimelinePage>,
    /// How timelines ended.
    pub(super) over: BTreeMap<TimelineId, End>,
    pub(super) connected: BTreeSet<PeerId>,
    pub(super) answers: BTreeMap<PeerId, VecDeque<Outcome>>,
    /// What the driver has done but not reported.
    pub(super) reports: VecDeque<Event>,
    /// Which bell an end is of.
    pub(super) bells: BTreeMap<FdHandle, u64>,
    /// How often the broker rang each bell.
    pub(super) rung: BTreeMap<u64, usize>,
    /// Peers that are not served.
    pub(super) waiting: BTreeSet<PeerId>,
    /// The times the machine wants to be told of, in milliseconds.
    pub(super) alarms: BTreeMap<OperationId, u64>,
    /// Reports wait until `report` is called.
    pub(super) hold_reports: bool,
    /// Work is reported as failed, with this error.
    pub(super) failure: Option<BrokerError>,
    /// Heaps that have nothing.
    pub(super) empty_heaps: BTreeSet<String>,
    incarnations: BTreeSet<Incarnation>,
    /// Buffers that can still be mapped for writing by whoever gets them.
    writable: BTreeSet<FdHandle>,
    last_fd: u64,
    pub(super) last_peer: u64,
    /// Everything the machine ever wanted.
    pub(super) history: Vec<Effect>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_quota(DEFAULT_QUOTA)
    }

    pub(super) fn with_quota(quota: Amounts) -> Self {
        let settings = Settings {
            quota,
            page_bytes: 4096,
            pid: 1,
            uid: BROKER_UID,
        };
        let mut last = 0_u128;
        let random = move || {
            last += 1;
            Ok(last
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                .to_be_bytes())
        };
        let machine = Machine::new(settings, Box::new(random));
        Self::with_machine(machine.with_heaps(heaps()))
    }

    pub(super) fn with_machine(machine: Machine) -> Self {
        Self {
            machine,
            fds: BTreeSet::new(),
            status_pages: BTreeMap::new(),
            endings: BTreeMap::new(),
            timeline_pages: BTreeMap::new(),
            over: BTreeMap::new(),
            connected: BTreeSet::new(),
            answers: BTreeMap::new(),
            reports: VecDeque::new(),
            bells: BTreeMap::new(),
            rung: BTreeMap::new(),
            waiting: BTreeSet::new(),
            alarms: BTreeMap::new(),
            hold_reports: false,
            failure: None,
            empty_heaps: BTreeSet::new(),
            incarnations: BTreeSet::new(),
            writable: BTreeSet::new(),
            last_fd: 0,
            last_peer: 0,
            history: Vec::new(),
        }
    }

    /// Delivers an event, and unless reports are held, those of all work it leads to.
    pub(super) fn tell(&mut self, event: Event) {
        if let Event::Disconnected { peer } = event {
            self.connected.remove(&peer);
            self.waiting.remove(&peer);
        }
        for effect in self.machine.handle(event) {
            self.execute(effect);
        }
        self.audit();
        if !self.hold_reports {
            self.report_all();
        }
    }

    /// Reports the oldest outcome. `false` if there is none.
    pub(super) fn report(&mut self) -> bool {
        let Some(event) = self.reports.pop_front() else {
            return false;
        };
        self.tell(event);
        true
    }

    pub(super) fn report_all(&mut self) {
        while self.report() {}
    }

    fn execute(&mut self, effect: Effect) {
        self.history.push(effect.clone());
        match effect {
            Effect::Reply { peer, reply, fds } => {
                assert!(self.connected.contains(&peer), "reply to {peer:?}, which is gone");
                fds.iter().for_each(|fd| self.check_fd(*fd));
                self.check_writable(peer, &fds);
                self.answers.entry(peer).or_default().push_back(Ok((reply, fds)));
            }
            Effect::Fail { peer, error } => {
                assert!(
                    self.connected.contains(&peer),
                    "error for {peer:?}, which is gone"
                );
                self.answers.entry(peer).or_default().push_back(Err(error));
            }
            Effect::Wait { peer } => assert!(self.waiting.insert(peer), "{peer:?} waits twice"),
            Effect::Resume { peer } => assert!(self.waiting.remove(&peer), "{peer:?} does not wait"),
            Effect::Disconnect { peer } => {
                self.waiting.remove(&peer);
                assert!(self.connected.remove(&peer), "{peer:?} disconnected twice")
            }
            Effect::Drop { handles } => {
                for handle in handles {
                    assert!(self.fds.remove(&handle), "{handle:?} dropped twice");
                }
            }
            Effect::DropStatusPage { stream } => self.drop_page(stream),
            Effect::DropTimelinePage { timeline } => {
                let page = self
                    .timeline_pages
                    .remove(&timeline)
                    .expect("dropped page exists");
                self.over.extend(page.over.map(|end| (timeline, end)));
            }
            Effect::SetImports { timeline, newest } => {
                let page = self.timeline_page(timeline);
                assert!(page.newest <= newest, "back to the past");
                (page.newest, page.version) = (newest, page.version + 1);
            }
            Effect::EndTimeline { timeline, end } => {
                let before = self.timeline_page(timeline).over.replace(end);
                assert_eq!(before, None, "{timeline} ended twice");
            }
            Effect::SetStreamState { stream, state } => {
                let page = self
                    .status_pages
                    .get_mut(&stream)
                    .expect("page of the stream exists");
                assert_eq!(page.ended.replace(state), None, "{stream} ended twice");
            }
            Effect::SetGenerations { stream, generations } => {
                let page = self
                    .status_pages
                    .get_mut(&stream)
                    .expect("page of the stream exists");
                assert!(
                    page.generations.current <= generations.current,
                    "back to the past"
                );
                page.generations = generations;
            }
            Effect::Ring { bells } => {
                for end in bells {
                    assert!(self.fds.contains(&end), "{end:?} rung but not held");
                    *self.rung.entry(self.bells[&end]).or_default() += 1;
                }
            }
            Effect::SetAlarm { operation, after_ms } => {
                assert_eq!(self.alarms.insert(operation, after_ms), None, "set twice");
            }
            Effect::CancelAlarm { operation } => drop(self.alarms.remove(&operation)),
            Effect::SetSlot {
                stream,
                slot,
                incarnation,
                state,
            } => {
                self.set_slot(stream, slot, incarnation, state);
            }
            work => self.work(work),
        }
    }

    fn check_fd(&mut self, fd: FdRef) {
        match fd {
            FdRef::Held(handle) => assert!(self.fds.contains(&handle), "{handle:?} sent but not held"),
            FdRef::Given(handle) => {
                assert!(self.bells.contains_key(&handle), "{handle:?} is no end of a bell");
                assert!(self.fds.remove(&handle), "{handle:?} given but not held");
            }
            FdRef::Process(peer) => assert!(
                self.connected.contains(&peer),
                "process of {peer:?}, which is gone"
            ),
        }
    }

    /// Nobody but the owner of a set gets buffers that can be written. Contract: S5.
    fn check_writable(&self, peer: PeerId, fds: &[FdRef]) {
        let owned: BTreeSet<_> = self.machine.handles_owned_by(peer);
        for fd in fds {
            if let FdRef::Held(buffer) = fd {
                assert!(
                    !self.writable.contains(buffer) || owned.contains(buffer),
                    "{peer:?} gets {buffer:?}, which it could write"
                );
            }
        }
    }

    fn set_slot(&mut self, stream: StreamId, slot: Slot, incarnation: Incarnation, state: SlotState) {
        let page = self
            .status_pages
            .get_mut(&stream)
            .expect("page of the stream exists");
        match state {
            SlotState::Live => {
                assert!(self.incarnations.insert(incarnation), "{incarnation} given twice");
                let before = page.slots.insert(slot, (incarnation, state));
                assert!(
                    !matches!(before, Some((_, SlotState::Live))),
                    "{slot} of {stream} given twice"
                );
            }
            SlotState::Gone => {
                let before = page.slots.insert(slot, (incarnation, state));
                assert_eq!(
                    before,
                    Some((incarnation, SlotState::Live)),
                    "{slot} of {stream} was not live"
                );
            }
            SlotState::Free => panic!("a slot that was used never becomes free"),
        }
    }

    fn work(&mut self, effect: Effect) {
        let failure = self.failure.clone();
        let report = match effect {
            Effect::Allocate { operation, count, .. } => {
                let outcome = failure.map_or_else(|| Ok(self.new_buffers(count)), Err);
                Event::Allocated { operation, outcome }
            }
            Effect::AskHeap { operation, request } => self.ask_heap(operation, &request),
            Effect::Seal {
                peer,
                operation,
                set,
                buffers,
            } => {
                assert!(
                    peer == PeerId(0) || self.connected.contains(&peer),
                    "sealing for {peer:?}, which is gone"
                );
                assert!(
                    buffers.iter().all(|buffer| self.fds.contains(buffer)),
                    "a buffer to seal is not held"
                );
                if failure.is_none() {
                    self.writable.retain(|buffer| !buffers.contains(buffer));
                }
                Event::Sealed {
                    operation,
                    set,
                    outcome: failure.map_or(Ok(()), Err),
                }
            }
            Effect::CreateStatusPage { operation, stream } => {
                let outcome = failure.map_or_else(|| Ok(self.new_page(stream)), Err);
                Event::StatusPageCreated {
                    operation,
                    stream,
                    outcome,
                }
            }
            Effect::MakeBells { operation, ends } => {
                let outcome =
                    failure.map_or_else(|| Ok(ends.iter().map(|ends| self.new_bell(*ends)).collect()), Err);
                Event::BellsMade { operation, outcome }
            }
            Effect::CreateTimelinePage { operation, timeline } => {
                let outcome = failure.map_or_else(|| Ok(self.new_timeline_page(timeline)), Err);
                Event::TimelinePageCreated {
                    operation,
                    timeline,
                    outcome,
                }
            }
            other => panic!("{other:?} is not work"),
        };
        self.reports.push_back(report);
    }

    fn new_buffers(&mut self, count: u32) -> Vec<FdHandle> {
        let buffers: Vec<_> = (0..count).map(|_| self.new_fd()).collect();
        self.writable.extend(&buffers);
        buffers
    }

    fn ask_heap(&mut self, operation: OperationId, request: &HeapRequest) -> Event {
        let refusal = || HeapFailure {
            errno: wharf_core::Errno::ENOMEM,
            reason: "nothing is left".to_owned(),
        };
        let outcome = match self.failure.is_some() || self.empty_heaps.contains(&request.heap) {
            true => Err(refusal()),
            false => Ok(self.new_buffers(request.count)),
        };
        Event::HeapAnswered { operation, outcome }
    }

    fn new_page(&mut self, stream: StreamId) -> FdHandle {
        let before = self.status_pages.insert(stream, StatusPage::default());
        assert!(before.is_none(), "{stream} has two pages");
        self.new_fd()
    }

    fn new_bell(&mut self, ends: u32) -> Vec<FdHandle> {
        let ends: Vec<_> = (0..ends).map(|_| self.new_fd()).collect();
        let bell = self.last_fd;
        self.bells.extend(ends.iter().map(|end| (*end, bell)));
        ends
    }

    fn new_timeline_page(&mut self, timeline: TimelineId) -> FdHandle {
        let before = self.timeline_pages.insert(timeline, TimelinePage::default());
        assert!(before.is_none(), "{timeline} has two pages");
        self.new_fd()
    }

    fn timeline_page(&mut self, timeline: TimelineId) -> &mut TimelinePage {
        let page = self.timeline_pages.get_mut(&timeline);
        page.expect("page of the timeline exists")
    }

    fn drop_page(&mut self, stream: StreamId) {
        let page = self.status_pages.remove(&stream).expect("dropped page exists");
        self.endings.extend(page.ended.map(|state| (stream, state)));
    }

    pub(super) fn new_fd(&mut self) -> FdHandle {
        self.last_fd += 1;
        let handle = FdHandle(self.last_fd);
        self.fds.insert(handle);
        handle
    }
}
