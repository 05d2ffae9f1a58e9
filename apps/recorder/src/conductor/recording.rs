//! Recording: one encoder after the other, each with a file of its own.

use std::time::Instant;

use super::children::Member;
use super::{ChildId, Conductor, Phase};
use crate::control::{Order, RecordOrder, RecordingState};
use crate::report::Role;

/// Who records.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// The encoder that lives.
    active: Option<ChildId>,
    /// It has been told to stop.
    is_stopping: bool,
    /// The user wants another recording once that one is finished.
    again: bool,
    /// The recording that begins with the first frame has been started.
    has_begun_at_once: bool,
    /// The user has taken recording into their own hands.
    is_manual: bool,
    /// What the viewers say about it.
    shown: RecordingState,
}

impl Conductor {
    /// Starts the recording that begins with the first frame, once; tells whether there is an encoder to wait for.
    pub(super) fn record_at_once(&mut self, now: Instant) -> bool {
        if std::mem::replace(&mut self.recorder.has_begun_at_once, true) {
            return false;
        }
        self.start_recording(now);
        self.recorder.active.is_some()
    }

    /// Starts recording at the time the user gave, unless they have pressed the key before.
    pub(super) fn record_when_due(&mut self, now: Instant) {
        if !self.recorder.is_manual && self.recorder.active.is_none() {
            self.start_recording(now);
        }
    }

    /// The key for recording was pressed.
    pub(super) fn toggle_recording(&mut self, now: Instant) {
        self.recorder.is_manual = true;
        match self.recorder.active {
            None => self.start_recording(now),
            Some(_) if self.recorder.is_stopping => self.recorder.again = !self.recorder.again,
            Some(encoder) => self.stop_recording(encoder, now),
        }
    }

    pub(super) fn start_recording(&mut self, now: Instant) {
        let Some(video) = self.video.clone() else {
            return;
        };
        if self.ending_since.is_some() || !matches!(self.phase, Phase::Gathering | Phase::Running) {
            return;
        }
        let target = match (self.targets)() {
            Ok(target) => target,
            Err(reason) => {
                self.show(RecordingState::Failed(reason.clone()));
                return self.findings.add_problem(reason);
            }
        };
        let order = RecordOrder {
            token: video.token,
            size: video.size,
            rate: video.rate,
            path: target.path.clone(),
            needs: self.plan.encoder_needs,
            set: video.set,
        };
        let member = Member {
            target: Some(target),
            ..Member::new(Role::Encoder, now)
        };
        let encoder = self.start(member, Order::Record(order));
        self.recorder.active = Some(encoder);
        self.recorder.is_stopping = false;
        self.show(RecordingState::Starting);
    }

    fn stop_recording(&mut self, encoder: ChildId, now: Instant) {
        self.recorder.is_stopping = true;
        if let Some(member) = self.members.get_mut(&encoder) {
            member.told_to_stop(now);
        }
        self.effects.push(super::Effect::Tell {
            child: encoder,
            order: Order::Stop,
        });
        self.show(RecordingState::Stopping);
    }

    /// An encoder has its first frame.
    pub(super) fn file_has_begun(&mut self, child: ChildId) {
        let Some(member) = self.members.get_mut(&child) else {
            return;
        };
        member.has_begun_file = true;
        let name = member.target.as_ref().and_then(|target| target.path.file_name());
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        if !self.recorder.is_stopping {
            self.show(RecordingState::On(name));
        }
    }

    /// An encoder has ended.
    pub(super) fn recording_is_over(&mut self, child: ChildId, now: Instant) {
        if self.recorder.active != Some(child) {
            return;
        }
        self.recorder.active = None;
        let failure = self.findings.problem_of_consumer(child);
        if let Some(reason) = failure {
            self.show(RecordingState::Failed(reason));
        } else if !matches!(self.recorder.shown, RecordingState::Failed(_)) {
            self.show(RecordingState::Off);
        }
        if std::mem::take(&mut self.recorder.again) {
            self.start_recording(now);
        }
    }

    /// Has the viewers say why a child is of no use, if it is an encoder.
    pub(super) fn show_failure(&mut self, child: ChildId, reason: &str) {
        if self.recorder.active == Some(child) {
            self.show(RecordingState::Failed(reason.to_owned()));
        }
    }

    fn show(&mut self, state: RecordingState) {
        self.recorder.shown = state.clone();
        self.tell_all(|member| member.role == Role::Viewer, &Order::ShowRecording(state));
    }
}
