//! How the stream moved, put together from what the camera, the newcomer, and the viewers saw of it.

use crate::control::{CameraMove, ConsumerMove, Settled};
use crate::report::{MoveReport, Newcomer, Role};

/// An encoder that has joined.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) pid: u32,
    pub(super) settled: Settled,
}

/// Describes one move. `seen` is what consumers saw of any.
pub(super) fn describe(moved: &CameraMove, arrivals: &[Arrival], seen: &[ConsumerMove]) -> MoveReport {
    let arrival = arrivals.iter().find(|arrival| is_for(moved, arrival));
    let asked_ns = arrival.map(|arrival| arrival.settled.asked_ns);
    let since = |at_ns: u64| Some(at_ns.saturating_sub(asked_ns?));
    let first_frame_ns = moved
        .frames
        .last()
        .map_or(moved.committed_ns, |frame| frame.at_ns);
    let begin_ns = asked_ns.unwrap_or(moved.offered_ns);
    let of_this_move = || seen.iter().filter(|seen| seen.to == moved.to.generation);
    MoveReport {
        from: moved.from.clone(),
        to: moved.to.clone(),
        newcomer: arrival.map(|arrival| Newcomer {
            role: Role::Encoder,
            pid: arrival.pid,
            why: arrival.settled.why.clone(),
        }),
        allocated_after_ns: since(moved.offered_ns),
        everybody_ready_after_ns: since(moved.committed_ns),
        first_frame_after_ns: since(first_frame_ns),
        longest_interval_ns: longest_interval_ns(moved, begin_ns),
        frames_lost: dropped_since(moved, begin_ns) + of_this_move().map(|seen| seen.lost).sum::<u64>(),
        frames_skipped: of_this_move().map(|seen| seen.skipped).sum(),
    }
}

/// Whether somebody's joining is what made the stream move: it has that memory, and asked before there was any.
fn is_for(moved: &CameraMove, arrival: &Arrival) -> bool {
    arrival.settled.generation == moved.to.generation && arrival.settled.asked_ns <= moved.offered_ns
}

/// The longest time between two frames of which the second came after a moment.
fn longest_interval_ns(moved: &CameraMove, begin_ns: u64) -> u64 {
    let pairs = moved.frames.windows(2);
    let intervals = pairs
        .filter(|pair| pair[1].at_ns >= begin_ns)
        .map(|pair| pair[1].at_ns.saturating_sub(pair[0].at_ns));
    intervals.max().unwrap_or(0)
}

/// Frames that the camera did not hand over since the last one before a moment.
fn dropped_since(moved: &CameraMove, begin_ns: u64) -> u64 {
    let before = moved.frames.iter().rev().find(|frame| frame.at_ns < begin_ns);
    match (before.or(moved.frames.first()), moved.frames.last()) {
        (Some(before), Some(last)) => last.dropped_before.saturating_sub(before.dropped_before),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::HandedOver;
    use crate::report::MemoryReport;

    fn memory(generation: u64) -> MemoryReport {
        MemoryReport {
            generation,
            heap: "memfd".into(),
            count: 5,
            size_bytes: 4096,
            chunk_bytes: 4096,
            stride_bytes: 64,
            rows: 16,
        }
    }

    fn moved() -> CameraMove {
        let frames = [(0, 0), (100, 2), (110, 2), (125, 3), (130, 3)];
        CameraMove {
            from: memory(1),
            to: memory(2),
            offered_ns: 120,
            committed_ns: 126,
            frames: frames
                .map(|(at_ns, dropped_before)| HandedOver {
                    at_ns,
                    dropped_before,
                })
                .into(),
        }
    }

    fn arrival(asked_ns: u64, generation: u64) -> Arrival {
        Arrival {
            pid: 12,
            settled: Settled {
                asked_ns,
                generation,
                why: Vec::new(),
            },
        }
    }

    #[test]
    fn times_are_counted_from_the_question_and_frames_from_the_one_before_it() {
        let consumer = |to, skipped, lost| ConsumerMove { to, skipped, lost };
        let seen = [consumer(2, 1, 0), consumer(3, 9, 9), consumer(2, 2, 4)];
        let report = describe(&moved(), &[arrival(105, 1), arrival(107, 2)], &seen);
        assert_eq!(report.newcomer.map(|newcomer| newcomer.pid), Some(12));
        assert_eq!(
            (
                report.allocated_after_ns,
                report.everybody_ready_after_ns,
                report.first_frame_after_ns
            ),
            (Some(13), Some(19), Some(23))
        );
        assert_eq!(report.longest_interval_ns, 15);
        assert_eq!((report.frames_lost, report.frames_skipped), (1 + 4, 3));
    }

    #[test]
    fn who_came_when_the_memory_was_there_is_not_the_reason() {
        let report = describe(&moved(), &[arrival(128, 2)], &[]);
        assert_eq!((report.newcomer, report.allocated_after_ns), (None, None));
        assert_eq!((report.longest_interval_ns, report.frames_lost), (15, 1));
    }
}
