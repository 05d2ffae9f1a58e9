//! Children that die, or never come.

use super::*;

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
    run.pass(START_PATIENCE);
    assert!(run.effects.contains(&Effect::Kill { child: VIEWER }));
    run.end(VIEWER, Ending::Signaled(9));
    run.leave(CAMERA, captured(300));
    assert!(run.problems()[0].contains("did not do as told"));
}

#[test]
fn camera_that_listens_may_take_its_time_and_no_other() {
    let mut run = Run::new(|_| {});
    run.say(CAMERA, Word::Hello);
    run.pass(START_PATIENCE * 100);
    assert_eq!(run.started(), [(CAMERA, Role::Camera)]);
    let mut run = Run::new(|_| {});
    run.pass(START_PATIENCE);
    assert!(run.effects.contains(&Effect::Kill { child: CAMERA }));
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
