//! Capturing what happens now: what cannot be captured in time is lost.

use super::pace::Pace;
use super::stream::{NoBuffer, Stream};
use crate::shared::SharedSink;
use crate::testcard::TestCard;

/// Captures test cards until the stream is over.
pub(super) fn capture(card: &TestCard, stream: &mut Stream<'_>) {
    let pace = Pace::start(stream.rate);
    for frame in 0.. {
        if let Some(end) = stream.end_before(frame) {
            // The last frame is to be seen, too.
            stream.wait_until(&pace, end);
            return;
        }
        if stream.wait_until(&pace, stream.rate.due(frame)) {
            return;
        }
        if pace.is_too_late(frame) {
            stream.tally.late += 1;
            continue;
        }
        let buffer = match stream.acquire(Some(stream.rate.period())) {
            Ok(buffer) => buffer,
            Err(NoBuffer::Blocked(consumers)) => {
                stream.tally.count_blocked(&consumers);
                continue;
            }
            Err(NoBuffer::Stopped) => return,
            Err(NoBuffer::Broken(error)) => {
                return stream.tally.note_problem(format_args!("the camera: {error}"));
            }
        };
        let layout = stream.layout();
        let drawn = match buffer.view_mut() {
            Ok(view) => card
                .draw(frame, &mut SharedSink::new(view, &layout))
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match drawn {
            Ok(()) => stream.publish(buffer, frame, pace.due_ns(frame)),
            Err(error) => return stream.tally.note_problem(format_args!("the camera: {error}")),
        }
    }
}
