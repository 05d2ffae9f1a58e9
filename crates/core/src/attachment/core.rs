//! What all handles, mappings and pins of one attachment share.

use std::sync::{Arc, Weak};

use super::ending::{End, Ending};
use super::{AttachmentInfo, Hold, Holder, Importer, MapError, MapFault, Parties};
use crate::dma::SgTable;
use crate::moves::Settling;
use crate::reservation::Afterwards;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::{AccessMode, DataDirection, DmaBuf, MismatchPolicy, ReservationGuard};

/// How the two sides of an attachment get on. Contract: L2 to L5.
///
/// | Importer | Exporter | Policy | Pairing |
/// |---|---|---|---|
/// | static | static | any | `Through` |
/// | dynamic | dynamic | any | `Through` |
/// | static | dynamic | map at attach | `Kept`, pinned |
/// | dynamic | static | map at attach | `Kept` |
/// | static | dynamic | pin on map | `PinAroundMap` |
/// | dynamic | static | pin on map | `Through`, with the reservation held |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// Every call reaches the exporter.
    Through,
    /// One mapping, made at attach, for the life of the attachment.
    Kept,
    /// The framework takes the reservation, and pins, around each mapping.
    PinAroundMap,
}

impl Pairing {
    pub(super) fn of(importer_is_dynamic: bool, exporter_is_dynamic: bool, policy: MismatchPolicy) -> Self {
        match (importer_is_dynamic == exporter_is_dynamic, policy) {
            (true, _) => Self::Through,
            (false, MismatchPolicy::MapAtAttach) => Self::Kept,
            (false, MismatchPolicy::PinOnMap) if exporter_is_dynamic => Self::PinAroundMap,
            (false, MismatchPolicy::PinOnMap) => Self::Through,
        }
    }
}

/// # Invariants
/// The exporter has agreed to the attachment, and is told of its end once, when the last handle, mapping and pin are gone.
pub(crate) struct Core {
    pub(super) buffer: DmaBuf,
    pub(super) info: Arc<AttachmentInfo>,
    pub(super) importer: Option<Arc<dyn Importer>>,
    pub(super) pairing: Pairing,
    state: Mutex<State>,
    ending: Arc<Ending>,
}

#[derive(Default)]
pub(super) struct State {
    /// The mapping that is kept until the end.
    pub(super) kept: Option<Kept>,
    pub(super) records: Vec<Record>,
    pub(super) pins: usize,
    /// The revocation that waits for all pins there were; told as each of them is given up.
    pins_settling: Option<Arc<Settling>>,
    last_number: u64,
}

/// A mapping that outlives those who asked for it.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) table: Arc<SgTable>,
    pub(super) direction: DataDirection,
    pub(super) pinned: bool,
}

/// A mapping somebody has.
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) direction: DataDirection,
    /// What made it old: a move, a revocation, or one after the other; told when the mapping is given up.
    pub(super) settling: Vec<Arc<Settling>>,
}

impl Core {
    pub(super) fn new(
        buffer: &DmaBuf,
        info: AttachmentInfo,
        importer: Option<Arc<dyn Importer>>,
        pairing: Pairing,
    ) -> Arc<Self> {
        let info = Arc::new(info);
        let ending = Ending::new(&info, pairing == Pairing::Kept);
        Arc::new(Self {
            buffer: buffer.clone(),
            info,
            importer,
            pairing,
            state: Mutex::new(State::default()),
            ending: Arc::new(ending),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn info(&self) -> &AttachmentInfo {
        &self.info
    }

    pub(crate) fn importer(&self) -> Option<&Arc<dyn Importer>> {
        self.importer.as_ref()
    }

    pub(super) fn parties(&self) -> Parties {
        parties(&self.buffer, self.info.label())
    }

    pub(super) fn error(&self, fault: MapFault) -> MapError {
        MapError::new(self.parties(), fault)
    }

    /// Checks what every mapping and pin needs: a buffer that was not revoked, and the right lock if any.
    pub(super) fn check_usable(&self, guard: Option<&ReservationGuard<'_>>) -> Result<(), MapError> {
        self.check_guard(guard)?;
        if self.buffer.devices().is_revoked() {
            return Err(self.error(MapFault::Revoked));
        }
        Ok(())
    }

    pub(super) fn check_guard(&self, guard: Option<&ReservationGuard<'_>>) -> Result<(), MapError> {
        match guard {
            Some(guard) if !guard.guards(self.buffer.reservation()) => Err(self.error(MapFault::WrongGuard)),
            _ => Ok(()),
        }
    }

    /// Checks that the attachment allows the device what the direction means. Contract: A6.
    pub(super) fn check_access(&self, direction: DataDirection) -> Result<(), MapError> {
        if self.info.access == AccessMode::ReadOnly && direction.device_writes() {
            return Err(self.error(MapFault::ReadOnly { direction }));
        }
        Ok(())
    }

    /// Notes a mapping that somebody now has; returns its number.
    pub(super) fn record(&self, direction: DataDirection) -> u64 {
        let mut state = self.state();
        state.last_number += 1;
        let number = state.last_number;
        state.records.push(Record {
            number,
            direction,
            settling: Vec::new(),
        });
        number
    }

    /// Forgets a mapping, and tells the move that waits for it.
    pub(super) fn forget(&self, number: u64) {
        let mut state = self.state();
        let Some(index) = state.records.iter().position(|record| record.number == number) else {
            return;
        };
        let record = state.records.swap_remove(index);
        drop(state);
        for settling in record.settling {
            settling.one_less();
        }
    }

    /// Forgets a pin, and tells the revocation that waits for it.
    pub(super) fn forget_pin(&self) {
        let mut state = self.state();
        state.pins -= 1;
        let settling = state.pins_settling.clone();
        drop(state);
        if let Some(settling) = settling {
            settling.one_less();
        }
    }

    /// Says whether a move has made the mapping old.
    pub(super) fn is_stale(&self, number: u64) -> bool {
        let state = self.state();
        let record = state.records.iter().find(|record| record.number == number);
        record.is_some_and(|record| !record.settling.is_empty())
    }

    /// Makes all current mappings old; `settling` is told as each of them is given up.
    pub(crate) fn make_stale(&self, settling: &Arc<Settling>) {
        for record in &mut self.state().records {
            if record.settling.is_empty() {
                settling.one_more();
                record.settling.push(Arc::clone(settling));
            }
        }
    }

    /// Makes all mappings and pins old, those of earlier places too; `settling` is told as each of them is given up.
    pub(crate) fn make_revoked(&self, settling: &Arc<Settling>) {
        let mut state = self.state();
        for record in &mut state.records {
            settling.one_more();
            record.settling.push(Arc::clone(settling));
        }
        (0..state.pins).for_each(|_| settling.one_more());
        state.pins_settling = Some(Arc::clone(settling));
    }

    pub(crate) fn ending(&self) -> &Arc<Ending> {
        &self.ending
    }

    /// Says whether a table is the one that is kept for the life of the attachment.
    pub(super) fn is_kept(&self, table: &Arc<SgTable>) -> bool {
        let state = self.state();
        state
            .kept
            .as_ref()
            .is_some_and(|kept| Arc::ptr_eq(&kept.table, table))
    }

    /// Returns how many mappings and pins people have.
    pub(super) fn mappings_and_pins(&self) -> usize {
        let state = self.state();
        state.records.len() + state.pins
    }

    /// Returns how this attachment keeps the buffer where it is, if it does.
    pub(crate) fn hold(&self) -> Option<Holder> {
        let state = self.state();
        let how = match (self.pairing, &state.kept) {
            (_, Some(_)) => Hold::MappedAtAttach,
            (Pairing::PinAroundMap, None) if !state.records.is_empty() => Hold::Mapped {
                mappings: state.records.len(),
            },
            _ if state.pins > 0 => Hold::Pinned { pins: state.pins },
            _ => return None,
        };
        Some(Holder {
            who: self.info.label().into(),
            how,
        })
    }
}

pub(super) fn parties(buffer: &DmaBuf, device: &str) -> Parties {
    Parties {
        buffer: buffer.id(),
        exporter: buffer.exporter_name().into(),
        device: device.into(),
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let kept = self.state().kept.take();
        let end = End {
            buffer: self.buffer.clone(),
            info: Arc::clone(&self.info),
            kept,
            ending: Arc::clone(&self.ending),
            importer: self.importer.take(),
        };
        let is_dynamic = self.buffer.devices().is_dynamic();
        if !is_dynamic && end.importer.is_none() && !self.buffer.reservation().is_held_here() {
            end.give_up(None);
            end.detach();
            return;
        }
        // The last to go may be a mapping of a dynamic importer, which goes under the lock, or be dropped under it: not the place to call a
        // static exporter.
        let reservation = Arc::clone(self.buffer.reservation());
        reservation.defer(move |guard| {
            if is_dynamic {
                end.give_up(Some(guard));
            }
            let rest: Afterwards = Box::new(move || {
                if !is_dynamic {
                    end.give_up(None);
                }
                end.detach();
            });
            Some(rest)
        });
    }
}

/// The attachments of a buffer that still exist.
pub(crate) type WeakCore = Weak<Core>;
