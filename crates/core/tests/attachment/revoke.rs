//! Buffers that are taken away for good.

use std::sync::{Arc, Mutex};

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{AttachFault, Backing, Contract, DmaBuf, Errno, Fence, FenceContext, RevokeError, Usage};

use crate::reentry::Hooked;
use crate::support::{HIGH, Heap, Told, any, contiguous, forever};

fn dynamic() -> (Heap, DmaBuf) {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    (heap, buffer)
}

fn revoke(heap: &Heap, buffer: &DmaBuf) -> Result<Fence, RevokeError> {
    let guard = buffer.reservation().lock(&forever()).unwrap();
    heap.control().revoke(&guard)
}

#[test]
fn revoked_importers_are_told_and_get_nothing_more() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    assert_eq!(gpu.info().contract(), Contract::Revocable);
    heap.log().take();
    revoke(&heap, &buffer).unwrap();
    assert_eq!(heap.log().take(), ["revoked gpu"]);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    assert_eq!(gpu.map(&guard, ToDevice).unwrap_err().errno(), Errno::ENODEV);
    assert_eq!(gpu.pin(&guard).unwrap_err().errno(), Errno::ENODEV);
    drop(guard);
    let error = buffer.attach(&any("late"), ReadWrite, &forever()).unwrap_err();
    assert!(matches!(error.fault(), AttachFault::Revoked));
    assert_eq!(error.errno(), Errno::ENODEV);
}

#[test]
fn memory_is_idle_when_everything_was_given_up() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let job = FenceContext::new("gpu", "render").fence(1);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&job.fence(), Usage::Read).unwrap();
    drop(guard);
    let idle = revoke(&heap, &buffer).unwrap();
    drop(mapping);
    assert!(!idle.is_signaled(), "a job is still running");
    job.signal();
    assert!(idle.is_signaled());
}

#[test]
fn pins_do_not_protect_from_revocation() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let pin = gpu.pin(&guard).unwrap();
    drop(guard);
    heap.log().take();
    assert!(revoke(&heap, &buffer).is_ok());
    drop(pin);
    assert_eq!(heap.log().take(), ["revoked gpu", "unpin locked"]);
}

#[test]
fn nobody_loses_anything_if_somebody_cannot_give_it_up() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let wifi = buffer
        .attach_dynamic(&any("wifi"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    heap.log().take();
    let error = revoke(&heap, &buffer).unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let RevokeError::NotRevocable { unable, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(unable, ["screen".into(), "wifi".into()]);
    assert!(heap.log().take().is_empty());
    assert!(gpu.map_unlocked(ToDevice, &forever()).is_ok());
    drop((screen, wifi));
    assert!(revoke(&heap, &buffer).is_ok());
}

#[test]
fn revoking_twice_is_the_same_as_once() {
    let (heap, buffer) = dynamic();
    assert!(revoke(&heap, &buffer).unwrap().is_signaled());
    assert!(revoke(&heap, &buffer).unwrap().is_signaled());
}

/// The exporter takes the buffer away between the check of an attachment and the lock.
#[test]
fn buffer_revoked_while_it_is_being_attached_is_not_mapped_for_life() {
    let (heap, buffer) = dynamic();
    let revoked = heap.clone();
    heap.on_attach(move || {
        drop(
            revoked
                .control()
                .revoke(&revoked.control().reservation().lock(&forever()).unwrap()),
        )
    });
    let error = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::ENODEV);
    assert_eq!(
        heap.log().take(),
        ["attach screen unlocked", "detach screen unlocked"]
    );
}

#[test]
fn second_revocation_waits_for_what_the_first_one_waits_for() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    heap.log().take();
    let idle = [revoke(&heap, &buffer).unwrap(), revoke(&heap, &buffer).unwrap()];
    assert_eq!(heap.log().take(), ["revoked gpu"], "told once");
    assert!(idle.iter().all(|fence| !fence.is_signaled()));
    drop(mapping);
    assert!(idle.iter().all(Fence::is_signaled));
}

#[test]
fn revocation_waits_for_mappings_that_a_move_made_old() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let moved = heap.control().move_buffer(&guard, || Ok(())).unwrap();
    drop(guard);
    let idle = revoke(&heap, &buffer).unwrap();
    assert!(!moved.is_signaled() && !idle.is_signaled());
    drop(mapping);
    assert!(moved.is_signaled() && idle.is_signaled());
}

#[test]
fn revocation_waits_for_pins() {
    let (heap, buffer) = dynamic();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let pins = [gpu.pin(&guard).unwrap(), gpu.pin(&guard).unwrap()];
    drop(guard);
    let idle = revoke(&heap, &buffer).unwrap();
    for pin in pins {
        assert!(!idle.is_signaled(), "a pin is still there");
        drop(pin);
    }
    assert!(idle.is_signaled());
}

/// The importer has no mapping of its own then, but its device has the memory mapped.
#[test]
fn revocation_waits_for_the_mapping_that_is_kept_until_detach() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    heap.log().take();
    let idle = revoke(&heap, &buffer).unwrap();
    assert!(!idle.is_signaled());
    drop(gpu);
    assert_eq!(
        heap.log().take(),
        [
            "revoked gpu",
            "unmap Bidirectional unlocked",
            "detach gpu unlocked"
        ]
    );
    assert!(idle.is_signaled());
}

/// A static exporter's devices attach without the lock: here the buffer goes after the last check before they join the others.
#[test]
fn buffer_revoked_while_its_memory_is_judged_is_not_attached() {
    for is_dynamic in [false, true] {
        let hooked = Hooked::new(Heap::new_static(Backing::At(contiguous(HIGH))));
        let buffer = hooked.export(MapAtAttach);
        let revoker = hooked.heap.clone();
        hooked.on_call(move |call, _| {
            if call == "backing" {
                let guard = revoker.control().reservation().lock(&forever()).unwrap();
                assert!(revoker.control().revoke(&guard).unwrap().is_signaled());
            }
        });
        let error = if is_dynamic {
            let told = Told::revocable(hooked.heap.log());
            let attached = buffer.attach_dynamic(&any("gpu"), ReadWrite, told, &forever());
            attached.map(drop).unwrap_err()
        } else {
            buffer
                .attach(&any("screen"), ReadWrite, &forever())
                .map(drop)
                .unwrap_err()
        };
        assert!(matches!(error.fault(), AttachFault::Revoked), "{error}");
        let log = hooked.heap.log().take();
        assert!(!log.iter().any(|call| call.starts_with("map")), "{log:?}");
    }
}

/// The device has joined the others and is being mapped for life, without the lock: whoever revokes waits for the end of that.
#[test]
fn buffer_revoked_while_it_is_mapped_for_life_is_idle_when_that_mapping_is_gone() {
    let hooked = Hooked::new(Heap::new_static(Backing::At(contiguous(HIGH))));
    let buffer = hooked.export(MapAtAttach);
    let (revoker, idle) = (hooked.heap.clone(), Arc::new(Mutex::new(None)));
    let outcome = Arc::clone(&idle);
    hooked.on_call(move |call, _| {
        if call == "map" {
            let guard = revoker.control().reservation().lock(&forever()).unwrap();
            let idle = revoker.control().revoke(&guard).unwrap();
            assert!(!idle.is_signaled(), "the exporter is just mapping");
            *outcome.lock().unwrap() = Some(idle);
        }
    });
    let told = Told::revocable(hooked.heap.log());
    let error = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, told, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::ENODEV, "{error}");
    assert_eq!(
        hooked.heap.log().take(),
        [
            "attach gpu unlocked",
            "revoked gpu",
            "map Bidirectional unlocked",
            "unmap Bidirectional unlocked",
            "detach gpu unlocked"
        ]
    );
    assert!(idle.lock().unwrap().take().unwrap().is_signaled());
}

/// The exporter changes its mind in the middle of its own map or pin.
#[test]
fn buffer_revoked_while_it_is_being_mapped_or_pinned_is_not() {
    for revoked_in in ["map", "pin"] {
        let hooked = Hooked::new(Heap::dynamic(Backing::At(contiguous(HIGH))));
        let buffer = hooked.export(MapAtAttach);
        let told = Told::revocable(hooked.heap.log());
        let gpu = buffer
            .attach_dynamic(&any("gpu"), ReadWrite, told, &forever())
            .unwrap();
        let revoker = hooked.heap.clone();
        hooked.on_call(move |call, guard| {
            if call == revoked_in {
                revoker.control().revoke(guard.unwrap()).unwrap();
            }
        });
        hooked.heap.log().take();
        let guard = buffer.reservation().lock(&forever()).unwrap();
        let errno = match revoked_in {
            "map" => gpu.map(&guard, ToDevice).map(drop).unwrap_err().errno(),
            _ => gpu.pin(&guard).map(drop).unwrap_err().errno(),
        };
        assert_eq!(errno, Errno::ENODEV);
        drop(guard);
        let undone = match revoked_in {
            "map" => [
                "revoked gpu",
                "map ToDevice locked",
                "unmap ToDevice at 0x100000000 locked",
            ],
            _ => ["revoked gpu", "pin locked", "unpin locked"],
        };
        assert_eq!(hooked.heap.log().take(), undone);
    }
}
