//! What the framework knows about a buffer's user mappings, and who is changing it.
//!
//! Exporters and backends are called without a lock. What keeps their calls apart are claims on pages:
//!
//! | Claim | Made by | Waits for overlapping | Meanwhile |
//! |---|---|---|---|
//! | validating | a touch | all claims | the exporter invalidates the page |
//! | inserting | the same touch, next | taken | the backend inserts the page |
//! | taken | take-over, map, unmap, protect | taken, inserting | pages are removed and flushed, or inserted |
//!
//! A take-over does not wait for validating touches: an exporter may need what the taker holds. It spoils them instead, and they
//! validate again once it is over. So the waits cannot form a ring: inserting waits for nobody.
//!
//! LOCK ORDER: user mappings (the order checker's class: touches and map), then the reservation, then taken and inserting claims. Only
//! validating claims, which are never waited for with the reservation held, let an exporter take it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::backend::Owned;
use super::page_set::PageSet;
use super::{PageRun, UserMappingError};
use crate::order::{self, Held, How};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use crate::{AccessMode, Coherency, DmaBuf};

/// The user mappings of a buffer.
pub(crate) struct UserMappings {
    state: Mutex<State>,
    changed: Condvar,
}

/// # Invariants
/// Every dirty page is ready. What a fault-tracked entry has present is ready, and what it has writable is dirty and present.
#[derive(Default)]
pub(super) struct State {
    last_number: u64,
    pub(super) entries: BTreeMap<Number, Entry>,
    claims: Vec<ClaimRecord>,
    /// Pages invalidated since they were last taken over: right for the CPU.
    pub(super) ready: PageSet,
    /// Ready pages that the CPU may have written since.
    pub(super) dirty: PageSet,
}

/// The number of a mapping or a claim.
pub(super) type Number = u64;

/// One mapping.
pub(super) struct Entry {
    /// The pages of the buffer that it shows.
    pub(super) pages: Range<u64>,
    pub(super) access: AccessMode,
    pub(super) coherency: Coherency,
    pub(super) backend: Arc<Owned>,
    /// If fault-tracked: the pages of the buffer that may be present, and those that may be present for writing.
    pub(super) present: PageSet,
    pub(super) writable: PageSet,
}

struct ClaimRecord {
    number: Number,
    pages: Range<u64>,
    thread: ThreadId,
    phase: Phase,
    /// A take-over came while the touch was validating.
    spoiled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Validating,
    Inserting,
    Taken,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Validating, Self::Inserting, Self::Taken];
}

/// Why pages are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A device takes the buffer over: what is being validated is validated again.
    TakeOver,
    /// Mappings are made, changed or ended.
    Change,
}

/// Keeps others away from pages until it is dropped.
pub(crate) struct Claim<'m> {
    mappings: &'m UserMappings,
    number: Number,
}

impl Entry {
    /// Describes pages of the buffer to the backend; they must be of this entry and not empty.
    pub(super) fn run(&self, pages: &Range<u64>) -> PageRun {
        PageRun {
            mapping_page: pages.start - self.pages.start,
            buffer_page: pages.start,
            page_count: pages.end - pages.start,
        }
    }
}

impl State {
    pub(super) fn next_number(&mut self) -> Number {
        self.last_number += 1;
        self.last_number
    }

    fn has(&self, pages: &Range<u64>, phases: &[Phase]) -> bool {
        let overlaps = |other: &Range<u64>| pages.start < other.end && other.start < pages.end;
        let mut claims = self.claims.iter();
        claims.any(|claim| phases.contains(&claim.phase) && overlaps(&claim.pages))
    }

    fn is_claiming(&self, thread: ThreadId, phases: &[Phase]) -> bool {
        let mut claims = self.claims.iter();
        claims.any(|claim| claim.thread == thread && phases.contains(&claim.phase))
    }

    fn claim(&mut self, pages: Range<u64>, thread: ThreadId, phase: Phase) -> Number {
        let number = self.next_number();
        self.claims.push(ClaimRecord {
            number,
            pages,
            thread,
            phase,
            spoiled: false,
        });
        number
    }
}

impl Default for UserMappings {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }
}

impl UserMappings {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until no claim of these phases overlaps.
    fn wait_while<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        pages: &Range<u64>,
        phases: &[Phase],
    ) -> MutexGuard<'s, State> {
        while state.has(pages, phases) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Begins a call that may wait for exporters, which may wait for the reservation; tells the checker so.
    #[track_caller]
    pub(super) fn enter(&self, buffer: &DmaBuf) -> Result<Held, UserMappingError> {
        // A thread that is being called may wait for itself, or for another one that waits for it.
        if self.state().is_claiming(thread::current().id(), &Phase::ALL) {
            return Err(UserMappingError::recursive(buffer));
        }
        Ok(order::acquire(&order::USER_MAPPINGS, How::Block))
    }

    /// Claims a page for a touch.
    pub(super) fn claim_touch(&self, page: u64) -> Claim<'_> {
        let pages = page..page + 1;
        let mut state = self.wait_while(self.state(), &pages, &Phase::ALL);
        let number = state.claim(pages, thread::current().id(), Phase::Validating);
        let mappings = self;
        Claim { mappings, number }
    }

    /// Takes pages away from everybody else.
    pub(super) fn take(
        &self,
        buffer: &DmaBuf,
        pages: &Range<u64>,
        purpose: Purpose,
    ) -> Result<Claim<'_>, UserMappingError> {
        let me = thread::current().id();
        let state = self.state();
        let forbidden: &[Phase] = match purpose {
            Purpose::TakeOver => &[Phase::Inserting, Phase::Taken],
            Purpose::Change => &Phase::ALL,
        };
        if state.is_claiming(me, forbidden) {
            return Err(UserMappingError::recursive(buffer));
        }
        let mut state = self.wait_while(state, pages, &[Phase::Taken]);
        // From here on no touch of these pages begins, and those that validate do not get to insert.
        let number = state.claim(pages.clone(), me, Phase::Taken);
        let mut state = self.wait_while(state, pages, &[Phase::Inserting]);
        if purpose == Purpose::TakeOver {
            let overlaps = |other: &Range<u64>| pages.start < other.end && other.start < pages.end;
            for claim in state.claims.iter_mut().filter(|claim| overlaps(&claim.pages)) {
                claim.spoiled = claim.phase == Phase::Validating;
            }
        }
        let mappings = self;
        Ok(Claim { mappings, number })
    }
}

impl<'m> Claim<'m> {
    /// Waits until nobody has taken the touched page. Returns the state, and whether the page has been taken over since the last
    /// time this was asked.
    pub(super) fn settle(&self, page: u64) -> (MutexGuard<'m, State>, bool) {
        let state = self.mappings.state();
        let mut state = self
            .mappings
            .wait_while(state, &(page..page + 1), &[Phase::Taken]);
        let mine = state.claims.iter_mut().find(|claim| claim.number == self.number);
        let spoiled = mine.is_some_and(|claim| std::mem::take(&mut claim.spoiled));
        (state, spoiled)
    }

    /// The touch has validated its page and inserts it now.
    pub(super) fn start_inserting(&self, state: &mut State) {
        for claim in &mut state.claims {
            if claim.number == self.number {
                claim.phase = Phase::Inserting;
            }
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.mappings
            .state()
            .claims
            .retain(|claim| claim.number != self.number);
        self.mappings.changed.notify_all();
    }
}
