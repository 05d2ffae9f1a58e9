//! Waiting for those expected, and for memory.

use std::sync::Arc;
use std::thread;

use wharf_core::set::{SetError, SetStatus};
use wharf_core::{BufferName, Errno, Interrupt, Wait};

use crate::fake::participant;
use crate::stage::{Stage, long, soon};

#[test]
fn who_wants_buffers_waits_and_is_told_for_whom_it_was() {
    let stage = Stage::new();
    let camera = stage.join("camera", 1..=4, 2);
    let viewer = stage.token("viewer");
    let error = camera.buffers(&soon()).unwrap_err();
    assert_eq!(
        error,
        SetError::Waiting {
            missing: vec!["creator".into(), "viewer".into()]
        }
    );
    assert_eq!(error.errno(), Errno::EAGAIN);
    let interrupt = Interrupt::new();
    interrupt.raise();
    assert!(
        camera
            .buffers(&Wait::forever().interruptible(&interrupt))
            .is_err()
    );
    drop(viewer);
    assert!(stage.set.stall_report().is_some());
}

#[test]
fn who_waits_is_woken_by_the_last_who_was_missing() {
    let stage = Stage::new();
    let camera = stage.join("camera", 1..=4, 2);
    let viewer = stage.token("viewer");
    drop(stage.root);
    let waiting = thread::spawn(move || camera.buffers(&long()).map(|buffers| buffers.count()));
    let viewer = viewer.declare(participant("viewer", 1..=2, 1), &long()).unwrap();
    assert_eq!(waiting.join().unwrap(), Ok(3));
    assert_eq!(viewer.buffers(&long()).unwrap().number(), 1);
}

#[test]
fn who_waits_is_woken_by_the_end() {
    let stage = Stage::new();
    let camera = Arc::new(stage.join("camera", 1..=4, 2));
    let viewer = stage.token("viewer");
    let waits = Arc::clone(&camera);
    let waiting = thread::spawn(move || waits.buffers(&long()).map(|buffers| buffers.count()));
    // Mirrors sysmem_tests_v2.cc CloseWithOutstandingWait: a failure while somebody waits.
    viewer.fail();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, SetError::Over(_)), "{error}");
    assert_eq!(stage.set.snapshot().status, SetStatus::Failed);
    assert_eq!(stage.set.deadline_passed().unwrap_err(), error);
}

#[test]
fn a_deadline_is_the_end_for_all_who_wait() {
    let stage = Stage::new();
    let camera = stage.join("camera", 1..=4, 2);
    let name = BufferName::new("preview").unwrap();
    assert_eq!(stage.root.set_name(1, name.clone()), Ok(true));
    assert_eq!(stage.set.snapshot().name, Some(name));
    assert_eq!(stage.set.deadline_passed().unwrap_err().errno(), Errno::ETIMEDOUT);
    assert_eq!(camera.buffers(&long()).unwrap_err().errno(), Errno::ETIMEDOUT);
    assert!(stage.set.last_report().is_some() && stage.set.plan().is_none());
}
