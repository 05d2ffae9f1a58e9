//! Fences: work of devices on a buffer.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use wharf_core::{
    AccessMode, CallbackOutcome, DataDirection, Deadline, DmaBuf, FenceContext, FenceStatus, Usage, Wait,
    WaitError,
};
use wharf_linux::dma_buf::{ImportedBuffer, KernelBuffer};
use wharf_linux::sync_file::SyncFile;

use super::system_heap;
use crate::devices::{Device, Work};

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

/// A device that works when told, and a buffer for it.
fn stage() -> Option<(Device, KernelBuffer)> {
    let heap = system_heap()?;
    let device = Device::find()?;
    Some((device, heap.allocate(8192, AccessMode::ReadWrite).unwrap()))
}

fn imported(buffer: &KernelBuffer) -> DmaBuf {
    ImportedBuffer::import(buffer.try_clone().unwrap().into()).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Ends the work after a moment, on a thread of its own.
fn end_later(work: Work) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(SHORT);
        work.end();
    })
}

pub(crate) fn pending_work_is_seen_and_waited_for() {
    let Some((device, buffer)) = stage() else { return };
    assert!(
        buffer.fences(Usage::Read).unwrap().is_signaled(),
        "nothing to wait for"
    );
    let work = device.begin(&buffer, Usage::Write);
    let fences = buffer.fences(Usage::Write).unwrap();
    let info = fences.info().unwrap();
    assert_eq!((info.status, info.fences.len()), (FenceStatus::Unsignaled, 1));
    assert_eq!(info.fences[0].signaled_at_ns, None);
    let begun = Instant::now();
    let ending = end_later(work);
    buffer
        .begin_access(DataDirection::FromDevice)
        .unwrap()
        .end()
        .unwrap();
    assert!(begun.elapsed() >= SHORT, "a reader waits for the writer");
    ending.join().unwrap();
    let info = fences.info().unwrap();
    assert_eq!(info.status, FenceStatus::Signaled);
    assert!(
        info.fences
            .iter()
            .all(|fence| fence.signaled_at_ns.is_some_and(|at| at > 0)),
        "{info:?}"
    );
}

pub(crate) fn readers_go_on_beside_readers() {
    let Some((device, buffer)) = stage() else { return };
    let work = device.begin(&buffer, Usage::Read);
    assert!(buffer.fences(Usage::Write).unwrap().is_signaled(), "no writer");
    assert!(!buffer.fences(Usage::Read).unwrap().is_signaled());
    buffer
        .begin_access(DataDirection::FromDevice)
        .unwrap()
        .end()
        .unwrap();
    let begun = Instant::now();
    let ending = end_later(work);
    buffer
        .begin_access(DataDirection::ToDevice)
        .unwrap()
        .end()
        .unwrap();
    assert!(begun.elapsed() >= SHORT, "a writer waits for the reader");
    ending.join().unwrap();
}

pub(crate) fn reservation_shows_the_fences() {
    let Some((device, buffer)) = stage() else { return };
    let framework = imported(&buffer);
    framework.refresh_fences(&Wait::not()).unwrap();
    assert!(framework.reservation().is_signaled(Usage::Bookkeep));
    let work = device.begin(&buffer, Usage::Write);
    framework.refresh_fences(&Wait::not()).unwrap();
    assert!(!framework.reservation().is_signaled(Usage::Write));
    let refused = framework.begin_cpu_access_within(.., DataDirection::FromDevice, &Wait::not());
    assert_eq!(
        refused.unwrap_err().errno(),
        wharf_core::Errno::ETIMEDOUT,
        "bounds hold"
    );
    let ending = end_later(work);
    let wait = Wait::until(soon());
    framework
        .begin_cpu_access_within(.., DataDirection::Bidirectional, &wait)
        .unwrap()
        .end()
        .unwrap();
    assert!(framework.reservation().is_signaled(Usage::Bookkeep));
    ending.join().unwrap();
    let work = device.begin(&buffer, Usage::Read);
    framework
        .begin_cpu_access_within(.., DataDirection::FromDevice, &Wait::not())
        .unwrap()
        .end()
        .unwrap();
    let refused = framework.begin_cpu_access_within(.., DataDirection::ToDevice, &Wait::not());
    assert_eq!(refused.unwrap_err().errno(), wharf_core::Errno::ETIMEDOUT);
    work.end();
}

pub(crate) fn refreshing_again_adds_nothing() {
    let Some((device, buffer)) = stage() else { return };
    let framework = imported(&buffer);
    let work = device.begin(&buffer, Usage::Write);
    for _ in 0..100 {
        framework.refresh_fences(&Wait::not()).unwrap();
    }
    let pending = framework.reservation().fences(Usage::Bookkeep).count();
    assert!(pending <= 2, "{pending} fences of one piece of work");
    work.end();
    assert_eq!(framework.reservation().fences(Usage::Bookkeep).count(), 0);
}

pub(crate) fn callbacks_run_when_the_work_is_over() {
    let Some((device, buffer)) = stage() else { return };
    let mut told = Vec::new();
    let (sender, receiver) = channel();
    let work = device.begin(&buffer, Usage::Write);
    for number in 0..20 {
        let fence = buffer.fences(Usage::Write).unwrap().fence().unwrap();
        let sender = sender.clone();
        let added = fence.add_callback(move |fence| sender.send((number, fence.status())).unwrap());
        assert!(matches!(added, CallbackOutcome::Added(_)));
        // Nobody keeps the fence but its callback.
    }
    assert!(receiver.recv_timeout(SHORT).is_err(), "the work is not over");
    work.end();
    for _ in 0..20 {
        let (number, status) = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(status, FenceStatus::Signaled);
        told.push(number);
    }
    told.sort_unstable();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
}

pub(crate) fn waiting_has_bounds() {
    let Some((device, buffer)) = stage() else { return };
    let work = device.begin(&buffer, Usage::Write);
    let file = buffer.fences(Usage::Write).unwrap();
    // A hint, which drivers and older kernels do not take.
    let _ = file.set_deadline(Instant::now() + SHORT);
    assert_eq!(file.wait(Deadline::Now), Err(WaitError::TimedOut));
    assert_eq!(file.wait(Deadline::after(SHORT)), Err(WaitError::TimedOut));
    let fence = file.fence().unwrap();
    assert_eq!(
        fence.wait(&Wait::until(Deadline::after(SHORT))),
        Err(WaitError::TimedOut)
    );
    let ending = end_later(work);
    fence.wait(&Wait::until(soon())).unwrap();
    file.wait(soon()).unwrap();
    file.wait(Deadline::Now).unwrap();
    ending.join().unwrap();
}

pub(crate) fn files_merge_and_go_back() {
    let (Some((device, buffer)), Some((other_device, other))) = (stage(), stage()) else {
        return;
    };
    let target = imported(&buffer);
    let (first, second) = (
        device.begin(&buffer, Usage::Write),
        other_device.begin(&other, Usage::Write),
    );
    let files = [&buffer, &other].map(|buffer| buffer.fences(Usage::Write).unwrap());
    let merged = files[0].merge(&files[1], "both").unwrap();
    let info = merged.info().unwrap();
    assert_eq!((&*info.name, info.fences.len()), ("both", 2));
    // As a fence of the framework and back, and onto a third buffer.
    let fence = merged.fence().unwrap();
    let back = SyncFile::of(&fence).unwrap().unwrap();
    let third = system_heap()
        .unwrap()
        .allocate(4096, AccessMode::ReadWrite)
        .unwrap();
    third.add_fences(&back, Usage::Write).unwrap();
    first.end();
    assert!(files[0].is_signaled());
    assert!(
        !merged.is_signaled() && !fence.is_signaled(),
        "one of two is not all"
    );
    assert!(!third.fences(Usage::Read).unwrap().is_signaled());
    second.end();
    assert!(merged.is_signaled() && fence.is_signaled());
    assert!(third.fences(Usage::Read).unwrap().is_signaled());
    assert!(
        SyncFile::of(&fence).unwrap().is_none(),
        "nothing of it is pending"
    );
    drop(target);
}

pub(crate) fn fences_of_user_space_do_not_go_to_the_kernel() {
    let soft = FenceContext::new("soft-gpu", "render").fence(1);
    let refused = SyncFile::of(&soft.fence()).unwrap_err();
    assert_eq!(refused.errno(), rustix::io::Errno::OPNOTSUPP);
    assert!(refused.to_string().contains("soft-gpu-render"), "{refused}");
    let fence = soft.fence();
    soft.signal();
    assert!(SyncFile::of(&fence).unwrap().is_none());
}

pub(crate) fn dropped_fences_leave_the_watch() {
    let Some((device, buffer)) = stage() else { return };
    let work = device.begin(&buffer, Usage::Write);
    let file = buffer.fences(Usage::Write).unwrap();
    file.fence().unwrap();
    let before = open_descriptors();
    for _ in 0..200 {
        let fence = file.fence().unwrap();
        assert!(fence.wait(&Wait::not()).is_err());
    }
    let after = open_descriptors();
    assert!(after < before + 100, "{before} descriptors before, {after} after");
    work.end();
}

/// Tests beside this one open some, too.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
