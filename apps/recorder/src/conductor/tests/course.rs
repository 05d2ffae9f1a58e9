//! How runs begin and end.

use super::*;

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
    assert_eq!(run.started(), [(CAMERA, Role::Camera), (VIEWER, Role::Viewer)]);
    run.say(VIEWER, Word::Joined);
    assert!(!run.has_told(CAMERA, &Order::Begin));
    assert_eq!(run.started(), [(ENCODER, Role::Encoder)]);
    run.say(ENCODER, Word::Joined);
    assert!(run.has_told(CAMERA, &Order::Begin));
    assert_eq!(run.started(), []);
}

#[test]
fn no_viewer_is_started_if_none_is_wanted() {
    let mut run = Run::new(|plan| plan.viewers = 0);
    run.say(CAMERA, ready());
    assert!(run.has_told(CAMERA, &Order::Begin));
    assert_eq!(run.started(), [(CAMERA, Role::Camera)]);
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
