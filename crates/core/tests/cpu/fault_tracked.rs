//! Coherency faked by faults. Contract: C2; "dma-buf: mmap support" (2012).

use std::error::Error;
use std::sync::{Arc, mpsc};
use std::thread;

use wharf_core::AccessMode::{ReadOnly, ReadWrite};
use wharf_core::{
    Coherency, DmaBuf, Errno, FaultKind, FenceContext, PageRun, Usage, UserMapping, Wait, order,
};

use crate::machine::{Act, Call, Kind, Machine, Place};
use crate::within_a_minute;

type TestResult = Result<(), Box<dyn Error>>;

fn mapped(pages: u64) -> Result<(Machine, DmaBuf, UserMapping), Box<dyn Error>> {
    let machine = Machine::new(Kind::of(Coherency::FaultTracked), usize::try_from(pages)?);
    let buffer = machine.export();
    let mapping = machine.map(&buffer, 0, pages)?;
    machine.take_calls();
    Ok((machine, buffer, mapping))
}

fn run(mapping_page: u64, buffer_page: u64, page_count: u64) -> PageRun {
    PageRun {
        mapping_page,
        buffer_page,
        page_count,
    }
}

#[test]
fn pages_are_absent_until_touched() -> TestResult {
    let (machine, _, mapping) = mapped(4)?;
    assert_eq!(machine.present(0), []);
    mapping.fault(2, FaultKind::Read)?;
    assert_eq!(
        machine.take_calls(),
        [
            Call::Invalidate(2),
            Call::Insert(0, run(2, 2, 1), ReadOnly, Coherency::FaultTracked)
        ]
    );
    assert_eq!(machine.present(0), [(2, ReadOnly)]);
    Ok(())
}

#[test]
fn a_write_after_a_read_makes_the_page_writable_and_keeps_the_cache() -> TestResult {
    let (machine, _, mapping) = mapped(1)?;
    mapping.fault(0, FaultKind::Read)?;
    machine.take_calls();
    mapping.fault(0, FaultKind::Write)?;
    let inserted = Call::Insert(0, run(0, 0, 1), ReadWrite, Coherency::FaultTracked);
    assert_eq!(machine.take_calls(), std::slice::from_ref(&inserted));
    mapping.fault(0, FaultKind::Read)?;
    assert_eq!(machine.take_calls(), [inserted], "still writable");
    Ok(())
}

#[test]
fn a_device_sees_what_the_cpu_wrote_and_the_cpu_what_the_device_wrote() -> TestResult {
    let (machine, buffer, mapping) = mapped(3)?;
    machine.write(&mapping, 0, 1, 7)?;
    assert_eq!(machine.read(&mapping, 0, 2)?, 0);
    assert_eq!(machine.state().memory, [0, 0, 0], "still in the cache");
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [0, 7, 0]);
    machine.state().memory = vec![1, 2, 3];
    assert_eq!(machine.read(&mapping, 0, 1)?, 2);
    assert_eq!(machine.read(&mapping, 0, 2)?, 3);
    Ok(())
}

#[test]
fn a_take_over_removes_pages_before_it_flushes_the_dirty_ones_in_runs() -> TestResult {
    let (machine, buffer, mapping) = mapped(80)?;
    for page in [0, 1, 63, 64, 79] {
        machine.write(&mapping, 0, page, 1)?;
    }
    machine.read(&mapping, 0, 2)?;
    machine.take_calls();
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(
        machine.take_calls(),
        [
            Call::Remove(0, run(0, 0, 3)),
            Call::Remove(0, run(63, 63, 2)),
            Call::Remove(0, run(79, 79, 1)),
            Call::Flush(0..2),
            Call::Flush(63..65),
            Call::Flush(79..80),
        ]
    );
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.take_calls(), [], "nothing is left");
    Ok(())
}

#[test]
fn a_take_over_of_a_range_takes_the_pages_it_touches() -> TestResult {
    let (machine, buffer, mapping) = mapped(4)?;
    for page in 0..4 {
        machine.write(&mapping, 0, page, 1)?;
    }
    machine.take_calls();
    buffer.shoot_down_user_mappings(8191..8193)?;
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(0, run(1, 1, 2)), Call::Flush(1..3)]
    );
    assert_eq!(machine.present(0), [(0, ReadWrite), (3, ReadWrite)]);
    let past_end = buffer
        .shoot_down_user_mappings(..16385)
        .expect_err("past the end");
    assert_eq!(past_end.errno(), Errno::EINVAL);
    assert_eq!(
        buffer
            .shoot_down_user_mappings(0..=u64::MAX)
            .map_err(|error| error.errno()),
        Err(Errno::EOVERFLOW)
    );
    assert_eq!(
        buffer
            .shoot_down_user_mappings(7..7)
            .map_err(|error| error.errno()),
        Err(Errno::EINVAL)
    );
    Ok(())
}

#[test]
fn a_page_is_invalidated_once_for_all_mappings() -> TestResult {
    let (machine, buffer, first) = mapped(4)?;
    let second = machine.map(&buffer, 2, 2)?;
    machine.write(&first, 0, 2, 7)?;
    machine.take_calls();
    assert_eq!(machine.read(&second, 1, 0)?, 7, "invalidating would have lost it");
    assert_eq!(
        machine.take_calls(),
        [Call::Insert(1, run(0, 2, 1), ReadOnly, Coherency::FaultTracked)]
    );
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(
        machine.take_calls(),
        [
            Call::Remove(0, run(2, 2, 1)),
            Call::Remove(1, run(0, 2, 1)),
            Call::Flush(2..3)
        ]
    );
    Ok(())
}

#[test]
fn what_an_ended_mapping_wrote_is_flushed_for_the_next_device() -> TestResult {
    let (machine, buffer, mapping) = mapped(2)?;
    machine.write(&mapping, 0, 1, 7)?;
    machine.take_calls();
    mapping.unmap()?;
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(0, run(1, 1, 1)), Call::DropTable(0)]
    );
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.take_calls(), [Call::Flush(1..2)]);
    assert_eq!(machine.state().memory, [0, 7]);
    Ok(())
}

#[test]
fn taking_write_access_away_keeps_what_was_written() -> TestResult {
    let (machine, buffer, mapping) = mapped(2)?;
    machine.write(&mapping, 0, 0, 7)?;
    machine.read(&mapping, 0, 1)?;
    mapping.protect(ReadOnly)?;
    assert_eq!(machine.present(0), [(1, ReadOnly)]);
    assert!(mapping.fault(0, FaultKind::Write).is_err());
    assert_eq!(machine.read(&mapping, 0, 0)?, 7);
    mapping.protect(ReadWrite)?;
    assert_eq!(
        machine.present(0),
        [(0, ReadOnly), (1, ReadOnly)],
        "writable when touched"
    );
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [7, 0]);
    Ok(())
}

#[test]
fn a_failed_touch_leaves_the_page_to_be_touched_again() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    machine.on(Place::Invalidate, Act::Refuse(Errno::ENOMEM));
    assert_eq!(
        mapping.fault(0, FaultKind::Write).map_err(|error| error.errno()),
        Err(Errno::ENOMEM)
    );
    machine.obey(Place::Invalidate);
    machine.on(Place::Insert, Act::Panic);
    assert_eq!(
        mapping.fault(0, FaultKind::Write).map_err(|error| error.errno()),
        Err(Errno::EIO)
    );
    machine.obey(Place::Insert);
    machine.take_calls();
    machine.write(&mapping, 0, 0, 7)?;
    assert_eq!(machine.take_calls().len(), 1, "invalidated before, inserted now");
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [7]);
    Ok(())
}

#[test]
fn a_page_whose_insertion_failed_is_removed_by_the_next_take_over() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    machine.on(Place::Insert, Act::Refuse(Errno::EAGAIN));
    assert!(mapping.fault(0, FaultKind::Read).is_err());
    machine.take_calls();
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(0, run(0, 0, 1))],
        "it may be present"
    );
    Ok(())
}

#[test]
fn a_failed_removal_keeps_the_device_away_and_is_tried_again() -> TestResult {
    let (machine, buffer, mapping) = mapped(2)?;
    machine.write(&mapping, 0, 0, 7)?;
    for act in [Act::Refuse(Errno::EAGAIN), Act::Panic] {
        machine.on(Place::Remove, act);
        machine.take_calls();
        let error = buffer.shoot_down_user_mappings(..).expect_err("not removed");
        assert!(error.to_string().contains("mapping backend"), "{error}");
        assert_eq!(
            machine.take_calls(),
            [Call::Remove(0, run(0, 0, 1))],
            "not flushed while it can be written"
        );
    }
    machine.obey(Place::Remove);
    machine.write(&mapping, 0, 0, 8)?;
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [8, 0]);
    Ok(())
}

#[test]
fn a_failed_flush_keeps_the_pages_dirty_and_the_cache_as_it_is() -> TestResult {
    let (machine, buffer, mapping) = mapped(3)?;
    machine.write(&mapping, 0, 0, 7)?;
    machine.write(&mapping, 0, 2, 9)?;
    for (act, errno) in [
        (Act::Refuse(Errno::EBUSY), Errno::EBUSY),
        (Act::Panic, Errno::EIO),
    ] {
        machine.on(Place::Flush, act);
        let error = buffer.shoot_down_user_mappings(..).expect_err("not flushed");
        assert_eq!(error.errno(), errno);
    }
    assert_eq!(machine.present(0), []);
    machine.obey(Place::Flush);
    assert_eq!(
        machine.read(&mapping, 0, 0)?,
        7,
        "invalidating would have lost it"
    );
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [7, 0, 9]);
    Ok(())
}

#[test]
fn one_backend_that_fails_does_not_keep_the_pages_of_others() -> TestResult {
    let (machine, buffer, first) = mapped(1)?;
    let second = machine.map(&buffer, 0, 1)?;
    machine.read(&first, 0, 0)?;
    machine.read(&second, 1, 0)?;
    machine.on(Place::Remove, Act::Panic);
    machine.take_calls();
    assert!(buffer.shoot_down_user_mappings(..).is_err());
    assert_eq!(
        machine.take_calls(),
        [Call::Remove(0, run(0, 0, 1)), Call::Remove(1, run(0, 0, 1))]
    );
    Ok(())
}

#[test]
fn coherent_and_explicit_mappings_stay_when_a_device_takes_over() -> TestResult {
    for declared in [Coherency::Coherent, Coherency::Explicit] {
        let machine = Machine::new(Kind::of(declared), 2);
        let buffer = machine.export();
        let _mapping = machine.map(&buffer, 0, 2)?;
        machine.take_calls();
        buffer.shoot_down_user_mappings(..)?;
        assert_eq!(machine.take_calls(), []);
        assert_eq!(machine.present(0).len(), 2);
    }
    Ok(())
}

#[test]
fn a_device_takes_over_with_the_reservation_held() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    machine.write(&mapping, 0, 0, 7)?;
    let _held = buffer.reservation().lock(&Wait::forever())?;
    buffer.shoot_down_user_mappings(..)?;
    assert_eq!(machine.state().memory, [7]);
    Ok(())
}

#[test]
fn a_touch_waits_for_nobody_who_holds_the_reservation_and_for_no_fence() {
    within_a_minute(|| touch_beside_the_reservation().expect("no error"));
}

fn touch_beside_the_reservation() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    let fence = FenceContext::new("engine", "ring").fence(1);
    let held = buffer.reservation().lock(&Wait::forever())?;
    held.reserve_fences(1)?;
    held.add_fence(&fence.fence(), Usage::Write)?;
    thread::scope(|scope| scope.spawn(|| machine.write(&mapping, 0, 0, 7)).join())
        .map_err(|_| "panicked")??;
    assert_eq!(machine.present(0), [(0, ReadWrite)]);
    drop(held);
    fence.signal();
    Ok(())
}

#[test]
fn an_exporter_may_take_the_reservation_to_invalidate_while_a_device_takes_over() {
    within_a_minute(|| invalidate_under_the_reservation().expect("no error"));
}

fn invalidate_under_the_reservation() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    let reservation = Arc::clone(buffer.reservation());
    let (asked, was_asked) = mpsc::channel();
    machine.on(
        Place::Invalidate,
        Act::run(move || {
            let _ = asked.send(());
            drop(reservation.lock(&Wait::forever()));
        }),
    );
    thread::scope(|scope| -> TestResult {
        let held = buffer.reservation().lock(&Wait::forever())?;
        let toucher = scope.spawn(|| machine.write(&mapping, 0, 0, 7));
        was_asked.recv()?;
        buffer.shoot_down_user_mappings(..)?;
        assert_eq!(machine.present(0), []);
        drop(held);
        Ok(toucher.join().map_err(|_| "panicked")??)
    })?;
    let invalidated = machine
        .take_calls()
        .iter()
        .filter(|call| **call == Call::Invalidate(0))
        .count();
    assert_eq!(invalidated, 2, "what it did before the take-over does not count");
    Ok(())
}

#[test]
fn touching_or_mapping_with_the_reservation_held_is_found() -> TestResult {
    let (machine, buffer, mapping) = mapped(1)?;
    let held = buffer.reservation().lock(&Wait::forever())?;
    let found = [
        order::catch(|| drop(mapping.fault(0, FaultKind::Read))).is_err(),
        order::catch(|| drop(machine.map(&buffer, 0, 1))).is_err(),
    ];
    drop(held);
    assert_eq!(found, [order::is_enabled(); 2]);
    mapping.fault(0, FaultKind::Read)?;
    Ok(())
}
