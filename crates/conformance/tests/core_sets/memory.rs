//! Getting memory, and giving it up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wharf_core::Errno;
use wharf_core::negotiation::{HeapAnswer, ReportKind};
use wharf_core::set::{SetFailure, SetStatus};

use crate::fake::participant;
use crate::stage::{Flaw, PAGE, SoftHeap, Stage, long, machine, read};

#[test]
fn everybody_has_the_same_buffers_all_zero() {
    let stage = Stage::new();
    let camera = stage.join("camera", 1..=4, 2);
    let viewer = stage.join("viewer", 2..=4, 1);
    stage.root.seal().unwrap();
    let (one, other) = (camera.buffers(&long()).unwrap(), viewer.buffers(&long()).unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(
        (one.number(), one.count(), one.plan().size_bytes()),
        (1, 3, 2 * PAGE)
    );
    assert_eq!(one.buffer(2).unwrap()[0].size_bytes(), 2 * PAGE);
    assert!(one.buffer(3).is_none());
    assert_eq!(read::<9>(&one, 1), [0; 9]);
    assert_eq!(stage.machine.allocated_bytes(), 6 * PAGE);
}

#[test]
fn memory_goes_when_the_last_who_uses_it_has_gone() {
    let (stage, camera, buffers) = Stage::new().begun();
    let Stage { set, root, machine } = stage;
    drop(root);
    drop(camera);
    assert_eq!(set.snapshot().status, SetStatus::Dead);
    assert_eq!(machine.allocated_bytes(), 2 * PAGE, "somebody still has it");
    drop(buffers);
    assert_eq!(machine.allocated_bytes(), 0);
}

#[test]
fn a_heap_that_breaks_its_promise_is_passed_over() {
    for (flaw, errno) in [
        (Flaw::TooSmall, Errno::EIO),
        (Flaw::Panics, Errno::EIO),
        (Flaw::Empty, Errno::ENOMEM),
    ] {
        let machine = machine();
        let near = SoftHeap {
            flaw,
            ..SoftHeap::new(&machine, "near")
        };
        let far = SoftHeap::new(&machine, "far");
        let (stage, _camera, buffers) = Stage::with(vec![near, far], |config| config).begun();
        assert_eq!(stage.set.snapshot().heaps, ["far".into()]);
        assert_eq!(
            machine.allocated_bytes(),
            2 * PAGE,
            "nothing of the first is left"
        );
        drop(buffers);

        let near = SoftHeap {
            flaw,
            ..SoftHeap::new(&machine, "near")
        };
        let stage = Stage::with(vec![near], |config| config);
        let camera = stage.join("camera", 2..=4, 2);
        stage.root.seal().unwrap();
        let error = camera.buffers(&long()).unwrap_err();
        assert_eq!(error.errno(), Errno::ENOMEM);
        let ReportKind::NoMemory { trail } = &error.report().unwrap().kind else {
            panic!("{error}")
        };
        let [
            HeapAnswer::Refused {
                errno: said, heap, ..
            },
        ] = &trail[..]
        else {
            panic!("{trail:?}")
        };
        assert_eq!((*said, &**heap), (errno, "near"));
        assert!(matches!(stage.set.snapshot().status, SetStatus::Failed));
    }
}

#[test]
fn all_buffers_are_allocated_or_none() {
    let machine = machine();
    let near = SoftHeap::new(&machine, "near");
    let left = Arc::clone(&near.left);
    left.store(2, Ordering::Relaxed);
    let stage = Stage::with(vec![near], |config| config);
    let camera = stage.join("camera", 1..=4, 3);
    stage.root.seal().unwrap();
    assert_eq!(camera.buffers(&long()).unwrap_err().errno(), Errno::ENOMEM);
    assert_eq!(machine.allocated_bytes(), 0);
}

#[test]
fn a_token_that_is_dropped_is_released_and_one_that_panics_fails() {
    let (stage, camera, _) = Stage::new().begun();
    let viewer = stage.join("viewer", 1..=4, 0);
    drop(viewer);
    drop(camera);
    assert_eq!(
        stage.set.snapshot().free,
        0,
        "what the camera counted on stays reserved"
    );

    let stage = Stage::new();
    let camera = stage.join("camera", 1..=4, 2);
    let died = std::thread::spawn(move || {
        let _camera = camera;
        panic!("dies with its token");
    });
    died.join().unwrap_err();
    assert!(matches!(stage.set.snapshot().status, SetStatus::Failed));
    let refused = stage.root.seal().unwrap_err();
    assert!(
        matches!(refused, wharf_core::set::SetError::Over(SetFailure::Lost { label, .. }) if *label == *"camera")
    );
}

#[test]
fn a_refused_declaration_gives_the_token_back() {
    let (stage, _camera, _) = Stage::new().begun();
    let token = stage.token("viewer");
    let impossible = participant("viewer", 9..=10, 0);
    let refused = token.declare(impossible, &long()).unwrap_err();
    assert!(matches!(
        refused.error().report().unwrap().kind,
        ReportKind::Conflict { .. }
    ));
    let viewer = refused
        .into_token()
        .declare(participant("viewer", 1..=4, 0), &long());
    assert_eq!(viewer.unwrap().buffers(&long()).unwrap().number(), 1);
}

#[test]
fn memory_that_comes_when_the_set_is_over_is_given_back() {
    let machine = machine();
    let heap = SoftHeap::new(&machine, "near");
    let meanwhile = Arc::clone(&heap.meanwhile);
    let stage = Stage::with(vec![heap], |config| config);
    let camera = stage.join("camera", 1..=4, 2);
    *meanwhile.lock().unwrap() = Some(Box::new(move || camera.fail()));
    stage.root.seal().unwrap();
    assert_eq!(stage.set.snapshot().status, SetStatus::Failed);
    assert_eq!(machine.allocated_bytes(), 0);
}
