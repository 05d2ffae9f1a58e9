//! Who is to do what next: the director's mind, without input or output.
//!
//! Events go in, effects come out, and the clock is an argument, so that every course of a run can be tested without a process. The
//! course is:
//!
//! | Phase | Until |
//! |---|---|
//! | `Opening` | the camera has its stream |
//! | `Gathering` | the viewers are in it, and then the encoder if recording begins at once |
//! | `Running` | the camera ends, because its input does, its time is over, or it is told to |
//! | `Over` | all others have ended, which the end of the stream makes them do |
//!
//! Anyone may die at any time. Only the camera's death changes the phase.

mod children;
mod findings;
mod moves;
mod recording;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::control::{Key, OpenOrder, Order, Ready, ViewOrder, Word};
use crate::report::Role;
pub(crate) use children::Ending;
use children::Member;
pub(crate) use findings::{Conclusion, Findings};
use moves::Arrival;
use recording::Recorder;
pub(crate) use vocabulary::{ChildId, Effect, Event, Plan, Target, Targets};

/// How long the camera may take to listen, and a viewer or encoder to join the stream.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a child may take to come to its end. An encoder waits for the disk.
const END_PATIENCE: Duration = Duration::from_secs(10);
const ENCODER_END_PATIENCE: Duration = Duration::from_secs(60);

/// Ctrl-C pressed a second time after this time does not wait for anyone.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Gathering,
    Running,
    Over,
}

/// Directs one run.
pub(crate) struct Conductor {
    plan: Plan,
    targets: Targets,
    phase: Phase,
    /// When the end was asked for.
    ending_since: Option<Instant>,
    /// The children that live.
    members: BTreeMap<ChildId, Member>,
    next_child: ChildId,
    video: Option<Ready>,
    recorder: Recorder,
    findings: Findings,
    began_at: Option<Instant>,
    effects: Vec<Effect>,
}

impl Conductor {
    pub(crate) fn new(plan: Plan, targets: Targets) -> Self {
        Self {
            plan,
            targets,
            phase: Phase::Opening,
            ending_since: None,
            members: BTreeMap::new(),
            next_child: 0,
            video: None,
            recorder: Recorder::default(),
            findings: Findings::default(),
            began_at: None,
            effects: Vec::new(),
        }
    }

    /// Begins the run.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Effect> {
        let at_once = self.plan.record_after.is_zero();
        let order = OpenOrder {
            source: self.plan.source.clone(),
            rate: self.plan.rate,
            time_limit: self.plan.time_limit,
            record_at: (!at_once).then_some(self.plan.record_after),
            viewers: self.plan.viewers,
        };
        self.start(Member::new(Role::Camera, now), Order::Open(order));
        self.take_effects()
    }

    /// Takes an event and says what is to be done.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Started { child, pid } => {
                if let Some(member) = self.members.get_mut(&child) {
                    member.pid = pid;
                }
            }
            Event::NotStarted { child, reason } => self.not_started(child, &reason, now),
            Event::Said { child, word } => self.said(child, *word, now),
            Event::Ended { child, ending } => self.ended(child, ending, now),
            Event::Interrupted if self.is_impatient(now) => self.kill_all("Ctrl-C was pressed again"),
            Event::Interrupted | Event::Terminated => self.end(now),
        }
        self.take_effects()
    }

    /// When to call [`Self::tick`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.members.values().filter_map(|member| member.deadline).min()
    }

    /// Gives up children whose time is over.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        for (child, member) in &mut self.members {
            if member.deadline.is_some_and(|deadline| deadline <= now) {
                member.deadline = None;
                member.killed_because = Some("it did not do as told in time");
                self.effects.push(Effect::Kill { child: *child });
            }
        }
        self.take_effects()
    }

    /// Whether nobody lives any more.
    pub(crate) fn is_over(&self) -> bool {
        self.members.is_empty()
    }

    /// What came of it.
    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn said(&mut self, child: ChildId, word: Word, now: Instant) {
        match word {
            Word::Hello => self.listens(child),
            Word::Ready(video) => self.camera_is_ready(video, now),
            Word::Joined => self.joined(child, now),
            Word::RecordDue => self.record_when_due(now),
            Word::Recording => self.file_has_begun(child),
            Word::Pressed(Key::Record) => self.toggle_recording(now),
            Word::Pressed(Key::Quit) => self.end(now),
            Word::Captured(outcome) => {
                self.last_word(child);
                self.findings.take_camera(outcome);
            }
            Word::Consumed(outcome) => {
                self.last_word(child);
                self.findings.take_consumer(child, outcome);
            }
            Word::Failed(reason) => self.failed(child, reason),
            Word::Refused(refusal) => {
                let reason = format!("the {} is refused: {}", refusal.role.name(), refusal.summary);
                self.findings.refusals.push(refusal);
                self.failed(child, reason);
            }
            Word::MadeDo(refusal) => self.findings.refusals.push(refusal),
            Word::Moved(moved) => self.findings.moves.push(moved),
            Word::Settled(settled) => {
                let pid = self.members.get(&child).map_or(0, |member| member.pid);
                self.findings.arrivals.push(Arrival { pid, settled });
            }
        }
    }

    fn listens(&mut self, child: ChildId) {
        let member = self.members.get_mut(&child);
        if let Some(camera) = member.filter(|member| member.role == Role::Camera) {
            camera.is_at_work();
        }
    }

    fn joined(&mut self, child: ChildId, now: Instant) {
        if let Some(member) = self.members.get_mut(&child) {
            member.has_joined = true;
            member.is_at_work();
        }
        self.begin_when_all_are_there(now);
    }

    fn camera_is_ready(&mut self, video: Ready, now: Instant) {
        if self.ending_since.is_some() || self.phase != Phase::Opening {
            return;
        }
        self.phase = Phase::Gathering;
        for warning in &video.warnings {
            self.effects.push(Effect::Inform(format!("warning: {warning}")));
        }
        for number in 0..self.plan.viewers {
            let order = ViewOrder {
                token: video.token.clone(),
                draw: self.plan.draw && number == 0,
                pinned: self.plan.pin_viewers,
                check: self.plan.check.then_some(video.size),
            };
            let member = Member {
                draws: order.draw,
                ..Member::new(Role::Viewer, now)
            };
            self.start(member, Order::View(order));
        }
        self.findings.video = Some((video.size, video.rate));
        self.findings.memory = Some(video.memory.clone());
        self.video = Some(video);
        self.begin_when_all_are_there(now);
    }

    fn begin_when_all_are_there(&mut self, now: Instant) {
        let is_awaited = |member: &Member| member.role != Role::Camera && !member.has_joined;
        if self.phase != Phase::Gathering || self.members.values().any(is_awaited) {
            return;
        }
        // Only now: memory that suits the encoder is scarce, and should not have to be found once more for viewers.
        if self.plan.record_after.is_zero() && self.record_at_once(now) {
            return;
        }
        self.phase = Phase::Running;
        self.began_at = Some(now);
        self.findings.has_begun = true;
        self.tell_all(|member| member.role == Role::Camera, &Order::Begin);
    }

    /// Brings the run to its end: the camera ends the stream, and that ends the others.
    fn end(&mut self, now: Instant) {
        if self.ending_since.is_some() {
            return;
        }
        self.ending_since = Some(now);
        for member in self.members.values_mut() {
            if member.role == Role::Camera {
                member.told_to_stop(now);
            }
        }
        self.tell_all(|member| member.role == Role::Camera, &Order::Stop);
    }

    /// Whether somebody who presses Ctrl-C now has done so before and waited. Some programs send the signal twice at once.
    fn is_impatient(&self, now: Instant) -> bool {
        self.ending_since
            .is_some_and(|since| now.saturating_duration_since(since) >= IMPATIENCE)
    }

    fn tell_all(&mut self, whom: impl Fn(&Member) -> bool, order: &Order) {
        let members = self.members.iter().filter(|(_, member)| whom(member));
        let effects = members.map(|(child, _)| Effect::Tell {
            child: *child,
            order: order.clone(),
        });
        self.effects.extend(effects);
    }
}
