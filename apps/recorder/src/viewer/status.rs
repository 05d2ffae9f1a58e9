//! The line below the picture.

use std::fmt;
use std::time::{Duration, Instant};

use wharf::Frame;

use crate::control::RecordingState;
use crate::report::LatencyRecorder;
use crate::shared;

/// How often the numbers change.
const INTERVAL: Duration = Duration::from_millis(500);

/// What the line says.
#[derive(Debug, Default)]
pub(super) struct Status {
    frame: u64,
    now: Duration,
    recording: RecordingState,
    /// Time of the stream at which the file was begun.
    recording_since: Duration,
    interval: Option<(Instant, u32)>,
    frames_per_second: f64,
    latency: Duration,
}

impl Status {
    pub(super) fn set_recording(&mut self, state: RecordingState) {
        self.recording = state;
        self.recording_since = self.now;
    }

    /// Takes a frame into account that is about to be shown.
    pub(super) fn count(&mut self, frame: &Frame, latency: &LatencyRecorder) {
        self.frame = shared::number(frame);
        self.now = Duration::from_nanos(frame.info().timestamp_ns);
        let (since, frames) = self.interval.get_or_insert((Instant::now(), 0));
        *frames += 1;
        let elapsed = since.elapsed();
        if elapsed >= INTERVAL {
            self.frames_per_second = f64::from(*frames) / elapsed.as_secs_f64();
            self.latency = Duration::from_nanos(latency.summary().p50_ns);
            self.interval = Some((Instant::now(), 0));
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.recording {
            RecordingState::Off => write!(f, " ○ not recording")?,
            RecordingState::Starting => write!(f, " ○ starting to record")?,
            RecordingState::On(file) => {
                let seconds = self.now.saturating_sub(self.recording_since).as_secs();
                write!(f, " ● REC {}:{:02} {file}", seconds / 60, seconds % 60)?;
            }
            RecordingState::Stopping => write!(f, " ○ saving")?,
            RecordingState::Failed(reason) => write!(f, " ! {reason}")?,
        }
        write!(
            f,
            " │ frame {} │ {:.0} fps │ hand-over {} µs │ r record/stop, q quit",
            self.frame,
            self.frames_per_second,
            self.latency.as_micros()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_what_is_recorded_and_for_how_long() {
        let mut status = Status {
            frame: 95,
            now: Duration::from_secs(1000),
            frames_per_second: 29.97,
            latency: Duration::from_micros(45),
            ..Status::default()
        };
        status.set_recording(RecordingState::On("recording.mp4".into()));
        status.now += Duration::from_secs(64);
        assert_eq!(
            status.to_string(),
            " ● REC 1:04 recording.mp4 │ frame 95 │ 30 fps │ hand-over 45 µs │ r record/stop, q quit"
        );
        status.set_recording(RecordingState::Failed("disk full".into()));
        assert!(status.to_string().starts_with(" ! disk full │"));
    }
}
