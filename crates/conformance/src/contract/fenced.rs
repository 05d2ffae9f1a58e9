//! The CPU and those who work on a buffer. Contracts: C3, F, R.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use wharf_core::Errno;

use super::{DataDirection, FencedSut, Usage, buffer, must, refused};
use crate::PATIENCE;

/// As long as something that must not happen is waited for.
const SHORT: Duration = Duration::from_millis(20);

const DIRECTIONS: [DataDirection; 3] = [
    DataDirection::Bidirectional,
    DataDirection::ToDevice,
    DataDirection::FromDevice,
];

/// Says whom the CPU waits for before an access. See `dma_resv_usage_rw` (include/linux/dma-resv.h, v6.12).
fn waits_for(direction: DataDirection, usage: Usage) -> bool {
    match usage {
        Usage::Kernel | Usage::Write => true,
        Usage::Read => direction.cpu_writes(),
        Usage::Bookkeep => false,
    }
}

fn each_access_and_usage(mut check: impl FnMut(DataDirection, Usage)) {
    for direction in DIRECTIONS {
        for usage in [Usage::Kernel, Usage::Write, Usage::Read, Usage::Bookkeep] {
            check(direction, usage);
        }
    }
}

/// C3, R: reading waits for those who write or move, writing for those who read as well, nobody for those who keep books. Mirrors
/// `DMA_BUF_IOCTL_SYNC`.
pub fn access_waits_for_those_who_matter<S: FencedSut>(sut: &S) {
    each_access_and_usage(|direction, usage| {
        let buffer = buffer(sut);
        let work = sut.begin_work(&buffer, usage);
        if waits_for(direction, usage) {
            refused(sut.begin_within(&buffer, direction, SHORT), Errno::ETIMEDOUT);
            sut.finish(work, Ok(()));
            must(sut.begin_within(&buffer, direction, PATIENCE));
        } else {
            must(sut.begin_within(&buffer, direction, Duration::ZERO));
            sut.finish(work, Ok(()));
        }
    });
}

/// C3: an access that waits begins when the work is done, not before.
pub fn access_begins_when_work_is_done<S: FencedSut>(sut: &S) {
    let buffer = buffer(sut);
    let work = sut.begin_work(&buffer, Usage::Write);
    thread::scope(|scope| {
        let (begun, news) = channel();
        let buffer = &buffer;
        scope.spawn(move || {
            let access = sut.begin_within(buffer, DataDirection::FromDevice, PATIENCE);
            let _ = begun.send(access.map(drop));
        });
        assert!(
            news.recv_timeout(SHORT).is_err(),
            "begun before the work was done"
        );
        sut.finish(work, Ok(()));
        assert_eq!(news.recv_timeout(PATIENCE), Ok(Ok(())));
    });
}

/// C3, F: work that fails is done as well: nobody waits for it any longer. Mirrors that `dma_fence_wait` answers 0 for a fence with an error.
pub fn failed_work_is_done<S: FencedSut>(sut: &S) {
    each_access_and_usage(|direction, usage| {
        let buffer = buffer(sut);
        let work = sut.begin_work(&buffer, usage);
        sut.finish(work, Err(Errno::EIO));
        must(sut.begin_within(&buffer, direction, PATIENCE));
        assert!(!sut.is_busy(&buffer, Usage::Bookkeep));
    });
}

/// F: work that nobody will ever finish is done, with an error. Mirrors that a fence which is released unsignaled is signaled with EDEADLK.
pub fn abandoned_work_is_done<S: FencedSut>(sut: &S) {
    let buffer = buffer(sut);
    let work = sut.begin_work(&buffer, Usage::Write);
    refused(
        sut.begin_within(&buffer, DataDirection::FromDevice, SHORT),
        Errno::ETIMEDOUT,
    );
    drop(work);
    must(sut.begin_within(&buffer, DataDirection::Bidirectional, PATIENCE));
}

/// C3: a wait that ends early has begun nothing, and can be made again.
pub fn access_that_timed_out_has_not_begun<S: FencedSut>(sut: &S) {
    let buffer = buffer(sut);
    let work = sut.begin_work(&buffer, Usage::Write);
    for timeout in [Duration::ZERO, SHORT, Duration::ZERO] {
        refused(
            sut.begin_within(&buffer, DataDirection::Bidirectional, timeout),
            Errno::ETIMEDOUT,
        );
    }
    sut.finish(work, Ok(()));
    sut.put(&buffer, 0, &[1]);
    assert_eq!(sut.look(&buffer, 0, 1), [1]);
}

/// C3: all who work on a buffer are waited for, not only one.
pub fn access_waits_for_all_work<S: FencedSut>(sut: &S) {
    let buffer = buffer(sut);
    let usages = [Usage::Write, Usage::Read, Usage::Write, Usage::Kernel];
    let mut work: Vec<_> = usages
        .iter()
        .map(|usage| sut.begin_work(&buffer, *usage))
        .collect();
    while let Some(one) = work.pop() {
        refused(
            sut.begin_within(&buffer, DataDirection::ToDevice, Duration::ZERO),
            Errno::ETIMEDOUT,
        );
        sut.finish(one, Ok(()));
    }
    must(sut.begin_within(&buffer, DataDirection::ToDevice, PATIENCE));
}

/// R: work is seen by those who ask for its usage or a weaker one. Mirrors `dma_resv_test_signaled`.
pub fn work_is_seen_by_weaker_usages<S: FencedSut>(sut: &S) {
    let usages = [Usage::Kernel, Usage::Write, Usage::Read, Usage::Bookkeep];
    for usage in usages {
        let buffer = buffer(sut);
        let work = sut.begin_work(&buffer, usage);
        for asked in usages {
            assert_eq!(
                sut.is_busy(&buffer, asked),
                asked >= usage,
                "{usage:?} by {asked:?}"
            );
        }
        sut.finish(work, Ok(()));
        assert!(usages.iter().all(|asked| !sut.is_busy(&buffer, *asked)));
    }
}

/// R: work on one buffer is no work on another.
pub fn work_is_on_its_buffer_only<S: FencedSut>(sut: &S) {
    let (busy, idle) = (buffer(sut), buffer(sut));
    let work = sut.begin_work(&busy, Usage::Write);
    assert!(!sut.is_busy(&idle, Usage::Bookkeep));
    must(sut.begin_within(&idle, DataDirection::Bidirectional, Duration::ZERO));
    sut.finish(work, Ok(()));
}
