//! Windows of CPU access wait for devices first. Contract: C3.

use std::error::Error;
use std::thread;
use std::time::Duration;

use wharf_core::DataDirection::{Bidirectional, FromDevice, ToDevice};
use wharf_core::{
    Coherency, CpuAccessError, Deadline, DmaBuf, Errno, FenceContext, Interrupt, UniqueFence, Usage, Wait,
    WaitError,
};

use crate::machine::{Act, Call, Kind, Machine, Place};

type TestResult = Result<(), Box<dyn Error>>;

/// A buffer of two pages with a pending fence on it.
fn busy(usage: Usage) -> Result<(Machine, DmaBuf, UniqueFence), Box<dyn Error>> {
    let machine = Machine::new(Kind::of(Coherency::Coherent), 2);
    let buffer = machine.export();
    let fence = FenceContext::new("engine", "ring-3").fence(9);
    let guard = buffer.reservation().lock(&Wait::forever())?;
    guard.reserve_fences(1)?;
    guard.add_fence(&fence.fence(), usage)?;
    drop(guard);
    Ok((machine, buffer, fence))
}

// Mirrors dma_resv_usage_rw (include/linux/dma-resv.h, v6.12): a writer waits for readers, a reader for writers.
#[test]
fn reading_waits_for_writers_and_writing_for_readers_too() -> TestResult {
    let waits = [
        (Usage::Kernel, FromDevice, true),
        (Usage::Write, FromDevice, true),
        (Usage::Read, FromDevice, false),
        (Usage::Bookkeep, FromDevice, false),
        (Usage::Kernel, ToDevice, true),
        (Usage::Write, ToDevice, true),
        (Usage::Read, ToDevice, true),
        (Usage::Bookkeep, ToDevice, false),
        (Usage::Read, Bidirectional, true),
    ];
    for (usage, direction, waited) in waits {
        let (_, buffer, fence) = busy(usage)?;
        let outcome = buffer
            .begin_cpu_access_within(.., direction, &Wait::not())
            .map(drop);
        assert_eq!(outcome.is_err(), waited, "{usage:?} {direction:?}");
        fence.signal();
        buffer
            .begin_cpu_access_within(.., direction, &Wait::not())?
            .end()?;
    }
    Ok(())
}

#[test]
fn a_timeout_names_the_fence_and_the_exporter_hears_nothing() -> TestResult {
    let (machine, buffer, fence) = busy(Usage::Write)?;
    let deadline = Wait::until(Deadline::after(Duration::from_millis(1)));
    let error = buffer
        .begin_cpu_access_within(.., FromDevice, &deadline)
        .map(drop)
        .expect_err("the fence is pending");
    assert_eq!(error.errno(), Errno::ETIMEDOUT);
    assert!(
        error
            .to_string()
            .contains("timed out before FromDevice access could begin; fence engine-ring-3"),
        "{error}"
    );
    match error {
        CpuAccessError::Wait { pending, source, .. } => {
            assert_eq!(pending, Some(fence.fence()));
            assert_eq!(source, WaitError::TimedOut);
        }
        other => panic!("{other}"),
    }
    assert_eq!(machine.take_calls(), []);
    fence.signal();
    Ok(())
}

#[test]
fn an_interrupt_ends_the_wait_with_eintr() -> TestResult {
    let (machine, buffer, fence) = busy(Usage::Write)?;
    let interrupt = Interrupt::new();
    let error = thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let wait = Wait::until(Deadline::after(Duration::from_secs(60))).interruptible(&interrupt);
            buffer.begin_cpu_access_within(.., ToDevice, &wait).map(drop)
        });
        interrupt.raise();
        waiter.join()
    });
    let error = error
        .map_err(|_| "the waiter panicked")?
        .expect_err("interrupted");
    assert_eq!(error.errno(), Errno::EINTR);
    assert_eq!(machine.take_calls(), []);
    fence.signal();
    Ok(())
}

#[test]
fn the_exporter_is_asked_after_devices_are_done() -> TestResult {
    let (machine, buffer, fence) = busy(Usage::Write)?;
    let (seen, shared) = (fence.fence(), fence.fence());
    machine.on(
        Place::Begin,
        Act::run(move || assert!(seen.is_signaled(), "asked too early")),
    );
    thread::scope(|scope| {
        let waiter = scope.spawn(|| buffer.begin_cpu_access(0..16, FromDevice)?.end());
        thread::yield_now();
        assert!(!shared.is_signaled());
        fence.signal();
        waiter.join()
    })
    .map_err(|_| "the waiter panicked")??;
    assert_eq!(
        machine.take_calls(),
        [Call::Begin(0..16, FromDevice), Call::End(0..16, FromDevice)]
    );
    Ok(())
}

#[test]
fn a_fence_that_failed_counts_as_done() -> TestResult {
    let (_, buffer, fence) = busy(Usage::Write)?;
    drop(fence);
    buffer
        .begin_cpu_access_within(.., FromDevice, &Wait::not())?
        .end()?;
    Ok(())
}

#[test]
fn bad_arguments_are_refused_without_waiting() -> TestResult {
    let (_, buffer, fence) = busy(Usage::Write)?;
    let past_end = buffer
        .begin_cpu_access(..8193, FromDevice)
        .map(drop)
        .expect_err("past the end");
    assert_eq!(past_end.errno(), Errno::EINVAL);
    let viewer = buffer.to_read_only();
    let refused = viewer
        .begin_cpu_access(.., ToDevice)
        .map(drop)
        .expect_err("read-only");
    assert_eq!(refused.errno(), Errno::EACCES);
    fence.signal();
    Ok(())
}
