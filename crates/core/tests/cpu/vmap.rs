//! Whole buffers mapped for the CPU of this process, counted. Contract: C5.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::thread;

use wharf_core::{Coherency, CpuBytesError, DmaBuf, Errno, Reservation, Vmap, VmapError, Wait};

use crate::machine::{Act, Call, Kind, Machine, Place};

type TestResult = Result<(), Box<dyn Error>>;

fn machine() -> (Machine, DmaBuf) {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 2);
    let buffer = machine.export();
    (machine, buffer)
}

fn vmap(buffer: &DmaBuf) -> Result<Vmap, VmapError> {
    buffer.vmap_unlocked(&Wait::forever())
}

#[test]
fn the_first_maps_others_count_and_the_last_unmaps() -> TestResult {
    let (machine, buffer) = machine();
    let first = vmap(&buffer)?;
    let second = vmap(&buffer)?;
    drop(first);
    assert_eq!(machine.take_calls(), [Call::Vmap]);
    second.read_at(0, &mut [0])?;
    drop(second);
    assert_eq!(machine.take_calls(), [Call::Read(0, 1), Call::Vunmap]);
    drop(vmap(&buffer)?);
    assert_eq!(machine.take_calls(), [Call::Vmap, Call::Vunmap]);
    Ok(())
}

#[test]
fn with_the_guard_nothing_is_locked_and_the_last_drop_waits_for_the_holder() -> TestResult {
    let (machine, buffer) = machine();
    let guard = buffer.reservation().lock(&Wait::forever())?;
    let mapped = buffer.vmap(&guard)?;
    drop(mapped);
    assert_eq!(
        machine.take_calls(),
        [Call::Vmap],
        "unmapped by whoever holds the reservation"
    );
    let again = buffer.vmap(&guard)?;
    drop(guard);
    assert_eq!(machine.take_calls(), [], "mapped again in time");
    drop(again);
    assert_eq!(machine.take_calls(), [Call::Vunmap]);
    Ok(())
}

#[test]
fn the_guard_of_another_reservation_is_refused() -> TestResult {
    let (machine, buffer) = machine();
    let other = Reservation::new();
    let guard = other.lock(&Wait::forever())?;
    let error = buffer.vmap(&guard).map(drop).expect_err("another reservation");
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(matches!(error, VmapError::WrongGuard { .. }));
    assert_eq!(machine.take_calls(), []);
    Ok(())
}

#[test]
fn a_held_reservation_is_waited_for_within_bounds() -> TestResult {
    let (machine, buffer) = machine();
    let _guard = buffer.reservation().lock(&Wait::forever())?;
    let error = thread::scope(|scope| {
        scope
            .spawn(|| buffer.vmap_unlocked(&Wait::not()).map(drop))
            .join()
    });
    let error = error
        .map_err(|_| "panicked")?
        .expect_err("held by another thread");
    assert_eq!(error.errno(), Errno::ETIMEDOUT);
    assert_eq!(machine.take_calls(), []);
    Ok(())
}

#[test]
fn without_vmap_it_is_einval() {
    let kind = Kind {
        has_ops: false,
        ..Kind::of(Coherency::Coherent)
    };
    let error = vmap(&Machine::new(kind, 1).export())
        .map(drop)
        .expect_err("no vmap");
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(matches!(error, VmapError::Unsupported { .. }));
}

#[test]
fn a_failed_vmap_leaves_nothing_and_the_next_one_tries_again() -> TestResult {
    let (machine, buffer) = machine();
    for (place, act, errno) in [
        (Place::Vmap, Act::Refuse(Errno::ENOMEM), Errno::ENOMEM),
        (Place::Vmap, Act::Refuse(Errno::new(-1)), Errno::EIO),
        (Place::Vmap, Act::Panic, Errno::EIO),
        (Place::VmapOps, Act::Panic, Errno::EIO),
    ] {
        machine.on(place, act);
        let error = vmap(&buffer).map(drop).expect_err("it failed");
        assert_eq!(error.errno(), errno);
        machine.obey(place);
    }
    machine.take_calls();
    drop(vmap(&buffer)?);
    assert_eq!(machine.take_calls(), [Call::Vmap, Call::Vunmap]);
    Ok(())
}

#[test]
fn a_panic_in_vunmap_is_contained_and_counts_as_unmapped() -> TestResult {
    let (machine, buffer) = machine();
    for place in [Place::Vunmap, Place::VmapOps] {
        let mapped = vmap(&buffer)?;
        machine.on(place, Act::Panic);
        drop(mapped);
        machine.obey(place);
    }
    machine.take_calls();
    drop(vmap(&buffer)?);
    assert_eq!(machine.take_calls(), [Call::Vmap, Call::Vunmap]);
    Ok(())
}

#[test]
fn an_exporter_that_vmaps_in_its_own_vmap_or_vunmap_is_refused() -> TestResult {
    for place in [Place::Vmap, Place::Vunmap] {
        let (machine, buffer) = machine();
        let outcome = Arc::new(OnceLock::new());
        let (weak, seen) = (buffer.downgrade(), Arc::clone(&outcome));
        machine.on(
            place,
            Act::run(move || {
                if let Some(buffer) = weak.upgrade() {
                    let _ = seen.set(vmap(&buffer).map(drop).map_err(|error| error.errno()));
                }
            }),
        );
        drop(vmap(&buffer)?);
        assert_eq!(outcome.get(), Some(&Err(Errno::EDEADLK)), "{place:?}");
    }
    Ok(())
}

#[test]
fn a_vmap_keeps_the_buffer_alive() -> TestResult {
    let (machine, buffer) = machine();
    let mapped = vmap(&buffer)?;
    drop(buffer);
    mapped.write_at(8191, &[1])?;
    assert_eq!(machine.take_calls(), [Call::Vmap, Call::Write(8191, 1)]);
    drop(mapped);
    assert_eq!(machine.take_calls(), [Call::Vunmap, Call::Release]);
    Ok(())
}

#[test]
fn the_buffer_is_not_released_under_its_reservation() -> TestResult {
    let (machine, buffer) = machine();
    let reservation = Arc::clone(buffer.reservation());
    let was_locked = Arc::new(OnceLock::new());
    let (seen, lock) = (Arc::clone(&was_locked), Arc::clone(&reservation));
    machine.on(
        Place::Release,
        Act::run(move || {
            let _ = seen.set(lock.is_locked());
        }),
    );
    let mapped = vmap(&buffer)?;
    let guard = reservation.lock(&Wait::forever())?;
    drop(buffer);
    drop(mapped);
    assert_eq!(machine.take_calls(), [Call::Vmap]);
    drop(guard);
    assert_eq!(machine.take_calls(), [Call::Vunmap, Call::Release]);
    assert_eq!(was_locked.get(), Some(&false));
    Ok(())
}

#[test]
fn bytes_outside_the_buffer_and_writes_by_readers_never_reach_the_exporter() -> TestResult {
    let (machine, buffer) = machine();
    let mapped = vmap(&buffer)?;
    let viewer = vmap(&buffer.to_read_only())?;
    machine.take_calls();
    let errno = |outcome: Result<(), CpuBytesError>| outcome.map_err(|error| error.errno());
    assert_eq!(errno(mapped.read_at(8192, &mut [0])), Err(Errno::EINVAL));
    assert_eq!(errno(mapped.write_at(8191, &[0; 2])), Err(Errno::EINVAL));
    assert_eq!(errno(mapped.read_at(u64::MAX, &mut [0])), Err(Errno::EOVERFLOW));
    assert_eq!(errno(viewer.write_at(0, &[0])), Err(Errno::EACCES));
    mapped.read_at(8192, &mut [])?;
    assert_eq!(machine.take_calls(), []);
    viewer.read_at(0, &mut [0; 8192])?;
    Ok(())
}

#[test]
fn many_threads_map_and_unmap_it_in_turns() -> TestResult {
    let (machine, buffer) = machine();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let mapped = vmap(&buffer).expect("a vmap");
                    mapped.read_at(0, &mut [0]).expect("a read");
                }
            });
        }
    });
    let mut mapped = false;
    for call in machine.take_calls() {
        match call {
            Call::Vmap => assert!(!std::mem::replace(&mut mapped, true), "mapped twice"),
            Call::Vunmap => assert!(std::mem::replace(&mut mapped, false), "unmapped twice"),
            Call::Read(..) => assert!(mapped, "read while unmapped"),
            other => panic!("{other:?}"),
        }
    }
    assert!(!mapped);
    Ok(())
}
