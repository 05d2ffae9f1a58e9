//! The real things beside the model.

use std::sync::Arc;

use wharf_core::dma::DeviceUse;
use wharf_core::{
    AccessMode, Attachment, Contract, DataDirection, Device, DmaBuf, DmaLimits, DynamicAttachment,
    DynamicMapping, Errno, ExportInfo, Fence, Hold, Mapping, MismatchPolicy, Pin, Reservation,
    ReservationGuard, Wait,
};

use crate::exporter::{Kind, Recorder, SIZE, Told};
use crate::model::Model;

/// Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Attach { contract: Contract, access: AccessMode },
    Map { of: usize, direction: DataDirection },
    Unmap { mapping: usize },
    DropMapping { mapping: usize },
    Pin { of: usize },
    Unpin { pin: usize },
    DropPin { pin: usize },
    Detach { of: usize },
    DropAttachment { of: usize },
    Lock,
    Unlock,
    Move,
    Revoke,
    DropBuffer,
}

enum Attached {
    Static(Attachment),
    Dynamic(DynamicAttachment),
}

enum Mapped {
    Static(Mapping),
    Dynamic(DynamicMapping),
}

/// A mapping, with the numbers of its attachment and its own, and where it was made.
struct OneMapping {
    mapped: Mapped,
    of: usize,
    number: usize,
    place: u64,
}

pub(crate) struct World<'r> {
    model: Model,
    exporter: Recorder,
    reservation: &'r Reservation,
    buffer: Option<DmaBuf>,
    attached: Vec<(usize, Attached)>,
    mappings: Vec<OneMapping>,
    pins: Vec<(usize, Pin)>,
    idle: Vec<Fence>,
    /// Last, so that everything else goes under the lock if it is held at the end.
    guard: Option<ReservationGuard<'r>>,
}

fn device(number: usize) -> DeviceUse {
    Device::new(&label(number), DmaLimits::unconstrained())
        .unwrap()
        .using_all()
        .unwrap()
}

fn label(number: usize) -> String {
    format!("device {number}")
}

impl<'r> World<'r> {
    pub(crate) fn new(kind: Kind, policy: MismatchPolicy, reservation: &'r Arc<Reservation>) -> Self {
        let exporter = Recorder::new(kind, policy, reservation);
        let buffer = DmaBuf::export(ExportInfo {
            mismatch: policy,
            reservation: Some(Arc::clone(reservation)),
            ..ExportInfo::new(exporter.clone(), SIZE)
        });
        Self {
            model: Model::new(kind, policy),
            exporter,
            reservation,
            buffer: Some(buffer.unwrap()),
            attached: Vec::new(),
            mappings: Vec::new(),
            pins: Vec::new(),
            idle: Vec::new(),
            guard: None,
        }
    }

    /// Takes one step; `None` if there is nothing to take it with.
    pub(crate) fn take(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Attach { contract, access } => self.attach(contract, access)?,
            Step::Map { of, direction } => self.map(of, direction)?,
            Step::Unmap { mapping } => self.unmap(mapping)?,
            Step::DropMapping { mapping } => {
                let one = self
                    .mappings
                    .swap_remove(mapping.checked_rem(self.mappings.len())?);
                drop(one.mapped);
                self.model.drop_mapping(one.of, one.number);
            }
            Step::Pin { of } => self.pin(of)?,
            Step::Unpin { pin } => {
                let guard = self.guard.as_ref()?;
                let (of, pin) = self.pins.swap_remove(pin.checked_rem(self.pins.len())?);
                pin.unpin(guard).unwrap();
                self.model.unpin(of);
            }
            Step::DropPin { pin } => {
                let (of, pin) = self.pins.swap_remove(pin.checked_rem(self.pins.len())?);
                drop(pin);
                self.model.drop_pin(of);
            }
            Step::Detach { of } => self.detach(of)?,
            Step::DropAttachment { of } => {
                let (of, attached) = self.attached.swap_remove(of.checked_rem(self.attached.len())?);
                drop(attached);
                self.model.drop_handle(of);
            }
            Step::Lock if self.guard.is_none() => {
                self.guard = Some(self.reservation.lock(&Wait::not()).unwrap());
                self.model.locked = true;
            }
            Step::Unlock => self.unlock()?,
            Step::Move => self.with_lock(Self::move_buffer),
            Step::Revoke => self.with_lock(Self::revoke),
            Step::DropBuffer => drop(self.buffer.take()?),
            Step::Lock => {}
        }
        Some(())
    }

    fn attach(&mut self, contract: Contract, access: AccessMode) -> Option<()> {
        let buffer = self.buffer.as_ref()?;
        if self.model.locked && self.model.kind != Kind::Dynamic {
            // Not allowed, and not noticed where attaching takes no lock.
            return None;
        }
        let device = device(self.model.attachments.len());
        let attached = if contract == Contract::Static {
            buffer.attach(&device, access, &Wait::not()).map(Attached::Static)
        } else {
            let importer = Arc::new(Told(self.exporter.clone(), contract));
            buffer
                .attach_dynamic(&device, access, importer, &Wait::not())
                .map(Attached::Dynamic)
        };
        match (attached, self.model.attach(contract, access)) {
            (Ok(attached), Ok(of)) => self.attached.push((of, attached)),
            (attached, expected) => assert_eq!(attached.err().map(|error| error.errno()), expected.err()),
        }
        Some(())
    }

    fn map(&mut self, of: usize, direction: DataDirection) -> Option<()> {
        let (of, attached) = &self.attached[of.checked_rem(self.attached.len())?];
        let mapped = match (attached, &self.guard) {
            (Attached::Static(one), _) => one.map(direction, &Wait::not()).map(Mapped::Static),
            (Attached::Dynamic(one), Some(guard)) => one.map(guard, direction).map(Mapped::Dynamic),
            (Attached::Dynamic(one), None) => one.map_unlocked(direction, &Wait::not()).map(Mapped::Dynamic),
        };
        match (mapped, self.model.map(*of, direction)) {
            (Ok(mapped), Ok(number)) => self.mappings.push(OneMapping {
                mapped,
                of: *of,
                number,
                place: self.exporter.place(),
            }),
            (mapped, expected) => assert_eq!(mapped.err().map(|error| error.errno()), expected.err()),
        }
        Some(())
    }

    fn unmap(&mut self, mapping: usize) -> Option<()> {
        let one = self
            .mappings
            .swap_remove(mapping.checked_rem(self.mappings.len())?);
        let kept = match (one.mapped, &self.guard) {
            (Mapped::Static(mapping), _) => {
                let refused = mapping.unmap(&Wait::not()).err();
                refused.map(|error| (error.errno(), Mapped::Static(error.into_kept())))
            }
            (Mapped::Dynamic(mapping), guard) => {
                let refused = match guard {
                    Some(guard) => mapping.unmap(guard).err(),
                    None => mapping.unmap_unlocked(&Wait::not()).err(),
                };
                refused.map(|error| (error.errno(), Mapped::Dynamic(error.into_kept())))
            }
        };
        let refused = self.model.is_pinned_around(one.of) && self.model.locked;
        assert_eq!(
            kept.as_ref().map(|(errno, _)| *errno),
            refused.then_some(Errno::EDEADLK)
        );
        match kept {
            None => self.model.unmap(one.of, one.number),
            Some((_, mapped)) => self.mappings.push(OneMapping { mapped, ..one }),
        }
        Some(())
    }

    fn pin(&mut self, of: usize) -> Option<()> {
        let guard = self.guard.as_ref()?;
        let (of, attached) = &self.attached[of.checked_rem(self.attached.len())?];
        let Attached::Dynamic(attachment) = attached else {
            return None;
        };
        match attachment.pin(guard) {
            Ok(pin) => {
                assert!(!self.model.is_revoked());
                self.model.attachments[*of].pins += 1;
                self.pins.push((*of, pin));
            }
            Err(error) => assert_eq!((error.errno(), self.model.is_revoked()), (Errno::ENODEV, true)),
        }
        Some(())
    }

    fn detach(&mut self, of: usize) -> Option<()> {
        let (of, attached) = self.attached.swap_remove(of.checked_rem(self.attached.len())?);
        let kept = match attached {
            Attached::Static(one) => one
                .detach()
                .err()
                .map(|error| Attached::Static(error.into_attachment())),
            Attached::Dynamic(one) => one
                .detach()
                .err()
                .map(|error| Attached::Dynamic(error.into_attachment())),
        };
        let attachment = &self.model.attachments[of];
        assert_eq!(
            kept.is_some(),
            !attachment.records.is_empty() || attachment.pins > 0
        );
        match kept {
            Some(attached) => self.attached.push((of, attached)),
            None => self.model.drop_handle(of),
        }
        Some(())
    }

    fn unlock(&mut self) -> Option<()> {
        drop(self.guard.take()?);
        self.model.unlock();
        Some(())
    }

    /// Does what needs the lock; takes it meanwhile if it is not held.
    fn with_lock(&mut self, act: fn(&mut Self)) {
        let is_held = self.guard.is_some();
        self.take(Step::Lock);
        act(self);
        if !is_held {
            self.unlock();
        }
    }

    /// Whether there is a strong handle left anywhere.
    fn is_alive(&self) -> bool {
        self.buffer.is_some() || self.model.attachments.iter().any(|one| !one.gone)
    }

    fn move_buffer(&mut self) {
        let Some(guard) = &self.guard else { return };
        let moved = self.exporter.control().move_buffer(guard, || {
            self.exporter.relocate();
            Ok(())
        });
        let expected = if self.is_alive() {
            self.model.move_buffer()
        } else {
            Err(Errno::ENODEV)
        };
        self.note(moved.map_err(|error| error.errno()), expected, expected.is_ok());
    }

    fn revoke(&mut self) {
        let Some(guard) = &self.guard else { return };
        let revoked = self.exporter.control().revoke(guard);
        let (expected, is_told) = if self.is_alive() {
            self.model.revoke()
        } else {
            (Err(Errno::ENODEV), false)
        };
        self.note(revoked.map_err(|error| error.errno()), expected, is_told);
    }

    fn note(&mut self, done: Result<Fence, Errno>, expected: Result<(), Errno>, is_told: bool) {
        assert_eq!(done.as_ref().map(drop), expected.as_ref().map(drop));
        let listed = self.model.attachments.iter().filter(|one| one.listed);
        let dynamic = listed.filter(|one| one.contract != Contract::Static).count();
        assert_eq!(self.exporter.told(), if is_told { dynamic } else { 0 });
        self.idle.extend(done);
    }

    pub(crate) fn compare(&self) {
        assert_eq!(self.exporter.wrong(), Vec::<String>::new());
        assert_eq!(self.exporter.attached(), self.model.attached());
        assert_eq!(self.exporter.is_released(), !self.is_alive());
        assert_eq!(self.reservation.is_locked(), self.model.locked);
        if self.is_alive() {
            let holders = self.exporter.control().holders();
            let mut holders: Vec<_> = holders.iter().map(|one| (one.who.to_string(), one.how)).collect();
            holders.sort_by(|one, other| one.0.cmp(&other.0));
            let mut expected: Vec<(String, Hold)> = self
                .model
                .holders()
                .into_iter()
                .map(|(of, how)| (label(of), how))
                .collect();
            expected.sort_by(|one, other| one.0.cmp(&other.0));
            assert_eq!(holders, expected);
        }
        for one in &self.mappings {
            if let Mapped::Dynamic(mapping) = &one.mapped {
                assert_eq!(mapping.is_current(), !self.model.is_old(one.of, one.number));
            }
            let segments = match &one.mapped {
                Mapped::Static(mapping) => mapping.segments(),
                Mapped::Dynamic(mapping) => mapping.segments(),
            };
            assert_eq!(
                segments[0].address, one.place,
                "a mapping stays where it was made"
            );
        }
        for (idle, place) in self.idle.iter().zip(&self.model.old_places) {
            assert_eq!(idle.is_signaled(), self.model.is_idle(place));
        }
    }

    /// Drops everything that is left: the exporter has to get everything back.
    pub(crate) fn end(self) {
        let (exporter, idle) = (self.exporter.clone(), self.idle.clone());
        drop(self);
        assert_eq!(exporter.wrong(), Vec::<String>::new());
        assert_eq!(exporter.attached(), []);
        assert!(exporter.is_released());
        assert!(idle.iter().all(Fence::is_signaled));
    }
}
