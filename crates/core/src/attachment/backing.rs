//! Finding memory that suits all attachments: at the first mapping, or for one that comes late. Contract: A2, A3.

use std::sync::{Arc, PoisonError};

use super::calls::Callee;
use super::core::Core;
use super::{AttachError, AttachFault, BackingError, NotMoved};
use crate::dma::{Conflict, Requirements, Violation, collate};
use crate::exporter::{Backing, call};
use crate::moves;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, lock};
use crate::{DmaBuf, ExporterFault, ReservationGuard, Wait};

/// Whose turn it is to judge or allocate a buffer's memory.
///
/// One at a time, so that no device slips in between what an allocation was made for and the allocation. The exporter is called during a turn, and
/// gets an error if it maps or attaches the same buffer then before there is memory.
#[derive(Default)]
pub(crate) struct Turns {
    taken: Mutex<Option<ThreadId>>,
    free: Condvar,
    /// Whether there is memory: mapping then needs no turn.
    allocated: AtomicBool,
}

struct Turn<'a>(&'a Turns);

impl Turns {
    fn have_allocated(&self) -> bool {
        // ORDERING: whoever sees the flag sees the exporter's memory behind it.
        self.allocated.load(Ordering::Acquire)
    }

    fn set_allocated(&self) {
        // ORDERING: see `have_allocated`.
        self.allocated.store(true, Ordering::Release);
    }

    /// Blocks while another thread has the turn.
    fn take(&self) -> Result<Turn<'_>, ExporterFault> {
        let me = thread::current().id();
        let mut taken = lock(&self.taken);
        if *taken == Some(me) {
            // It would wait for itself.
            return Err(ExporterFault::Inconsistent {
                what: "uses its buffer while it is asked for the memory",
            });
        }
        while taken.is_some() {
            taken = self.free.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = Some(me);
        Ok(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = None;
        self.0.free.notify_one();
    }
}

/// Asks the exporter where the memory is.
fn ask(buffer: &DmaBuf) -> Result<Backing, ExporterFault> {
    call(|| {
        let exporter = buffer.exporter_dyn().map_ops().common();
        Ok(exporter.map_or(Backing::Opaque, |exporter| exporter.backing()))
    })
}

/// Makes sure that there is memory; allocates it to suit all attachments if there is none.
///
/// # Locking
/// The reservation is held if the exporter is dynamic.
pub(crate) fn ensure(buffer: &DmaBuf) -> Result<(), BackingError> {
    let turns = buffer.devices().turns();
    if turns.have_allocated() {
        return Ok(());
    }
    let _turn = turns.take().map_err(BackingError::Exporter)?;
    if ask(buffer).map_err(BackingError::Exporter)? == Backing::Deferred {
        allocate(buffer)?;
    }
    turns.set_allocated();
    Ok(())
}

/// Makes sure that there is memory, for the CPU; takes the reservation meanwhile if a dynamic exporter has to allocate.
///
/// # Locking
/// The reservation is not held.
pub(crate) fn ensure_unlocked(buffer: &DmaBuf, wait: &Wait<'_>) -> Result<(), BackingError> {
    let devices = buffer.devices();
    if devices.is_dynamic() && !devices.turns().have_allocated() {
        let _guard = buffer
            .reservation()
            .lock(wait)
            .map_err(BackingError::Reservation)?;
        return ensure(buffer);
    }
    ensure(buffer)
}

fn allocate(buffer: &DmaBuf) -> Result<(), BackingError> {
    let requirements = requirements(buffer, None).map_err(BackingError::Conflict)?;
    call(|| match buffer.exporter_dyn().map_ops().common() {
        Some(exporter) => exporter.allocate(&requirements),
        None => Ok(()),
    })
    .map_err(BackingError::Exporter)?;
    tracing::debug!(target: "wharf_core::buffer", buffer = buffer.id().get(), %requirements, "allocated");
    match ask(buffer).map_err(BackingError::Exporter)? {
        Backing::At(storage) => requirements.allows(&storage).map_err(BackingError::Unsuitable),
        Backing::Opaque => Ok(()),
        Backing::Deferred => Err(BackingError::Exporter(ExporterFault::Inconsistent {
            what: "says that its memory is still deferred after it allocated it",
        })),
    }
}

/// Collates the limits of all attachments, and of one that wants to be.
fn requirements(buffer: &DmaBuf, newcomer: Option<&Core>) -> Result<Requirements, Conflict> {
    // Not the attachments themselves: the last handle of one could end here, and its exporter be called during the turn.
    let attached = buffer.devices().infos();
    let infos = attached.iter().map(AsRef::as_ref).chain(newcomer.map(Core::info));
    collate(
        infos.map(|info| (info.label(), info.limits())),
        buffer.size_bytes(),
    )
}

/// Lets an attachment join the others if the memory suits it, or can be made to.
///
/// # Locking
/// The reservation is held if the exporter is dynamic.
pub(super) fn admit(core: &Arc<Core>, guard: Option<&ReservationGuard<'_>>) -> Result<(), AttachError> {
    let buffer = &core.buffer;
    let turns = buffer.devices().turns();
    let _turn = turns.take().map_err(|fault| exporter_failed(core, fault))?;
    let backing = ask(buffer).map_err(|fault| exporter_failed(core, fault))?;
    if backing != Backing::Deferred {
        // So that importers that are told of a move during this turn can map.
        turns.set_allocated();
    }
    match backing {
        Backing::Opaque => {}
        Backing::Deferred => {
            requirements(buffer, Some(core))
                .map_err(|conflict| refuse(core, AttachFault::Conflict(Box::new(conflict))))?;
        }
        Backing::At(storage) => {
            if let Err(violation) = core.info.limits().check_storage(&storage) {
                move_for(core, guard, violation)?;
            }
        }
    }
    if !buffer.devices().add(core) {
        return Err(refuse(core, AttachFault::Revoked));
    }
    Ok(())
}

/// Moves a buffer to where it suits a newcomer and everybody else.
fn move_for(
    core: &Core,
    guard: Option<&ReservationGuard<'_>>,
    violation: Violation,
) -> Result<(), AttachError> {
    let stuck = |why_not_moved| {
        let violation = Box::new(violation.clone());
        refuse(
            core,
            AttachFault::Unsuitable {
                violation,
                why_not_moved,
            },
        )
    };
    let requirements = requirements(&core.buffer, Some(core))
        .map_err(|conflict| stuck(NotMoved::Conflict(Box::new(conflict))))?;
    let callee = Callee::of(&core.buffer, guard).map_err(|fault| exporter_failed(core, fault))?;
    let Callee::Dynamic(exporter, guard) = callee else {
        return Err(stuck(NotMoved::Static));
    };
    let holders = core.buffer.devices().holders(&core.buffer);
    if !holders.is_empty() {
        return Err(stuck(NotMoved::Held(holders)));
    }
    moves::relocate(&core.buffer, || exporter.relocate(guard, &requirements))
        .map_err(|fault| stuck(NotMoved::from(fault)))?;
    moves::finish(&core.buffer, guard);
    match ask(&core.buffer).map_err(|fault| exporter_failed(core, fault))? {
        Backing::At(storage) => requirements
            .allows(&storage)
            .map_err(|unsuitable| stuck(NotMoved::MovedWrongly(Box::new(unsuitable)))),
        _ => Err(exporter_failed(
            core,
            ExporterFault::Inconsistent {
                what: "does not tell where it moved its memory to",
            },
        )),
    }
}

fn exporter_failed(core: &Core, fault: ExporterFault) -> AttachError {
    refuse(core, AttachFault::Exporter(fault))
}

fn refuse(core: &Core, fault: AttachFault) -> AttachError {
    AttachError::new(core.parties(), fault)
}
