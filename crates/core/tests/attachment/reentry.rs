//! Exporters and importers that call back, and calls that meet in the middle of others.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use wharf_core::dma::Requirements;
use wharf_core::{
    AttachmentInfo, Backing, DmaBuf, DmaExporter, DynamicExporter, ExportInfo, Exporter, ExporterControl,
    MapOps, MapRequest, MismatchPolicy, Refusal, ReservationGuard, SgTable, StaticExporter,
};

use crate::support::{Heap, SIZE};

type Hook = Box<dyn Fn(&str, Option<&ReservationGuard<'_>>) + Send + Sync>;

/// A heap that does something of its own in some of its calls: in "backing", "allocate", "pin", "map", "unmap" and "caches_mappings".
#[derive(Clone)]
pub(crate) struct Hooked {
    pub(crate) heap: Heap,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
}

impl Hooked {
    pub(crate) fn new(heap: Heap) -> Self {
        Self {
            heap,
            hook: Arc::default(),
        }
    }

    pub(crate) fn export(&self, mismatch: MismatchPolicy) -> DmaBuf {
        DmaBuf::export(ExportInfo {
            mismatch,
            ..ExportInfo::new(self.clone(), SIZE)
        })
        .unwrap()
    }

    pub(crate) fn on_call(&self, hook: impl Fn(&str, Option<&ReservationGuard<'_>>) + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(Box::new(hook)));
    }

    fn call(&self, name: &str, guard: Option<&ReservationGuard<'_>>) {
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(name, guard);
        }
    }
}

impl Exporter for Hooked {
    fn name(&self) -> &str {
        "hooked"
    }

    fn exported(&self, control: ExporterControl) {
        self.heap.exported(control);
    }

    fn map_ops(&self) -> MapOps<'_> {
        match self.heap.map_ops() {
            MapOps::Dynamic(_) => MapOps::Dynamic(self),
            _ => MapOps::Static(self),
        }
    }
}

impl DmaExporter for Hooked {
    fn attach(&self, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.heap.attach(attachment)
    }

    fn detach(&self, attachment: &AttachmentInfo) {
        self.heap.detach(attachment);
    }

    fn backing(&self) -> Backing {
        self.call("backing", None);
        self.heap.backing()
    }

    fn allocate(&self, requirements: &Requirements) -> Result<(), Refusal> {
        self.call("allocate", None);
        self.heap.allocate(requirements)
    }
}

impl StaticExporter for Hooked {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.call("map", None);
        StaticExporter::map(&self.heap, request)
    }

    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
        self.call("unmap", None);
        StaticExporter::unmap(&self.heap, request, table);
    }

    fn caches_mappings(&self) -> bool {
        self.call("caches_mappings", None);
        self.heap.caches_mappings()
    }
}

impl DynamicExporter for Hooked {
    fn pin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) -> Result<(), Refusal> {
        self.call("pin", Some(guard));
        self.heap.pin(guard, attachment)
    }

    fn unpin(&self, guard: &ReservationGuard<'_>, attachment: &AttachmentInfo) {
        self.heap.unpin(guard, attachment);
    }

    fn map(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        self.call("map", Some(guard));
        DynamicExporter::map(&self.heap, guard, request)
    }

    fn unmap(&self, guard: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable) {
        self.call("unmap", Some(guard));
        DynamicExporter::unmap(&self.heap, guard, request, table);
    }

    fn relocate(&self, guard: &ReservationGuard<'_>, requirements: &Requirements) -> Result<(), Refusal> {
        self.heap.relocate(guard, requirements)
    }
}

/// Does something that must not hang, on a thread of its own.
pub(crate) fn in_bounded_time<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || done.send(what()));
    match outcome.recv_timeout(Duration::from_secs(20)) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(payload) => std::panic::resume_unwind(payload),
            Ok(_) => unreachable!("it has sent its outcome"),
        },
    }
}

mod calling_back;
mod holding;
