//! The second range: explicitly managed access where the exporter supports it. Contract: C4.

use std::error::Error;

use wharf_core::AccessMode::ReadWrite;
use wharf_core::{Coherency, Errno, PageRun, SecondRange};

use crate::machine::{Act, Call, Kind, Machine, Place};

type TestResult = Result<(), Box<dyn Error>>;

const ALL: [Coherency; 3] = [Coherency::Coherent, Coherency::FaultTracked, Coherency::Explicit];

fn machine(declared: Coherency, second: SecondRange) -> Machine {
    let kind = Kind {
        second,
        ..Kind::of(declared)
    };
    Machine::new(kind, 4)
}

#[test]
fn it_shows_the_same_pages() -> TestResult {
    for declared in ALL {
        let machine = machine(declared, SecondRange::Explicit);
        let buffer = machine.export();
        let mapping = machine.map(&buffer, 4 + 1, 3)?;
        assert_eq!(mapping.pages(), 1..4);
        assert!(mapping.is_in_second_range());
        assert_eq!(mapping.coherency(), Coherency::Explicit);
        let run = PageRun {
            mapping_page: 0,
            buffer_page: 1,
            page_count: 3,
        };
        assert_eq!(
            machine.take_calls(),
            [
                Call::Allow(1..4, ReadWrite),
                Call::Insert(0, run, ReadWrite, Coherency::Explicit)
            ]
        );
        let first = machine.map(&buffer, 0, 4)?;
        assert!(!first.is_in_second_range());
        assert_eq!(
            (first.coherency(), mapping.coherency()),
            (declared, Coherency::Explicit)
        );
    }
    Ok(())
}

#[test]
fn without_support_it_is_as_the_first_range_and_says_so() -> TestResult {
    for declared in ALL {
        let machine = machine(declared, SecondRange::SameAsFirst);
        let buffer = machine.export();
        let mapping = machine.map(&buffer, 4, 4)?;
        assert!(mapping.is_in_second_range());
        assert_eq!(mapping.coherency(), declared);
    }
    Ok(())
}

#[test]
fn where_policies_cannot_mix_the_first_range_wins() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::FaultTracked] {
        let machine = machine(declared, SecondRange::ExplicitUnlessMixed);
        let buffer = machine.export();
        let early = machine.map(&buffer, 4, 4)?;
        assert_eq!(early.coherency(), Coherency::Explicit);
        let legacy = machine.map(&buffer, 0, 1)?;
        assert_eq!(legacy.coherency(), declared);
        assert_eq!(early.coherency(), declared, "it became as the first range");
        let late = machine.map(&buffer, 4, 1)?;
        assert_eq!(late.coherency(), declared, "mixed");
        drop((early, legacy, late));
        assert_eq!(machine.map(&buffer, 4, 1)?.coherency(), Coherency::Explicit);
    }
    Ok(())
}

#[test]
fn a_mapping_that_becomes_fault_tracked_faults_again() -> TestResult {
    let machine = machine(Coherency::FaultTracked, SecondRange::ExplicitUnlessMixed);
    let buffer = machine.export();
    let early = machine.map(&buffer, 4, 4)?;
    let _legacy = machine.map(&buffer, 0, 1)?;
    assert_eq!(machine.present(0), []);
    machine.write(&early, 0, 3, 7)?;
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [0, 0, 0, 7]);
    Ok(())
}

#[test]
fn a_mapping_that_becomes_coherent_is_inserted_anew() -> TestResult {
    let machine = machine(Coherency::Coherent, SecondRange::ExplicitUnlessMixed);
    let buffer = machine.export();
    let _early = machine.map(&buffer, 6, 2)?;
    machine.take_calls();
    let _legacy = machine.map(&buffer, 0, 1)?;
    let run = PageRun {
        mapping_page: 0,
        buffer_page: 2,
        page_count: 2,
    };
    assert_eq!(
        machine.take_calls()[1],
        Call::Insert(0, run, ReadWrite, Coherency::Coherent)
    );
    Ok(())
}

#[test]
fn a_mapping_that_cannot_become_coherent_keeps_the_first_range_from_being_mapped() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::FaultTracked] {
        let machine = machine(declared, SecondRange::ExplicitUnlessMixed);
        let buffer = machine.export();
        let early = machine.map(&buffer, 4, 4)?;
        machine.on(Place::Insert, Act::Refuse(Errno::ENOMEM));
        machine.on(Place::Remove, Act::Refuse(Errno::ENOMEM));
        let refused = machine.map(&buffer, 0, 1).map(drop).expect_err("not converted");
        assert_eq!(refused.errno(), Errno::ENOMEM);
        assert_eq!(early.coherency(), Coherency::Explicit);
        machine.obey(Place::Insert);
        machine.obey(Place::Remove);
        let legacy = machine.map(&buffer, 0, 1)?;
        assert_eq!((early.coherency(), legacy.coherency()), (declared, declared));
    }
    Ok(())
}

#[test]
fn where_everything_is_explicit_nothing_mixes() -> TestResult {
    let machine = machine(Coherency::Explicit, SecondRange::ExplicitUnlessMixed);
    let buffer = machine.export();
    let (first, second) = (machine.map(&buffer, 0, 1)?, machine.map(&buffer, 4, 1)?);
    assert_eq!(
        (first.coherency(), second.coherency()),
        (Coherency::Explicit, Coherency::Explicit)
    );
    Ok(())
}
