//! The file of a recording, from its first frame to its end, however that comes.

use std::path::PathBuf;
use std::time::Duration;

use crate::container::{NewFile, OutputError, OutputFile, Recording, RecordingError, inspect};
use crate::control::RecordOrder;
use crate::encode::{EncodedFrame, ParameterSets};
use crate::rate::FrameRate;
use crate::report::RecordingReport;
use crate::size::Size;

/// Why frames do not get into the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OutputError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] RecordingError),
}

/// A file that is made when the first frame comes, and that does not stay if none gets into it.
#[derive(Debug)]
pub(super) struct RecordingFile {
    path: PathBuf,
    size: Size,
    rate: FrameRate,
    parameter_sets: ParameterSets,
    state: State,
    /// The file, as long as it might have to be removed.
    new_file: Option<NewFile>,
    first_frame: Option<u64>,
    lost_frames: u64,
}

#[derive(Debug)]
enum State {
    Unopened,
    Open(Box<Recording<OutputFile>>),
    Failed,
}

/// How a recording ended.
#[derive(Debug)]
pub(super) struct Finished {
    /// What is in the file, if it has a frame.
    pub(super) recording: Option<RecordingReport>,
    /// Frames that were given to the recording and are not in the file.
    pub(super) lost_frames: u64,
    /// What went wrong at the very end.
    pub(super) error: Option<RecordingError>,
}

impl RecordingFile {
    pub(super) fn new(order: &RecordOrder, parameter_sets: ParameterSets) -> Self {
        Self {
            path: order.path.clone(),
            size: order.size,
            rate: order.rate,
            parameter_sets,
            state: State::Unopened,
            new_file: None,
            first_frame: None,
            lost_frames: 0,
        }
    }

    /// Adds a frame, which the stream counts as `number`; tells whether it is the first. After an error nothing more can be added.
    pub(super) fn push(
        &mut self,
        frame: &EncodedFrame,
        captured: Duration,
        number: u64,
    ) -> Result<bool, FileError> {
        let is_first = matches!(self.state, State::Unopened);
        let pushed = self.try_push(frame, captured);
        match &pushed {
            Ok(()) if is_first => self.first_frame = Some(number),
            Ok(()) => {}
            Err(error) => {
                self.state = State::Failed;
                self.lost_frames += match error {
                    // The frame itself is not counted by a recording that did not begin.
                    FileError::Write(error) => error.lost_frames.max(1),
                    FileError::Open(_) => 1,
                };
            }
        }
        pushed.map(|()| is_first)
    }

    fn try_push(&mut self, frame: &EncodedFrame, captured: Duration) -> Result<(), FileError> {
        if matches!(self.state, State::Unopened) {
            self.state = State::Open(Box::new(self.begin()?));
        }
        match &mut self.state {
            State::Open(recording) => Ok(recording.push(frame, captured)?),
            State::Unopened | State::Failed => Ok(()),
        }
    }

    fn begin(&mut self) -> Result<Recording<OutputFile>, FileError> {
        let output = OutputFile::open(&self.path, None)?;
        self.new_file = output.new_file().ok().flatten();
        let recording = Recording::begin(
            output,
            self.path.clone(),
            self.size,
            self.rate,
            &self.parameter_sets,
        )?;
        Ok(recording)
    }

    /// Ends the recording.
    ///
    /// # Blocking
    ///
    /// Until the disk has everything.
    pub(super) fn finish(self) -> Finished {
        let (mut summary, mut error) = (None, None);
        let mut lost_frames = self.lost_frames;
        match self.state {
            State::Unopened => {}
            State::Open(recording) => match recording.finish() {
                Ok(written) => summary = Some(written),
                Err(failure) => {
                    lost_frames += failure.lost_frames;
                    error = Some(failure);
                    summary = inspect(&self.path).ok();
                }
            },
            State::Failed => summary = inspect(&self.path).ok(),
        }
        let summary = summary.filter(|summary| summary.frames > 0);
        if let (None, Some(file)) = (summary, self.new_file) {
            file.remove();
        }
        Finished {
            recording: summary.map(|summary| RecordingReport::new(&self.path, self.first_frame, summary)),
            lost_frames,
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::H264Encoder;
    use crate::picture::Picture;
    use std::path::Path;
    use wharf::{SetId, Token};

    use crate::needs::EncoderNeeds;

    fn recording(path: &Path) -> (RecordingFile, EncodedFrame) {
        let order = RecordOrder {
            token: Token::new(""),
            size: "16x16".parse().unwrap(),
            rate: FrameRate::default(),
            path: path.into(),
            needs: EncoderNeeds::Default,
            set: SetId(1),
        };
        let mut codec = H264Encoder::new(order.size, order.rate).unwrap();
        let frame = codec.encode(&Picture::black(order.size)).unwrap();
        (RecordingFile::new(&order, codec.parameter_sets().clone()), frame)
    }

    #[test]
    fn frames_get_into_the_file_and_the_first_one_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let (mut file, frame) = recording(&path);
        let pushed: Vec<bool> = (0..20)
            .map(|index| {
                let at = FrameRate::default().due(index);
                file.push(&frame, at, 90 + index).unwrap()
            })
            .collect();
        assert_eq!(pushed.iter().filter(|first| **first).count(), 1);
        let finished = file.finish();
        let report = finished.recording.unwrap();
        assert_eq!((report.frames, report.first_frame), (20, Some(90)));
        assert!(finished.error.is_none() && finished.lost_frames == 0);
        let summary = inspect(&path).unwrap();
        assert_eq!((summary.frames, summary.bytes), (20, report.bytes));
        assert!((summary.duration.as_secs_f64() - report.seconds).abs() < 1e-6);
    }

    #[test]
    fn recording_without_frames_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let finished = recording(&path).0.finish();
        assert!(finished.recording.is_none() && !path.exists());
    }

    #[test]
    fn full_disk_loses_the_frames_and_says_so() {
        let (mut file, frame) = recording(Path::new("/dev/full"));
        let error = file.push(&frame, Duration::ZERO, 0).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
        let finished = file.finish();
        assert_eq!((finished.recording, finished.lost_frames), (None, 1));
    }

    #[test]
    fn folder_that_is_gone_is_an_error() {
        let (mut file, frame) = recording(Path::new("/nonexistent/a.mp4"));
        assert!(matches!(
            file.push(&frame, Duration::ZERO, 0),
            Err(FileError::Open(_))
        ));
        assert!(file.finish().recording.is_none());
    }
}
