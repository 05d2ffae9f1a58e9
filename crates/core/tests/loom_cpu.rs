//! Touches against take-overs, in every interleaving: `RUSTFLAGS="--cfg loom" cargo test --release --test loom_cpu`.
//!
//! The machine has one page of memory, a cache for it, and a page table. What the CPU writes is in the cache until it is flushed; what is
//! invalidated is lost.

#![cfg(loom)]
#![expect(clippy::expect_used, reason = "the helpers are tests too")]

use std::ops::Range;
use std::sync::PoisonError;

use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;
use wharf_core::{
    AccessMode, Coherency, CoherencyDeclaration, DmaBuf, Errno, ExportInfo, Exporter, FaultKind,
    FaultTrackedExporter, MappingBackend, PageRun, Refusal, SecondRange, UserArea, UserMapping,
    UserMappingError, UserMappingExporter,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Began,
    Invalidated,
    Inserted,
    Removed,
    Returned,
}

#[derive(Default)]
struct State {
    memory: [u8; 2],
    cache: Option<[u8; 2]>,
    /// For each mapping, whether the page is present and whether for writing.
    table: [Option<AccessMode>; 2],
    /// For each mapping, whether its table is just being changed.
    is_changing: [bool; 2],
    events: Vec<Event>,
}

#[derive(Clone, Default)]
struct Machine(Arc<Mutex<State>>);

impl Machine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, event: Event) {
        self.lock().events.push(event);
    }

    fn count(&self, wanted: Event) -> usize {
        let state = self.lock();
        state.events.iter().filter(|event| **event == wanted).count()
    }
}

impl FaultTrackedExporter for Machine {
    fn invalidate(&self, _: u64) -> Result<(), Refusal> {
        let mut state = self.lock();
        state.cache = None;
        state.events.push(Event::Invalidated);
        Ok(())
    }

    fn flush(&self, _: Range<u64>) -> Result<(), Refusal> {
        let mut state = self.lock();
        if let Some(cached) = state.cache {
            state.memory = cached;
        }
        Ok(())
    }
}

impl UserMappingExporter for Machine {
    fn declare(&self) -> CoherencyDeclaration<'_> {
        CoherencyDeclaration::FaultTracked(self)
    }

    fn second_range(&self) -> SecondRange {
        SecondRange::ExplicitUnlessMixed
    }
}

impl Exporter for Machine {
    fn name(&self) -> &str {
        "machine"
    }

    fn user_mapping_ops(&self) -> Option<&dyn UserMappingExporter> {
        Some(self)
    }
}

struct Table(Machine, usize);

impl Table {
    /// Changes the page table, in two steps that no other change may come between.
    fn change(&self, access: Option<AccessMode>, event: Event) -> Result<(), Refusal> {
        let mut state = self.0.lock();
        if state.is_changing[self.1] {
            return Err(Refusal::new(
                Errno::EBUSY,
                "called twice at once for the same page",
            ));
        }
        state.is_changing[self.1] = true;
        drop(state);
        let mut state = self.0.lock();
        state.is_changing[self.1] = false;
        state.table[self.1] = access;
        state.events.push(event);
        Ok(())
    }
}

impl MappingBackend for Table {
    fn insert_pages(&self, _: PageRun, access: AccessMode, _: Coherency) -> Result<(), Refusal> {
        self.change(Some(access), Event::Inserted)
    }

    fn remove_pages(&self, _: PageRun) -> Result<(), Refusal> {
        self.change(None, Event::Removed)
    }
}

fn export(machine: &Machine) -> DmaBuf {
    DmaBuf::export(ExportInfo::new(machine.clone(), 4096)).expect("a buffer of one page")
}

fn map(buffer: &DmaBuf, machine: &Machine, number: usize) -> UserMapping {
    map_at(0, buffer, machine, number)
}

fn map_at(first_page: u64, buffer: &DmaBuf, machine: &Machine, number: usize) -> UserMapping {
    let area = UserArea {
        first_page,
        page_count: 1,
        access: AccessMode::ReadWrite,
        backend: Box::new(Table(machine.clone(), number)),
    };
    buffer.map_user(area).expect("the only page")
}

/// Writes a byte as a CPU does: through the page table, with faults until the page is there.
fn write(
    machine: &Machine,
    mapping: &UserMapping,
    number: usize,
    byte: usize,
) -> Result<(), UserMappingError> {
    loop {
        let mut state = machine.lock();
        if state.table[number] == Some(AccessMode::ReadWrite) {
            let memory = state.memory;
            state.cache.get_or_insert(memory)[byte] = 7;
            return Ok(());
        }
        drop(state);
        mapping.fault(0, FaultKind::Write)?;
    }
}

fn take_over(machine: &Machine, buffer: &DmaBuf) {
    machine.log(Event::Began);
    buffer.shoot_down_user_mappings(..).expect("a taken over page");
    machine.log(Event::Returned);
}

/// Whatever is present when a take-over returns was invalidated since it began.
fn check_events(events: &[Event]) {
    for (returned, _) in events
        .iter()
        .enumerate()
        .filter(|(_, event)| **event == Event::Returned)
    {
        let past = &events[..returned];
        let last = |wanted: Event| past.iter().rposition(|event| *event == wanted);
        let is_present = last(Event::Inserted) > last(Event::Removed);
        assert!(
            !is_present || last(Event::Invalidated) > last(Event::Began),
            "left from before the take-over: {events:?}"
        );
    }
}

#[test]
fn a_take_over_leaves_no_page_from_before_and_loses_no_write() {
    loom::model(|| {
        let machine = Machine::default();
        let buffer = export(&machine);
        let mapping = Arc::new(map(&buffer, &machine, 0));
        let writer = {
            let (machine, mapping) = (machine.clone(), Arc::clone(&mapping));
            thread::spawn(move || write(&machine, &mapping, 0, 0).expect("a write"))
        };
        take_over(&machine, &buffer);
        writer.join().expect("the writer");
        check_events(&machine.lock().events);
        buffer.shoot_down_user_mappings(..).expect("a taken over page");
        assert_eq!(machine.lock().memory, [7, 0], "{:?}", machine.lock().events);
        assert_eq!(machine.lock().table, [None, None]);
    });
}

#[test]
fn two_take_overs_at_once_leave_no_page_from_before() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let machine = Machine::default();
        let buffer = export(&machine);
        let mapping = Arc::new(map(&buffer, &machine, 0));
        mapping.fault(0, FaultKind::Write).expect("a touch");
        let toucher = {
            let mapping = Arc::clone(&mapping);
            thread::spawn(move || mapping.fault(0, FaultKind::Read).expect("a touch"))
        };
        let other = {
            let buffer = buffer.clone();
            thread::spawn(move || buffer.shoot_down_user_mappings(..).expect("a taken over page"))
        };
        take_over(&machine, &buffer);
        toucher.join().expect("the toucher");
        other.join().expect("the other taker");
        check_events(&machine.lock().events);
    });
}

#[test]
fn two_mappings_touched_at_once_invalidate_the_page_once_and_keep_both_writes() {
    loom::model(|| {
        let machine = Machine::default();
        let buffer = export(&machine);
        let first = map(&buffer, &machine, 0);
        let second = map(&buffer, &machine, 1);
        let writer = {
            let machine = machine.clone();
            thread::spawn(move || {
                write(&machine, &first, 0, 0).expect("a write");
                first
            })
        };
        write(&machine, &second, 1, 1).expect("a write");
        let first = writer.join().expect("the writer");
        assert_eq!(machine.count(Event::Invalidated), 1);
        buffer.shoot_down_user_mappings(..).expect("a taken over page");
        assert_eq!(machine.lock().memory, [7, 7]);
        drop(first);
    });
}

#[test]
fn a_mapping_that_was_made_read_only_has_no_writable_page() {
    loom::model(|| {
        let machine = Machine::default();
        let buffer = export(&machine);
        let mapping = Arc::new(map(&buffer, &machine, 0));
        let writer = {
            let (machine, mapping) = (machine.clone(), Arc::clone(&mapping));
            thread::spawn(move || write(&machine, &mapping, 0, 0))
        };
        mapping
            .protect(AccessMode::ReadOnly)
            .expect("less access than before");
        assert_ne!(machine.lock().table[0], Some(AccessMode::ReadWrite));
        let written = writer.join().expect("the writer").is_ok();
        buffer.shoot_down_user_mappings(..).expect("a taken over page");
        assert_eq!(machine.lock().memory[0], if written { 7 } else { 0 });
    });
}

#[test]
fn two_ranges_mapped_at_once_do_not_mix() {
    loom::model(|| {
        let machine = Machine::default();
        let buffer = export(&machine);
        let mapper = {
            let (buffer, machine) = (buffer.clone(), machine.clone());
            thread::spawn(move || map_at(1, &buffer, &machine, 1))
        };
        let first = map(&buffer, &machine, 0);
        let second = mapper.join().expect("the mapper");
        assert_eq!(first.coherency(), Coherency::FaultTracked);
        assert_eq!(second.coherency(), Coherency::FaultTracked);
        assert_eq!(machine.lock().table, [None, None]);
    });
}
