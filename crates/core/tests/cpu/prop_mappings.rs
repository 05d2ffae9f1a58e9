//! Any sequence of calls does what a small model says: which mappings there are, which pages are present, ready and dirty, which windows
//! are open.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use wharf_core::AccessMode::{ReadOnly, ReadWrite};
use wharf_core::{
    AccessMode, Coherency, CpuAccess, DataDirection, Errno, FaultKind, PAGE_BYTES, SecondRange, UserMapping,
};

use crate::machine::{Call, Kind, Machine};

const PAGES: u64 = 6;

#[derive(Debug, Clone)]
enum Step {
    Map {
        first: u64,
        count: u64,
        access: AccessMode,
    },
    Unmap(usize),
    Protect(usize, AccessMode),
    Touch {
        mapping: usize,
        page: u64,
        kind: FaultKind,
    },
    TakeOver(Range<u64>),
    Begin(Range<u64>, DataDirection),
    End(usize),
}

fn access() -> impl Strategy<Value = AccessMode> {
    prop_oneof![Just(ReadOnly), Just(ReadWrite)]
}

fn pages() -> impl Strategy<Value = Range<u64>> {
    (0..PAGES, 1..=PAGES).prop_map(|(start, len)| start..(start + len).min(PAGES))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![8 => 0..2 * PAGES + 2, 1 => u64::MAX - 2..=u64::MAX];
    let direction = prop_oneof![Just(DataDirection::FromDevice), Just(DataDirection::ToDevice)];
    let kind = prop_oneof![Just(FaultKind::Read), Just(FaultKind::Write)];
    let step = prop_oneof![
        3 => (number.clone(), number, access()).prop_map(|(first, count, access)| Step::Map { first, count, access }),
        1 => any::<usize>().prop_map(Step::Unmap),
        1 => (any::<usize>(), access()).prop_map(|(mapping, access)| Step::Protect(mapping, access)),
        8 => (any::<usize>(), 0..PAGES + 1, kind).prop_map(|(mapping, page, kind)| Step::Touch { mapping, page, kind }),
        2 => pages().prop_map(Step::TakeOver),
        1 => (pages(), direction).prop_map(|(pages, direction)| Step::Begin(pages, direction)),
        1 => any::<usize>().prop_map(Step::End),
    ];
    prop::collection::vec(step, 0..60)
}

fn kinds() -> impl Strategy<Value = Kind> {
    let declared = prop_oneof![1 => Just(Coherency::Coherent), 4 => Just(Coherency::FaultTracked), 1 => Just(Coherency::Explicit)];
    let second = prop_oneof![
        Just(SecondRange::SameAsFirst),
        Just(SecondRange::Explicit),
        Just(SecondRange::ExplicitUnlessMixed)
    ];
    (declared, second).prop_map(|(declared, second)| Kind {
        second,
        ..Kind::of(declared)
    })
}

/// A mapping as the model knows it.
struct Mapped {
    real: UserMapping,
    table: usize,
    pages: Range<u64>,
    access: AccessMode,
    coherency: Coherency,
    /// By page of the buffer.
    present: BTreeMap<u64, AccessMode>,
}

struct Model {
    kind: Kind,
    mappings: Vec<Mapped>,
    ready: BTreeSet<u64>,
    dirty: BTreeSet<u64>,
    windows: Vec<CpuAccess>,
}

/// Says where an area lies, or the error number.
fn place(first: u64, count: u64) -> Result<(Range<u64>, bool), Errno> {
    let end = u128::from(first) + u128::from(count);
    if count == 0 {
        return Err(Errno::EINVAL);
    }
    if end > u128::from(u64::MAX) {
        return Err(Errno::EOVERFLOW);
    }
    let second = first >= PAGES;
    let base = if second { PAGES } else { 0 };
    if end > u128::from(base + PAGES) {
        return Err(Errno::EINVAL);
    }
    Ok((first - base..first - base + count, second))
}

impl Model {
    fn grant(&self, second: bool) -> Coherency {
        let alone = self
            .mappings
            .iter()
            .all(|mapped| mapped.coherency == Coherency::Explicit);
        match self.kind.second {
            SecondRange::Explicit if second => Coherency::Explicit,
            SecondRange::ExplicitUnlessMixed if second && alone => Coherency::Explicit,
            _ => self.kind.declared,
        }
    }

    fn add(&mut self, real: UserMapping, table: usize, pages: Range<u64>, second: bool, access: AccessMode) {
        let coherency = self.grant(second);
        if coherency != Coherency::Explicit && self.kind.second == SecondRange::ExplicitUnlessMixed {
            for other in self
                .mappings
                .iter_mut()
                .filter(|other| other.coherency == Coherency::Explicit)
            {
                other.coherency = coherency;
                if coherency == Coherency::FaultTracked {
                    other.present.clear();
                }
            }
        }
        let whole = pages.clone().map(|page| (page, access));
        let present = if coherency == Coherency::FaultTracked {
            BTreeMap::new()
        } else {
            whole.collect()
        };
        self.mappings.push(Mapped {
            real,
            table,
            pages,
            access,
            coherency,
            present,
        });
    }

    /// Notes a touch, and says whether it is to succeed.
    fn touch(&mut self, index: usize, page: u64, kind: FaultKind) -> (Result<(), Errno>, bool) {
        let mapped = &mut self.mappings[index];
        let number = mapped.pages.start + page;
        if number >= mapped.pages.end {
            return (Err(Errno::EINVAL), false);
        }
        if kind == FaultKind::Write && mapped.access == ReadOnly {
            return (Err(Errno::EACCES), false);
        }
        if mapped.coherency != Coherency::FaultTracked {
            return (Ok(()), false);
        }
        let invalidated = self.ready.insert(number);
        let entry = mapped.present.entry(number).or_insert(ReadOnly);
        if kind == FaultKind::Write {
            *entry = ReadWrite;
            self.dirty.insert(number);
        }
        (Ok(()), invalidated)
    }

    fn protect(&mut self, index: usize, access: AccessMode) {
        let mapped = &mut self.mappings[index];
        mapped.access = access;
        if mapped.coherency != Coherency::FaultTracked {
            mapped.present.values_mut().for_each(|present| *present = access);
        } else if access == ReadOnly {
            mapped.present.retain(|_, present| *present == ReadOnly);
        }
    }

    /// Notes a take-over, and returns what is to be flushed.
    fn take_over(&mut self, pages: &Range<u64>) -> BTreeSet<u64> {
        for mapped in self
            .mappings
            .iter_mut()
            .filter(|mapped| mapped.coherency == Coherency::FaultTracked)
        {
            mapped.present.retain(|page, _| !pages.contains(page));
        }
        self.ready.retain(|page| !pages.contains(page));
        let flushed = self
            .dirty
            .iter()
            .copied()
            .filter(|page| pages.contains(page))
            .collect();
        self.dirty.retain(|page| !pages.contains(page));
        flushed
    }
}

fn flushed(calls: &[Call]) -> BTreeSet<u64> {
    let ranges = calls.iter().filter_map(|call| match call {
        Call::Flush(pages) => Some(pages.clone()),
        _ => None,
    });
    ranges.flatten().collect()
}

fn apply(
    machine: &Machine,
    buffer: &wharf_core::DmaBuf,
    model: &mut Model,
    tables: &mut usize,
    step: Step,
) -> Result<(), TestCaseError> {
    let count = model.mappings.len();
    match step {
        Step::Map { first, count, access } => {
            let outcome = buffer.map_user(machine.area(first, count, access));
            *tables += 1;
            match (outcome, place(first, count)) {
                (Ok(real), Ok((pages, second))) => model.add(real, *tables - 1, pages, second, access),
                (Err(error), Err(errno)) => prop_assert_eq!(error.errno(), errno),
                (outcome, expected) => prop_assert!(false, "{outcome:?} instead of {expected:?}"),
            }
        }
        Step::Unmap(index) if count > 0 => {
            let gone = model.mappings.swap_remove(index % count);
            prop_assert!(gone.real.unmap().is_ok());
            prop_assert_eq!(machine.present(gone.table), vec![]);
        }
        Step::Protect(index, access) if count > 0 => {
            prop_assert!(model.mappings[index % count].real.protect(access).is_ok());
            model.protect(index % count, access);
        }
        Step::Touch { mapping, page, kind } if count > 0 => {
            machine.take_calls();
            let outcome = model.mappings[mapping % count]
                .real
                .fault(page, kind)
                .map_err(|error| error.errno());
            let (expected, invalidated) = model.touch(mapping % count, page, kind);
            prop_assert_eq!(outcome, expected);
            let calls = machine.take_calls();
            let has_invalidated = calls.iter().any(|call| matches!(call, Call::Invalidate(_)));
            prop_assert_eq!(has_invalidated, invalidated);
        }
        Step::TakeOver(pages) => {
            machine.take_calls();
            prop_assert!(
                buffer
                    .shoot_down_user_mappings(pages.start * PAGE_BYTES..pages.end * PAGE_BYTES)
                    .is_ok()
            );
            prop_assert_eq!(flushed(&machine.take_calls()), model.take_over(&pages));
        }
        Step::Begin(pages, direction) => {
            let range = pages.start * PAGE_BYTES..pages.end * PAGE_BYTES;
            let window = buffer.begin_cpu_access(range, direction);
            model
                .windows
                .push(window.map_err(|error| TestCaseError::fail(error.to_string()))?);
        }
        Step::End(index) if !model.windows.is_empty() => {
            let window = model.windows.swap_remove(index % model.windows.len());
            prop_assert!(window.end().is_ok());
        }
        Step::Unmap(_) | Step::Protect(..) | Step::Touch { .. } | Step::End(_) => {}
    }
    Ok(())
}

fn compare(machine: &Machine, model: &Model) -> Result<(), TestCaseError> {
    for mapped in &model.mappings {
        prop_assert_eq!(mapped.real.pages(), mapped.pages.clone());
        prop_assert_eq!(mapped.real.coherency(), mapped.coherency);
        prop_assert_eq!(mapped.real.access(), mapped.access);
        let present: Vec<_> = mapped
            .present
            .iter()
            .map(|(page, access)| (page - mapped.pages.start, *access))
            .collect();
        prop_assert_eq!(machine.present(mapped.table), present);
    }
    prop_assert!(model.dirty.is_subset(&model.ready));
    Ok(())
}

proptest! {
    #[test]
    fn mappings_pages_and_windows_are_as_the_model_says(kind in kinds(), steps in steps()) {
        let machine = Machine::new(kind, usize::try_from(PAGES).expect("a small number"));
        let buffer = machine.export();
        let mut model = Model { kind, mappings: vec![], ready: BTreeSet::new(), dirty: BTreeSet::new(), windows: vec![] };
        let mut tables = 0;
        for step in steps {
            apply(&machine, &buffer, &mut model, &mut tables, step)?;
            compare(&machine, &model)?;
        }
        drop(buffer);
        let held = !model.mappings.is_empty() || !model.windows.is_empty();
        prop_assert_eq!(machine.take_calls().contains(&Call::Release), !held);
        drop(model);
        prop_assert!(!held || machine.take_calls().last() == Some(&Call::Release));
    }
}
