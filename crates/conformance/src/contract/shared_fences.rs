//! Buffers with one list of fences. Contract: R.

use std::time::Duration;

use wharf_core::Errno;

use super::{DataDirection, SIZE, SharedFencesSut, Usage, buffer, must, refused};
use crate::PATIENCE;

/// R: buffers that share a reservation wait for each other's work. Mirrors `resv` of `struct dma_buf_export_info`: one lock and one list of
/// fences for all.
pub fn work_on_one_is_work_on_all<S: SharedFencesSut>(sut: &S) {
    let first = buffer(sut);
    let second = must(sut.create_sharing(SIZE, &first));
    assert!(!sut.is_same(&first, &second));
    for (busy, other) in [(&first, &second), (&second, &first)] {
        let work = sut.begin_work(busy, Usage::Write);
        refused(
            sut.begin_within(other, DataDirection::FromDevice, Duration::ZERO),
            Errno::ETIMEDOUT,
        );
        sut.finish(work, Ok(()));
        must(sut.begin_within(other, DataDirection::FromDevice, PATIENCE));
    }
    sut.put(&first, 0, &[1]);
    assert_eq!(sut.look(&second, 0, 1), [0], "they share memory as well");
}

/// R: the list outlives the buffer that it was made for.
pub fn fences_outlive_the_first_buffer<S: SharedFencesSut>(sut: &S) {
    let first = buffer(sut);
    let second = must(sut.create_sharing(SIZE, &first));
    let work = sut.begin_work(&first, Usage::Write);
    drop(first);
    assert!(sut.is_busy(&second, Usage::Write));
    sut.finish(work, Ok(()));
    assert!(!sut.is_busy(&second, Usage::Write));
}
