//! A set with heaps of soft memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_core::negotiation::{HeapOffer, MemoryPlan};
use wharf_core::set::local::{Generation, LocalSet, SetHeap, SetMember, SetToken};
use wharf_core::set::{FailureDomain, LatePolicy, Rights, SetConfig, TokenSpec};
use wharf_core::{DataDirection, Deadline, DmaBuf, Errno, MismatchPolicy, Refusal, Wait};
use wharf_testkit::soft::{Placement, SoftExporter, SoftMachine};

use crate::fake::{Fake, heap, participant};

pub(crate) const PAGE: u64 = 4096;

/// What a heap does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Flaw {
    #[default]
    None,
    TooSmall,
    Panics,
    Empty,
}

/// Something that happens once.
pub(crate) type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Memory of a soft machine.
pub(crate) struct SoftHeap {
    pub(crate) machine: SoftMachine,
    pub(crate) name: &'static str,
    pub(crate) flaw: Flaw,
    pub(crate) is_dynamic: bool,
    /// How many more allocations go well.
    pub(crate) left: Arc<AtomicUsize>,
    /// What happens, once, while it allocates.
    pub(crate) meanwhile: Meanwhile,
}

impl SoftHeap {
    pub(crate) fn new(machine: &SoftMachine, name: &'static str) -> Self {
        Self {
            machine: machine.clone(),
            name,
            flaw: Flaw::None,
            is_dynamic: false,
            left: Arc::new(AtomicUsize::new(usize::MAX)),
            meanwhile: Meanwhile::default(),
        }
    }
}

impl SetHeap for SoftHeap {
    fn offer(&self) -> HeapOffer {
        heap(self.name)
    }

    fn allocate(&self, memory: &MemoryPlan) -> Result<DmaBuf, Refusal> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let size_bytes = match self.flaw {
            Flaw::None => memory.size_bytes,
            Flaw::TooSmall => memory.size_bytes - PAGE,
            Flaw::Panics => panic!("out of ideas"),
            Flaw::Empty => return Err(Refusal::new(Errno::ENOMEM, "empty")),
        };
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| Refusal::new(Errno::ENOMEM, "used up"))?;
        let exporter = SoftExporter::placed(&self.machine, "frame", size_bytes, Placement::contiguous());
        let exporter = if self.is_dynamic {
            exporter.dynamic()
        } else {
            exporter
        };
        let made = exporter.export(MismatchPolicy::default());
        made.map_err(|error| Refusal::new(error.errno(), error.to_string()))
    }
}

/// A set, its creator's token and the memory there is.
pub(crate) struct Stage {
    pub(crate) set: LocalSet,
    pub(crate) root: SetToken,
    pub(crate) machine: SoftMachine,
}

pub(crate) fn soon() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_millis(20)))
}

pub(crate) fn long() -> Wait<'static> {
    Wait::until(Deadline::after(Duration::from_secs(20)))
}

pub(crate) fn machine() -> SoftMachine {
    SoftMachine::new([0..=0xff_ffff])
}

impl Stage {
    pub(crate) fn new() -> Self {
        let machine = machine();
        Self::with(vec![SoftHeap::new(&machine, "near")], |config| config)
    }

    pub(crate) fn with(heaps: Vec<SoftHeap>, change: impl FnOnce(SetConfig) -> SetConfig) -> Self {
        let machine = heaps[0].machine.clone();
        let heaps = heaps.into_iter().map(|heap| Box::new(heap) as Box<dyn SetHeap>);
        let config = SetConfig {
            late: LatePolicy::Reallocate,
            ..SetConfig::new("creator")
        };
        let patience = Duration::from_millis(100);
        let (set, root) =
            LocalSet::create(change(config), heaps.collect(), Box::new(Fake), patience).unwrap();
        Self { set, root, machine }
    }

    pub(crate) fn token(&self, label: &str) -> SetToken {
        let rights = Rights::WRITE | Rights::MOVE | Rights::ISSUE;
        let spec = TokenSpec::expected(label)
            .rights(rights)
            .domain(FailureDomain::Dispensable);
        self.root.issue(spec).unwrap()
    }

    /// Has somebody take part with buffers of so many pages.
    pub(crate) fn join(&self, label: &str, pages: std::ops::RangeInclusive<u64>, camping: u64) -> SetMember {
        let needs = participant(label, pages, camping);
        self.token(label).declare(needs, &long()).unwrap()
    }

    /// A set with a camera that has buffers of one page.
    pub(crate) fn begun(self) -> (Self, SetMember, Arc<Generation>) {
        let camera = self.join("camera", 1..=4, 2);
        self.root.seal().unwrap();
        let buffers = camera.buffers(&long()).unwrap();
        (self, camera, buffers)
    }
}

/// Writes into the first memory of a buffer.
pub(crate) fn write(generation: &Generation, index: usize, bytes: &[u8]) {
    let buffer = &generation.buffer(index).unwrap()[0];
    let _window = buffer.begin_cpu_access(.., DataDirection::ToDevice).unwrap();
    let vmap = buffer.vmap_unlocked(&long()).unwrap();
    vmap.write_at(PAGE - bytes.len() as u64, bytes).unwrap();
}

/// Reads what [`write`] wrote.
pub(crate) fn read<const N: usize>(generation: &Generation, index: usize) -> [u8; N] {
    let buffer = &generation.buffer(index).unwrap()[0];
    let _window = buffer.begin_cpu_access(.., DataDirection::FromDevice).unwrap();
    let vmap = buffer.vmap_unlocked(&long()).unwrap();
    let mut bytes = [0xee; N];
    vmap.read_at(PAGE - N as u64, &mut bytes).unwrap();
    bytes
}
