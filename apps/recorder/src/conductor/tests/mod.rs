//! Runs without a process.

mod course;
mod deaths;
mod recording;

use super::*;
use crate::control::{CameraOutcome, ConsumerOutcome, RecordingState, Source};
use crate::needs::EncoderNeeds;
use crate::report::{ConsumerReport, Latency, MemoryReport};
use std::collections::VecDeque;
use wharf::{SetId, Token};

const CAMERA: ChildId = 0;
const VIEWER: ChildId = 1;
const ENCODER: ChildId = 2;

/// A conductor, the clock, and what is left of its effects.
struct Run {
    conductor: Conductor,
    now: Instant,
    effects: VecDeque<Effect>,
}

impl Run {
    fn new(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan {
            source: Source::TestCard(crate::size::Size::default()),
            rate: None,
            time_limit: Some(Duration::from_secs(10)),
            record_after: Duration::from_secs(3),
            viewers: 1,
            draw: true,
            pin_viewers: false,
            check: false,
            encoder_needs: EncoderNeeds::Default,
        };
        change(&mut plan);
        let mut number = 0;
        let targets = move || {
            number += 1;
            match number {
                3 => Err("no third file".to_owned()),
                _ => Ok(Target {
                    path: format!("/nonexistent/{number}.mp4").into(),
                    is_new: true,
                }),
            }
        };
        let mut conductor = Conductor::new(plan, Box::new(targets));
        let now = Instant::now();
        let effects = conductor.begin(now).into();
        Self {
            conductor,
            now,
            effects,
        }
    }

    /// A run whose camera and viewer are at it.
    fn running() -> Self {
        let mut run = Self::new(|_| {});
        run.say(CAMERA, Word::Hello);
        run.say(CAMERA, ready());
        run.say(VIEWER, Word::Joined);
        run.effects.clear();
        run
    }

    fn event(&mut self, event: Event) {
        let effects = self.conductor.handle(event, self.now);
        self.effects.extend(effects);
    }

    fn say(&mut self, child: ChildId, word: Word) {
        self.event(Event::Said {
            child,
            word: Box::new(word),
        });
    }

    fn end(&mut self, child: ChildId, ending: Ending) {
        self.event(Event::Ended { child, ending });
    }

    /// A child says how it went and leaves.
    fn leave(&mut self, child: ChildId, word: Word) {
        self.say(child, word);
        self.end(child, Ending::Exited(0));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let effects = self.conductor.tick(self.now);
        self.effects.extend(effects);
    }

    /// Who has been started since last asked.
    fn started(&mut self) -> Vec<(ChildId, Role)> {
        let started = self.effects.iter().filter_map(|effect| match effect {
            Effect::Start { child, role, .. } => Some((*child, *role)),
            _ => None,
        });
        let started = started.collect();
        self.effects.clear();
        started
    }

    fn has_told(&self, child: ChildId, order: &Order) -> bool {
        let told = Effect::Tell {
            child,
            order: order.clone(),
        };
        self.effects.contains(&told)
    }

    fn conclude(self) -> Conclusion {
        assert!(self.conductor.is_over());
        self.conductor.into_findings().conclude(None)
    }

    fn problems(self) -> Vec<String> {
        match self.conclude() {
            Conclusion::Report(report) => report.problems,
            Conclusion::Nothing(reason) => panic!("no report: {reason}"),
        }
    }
}

fn ready() -> Word {
    Word::Ready(Ready {
        size: "64x64".parse().unwrap(),
        rate: "30".parse().unwrap(),
        token: Token::new("secret"),
        set: SetId(1),
        memory: MemoryReport {
            generation: 1,
            heap: "memfd".into(),
            count: 7,
            size_bytes: 8192,
            chunk_bytes: 4096,
            stride_bytes: 64,
            rows: 64,
        },
        warnings: vec![],
    })
}

fn captured(frames: u64) -> Word {
    Word::Captured(CameraOutcome {
        frames_captured: frames,
        ..CameraOutcome::default()
    })
}

fn consumed(role: Role, problems: &[&str]) -> Word {
    Word::Consumed(ConsumerOutcome {
        report: ConsumerReport {
            role,
            pid: 1,
            frames_received: 0,
            frames_used: 0,
            frames_lost: 0,
            frames_checked: 0,
            frames_torn: 0,
            latency: Latency::default(),
        },
        dropped: vec![],
        usage: None,
        moves: vec![],
        recording: None,
        problems: problems.iter().map(ToString::to_string).collect(),
    })
}
