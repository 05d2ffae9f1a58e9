//! Moving for a newcomer, while others look on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use wharf_core::dma::DmaLimits;
use wharf_core::set::{Contents, SetConfig, SetError, SetStatus};
use wharf_core::{AccessMode, DataDirection, Errno, Importer, Notice, Revocable};
use wharf_testkit::soft::SoftDevice;

use crate::fake::participant;
use crate::stage::{PAGE, SoftHeap, Stage, long, machine, read, write};

#[test]
fn buffers_move_with_their_contents_and_the_old_ones_are_stale() {
    for is_dynamic in [false, true] {
        let machine = machine();
        let heap = SoftHeap {
            is_dynamic,
            ..SoftHeap::new(&machine, "near")
        };
        let (stage, camera, old) = Stage::with(vec![heap], |config| config).begun();
        write(&old, 0, b"first");
        write(&old, 1, b"other");
        let encoder = stage.join("encoder", 3..=4, 1);
        let new = encoder.buffers(&long()).unwrap();
        assert_eq!(
            (new.number(), new.count(), new.plan().size_bytes()),
            (2, 3, 3 * PAGE)
        );
        assert_eq!(
            (&read(&new, 0), &read(&new, 1), read(&new, 2)),
            (b"first", b"other", [0; 5])
        );
        assert_eq!(camera.buffers(&long()).unwrap().number(), 2);
        assert_eq!(camera.check(&new), Ok(()));
        let stale = camera.check(&old).unwrap_err();
        assert_eq!(
            stale,
            SetError::Stale {
                generation: 1,
                current: 2
            }
        );
        assert_eq!(stale.errno(), Errno::ESTALE);
        assert_eq!(
            stage.machine.allocated_bytes(),
            11 * PAGE,
            "the camera still has the old ones"
        );
        drop(old);
        assert_eq!(stage.machine.allocated_bytes(), 9 * PAGE);
        stage.machine.assert_clean();
    }
}

#[test]
fn large_buffers_are_carried_to_their_last_byte() {
    let stage = Stage::new();
    let camera = stage.join("camera", 40..=50, 1);
    stage.root.seal().unwrap();
    let old = camera.buffers(&long()).unwrap();
    let whole: Vec<u8> = (0..40 * PAGE).map(|at| (at % 251) as u8).collect(); // CAST: below 251.
    let buffer = &old.buffer(0).unwrap()[0];
    let window = buffer.begin_cpu_access(.., DataDirection::ToDevice).unwrap();
    buffer
        .vmap_unlocked(&long())
        .unwrap()
        .write_at(0, &whole)
        .unwrap();
    drop(window);
    let new = stage.join("encoder", 45..=50, 0).buffers(&long()).unwrap();
    let buffer = &new.buffer(0).unwrap()[0];
    let _window = buffer.begin_cpu_access(.., DataDirection::FromDevice).unwrap();
    let mut carried = vec![1; 45 * 4096];
    buffer
        .vmap_unlocked(&long())
        .unwrap()
        .read_at(0, &mut carried)
        .unwrap();
    assert!(carried[..whole.len()] == whole && carried[whole.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_bystander_that_dies_during_a_move_is_not_waited_for() {
    let machine = machine();
    let heap = SoftHeap::new(&machine, "near");
    let meanwhile = Arc::clone(&heap.meanwhile);
    let (stage, camera, old) = Stage::with(vec![heap], |config| config).begun();
    let viewer = stage.join("viewer", 1..=4, 0);
    *meanwhile.lock().unwrap() = Some(Box::new(move || viewer.fail()));
    let encoder = stage.join("encoder", 3..=4, 1);
    assert_eq!(encoder.buffers(&long()).unwrap().number(), 2);
    assert!(camera.check(&old).is_err());
}

#[test]
fn contents_that_are_not_state_are_not_carried() {
    let discard = |config| SetConfig {
        contents: Contents::Discard,
        ..config
    };
    let heaps = vec![SoftHeap::new(&machine(), "near")];
    let (stage, _camera, old) = Stage::with(heaps, discard).begun();
    write(&old, 0, b"first");
    let encoder = stage.join("encoder", 3..=4, 1);
    assert_eq!(read(&encoder.buffers(&long()).unwrap(), 0), [0; 5]);
}

/// Counts what it is told, and takes note of where.
#[derive(Default)]
struct Told {
    moved: AtomicUsize,
    revoked: AtomicUsize,
    buffers: Mutex<Vec<u64>>,
    is_revocable: bool,
}

impl Importer for Told {
    fn move_notify(&self, notice: &Notice<'_>) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        self.buffers.lock().unwrap().push(notice.buffer.id().get());
    }

    fn revocable(&self) -> Option<&dyn Revocable> {
        self.is_revocable.then_some(self)
    }
}

impl Revocable for Told {
    fn revoked(&self, _: &Notice<'_>) {
        self.revoked.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn dynamic_importers_are_told_and_pinned_revocable_ones_are_cut_off() {
    for is_dynamic in [false, true] {
        let machine = machine();
        let heap = SoftHeap {
            is_dynamic,
            ..SoftHeap::new(&machine, "near")
        };
        let (stage, _camera, old) = Stage::with(vec![heap], |config| config).begun();
        let device = SoftDevice::new(&machine, "gpu", DmaLimits::default()).unwrap();
        let device = device.device().using_all().unwrap();
        let dynamic = Arc::new(Told::default());
        let revocable = Arc::new(Told {
            is_revocable: true,
            ..Told::default()
        });
        let attach = |index: usize, importer: &Arc<Told>| {
            let buffer = &old.buffer(index).unwrap()[0];
            buffer
                .attach_dynamic(
                    &device,
                    AccessMode::ReadWrite,
                    Arc::clone(importer) as Arc<dyn Importer>,
                    &long(),
                )
                .unwrap()
        };
        let (first, second) = (attach(0, &dynamic), attach(1, &revocable));
        let guard = second.buffer().reservation().lock(&long()).unwrap();
        let pin = second.pin(&guard).unwrap();
        drop(guard);
        let encoder = stage.join("encoder", 3..=4, 1);
        assert_eq!(encoder.buffers(&long()).unwrap().number(), 2);
        let counts = |told: &Told| {
            (
                told.moved.load(Ordering::Relaxed),
                told.revoked.load(Ordering::Relaxed),
            )
        };
        assert_eq!((counts(&dynamic), counts(&revocable)), ((1, 0), (1, 1)));
        assert_eq!(*dynamic.buffers.lock().unwrap(), [first.buffer().id().get()]);
        drop((pin, first, second));
        drop(old);
        assert_eq!(stage.machine.allocated_bytes(), 9 * PAGE);
    }
}

#[test]
fn a_move_that_fails_leaves_everybody_what_they_had_and_nothing_behind() {
    let machine = machine();
    let heap = SoftHeap::new(&machine, "near");
    let left = Arc::clone(&heap.left);
    let (stage, camera, old) = Stage::with(vec![heap], |config| config).begun();
    write(&old, 0, b"first");
    let needs = participant("encoder", 3..=4, 1);
    let mut token = stage.token("encoder");
    // Each allocation in turn is the first that fails.
    for enough in 0..3 {
        left.store(enough, Ordering::Relaxed);
        let refused = token.declare(needs.clone(), &long()).unwrap_err();
        assert_eq!(refused.error().errno(), Errno::ENOMEM, "{enough}");
        token = refused.into_token();
        assert_eq!(camera.check(&old), Ok(()));
        assert_eq!((read(&old, 0), machine.allocated_bytes()), (*b"first", 2 * PAGE));
        assert_eq!(
            stage.set.snapshot().status,
            SetStatus::Allocated { generation: 1 }
        );
    }
    left.store(3, Ordering::Relaxed);
    let encoder = token.declare(needs, &long()).unwrap();
    assert_eq!(read(&encoder.buffers(&long()).unwrap(), 0), *b"first");
}

#[test]
fn any_number_may_come_and_go_at_once() {
    let (stage, camera, first) = Stage::new().begun();
    drop(first);
    let stage = Arc::new(stage);
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || {
                for round in 0..25_u64 {
                    let pages = 1 + (round + number) % 4;
                    let label = format!("guest {number}");
                    let needs = participant(&label, pages..=4, round % 2);
                    let Ok(guest) = stage.token(&label).declare(needs, &long()) else {
                        continue;
                    };
                    let Ok(buffers) = guest.buffers(&long()) else {
                        continue;
                    };
                    assert!(buffers.plan().size_bytes() >= pages * PAGE);
                    if round % 3 == 0 { guest.fail() } else { drop(guest) }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let current = camera.buffers(&long()).unwrap();
    let seen = stage.set.snapshot();
    assert_eq!(seen.buffers as usize, current.count());
    let bytes = seen.size_bytes * u64::from(seen.buffers);
    assert_eq!(stage.machine.allocated_bytes(), bytes, "old generations are gone");
}
