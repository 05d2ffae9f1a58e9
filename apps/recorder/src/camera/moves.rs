//! How the stream moves to other memory, as the camera sees it.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};

use wharf::{MoveStep, Producer, now_ns};

use crate::control::{CameraMove, HandedOver};
use crate::report::MemoryReport;

/// How many frames before a move are remembered: some seconds of them, in which newcomers ask and memory is found.
const FRAMES: usize = 256;

/// Remembers what is to be told when the stream moves.
#[derive(Debug)]
pub(super) struct Moves {
    steps: Receiver<Step>,
    /// The memory of the last frame.
    memory: MemoryReport,
    frames: VecDeque<HandedOver>,
    offered_ns: Option<u64>,
    committed_ns: Option<u64>,
}

#[derive(Debug)]
struct Step {
    step: MoveStep,
    at_ns: u64,
}

impl Moves {
    /// Watches a producer whose frames are in `memory`.
    pub(super) fn observe(producer: &mut Producer, memory: MemoryReport) -> Self {
        let (sender, steps) = mpsc::channel();
        producer.observe_moves(move |step, _| {
            // Nobody listens any more when the camera has come to its end.
            let _ = sender.send(Step {
                step,
                at_ns: now_ns(),
            });
        });
        Self::new(steps, memory)
    }

    fn new(steps: Receiver<Step>, memory: MemoryReport) -> Self {
        Self {
            steps,
            memory,
            frames: VecDeque::with_capacity(FRAMES),
            offered_ns: None,
            committed_ns: None,
        }
    }

    /// Takes note of a frame in `memory`, and of how many were dropped until then; returns the move if it is the first one there.
    pub(super) fn handed_over(
        &mut self,
        memory: &MemoryReport,
        at_ns: u64,
        dropped_before: u64,
    ) -> Option<CameraMove> {
        self.take_steps();
        if self.frames.len() == FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back(HandedOver {
            at_ns,
            dropped_before,
        });
        if memory.generation == self.memory.generation {
            return None;
        }
        let committed_ns = self.committed_ns.take().unwrap_or(at_ns);
        Some(CameraMove {
            from: std::mem::replace(&mut self.memory, memory.clone()),
            to: memory.clone(),
            offered_ns: self.offered_ns.take().unwrap_or(committed_ns),
            committed_ns,
            frames: self.frames.iter().copied().collect(),
        })
    }

    fn take_steps(&mut self) {
        while let Ok(Step { step, at_ns }) = self.steps.try_recv() {
            match step {
                MoveStep::Offered => self.offered_ns = Some(at_ns),
                MoveStep::Committed => self.committed_ns = Some(at_ns),
                MoveStep::Failed => self.offered_ns = None,
                MoveStep::Taken | MoveStep::Ready | MoveStep::FirstFrame => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(generation: u64) -> MemoryReport {
        MemoryReport {
            generation,
            heap: "memfd".into(),
            count: 5,
            size_bytes: 4096,
            chunk_bytes: 4096,
            stride_bytes: 64,
            rows: 16,
        }
    }

    #[test]
    fn first_frame_in_other_memory_is_told_with_the_frames_before_it() {
        let (sender, steps) = mpsc::channel();
        let mut moves = Moves::new(steps, memory(1));
        for frame in 0..300 {
            assert_eq!(moves.handed_over(&memory(1), frame, 0), None);
        }
        let step = |step, at_ns| sender.send(Step { step, at_ns }).unwrap();
        step(MoveStep::Offered, 290);
        step(MoveStep::Failed, 291);
        step(MoveStep::Offered, 301);
        step(MoveStep::Committed, 304);
        let moved = moves.handed_over(&memory(2), 310, 1).unwrap();
        assert_eq!((moved.from.generation, moved.to.generation), (1, 2));
        assert_eq!((moved.offered_ns, moved.committed_ns), (301, 304));
        assert_eq!(moved.frames.len(), FRAMES);
        let last = moved.frames[FRAMES - 1];
        assert_eq!((last.at_ns, last.dropped_before), (310, 1));
        assert_eq!(moves.handed_over(&memory(2), 320, 1), None);
    }
}
