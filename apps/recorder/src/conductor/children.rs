//! The children: how they start, end, and die.

use std::fmt;
use std::time::Instant;

use super::{ChildId, Conductor, ENCODER_END_PATIENCE, END_PATIENCE, Effect, Phase, START_PATIENCE, Target};
use crate::control::Order;
use crate::report::Role;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code} and without a word"),
            Self::Signaled(signal) => match signal_hook::low_level::signal_name(*signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
        }
    }
}

/// A child that lives.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: Role,
    /// Its process; 0 until it has been started.
    pub(super) pid: u32,
    /// Whether it has the terminal.
    pub(super) draws: bool,
    /// Whether it is in the stream.
    pub(super) has_joined: bool,
    /// When it is to be given up.
    pub(super) deadline: Option<Instant>,
    /// Why it is being killed.
    pub(super) killed_because: Option<&'static str>,
    /// Whether it has said how it went, so that its end is no surprise.
    pub(super) has_said_last_word: bool,
    pub(super) has_been_stopped: bool,
    /// Where an encoder records to, and whether it has begun to.
    pub(super) target: Option<Target>,
    pub(super) has_begun_file: bool,
}

impl Member {
    pub(super) fn new(role: Role, now: Instant) -> Self {
        Self {
            role,
            pid: 0,
            draws: false,
            has_joined: false,
            deadline: now.checked_add(START_PATIENCE),
            killed_because: None,
            has_said_last_word: false,
            has_been_stopped: false,
            target: None,
            has_begun_file: false,
        }
    }

    /// It has no reason to be slow any more: a camera that listens may wait for its input, a consumer in the stream for frames.
    pub(super) fn is_at_work(&mut self) {
        if !self.has_been_stopped {
            self.deadline = None;
        }
    }

    /// It has been told, or the stream's end tells it, to come to its end.
    pub(super) fn told_to_stop(&mut self, now: Instant) {
        self.has_been_stopped = true;
        let patience = match self.role {
            Role::Encoder => ENCODER_END_PATIENCE,
            Role::Recorder | Role::Camera | Role::Viewer => END_PATIENCE,
        };
        self.deadline = now.checked_add(patience);
    }

    fn name(&self) -> String {
        format!("the {} (process {})", self.role.name(), self.pid)
    }

    /// What is wrong with the way it ended, if anything.
    fn problem(&self, ending: Ending) -> Option<String> {
        let name = self.name();
        match (ending, self.killed_because) {
            (Ending::Signaled(_), Some(reason)) => Some(format!("{name} was killed: {reason}")),
            (Ending::Exited(0), _) if self.has_said_last_word || self.has_been_stopped => None,
            _ => Some(format!("{name} {ending}")),
        }
    }
}

impl Conductor {
    /// Has a child started, with its first order.
    pub(super) fn start(&mut self, member: Member, order: Order) -> ChildId {
        let child = self.next_child;
        self.next_child += 1;
        let (role, draws) = (member.role, member.draws);
        self.members.insert(child, member);
        self.effects.push(Effect::Start { child, role, draws });
        self.effects.push(Effect::Tell { child, order });
        child
    }

    pub(super) fn last_word(&mut self, child: ChildId) {
        if let Some(member) = self.members.get_mut(&child) {
            member.has_said_last_word = true;
        }
    }

    /// A child never took part.
    pub(super) fn failed(&mut self, child: ChildId, reason: String) {
        self.last_word(child);
        let Some(member) = self.members.get(&child) else {
            return;
        };
        // That a stream cannot be joined because it is over is nobody's fault.
        let is_consequence = member.role != Role::Camera && self.phase == Phase::Over;
        if !is_consequence {
            self.show_failure(child, &reason);
            self.findings.add_problem(reason);
        }
    }

    pub(super) fn not_started(&mut self, child: ChildId, reason: &str, now: Instant) {
        let Some(member) = self.members.remove(&child) else {
            return;
        };
        let problem = format!("the {} cannot be started: {reason}", member.role.name());
        self.show_failure(child, &problem);
        self.findings.add_problem(problem);
        self.gone(child, &member, now);
    }

    pub(super) fn ended(&mut self, child: ChildId, ending: Ending, now: Instant) {
        let Some(member) = self.members.remove(&child) else {
            return;
        };
        if let Some(problem) = member.problem(ending) {
            if member.draws {
                self.effects.push(Effect::RestoreTerminal);
                if self.phase == Phase::Running && self.ending_since.is_none() {
                    let text = format!("{problem}; the run goes on, Ctrl-C ends it");
                    self.effects.push(Effect::Inform(text));
                }
            }
            self.show_failure(child, &problem);
            self.findings.add_problem(problem);
            if let Some(target) = &member.target {
                self.findings
                    .add_cut_recording(child, target.clone(), member.has_begun_file);
            }
        }
        self.gone(child, &member, now);
    }

    /// What follows from a child's end, whatever it was like.
    fn gone(&mut self, child: ChildId, member: &Member, now: Instant) {
        match member.role {
            Role::Camera => self.camera_is_gone(now),
            Role::Encoder => self.recording_is_over(child, now),
            Role::Recorder | Role::Viewer => {}
        }
        self.begin_when_all_are_there(now);
    }

    fn camera_is_gone(&mut self, now: Instant) {
        self.phase = Phase::Over;
        if let Some(began_at) = self.began_at {
            self.findings.lasted = now.saturating_duration_since(began_at);
        }
        for member in self.members.values_mut() {
            member.told_to_stop(now);
        }
    }

    pub(super) fn kill_all(&mut self, reason: &'static str) {
        for (child, member) in &mut self.members {
            if member.killed_because.is_none() {
                member.killed_because = Some(reason);
                self.effects.push(Effect::Kill { child: *child });
            }
        }
    }
}
