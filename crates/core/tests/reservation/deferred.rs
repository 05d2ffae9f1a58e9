//! Work that is left for whoever holds the lock: mappings and attachments that are dropped at any moment.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use wharf_core::dma::{DeviceUse, PhysicalRun};
use wharf_core::{
    AccessMode, AcquireCtx, AttachmentInfo, DataDirection, Deadline, Device, DmaBuf, DmaExporter, DmaLimits,
    DynamicAttachment, DynamicExporter, DynamicMapping, ExportInfo, Exporter, Importer, MapOps, MapRequest,
    Notice, RESERVATION_CLASS, Refusal, Reservation, ReservationGuard, SgTable, Storage, Wait,
};

use crate::tools::{lock, patience};

const SIZE: u64 = 4096;

/// What the exporter was asked, on which thread, and whether the reservations that it looks at were locked.
type Entry = (&'static str, ThreadId, Vec<bool>);

/// A dynamic exporter that notes its calls. Cloning gives the same.
#[derive(Clone, Default)]
struct Noting(Arc<Shared>);

#[derive(Default)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    /// What is looked at, at each call.
    watched: OnceLock<Vec<Arc<Reservation>>>,
    /// What unmap drops, one at each call.
    stash: Mutex<Vec<DynamicMapping>>,
    panics: OnceLock<()>,
}

impl Noting {
    fn note(&self, call: &'static str) {
        let watched = self.0.watched.get().map(Vec::as_slice).unwrap_or_default();
        let locked = watched.iter().map(|one| one.is_locked()).collect();
        self.0
            .entries
            .lock()
            .unwrap()
            .push((call, thread::current().id(), locked));
    }

    fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.0.entries.lock().unwrap())
    }

    /// The calls since the last look, each with whether the first reservation was locked.
    fn calls(&self) -> Vec<(&'static str, bool)> {
        self.take()
            .into_iter()
            .map(|(call, _, locked)| (call, locked[0]))
            .collect()
    }

    fn export(&self) -> DmaBuf {
        let buffer = DmaBuf::export(ExportInfo::new(self.clone(), SIZE)).unwrap();
        let _ = self.0.watched.set(vec![Arc::clone(buffer.reservation())]);
        buffer
    }
}

impl Exporter for Noting {
    fn name(&self) -> &str {
        "noting"
    }

    fn map_ops(&self) -> MapOps<'_> {
        MapOps::Dynamic(self)
    }

    fn release(&mut self) {
        self.note("release");
    }
}

impl DmaExporter for Noting {
    fn detach(&self, _: &AttachmentInfo) {
        self.note("detach");
    }
}

impl DynamicExporter for Noting {
    fn pin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        self.note("pin");
        Ok(())
    }

    fn unpin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) {
        self.note("unpin");
    }

    fn map(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        let run = PhysicalRun {
            address: 0,
            length_bytes: SIZE,
        };
        request
            .attachment
            .map(&Storage::new([run]).unwrap(), request.direction)
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, _: &MapRequest<'_>, _: &SgTable) {
        assert!(guard.reservation().is_locked());
        self.note("unmap");
        let next = self.0.stash.lock().unwrap().pop();
        drop(next);
        assert!(self.0.panics.get().is_none(), "told to panic");
    }
}

struct Silent;

impl Importer for Silent {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn device() -> DeviceUse {
    Device::new("gpu", DmaLimits::unconstrained())
        .unwrap()
        .using_all()
        .unwrap()
}

fn attach(buffer: &DmaBuf) -> DynamicAttachment {
    buffer
        .attach_dynamic(&device(), AccessMode::ReadWrite, Arc::new(Silent), &Wait::not())
        .unwrap()
}

fn map(attachment: &DynamicAttachment) -> DynamicMapping {
    attachment
        .map_unlocked(DataDirection::ToDevice, &Wait::not())
        .unwrap()
}

#[test]
fn mapping_dropped_without_the_lock_is_unmapped_at_once_under_it() {
    let exporter = Noting::default();
    let attachment = attach(&exporter.export());
    drop(map(&attachment));
    assert_eq!(exporter.calls(), [("unmap", true)]);
}

#[test]
fn mapping_dropped_under_the_lock_is_unmapped_when_it_is_unlocked() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let attachment = attach(&buffer);
    let mappings = [map(&attachment), map(&attachment)];
    let guard = lock(buffer.reservation());
    drop(mappings);
    assert!(exporter.take().is_empty());
    drop(guard);
    assert_eq!(exporter.calls(), [("unmap", true), ("unmap", true)]);
}

#[test]
fn everything_dropped_under_the_lock_ends_in_order_and_outside_of_it_what_belongs_there() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let reservation = Arc::clone(buffer.reservation());
    let attachment = attach(&buffer);
    let mapping = map(&attachment);
    let guard = lock(&reservation);
    let pin = attachment.pin(&guard).unwrap();
    exporter.take();
    drop(buffer);
    drop(pin);
    drop(attachment);
    drop(mapping);
    assert!(exporter.take().is_empty());
    drop(guard);
    assert_eq!(
        exporter.calls(),
        [
            ("unpin", true),
            ("unmap", true),
            ("detach", false),
            ("release", false)
        ]
    );
}

#[test]
fn work_that_leaves_more_work_is_done_to_the_end() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let attachment = attach(&buffer);
    let first = map(&attachment);
    for _ in 0..3 {
        exporter.0.stash.lock().unwrap().push(map(&attachment));
    }
    let guard = lock(buffer.reservation());
    drop(first);
    drop(guard);
    assert_eq!(exporter.calls(), [("unmap", true); 4]);
    assert!(!buffer.reservation().is_locked());
}

#[test]
fn work_that_panics_does_not_keep_the_rest_from_being_done() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let attachment = attach(&buffer);
    let mappings = [map(&attachment), map(&attachment)];
    exporter.0.panics.set(()).unwrap();
    let guard = lock(buffer.reservation());
    drop(mappings);
    drop(attachment);
    drop(guard);
    assert_eq!(
        exporter.calls(),
        [("unmap", true), ("unmap", true), ("detach", false)]
    );
    assert!(!buffer.reservation().is_locked());
}

#[test]
fn work_is_done_by_the_thread_that_holds_the_lock() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let attachment = attach(&buffer);
    let mapping = map(&attachment);
    let guard = lock(buffer.reservation());
    thread::scope(|scope| {
        scope.spawn(move || drop(mapping));
    });
    assert!(exporter.take().is_empty());
    drop(guard);
    let entries = exporter.take();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].1, thread::current().id());
}

/// Whoever gets the lock next finds nothing left to do.
#[test]
fn work_is_done_before_the_lock_goes_to_the_next_thread() {
    let exporter = Noting::default();
    let buffer = exporter.export();
    let attachment = attach(&buffer);
    for _ in 0..50 {
        let mapping = map(&attachment);
        let guard = lock(buffer.reservation());
        thread::scope(|scope| {
            let next = scope.spawn(|| {
                let _guard = buffer.reservation().lock(&patience()).unwrap();
                exporter.take().len()
            });
            drop(mapping);
            thread::yield_now();
            drop(guard);
            assert_eq!(next.join().unwrap(), 1);
        });
    }
}

#[test]
fn context_that_locks_all_does_the_work_when_it_gives_up() {
    let exporter = Noting::default();
    let (buffer, taken) = (exporter.export(), Reservation::new());
    let attachment = attach(&buffer);
    let mapping = map(&attachment);
    let own = buffer.reservation();
    let _held = lock(&taken);
    thread::scope(|scope| {
        let impatient = scope.spawn(|| {
            let context = AcquireCtx::new(&RESERVATION_CLASS);
            let bounds = Wait::until(Deadline::after(Duration::from_millis(100)));
            Reservation::lock_all(&context, &[own, &taken], &bounds).map(drop)
        });
        await_that("the other thread has the first lock", || own.is_locked());
        drop(mapping);
        assert!(impatient.join().unwrap().is_err());
    });
    assert_eq!(exporter.calls(), [("unmap", true)]);
}

/// An older context comes for what a younger one waits for: the younger one gives up what it holds, and has to do what was left for it.
#[test]
fn context_that_backs_off_does_the_work() {
    let exporter = Noting::default();
    let (buffer, contended) = (exporter.export(), Reservation::new());
    let attachment = attach(&buffer);
    let mapping = map(&attachment);
    let own = buffer.reservation();
    let held = lock(&contended);
    thread::scope(|scope| {
        let (opened, is_open) = channel();
        let (come, comes) = channel();
        let contended = &contended;
        scope.spawn(move || {
            let older = AcquireCtx::new(&RESERVATION_CLASS);
            opened.send(()).unwrap();
            comes.recv().unwrap();
            drop(contended.lock_in(&older, &patience()).unwrap());
        });
        is_open.recv().unwrap();
        scope.spawn(move || {
            let younger = AcquireCtx::new(&RESERVATION_CLASS);
            drop(Reservation::lock_all(&younger, &[own, contended], &patience()).unwrap());
        });
        await_that("the younger context has the first lock", || own.is_locked());
        drop(mapping);
        come.send(()).unwrap();
        await_that("the mapping is gone", || exporter.calls() == [("unmap", true)]);
        drop(held);
    });
    assert!(!own.is_locked() && !contended.is_locked());
}

#[test]
fn what_follows_unlocking_a_set_runs_without_any_of_its_locks() {
    let exporters = [Noting::default(), Noting::default()];
    let buffers = exporters
        .each_ref()
        .map(|exporter| DmaBuf::export(ExportInfo::new(exporter.clone(), SIZE)).unwrap());
    let reservations = buffers.each_ref().map(|buffer| Arc::clone(buffer.reservation()));
    for exporter in &exporters {
        exporter.0.watched.set(reservations.to_vec()).unwrap();
    }
    let mappings = buffers.each_ref().map(|buffer| map(&attach(buffer)));
    exporters.iter().for_each(|exporter| drop(exporter.take()));
    let context = AcquireCtx::new(&RESERVATION_CLASS);
    let [first, second] = reservations.each_ref().map(|one| &**one);
    let set = Reservation::lock_all(&context, &[first, second], &Wait::not()).unwrap();
    drop(mappings);
    drop(set);
    for exporter in exporters {
        let entries = exporter.take();
        let calls: Vec<_> = entries.iter().map(|(call, ..)| *call).collect();
        assert_eq!(calls, ["unmap", "detach"]);
        assert_eq!(entries[1].2, [false, false]);
    }
}

/// Waits for what another thread is about to do.
fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        thread::yield_now();
    }
}
