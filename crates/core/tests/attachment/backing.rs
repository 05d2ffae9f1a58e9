//! Memory that is allocated late, to suit everybody; and those who come later still. Contract: A2, A3.

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::{MapAtAttach, PinOnMap};
use wharf_core::dma::Field;
use wharf_core::{AttachFault, Backing, BackingError, Errno, Hold, MapFault, NotMoved};

use crate::support::{HIGH, Heap, LOW, Told, any, contiguous, forever, high_only, low_only};

#[test]
fn nothing_is_allocated_before_the_first_mapping_which_suits_all_attachments() {
    let heap = Heap::new_static(Backing::Deferred);
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
    let camera = buffer.attach(&low_only("camera"), ReadWrite, &forever()).unwrap();
    assert_eq!(
        heap.log().take(),
        ["attach gpu unlocked", "attach camera unlocked"]
    );
    assert_eq!(heap.backing_now(), Backing::Deferred);
    let first = gpu.map(ToDevice, &forever()).unwrap();
    assert_eq!(first.segments()[0].address, LOW);
    let second = camera.map(ToDevice, &forever()).unwrap();
    assert_eq!(second.segments()[0].address, LOW);
    assert_eq!(
        heap.log().take(),
        [
            "allocate unlocked",
            "map ToDevice unlocked",
            "map ToDevice unlocked"
        ]
    );
}

#[test]
fn pin_allocates_too_and_a_dynamic_exporter_does_so_under_its_lock() {
    let heap = Heap::dynamic(Backing::Deferred);
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    gpu.pin(&guard).unwrap().unpin(&guard).unwrap();
    drop(guard);
    assert_eq!(
        heap.log().take(),
        [
            "attach gpu unlocked",
            "allocate locked",
            "pin locked",
            "unpin locked"
        ]
    );
}

#[test]
fn failed_allocation_is_tried_again() {
    let heap = Heap::new_static(Backing::Deferred);
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
    heap.faults().allocate = Some(Errno::ENOMEM);
    assert_eq!(gpu.map(ToDevice, &forever()).unwrap_err().errno(), Errno::ENOMEM);
    heap.faults().allocate = None;
    assert!(gpu.map(ToDevice, &forever()).is_ok());
}

#[test]
fn allocation_for_one_party_only_is_a_bug_of_the_exporter() {
    let heap = Heap::new_static(Backing::Deferred);
    let buffer = heap.export(MapAtAttach);
    let camera = buffer.attach(&low_only("camera"), ReadWrite, &forever()).unwrap();
    heap.faults().wrong_place = Some(HIGH);
    let error = camera.map(ToDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    assert!(
        matches!(error.fault(), MapFault::Backing(source) if matches!(**source, BackingError::Unsuitable(_)))
    );
}

#[test]
fn devices_that_no_memory_suits_are_told_apart_when_they_attach() {
    let heap = Heap::new_static(Backing::Deferred);
    let buffer = heap.export(MapAtAttach);
    let _camera = buffer.attach(&low_only("camera"), ReadWrite, &forever()).unwrap();
    let error = buffer
        .attach(&high_only("modem"), ReadWrite, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let text = error.to_string();
    assert!(text.contains("'camera'") || text.contains("camera"), "{text}");
    assert!(text.contains("modem"), "{text}");
    assert!(matches!(error.fault(), AttachFault::Conflict(conflict) if conflict.field == Field::Windows));
    assert_eq!(heap.backing_now(), Backing::Deferred);
    // The refused one has left no trace: the first can go on.
    assert!(buffer.attach(&any("gpu"), ReadWrite, &forever()).is_ok());
}

#[test]
fn late_attach_that_fits_succeeds() {
    let heap = Heap::new_static(Backing::At(contiguous(LOW)));
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer.attach(&any("gpu"), ReadWrite, &forever()).unwrap();
    let _mapping = gpu.map(ToDevice, &forever()).unwrap();
    assert!(buffer.attach(&low_only("camera"), ReadWrite, &forever()).is_ok());
}

#[test]
fn late_attach_that_does_not_fit_a_static_exporter_is_busy_and_says_which_field() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let AttachFault::Unsuitable {
        violation,
        why_not_moved,
        ..
    } = error.fault()
    else {
        panic!("{error}");
    };
    assert_eq!(
        (violation.field, why_not_moved),
        (Field::Windows, &NotMoved::Static)
    );
    assert_eq!(
        heap.log().take(),
        ["attach camera unlocked", "detach camera unlocked"]
    );
}

#[test]
fn late_attach_that_does_not_fit_has_a_dynamic_exporter_move() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(PinOnMap);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let old = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    heap.log().take();
    let camera = buffer.attach(&low_only("camera"), ReadWrite, &forever()).unwrap();
    assert_eq!(
        heap.log().take(),
        [
            "attach camera unlocked",
            "relocate locked",
            "allocate locked",
            "move_notify gpu",
            "moved locked"
        ]
    );
    assert!(!old.is_current());
    assert_eq!(
        camera.map(ToDevice, &forever()).unwrap().segments()[0].address,
        LOW
    );
    assert_eq!(
        gpu.map_unlocked(ToDevice, &forever()).unwrap().segments()[0].address,
        LOW
    );
}

#[test]
fn late_attach_names_who_holds_the_buffer_in_place() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let _screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let _pin = gpu.pin(&guard).unwrap();
    drop(guard);
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let AttachFault::Unsuitable {
        why_not_moved: NotMoved::Held(holders),
        ..
    } = error.fault()
    else {
        panic!("{error}");
    };
    let named: Vec<_> = holders.iter().map(|holder| (&*holder.who, holder.how)).collect();
    assert_eq!(
        named,
        [
            ("screen", Hold::MappedAtAttach),
            ("gpu", Hold::Pinned { pins: 1 })
        ]
    );
    let text = error.to_string();
    assert!(
        text.contains("'screen' (static") && text.contains("'gpu' (pinned 1"),
        "{text}"
    );
    assert_eq!(heap.backing_now(), Backing::At(contiguous(HIGH)));
}

#[test]
fn late_attach_that_can_never_share_with_the_others_is_told_from_one_that_could_after_a_move() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let _modem = buffer
        .attach_dynamic(&high_only("modem"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    assert!(matches!(
        error.fault(),
        AttachFault::Unsuitable {
            why_not_moved: NotMoved::Conflict(_),
            ..
        }
    ));
}

#[test]
fn exporter_that_moves_to_a_place_that_does_not_do_either_is_blamed() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    heap.faults().wrong_place = Some(HIGH + 0x1000_0000);
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert!(
        matches!(
            error.fault(),
            AttachFault::Unsuitable {
                why_not_moved: NotMoved::MovedWrongly(_),
                ..
            }
        ),
        "{error}"
    );
    heap.faults().wrong_place = None;
    heap.faults().allocate = Some(Errno::ENOSPC);
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert!(
        matches!(
            error.fault(),
            AttachFault::Unsuitable {
                why_not_moved: NotMoved::Exporter(_),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.errno(), Errno::EBUSY);
}

#[test]
fn exporter_that_does_not_tell_where_its_memory_is_judges_devices_itself() {
    let heap = Heap::new_static(Backing::Opaque);
    let buffer = heap.export(MapAtAttach);
    heap.faults().attach = Some(Errno::EBUSY);
    let error = buffer
        .attach(&low_only("camera"), ReadWrite, &forever())
        .unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    heap.faults().attach = None;
    assert!(buffer.attach(&low_only("camera"), ReadWrite, &forever()).is_ok());
}

#[test]
fn concurrent_first_mappings_allocate_once() {
    for _ in 0..50 {
        let heap = Heap::new_static(Backing::Deferred);
        let buffer = heap.export(MapAtAttach);
        let attachments =
            ["a", "b", "c"].map(|name| buffer.attach(&any(name), ReadWrite, &forever()).unwrap());
        std::thread::scope(|scope| {
            for attachment in &attachments {
                scope.spawn(|| drop(attachment.map(ToDevice, &forever()).unwrap()));
            }
        });
        let allocations = heap
            .log()
            .take()
            .into_iter()
            .filter(|event| event.starts_with("allocate"));
        assert_eq!(allocations.count(), 1);
    }
}
