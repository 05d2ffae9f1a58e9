//! What the camera counts.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use wharf::BlockingConsumer;

use crate::control::CameraOutcome;
use crate::report::{Dropped, ProcessUse, Role};

/// More problems than this are not listed: the first ones say what is wrong.
const MAX_PROBLEMS: usize = 8;

/// Frames that were captured, and those that were not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) captured: u64,
    /// How long the stream is.
    pub(super) duration: Duration,
    /// Frames for which it was too late when the camera came to them.
    pub(super) late: u64,
    /// Frames that could not be handed over.
    pub(super) unpublished: u64,
    /// Frames for which there was no buffer, by name and process of the consumer that had most of them.
    blocked: BTreeMap<(String, u32), u64>,
    problems: Vec<String>,
}

impl Tally {
    /// Counts a frame for which there was no buffer against who had most of them.
    pub(super) fn count_blocked(&mut self, consumers: &[BlockingConsumer]) {
        let (label, pid) = match consumers.iter().max_by_key(|consumer| consumer.frames) {
            Some(consumer) => (consumer.label.clone(), consumer.pid),
            None => ("nobody".to_owned(), 0),
        };
        *self.blocked.entry((label, pid)).or_default() += 1;
    }

    /// Frames that were not handed over, whatever the reason.
    pub(super) fn dropped(&self) -> u64 {
        self.late + self.unpublished + self.blocked.values().sum::<u64>()
    }

    pub(super) fn note_problem(&mut self, problem: impl Display) {
        let problem = problem.to_string();
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn into_outcome(self, usage: Option<ProcessUse>) -> CameraOutcome {
        let own = [
            (self.late, "it could not make them in time"),
            (self.unpublished, "it could not hand them over"),
        ];
        let own = own
            .into_iter()
            .map(|(frames, why)| (Role::Camera, why.to_owned(), frames));
        let blocked = self.blocked.into_iter().map(|((label, pid), frames)| {
            let role = [Role::Viewer, Role::Encoder]
                .into_iter()
                .find(|role| role.name() == label);
            match role {
                Some(role) => (
                    role,
                    format!("the camera found no free buffer (process {pid})"),
                    frames,
                ),
                None => {
                    let why = format!("no free buffer: {label} (process {pid}) had too many");
                    (Role::Camera, why, frames)
                }
            }
        });
        let dropped = blocked.chain(own).filter(|(_, _, frames)| *frames > 0);
        CameraOutcome {
            frames_captured: self.captured,
            duration: self.duration,
            dropped: dropped
                .map(|(by, why, frames)| Dropped { by, why, frames })
                .collect(),
            usage,
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(label: &str, frames: usize) -> BlockingConsumer {
        BlockingConsumer {
            label: label.into(),
            pid: 7,
            frames,
        }
    }

    #[test]
    fn frame_without_a_buffer_counts_against_who_had_most() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.count_blocked(&[consumer("viewer", 2), consumer("encoder", 4)]);
        }
        tally.count_blocked(&[consumer("guest", 9)]);
        tally.late = 2;
        let dropped = tally.into_outcome(None).dropped;
        let by: Vec<_> = dropped.iter().map(|drop| (drop.by, drop.frames)).collect();
        assert_eq!(by, [(Role::Encoder, 3), (Role::Camera, 1), (Role::Camera, 2)]);
        assert!(dropped[1].why.contains("guest (process 7)"));
    }

    #[test]
    fn repeated_problems_are_told_once() {
        let mut tally = Tally::default();
        (0..100).for_each(|number| tally.note_problem(number / 50));
        assert_eq!(tally.into_outcome(None).problems, ["0", "1"]);
    }
}
