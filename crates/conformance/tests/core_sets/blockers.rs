//! Who is in the way of a move is found at the buffers themselves, and named.

use std::any::Any;
use std::sync::Arc;

use wharf_core::dma::DmaLimits;
use wharf_core::negotiation::ReportKind;
use wharf_core::{AccessMode, DmaBuf, Errno, FenceContext, Importer, Notice, Usage};
use wharf_testkit::soft::SoftDevice;

use crate::fake::participant;
use crate::stage::{PAGE, Stage, long, read, write};

struct Deaf;

impl Importer for Deaf {
    fn move_notify(&self, _: &Notice<'_>) {}
}

/// Has somebody come for whom the buffers would have to move, while `hold` holds one; says who is in the way.
fn blockers(hold: impl FnOnce(&Stage, &DmaBuf) -> Box<dyn Any>) -> Vec<(String, String)> {
    let (stage, camera, old) = Stage::new().begun();
    write(&old, 1, b"state");
    let held = hold(&stage, &old.buffer(1).unwrap()[0]);
    let needs = participant("encoder", 3..=4, 1);
    let refused = stage
        .token("encoder")
        .declare(needs.clone(), &long())
        .unwrap_err();
    assert_eq!(refused.error().errno(), Errno::EBUSY);
    let ReportKind::Busy { blockers, misfit } = &refused.error().report().unwrap().kind else {
        panic!("{:?}", refused.error())
    };
    assert_eq!(&*misfit.who.label, "encoder");
    let blockers = blockers
        .iter()
        .map(|one| (one.who.label.to_string(), one.reason.to_string()))
        .collect();
    assert_eq!(camera.check(&old), Ok(()));
    assert_eq!(
        stage.machine.allocated_bytes(),
        2 * PAGE,
        "nothing is left of the attempt"
    );
    drop(held);
    let encoder = refused.into_token().declare(needs, &long()).unwrap();
    assert_eq!(&read(&encoder.buffers(&long()).unwrap(), 1), b"state");
    blockers
}

fn one(label: &str, reason: &str) -> Vec<(String, String)> {
    vec![(label.into(), reason.into())]
}

fn gpu(stage: &Stage) -> wharf_core::dma::DeviceUse {
    let device = SoftDevice::new(&stage.machine, "gpu", DmaLimits::default()).unwrap();
    device.device().using_all().unwrap()
}

#[test]
fn a_static_attachment() {
    let found = blockers(|stage, buffer| {
        Box::new(buffer.attach(&gpu(stage), AccessMode::ReadOnly, &long()).unwrap())
    });
    assert_eq!(found, one("gpu", "it is attached statically"));
}

#[test]
fn a_pin() {
    let found = blockers(|stage, buffer| {
        let attached = buffer
            .attach_dynamic(&gpu(stage), AccessMode::ReadOnly, Arc::new(Deaf), &long())
            .unwrap();
        let guard = buffer.reservation().lock(&long()).unwrap();
        let pins = (attached.pin(&guard).unwrap(), attached.pin(&guard).unwrap());
        Box::new((pins, attached))
    });
    assert_eq!(found, one("gpu", "it has it pinned 2 times"));
}

#[test]
fn a_vmap() {
    let found = blockers(|_, buffer| Box::new(buffer.vmap_unlocked(&long()).unwrap()));
    assert_eq!(found, one("the CPU", "it has it vmapped"));
}

#[test]
fn a_fence_that_does_not_signal_in_time() {
    let found = blockers(|_, buffer| {
        let fence = FenceContext::new("camera", "queue").fence(7);
        let guard = buffer.reservation().lock(&long()).unwrap();
        guard.reserve_fences(1).unwrap();
        guard.add_fence(&fence.fence(), Usage::Bookkeep).unwrap();
        Box::new(fence)
    });
    assert_eq!(found, one("camera:queue", "its fence 7 is pending"));
}
