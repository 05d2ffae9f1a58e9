//! How often a buffer is mapped for the CPU of this process.

use std::mem;
use std::sync::Arc;

use crate::contain::contain;
use crate::exporter::call;
use crate::sync::{Mutex, lock};
use crate::{CpuBytes, Exporter, ExporterFault, ReservationGuard};

/// What the exporter mapped, shared by the guards.
pub(super) type Mapped = Arc<Box<dyn CpuBytes>>;

/// Whether a buffer is mapped, and for how many guards.
///
/// # Invariants
/// Becomes mapped, busy or idle only with the reservation held.
#[derive(Default)]
pub(crate) struct VmapCount {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// The holder of the reservation is with the exporter; no other lock is held meanwhile.
    Busy,
    Mapped {
        bytes: Mapped,
        guards: usize,
    },
}

/// Why a guard could not be made.
pub(super) enum Refused {
    Unsupported,
    Recursive,
    Fault(ExporterFault),
}

impl VmapCount {
    /// Says whether somebody has it mapped, or is just mapping or unmapping it.
    pub(crate) fn is_in_use(&self) -> bool {
        !matches!(*lock(&self.state), State::Idle)
    }

    pub(super) fn acquire(
        &self,
        guard: &ReservationGuard<'_>,
        exporter: &dyn Exporter,
    ) -> Result<Mapped, Refused> {
        let mut state = lock(&self.state);
        match &mut *state {
            State::Mapped { bytes, guards } => {
                *guards += 1;
                return Ok(Arc::clone(bytes));
            }
            State::Busy => return Err(Refused::Recursive),
            State::Idle => *state = State::Busy,
        }
        drop(state);
        let answer = call(|| exporter.vmap_ops().map(|ops| ops.vmap(guard)).transpose());
        let (next, outcome) = match answer {
            Ok(Some(bytes)) => {
                let bytes = Arc::new(bytes);
                let share = Arc::clone(&bytes);
                (State::Mapped { bytes, guards: 1 }, Ok(share))
            }
            Ok(None) => (State::Idle, Err(Refused::Unsupported)),
            Err(fault) => (State::Idle, Err(Refused::Fault(fault))),
        };
        *lock(&self.state) = next;
        outcome
    }

    /// Counts one guard less if there are others; says whether it did.
    pub(super) fn release_unless_last(&self) -> bool {
        match &mut *lock(&self.state) {
            State::Mapped { guards, .. } if *guards > 1 => {
                *guards -= 1;
                true
            }
            _ => false,
        }
    }

    /// Counts one guard less, and unmaps after the last.
    pub(super) fn release(&self, guard: &ReservationGuard<'_>, exporter: &dyn Exporter) {
        // Somebody may have mapped it again since the guard was dropped.
        if self.release_unless_last() {
            return;
        }
        let mut state = lock(&self.state);
        let State::Mapped { bytes, .. } = mem::replace(&mut *state, State::Busy) else {
            // INVARIANT: whoever holds the reservation finds it mapped while there are guards, and this was one.
            *state = State::Idle;
            return;
        };
        drop(state);
        // The panic hook has already reported a panic of the exporter, and there is nobody left to tell. Two steps: the
        // mapping does not go while the exporter unwinds.
        let ops = contain(|| exporter.vmap_ops()).ok().flatten();
        let _ = contain(|| match (ops, Arc::into_inner(bytes)) {
            (Some(ops), Some(bytes)) => ops.vunmap(guard, bytes),
            (_, rest) => drop(rest),
        });
        *lock(&self.state) = State::Idle;
    }
}
