//! What came of a run, put together from what the children said and how they ended.

use std::collections::BTreeMap;
use std::time::Duration;

use super::moves::{self, Arrival};
use super::{ChildId, Target};
use crate::container::inspect;
use crate::control::{CameraMove, CameraOutcome, ConsumerOutcome};
use crate::rate::FrameRate;
use crate::report::{
    CameraReport, MemoryReport, MoveReport, ProcessUse, RecordingReport, RefusalReport, Report,
};
use crate::size::Size;

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(super) video: Option<(Size, FrameRate)>,
    /// Whether the camera was told to begin.
    pub(super) has_begun: bool,
    /// Time from there to the camera's end.
    pub(super) lasted: Duration,
    /// The memory that frames lie in at first.
    pub(super) memory: Option<MemoryReport>,
    /// How the camera saw the stream move.
    pub(super) moves: Vec<CameraMove>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) refusals: Vec<RefusalReport>,
    camera: Option<CameraOutcome>,
    consumers: BTreeMap<ChildId, ConsumerOutcome>,
    cut_recordings: BTreeMap<ChildId, CutRecording>,
    problems: Vec<String>,
}

/// The file of an encoder that died.
#[derive(Debug)]
struct CutRecording {
    target: Target,
    /// Whether it said that it has begun; otherwise what is there may be from an earlier run.
    has_begun: bool,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Conclusion {
    /// There never was a frame: why.
    Nothing(String),
    /// There were frames.
    Report(Box<Report>),
}

impl Findings {
    pub(super) fn take_camera(&mut self, mut outcome: CameraOutcome) {
        self.problems.append(&mut outcome.problems);
        self.camera = Some(outcome);
    }

    pub(super) fn take_consumer(&mut self, child: ChildId, outcome: ConsumerOutcome) {
        self.problems.extend(outcome.problems.iter().cloned());
        self.consumers.insert(child, outcome);
    }

    pub(super) fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(super) fn add_cut_recording(&mut self, child: ChildId, target: Target, has_begun: bool) {
        self.cut_recordings
            .insert(child, CutRecording { target, has_begun });
    }

    /// What a viewer or encoder said was wrong, if it did.
    pub(super) fn problem_of_consumer(&self, child: ChildId) -> Option<String> {
        self.consumers.get(&child)?.problems.first().cloned()
    }

    /// Looks at the files of those who cannot tell any more, and puts everything together; `own` is what the director uses.
    pub(crate) fn conclude(self, own: Option<ProcessUse>) -> Conclusion {
        let (recordings, moves) = (self.recordings(), self.describe_moves());
        let nothing_captured = self
            .camera
            .as_ref()
            .is_some_and(|camera| camera.frames_captured == 0);
        let (Some((size, rate)), true, false) = (self.video, self.has_begun, nothing_captured) else {
            let reason = self.problems.into_iter().next();
            return Conclusion::Nothing(reason.unwrap_or_else(|| "ended before the first frame".to_owned()));
        };
        let mut report = Report {
            size: size.to_string(),
            frame_rate: rate.to_string(),
            seconds: self.lasted.as_secs_f64(),
            camera: None,
            consumers: Vec::new(),
            recordings,
            dropped: Vec::new(),
            memory: self.memory,
            moves,
            refusals: self.refusals,
            processes: own.into_iter().collect(),
            problems: self.problems,
        };
        if let Some(camera) = self.camera {
            report.seconds = camera.duration.as_secs_f64();
            report.camera = Some(CameraReport {
                frames_captured: camera.frames_captured,
            });
            report.dropped.extend(camera.dropped);
            report.processes.extend(camera.usage);
        }
        for consumer in self.consumers.into_values() {
            report.consumers.push(consumer.report);
            report.dropped.extend(consumer.dropped);
            report.processes.extend(consumer.usage);
        }
        Conclusion::Report(Box::new(report))
    }

    fn describe_moves(&self) -> Vec<MoveReport> {
        let consumers = self.consumers.values();
        let seen: Vec<_> = consumers
            .flat_map(|consumer| consumer.moves.iter().copied())
            .collect();
        let moves = self.moves.iter();
        moves
            .map(|moved| moves::describe(moved, &self.arrivals, &seen))
            .collect()
    }

    /// The files with frames, in the order in which they were begun.
    fn recordings(&self) -> Vec<RecordingReport> {
        let told = self
            .consumers
            .iter()
            .filter_map(|(child, consumer)| Some((*child, consumer.recording.clone()?)));
        let cut = self
            .cut_recordings
            .iter()
            .filter_map(|(child, cut)| Some((*child, cut.inspect()?)));
        cut.chain(told)
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect()
    }
}

impl CutRecording {
    /// What is in the file, if it has a frame; a new file without one is removed.
    fn inspect(&self) -> Option<RecordingReport> {
        let Target { path, is_new } = &self.target;
        let summary = inspect(path).ok()?;
        if summary.frames == 0 && *is_new {
            // A file that cannot be removed is an empty one more: nothing is lost.
            let _ = std::fs::remove_file(path);
        }
        let is_ours = summary.frames > 0 && (self.has_begun || *is_new);
        is_ours.then(|| RecordingReport::new(path, None, summary))
    }
}
