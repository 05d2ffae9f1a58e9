//! Participants that come to a set before there is memory, and what they all get.

use rustix::io::Errno;
use std::time::Duration;
use wharf::core::negotiation::ReportKind;
use wharf::core::set::LatePolicy;
use wharf::layout::Fourcc;
use wharf::{AccessMode, Fit, NegotiationError, SeatSpec, SetOptions, SetStatus};

use crate::common::{Fixture, PATIENCE};
use crate::support::{SHORT, camera, camera_seat, encoder, impossible, viewer};

#[test]
fn two_expected_participants_get_one_layout_that_suits_both() {
    let fixture = Fixture::new();
    let (_recorder, set) = fixture.set(&SetOptions::new("preview"));
    let camera_token = set.issue(&camera_seat()).unwrap();
    let viewer_token = set.issue(&SeatSpec::expected("viewer")).unwrap();

    let (one, other) = (fixture.session("camera"), fixture.session("viewer"));
    let mut writing = one.take_seat(&camera_token, camera(3)).unwrap();
    let waiting = writing.buffers(SHORT).unwrap_err();
    let NegotiationError::TimedOut { missing, .. } = &waiting else {
        panic!("{waiting:?}");
    };
    assert_eq!(
        (missing, waiting.errno()),
        (&vec!["viewer".to_owned()], Errno::TIMEDOUT)
    );

    let mut reading = other.take_seat(&viewer_token, viewer(2)).unwrap();
    let written = writing.buffers(PATIENCE).unwrap();
    let read = reading.buffers(PATIENCE).unwrap();
    assert_eq!((written.buffers().len(), read.buffers().len()), (5, 5));
    assert_eq!((written.generation(), read.generation()), (1, 1));
    assert_eq!(written.buffers()[0].access(), AccessMode::ReadWrite);
    assert_eq!(read.buffers()[0].access(), AccessMode::ReadOnly);
    let layout = written.layout().unwrap();
    assert_eq!(
        (layout.fourcc(), layout.width(), layout.height()),
        (Fourcc::NV12, 64, 24)
    );
    assert_eq!(read.layout(), Some(layout));
    assert_eq!(writing.plan(), reading.plan());
    assert_eq!(writing.plan().unwrap().count(), 5);

    let explained = set.explain().unwrap();
    assert_eq!(
        (explained.status, explained.generation),
        (SetStatus::Allocated, Some(1))
    );
    assert_eq!(explained.heaps, ["memfd"]);
    assert_eq!(explained.plan.as_ref(), writing.plan());
    let seats: Vec<_> = explained
        .seats
        .iter()
        .map(|seat| (&*seat.label, seat.camping))
        .collect();
    assert_eq!(seats, [("recorder", 0), ("camera", 3), ("viewer", 2)]);
    assert_eq!(explained.seats[1].pid, Some(std::process::id()));
}

#[test]
fn deadline_names_who_is_missing() {
    let fixture = Fixture::new();
    let options = SetOptions::new("preview").deadline(Duration::from_millis(50));
    let (_recorder, set) = fixture.set(&options);
    let token = set.issue(&camera_seat()).unwrap();
    let _late = set.issue(&SeatSpec::expected("viewer")).unwrap();
    let mut seat = fixture.session("camera").take_seat(&token, camera(2)).unwrap();

    let error = seat.buffers(PATIENCE).unwrap_err();
    assert_eq!(error.errno(), Errno::TIMEDOUT);
    assert_eq!(
        error.report().unwrap().kind,
        ReportKind::Stalled {
            missing: vec!["viewer".into()]
        }
    );
    assert!(error.to_string().contains("viewer"), "{error}");
    let explained = set.explain().unwrap();
    assert_eq!(
        (explained.status, explained.report.as_ref()),
        (SetStatus::Failed, error.report())
    );
}

#[test]
fn seat_that_is_left_in_order_keeps_the_set() {
    let fixture = Fixture::new();
    let (recorder, set) = fixture.set(&SetOptions::new("preview"));
    let camera_token = set.issue(&camera_seat()).unwrap();
    let viewer_token = set.issue(&SeatSpec::expected("viewer")).unwrap();
    let (one, other) = (fixture.session("camera"), fixture.session("viewer"));
    let mut writing = one.take_seat(&camera_token, camera(2)).unwrap();
    drop(other.take_seat(&viewer_token, viewer(2)).unwrap());
    let id = set.id();
    drop(set);
    let written = writing.buffers(PATIENCE).unwrap();
    // What it declared stays in force.
    assert_eq!(written.buffers().len(), 4);
    assert_eq!(recorder.explain(id).unwrap().status, SetStatus::Allocated);
    drop((written, writing));
    assert_eq!(recorder.explain(id).unwrap_err().errno(), Errno::NOENT);
    let left = recorder.state().unwrap();
    assert!(left.sets.is_empty());
    assert!(
        left.users
            .iter()
            .all(|user| user.used.bytes == 0 && user.used.buffers == 0)
    );
}

#[test]
fn question_changes_nothing() {
    let fixture = Fixture::new();
    let (recorder, set) = fixture.set(&SetOptions::new("preview").late(LatePolicy::Reallocate));
    let camera_token = set.issue(&camera_seat()).unwrap();
    let expected = set.issue(&SeatSpec::expected("viewer")).unwrap();
    let session = fixture.session("camera");
    let mut seat = session.take_seat(&camera_token, camera(2)).unwrap();
    let Fit::Plans(plan) = session.check(set.id(), &encoder(3)).unwrap() else {
        panic!("there is no memory yet");
    };
    assert_eq!(plan.count(), 5);
    let _watching = fixture.session("viewer").take_seat(&expected, viewer(1)).unwrap();
    let buffers = seat.buffers(PATIENCE).unwrap();
    let before = recorder.explain(set.id()).unwrap();
    let Fit::Moves(plan) = session.check(set.id(), &encoder(3)).unwrap() else {
        panic!("these buffers do not suit it");
    };
    assert_eq!(plan.image.unwrap().planes[0].stride_bytes, 128);
    assert!(matches!(
        session.check(set.id(), &impossible()),
        Err(NegotiationError::Refused { late: true, .. })
    ));
    assert_eq!(recorder.explain(set.id()).unwrap(), before);
    assert_eq!(buffers.generation(), 1);
}
