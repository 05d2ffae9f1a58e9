//! Sets whose memory is decided by what everybody needs, through a real broker. Contract: N.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::attachment::Contract;
use wharf::core::constraints::{
    Buffers, Bytes, Constraints, Extension, ExtensionKey, Field, ImageConstraints, MergeKind, Record, Rows,
    Rules, Size, key,
};
use wharf::core::negotiation::{Function, Participant, ParticipantId, Presence, ReportKind};
use wharf::core::set::{FailureDomain, LatePolicy, Rights};
use wharf::layout::{Fourcc, Modifier};
use wharf::{
    AccessMode, BrokerError, CallError, Consumer, Fit, FrameInfo, JoinOptions, NegotiatedSet,
    NegotiationError, Producer, Seat, SeatSpec, SeatStatus, Session, SessionError, SetOptions, SetStatus,
    Token,
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
    let only: Rules = [wharf::core::constraints::StrideRule::Fixed(96)]
        .into_iter()
        .collect();
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
