//! A user's address space: a table of pages, and a CPU that faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_core::{
    AccessMode, Coherency, DmaBuf, Errno, FaultKind, MappingBackend, PAGE_BYTES, PageRun, Refusal, Storage,
    UserArea, UserMapping,
};

/// The pages that are present, counted from the start of the mapping.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<BTreeMap<u64, AccessMode>>>);

impl Table {
    fn with<T>(&self, then: impl FnOnce(&mut BTreeMap<u64, AccessMode>) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MappingBackend for Table {
    fn insert_pages(&self, pages: PageRun, access: AccessMode, _: Coherency) -> Result<(), Refusal> {
        let run = pages.mapping_page..pages.mapping_page + pages.page_count;
        self.with(|table| table.extend(run.map(|page| (page, access))));
        Ok(())
    }

    fn remove_pages(&self, pages: PageRun) -> Result<(), Refusal> {
        let run = pages.mapping_page..pages.mapping_page + pages.page_count;
        self.with(|table| table.retain(|page, _| !run.contains(page)));
        Ok(())
    }
}

pub(crate) struct User {
    pub(crate) mapping: UserMapping,
    pub(crate) buffer: DmaBuf,
    table: Table,
}

impl User {
    /// Asks for a mapping, of the buffer itself or, with a page to redirect to, of an importer.
    pub(crate) fn map(
        buffer: &DmaBuf,
        first_page: u64,
        page_count: u64,
        access: AccessMode,
        redirect_to: Option<u64>,
    ) -> Result<Self, Errno> {
        let table = Table::default();
        let area = UserArea {
            first_page,
            page_count,
            access,
            backend: Box::new(table.clone()),
        };
        let mapping = match redirect_to {
            None => buffer.map_user(area),
            Some(page) => buffer.redirect_user_mapping(area, page),
        };
        Ok(Self {
            mapping: mapping.map_err(|error| error.errno())?,
            buffer: buffer.clone(),
            table,
        })
    }

    /// Touches bytes of one page, and returns where they are in the buffer.
    pub(crate) fn touch(&self, offset_bytes: u64, kind: FaultKind) -> Result<u64, Errno> {
        let page = offset_bytes / PAGE_BYTES;
        for _ in 0..8 {
            let present = self.table.with(|table| table.get(&page).copied());
            let enough = match kind {
                FaultKind::Write => present == Some(AccessMode::ReadWrite),
                _ => present.is_some(),
            };
            if enough {
                return Ok(self.mapping.pages().start * PAGE_BYTES + offset_bytes);
            }
            let resolved = self.mapping.fault(page, kind);
            resolved.map_err(|error| error.errno())?;
        }
        panic!("page {page} never came");
    }
}

/// Splits bytes at an offset by pages: where each part is, and where its bytes are in the slice.
pub(crate) fn by_pages(offset_bytes: u64, len: usize) -> Vec<(u64, std::ops::Range<usize>)> {
    let mut parts = Vec::new();
    let mut done = 0;
    while done < len {
        let at = offset_bytes + done as u64;
        let room = usize::try_from(PAGE_BYTES - at % PAGE_BYTES).unwrap();
        let end = len.min(done + room);
        parts.push((at, done..end));
        done = end;
    }
    parts
}

/// Returns where a buffer is.
pub(crate) fn storage_of(buffer: &DmaBuf) -> Storage {
    let probe = buffer.exporter::<super::Probe>().unwrap();
    probe.soft().storage().unwrap()
}
