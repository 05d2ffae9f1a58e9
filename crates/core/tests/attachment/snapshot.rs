//! What can be seen of a buffer from outside.

use wharf_core::AccessMode::{ReadOnly, ReadWrite};
use wharf_core::DataDirection::{Bidirectional, ToDevice};
use wharf_core::MismatchPolicy::MapAtAttach;
use wharf_core::{Backing, BufferName, Contract, Errno, ExporterRole, FenceContext, FenceStatus, Usage};

use crate::support::{HIGH, Heap, LOW, Told, any, contiguous, forever};

#[test]
fn snapshot_shows_attachments_pins_mappings_and_fences_also_while_locked() {
    let heap = Heap::dynamic(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    buffer.set_name(Some(BufferName::new("preview").unwrap()));
    let gpu = buffer
        .attach_dynamic(&any("gpu"), ReadWrite, Told::revocable(heap.log()), &forever())
        .unwrap();
    let old = gpu.map_unlocked(ToDevice, &forever()).unwrap();
    let guard = buffer.reservation().lock(&forever()).unwrap();
    heap.control()
        .move_buffer(&guard, || {
            heap.set_place(LOW);
            Ok(())
        })
        .unwrap();
    let _pin = gpu.pin(&guard).unwrap();
    drop(guard);
    let _screen = buffer.attach(&any("screen"), ReadOnly, &forever()).unwrap();
    let pending = FenceContext::new("gpu", "render").fence(7);
    let failed = FenceContext::new("gpu", "copy").fence(3);
    let guard = buffer.reservation().lock(&forever()).unwrap();
    guard.reserve_fences(2).unwrap();
    guard.add_fence(&failed.fence(), Usage::Read).unwrap();
    guard.add_fence(&pending.fence(), Usage::Write).unwrap();
    failed.signal_error(Errno::EIO).unwrap();

    let seen = buffer.snapshot();
    assert_eq!(
        (seen.id, seen.role, seen.is_locked),
        (buffer.id(), ExporterRole::Dynamic, true)
    );
    assert_eq!(seen.name, Some(BufferName::new("preview").unwrap()));
    let [first, second] = &seen.attachments[..] else {
        panic!("{seen}");
    };
    assert_eq!(
        (&*first.device, first.contract, first.pins),
        ("gpu", Contract::Revocable, 1)
    );
    assert_eq!(
        (&first.mapped[..], first.stale, first.kept),
        (&[ToDevice][..], 1, None)
    );
    assert_eq!(
        (&*second.device, second.access, second.kept),
        ("screen", ReadOnly, Some(ToDevice))
    );
    let fences: Vec<_> = seen
        .fences
        .iter()
        .map(|fence| (fence.usage, fence.seqno, fence.status))
        .collect();
    assert_eq!(
        fences,
        [
            (Usage::Read, 3, FenceStatus::Failed(Errno::EIO)),
            (Usage::Write, 7, FenceStatus::Unsignaled)
        ]
    );
    let text = seen.to_string();
    for part in [
        "'preview': 16384 bytes by 'heap' (Dynamic)",
        "locked",
        "attached 'gpu' (Revocable, ReadWrite): 1 mappings (1 of an old place), 1 pins",
        "attached 'screen' (Static, ReadOnly): 0 mappings, one ToDevice for life, 0 pins",
        "fence Read gpu:copy #3 failed: EIO (5)",
        "fence Write gpu:render #7 pending",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    drop(guard);
    drop(old);
}

#[test]
fn snapshot_counts_handles_and_forgets_what_has_ended() {
    let heap = Heap::new_static(Backing::At(contiguous(HIGH)));
    let buffer = heap.export(MapAtAttach);
    let attachment = buffer.attach(&any("camera"), ReadWrite, &forever()).unwrap();
    let mapping = attachment.map(Bidirectional, &forever()).unwrap();
    let seen = buffer.snapshot();
    assert_eq!(seen.attachments[0].mapped, [Bidirectional]);
    assert_eq!(seen.handles, 2, "one here and one of the attachment");
    drop((mapping, attachment));
    let seen = buffer.snapshot();
    assert!(seen.attachments.is_empty() && seen.fences.is_empty());
    assert_eq!((seen.handles, seen.role), (1, ExporterRole::Static));
}
