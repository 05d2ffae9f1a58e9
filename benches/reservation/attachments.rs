//! Attaching, mapping, unmapping and detaching.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_core::dma::{DeviceUse, PhysicalRun};
use wharf_core::{
    AccessMode, Attachment, AttachmentInfo, DataDirection, Device, DmaBuf, DmaExporter, DmaLimits,
    DynamicExporter, ExportInfo, Exporter, Importer, MapOps, MapRequest, Notice, Refusal, ReservationGuard,
    SgTable, StaticExporter, Storage, Wait,
};

use crate::{CROWDS, Case, Outcome};

const SIZE: u64 = 4096;
const BATCH: u32 = 100;

/// An exporter of one page that is always there.
struct Page {
    is_dynamic: bool,
    storage: Storage,
}

impl Page {
    fn export(is_dynamic: bool) -> Outcome<DmaBuf> {
        let storage = Storage::new([PhysicalRun {
            address: 0,
            length_bytes: SIZE,
        }])?;
        Ok(DmaBuf::export(ExportInfo::new(
            Self { is_dynamic, storage },
            SIZE,
        ))?)
    }
}

impl Exporter for Page {
    fn name(&self) -> &str {
        "page"
    }

    fn map_ops(&self) -> MapOps<'_> {
        if self.is_dynamic {
            MapOps::Dynamic(self)
        } else {
            MapOps::Static(self)
        }
    }
}

impl DmaExporter for Page {}

impl StaticExporter for Page {
    fn map(&self, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        request.attachment.map(&self.storage, request.direction)
    }

    fn unmap(&self, request: &MapRequest<'_>, table: &SgTable) {
        request.attachment.unmap(table, request.direction);
    }
}

impl DynamicExporter for Page {
    fn pin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) -> Result<(), Refusal> {
        Ok(())
    }

    fn unpin(&self, _: &ReservationGuard<'_>, _: &AttachmentInfo) {}

    fn map(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>) -> Result<SgTable, Refusal> {
        request.attachment.map(&self.storage, request.direction)
    }

    fn unmap(&self, _: &ReservationGuard<'_>, request: &MapRequest<'_>, table: &SgTable) {
        request.attachment.unmap(table, request.direction);
    }
}

struct Silent;

impl Importer for Silent {
    fn move_notify(&self, _: &Notice<'_>) {}
}

fn device() -> Outcome<DeviceUse> {
    Ok(Device::new("gpu", DmaLimits::unconstrained())?.using_all()?)
}

/// What an attachment and a mapping are at the least: an entry in a list behind a lock, and a table.
fn plain() -> Case {
    let list: Mutex<Vec<Arc<u64>>> = Mutex::new(Vec::new());
    Case::new("Arc, Mutex<Vec>, Box", BATCH, move || {
        let lock = || list.lock().unwrap_or_else(PoisonError::into_inner);
        let attachment = Arc::new(1);
        lock().push(Arc::clone(&attachment));
        let table: Box<[(u64, u64)]> = vec![(0, SIZE)].into_boxed_slice();
        drop(black_box(table));
        black_box(lock().pop());
    })
}

fn static_pair(name: String, buffer: DmaBuf, others: Vec<Attachment>) -> Outcome<Case> {
    let device = device()?;
    Ok(Case::new(name, BATCH, move || {
        let _others = &others;
        let attachment = buffer.attach(&device, AccessMode::ReadWrite, &Wait::forever());
        let _ = black_box(attachment.map(|one| drop(one.map(DataDirection::ToDevice, &Wait::forever()))));
    }))
}

fn dynamic_pair(buffer: DmaBuf) -> Outcome<Case> {
    let device = device()?;
    let importer: Arc<dyn Importer> = Arc::new(Silent);
    Ok(Case::new("dynamic", BATCH, move || {
        let importer = Arc::clone(&importer);
        let attachment = buffer.attach_dynamic(&device, AccessMode::ReadWrite, importer, &Wait::forever());
        let _ = black_box(
            attachment.map(|one| drop(one.map_unlocked(DataDirection::ToDevice, &Wait::forever()))),
        );
    }))
}

fn map_only(buffer: &DmaBuf) -> Outcome<Case> {
    let attachment = buffer.attach(&device()?, AccessMode::ReadWrite, &Wait::forever())?;
    Ok(Case::new("static, only map and unmap", BATCH, move || {
        drop(black_box(
            attachment.map(DataDirection::ToDevice, &Wait::forever()),
        ));
    }))
}

pub(crate) fn cases() -> Outcome<Vec<Case>> {
    Ok(vec![
        plain(),
        static_pair("static".into(), Page::export(false)?, Vec::new())?,
        map_only(&Page::export(false)?)?,
        dynamic_pair(Page::export(true)?)?,
    ])
}

pub(crate) fn beside() -> Outcome<Vec<Case>> {
    let mut cases = Vec::new();
    for count in CROWDS {
        let (buffer, device) = (Page::export(false)?, device()?);
        let others: Result<Vec<_>, _> = (0..count)
            .map(|_| buffer.attach(&device, AccessMode::ReadWrite, &Wait::forever()))
            .collect();
        cases.push(static_pair(format!("{count}"), buffer, others?)?);
    }
    Ok(cases)
}
