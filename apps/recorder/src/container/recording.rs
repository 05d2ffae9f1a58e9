//! Writing a recording.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::boxes::{self, Sample};
use super::error::{RecordingError, Step};
use super::output::Storage;
use super::timeline::{TICKS_PER_SECOND, Timeline};
use crate::encode::{EncodedFrame, ParameterSets};
use crate::rate::FrameRate;
use crate::size::Size;

/// A fragment is written when it has lasted this long.
const FRAGMENT_TICKS: u64 = (TICKS_PER_SECOND / 2) as u64;
/// A fragment is written before it has more frames than this, whatever their times say.
const FRAGMENT_FRAMES: usize = 500;
/// A fragment is written before it has more bytes than this, if it has a frame at all.
const FRAGMENT_BYTES: usize = 16 << 20;

/// A file that is being recorded.
///
/// Call [`finish`](Self::finish) at the end: without it, the frames after the last whole fragment are not in
/// the file.
#[derive(Debug)]
pub struct Recording<S> {
    storage: S,
    path: PathBuf,
    timeline: Timeline,
    samples: Vec<Sample>,
    data: Vec<u8>,
    next_fragment: u32,
    written: Summary,
    failed: bool,
}

/// What is in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Frames in whole fragments.
    pub frames: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// How long it plays.
    pub duration: Duration,
}

impl<S: Storage> Recording<S> {
    /// Empties `storage` and writes the header of a recording with pictures of `size`. `path` is only for
    /// error messages; `rate` says how long the last frame lasts.
    ///
    /// # Errors
    ///
    /// [`RecordingError`]; then the file is empty.
    pub fn begin(
        storage: S,
        path: PathBuf,
        size: Size,
        rate: FrameRate,
        parameter_sets: &ParameterSets,
    ) -> Result<Self, RecordingError> {
        let mut recording = Self {
            storage,
            path,
            timeline: Timeline::new(rate),
            samples: Vec::new(),
            data: Vec::new(),
            next_fragment: 1,
            written: Summary::default(),
            failed: false,
        };
        recording
            .storage
            .truncate(0)
            .map_err(|source| recording.failure(Step::Empty, 0, source))?;
        let header = boxes::header(size, parameter_sets).map_err(io::Error::other);
        recording.append(header, 0, |_, _| Ok(()))?;
        Ok(recording)
    }

    /// Adds a frame that was captured at the given time since any fixed moment. It is in the file once its
    /// fragment is.
    ///
    /// # Blocking
    ///
    /// About twice a second, for as long as writing a fragment takes.
    ///
    /// # Errors
    ///
    /// [`RecordingError`]; then the file has been cut back to the last whole fragment. Every later call fails
    /// as well and loses its frame.
    pub fn push(&mut self, frame: &EncodedFrame, captured: Duration) -> Result<(), RecordingError> {
        if self.failed {
            return Err(self.failure(
                Step::Write,
                1,
                io::Error::other("the recording has already failed"),
            ));
        }
        let start_ticks = self.timeline.place(captured);
        if self.is_fragment_full(start_ticks, frame.data.len()) {
            self.write_fragment(start_ticks, 1)?;
        }
        let Ok(size_bytes) = u32::try_from(frame.data.len()) else {
            return Err(self.failure(Step::Write, 1, io::ErrorKind::FileTooLarge.into()));
        };
        self.samples.push(Sample {
            start_ticks,
            size_bytes,
            key_frame: frame.key_frame,
        });
        self.data.extend_from_slice(&frame.data);
        Ok(())
    }

    /// Writes the last fragment and has the disk keep everything.
    ///
    /// # Blocking
    ///
    /// Until the disk has it.
    ///
    /// # Errors
    ///
    /// [`RecordingError`], as for [`push`](Self::push).
    pub fn finish(mut self) -> Result<Summary, RecordingError> {
        if self.failed {
            return Err(self.failure(
                Step::Write,
                0,
                io::Error::other("the recording has already failed"),
            ));
        }
        if let Some(last) = self.samples.last() {
            let end_ticks = last.start_ticks + u64::from(self.timeline.period_ticks());
            self.write_fragment(end_ticks, 0)?;
        }
        self.storage
            .sync()
            .map_err(|source| self.failure(Step::Sync, 0, source))?;
        Ok(self.written)
    }

    /// What is in the file by now.
    pub fn written(&self) -> Summary {
        self.written
    }

    /// Whether a frame that begins at `next_ticks` and has `next_bytes` bytes must go to another fragment.
    fn is_fragment_full(&self, next_ticks: u64, next_bytes: usize) -> bool {
        self.samples.first().is_some_and(|first| {
            next_ticks - first.start_ticks >= FRAGMENT_TICKS
                || self.samples.len() >= FRAGMENT_FRAMES
                || self.data.len() + next_bytes > FRAGMENT_BYTES
        })
    }

    /// Writes the frames that have gathered as a fragment that ends at `end_ticks`. If that fails, they are
    /// lost and so are `further_frames` more.
    fn write_fragment(&mut self, end_ticks: u64, further_frames: u64) -> Result<(), RecordingError> {
        let fragment = boxes::fragment(self.next_fragment, &self.samples, end_ticks, &self.data)
            .map_err(io::Error::other);
        self.append(fragment, further_frames, |storage, start_bytes| {
            storage.overwrite(start_bytes + boxes::NAME_OFFSET_BYTES, &boxes::FINAL_NAME)
        })?;
        self.next_fragment = self.next_fragment.wrapping_add(1);
        self.written.frames += frame_count(&self.samples);
        self.written.duration = duration(end_ticks);
        self.samples.clear();
        self.data.clear();
        Ok(())
    }

    /// Appends bytes to the file and calls `complete` with the place where they begin. After an error, none
    /// of it is there.
    fn append(
        &mut self,
        bytes: io::Result<Vec<u8>>,
        further_frames: u64,
        complete: impl FnOnce(&mut S, u64) -> io::Result<()>,
    ) -> Result<(), RecordingError> {
        let start_bytes = self.written.bytes;
        let appended = bytes.and_then(|bytes| {
            self.storage.write_all(&bytes)?;
            complete(&mut self.storage, start_bytes)?;
            Ok(bytes.len())
        });
        match appended {
            Ok(len_bytes) => {
                self.written.bytes += u64::try_from(len_bytes).unwrap_or(u64::MAX);
                Ok(())
            }
            Err(source) => {
                let leftover = self.storage.truncate(start_bytes).err();
                Err(RecordingError {
                    leftover,
                    ..self.failure(Step::Write, further_frames, source)
                })
            }
        }
    }

    /// Ends the recording: what has gathered is lost, and so are `further_frames` more.
    fn failure(&mut self, step: Step, further_frames: u64, source: io::Error) -> RecordingError {
        let lost_frames = frame_count(&self.samples) + further_frames;
        self.failed = true;
        self.samples.clear();
        self.data.clear();
        RecordingError {
            path: self.path.clone(),
            step,
            kept_frames: self.written.frames,
            kept_bytes: self.written.bytes,
            lost_frames,
            source,
            leftover: None,
        }
    }
}

fn frame_count(samples: &[Sample]) -> u64 {
    u64::try_from(samples.len()).unwrap_or(u64::MAX)
}

/// How long so many ticks are.
pub(super) fn duration(ticks: u64) -> Duration {
    let per_second = u64::from(TICKS_PER_SECOND);
    Duration::from_secs(ticks / per_second) + Duration::from_secs(ticks % per_second) / TICKS_PER_SECOND
}
