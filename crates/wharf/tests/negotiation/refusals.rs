//! What participants may not do, and what is refused to them alone.

use rustix::io::Errno;
use wharf::core::constraints::{Bytes, Constraints, Extension, ExtensionKey, MergeKind, Value, key};
use wharf::core::negotiation::{Function, Participant, ParticipantId, ReportKind};
use wharf::{AccessMode, JoinOptions, NegotiationError, SeatSpec, SetOptions, Token};

use crate::common::{Fixture, PATIENCE, spec, to};
use crate::support::{SHORT, camera, camera_seat, viewer};

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
fn calls_for_other_sets_are_refused() {
    let fixture = Fixture::new();
    let (recorder, set) = fixture.set(&SetOptions::new("preview"));
    let camera_token = set.issue(&camera_seat()).unwrap();
    let session = fixture.session("camera");
    let mut seat = session.take_seat(&camera_token, camera(2)).unwrap();
    let mut buffers = seat.buffers(PATIENCE).unwrap();
    assert_eq!(buffers.token(1).unwrap_err().errno(), Errno::OPNOTSUPP);
    let refused = buffers
        .reallocate(&to(4096, 2), wharf::Contents::Discard)
        .unwrap_err();
    assert_eq!(refused.errno(), Errno::OPNOTSUPP);
    assert_eq!(
        session.take_seat(&camera_token, camera(2)).unwrap_err().errno(),
        Errno::ACCESS
    );

    let plain = recorder
        .create_stream("plain", recorder.allocate(&spec(4096, 3)).unwrap(), 2)
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
