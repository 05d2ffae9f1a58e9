//! Moves: who is told, what becomes old, what holds a buffer in place. Contract: A5, L6.

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::{FromDevice, ToDevice};
use wharf_core::MismatchPolicy::{MapAtAttach, PinOnMap};
use wharf_core::{Backing, DmaBuf, Errno, Fence, FenceContext, Hold, MoveError, Refusal, Usage};

use crate::support::{HIGH, Heap, LOW, Told, any, contiguous, forever};

fn dynamic(policy: wharf_core::MismatchPolicy) -> (Heap, DmaBuf) {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(policy);
    (heap, buffer)
}

/// Moves the buffer, with `before` done under the same lock.
fn move_to(heap: &Heap, buffer: &DmaBuf, place: u64) -> Result<Fence, MoveError> {
    let guard = buffer.reservation().lock(&forever()).unwrap();
    heap.control().move_buffer(&guard, || {
        heap.set_place(place);
        Ok(())
    })
}

#[test]
fn all_dynamic_importers_are_told_under_the_lock_and_new_mappings_find_the_new_place() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let attach = |label| {
        buffer
            .attach_dynamic(&any(label), ReadWrite, Told::new(heap.log()), &forever())
            .unwrap()
    };
    let (gpu, encoder) = (attach("gpu"), attach("encoder"));
    let old = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    heap.log().take();
    move_to(&heap, &buffer, LOW).unwrap();
    assert_eq!(
        heap.log().take(),
        ["move_notify gpu", "move_notify encoder", "moved locked"]
    );
    assert!(!old.is_current());
    assert_eq!(old.segments()[0].address, HIGH);
    let new = encoder.map_unlocked(FromDevice, &forever()).unwrap();
    assert!(new.is_current());
    assert_eq!(new.segments()[0].address, LOW);
    heap.log().take();
    drop(old);
    assert_eq!(heap.log().take(), ["unmap ToDevice at 0x100000000 locked"]);
}

#[test]
fn old_place_is_idle_when_old_mappings_are_given_up_and_fences_are_signaled() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let job = FenceContext::new("gpu", "render").fence(1);
    let old = {
        let guard = buffer.reservation().lock(&forever()).unwrap();
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&job.fence(), Usage::Bookkeep).unwrap();
        gpu.map(&guard, ToDevice).unwrap()
    };
    let idle = move_to(&heap, &buffer, LOW).unwrap();
    assert_eq!(heap.old_places(), std::slice::from_ref(&idle));
    let newer = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    assert!(!idle.is_signaled());
    job.signal();
    assert!(!idle.is_signaled(), "a mapping of the old place is still there");
    drop(old);
    assert!(idle.is_signaled());
    drop(newer);
}

#[test]
fn each_move_waits_for_the_mappings_of_its_own_old_place_only() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let at_high = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let high_idle = move_to(&heap, &buffer, LOW).unwrap();
    let at_low = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let low_idle = move_to(&heap, &buffer, HIGH).unwrap();
    drop(at_low);
    assert!(low_idle.is_signaled() && !high_idle.is_signaled());
    drop(at_high);
    assert!(high_idle.is_signaled());
}

#[test]
fn move_without_users_is_idle_at_once() {
    let (heap, buffer) = dynamic(MapAtAttach);
    assert!(move_to(&heap, &buffer, LOW).unwrap().is_signaled());
}

#[test]
fn pinned_buffer_does_not_move_until_the_last_pin_is_gone() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let (first, second) = (gpu.pin(&guard).unwrap(), gpu.pin(&guard).unwrap());
    drop(guard);
    heap.log().take();
    let error = move_to(&heap, &buffer, LOW).unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let MoveError::Held { holders, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (&*holders[0].who, holders[0].how),
        ("gpu", Hold::Pinned { pins: 2 })
    );
    assert!(heap.log().take().is_empty(), "nobody was told");
    assert_eq!(heap.backing_now(), Backing::At(contiguous(HIGH)));
    drop(first);
    assert!(move_to(&heap, &buffer, LOW).is_err());
    drop(second);
    assert!(move_to(&heap, &buffer, LOW).is_ok());
}

#[test]
fn static_importers_hold_the_buffer_while_mapped() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let holders = heap.control().holders();
    assert_eq!((holders.len(), holders[0].how), (1, Hold::MappedAtAttach));
    drop(screen);
    assert!(move_to(&heap, &buffer, LOW).is_ok());

    let (heap, buffer) = dynamic(PinOnMap);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    assert!(move_to(&heap, &buffer, LOW).is_ok());
    let mapping = screen.map(ToDevice, &forever()).unwrap();
    assert_eq!(heap.control().holders()[0].how, Hold::Mapped { mappings: 1 });
    assert!(move_to(&heap, &buffer, HIGH).is_err());
    drop(mapping);
    assert!(move_to(&heap, &buffer, HIGH).is_ok());
}

#[test]
fn failed_relocation_tells_nobody() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    heap.log().take();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let refused = heap
        .control()
        .move_buffer(&guard, || Err(Refusal::new(Errno::ENOSPC, "no room")))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::ENOSPC);
    let panicked = heap
        .control()
        .move_buffer(&guard, || panic!("told to"))
        .unwrap_err();
    assert_eq!(panicked.errno(), Errno::EIO);
    drop(guard);
    assert!(heap.log().take().is_empty());
    assert!(mapping.is_current());
}

#[test]
fn importer_that_panics_does_not_keep_others_from_being_told() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let _bad = buffer
        .attach_dynamic(&any("bad"), ReadWrite, Told::panicking(heap.log()), &forever())
        .unwrap();
    let _good = buffer
        .attach_dynamic(&any("good"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    heap.log().take();
    assert!(move_to(&heap, &buffer, LOW).is_ok());
    assert_eq!(
        heap.log().take(),
        ["move_notify bad", "move_notify good", "moved locked"]
    );
}

#[test]
fn only_a_dynamic_exporter_with_the_right_lock_moves() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    assert!(matches!(
        move_to(&heap, &buffer, LOW),
        Err(MoveError::Static { .. })
    ));
    let (heap, _buffer) = dynamic(MapAtAttach);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let error = heap.control().move_buffer(&guard, || Ok(())).unwrap_err();
    assert_eq!(
        (error.errno(), matches!(error, MoveError::WrongGuard { .. })),
        (Errno::EINVAL, true)
    );
}

#[test]
fn released_buffer_cannot_be_moved() {
    let (heap, buffer) = dynamic(MapAtAttach);
    drop(buffer);
    let guard = heap.control().reservation().lock(&forever()).unwrap();
    assert_eq!(
        heap.control().move_buffer(&guard, || Ok(())),
        Err(MoveError::Released)
    );
    assert!(heap.control().holders().is_empty());
}

/// The drop leaves the work for whoever holds the lock: until that is done, the exporter's memory is pinned and mapped.
#[test]
fn attachment_dropped_under_the_lock_holds_the_buffer_until_it_is_unpinned() {
    let (heap, buffer) = dynamic(MapAtAttach);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    drop(screen);
    heap.log().take();
    let error = heap.control().move_buffer(&guard, || Ok(())).unwrap_err();
    let MoveError::Held { holders, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (&*holders[0].who, holders[0].how),
        ("screen", Hold::MappedAtAttach)
    );
    assert!(heap.log().take().is_empty());
    drop(guard);
    assert!(move_to(&heap, &buffer, LOW).is_ok());
}
