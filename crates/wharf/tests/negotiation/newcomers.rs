//! Participants that come when there is memory, under a running stream.

use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::negotiation::{Participant, Presence, ReportKind};
use wharf::core::set::LatePolicy;
use wharf::{AccessMode, Consumer, JoinOptions, Producer, SeatSpec, SetOptions, SetStatus};

use crate::common::{Fixture, PATIENCE, assert_whole, publish_whole};
use crate::support::{camera, camera_seat, encoder, impossible, participant, picture, viewer};

/// Runs a camera until `stop`; tells how many frames it published.
fn run_camera(mut producer: Producer, stop: &Arc<AtomicBool>) -> thread::JoinHandle<(Producer, u64)> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut published = 0;
        while !stop.load(Ordering::Relaxed) {
            published = publish_whole(&mut producer).0;
            thread::sleep(Duration::from_millis(1));
        }
        (producer, published)
    })
}

/// Receives every frame until the stream lies in `generation`; each has to be the one after that before, and whole.
fn receive_until(consumer: &mut Consumer, generation: u64) -> u64 {
    let mut last = None;
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let frame = consumer.receive(PATIENCE).unwrap();
        assert!(
            last.is_none_or(|last| frame.seq() == last + 1),
            "frame {} is missing",
            frame.seq()
        );
        assert_whole(&frame);
        last = Some(frame.seq());
        if frame.generation() == generation {
            return frame.seq();
        }
        assert!(Instant::now() < until);
    }
}

/// A late encoder whose buffers do not suit, under a running stream with a viewer: not one frame is lost.
#[test]
fn newcomer_moves_the_buffers_under_a_running_stream() {
    let fixture = Fixture::new();
    let options = SetOptions::new("preview").late(LatePolicy::Reallocate);
    let (recorder, set) = fixture.set(&options);
    let producer = fixture.preview(&set);
    let before = producer.layout().unwrap();
    assert_eq!(before.planes()[1].offset_bytes, 64 * 24);
    let token = producer.token(8).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let camera = run_camera(producer, &stop);
    // The camera counts on all buffers: somebody who needs nothing else moves them, too.
    let mut watching = fixture
        .session("viewer")
        .join(&token, JoinOptions::every_frame(2))
        .unwrap();
    assert_eq!((watching.generation(), watching.layout()), (2, Some(before)));
    let viewer = thread::spawn(move || {
        receive_until(&mut watching, 3);
        watching
    });
    let needs = encoder(3);
    let encoding = fixture.session("encoder");
    let mut recording = encoding
        .join(&token, JoinOptions::every_frame(3).needs(&needs))
        .unwrap();
    assert_eq!(recording.generation(), 3);
    let layout = recording.layout().unwrap();
    assert_eq!(
        (layout.planes()[0].stride_bytes, layout.planes()[1].offset_bytes),
        (128, 128 * 32)
    );
    receive_until(&mut recording, 3);
    let watching = viewer.join().unwrap();
    assert_eq!((watching.generation(), watching.layout()), (3, Some(layout)));
    assert_eq!(watching.stats().skipped, 0);

    let explained = recorder.explain(set.id()).unwrap();
    assert_eq!(
        (explained.status, explained.generation),
        (SetStatus::Allocated, Some(3))
    );
    let counted: Vec<_> = explained
        .seats
        .iter()
        .map(|seat| (&*seat.label, seat.camping))
        .collect();
    assert_eq!(
        counted,
        [("recorder", 0), ("camera", 4), ("viewer", 2), ("encoder", 3)]
    );
    drop((watching, recording));
    stop.store(true, Ordering::Relaxed);
    let (producer, _) = camera.join().unwrap();
    assert_eq!(producer.layout(), Some(layout));
    assert_eq!(producer.buffers().len(), 9);
}

#[test]
fn newcomer_that_fits_moves_nothing() {
    let fixture = Fixture::new();
    let (_recorder, set) = fixture.set(&SetOptions::new("preview"));
    let token = set.issue(&camera_seat()).unwrap();
    let later = set.issue(&SeatSpec::new("viewer")).unwrap();
    let room = participant("room", "later", picture(), 2)
        .access(AccessMode::ReadOnly)
        .presence(Presence::Phantom);
    let phantom = set.issue(&SeatSpec::new("room")).unwrap();
    let session = fixture.session("camera");
    let _phantom = session.take_seat(&phantom, room).unwrap();
    let mut seat = session.take_seat(&token, camera(4)).unwrap();
    let buffers = seat.buffers(PATIENCE).unwrap();
    assert_eq!(buffers.buffers().len(), 6);
    let renamed = Participant {
        label: "room".into(),
        ..viewer(2)
    };
    assert_eq!(
        session.check(set.id(), &renamed).unwrap_err().errno(),
        Errno::BUSY
    );
    let mut seat = fixture.session("viewer").take_seat(&later, renamed).unwrap();
    assert_eq!(seat.buffers(PATIENCE).unwrap().generation(), 1);
}

#[test]
fn pinned_member_is_named_with_its_process() {
    let fixture = Fixture::new();
    let options = SetOptions::new("preview").late(LatePolicy::Reallocate);
    let (recorder, set) = fixture.set(&options);
    let producer = fixture.preview(&set);
    let token = producer.token(8).unwrap();
    let pinned = JoinOptions::latest(1).with_contract(wharf::MoveContract::Pinned);
    let stop = Arc::new(AtomicBool::new(false));
    let camera = run_camera(producer, &stop);
    let watching = fixture.session("display").join(&token, pinned).unwrap();

    let needs = encoder(2);
    let refused = fixture
        .session("encoder")
        .join(&token, JoinOptions::every_frame(2).needs(&needs))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::BUSY);
    let ReportKind::Busy { blockers, misfit } = &refused.report().unwrap().kind else {
        panic!("{refused}");
    };
    let named: Vec<_> = blockers
        .iter()
        .map(|blocker| (&*blocker.who.label, blocker.who.pid))
        .collect();
    assert_eq!(named, [("display", Some(std::process::id()))]);
    assert_eq!(&*misfit.who.label, "encoder");
    assert!(refused.to_string().contains("display"), "{refused}");
    assert_eq!(
        recorder.explain(set.id()).unwrap().report.as_ref(),
        refused.report()
    );

    drop(watching);
    let until = Instant::now() + Duration::from_secs(20);
    let recording = loop {
        let joined = fixture
            .session("encoder")
            .join(&token, JoinOptions::every_frame(2).needs(&needs));
        match joined {
            Err(error) if error.errno() == Errno::BUSY && Instant::now() < until => {}
            joined => break joined.unwrap(),
        }
    };
    drop(recording);
    stop.store(true, Ordering::Relaxed);
    camera.join().unwrap();
}

#[test]
fn impossible_newcomer_is_told_with_whom_it_conflicts_and_frames_go_on() {
    let fixture = Fixture::new();
    let options = SetOptions::new("preview").late(LatePolicy::Reallocate);
    let (_recorder, set) = fixture.set(&options);
    let token = set.issue(&camera_seat()).unwrap();
    let viewer_token = set.issue(&SeatSpec::expected("viewer")).unwrap();
    let (one, other) = (fixture.session("camera"), fixture.session("viewer"));
    let mut writing = one.take_seat(&token, camera(4)).unwrap();
    let reading = other.take_seat(&viewer_token, viewer(2)).unwrap();
    let mut producer = one
        .create_stream("preview", writing.buffers(PATIENCE).unwrap(), 8)
        .unwrap();
    let token = producer.token(8).unwrap();
    let mut watching = other
        .join(&token, JoinOptions::every_frame(2).seat(&reading))
        .unwrap();
    assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());

    let needs = impossible();
    let refused = fixture
        .session("odd")
        .join(&token, JoinOptions::latest(1).needs(&needs))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::BUSY);
    let ReportKind::Conflict { conflicts, .. } = &refused.report().unwrap().kind else {
        panic!("{refused}");
    };
    let labels: Vec<_> = conflicts[0]
        .members
        .iter()
        .map(|member| &*member.who.label)
        .collect();
    assert_eq!(
        (labels.contains(&"odd"), labels.contains(&"viewer")),
        (true, true)
    );
    let (seq, generation) = publish_whole(&mut producer);
    assert_eq!((watching.receive(PATIENCE).unwrap().seq(), generation), (seq, 1));
    assert_eq!(set.explain().unwrap().status, SetStatus::Allocated);
}

#[test]
fn policy_refuse_never_moves() {
    let fixture = Fixture::new();
    let (_recorder, set) = fixture.set(&SetOptions::new("preview"));
    let producer = fixture.preview(&set);
    let token = producer.token(8).unwrap();
    let needs = encoder(2);
    let session = fixture.session("encoder");
    let refused = session
        .join(&token, JoinOptions::latest(1).needs(&needs))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::BUSY);
    assert!(
        matches!(refused.report().unwrap().kind, ReportKind::Busy { .. }),
        "{refused}"
    );
    assert_eq!(producer.generation(), 1);
}
