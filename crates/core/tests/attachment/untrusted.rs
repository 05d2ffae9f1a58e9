//! Exporters and importers that lie or panic: they fail, and nobody else does. Contract: B5.

use std::sync::atomic::{AtomicBool, Ordering};

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::{Bidirectional, ToDevice};
use wharf_core::MismatchPolicy::{MapAtAttach, PinOnMap};
use wharf_core::{
    Backing, DmaBuf, DmaExporter, Errno, ExportInfo, Exporter, MapFault, MapOps, SgSegment, SgTable,
};

use crate::support::{HIGH, Heap, LOW, SIZE, Told, any, contiguous, forever, low_only};

fn table(segments: &[(u64, u64)]) -> SgTable {
    SgTable::new(segments.iter().map(|&(address, length_bytes)| SgSegment {
        address,
        length_bytes,
    }))
}

#[test]
fn tables_that_break_the_limits_are_taken_back() {
    let wrong = [
        table(&[]),
        table(&[(LOW, SIZE - 0x1000)]),
        table(&[(LOW, SIZE + 0x1000)]),
        table(&[(HIGH, SIZE)]),
        table(&[(LOW, SIZE), (LOW + SIZE, 0)]),
        table(&[(u64::MAX - 0xfff, SIZE)]),
    ];
    for wrong in wrong {
        let heap = Heap::new_static(Backing::At(contiguous(LOW)));
        let buffer = heap.export(MapAtAttach);
        let camera = buffer.attach(&low_only("camera"), ReadWrite, &forever()).unwrap();
        heap.log().take();
        heap.faults().wrong_table = Some(wrong.clone());
        let error = camera.map(ToDevice, &forever()).unwrap_err();
        assert_eq!(error.errno(), Errno::EIO, "{wrong:?}");
        assert!(matches!(error.fault(), MapFault::BadTable(_)), "{error}");
        assert_eq!(
            heap.log().take(),
            ["map ToDevice unlocked", "unmap ToDevice unlocked"]
        );
        heap.faults().wrong_table = None;
        assert!(camera.map(ToDevice, &forever()).is_ok());
    }
}

#[test]
fn panics_are_errors_and_leave_the_buffer_usable() {
    for call in ["attach", "pin", "map"] {
        let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
        let buffer = heap.export(MapAtAttach);
        heap.faults().panic_in = Some(call);
        let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
        assert_eq!(error.errno(), Errno::EIO, "{call}");
        assert!(error.to_string().contains("told to panic"), "{error}");
        heap.faults().panic_in = None;
        let camera = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
        assert!(camera.map(Bidirectional, &forever()).is_ok());
    }
}

#[test]
fn panics_at_the_end_are_contained_and_everything_else_still_ends() {
    for call in ["unmap", "unpin", "detach"] {
        let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
        let buffer = heap.export(PinOnMap);
        let camera = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
        let mapping = camera.map(ToDevice, &forever()).unwrap();
        heap.log().take();
        heap.faults().panic_in = Some(call);
        drop((mapping, camera, buffer));
        assert_eq!(
            heap.log().take(),
            [
                "unmap ToDevice at 0x100000000 locked",
                "unpin locked",
                "detach camera unlocked",
                "release"
            ],
            "{call}"
        );
    }
}

#[test]
fn importer_that_panics_when_asked_is_not_attached() {
    struct Panics;
    impl wharf_core::Importer for Panics {
        fn move_notify(&self, _: &wharf_core::Notice<'_>) {}

        fn revocable(&self) -> Option<&dyn wharf_core::Revocable> {
            panic!("told to panic");
        }
    }
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let error = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, std::sync::Arc::new(Panics), &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    assert!(heap.log().take().is_empty(), "the exporter was not asked");
}

/// A dynamic exporter that claims later to be static.
struct Turncoat {
    heap: Heap,
    turned: std::sync::Arc<AtomicBool>,
}

impl Exporter for Turncoat {
    fn name(&self) -> &str {
        "turncoat"
    }

    fn exported(&self, control: wharf_core::ExporterControl) {
        self.heap.exported(control);
    }

    fn map_ops(&self) -> MapOps<'_> {
        if self.turned.load(Ordering::Relaxed) {
            MapOps::Static(&self.heap)
        } else {
            MapOps::Dynamic(&self.heap)
        }
    }
}

#[test]
fn exporter_stays_what_it_was_at_export() {
    let turned = std::sync::Arc::new(AtomicBool::new(false));
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let turncoat = Turncoat {
        heap: heap.clone(),
        turned: std::sync::Arc::clone(&turned),
    };
    let buffer = DmaBuf::export(ExportInfo::new(turncoat, SIZE)).unwrap();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    turned.store(true, Ordering::Relaxed);
    let error = gpu.map_unlocked(ToDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    assert!(error.to_string().contains("another kind"), "{error}");
    drop((mapping, gpu, buffer));
}

#[test]
fn exporter_of_deferred_memory_that_cannot_allocate_is_blamed() {
    struct Promises;
    impl Exporter for Promises {
        fn name(&self) -> &str {
            "promises"
        }

        fn map_ops(&self) -> MapOps<'_> {
            MapOps::Static(self)
        }
    }
    impl DmaExporter for Promises {
        fn backing(&self) -> Backing {
            Backing::Deferred
        }
    }
    impl wharf_core::StaticExporter for Promises {
        fn map(&self, _: &wharf_core::MapRequest<'_>) -> Result<SgTable, wharf_core::Refusal> {
            panic!("there is nothing to map");
        }

        fn unmap(&self, _: &wharf_core::MapRequest<'_>, _: &SgTable) {}
    }
    let buffer = DmaBuf::export(ExportInfo::new(Promises, SIZE)).unwrap();
    let camera = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    let error = camera.map(ToDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    assert!(error.to_string().contains("cannot allocate"), "{error}");
}

/// Panics when it is dropped.
struct PanicsWhenDropped;

impl wharf_core::Importer for PanicsWhenDropped {
    fn move_notify(&self, _: &wharf_core::Notice<'_>) {}
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("told to panic");
    }
}

#[test]
fn importer_that_panics_when_it_is_dropped_is_contained() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let importer = std::sync::Arc::new(PanicsWhenDropped);
    let attachment = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, importer, &forever())
        .unwrap();
    heap.log().take();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop((attachment, buffer))));
    assert!(outcome.is_ok());
    assert_eq!(heap.log().take(), ["detach gpu unlocked", "release"]);
}
