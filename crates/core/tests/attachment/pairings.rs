//! The four pairings of static and dynamic sides, under both policies: who is called when, with which lock.

use wharf_core::AccessMode::{ReadOnly, ReadWrite};
use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::MismatchPolicy::{MapAtAttach, PinOnMap};
use wharf_core::{Backing, Errno, FenceContext, MapFault, Usage};

use crate::support::{ALL_DIRECTIONS, HIGH, Heap, Log, Told, any, contiguous, forever};

fn here() -> Backing {
    Backing::At(contiguous(HIGH))
}

#[test]
fn static_with_static_passes_through_without_lock() {
    for policy in [MapAtAttach, PinOnMap] {
        let heap = Heap::new_static(here());
        let buffer = heap.export(policy);
        let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
        assert_eq!(heap.log().take(), ["attach camera unlocked"]);
        let mapping = attachment.map(FromDevice, &forever()).unwrap();
        assert_eq!(mapping.segments()[0].address, HIGH);
        let second = attachment.map(ToDevice, &forever()).unwrap();
        mapping.unmap(&forever()).unwrap();
        drop(second);
        attachment.detach().unwrap();
        assert_eq!(
            heap.log().take(),
            [
                "map FromDevice unlocked",
                "map ToDevice unlocked",
                "unmap FromDevice unlocked",
                "unmap ToDevice unlocked",
                "detach camera unlocked"
            ]
        );
    }
}

#[test]
fn dynamic_with_dynamic_passes_through_under_the_importers_lock() {
    for policy in [MapAtAttach, PinOnMap] {
        let heap = Heap::dynamic(here());
        let buffer = heap.export(policy);
        let gpu = buffer
            .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
            .unwrap();
        assert_eq!(heap.log().take(), ["attach gpu unlocked"]);
        let guard = buffer.reservation().lock(&forever()).unwrap();
        let mapping = gpu.map(&guard, ToDevice).unwrap();
        mapping.unmap(&guard).unwrap();
        drop(guard);
        let mapping = gpu.map_unlocked(FromDevice, &forever()).unwrap();
        mapping.unmap_unlocked(&forever()).unwrap();
        gpu.detach().unwrap();
        assert_eq!(
            heap.log().take(),
            [
                "map ToDevice locked",
                "unmap ToDevice at 0x100000000 locked",
                "map FromDevice locked",
                "unmap FromDevice at 0x100000000 locked",
                "detach gpu unlocked"
            ]
        );
    }
}

#[test]
fn static_importer_of_a_dynamic_exporter_is_pinned_and_mapped_at_attach() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(MapAtAttach);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    assert_eq!(
        heap.log().take(),
        ["attach camera unlocked", "pin locked", "map Bidirectional locked"]
    );
    for direction in ALL_DIRECTIONS {
        let mapping = attachment.map(direction, &forever()).unwrap();
        assert_eq!(mapping.segments()[0].address, HIGH);
        drop(mapping);
    }
    assert!(heap.log().take().is_empty());
    drop(attachment);
    assert_eq!(
        heap.log().take(),
        [
            "unmap Bidirectional at 0x100000000 locked",
            "unpin locked",
            "detach camera unlocked"
        ]
    );
}

#[test]
fn dynamic_importer_of_a_static_exporter_is_mapped_at_attach_without_lock() {
    let heap = Heap::new_static(here());
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    assert_eq!(
        heap.log().take(),
        ["attach gpu unlocked", "map Bidirectional unlocked"]
    );
    let guard = buffer.reservation().lock(&forever()).unwrap();
    for direction in ALL_DIRECTIONS {
        gpu.map(&guard, direction).unwrap().unmap(&guard).unwrap();
    }
    drop(guard);
    assert!(heap.log().take().is_empty());
    gpu.detach().unwrap();
    assert_eq!(
        heap.log().take(),
        ["unmap Bidirectional unlocked", "detach gpu unlocked"]
    );
}

#[test]
fn pin_on_map_keeps_nothing_and_pins_around_each_mapping_of_a_static_importer() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(PinOnMap);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    assert_eq!(heap.log().take(), ["attach camera unlocked"]);
    let mapping = attachment.map(ToDevice, &forever()).unwrap();
    assert_eq!(heap.log().take(), ["pin locked", "map ToDevice locked"]);
    mapping.unmap(&forever()).unwrap();
    assert_eq!(
        heap.log().take(),
        ["unmap ToDevice at 0x100000000 locked", "unpin locked"]
    );
    drop(attachment.map(FromDevice, &forever()).unwrap());
    assert_eq!(
        heap.log().take(),
        [
            "pin locked",
            "map FromDevice locked",
            "unmap FromDevice at 0x100000000 locked",
            "unpin locked"
        ]
    );
}

#[test]
fn pin_on_map_has_static_exporters_called_under_a_dynamic_importers_lock() {
    let heap = Heap::new_static(here());
    let buffer = heap.export(PinOnMap);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    gpu.map(&guard, ToDevice).unwrap().unmap(&guard).unwrap();
    assert_eq!(
        heap.log().take(),
        [
            "attach gpu unlocked",
            "map ToDevice locked",
            "unmap ToDevice locked"
        ]
    );
}

#[test]
fn caching_exporter_keeps_the_first_mapping_and_refuses_another_direction() {
    let heap = Heap::caching(here());
    let buffer = heap.export(MapAtAttach);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    drop(attachment.map(ToDevice, &forever()).unwrap());
    drop(attachment.map(ToDevice, &forever()).unwrap());
    assert_eq!(
        heap.log().take(),
        ["attach camera unlocked", "map ToDevice unlocked"]
    );
    let error = attachment.map(FromDevice, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    assert!(matches!(
        error.fault(),
        MapFault::Direction {
            cached: ToDevice,
            asked: FromDevice
        }
    ));
    drop(attachment);
    assert_eq!(
        heap.log().take(),
        ["unmap ToDevice unlocked", "detach camera unlocked"]
    );
}

#[test]
fn caching_exporter_serves_all_directions_from_a_bidirectional_mapping() {
    let heap = Heap::caching(here());
    let buffer = heap.export(MapAtAttach);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    for direction in ALL_DIRECTIONS {
        drop(attachment.map(direction, &forever()).unwrap());
    }
    assert_eq!(
        heap.log().take(),
        ["attach camera unlocked", "map Bidirectional unlocked"]
    );
}

#[test]
fn errors_at_attach_undo_everything() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(MapAtAttach);
    heap.faults().map = Some(Errno::ENOMEM);
    let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::ENOMEM);
    assert_eq!(
        heap.log().take(),
        [
            "attach camera unlocked",
            "pin locked",
            "map Bidirectional locked",
            "unpin locked",
            "detach camera unlocked"
        ]
    );
    heap.faults().map = None;
    heap.faults().pin = Some(Errno::ENOSPC);
    let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::ENOSPC);
    assert_eq!(
        heap.log().take(),
        ["attach camera unlocked", "pin locked", "detach camera unlocked"]
    );
    heap.faults().attach = Some(Errno::EOPNOTSUPP);
    let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    assert_eq!(heap.log().take(), ["attach camera unlocked"]);
}

#[test]
fn read_only_attachment_is_never_mapped_for_device_writes() {
    for heap in [Heap::new_static(here()), Heap::dynamic(here())] {
        let buffer = heap.export(MapAtAttach);
        let viewer = buffer.attach(&any("viewer"), ReadOnly, &forever()).unwrap();
        assert!(
            !heap
                .log()
                .take()
                .iter()
                .any(|event| event.contains("Bidirectional"))
        );
        drop(viewer.map(ToDevice, &forever()).unwrap());
        for direction in [Bidirectional, FromDevice] {
            let error = viewer.map(direction, &forever()).unwrap_err();
            assert_eq!(error.errno(), Errno::EACCES);
        }
    }
}

#[test]
fn read_only_handle_attaches_nobody_for_writing() {
    let heap = Heap::new_static(here());
    let buffer = heap.export(MapAtAttach).to_read_only();
    let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EACCES);
    assert!(buffer.attach(&any("camera"), ReadOnly, &forever()).is_ok());
}

#[test]
fn static_importer_waits_for_kernel_fences_and_takes_the_mapping_back_if_it_cannot() {
    let heap = Heap::new_static(here());
    let buffer = heap.export(MapAtAttach);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    heap.log().take();
    let clearing = FenceContext::new("heap", "clear").fence(1);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&clearing.fence(), Usage::Kernel).unwrap();
    drop(guard);
    let error = attachment.map(ToDevice, &wharf_core::Wait::not()).unwrap_err();
    assert_eq!(error.errno(), Errno::ETIMEDOUT);
    assert_eq!(
        heap.log().take(),
        ["map ToDevice unlocked", "unmap ToDevice unlocked"]
    );
    clearing.signal();
    assert!(attachment.map(ToDevice, &wharf_core::Wait::not()).is_ok());
}

#[test]
fn guard_of_another_reservation_is_refused_and_nothing_is_lost() {
    let (heap, other) = (Heap::dynamic(here()), Heap::dynamic(here()));
    let (buffer, stranger) = (heap.export(MapAtAttach), other.export(MapAtAttach));
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(&Log::default()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let pin = gpu.pin(&guard).unwrap();
    drop(guard);
    let wrong = stranger.reservation().lock(&forever()).unwrap();
    assert_eq!(gpu.map(&wrong, ToDevice).unwrap_err().errno(), Errno::EINVAL);
    assert_eq!(gpu.pin(&wrong).unwrap_err().errno(), Errno::EINVAL);
    let mapping = mapping.unmap(&wrong).unwrap_err().into_kept();
    let pin = pin.unpin(&wrong).unwrap_err().into_kept();
    drop(wrong);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    mapping.unmap(&guard).unwrap();
    pin.unpin(&guard).unwrap();
}

#[test]
fn calls_that_take_the_lock_refuse_who_holds_it() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(PinOnMap);
    let camera = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    let held = camera.map(ToDevice, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    assert_eq!(
        camera.map(ToDevice, &forever()).unwrap_err().errno(),
        Errno::EDEADLK
    );
    let error = buffer.attach(&any("viewer"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EDEADLK);
    let held = held.unmap(&forever()).unwrap_err().into_kept();
    drop(guard);
    held.unmap(&forever()).unwrap();
}

#[test]
fn exporter_without_map_ops_takes_no_devices() {
    struct Plain;
    impl wharf_core::Exporter for Plain {
        fn name(&self) -> &str {
            "plain"
        }
    }
    let buffer = wharf_core::DmaBuf::export(wharf_core::ExportInfo::new(Plain, 4096)).unwrap();
    let error = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap_err();
    assert_eq!(error.errno(), Errno::EOPNOTSUPP);
}

/// A static importer knows nothing of fences, whether its mapping is new or was kept.
#[test]
fn kept_mapping_is_handed_out_when_the_memory_is_fit_for_use() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(MapAtAttach);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let clearing = FenceContext::new("heap", "clear").fence(1);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    guard.reserve_fences(1).unwrap();
    guard.add_fence(&clearing.fence(), Usage::Kernel).unwrap();
    drop(guard);
    let error = screen.map(ToDevice, &wharf_core::Wait::not()).unwrap_err();
    assert_eq!(error.errno(), Errno::ETIMEDOUT);
    clearing.signal();
    assert!(screen.map(ToDevice, &wharf_core::Wait::not()).is_ok());
}
