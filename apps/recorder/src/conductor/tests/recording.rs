//! One recording after the other.

use super::*;
use crate::report::RefusalReport;
use wharf::core::negotiation::ReportKind;

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
fn refused_encoder_is_told_and_the_preview_goes_on() {
    let mut run = Run::running();
    run.say(CAMERA, Word::RecordDue);
    let report = ReportKind::Stalled {
        missing: vec!["viewer".into()],
    };
    let refusal = RefusalReport::of_this_process(Role::Encoder, &report.into());
    run.leave(ENCODER, Word::Refused(refusal.clone()));
    let reason = "the encoder is refused: still waiting for viewer [ETIMEDOUT (110)]";
    assert!(run.has_told(
        VIEWER,
        &Order::ShowRecording(RecordingState::Failed(reason.into()))
    ));
    assert!(!run.conductor.is_over());
    run.leave(CAMERA, captured(300));
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    let Conclusion::Report(report) = run.conclude() else {
        panic!("no report");
    };
    assert_eq!(report.problems, [reason]);
    assert_eq!(report.refusals, [refusal]);
}

#[test]
fn encoder_that_makes_do_is_no_problem() {
    let mut run = Run::running();
    run.say(CAMERA, Word::RecordDue);
    let report = ReportKind::NoMemory { trail: vec![] };
    let refusal = RefusalReport {
        found_another_way: true,
        ..RefusalReport::of_this_process(Role::Encoder, &report.into())
    };
    run.say(ENCODER, Word::MadeDo(refusal.clone()));
    run.say(ENCODER, Word::Joined);
    run.leave(CAMERA, captured(300));
    run.leave(VIEWER, consumed(Role::Viewer, &[]));
    run.leave(ENCODER, consumed(Role::Encoder, &[]));
    let Conclusion::Report(report) = run.conclude() else {
        panic!("no report");
    };
    assert_eq!((report.problems, report.refusals), (vec![], vec![refusal]));
}
