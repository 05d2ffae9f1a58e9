//! Exporters and backends that panic, lie or call back harm nothing but their own buffers. Contract: B5.

use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock};

use wharf_core::{Coherency, DmaBuf, Errno, FaultKind, UserMapping, UserMappingError};

use crate::machine::{Act, Call, Kind, Machine, Place};
use crate::within_a_minute;

type TestResult = Result<(), Box<dyn Error>>;

fn machine(declared: Coherency) -> (Machine, DmaBuf) {
    let machine = Machine::new(Kind::of(declared), 4);
    let buffer = machine.export();
    (machine, buffer)
}

#[test]
fn an_exporter_that_refuses_or_panics_maps_nothing_and_the_area_comes_back() {
    let (machine, buffer) = machine(Coherency::Coherent);
    for (place, act, errno) in [
        (Place::Ops, Act::Panic, Errno::EIO),
        (Place::Allow, Act::Panic, Errno::EIO),
        (Place::Allow, Act::Refuse(Errno::EAGAIN), Errno::EAGAIN),
        (Place::Allow, Act::Refuse(Errno::new(5000)), Errno::EIO),
    ] {
        machine.on(place, act);
        let refused = machine.map(&buffer, 0, 1).map(drop).expect_err("it failed");
        machine.obey(place);
        assert_eq!(refused.errno(), errno);
        assert_eq!(refused.into_area().page_count, 1);
    }
}

#[test]
fn a_backend_that_fails_to_insert_maps_nothing_and_removes_what_it_may_have_inserted() {
    let (machine, buffer) = machine(Coherency::Coherent);
    for (act, errno) in [
        (Act::Refuse(Errno::ENOMEM), Errno::ENOMEM),
        (Act::Panic, Errno::EIO),
    ] {
        machine.on(Place::Insert, act);
        machine.take_calls();
        let refused = machine.map(&buffer, 0, 2).map(drop).expect_err("it failed");
        assert_eq!(refused.errno(), errno);
        assert!(matches!(refused.error(), UserMappingError::Backend { .. }));
        assert!(matches!(
            machine.take_calls()[..],
            [Call::Allow(..), Call::Insert(..), Call::Remove(..)]
        ));
    }
    machine.on(Place::Remove, Act::Panic);
    assert!(machine.map(&buffer, 0, 2).is_err());
    for place in [Place::Insert, Place::Remove] {
        machine.obey(place);
    }
    assert!(machine.map(&buffer, 0, 2).is_ok());
}

#[test]
fn a_backend_that_panics_when_it_goes_ends_its_mapping_all_the_same() -> TestResult {
    let (machine, buffer) = machine(Coherency::Coherent);
    machine.on(Place::Remove, Act::Panic);
    machine.on(Place::DropTable, Act::Panic);
    let error = machine.map(&buffer, 0, 1)?.unmap().expect_err("it panicked");
    assert_eq!(error.errno(), Errno::EIO);
    drop(machine.map(&buffer, 0, 1)?);
    drop(buffer);
    assert_eq!(machine.take_calls().last(), Some(&Call::Release));
    Ok(())
}

#[test]
fn a_failed_change_of_access_changes_nothing() -> TestResult {
    use wharf_core::AccessMode::{ReadOnly, ReadWrite};
    for (declared, place) in [
        (Coherency::Coherent, Place::Insert),
        (Coherency::FaultTracked, Place::Remove),
    ] {
        let (machine, buffer) = machine(declared);
        let mapping = machine.map(&buffer, 0, 1)?;
        mapping.fault(0, FaultKind::Write)?;
        machine.on(place, Act::Refuse(Errno::ENOMEM));
        assert_eq!(
            mapping.protect(ReadOnly).map_err(|error| error.errno()),
            Err(Errno::ENOMEM)
        );
        assert_eq!(mapping.access(), ReadWrite);
        machine.obey(place);
        mapping.protect(ReadOnly)?;
        assert_eq!(mapping.access(), ReadOnly);
    }
    Ok(())
}

#[test]
fn an_exporter_that_no_longer_tracks_faults_fails_touches_and_take_overs() -> TestResult {
    let (machine, buffer) = machine(Coherency::FaultTracked);
    let mapping = machine.map(&buffer, 0, 2)?;
    mapping.fault(0, FaultKind::Write)?;
    machine.state().kind.declared = Coherency::Coherent;
    assert_eq!(
        mapping.fault(1, FaultKind::Read).map_err(|error| error.errno()),
        Err(Errno::EIO)
    );
    assert_eq!(
        buffer.shoot_down_user_mappings(..).map_err(|error| error.errno()),
        Err(Errno::EIO)
    );
    assert_eq!(
        mapping.coherency(),
        Coherency::FaultTracked,
        "what was granted stays"
    );
    machine.state().kind.declared = Coherency::FaultTracked;
    buffer.shoot_down_user_mappings(..)?;
    mapping.fault(1, FaultKind::Read)?;
    Ok(())
}

/// What a call from within a call came to.
type Outcome = Arc<Mutex<Vec<Result<(), Errno>>>>;

/// Has `place` call back, and returns what came of it and where to put the mapping.
fn call_back(
    machine: &Machine,
    place: Place,
    call: impl Fn(&UserMapping) -> Result<(), UserMappingError> + Send + Sync + 'static,
) -> (Outcome, Arc<OnceLock<Arc<UserMapping>>>) {
    let (outcome, mapping) = (Outcome::default(), Arc::new(OnceLock::<Arc<UserMapping>>::new()));
    let (seen, target) = (Arc::clone(&outcome), Arc::clone(&mapping));
    let act = Act::run(move || {
        if let Some(mapping) = target.get() {
            let result = call(mapping).map_err(|error| error.errno());
            seen.lock().expect("not poisoned").push(result);
        }
    });
    machine.on(place, act);
    (outcome, mapping)
}

#[test]
fn calling_back_from_a_backend_or_a_flush_is_refused_and_does_not_hang() {
    within_a_minute(|| call_back_everywhere().expect("no error"));
}

fn call_back_everywhere() -> TestResult {
    type Callback = fn(&UserMapping) -> Result<(), UserMappingError>;
    let callbacks: [Callback; 3] = [
        |mapping| mapping.fault(1, FaultKind::Write),
        |mapping| mapping.protect(wharf_core::AccessMode::ReadOnly),
        |mapping| mapping.buffer().shoot_down_user_mappings(4096..8192),
    ];
    for place in [Place::Insert, Place::Remove, Place::Flush] {
        for callback in callbacks {
            let (machine, buffer) = machine(Coherency::FaultTracked);
            let (outcome, slot) = call_back(&machine, place, callback);
            let mapping = Arc::new(machine.map(&buffer, 0, 2)?);
            slot.set(Arc::clone(&mapping)).map_err(|_| "set twice")?;
            mapping.fault(0, FaultKind::Write)?;
            buffer.shoot_down_user_mappings(..)?;
            machine.obey(place);
            assert_eq!(
                *outcome.lock().expect("not poisoned"),
                [Err(Errno::EDEADLK)],
                "{place:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn touching_from_an_invalidation_is_refused_and_taking_over_makes_it_invalidate_again() {
    within_a_minute(|| call_back_to_invalidate().expect("no error"));
}

fn call_back_to_invalidate() -> TestResult {
    let (machine, buffer) = machine(Coherency::FaultTracked);
    let (outcome, slot) = call_back(&machine, Place::Invalidate, |mapping| {
        mapping.fault(1, FaultKind::Read)
    });
    let mapping = Arc::new(machine.map(&buffer, 0, 2)?);
    slot.set(Arc::clone(&mapping)).map_err(|_| "set twice")?;
    mapping.fault(0, FaultKind::Read)?;
    assert_eq!(*outcome.lock().expect("not poisoned"), [Err(Errno::EDEADLK)]);

    // An exporter that moves the buffer, once, to where the CPU reaches it.
    let moved = Arc::new(OnceLock::new());
    let first = Arc::clone(&moved);
    let (outcome, slot) = call_back(&machine, Place::Invalidate, move |mapping| match first.set(()) {
        Ok(()) => mapping.buffer().shoot_down_user_mappings(..),
        Err(()) => Ok(()),
    });
    slot.set(Arc::clone(&mapping)).map_err(|_| "set twice")?;
    machine.take_calls();
    mapping.fault(1, FaultKind::Read)?;
    machine.obey(Place::Invalidate);
    assert_eq!(*outcome.lock().expect("not poisoned"), [Ok(()), Ok(())]);
    assert!(matches!(
        machine.take_calls()[..],
        [
            Call::Invalidate(1),
            Call::Remove(..),
            Call::Invalidate(1),
            Call::Insert(..)
        ]
    ));
    Ok(())
}

#[test]
fn a_backend_that_drops_another_mapping_does_not_hang() {
    within_a_minute(|| drop_another_mapping().expect("no error"));
}

fn drop_another_mapping() -> TestResult {
    let (machine, buffer) = machine(Coherency::FaultTracked);
    let victim = Arc::new(Mutex::new(Some(machine.map(&buffer, 0, 4)?)));
    let slot = Arc::clone(&victim);
    let mapping = machine.map(&buffer, 0, 4)?;
    machine.on(
        Place::Remove,
        Act::run(move || {
            let victim = slot.lock().expect("not poisoned").take();
            drop(victim);
        }),
    );
    mapping.fault(0, FaultKind::Write)?;
    buffer.shoot_down_user_mappings(..)?;
    assert!(victim.lock().expect("not poisoned").is_none());
    assert!(machine.take_calls().contains(&Call::DropTable(0)));
    machine.obey(Place::Remove);
    machine.read(&mapping, 1, 0)?;
    Ok(())
}
