//! Sets whose memory is decided by what everybody needs, through a real broker. Contract: N.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::constraints::{
    Buffers, Bytes, Constraints, Extension, ExtensionKey, ImageConstraints, MergeKind, Record, Rows, Rules,
    Size, StrideRule, Value, key,
};
use wharf::core::negotiation::{Function, Participant, ParticipantId, Presence, ReportKind};
use wharf::core::set::{LatePolicy, Rights};
use wharf::layout::{Fourcc, Modifier};
use wharf::{
    AccessMode, Consumer, Fit, FrameInfo, JoinOptions, NegotiatedSet, NegotiationError, Producer, SeatSpec,
    Session, SetOptions, SetStatus, Token,
};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
const SHORT: Option<Duration> = Some(Duration::from_millis(30));

struct Fixture {
    broker: Embedded,
}

impl Fixture {
    fn new() -> Self {
        Self {
            broker: Embedded::start().unwrap(),
        }
    }

    fn session(&self, label: &str) -> Session {
        Session::connect_to(self.broker.socket_path(), label).unwrap()
    }

    /// A set, with the session that made it.
    fn set(&self, options: &SetOptions<'_>) -> (Session, NegotiatedSet) {
        let session = self.session("recorder");
        let set = session.create_set(options).unwrap();
        (session, set)
    }

    /// A camera that streams into a set it alone is expected in.
    fn preview(&self, set: &NegotiatedSet) -> Producer {
        let token = set.issue(&camera_seat()).unwrap();
        let session = self.session("camera");
        let mut seat = session.take_seat(&token, camera(4)).unwrap();
        let buffers = seat.buffers(PATIENCE).unwrap();
        session.create_stream("preview", buffers, 8).unwrap()
    }
}

fn picture() -> ImageConstraints {
    let sizes = [Size {
        width: 64,
        height: 24,
    }];
    let image = Record::new().with(key::REQUIRED_SIZES, sizes.into_iter().collect());
    ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR).image(image)
}

fn participant(label: &str, function: &str, image: ImageConstraints, camping: u64) -> Participant {
    let constraints = Constraints::builder()
        .image(image)
        .with(key::CAMPING, Buffers(camping))
        .build()
        .unwrap();
    Participant::new(ParticipantId(0), label).function(Function::new(function, constraints))
}

fn camera(camping: u64) -> Participant {
    participant("camera", "capture", picture(), camping)
}

fn camera_seat() -> SeatSpec<'static> {
    SeatSpec::expected("camera").rights(Rights::WRITE)
}

fn viewer(camping: u64) -> Participant {
    let image = picture().every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(64)));
    participant("viewer", "sample", image, camping).access(AccessMode::ReadOnly)
}

/// Wants 32 rows where the picture has 24.
fn encoder(camping: u64) -> Participant {
    let image = picture()
        .image(Record::new().with(key::ROWS_ALIGN, Rows(32)))
        .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(128)));
    participant("encoder", "encode", image, camping).access(AccessMode::ReadOnly)
}

/// Wants a stride that nobody else can do.
fn impossible() -> Participant {
    let only: Rules = [StrideRule::Fixed(96)].into_iter().collect();
    let image = picture().every_plane(Record::new().with(key::STRIDE_RULES, only));
    participant("odd", "scan", image, 1).access(AccessMode::ReadOnly)
}

fn publish(producer: &mut Producer) -> (u64, u64) {
    let frame = producer.acquire(PATIENCE).unwrap();
    let (generation, size) = (frame.generation(), frame.buffer().size_bytes());
    let seq = producer.stats().published + 1;
    let whole = usize::try_from(size).unwrap();
    frame.view_mut().unwrap().fill(0, whole, seq as u8).unwrap();
    let info = FrameInfo {
        used_bytes: size,
        ..FrameInfo::default()
    };
    assert_eq!(producer.publish(frame, &info).unwrap(), seq);
    (seq, generation)
}

fn assert_whole(frame: &wharf::Frame) {
    let mut bytes = vec![0; usize::try_from(frame.info().used_bytes).unwrap()];
    frame.view().unwrap().copy_to(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == frame.seq() as u8));
}

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

/// Runs a camera until `stop`; tells how many frames it published.
fn run_camera(mut producer: Producer, stop: &Arc<AtomicBool>) -> thread::JoinHandle<(Producer, u64)> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut published = 0;
        while !stop.load(Ordering::Relaxed) {
            published = publish(&mut producer).0;
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
    let (seq, generation) = publish(&mut producer);
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

#[test]
fn what_a_seat_does_not_grant_is_denied_to_its_holder_only() {
    let fixture = Fixture::new();
    let (_recorder, set) = fixture.set(&SetOptions::new("preview"));
    let reader = set.issue(&SeatSpec::new("reader")).unwrap();
    let session = fixture.session("reader");
    let denied = session.take_seat(&reader, camera(2)).unwrap_err();
    assert_eq!(denied.errno(), Errno::ACCESS);
    assert!(matches!(denied, NegotiationError::Denied { .. }), "{denied}");
    let mut seat = session.take_seat(&reader, viewer(2)).unwrap();
    assert!(matches!(seat.seal(), Err(NegotiationError::Denied { .. })));
    assert!(matches!(
        seat.issue(&SeatSpec::new("friend")),
        Err(NegotiationError::Denied { .. })
    ));

    let first_token = set.issue(&camera_seat()).unwrap();
    let second = set.issue(&camera_seat()).unwrap();
    let mut first = session.take_seat(&first_token, camera(2)).unwrap();
    let denied = session.take_seat(&second, camera(2)).unwrap_err();
    assert_eq!(denied.errno(), Errno::ACCESS);
    assert!(
        matches!(denied.report().unwrap().kind, ReportKind::Denied { .. }),
        "{denied}"
    );
    drop(second);
    set.seal().unwrap();
    let NegotiationError::TimedOut { missing, .. } = seat.buffers(SHORT).unwrap_err() else {
        panic!("nobody has mapped the buffers for writing yet");
    };
    assert_eq!(missing, ["camera"]);
    let _written = first.buffers(PATIENCE).unwrap();
    assert_eq!(
        seat.buffers(PATIENCE).unwrap().buffers()[0].access(),
        AccessMode::ReadOnly
    );
}

#[test]
fn bad_needs_are_refused_to_their_author_only() {
    let fixture = Fixture::new();
    let (recorder, set) = fixture.set(&SetOptions::new("preview"));
    let seat = |label| set.issue(&SeatSpec::new(label)).unwrap();
    let stranger = fixture.session("stranger");
    let extension = Extension {
        key: ExtensionKey {
            vendor: "example.org".into(),
            name: "sparkle".into(),
        },
        kind: MergeKind::Or,
        must_understand: true,
        value: Value::Needed,
    };
    let constraints = Constraints::builder().extension(extension).build().unwrap();
    let sparkling = Participant::new(ParticipantId(0), "sparkling")
        .access(AccessMode::ReadOnly)
        .function(Function::new("sparkle", constraints));
    let token = seat("sparkling");
    let refused = stranger.take_seat(&token, sparkling).unwrap_err();
    assert!(
        matches!(refused.report().unwrap().kind, ReportKind::NotUnderstood { .. }),
        "{refused}"
    );
    let needy = Constraints::builder()
        .with(key::MIN_CHUNK, Bytes(1 << 40))
        .build()
        .unwrap();
    let needy = Participant::new(ParticipantId(0), "needy")
        .access(AccessMode::ReadOnly)
        .function(Function::new("hoard", needy));
    let refused = stranger.take_seat(&token, needy).unwrap_err();
    assert_eq!(refused.errno(), Errno::NODEV);
    let nameless = Participant {
        label: "".into(),
        ..viewer(1)
    };
    assert_eq!(
        stranger.take_seat(&token, nameless).unwrap_err().errno(),
        Errno::INVAL
    );
    // The token is as good as before.
    let _seat = stranger.take_seat(&token, viewer(1)).unwrap();

    let camera_token = set.issue(&camera_seat()).unwrap();
    let mut seat = recorder.take_seat(&camera_token, camera(2)).unwrap();
    assert_eq!(seat.buffers(PATIENCE).unwrap().buffers().len(), 3);
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
fn calls_for_other_sets_are_refused() {
    let fixture = Fixture::new();
    let (recorder, set) = fixture.set(&SetOptions::new("preview"));
    let camera_token = set.issue(&camera_seat()).unwrap();
    let session = fixture.session("camera");
    let mut seat = session.take_seat(&camera_token, camera(2)).unwrap();
    let mut buffers = seat.buffers(PATIENCE).unwrap();
    assert_eq!(buffers.token(1).unwrap_err().errno(), Errno::OPNOTSUPP);
    let to = wharf::Reallocation {
        size_bytes: 4096,
        count: 2,
        plan: "",
        deadline: Duration::from_secs(1),
    };
    let refused = buffers.reallocate(&to, wharf::Contents::Discard).unwrap_err();
    assert_eq!(refused.errno(), Errno::OPNOTSUPP);
    assert_eq!(
        session.take_seat(&camera_token, camera(2)).unwrap_err().errno(),
        Errno::ACCESS
    );

    let spec = wharf::BufferSpec {
        name: "plain",
        size_bytes: 4096,
        count: 3,
    };
    let plain = recorder
        .create_stream("plain", recorder.allocate(&spec).unwrap(), 2)
        .unwrap();
    let token = plain.token(1).unwrap();
    let needs = viewer(1);
    let refused = session
        .join(&token, JoinOptions::latest(1).needs(&needs))
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::OPNOTSUPP);
    assert_eq!(
        session.take_seat(&token, viewer(1)).unwrap_err().errno(),
        Errno::ACCESS
    );
    assert_eq!(
        session
            .take_seat(&Token::new("0"), viewer(1))
            .unwrap_err()
            .errno(),
        Errno::ACCESS
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
