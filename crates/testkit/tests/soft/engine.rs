use std::time::{Duration, Instant};

use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::{Errno, FenceStatus};
use wharf_testkit::soft::{DeviceAccess, DeviceFault, FaultReason, Finding, Job, SoftDevice, Span, checksum};

use crate::support::{PAGE, apart, cpu_read, device, done, fill, frame, machine, map, patiently, unmap};

#[test]
fn engine_fills_copies_and_sums_up_across_segments() {
    let machine = machine();
    let (blitter, from, to) = (device(&machine, "blitter"), frame(&machine), frame(&machine));
    let bytes: Vec<u8> = (0..8192).map(|byte| (byte % 253) as u8).collect();
    machine.cpu_write(&from, 0, &bytes).unwrap();
    machine.end_cpu_access(&from, 0..2 * PAGE, ToDevice);
    let (source, target) = (map(&blitter, &from, ToDevice), map(&blitter, &to, FromDevice));
    let copy = Job::Copy {
        from: Span::new(&source, 100..7100),
        to: Span::new(&target, 4000..8192),
    };
    assert_eq!(done(&blitter.submit(copy)), 4192);
    fill(&blitter, &target, 0..3, 9);
    let part = blitter.submit(Job::Checksum {
        of: Span::new(&source, 4000..5000),
    });
    assert_eq!(done(&part), checksum(&bytes[4000..5000]));
    unmap(&blitter, &target, FromDevice);
    let seen = cpu_read(&machine, &to, 0, 8192);
    assert_eq!(seen[..3], [9; 3]);
    assert_eq!(seen[3..4000], [0; 3997]);
    assert_eq!(seen[4000..], bytes[100..4292]);
    machine.assert_clean();
}

#[test]
fn copy_ends_with_the_shorter_span() {
    let machine = machine();
    let (blitter, storage) = (device(&machine, "blitter"), frame(&machine));
    let table = map(&blitter, &storage, Bidirectional);
    let copy = |from, to| Job::Copy {
        from: Span::new(&table, from),
        to: Span::new(&table, to),
    };
    assert_eq!(done(&blitter.submit(copy(0..10, 100..200))), 10);
    assert_eq!(done(&blitter.submit(copy(0..1000, 8000..9000))), 192);
    assert_eq!(done(&blitter.submit(copy(0..0, 100..200))), 0);
}

#[test]
fn jobs_are_done_in_order_and_not_before_the_engine_is_let_go() {
    let machine = machine();
    let (blitter, storage) = (device(&machine, "blitter"), frame(&machine));
    let table = map(&blitter, &storage, Bidirectional);
    let held = blitter.hold();
    let jobs: Vec<_> = (1..=3)
        .map(|value| {
            blitter.submit(Job::Fill {
                to: Span::all(&table),
                value,
            })
        })
        .collect();
    assert!(
        jobs.iter()
            .all(|job| !job.fence().is_signaled() && job.outcome().is_none())
    );
    assert!(
        jobs.windows(2)
            .all(|pair| pair[0].fence().seqno() < pair[1].fence().seqno())
    );
    drop(held);
    done(&jobs[2]);
    assert!(jobs.iter().all(|job| job.fence().is_signaled()));
    unmap(&blitter, &table, Bidirectional);
    assert_eq!(cpu_read(&machine, &storage, 0, 8192), [3; 8192]);
}

#[test]
fn job_takes_at_least_the_latency() {
    let machine = machine();
    let latency = Duration::from_millis(20);
    let slow = SoftDevice::builder(&machine, "slow")
        .function("dma", apart())
        .latency(latency)
        .build()
        .unwrap();
    let table = map(&slow, &frame(&machine), ToDevice);
    let started = Instant::now();
    done(&slow.submit(Job::Checksum {
        of: Span::new(&table, 0..1),
    }));
    assert!(started.elapsed() >= latency);
}

#[test]
fn access_outside_mappings_fails_the_job_and_is_told() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    unmap(&camera, &table, FromDevice);
    let job = camera.submit(Job::Fill {
        to: Span::all(&table),
        value: 1,
    });
    job.fence().wait(&patiently()).unwrap();
    assert_eq!(job.fence().status(), FenceStatus::Failed(Errno::EIO));
    let fault = DeviceFault {
        device: "camera".into(),
        address: table.segments()[0].address,
        access: DeviceAccess::Write,
        reason: FaultReason::NotMapped,
    };
    assert_eq!(job.outcome(), Some(Err(fault.clone())));
    let expected = format!(
        "device 'camera' cannot write {:#x}: nothing is mapped there",
        fault.address
    );
    assert_eq!(fault.to_string(), expected);
    assert_eq!(machine.take_findings(), [Finding::Fault(fault)]);
}

#[test]
fn memory_given_back_too_early_is_found_out() {
    let machine = machine();
    let (camera, storage) = (device(&machine, "camera"), frame(&machine));
    let table = map(&camera, &storage, FromDevice);
    machine.free(&storage);
    let job = camera.submit(Job::Fill {
        to: Span::all(&table),
        value: 1,
    });
    job.fence().wait(&patiently()).unwrap();
    assert_eq!(job.outcome().unwrap().unwrap_err().reason, FaultReason::Freed);
}

#[test]
fn device_that_goes_leaves_nobody_waiting() {
    let machine = machine();
    let camera = device(&machine, "camera");
    let table = map(&camera, &frame(&machine), FromDevice);
    let held = camera.hold();
    let jobs = [1, 2].map(|value| {
        camera.submit(Job::Fill {
            to: Span::all(&table),
            value,
        })
    });
    drop(held);
    drop(camera);
    for job in &jobs {
        job.fence().wait(&patiently()).unwrap();
    }
    let held_for_good = device(&machine, "camera");
    std::mem::forget(held_for_good.hold());
    let job = held_for_good.submit(Job::Fill {
        to: Span::all(&table),
        value: 1,
    });
    drop(held_for_good);
    job.fence().wait(&patiently()).unwrap();
    assert_eq!(job.fence().status(), FenceStatus::Failed(Errno::EDEADLK));
    assert_eq!(job.outcome(), None);
}
