use super::*;
use wharf_protocol::{
    Amounts, BrokerState, Incarnation, MoveState, OldMemory, Policy, Slot, StreamId, TimelineId,
    TimelineState,
};

const LIMIT: Amounts = Amounts {
    bytes: 4 << 30,
    buffers: 1024,
    sessions: 64,
    streams: 64,
    fds: 4096,
};

fn empty() -> GetStateReply {
    GetStateReply {
        broker: BrokerState {
            pid: 4711,
            uid: 1000,
            version: "0.1.0".to_owned(),
        },
        sessions: Vec::new(),
        sets: Vec::new(),
        streams: Vec::new(),
        timelines: Vec::new(),
        users: Vec::new(),
        truncated: false,
    }
}

fn session(id: u64, label: &str) -> SessionState {
    SessionState {
        session: SessionId(id),
        label: label.to_owned(),
        pid: 4711 + u32::try_from(id).unwrap(),
        uid: 1000,
        sets_owned: Vec::new(),
        sets_imported: Vec::new(),
        streams_produced: Vec::new(),
        streams_joined: Vec::new(),
        bytes: 0,
        fds: 2,
    }
}

fn viewer() -> Member {
    Member {
        slot: Slot(0),
        incarnation: Incarnation(9),
        label: "viewer".to_owned(),
        pid: 4713,
        uid: 1000,
        depth: 2,
        policy: Policy::Latest,
        polls: false,
    }
}

/// A camera with a viewer, and somebody of another user who has imported the camera's buffers.
fn busy() -> GetStateReply {
    let camera = SessionState {
        sets_owned: vec![SetId(1)],
        streams_produced: vec![StreamId(1)],
        bytes: 33_177_600,
        fds: 8,
        ..session(1, "camera")
    };
    let viewing = SessionState {
        streams_joined: vec![StreamId(1)],
        ..session(2, "viewer")
    };
    let set = SetState {
        set: SetId(1),
        name: "frames".to_owned(),
        owner: SessionId(1),
        uid: 1000,
        generation: 1,
        size_bytes: 8_294_400,
        count: 4,
        sealed: true,
        importers: vec![SessionId(2), SessionId(7)],
        moving: None,
        old: Vec::new(),
        stream: Some(StreamId(1)),
        negotiation: None,
    };
    let stream = StreamState {
        stream: StreamId(1),
        name: "preview".to_owned(),
        producer: SessionId(1),
        uid: 1000,
        set: SetId(1),
        max_consumers: 8,
        members: vec![viewer()],
        rotation_due: false,
    };
    let used = Amounts {
        bytes: 33_177_600,
        buffers: 4,
        sessions: 2,
        streams: 1,
        fds: 12,
    };
    GetStateReply {
        sessions: vec![camera, viewing, session(10, "idle")],
        sets: vec![set],
        streams: vec![stream],
        users: vec![UserState {
            uid: 1000,
            used,
            limit: LIMIT,
        }],
        ..empty()
    }
}

fn described(state: &GetStateReply) -> String {
    describe(Path::new("/run/user/1000/wharf-0"), state)
}

#[test]
fn everything_is_shown_with_who_holds_it() {
    let expected = "\
broker 0.1.0 at /run/user/1000/wharf-0, process 4711, user 1000

SESSION  LABEL    PID  USER    MEMORY  FDS  HOLDS
      1  camera  4712  1000  31.6 MiB    8  owns buffer set 1, produces stream 1
      2  viewer  4713  1000       0 B    2  consumes stream 1
     10  idle    4721  1000       0 B    2  nothing

SET  NAME    OWNER     USER  BUFFERS     EACH    MEMORY  SEALED  USED BY
  1  frames  1 camera  1000        4  7.9 MiB  31.6 MiB  yes     stream 1, session 2 viewer, session 7

STREAM  NAME     PRODUCER  USER  SET  CONSUMERS  BUFFERS PROMISED
     1  preview  1 camera  1000    1     1 of 8            3 of 4

CONSUMER   PID  USER  STREAM     SLOT  DEPTH  POLICY
viewer    4713  1000  1 preview     0      2  latest

USER             MEMORY    BUFFERS  SESSIONS  STREAMS         FDS
1000  31.6 MiB of 4 GiB  4 of 1024   2 of 64  1 of 64  12 of 4096
";
    assert_eq!(described(&busy()), expected);
}

#[test]
fn moves_are_shown_with_whom_they_wait_for() {
    let mut state = busy();
    state.sets[0].generation = 2;
    state.sets[0].moving = Some(MoveState {
        generation: 3,
        waits_for: vec![SessionId(2), SessionId(7)],
    });
    state.sets[0].old = vec![OldMemory {
        generation: 1,
        bytes: 33_177_600,
        kept_by: vec![SessionId(1)],
    }];
    let expected = "
SET  GENERATION  MEMORY             WAITS FOR
  1           1  31.6 MiB replaced  session 1 camera
  1           3  not in use yet     session 2 viewer, session 7

STREAM ";
    let text = described(&state);
    assert!(text.contains(expected), "{text}");
}

#[test]
fn memory_that_somebody_can_read_who_has_left_is_shown() {
    let mut state = busy();
    state.streams[0].rotation_due = true;
    let text = described(&state);
    let expected = "  1           1  to be replaced: somebody left who may read it";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn broker_without_clients_says_so() {
    let expected = "\
broker 0.1.0 at /run/user/1000/wharf-0, process 4711, user 1000

no sessions

no buffer sets

no streams

no consumers

nobody holds anything
";
    assert_eq!(described(&empty()), expected);
}

#[test]
fn what_is_hidden_from_the_asker_is_shown_by_number() {
    let mut state = busy();
    state.sessions.clear();
    state.sets.clear();
    let text = described(&state);
    assert!(
        text.contains("     1  preview  1         1000    1     1 of 8                 3"),
        "{text}"
    );
}

#[test]
fn listing_that_is_cut_off_says_so() {
    let state = GetStateReply {
        truncated: true,
        ..busy()
    };
    let text = described(&state);
    assert!(
        text.lines()
            .nth(1)
            .is_some_and(|line| line.contains("only the first")),
        "{text}"
    );
}

#[test]
fn timelines_are_shown_with_their_owner_and_importers() {
    let timeline = |number, importers: &[u64]| TimelineState {
        timeline: TimelineId(number),
        name: "render".to_owned(),
        owner: SessionId(1),
        uid: 1000,
        importers: importers.iter().map(|session| SessionId(*session)).collect(),
    };
    let state = GetStateReply {
        timelines: vec![timeline(3, &[2, 2, 7]), timeline(12, &[])],
        ..busy()
    };
    let expected = "
TIMELINE  NAME    OWNER     USER  IMPORTED BY
       3  render  1 camera  1000  session 2 viewer, session 7
      12  render  1 camera  1000  nobody
";
    let described = described(&state);
    assert!(described.contains(expected), "{described}");
}
