//! The CPU and moves: what holds a buffer in place, what is taken away first, and memory that the CPU needs before any device.

use std::sync::{Arc, Mutex};

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{
    AccessMode, Backing, Coherency, CoherencyDeclaration, CpuBytes, DmaBuf, Errno, ExportInfo, Exporter,
    ExporterControl, FaultKind, FaultTrackedExporter, Hold, MapOps, MappingBackend, MoveError, PageRun,
    Refusal, ReservationGuard, RevokeError, UserArea, UserMapping, UserMappingError, UserMappingExporter,
    VmapExporter,
};

use crate::support::{HIGH, Heap, LOW, Log, SIZE, Told, any, contiguous, forever};

/// A heap whose buffer the CPU can map.
#[derive(Clone)]
struct CpuHeap {
    heap: Heap,
    is_tracked: bool,
    on_allow: OnAllow,
}

type OnAllow = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

impl CpuHeap {
    fn export(backing: Backing, is_tracked: bool) -> (Self, DmaBuf) {
        let heap = Self {
            heap: Heap::dynamic(backing),
            is_tracked,
            on_allow: Arc::default(),
        };
        let buffer = DmaBuf::export(ExportInfo::new(heap.clone(), SIZE)).unwrap();
        (heap, buffer)
    }

    fn move_to(&self, buffer: &DmaBuf, place: u64, meanwhile: impl FnOnce()) -> Result<(), MoveError> {
        let guard = buffer.reservation().lock(&forever()).unwrap();
        let moved = self.heap.control().move_buffer(&guard, || {
            meanwhile();
            self.heap.set_place(place);
            Ok(())
        });
        moved.map(drop)
    }
}

impl Exporter for CpuHeap {
    fn name(&self) -> &str {
        "cpu-heap"
    }

    fn exported(&self, control: ExporterControl) {
        self.heap.exported(control);
    }

    fn map_ops(&self) -> MapOps<'_> {
        self.heap.map_ops()
    }

    fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
        Some(self)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(self)
    }
}

impl VmapExporter for CpuHeap {
    fn vmap(&self, _: &ReservationGuard<'_>) -> Result<Box<dyn CpuBytes>, Refusal> {
        Ok(Box::new(Zeroes))
    }
}

struct Zeroes;

impl CpuBytes for Zeroes {
    fn read_at(&self, _: u64, into: &mut [u8]) -> Result<(), Refusal> {
        into.fill(0);
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }
}

impl UserMappingExporter for CpuHeap {
    fn declare(&self) -> CoherencyDeclaration<'_> {
        if self.is_tracked {
            CoherencyDeclaration::FaultTracked(self)
        } else {
            CoherencyDeclaration::Coherent
        }
    }

    fn allow(&self, _: std::ops::Range<u64>, _: AccessMode) -> Result<(), Refusal> {
        if let Some(what) = &*self.on_allow.lock().unwrap() {
            what();
        }
        Ok(())
    }
}

impl FaultTrackedExporter for CpuHeap {
    fn invalidate(&self, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    fn flush(&self, _: std::ops::Range<u64>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Where the heap was when each page was inserted; empty when removed. Cloning gives the same.
#[derive(Clone)]
struct Seen {
    heap: Heap,
    place: Arc<Mutex<Option<Backing>>>,
}

impl MappingBackend for Seen {
    fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
        *self.place.lock().unwrap() = Some(self.heap.backing_now());
        Ok(())
    }

    fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
        *self.place.lock().unwrap() = None;
        Ok(())
    }
}

fn map(heap: &CpuHeap, buffer: &DmaBuf) -> (Seen, UserMapping) {
    let seen = Seen {
        heap: heap.heap.clone(),
        place: Arc::default(),
    };
    let area = UserArea {
        first_page: 0,
        page_count: 1,
        access: AccessMode::ReadWrite,
        backend: Box::new(seen.clone()),
    };
    (seen, buffer.map_user(area).unwrap())
}

fn at(place: u64) -> Option<Backing> {
    Some(Backing::At(contiguous(place)))
}

#[test]
fn moving_takes_tracked_pages_away_and_the_next_touch_finds_the_new_place() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), true);
    let (seen, mapping) = map(&heap, &buffer);
    mapping.fault(0, FaultKind::Write).unwrap();
    assert_eq!(*seen.place.lock().unwrap(), at(HIGH));
    heap.move_to(&buffer, LOW, || assert_eq!(*seen.place.lock().unwrap(), None))
        .unwrap();
    assert_eq!(*seen.place.lock().unwrap(), None);
    mapping.fault(0, FaultKind::Read).unwrap();
    assert_eq!(*seen.place.lock().unwrap(), at(LOW));
}

#[test]
fn touches_during_a_move_wait_for_it() {
    for _ in 0..50 {
        let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), true);
        let (seen, mapping) = map(&heap, &buffer);
        std::thread::scope(|scope| {
            let mut touching = None;
            heap.move_to(&buffer, LOW, || {
                touching = Some(scope.spawn(|| mapping.fault(0, FaultKind::Write)));
                std::thread::yield_now();
                assert_eq!(
                    *seen.place.lock().unwrap(),
                    None,
                    "nothing appears while the memory moves"
                );
            })
            .unwrap();
            touching.unwrap().join().unwrap().unwrap();
        });
        assert_eq!(*seen.place.lock().unwrap(), at(LOW));
    }
}

#[test]
fn mappings_that_cannot_be_taken_away_hold_the_buffer() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), false);
    let (_seen, mapping) = map(&heap, &buffer);
    assert_eq!(buffer.snapshot().user_mappings, 1);
    assert!(buffer.snapshot().to_string().contains(", 1 user mappings"));
    let MoveError::Held { holders, .. } = heap.move_to(&buffer, LOW, || ()).unwrap_err() else {
        panic!("not held");
    };
    assert_eq!(holders[0].how, Hold::UserMapped { mappings: 1 });
    drop(mapping);
    let vmap = buffer.vmap_unlocked(&forever()).unwrap();
    let error = heap.move_to(&buffer, LOW, || ()).unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    assert!(error.to_string().contains("'the CPU' (vmap)"), "{error}");
    drop(vmap);
    assert!(heap.move_to(&buffer, LOW, || ()).is_ok());
}

#[test]
fn revoking_takes_the_cpu_its_pages_and_gives_it_no_more() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), true);
    let (seen, mapping) = map(&heap, &buffer);
    mapping.fault(0, FaultKind::Write).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    heap.heap.control().revoke(&guard).unwrap();
    assert_eq!(buffer.vmap(&guard).unwrap_err().errno(), Errno::ENODEV);
    drop(guard);
    assert_eq!(*seen.place.lock().unwrap(), None);
    let error = mapping.fault(0, FaultKind::Read).unwrap_err();
    assert!(matches!(error, UserMappingError::Revoked { .. }), "{error}");
    assert_eq!(error.errno(), Errno::ENODEV);
    let refused = buffer.begin_cpu_access(.., ToDevice).unwrap_err();
    assert_eq!(refused.errno(), Errno::ENODEV);
    assert!(buffer.snapshot().is_revoked);
}

#[test]
fn what_the_cpu_cannot_give_up_keeps_the_buffer_from_being_revoked() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), false);
    let (_seen, mapping) = map(&heap, &buffer);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let error = heap.heap.control().revoke(&guard).unwrap_err();
    assert!(
        matches!(&error, RevokeError::NotRevocable { unable, .. } if unable.len() == 1),
        "{error}"
    );
    drop(mapping);
    assert!(heap.heap.control().revoke(&guard).is_ok());
}

#[test]
fn memory_that_the_cpu_needs_first_is_allocated_then_to_suit_who_is_attached() {
    type FirstUse = fn(&CpuHeap, &DmaBuf);
    let by: [(&str, FirstUse); 3] = [
        ("access", |_, buffer| {
            drop(buffer.begin_cpu_access(.., ToDevice).unwrap())
        }),
        ("vmap", |_, buffer| {
            drop(buffer.vmap_unlocked(&forever()).unwrap())
        }),
        ("user mapping", |heap, buffer| drop(map(heap, buffer))),
    ];
    for (name, first_use) in by {
        let (heap, buffer) = CpuHeap::export(Backing::Deferred, true);
        let _camera = buffer
            .attach_dynamic(
                &crate::support::low_only("camera"),
                ReadWrite,
                Told::new(&Log::default()),
                &forever(),
            )
            .unwrap();
        heap.heap.log().take();
        first_use(&heap, &buffer);
        assert_eq!(heap.heap.log().take(), ["allocate locked"], "{name}");
        assert_eq!(heap.heap.backing_now(), Backing::At(contiguous(LOW)), "{name}");
    }
}

#[test]
fn failed_allocation_reaches_the_cpu() {
    let (heap, buffer) = CpuHeap::export(Backing::Deferred, true);
    heap.heap.faults().allocate = Some(Errno::ENOMEM);
    assert_eq!(
        buffer.begin_cpu_access(.., ToDevice).unwrap_err().errno(),
        Errno::ENOMEM
    );
    assert_eq!(
        buffer.vmap_unlocked(&forever()).unwrap_err().errno(),
        Errno::ENOMEM
    );
    heap.heap.faults().allocate = None;
    assert!(buffer.begin_cpu_access(.., ToDevice).is_ok());
    let static_heap = Heap::new_static(Backing::Deferred);
    let buffer = static_heap.export(MapAtAttach);
    drop(buffer.begin_cpu_access(.., ToDevice).unwrap());
    assert_eq!(static_heap.log().take(), ["allocate unlocked"]);
    let _gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
}

/// Has something begun when its pages are inserted, and goes on without its end.
struct Meanwhile {
    begin: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl MappingBackend for Meanwhile {
    fn insert_pages(&self, _: PageRun, _: AccessMode, _: Coherency) -> Result<(), Refusal> {
        if let Some(begin) = self.begin.lock().unwrap().take() {
            begin();
            // Long enough for it to come where it has to wait; if it has not, the test only proves less.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Ok(())
    }

    fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Maps pages that cannot be taken away, and does something in another thread while they are inserted.
fn map_meanwhile<T: Send + 'static>(
    buffer: &DmaBuf,
    what: impl FnOnce() -> T + Send + 'static,
) -> (UserMapping, T) {
    let (done, outcome) = std::sync::mpsc::channel();
    let begin = move || drop(std::thread::spawn(move || done.send(what())));
    let area = UserArea {
        first_page: 0,
        page_count: 1,
        access: AccessMode::ReadWrite,
        backend: Box::new(Meanwhile {
            begin: Mutex::new(Some(Box::new(begin))),
        }),
    };
    let mapping = buffer.map_user(area).unwrap();
    (mapping, outcome.recv().unwrap())
}

#[test]
fn user_mapping_that_is_just_being_made_holds_the_buffer() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), false);
    let (mover, moved) = (heap.clone(), buffer.clone());
    let (_mapping, outcome) = map_meanwhile(&buffer, move || mover.move_to(&moved, LOW, || ()));
    assert!(matches!(outcome, Err(MoveError::Held { .. })), "{outcome:?}");
    assert_eq!(heap.heap.backing_now(), Backing::At(contiguous(HIGH)));
}

#[test]
fn user_mapping_that_is_just_being_made_keeps_the_buffer_from_being_moved_for_a_late_device() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), false);
    let late = buffer.clone();
    let (_mapping, outcome) = map_meanwhile(&buffer, move || {
        late.attach_dynamic(
            &crate::support::low_only("late"),
            ReadWrite,
            Told::new(&Log::default()),
            &forever(),
        )
        .map(drop)
    });
    assert_eq!(outcome.unwrap_err().errno(), Errno::EBUSY);
    assert_eq!(heap.heap.backing_now(), Backing::At(contiguous(HIGH)));
}

#[test]
fn user_mapping_that_is_just_being_made_keeps_the_buffer_from_being_revoked() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), false);
    let (revoker, revoked) = (heap.clone(), buffer.clone());
    let (_mapping, outcome) = map_meanwhile(&buffer, move || {
        let guard = revoked.reservation().lock(&forever()).unwrap();
        revoker.heap.control().revoke(&guard).map(drop)
    });
    assert!(
        matches!(outcome, Err(RevokeError::NotRevocable { .. })),
        "{outcome:?}"
    );
    assert!(!buffer.snapshot().is_revoked);
}

/// The exporter takes the buffer away after the first check of a mapping.
#[test]
fn buffer_revoked_while_it_is_being_mapped_is_not_mapped() {
    for is_tracked in [true, false] {
        let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), is_tracked);
        let revoker = heap.heap.clone();
        *heap.on_allow.lock().unwrap() = Some(Box::new(move || {
            let guard = revoker.control().reservation().lock(&forever()).unwrap();
            drop(revoker.control().revoke(&guard).unwrap());
        }));
        let area = UserArea {
            first_page: 0,
            page_count: 1,
            access: AccessMode::ReadWrite,
            backend: Box::new(Meanwhile {
                begin: Mutex::new(None),
            }),
        };
        let error = buffer.map_user(area).unwrap_err();
        assert_eq!(error.errno(), Errno::ENODEV, "{error}");
        *heap.on_allow.lock().unwrap() = None;
    }
}

/// As for [`DmaBuf::begin_cpu_access`]: only a dynamic exporter is asked for memory with the lock, where there is a choice.
#[test]
fn static_exporter_allocates_for_vmap_before_the_lock() {
    let heap = CpuHeap {
        heap: Heap::new_static(Backing::Deferred),
        is_tracked: false,
        on_allow: Arc::default(),
    };
    let buffer = DmaBuf::export(ExportInfo::new(heap.clone(), SIZE)).unwrap();
    drop(buffer.vmap_unlocked(&forever()).unwrap());
    assert_eq!(heap.heap.log().take(), ["allocate unlocked"]);
}

/// Has its buffer taken away as soon as somebody waits for it.
struct RevokesWhenWaitedFor(ExporterControl);

impl wharf_core::FenceOps for RevokesWhenWaitedFor {
    fn enable_signaling(&self) -> wharf_core::Signaling {
        let guard = self.0.reservation().lock(&forever()).unwrap();
        self.0.revoke(&guard).unwrap();
        wharf_core::Signaling::AlreadySignaled
    }
}

#[test]
fn buffer_revoked_while_the_cpu_waits_for_devices_is_not_accessed() {
    let (heap, buffer) = CpuHeap::export(Backing::At(contiguous(HIGH)), true);
    let ops = Box::new(RevokesWhenWaitedFor(heap.heap.control().clone()));
    let job = wharf_core::FenceContext::new("gpu", "render").fence_with(1, ops);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&job.fence(), wharf_core::Usage::Write).unwrap();
    drop(guard);
    let refused = buffer.begin_cpu_access(.., ToDevice).unwrap_err();
    assert_eq!(refused.errno(), Errno::ENODEV);
}

#[test]
fn vmap_that_the_exporter_does_not_have_allocates_nothing() {
    for heap in [
        Heap::dynamic(Backing::Deferred),
        Heap::new_static(Backing::Deferred),
    ] {
        let buffer = heap.export(MapAtAttach);
        let error = buffer.vmap_unlocked(&forever()).unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL, "{error}");
        assert_eq!(heap.backing_now(), Backing::Deferred);
    }
}
