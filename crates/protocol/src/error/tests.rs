//! Every error has its own text, its errno and the wire form the interface description promises.

use std::collections::BTreeSet;

use wharf_core::negotiation::ReportKind;
use zlink::introspect::ReplyError as _;

use super::*;

fn blocker() -> MoveBlocker {
    MoveBlocker {
        label: "viewer".to_owned(),
        pid: 12,
        role: crate::Role::Consumer,
        reason: crate::Hindrance::Silent,
    }
}

/// One error of each kind, with its errno. A new variant is missing here until
/// [`every_variant_is_in_the_table`] passes again.
fn table() -> Vec<(BrokerError, Errno)> {
    let stream = Target {
        kind: ObjectKind::Stream,
        id: None,
    };
    let set = Target {
        kind: ObjectKind::Set,
        id: Some(2),
    };
    let text = || "text".to_owned();
    vec![
        (BrokerError::NotRegistered, Errno::PERM),
        (
            BrokerError::AlreadyRegistered {
                session: SessionId(1),
            },
            Errno::ALREADY,
        ),
        (BrokerError::invalid("count", "0 is not in 1..=64"), Errno::INVAL),
        (BrokerError::NoSuchSet { id: SetId(2) }, Errno::NOENT),
        (BrokerError::NoSuchStream { id: StreamId(3) }, Errno::NOENT),
        (BrokerError::NoSuchTimeline { id: TimelineId(4) }, Errno::NOENT),
        (
            BrokerError::NotOwner {
                kind: ObjectKind::Set,
                id: 2,
            },
            Errno::ACCESS,
        ),
        (
            BrokerError::QuotaExceeded {
                resource: Resource::Fds,
                limit: 9,
                used: 8,
                requested: 2,
                uid: 7,
            },
            Errno::DQUOT,
        ),
        (BrokerError::TokenUnknown, Errno::ACCESS),
        (BrokerError::TokenUsedUp, Errno::ACCESS),
        (
            BrokerError::TokenForOther {
                expected: stream,
                actual: set,
            },
            Errno::ACCESS,
        ),
        (BrokerError::StreamFull { max: 64 }, Errno::USERS),
        (BrokerError::TimelineFull { max: 128 }, Errno::USERS),
        (
            BrokerError::CountsExhausted {
                buffers: 4,
                promised: 2,
                requested: 2,
            },
            Errno::BUSY,
        ),
        (BrokerError::BadPage { reason: text() }, Errno::INVAL),
        (
            BrokerError::SetInUse {
                set: SetId(2),
                stream: StreamId(3),
            },
            Errno::BUSY,
        ),
        (
            BrokerError::StreamEnded {
                reason: EndReason::ProducerDied,
            },
            Errno::PIPE,
        ),
        (
            BrokerError::MoveBusy {
                set: SetId(2),
                blockers: vec![blocker()],
            },
            Errno::BUSY,
        ),
        (
            BrokerError::MoveFailed {
                set: SetId(2),
                generation: 3,
                label: text(),
                pid: 4,
                reason: text(),
            },
            Errno::IO,
        ),
        (
            BrokerError::MoveInProgress {
                set: SetId(2),
                generation: 3,
            },
            Errno::ALREADY,
        ),
        (
            BrokerError::StaleGeneration {
                generation: 1,
                current: 2,
            },
            Errno::STALE,
        ),
        (
            BrokerError::Refused {
                report: Object(Box::new(ReportKind::Budget { limit: 7 }.into())),
                late: true,
            },
            Errno::TOOBIG,
        ),
        (
            BrokerError::SetWaiting {
                set: SetId(2),
                missing: vec![text()],
            },
            Errno::AGAIN,
        ),
        (
            BrokerError::SetSettling {
                set: SetId(2),
                doing: text(),
            },
            Errno::AGAIN,
        ),
        (
            BrokerError::SetOver {
                set: SetId(2),
                reason: text(),
            },
            Errno::NODEV,
        ),
        (BrokerError::SetSealed { set: SetId(2) }, Errno::BUSY),
        (BrokerError::SetNegotiated { set: SetId(2) }, Errno::OPNOTSUPP),
        (
            BrokerError::SeatDenied {
                label: text(),
                lacks: vec![SeatRight::Seal],
            },
            Errno::ACCESS,
        ),
        (
            BrokerError::NoPart {
                label: text(),
                reason: text(),
            },
            Errno::INVAL,
        ),
        (
            BrokerError::SetFull {
                what: text(),
                most: 3,
            },
            Errno::NOSPC,
        ),
        (
            BrokerError::AllocationFailed {
                errno: 12,
                reason: text(),
            },
            Errno::NOMEM,
        ),
        (BrokerError::OutOfDescriptors, Errno::MFILE),
        (
            BrokerError::MessageTooLarge { limit_bytes: 65536 },
            Errno::MSGSIZE,
        ),
        (BrokerError::ProtocolViolation { reason: text() }, Errno::PROTO),
        (
            BrokerError::InterfaceNotFound { interface: text() },
            Errno::OPNOTSUPP,
        ),
        (BrokerError::MethodNotFound { method: text() }, Errno::OPNOTSUPP),
        (BrokerError::MethodNotImplemented { method: text() }, Errno::NOSYS),
        (BrokerError::InvalidParameter { parameter: text() }, Errno::INVAL),
    ]
}

#[test]
fn conflict_is_busy_only_with_memory_that_is_there() {
    let conflict = |late| {
        let kind = ReportKind::Conflict {
            conflicts: Vec::new(),
            total: 0,
        };
        let report = Object(Box::new(kind.into()));
        BrokerError::Refused { report, late }.errno()
    };
    assert_eq!((conflict(false), conflict(true)), (Errno::OPNOTSUPP, Errno::BUSY));
}

/// The full name under which an error travels.
fn wire_name(error: &BrokerError) -> String {
    let value = serde_json::to_value(error).unwrap();
    value["error"].as_str().unwrap().to_owned()
}

#[test]
fn every_variant_is_in_the_table() {
    let tabled: BTreeSet<_> = table().iter().map(|(error, _)| wire_name(error)).collect();
    assert_eq!(tabled.len(), BrokerError::VARIANTS.len());
}

#[test]
fn wire_name_is_interface_and_variant() {
    let mut service = Vec::new();
    let tabled = table();
    for ((error, _), variant) in tabled.iter().zip(BrokerError::VARIANTS) {
        let name = wire_name(error);
        let (interface, last) = name.rsplit_once('.').unwrap();
        assert_eq!(last, variant.name().to_string());
        match interface {
            "dev.wharf.Broker" => assert!(service.is_empty(), "{name} is among the service's errors"),
            "org.varlink.service" => service.push(last.to_owned()),
            other => panic!("unknown interface {other}"),
        }
    }
    assert_eq!(service.len(), 4);
}

#[test]
fn errno_is_the_one_of_the_table() {
    for (error, errno) in table() {
        assert_eq!(error.errno(), errno, "{error:?}");
    }
}

#[test]
fn texts_are_distinct_and_in_house_style() {
    let texts: BTreeSet<_> = table().iter().map(|(error, _)| error.to_string()).collect();
    assert_eq!(texts.len(), table().len());
    for text in &texts {
        assert!(text.starts_with(char::is_lowercase), "{text}");
        assert!(!text.ends_with('.'), "{text}");
    }
}

#[test]
fn quota_text_says_who_has_what() {
    let error = BrokerError::QuotaExceeded {
        resource: Resource::Sessions,
        limit: 64,
        used: 64,
        requested: 1,
        uid: 1000,
    };
    assert_eq!(
        error.to_string(),
        "quota exceeded: user 1000 uses 64 of 64 sessions and asked for 1 more; free some, or raise the broker's limit"
    );
}

#[test]
fn token_mismatch_text_names_both_targets() {
    let expected = Target {
        kind: ObjectKind::Stream,
        id: None,
    };
    let actual = Target {
        kind: ObjectKind::Set,
        id: Some(7),
    };
    let error = BrokerError::TokenForOther { expected, actual };
    assert_eq!(
        error.to_string(),
        "the token is for buffer set 7, not for a stream"
    );
}

#[test]
fn impossible_error_number_from_a_peer_becomes_eio() {
    for errno in [i32::MIN, -12, 0, 4096, i32::MAX] {
        let error = BrokerError::AllocationFailed {
            errno,
            reason: String::new(),
        };
        assert_eq!(error.errno(), Errno::IO);
    }
}

#[test]
fn blame_decides_between_answering_and_hanging_up() {
    let peers: Vec<_> = table()
        .into_iter()
        .filter(|(error, _)| error.fault() == Fault::Peer)
        .collect();
    let systems = table()
        .into_iter()
        .filter(|(error, _)| error.fault() == Fault::System)
        .count();
    let bugs = table()
        .into_iter()
        .filter(|(error, _)| error.fault() == Fault::Bug)
        .count();

    assert_eq!(peers.len(), 2, "MessageTooLarge and ProtocolViolation");
    assert_eq!(systems, 2, "AllocationFailed and OutOfDescriptors");
    assert_eq!(bugs, 1, "MethodNotImplemented");
}

#[test]
fn text_of_a_move_in_somebodys_way_names_everybody() {
    let pinned = MoveBlocker {
        role: crate::Role::Importer,
        reason: crate::Hindrance::Pinned,
        ..blocker()
    };
    let error = BrokerError::MoveBusy {
        set: SetId(3),
        blockers: vec![blocker(), pinned],
    };
    assert_eq!(
        error.to_string(),
        "buffer set 3 cannot be moved: viewer (pid 12, consumer) did not answer in time, viewer (pid 12, importer) is pinned"
    );
}
