//! Models of attaching to static exporters, whose calls no lock orders: against revocation, and against the first mapping.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p wharf-core --test loom_attach`.
#![cfg(loom)]

use std::sync::{Arc, OnceLock};

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use wharf_core::dma::{DeviceUse, PhysicalRun, Requirements};
use wharf_core::{
    AccessMode, AttachmentInfo, Backing, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits, Errno,
    ExportInfo, Exporter, ExporterControl, Importer, MapOps, MapRequest, Notice, Refusal, Revocable, SgTable,
    StaticExporter, Storage, Wait,
};

const SIZE: u64 = 4096;
const LOW: u64 = 0x1_0000;
const HIGH: u64 = 0x1_0000_0000;

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn memory(address: u64) -> Storage {
    let length_bytes = SIZE;
    Storage::new([PhysicalRun {
        address,
        length_bytes,
    }])
    .unwrap()
}

fn device(label: &str, limits: DmaLimits) -> DeviceUse {
    Device::new(label, limits).unwrap().using_all().unwrap()
}

/// A static exporter: where its memory is (0 if nowhere yet), and what it has given out.
#[derive(Clone)]
struct Heap(Arc<HeapState>);

struct HeapState {
    place: AtomicUsize,
    attached: AtomicUsize,
    mapped: AtomicUsize,
    control: OnceLock<ExporterControl>,
}

impl Heap {
    fn export(place: usize) -> (Self, DmaBuf) {
        let heap = Self(Arc::new(HeapState {
            place: AtomicUsize::new(place),
            attached: AtomicUsize::new(0),
            mapped: AtomicUsize::new(0),
            control: OnceLock::new(),
        }));
        let buffer = DmaBuf::export(ExportInfo::new(heap.clone(), SIZE)).unwrap();
        (heap, buffer)
    }

    fn place(&self) -> u64 {
        self.0.place.load(Relaxed) as u64
    }

    fn mapped(&self) -> usize {
        self.0.mapped.load(Relaxed)
    }
}

impl Exporter for Heap {
    fn name(&self) -> &str {
        "heap"
    }

    fn exported(&self, control: ExporterControl) {
        assert!(self.0.control.set(control).is_ok());
    }

    fn map_ops(&self) -> MapOps<'_> {
        MapOps::Static(self)
    }
}

impl DmaExporter for Heap {
    fn attach(&self, _: &AttachmentInfo) -> Result<(), Refusal> {
        self.0.attached.fetch_add(1, Relaxed);
        Ok(())
    }

    fn detach(&self, _: &AttachmentInfo) {
        self.0.attached.fetch_sub(1, Relaxed);
    }

    fn backing(&self) -> Backing {
        match self.place() {
            0 => Backing::Deferred,
            place => Backing::At(memory(place)),
        }
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        let suits = |place: &u64| requirements.allows(&memory(*place)).is_ok();
        let place = [HIGH, LOW]
            .into_iter()
            .find(suits)
            .expect("low suits everybody here");
        let before = self.0.place.swap(usize::try_from(place).unwrap(), Relaxed);
        assert_eq!(before, 0, "allocated twice");
        Ok(())
    }
}

impl StaticExporter for Heap {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.0.mapped.fetch_add(1, Relaxed);
        request.attachment.map(&memory(self.place()), request.direction)
    }

    fn unmap(&self, _: &MapRequest<'_>, _: &SgTable) {
        self.0.mapped.fetch_sub(1, Relaxed);
    }
}

#[derive(Default)]
struct Told(std::sync::atomic::AtomicUsize);

impl Importer for Told {
    fn move_notify(&self, _: &Notice<'_>) {}

    fn revocable(&self) -> Option<&dyn Revocable> {
        Some(self)
    }
}

impl Revocable for Told {
    fn revoked(&self, _: &Notice<'_>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// An importer that attaches while the buffer is taken away either is told, or is not attached. The memory is idle only when nothing of it is mapped.
#[test]
fn attaching_while_the_buffer_is_revoked_is_told_or_refused() {
    check(3, || {
        let (heap, buffer) = Heap::export(usize::try_from(LOW).unwrap());
        let told = Arc::new(Told::default());
        let importer = {
            let (buffer, told) = (buffer.clone(), Arc::clone(&told));
            thread::spawn(move || {
                let gpu = device("gpu", DmaLimits::unconstrained());
                buffer.attach_dynamic(&gpu, AccessMode::ReadWrite, told, &Wait::forever())
            })
        };
        let idle = {
            let control = heap.0.control.get().unwrap();
            let guard = control.reservation().lock(&Wait::forever()).unwrap();
            control.revoke(&guard).unwrap()
        };
        if idle.is_signaled() {
            assert_eq!(heap.mapped(), 0, "idle, and a device has it mapped");
        }
        let attached = importer.join().unwrap();
        match &attached {
            Ok(_) => assert_eq!(told.0.load(Relaxed), 1),
            Err(error) => assert_eq!(error.errno(), Errno::ENODEV),
        }
        drop(attached);
        assert!(idle.is_signaled());
        assert_eq!((heap.mapped(), heap.0.attached.load(Relaxed)), (0, 0));
    });
}

/// A device that attaches while another maps for the first time: the memory is allocated to suit it too, or it is told that it came too late.
#[test]
fn attaching_during_the_first_mapping_counts_or_comes_too_late() {
    check(3, || {
        let (heap, buffer) = Heap::export(0);
        let gpu = device("gpu", DmaLimits::unconstrained());
        let gpu = buffer
            .attach(&gpu, AccessMode::ReadWrite, &Wait::forever())
            .unwrap();
        let late = {
            let buffer = buffer.clone();
            thread::spawn(move || {
                let limits = DmaLimits::builder().address_mask(HIGH - 1).build().unwrap();
                let camera = device("camera", limits);
                buffer.attach(&camera, AccessMode::ReadWrite, &Wait::forever())
            })
        };
        let mapping = gpu.map(DataDirection::ToDevice, &Wait::forever()).unwrap();
        match late.join().unwrap() {
            Ok(_) => assert_eq!(heap.place(), LOW),
            Err(error) => assert_eq!((error.errno(), heap.place()), (Errno::EBUSY, HIGH)),
        }
        drop(mapping);
        assert_eq!(heap.mapped(), 0);
    });
}
