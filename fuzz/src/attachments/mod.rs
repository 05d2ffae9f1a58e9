//! What random devices and an exporter that does as it likes make of one buffer: declare, attach, map, pin, move, unmap, detach.
//!
//! Promises, whatever the exporter answers:
//!
//! - what a device gets to map keeps the limits of all its functions in use, and is the whole buffer;
//! - nothing is mapped in a direction that its access does not grant;
//! - the exporter is asked to undo what it did, once, in an order that makes sense, and is released at the very end;
//! - every error has an errno and a text in one line;
//! - nothing moves while it is pinned.

mod device;
mod exporter;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use arbitrary::Unstructured;
use wharf_core::{
    AccessMode, Attachment, Contract, DataDirection, DmaBuf, DynamicAttachment, DynamicMapping, Errno,
    ExportInfo, Importer, Mapping, MismatchPolicy, Notice, Pin, Reservation, Revocable, SgSegment, Wait,
};

use device::Spec;
use exporter::{Maker, PAGE_BYTES};

/// More than this tells nothing new.
const MAX_STEPS: usize = 200;
/// So many attachments are many.
const MAX_ATTACHED: usize = 12;

/// An importer that takes what it is told.
struct Patient(Contract);

impl Importer for Patient {
    fn move_notify(&self, _: &Notice<'_>) {}

    fn revocable(&self) -> Option<&dyn Revocable> {
        (self.0 == Contract::Revocable).then_some(self as _)
    }
}

impl Revocable for Patient {
    fn revoked(&self, _: &Notice<'_>) {}
}

enum Attached {
    Static(Attachment),
    Dynamic(DynamicAttachment),
}

/// Something mapped, until it is dropped or given back.
enum Mapped {
    Static(Mapping),
    Dynamic(DynamicMapping),
}

/// An attached device.
struct Place {
    attached: Attached,
    spec: Spec,
    access: AccessMode,
}

struct World<'a> {
    script: Unstructured<'a>,
    exporter: Maker,
    reservation: Arc<Reservation>,
    buffer: Option<DmaBuf>,
    size_bytes: u64,
    places: Vec<Place>,
    mapped: Vec<Mapped>,
    pins: Vec<Pin>,
    reached: BTreeSet<String>,
}

/// Plays a script, and returns what it got to.
pub fn check(script: &[u8]) -> BTreeSet<String> {
    let mut world = World::new(Unstructured::new(script));
    for _ in 0..MAX_STEPS {
        if world.script.is_empty() {
            break;
        }
        world.step();
        world.exporter.assert_right();
    }
    world.end()
}

impl<'a> World<'a> {
    fn new(mut script: Unstructured<'a>) -> Self {
        let reservation = Reservation::new();
        let size_bytes = PAGE_BYTES * (1 + u64::from(byte(&mut script) % 16));
        let habits = byte(&mut script);
        let exporter = Maker::new(size_bytes, habits, &reservation);
        let policy =
            [MismatchPolicy::MapAtAttach, MismatchPolicy::PinOnMap][usize::from(byte(&mut script) % 2)];
        let buffer = DmaBuf::export(ExportInfo {
            mismatch: policy,
            reservation: Some(Arc::clone(&reservation)),
            ..ExportInfo::new(exporter.clone(), size_bytes)
        });
        Self {
            script,
            exporter,
            reservation,
            buffer: Some(buffer.expect("the exporter is sound so far")),
            size_bytes,
            places: Vec::new(),
            mapped: Vec::new(),
            pins: Vec::new(),
            reached: BTreeSet::new(),
        }
    }

    fn byte(&mut self) -> usize {
        usize::from(byte(&mut self.script))
    }

    fn step(&mut self) {
        match self.byte() % 16 {
            0..=3 => self.attach(),
            4..=8 => self.map(),
            9 => self.unmap(),
            10 => self.detach(),
            11 => self.pin(),
            12 => self.unpin(),
            13 => self.move_buffer(),
            14 => {
                // What the exporter does from now on.
                let habits = byte(&mut self.script);
                self.exporter.change(habits);
            }
            _ => self.rarely(),
        }
    }

    fn note(&mut self, what: &str) {
        self.reached.insert(what.to_owned());
    }

    fn note_error(&mut self, call: &str, errno: Errno, error: &dyn Display) {
        let text = error.to_string();
        assert!(errno.is_error() && !text.is_empty(), "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
        self.note(&format!("{call} {errno}"));
    }

    fn attach(&mut self) {
        let spec = Spec::read(&mut self.script);
        let how = self.byte();
        let access = [AccessMode::ReadWrite, AccessMode::ReadOnly][how % 2];
        let contract = [Contract::Static, Contract::Dynamic, Contract::Revocable][how / 2 % 3];
        let (Some(buffer), true) = (&self.buffer, self.places.len() < MAX_ATTACHED) else {
            return;
        };
        let device = match spec.device() {
            Ok(device) => device,
            Err(error) => return self.note_error("device", error.errno(), &error),
        };
        let attached = if contract == Contract::Static {
            buffer.attach(&device, access, &Wait::not()).map(Attached::Static)
        } else {
            let importer = Arc::new(Patient(contract));
            let attached = buffer.attach_dynamic(&device, access, importer, &Wait::not());
            attached.map(Attached::Dynamic)
        };
        match attached {
            Ok(attached) => {
                self.note("attached");
                self.places.push(Place {
                    attached,
                    spec,
                    access,
                });
            }
            Err(error) => self.note_error("attach", error.errno(), &error),
        }
    }

    fn map(&mut self) {
        let (which, how) = (self.byte(), self.byte());
        let directions = [
            DataDirection::ToDevice,
            DataDirection::Bidirectional,
            DataDirection::FromDevice,
        ];
        let direction = directions[how % 3];
        let Some(index) = which.checked_rem(self.places.len()) else {
            return;
        };
        let place = &self.places[index];
        let mapped = match &place.attached {
            Attached::Static(one) => one.map(direction, &Wait::not()).map(Mapped::Static),
            Attached::Dynamic(one) => one.map_unlocked(direction, &Wait::not()).map(Mapped::Dynamic),
        };
        match mapped {
            Ok(mapped) => {
                place.spec.check(segments(&mapped), self.size_bytes);
                let writes = direction != DataDirection::ToDevice;
                assert!(place.access == AccessMode::ReadWrite || !writes);
                let has_moved = self.exporter.has_moved();
                self.mapped.push(mapped);
                self.note("mapped");
                if has_moved {
                    self.note("mapped after a move");
                }
            }
            Err(error) => self.note_error("map", error.errno(), &error),
        }
    }

    fn unmap(&mut self) {
        let (which, how) = (self.byte(), self.byte());
        let Some(index) = which.checked_rem(self.mapped.len()) else {
            return;
        };
        let refused = match self.mapped.swap_remove(index) {
            dropped if how % 2 == 0 => {
                drop(dropped);
                None
            }
            Mapped::Static(mapping) => {
                let refused = mapping.unmap(&Wait::not()).err();
                refused.map(|error| (error.errno(), error.to_string()))
            }
            Mapped::Dynamic(mapping) => {
                let refused = mapping.unmap_unlocked(&Wait::not()).err();
                refused.map(|error| (error.errno(), error.to_string()))
            }
        };
        match refused {
            Some((errno, text)) => self.note_error("unmap", errno, &text),
            None => self.note("unmapped"),
        }
    }

    fn detach(&mut self) {
        let (which, how) = (self.byte(), self.byte());
        let Some(index) = which.checked_rem(self.places.len()) else {
            return;
        };
        let Place {
            attached,
            spec,
            access,
        } = self.places.swap_remove(index);
        let refused = match attached {
            dropped if how % 4 == 0 => {
                drop(dropped);
                None
            }
            Attached::Static(one) => {
                let refused = one.detach().err();
                refused.map(|error| (error.to_string(), Attached::Static(error.into_attachment())))
            }
            Attached::Dynamic(one) => {
                let refused = one.detach().err();
                refused.map(|error| (error.to_string(), Attached::Dynamic(error.into_attachment())))
            }
        };
        match refused {
            Some((text, attached)) => {
                assert!(!self.mapped.is_empty() || !self.pins.is_empty(), "{text}");
                self.places.push(Place {
                    attached,
                    spec,
                    access,
                });
                self.note("detach refused");
            }
            None => self.note("detached"),
        }
    }

    fn pin(&mut self) {
        let which = self.byte();
        let Some(index) = which.checked_rem(self.places.len()) else {
            return;
        };
        let Attached::Dynamic(attachment) = &self.places[index].attached else {
            return;
        };
        let reservation = Arc::clone(&self.reservation);
        let guard = reservation.lock(&Wait::not()).expect("nobody holds it");
        match attachment.pin(&guard) {
            Ok(pin) => {
                self.pins.push(pin);
                self.note("pinned");
            }
            Err(error) => self.note_error("pin", error.errno(), &error),
        }
    }

    fn unpin(&mut self) {
        let which = self.byte();
        if let Some(index) = which.checked_rem(self.pins.len()) {
            drop(self.pins.swap_remove(index));
            self.note("unpinned");
        }
    }

    /// The exporter moves its buffer.
    fn move_buffer(&mut self) {
        let reservation = Arc::clone(&self.reservation);
        let guard = reservation.lock(&Wait::not()).expect("nobody holds it");
        let exporter = self.exporter.clone();
        let moved = exporter.control().move_buffer(&guard, || exporter.go_elsewhere());
        match moved {
            Ok(_) => self.note("moved"),
            Err(error) => self.note_error("move", error.errno(), &error),
        }
    }

    /// Things after which not much happens.
    fn rarely(&mut self) {
        match self.byte() % 8 {
            0 => {
                let reservation = Arc::clone(&self.reservation);
                let guard = reservation.lock(&Wait::not()).expect("nobody holds it");
                match self.exporter.control().revoke(&guard) {
                    Ok(_) => self.note("revoked"),
                    Err(error) => self.note_error("revoke", error.errno(), &error),
                }
            }
            1 => self.buffer = None,
            _ => {
                if let Some(buffer) = &self.buffer {
                    let shown = buffer.snapshot().to_string();
                    assert!(!shown.replace('\n', "").contains(char::is_control), "{shown:?}");
                }
            }
        }
    }

    /// Lets go of everything, in the order that the script says.
    fn end(mut self) -> BTreeSet<String> {
        let order = self.byte();
        if order % 2 == 0 {
            self.places.clear();
        }
        self.pins.clear();
        self.buffer = None;
        self.mapped.clear();
        self.places.clear();
        self.exporter.assert_right();
        self.exporter.assert_over();
        self.reached
    }
}

fn byte(script: &mut Unstructured<'_>) -> u8 {
    script.arbitrary().unwrap_or(0)
}

fn segments(mapped: &Mapped) -> &[SgSegment] {
    match mapped {
        Mapped::Static(mapping) => mapping.segments(),
        Mapped::Dynamic(mapping) => mapping.segments(),
    }
}
