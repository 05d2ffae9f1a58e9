//! Courses of a run, without a process.

use super::*;
use crate::control::{CameraOutcome, ConsumerOutcome, RecordingState};
use crate::report::{ConsumerReport, Latency};
use std::collections::VecDeque;
use wharf::Token;

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
        let effects = conductor.begin().into();
        Self {
            conductor,
            now: Instant::now(),
            effects,
        }
    }

    /// A run whose camera and viewer are at it.
    fn running() -> Self {
        let mut run = Self::new(|_| {});
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
            latency: Latency::default(),
        },
        dropped: vec![],
        usage: None,
        recording: None,
        problems: problems.iter().map(ToString::to_string).collect(),
    })
}

#[test]
fn encoder_comes_when_recording_is_due_and_all_end_with_the_stream() {
    let mut run = Run::new(|_| {});
    assert_eq!(run.started(), [(CAMERA, Role::Camera)]);
    run.say(CAMERA, ready());
    assert!(!run.has_told(CAMERA, &Order::Begin), "the viewer is not in yet");
    assert_eq!(run.started(), [(VIEWER, Role::Viewer)]);
    run.say(VIEWER, Word::Joined);
    assert!(run.has_told(CAMERA, &Order::Begin));
    run.say(CAMERA, Word::RecordDue);
    assert!(run.has_told(VIEWER, &Order::ShowRecording(RecordingState::Starting)));
    assert_eq!(run.started(), [(ENCODER, Role::Encoder)]);
    run.say(ENCODER, Word::Joined);
    run.say(ENCODER, Word::Recording);
    assert!(run.has_told(VIEWER, &Order::ShowRecording(RecordingState::On("1.mp4".into()))));
    run.leave(CAMERA, captured(300));
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    run.leave(ENCODER, consumed(Role::Encoder, &[]));
    assert_eq!(run.problems(), Vec::<String>::new());
}

#[test]
fn recording_from_the_first_frame_waits_for_the_encoder() {
    let mut run = Run::new(|plan| plan.record_after = Duration::ZERO);
    run.say(CAMERA, ready());
    run.say(VIEWER, Word::Joined);
    assert!(!run.has_told(CAMERA, &Order::Begin));
    run.say(ENCODER, Word::Joined);
    assert!(run.has_told(CAMERA, &Order::Begin));
}

#[test]
fn who_dies_before_joining_is_not_waited_for() {
    let mut run = Run::new(|plan| plan.record_after = Duration::ZERO);
    run.say(CAMERA, ready());
    run.end(VIEWER, Ending::Signaled(9));
    run.leave(ENCODER, Word::Failed("no codec".into()));
    assert!(run.has_told(CAMERA, &Order::Begin));
    run.leave(CAMERA, captured(300));
    let problems = run.problems();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].contains("viewer") && problems[0].contains("SIGKILL"));
    assert_eq!(problems[1], "no codec");
}

#[test]
fn who_does_not_join_in_time_is_killed() {
    let mut run = Run::new(|_| {});
    run.say(CAMERA, ready());
    run.pass(JOIN_PATIENCE);
    assert!(run.effects.contains(&Effect::Kill { child: VIEWER }));
    run.end(VIEWER, Ending::Signaled(9));
    run.leave(CAMERA, captured(300));
    assert!(run.problems()[0].contains("did not do as told"));
}

#[test]
fn no_viewer_is_started_if_none_is_wanted() {
    let mut run = Run::new(|plan| plan.viewers = 0);
    run.say(CAMERA, ready());
    assert!(run.has_told(CAMERA, &Order::Begin));
    assert_eq!(run.started(), [(CAMERA, Role::Camera)]);
}

#[test]
fn key_starts_and_stops_one_recording_after_the_other() {
    let mut run = Run::running();
    let press = |run: &mut Run| run.say(VIEWER, Word::Pressed(Key::Record));
    press(&mut run);
    assert_eq!(run.started(), [(ENCODER, Role::Encoder)]);
    run.say(ENCODER, Word::Joined);
    press(&mut run);
    assert!(run.has_told(ENCODER, &Order::Stop));
    press(&mut run);
    assert_eq!(run.started(), [], "the first file is not finished");
    run.leave(ENCODER, consumed(Role::Encoder, &[]));
    assert_eq!(run.started(), [(3, Role::Encoder)]);
    press(&mut run);
    run.leave(3, consumed(Role::Encoder, &[]));
    run.say(CAMERA, Word::RecordDue);
    assert_eq!(run.started(), [], "the user has decided otherwise");
    press(&mut run);
    assert!(run.has_told(
        VIEWER,
        &Order::ShowRecording(RecordingState::Failed("no third file".into()))
    ));
    run.leave(CAMERA, captured(300));
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    assert_eq!(run.problems(), ["no third file"]);
}

#[test]
fn key_pressed_twice_while_a_file_is_finished_starts_nothing() {
    let mut run = Run::running();
    for _ in 0..4 {
        run.say(VIEWER, Word::Pressed(Key::Record));
    }
    run.started();
    run.leave(ENCODER, consumed(Role::Encoder, &[]));
    assert_eq!(run.started(), []);
}

#[test]
fn recording_that_fails_is_told_and_the_preview_goes_on() {
    let mut run = Run::running();
    run.say(CAMERA, Word::RecordDue);
    run.say(ENCODER, Word::Joined);
    run.leave(ENCODER, consumed(Role::Encoder, &["disk full"]));
    assert!(run.has_told(
        VIEWER,
        &Order::ShowRecording(RecordingState::Failed("disk full".into()))
    ));
    assert!(!run.conductor.is_over());
    run.started();
    run.say(VIEWER, Word::Pressed(Key::Record));
    assert_eq!(run.started(), [(3, Role::Encoder)], "another try");
}

#[test]
fn end_is_the_cameras_business() {
    for ask in [
        Event::Interrupted,
        Event::Terminated,
        Event::Said {
            child: VIEWER,
            word: Box::new(Word::Pressed(Key::Quit)),
        },
    ] {
        let mut run = Run::running();
        run.event(ask);
        assert!(run.has_told(CAMERA, &Order::Stop));
        assert!(
            !run.has_told(VIEWER, &Order::Stop),
            "the end of the stream ends it"
        );
        run.leave(CAMERA, captured(5));
        run.leave(VIEWER, consumed(Role::Viewer, &[]));
        assert_eq!(run.problems(), Vec::<String>::new());
    }
}

#[test]
fn second_interruption_kills_only_after_a_while() {
    let mut run = Run::running();
    run.event(Event::Interrupted);
    run.event(Event::Interrupted);
    assert!(!run.effects.contains(&Effect::Kill { child: VIEWER }));
    run.pass(IMPATIENCE);
    run.event(Event::Terminated);
    assert!(!run.effects.contains(&Effect::Kill { child: VIEWER }));
    run.event(Event::Interrupted);
    for child in [CAMERA, VIEWER] {
        assert!(run.effects.contains(&Effect::Kill { child }));
        run.end(child, Ending::Signaled(9));
    }
    let problems = run.problems();
    assert!(problems[0].contains("Ctrl-C was pressed again"), "{problems:?}");
}

#[test]
fn death_of_the_camera_is_told_once() {
    let mut run = Run::running();
    run.say(CAMERA, Word::RecordDue);
    run.end(CAMERA, Ending::Signaled(9));
    // It had not joined yet, and cannot any more.
    run.leave(ENCODER, Word::Failed("the stream is over".into()));
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    let problems = run.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("the camera (process"), "{problems:?}");
}

#[test]
fn death_of_the_viewer_gives_the_terminal_back() {
    let mut run = Run::running();
    run.end(VIEWER, Ending::Signaled(11));
    assert!(run.effects.contains(&Effect::RestoreTerminal));
    assert!(
        run.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Inform(text) if text.contains("SIGSEGV")))
    );
    assert!(!run.conductor.is_over());
}

#[test]
fn who_does_not_end_is_killed_at_last() {
    let mut run = Run::running();
    run.leave(CAMERA, captured(5));
    run.pass(END_PATIENCE - Duration::from_millis(1));
    assert!(!run.effects.contains(&Effect::Kill { child: VIEWER }));
    assert!(run.conductor.deadline().is_some());
    run.pass(Duration::from_millis(1));
    assert!(run.effects.contains(&Effect::Kill { child: VIEWER }));
}

#[test]
fn camera_without_a_picture_is_no_run() {
    let mut run = Run::new(|_| {});
    run.leave(CAMERA, Word::Failed("Y4M input is empty".into()));
    assert!(matches!(run.conclude(), Conclusion::Nothing(reason) if reason == "Y4M input is empty"));

    let mut run = Run::running();
    let word = Word::Captured(CameraOutcome {
        problems: vec!["Y4M input has no frames".into()],
        ..CameraOutcome::default()
    });
    run.leave(CAMERA, word);
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    assert!(matches!(run.conclude(), Conclusion::Nothing(reason) if reason == "Y4M input has no frames"));
}

#[test]
fn interruption_before_the_first_frame_is_no_run() {
    let mut run = Run::new(|_| {});
    run.event(Event::Interrupted);
    assert!(run.has_told(CAMERA, &Order::Stop));
    run.leave(CAMERA, captured(0));
    assert!(
        matches!(run.conclude(), Conclusion::Nothing(reason) if reason.contains("before the first frame"))
    );
}

#[test]
fn child_that_cannot_be_started_is_missed_and_no_more() {
    let mut run = Run::new(|_| {});
    run.say(CAMERA, ready());
    run.event(Event::NotStarted {
        child: VIEWER,
        reason: "no memory".into(),
    });
    assert!(run.has_told(CAMERA, &Order::Begin));
    run.leave(CAMERA, captured(5));
    assert_eq!(run.problems(), ["the viewer cannot be started: no memory"]);
}
