//! The encoder: a process that joins the running stream when recording starts, takes every frame from then on, and writes
//! them to a file.
//!
//! The codec reads pictures in memory of its own, so each frame is copied out of its shared buffer first, and the
//! buffer given back at once. That copy is the encoder's, not Wharf's, and the report tells them apart.

mod file;
mod joining;

use std::time::Duration;

use wharf::Frame;

use crate::consuming::{JoinError, Over, Place};
use crate::control::{ConsumerOutcome, Control, RecordOrder, Word};
use crate::encode::{EncodeError, H264Encoder};
use crate::picture::{Picture, RowSource};
use crate::report::{Dropped, Role};
use crate::shared::{self, SharedSource};
use file::{FileError, RecordingFile};

/// Frames that may be on their way to an encoder. As it misses none, the camera waits when there are as many.
pub(crate) const DEPTH: u32 = 4;
/// How long to wait for a frame without looking whether to stop.
const SLICE: Duration = Duration::from_millis(50);

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncoderError {
    /// There is no codec.
    #[error(transparent)]
    Codec(#[from] EncodeError),
    /// There are no frames.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Records the stream until it is over, or the recording is.
pub(crate) fn run(control: &Control, order: &RecordOrder) -> Result<ConsumerOutcome, EncoderError> {
    // The codec starts before the stream is joined, so that nobody waits for it.
    let codec = H264Encoder::new(order.size, order.rate)?;
    let file = RecordingFile::new(order, codec.parameter_sets().clone());
    let place = joining::join(control, order)?;
    control.say(&Word::Joined);
    let encoder = Encoder {
        place,
        codec,
        picture: Picture::black(order.size),
        file,
        encoded: 0,
        skipped: 0,
        copied_bytes: 0,
    };
    Ok(encoder.record_all(control))
}

struct Encoder {
    place: Place,
    codec: H264Encoder,
    picture: Picture,
    file: RecordingFile,
    encoded: u64,
    /// Frames that could not be encoded.
    skipped: u64,
    copied_bytes: u64,
}

impl Encoder {
    fn record_all(mut self, control: &Control) -> ConsumerOutcome {
        while !control.stop().is_raised() {
            let frame = match self.place.next(SLICE) {
                Ok(Some(frame)) => frame,
                Ok(None) => continue,
                Err(Over) => break,
            };
            match self.record(frame) {
                Ok(true) => control.say(&Word::Recording),
                Ok(false) => {}
                Err(error) => {
                    self.place.note_problem(&error.to_string());
                    break;
                }
            }
        }
        self.finish()
    }

    /// Records one frame; tells whether it is the first.
    fn record(&mut self, frame: Frame) -> Result<bool, FileError> {
        let captured = Duration::from_nanos(frame.info().timestamp_ns);
        let number = shared::number(&frame);
        let copied = self.copy(&frame);
        drop(frame);
        let encoded = copied.and_then(|()| {
            self.codec
                .encode(&self.picture)
                .map_err(|error| error.to_string())
        });
        match encoded {
            Ok(encoded) => {
                self.encoded += 1;
                self.file.push(&encoded, captured, number)
            }
            Err(error) => {
                self.skipped += 1;
                self.place.note_problem(&error);
                Ok(false)
            }
        }
    }

    /// Copies a frame out of its shared buffer.
    fn copy(&mut self, frame: &Frame) -> Result<(), String> {
        let source = SharedSource::new(frame).map_err(|error| error.to_string())?;
        if source.size() != self.picture.size() {
            let (got, expected) = (source.size(), self.picture.size());
            return Err(format!("frame {} is {got} instead of {expected}", frame.seq()));
        }
        let copied = self.picture.copy_from(&source);
        self.copied_bytes += source.copied_bytes();
        copied.map_err(|error| error.to_string())
    }

    /// Leaves the stream, so that nobody waits for the disk, and finishes the file.
    fn finish(self) -> ConsumerOutcome {
        let mut outcome = self.place.leave(self.encoded, self.copied_bytes);
        let finished = self.file.finish();
        outcome.recording = finished.recording;
        if let Some(error) = finished.error {
            outcome.problems.push(format!("the encoder: {error}"));
        }
        let dropped = [
            (finished.lost_frames, "they could not be written to the file"),
            (self.skipped, "they could not be encoded"),
        ];
        let dropped = dropped.into_iter().filter(|(frames, _)| *frames > 0);
        outcome.dropped.extend(dropped.map(|(frames, why)| Dropped {
            by: Role::Encoder,
            why: why.to_owned(),
            frames,
        }));
        outcome
    }
}
