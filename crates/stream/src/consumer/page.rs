//! What a consumer says in its page by other means than its port: frames given back, which may outlive that, and what it says before it joins
//! and when it leaves.

use crate::doorbell::Doorbell;
use crate::layout::{MAX_BUFFERS, POLLING, consumer as own, points as point, ring as at};
use crate::points::PointsWriter;
use wharf_core::Errno;
use wharf_memory::{Ordering, ReadWords, WriteWords, fence, fence_after_update, fence_light, wake};

/// Releases the frame in `buffer` on a consumer's own `page`, for a frame that outlives the borrow of its consumer. Only for one that is held:
/// that is not looked at, and a frame that was [lent](lend) would be given up while it is read.
/// `bell` is rung if the producer waits for that.
pub fn release<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>, buffer: usize) {
    if buffer >= MAX_BUFFERS {
        return;
    }
    // Not looked at before: the producer has the line, perhaps, and a store need not wait for it.
    // ORDERING: Release: the reads of the frame are done before the producer sees it free.
    page.store_u64(own::HOLDS + buffer, 0, Ordering::Release);
    notify_release(page, ring, bell);
}

/// Lends the frame in `buffer` back, on a consumer's own `page`: the consumer has released it, but work that it has begun still reads the
/// frame. The producer may hand the buffer on to somebody who waits for that, and must not fill it before [`settle`] says that the point
/// returned is reached. Until then the frame counts against the consumer's depth. `None` for a buffer not held, which is ignored.
pub fn lend<O: WriteWords, R: ReadWords>(
    page: &O,
    ring: &R,
    bell: Option<&dyn Doorbell>,
    buffer: usize,
) -> Option<u64> {
    let seq = held(page, buffer)?;
    // ORDERING: Release: the reads of the frame by this thread are done.
    page.store_u64(own::HOLDS + buffer, seq | own::LENT, Ordering::Release);
    notify_release(page, ring, bell);
    Some(seq)
}

/// Says that the work on a frame that was lent is over, with an error or without: `points` are those of the consumer's own page. To be called
/// once for each frame lent. Where a later frame in the same buffer is over, those before it are, too.
pub fn settle<O: WriteWords, R: ReadWords>(
    points: &mut PointsWriter<O>,
    (ring, bell): (&R, Option<&dyn Doorbell>),
    (buffer, point): (usize, u64),
    error: Option<Errno>,
) {
    if buffer >= MAX_BUFFERS {
        return;
    }
    points.reach(buffer, point, error);
    // ORDERING: SeqCst fence between the point and the look for sleepers; its counterpart is in `Sleepers::enter`. The light one of
    // `notify_release` has none there.
    fence_after_update();
    notify_release(points.words(), ring, bell);
    points.ring_for([ring.load_u32(at::POINTS + point::SLEEPERS, Ordering::Relaxed)]);
}

/// The frame held in `buffer`, and not lent.
pub(super) fn held<O: ReadWords>(page: &O, buffer: usize) -> Option<u64> {
    if buffer >= MAX_BUFFERS {
        return None;
    }
    // ORDERING: relaxed; the hold was announced before the caller got the frame.
    let seq = page.load_u64(own::HOLDS + buffer, Ordering::Relaxed);
    (seq != 0 && seq & own::LENT == 0).then_some(seq)
}

/// Promises in a consumer's own `page`, before it joins, that it never sleeps while it waits for frames: the producer need not ask.
pub fn promise_not_to_sleep<O: WriteWords>(page: &O) {
    page.store_u32(own::SLEEPLESS, 1, Ordering::Release);
}

/// Asks the producer in a consumer's own `page`, before it joins, to make a full fence between publishing and looking whether the consumer
/// sleeps, so that this need not reach for the producer whenever it does. For those who sleep for nearly every frame.
pub fn ask_for_fences<O: WriteWords>(page: &O) {
    page.store_u32(own::FENCED, 1, Ordering::Release);
}

/// Says in a consumer's own `page` that it has left, before it ever knew the stream: a producer that admits it drops it at once.
pub fn decline<O: WriteWords>(page: &O) {
    page.store_u32(own::LEFT, 1, Ordering::Release);
}

/// Leaves a stream in order: says so in the consumer's own `page` and wakes the producer, who drops every hold at once. Frames not
/// yet released must not be read any more.
pub fn leave<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>) {
    decline(page);
    notify_release(page, ring, bell);
}

/// Counts a release and wakes the producer if it says that it sleeps, or rings for it if it waits for that. Nothing else reads the count.
fn notify_release<O: WriteWords, R: ReadWords>(page: &O, ring: &R, bell: Option<&dyn Doorbell>) {
    // ORDERING: light fence between releasing and looking for a producer that waits; its heavy counterparts are in `Producer::wait` and
    // `Producer::arm`. Either that sees the release or we see that it waits.
    fence_light();
    // After the light fence: where this is not seen yet, the release is, see `Producer::ask_for_fences`.
    if ring.load_u32(at::FENCED, Ordering::Relaxed) != 0 {
        // ORDERING: SeqCst fence, likewise, towards a producer that asked for it and makes no heavy one.
        fence(Ordering::SeqCst);
    }
    match ring.load_u32(at::WAITING, Ordering::Relaxed) {
        0 => {}
        POLLING => bell.into_iter().for_each(Doorbell::ring),
        _ => {
            // One step, because several threads of this process may release at once: a count stored twice could be slept through.
            // ORDERING: Release: who sees the count sees the release.
            page.increment_u32(own::RELEASES, Ordering::Release);
            wake(page.futex(own::RELEASES));
        }
    }
}
