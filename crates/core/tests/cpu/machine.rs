//! A machine without coherent caches: a byte of memory for each page, a cache of the CPU before it, and page tables.
//!
//! What the CPU writes is in the cache until it is flushed; what is invalidated is lost. It records what it is asked and
//! misbehaves on demand.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wharf_core::{
    AccessMode, Coherency, CoherencyDeclaration, CpuBytes, DataDirection, DmaBuf, Errno, ExportInfo,
    Exporter, FaultKind, FaultTrackedExporter, MapUserError, MappingBackend, PAGE_BYTES, PageRun, Refusal,
    ReservationGuard, SecondRange, UserArea, UserMapping, UserMappingError, UserMappingExporter,
    VmapExporter,
};

/// A call of the exporter or of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Begin(Range<u64>, DataDirection),
    End(Range<u64>, DataDirection),
    Allow(Range<u64>, AccessMode),
    Invalidate(u64),
    Flush(Range<u64>),
    Insert(usize, PageRun, AccessMode, Coherency),
    Remove(usize, PageRun),
    DropTable(usize),
    Vmap,
    Vunmap,
    Read(u64, usize),
    Write(u64, usize),
    Release,
    MapForDevice,
}

/// Where the machine can misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Begin,
    Bytes,
    BytesOps,
    VmapOps,
    Vmap,
    Vunmap,
    Ops,
    Allow,
    Invalidate,
    Flush,
    Insert,
    Remove,
    DropTable,
    Release,
}

/// What it does there.
#[derive(Clone)]
pub(crate) enum Act {
    Refuse(Errno),
    Panic,
    /// Does it right, and this before.
    Run(Arc<dyn Fn() + Send + Sync>),
}

impl Act {
    pub(crate) fn run(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Run(Arc::new(act))
    }
}

/// What the machine is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) declared: Coherency,
    pub(crate) second: SecondRange,
    /// Whether it has byte access, vmap and user mappings at all.
    pub(crate) has_ops: bool,
}

impl Kind {
    pub(crate) fn of(declared: Coherency) -> Self {
        Self {
            declared,
            second: SecondRange::SameAsFirst,
            has_ops: true,
        }
    }
}

pub(crate) struct State {
    pub(crate) kind: Kind,
    pub(crate) memory: Vec<u8>,
    pub(crate) cache: BTreeMap<u64, u8>,
    pub(crate) calls: Vec<Call>,
    acts: HashMap<Place, Act>,
    tables: Vec<BTreeMap<u64, AccessMode>>,
}

#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<State>>);

impl Machine {
    pub(crate) fn new(kind: Kind, pages: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            kind,
            memory: vec![0; pages],
            cache: BTreeMap::new(),
            calls: Vec::new(),
            acts: HashMap::new(),
            tables: Vec::new(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn export(&self) -> DmaBuf {
        let size_bytes = self.state().memory.len() as u64 * PAGE_BYTES;
        DmaBuf::export(ExportInfo::new(self.clone(), size_bytes)).expect("a machine can be exported")
    }

    pub(crate) fn on(&self, place: Place, act: Act) {
        self.state().acts.insert(place, act);
    }

    pub(crate) fn obey(&self, place: Place) {
        self.state().acts.remove(&place);
    }

    /// Returns the calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    pub(crate) fn area(&self, first_page: u64, page_count: u64, access: AccessMode) -> UserArea {
        let mut state = self.state();
        state.tables.push(BTreeMap::new());
        UserArea {
            first_page,
            page_count,
            access,
            backend: Box::new(Table {
                machine: self.clone(),
                number: state.tables.len() - 1,
            }),
        }
    }

    pub(crate) fn map(
        &self,
        buffer: &DmaBuf,
        first_page: u64,
        page_count: u64,
    ) -> Result<UserMapping, MapUserError> {
        buffer.map_user(self.area(first_page, page_count, AccessMode::ReadWrite))
    }

    /// Returns the pages that a mapping shows, counted from its start.
    pub(crate) fn present(&self, table: usize) -> Vec<(u64, AccessMode)> {
        let state = self.state();
        let pages = state.tables[table].iter();
        pages.map(|(page, access)| (*page, *access)).collect()
    }

    /// Writes as a CPU does: through the page table, with faults until the page is there.
    pub(crate) fn write(
        &self,
        mapping: &UserMapping,
        table: usize,
        page: u64,
        value: u8,
    ) -> Result<(), UserMappingError> {
        loop {
            let mut state = self.state();
            if state.tables[table].get(&page) == Some(&AccessMode::ReadWrite) {
                state.cache.insert(mapping.pages().start + page, value);
                return Ok(());
            }
            drop(state);
            mapping.fault(page, FaultKind::Write)?;
        }
    }

    pub(crate) fn read(
        &self,
        mapping: &UserMapping,
        table: usize,
        page: u64,
    ) -> Result<u8, UserMappingError> {
        loop {
            let mut state = self.state();
            if state.tables[table].contains_key(&page) {
                let number = mapping.pages().start + page;
                let memory = state.memory[usize::try_from(number).expect("a small number")];
                return Ok(*state.cache.entry(number).or_insert(memory));
            }
            drop(state);
            mapping.fault(page, FaultKind::Read)?;
        }
    }

    fn act(&self, place: Place) -> Result<(), Refusal> {
        let act = self.state().acts.get(&place).cloned();
        match act {
            None => Ok(()),
            Some(Act::Refuse(errno)) => Err(Refusal::new(errno, format!("told to refuse {place:?}"))),
            Some(Act::Panic) => panic!("told to panic in {place:?}"),
            Some(Act::Run(act)) => {
                act();
                Ok(())
            }
        }
    }

    fn called(&self, call: Call, place: Place) -> Result<(), Refusal> {
        self.state().calls.push(call);
        self.act(place)
    }
}

fn indices(pages: Range<u64>) -> impl Iterator<Item = (u64, usize)> {
    pages.map(|page| (page, usize::try_from(page).expect("a small number")))
}

impl FaultTrackedExporter for Machine {
    fn invalidate(&self, page: u64) -> Result<(), Refusal> {
        self.called(Call::Invalidate(page), Place::Invalidate)?;
        self.state().cache.remove(&page);
        Ok(())
    }

    fn flush(&self, pages: Range<u64>) -> Result<(), Refusal> {
        self.called(Call::Flush(pages.clone()), Place::Flush)?;
        let mut state = self.state();
        for (page, index) in indices(pages) {
            if let Some(value) = state.cache.get(&page).copied() {
                state.memory[index] = value;
            }
        }
        Ok(())
    }
}

impl UserMappingExporter for Machine {
    fn declare(&self) -> CoherencyDeclaration<'_> {
        match self.state().kind.declared {
            Coherency::Coherent => CoherencyDeclaration::Coherent,
            Coherency::FaultTracked => CoherencyDeclaration::FaultTracked(self),
            Coherency::Explicit => CoherencyDeclaration::Explicit,
        }
    }

    fn second_range(&self) -> SecondRange {
        self.state().kind.second
    }

    fn allow(&self, pages: Range<u64>, access: AccessMode) -> Result<(), Refusal> {
        self.called(Call::Allow(pages, access), Place::Allow)
    }
}

impl CpuBytes for Machine {
    fn read_at(&self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Refusal> {
        self.called(Call::Read(offset_bytes, into.len()), Place::Bytes)?;
        into.fill(0x5a);
        Ok(())
    }

    fn write_at(&self, offset_bytes: u64, from: &[u8]) -> Result<(), Refusal> {
        self.called(Call::Write(offset_bytes, from.len()), Place::Bytes)
    }
}

impl VmapExporter for Machine {
    fn vmap(&self, guard: &ReservationGuard<'_>) -> Result<Box<dyn CpuBytes>, Refusal> {
        assert!(guard.reservation().is_locked());
        self.called(Call::Vmap, Place::Vmap)?;
        Ok(Box::new(self.clone()))
    }

    fn vunmap(&self, guard: &ReservationGuard<'_>, mapped: Box<dyn CpuBytes>) {
        assert!(guard.reservation().is_locked());
        drop(mapped);
        let _ = self.called(Call::Vunmap, Place::Vunmap);
    }
}

impl Exporter for Machine {
    fn name(&self) -> &str {
        "machine"
    }

    fn begin_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.called(Call::Begin(range, direction), Place::Begin)
    }

    fn end_cpu_access(&self, range: Range<u64>, direction: DataDirection) -> Result<(), Refusal> {
        self.state().calls.push(Call::End(range, direction));
        Ok(())
    }

    fn cpu_bytes(&self) -> Option<&dyn CpuBytes> {
        self.act(Place::BytesOps).ok()?;
        self.state().kind.has_ops.then_some(self)
    }

    fn vmap_ops(&self) -> Option<&dyn VmapExporter> {
        self.act(Place::VmapOps).ok()?;
        self.state().kind.has_ops.then_some(self)
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        self.act(Place::Ops).ok()?;
        self.state().kind.has_ops.then_some(self)
    }

    fn release(&mut self) {
        let _ = self.called(Call::Release, Place::Release);
    }
}

/// A page table of the machine.
struct Table {
    machine: Machine,
    number: usize,
}

impl MappingBackend for Table {
    fn insert_pages(&self, pages: PageRun, access: AccessMode, coherency: Coherency) -> Result<(), Refusal> {
        self.machine
            .called(Call::Insert(self.number, pages, access, coherency), Place::Insert)?;
        let table = &mut self.machine.state().tables[self.number];
        table.extend((pages.mapping_page..pages.mapping_page + pages.page_count).map(|page| (page, access)));
        Ok(())
    }

    fn remove_pages(&self, pages: PageRun) -> Result<(), Refusal> {
        self.machine
            .called(Call::Remove(self.number, pages), Place::Remove)?;
        let gone = pages.mapping_page..pages.mapping_page + pages.page_count;
        self.machine.state().tables[self.number].retain(|page, _| !gone.contains(page));
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.machine.state().tables[self.number].clear();
        let _ = self
            .machine
            .called(Call::DropTable(self.number), Place::DropTable);
    }
}
