//! Capturing from a file: nothing is lost, everyone waits for everyone.

use std::io::Read;

use wharf::FrameMut;

use super::pace::Pace;
use super::stream::{NoBuffer, Stream};
use crate::shared::SharedSink;
use crate::y4m::Reader;

/// Captures what the file has until the stream is over.
pub(super) fn capture<R: Read>(mut file: Reader<R>, stream: &mut Stream<'_>) {
    let mut pace = Pace::start(stream.rate);
    // Frames carry the times of the file, whatever delays them.
    let clock = Pace::start(stream.rate);
    for frame in 0.. {
        if stream.end_before(frame).is_some() {
            return;
        }
        let Some(buffer) = fill(&mut file, frame, stream) else {
            return;
        };
        pace.forgive(frame);
        if stream.wait_until(&pace, stream.rate.due(frame)) {
            return;
        }
        stream.publish(buffer, frame, clock.due_ns(frame));
    }
}

/// Waits for a buffer and reads the next frame into it; `None` when there is no frame any more, or no use for it.
fn fill<R: Read>(file: &mut Reader<R>, frame: u64, stream: &mut Stream<'_>) -> Option<FrameMut> {
    let buffer = match stream.acquire(None) {
        Ok(buffer) => buffer,
        Err(NoBuffer::Stopped | NoBuffer::Blocked(_)) => return None,
        Err(NoBuffer::Broken(error)) => {
            stream.tally.note_problem(format_args!("the camera: {error}"));
            return None;
        }
    };
    let layout = stream.layout();
    let read = match buffer.view_mut() {
        Ok(view) => file.read_frame(&mut SharedSink::new(view, &layout)),
        Err(error) => {
            stream.tally.note_problem(format_args!("the camera: {error}"));
            return None;
        }
    };
    match read {
        Ok(Some(_)) => return Some(buffer),
        Ok(None) if frame == 0 => stream.tally.note_problem("Y4M input has no frames"),
        Ok(None) => {}
        Err(_) if stream.stop().is_raised() => {}
        Err(error) => stream.tally.note_problem(error),
    }
    None
}
