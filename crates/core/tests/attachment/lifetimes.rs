//! Handles, attachments, mappings, pins and guards go in any order; the exporter is told once, in the right one.

use wharf_core::AccessMode::ReadWrite;
use wharf_core::DataDirection::ToDevice;
use wharf_core::MismatchPolicy::{MapAtAttach, PinOnMap};
use wharf_core::{Backing, Errno};

use crate::support::{HIGH, Heap, Log, Told, any, contiguous, forever};

fn here() -> Backing {
    Backing::At(contiguous(HIGH))
}

/// All orders of dropping `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..=order.len()).map(|place| {
                let mut longer = order.clone();
                longer.insert(place, count - 1);
                longer
            })
        })
        .collect()
}

#[test]
fn static_side_can_be_dropped_in_any_order() {
    for order in orders(4) {
        let heap = Heap::new_static(here());
        let buffer = heap.export(MapAtAttach);
        let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
        let mapping = attachment.map(ToDevice, &forever()).unwrap();
        let other = attachment.map(ToDevice, &forever()).unwrap();
        heap.log().take();
        let mut things: Vec<Option<Box<dyn std::any::Any>>> = vec![
            Some(Box::new(buffer)),
            Some(Box::new(attachment)),
            Some(Box::new(mapping)),
            Some(Box::new(other)),
        ];
        for &index in &order {
            things[index] = None;
        }
        assert_eq!(
            heap.log().take(),
            [
                "unmap ToDevice unlocked",
                "unmap ToDevice unlocked",
                "detach camera unlocked",
                "release"
            ],
            "{order:?}"
        );
    }
}

#[test]
fn dynamic_side_can_be_dropped_in_any_order_also_by_who_holds_the_lock() {
    for order in orders(4) {
        for locked in [false, true] {
            let heap = Heap::dynamic(here());
            let buffer = heap.export(MapAtAttach);
            let reservation = std::sync::Arc::clone(buffer.reservation());
            let gpu = buffer
                .attach_dynamic(&any("gpu"), ReadWrite, Told::new(&Log::default()), &forever())
                .unwrap();
            let guard = reservation.lock(&forever()).unwrap();
            let mapping = gpu.map(&guard, ToDevice).unwrap();
            let pin = gpu.pin(&guard).unwrap();
            heap.log().take();
            let mut things: Vec<Option<Box<dyn std::any::Any>>> = vec![
                Some(Box::new(buffer)),
                Some(Box::new(gpu)),
                Some(Box::new(mapping)),
                Some(Box::new(pin)),
            ];
            let guard = locked.then_some(guard);
            for &index in &order {
                things[index] = None;
            }
            if locked {
                assert!(
                    heap.log().take().is_empty(),
                    "whoever holds the lock does it when unlocking"
                );
            }
            drop(guard);
            let mut events = heap.log().take();
            events[..2].sort();
            assert_eq!(
                events,
                [
                    "unmap ToDevice at 0x100000000 locked",
                    "unpin locked",
                    "detach gpu unlocked",
                    "release"
                ],
                "{order:?}"
            );
        }
    }
}

#[test]
fn mapping_of_a_mismatched_pair_outlives_its_attachment() {
    for (policy, heap) in [
        (MapAtAttach, Heap::dynamic(here())),
        (PinOnMap, Heap::dynamic(here())),
        (MapAtAttach, Heap::new_static(here())),
    ] {
        let buffer = heap.export(policy);
        let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
        let mapping = attachment.map(ToDevice, &forever()).unwrap();
        drop((attachment, buffer));
        assert_eq!(mapping.segments()[0].address, HIGH);
        assert!(!heap.log().take().iter().any(|event| event.starts_with("unmap")));
        drop(mapping);
        let events = heap.log().take();
        assert_eq!(events.last().map(String::as_str), Some("release"));
        assert_eq!(
            events.iter().filter(|event| event.starts_with("unmap")).count(),
            1
        );
        assert_eq!(
            events.iter().filter(|event| event.starts_with("detach")).count(),
            1
        );
    }
}

#[test]
fn explicit_detach_refuses_while_in_use_and_loses_nothing() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(PinOnMap);
    let camera = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    let mapping = camera.map(ToDevice, &forever()).unwrap();
    let error = camera.detach().unwrap_err();
    assert_eq!(error.errno(), Errno::EBUSY);
    let camera = error.into_attachment();
    mapping.unmap(&forever()).unwrap();
    camera.detach().unwrap();

    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
        .unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let pin = gpu.pin(&guard).unwrap();
    let gpu = gpu.detach().unwrap_err().into_attachment();
    pin.unpin(&guard).unwrap();
    drop(guard);
    gpu.detach().unwrap();
}

#[test]
fn mapping_dropped_while_another_thread_holds_the_lock_is_unmapped_by_that_thread() {
    let heap = Heap::dynamic(here());
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(&Log::default()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    heap.log().take();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(mapping));
    });
    assert!(heap.log().take().is_empty());
    drop(guard);
    assert_eq!(heap.log().take(), ["unmap ToDevice at 0x100000000 locked"]);
}

#[test]
fn buffers_can_share_a_reservation() {
    let (first_heap, second_heap) = (Heap::dynamic(here()), Heap::dynamic(here()));
    let first = first_heap.export(MapAtAttach);
    let shared = std::sync::Arc::clone(first.reservation());
    let second = wharf_core::DmaBuf::export(wharf_core::ExportInfo {
        reservation: Some(shared),
        ..wharf_core::ExportInfo::new(second_heap.clone(), crate::support::SIZE)
    })
    .unwrap();
    let importer = Told::new(&Log::default());
    let on_first = first
        .attach_dynamic(&any("gpu"), ReadWrite, importer.clone(), &forever())
        .unwrap();
    let on_second = second
        .attach_dynamic(&any("gpu"), ReadWrite, importer, &forever())
        .unwrap();
    let guard = first.reservation().lock(&forever()).unwrap();
    let mappings = (
        on_first.map(&guard, ToDevice).unwrap(),
        on_second.map(&guard, ToDevice).unwrap(),
    );
    drop(mappings);
    drop(guard);
    assert!(second.reservation().try_lock().is_some());
}

/// A static exporter is never called with the reservation held, not even by the last to go.
#[test]
fn last_mapping_of_a_dynamic_importer_ends_the_attachment_to_a_static_exporter_without_the_lock() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    for how in ["dropped", "dropped under the lock", "unmapped"] {
        let gpu = buffer
            .attach_dynamic(&any("gpu"), ReadWrite, Told::new(heap.log()), &forever())
            .unwrap();
        let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
        drop(gpu);
        heap.log().take();
        match how {
            "dropped" => drop(mapping),
            _ => {
                let guard = buffer.reservation().lock(&forever()).unwrap();
                if how == "unmapped" {
                    mapping.unmap(&guard).unwrap();
                } else {
                    drop(mapping);
                }
                assert!(heap.log().take().is_empty(), "{how}");
            }
        }
        assert_eq!(
            heap.log().take(),
            ["unmap Bidirectional unlocked", "detach gpu unlocked"],
            "{how}"
        );
    }
}

/// Guards may be dropped anywhere, and a static exporter is never called with the lock. Contract: L2.
#[test]
fn static_exporter_is_called_after_the_lock_under_which_guards_were_dropped() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let screen = buffer.attach(&any("screen"), ReadWrite, &forever()).unwrap();
    let mapping = screen.map(ToDevice, &forever()).unwrap();
    heap.log().take();
    let context = wharf_core::AcquireCtx::new(&wharf_core::RESERVATION_CLASS);
    let guard = buffer.reservation().lock_in(&context, &forever()).unwrap();
    drop(mapping);
    drop(screen);
    assert!(heap.log().take().is_empty());
    drop(guard);
    assert_eq!(
        heap.log().take(),
        ["unmap ToDevice unlocked", "detach screen unlocked"]
    );
}

/// The usual place to give up a mapping is the end of the work that used it.
#[test]
fn mappings_and_pins_may_be_dropped_by_the_callback_of_a_fence() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::new(&Log::default()), &forever())
        .unwrap();
    let mapping = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    let pin = gpu.pin(&guard).unwrap();
    drop(guard);
    heap.log().take();
    let job = wharf_core::FenceContext::new("gpu", "render").fence(1);
    assert!(matches!(
        job.fence().add_callback(move |_| drop((mapping, pin, gpu))),
        wharf_core::CallbackOutcome::Added(_)
    ));
    job.signal();
    assert_eq!(
        heap.log().take(),
        [
            "unmap ToDevice at 0x100000000 locked",
            "unpin locked",
            "detach gpu unlocked"
        ]
    );
    assert!(heap.control().holders().is_empty());
}

/// What the exporter calls may hold the last handle for a moment; the release waits for the end of the lock all the same.
#[test]
fn buffer_whose_last_handle_goes_during_a_move_is_released_after_the_lock() {
    for is_revoked in [false, true] {
        let heap = Heap::dynamic(here());
        let buffer = heap.export(MapAtAttach);
        let control = heap.control().clone();
        let guard = control.reservation().lock(&forever()).unwrap();
        if is_revoked {
            let job = wharf_core::FenceContext::new("gpu", "render").fence_with(
                1,
                Box::new(DropsWhenWaitedFor(std::sync::Mutex::new(Some(buffer)))),
            );
            guard.reserve_fences(1).unwrap();
            guard.add_fence(&job.fence(), wharf_core::Usage::Write).unwrap();
            control.revoke(&guard).unwrap();
        } else {
            control
                .move_buffer(&guard, || {
                    drop(buffer);
                    Ok(())
                })
                .unwrap();
        }
        assert!(!heap.log().take().contains(&"release".to_owned()));
        drop(guard);
        assert_eq!(heap.log().take(), ["release"]);
    }
}

struct DropsWhenWaitedFor(std::sync::Mutex<Option<wharf_core::DmaBuf>>);

impl wharf_core::FenceOps for DropsWhenWaitedFor {
    fn enable_signaling(&self) -> wharf_core::Signaling {
        drop(self.0.lock().unwrap().take());
        wharf_core::Signaling::Enabled
    }
}
