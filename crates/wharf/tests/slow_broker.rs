//! Calls that the broker answers after their caller has given up. Contract: N5, S4.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use wharf::{
    CallError, Consumer, Contents, FrameInfo, JoinOptions, Producer, ReceiveError, Session, SessionError,
};
use wharf_broker::Embedded;
use wharf_protocol::transport::{Socket, SocketError};

use common::{PATIENCE, spec, to};

/// Passes on what comes, and sleeps before it passes on anything in which `slow` stands.
fn pass_on(from: &Socket, to: &Socket, slow: Option<(&str, Duration)>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.receive(&mut buffer, 253) {
            Ok(received) => {
                let mut bytes = &buffer[..received.bytes];
                let text = String::from_utf8_lossy(bytes);
                if let Some((_, pause)) = slow.filter(|(word, _)| text.contains(word)) {
                    thread::sleep(pause);
                }
                let mut fds: Vec<_> = received.fds.iter().map(AsFd::as_fd).collect();
                while !bytes.is_empty() {
                    match to.send(bytes, &fds) {
                        Ok(sent) => (bytes, fds) = (&bytes[sent..], Vec::new()),
                        Err(SocketError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                        Err(_) => return,
                    }
                }
            }
            Err(SocketError::WouldBlock) => {
                poll(&mut [PollFd::new(from, PollFlags::IN)], None).unwrap();
            }
            Err(_) => return to.shut_down(),
        }
    }
}

/// A socket at which the broker takes `pause` to hear of any call in which `slow` stands.
fn slow_way(broker: &Path, slow: &'static str, pause: Duration) -> PathBuf {
    let path = broker.with_file_name("slow");
    let (listener, broker) = (UnixListener::bind(&path).unwrap(), broker.to_owned());
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        client.set_nonblocking(true).unwrap();
        let client = Arc::new(Socket::from(client));
        let broker = Arc::new(Socket::connect(&broker, Duration::from_secs(10)).unwrap());
        let (back_from, back_to) = (Arc::clone(&broker), Arc::clone(&client));
        thread::spawn(move || pass_on(&back_from, &back_to, None));
        pass_on(&client, &broker, Some((slow, pause)));
    });
    path
}

#[test]
fn owner_whose_word_arrives_late_can_still_write_what_the_set_was_moved_to() {
    let broker = Embedded::start().unwrap();
    let pause = Duration::from_millis(400);
    let path = slow_way(broker.socket_path(), "ReadyGeneration", pause);
    let session = Session::connect_to(&path, "owner").unwrap();
    let mut set = session.allocate(&spec(4096, 2)).unwrap();
    set.reallocate(&to(8192, 2), Contents::Keep).unwrap();
    assert_eq!(set.refresh().unwrap(), 2);
    assert_eq!((set.generation(), set.buffers()[0].size_bytes()), (2, 8192));
    session
        .create_stream("late", set, 1)
        .unwrap()
        .acquire(PATIENCE)
        .unwrap();
}

fn publish(producer: &mut Producer) {
    let frame = producer.acquire(PATIENCE).unwrap();
    producer.publish(frame, &FrameInfo::default()).unwrap();
}

/// Publishes and receives until the stream has been moved to `generation`.
fn run_until(producer: &mut Producer, viewer: &mut Consumer, generation: u64) {
    let until = Instant::now() + Duration::from_secs(10);
    while viewer.generation() < generation {
        publish(producer);
        drop(viewer.receive(PATIENCE).unwrap());
        assert!(
            Instant::now() < until,
            "it is still in generation {}",
            viewer.generation()
        );
    }
}

#[test]
fn consumer_that_gave_up_waiting_for_room_does_not_stay_in_the_stream() {
    let broker = Embedded::start().unwrap();
    let connect = |label| Session::connect_to(broker.socket_path(), label).unwrap();
    let camera = connect("camera");
    let set = camera.allocate(&spec(4096, 2)).unwrap();
    let room = Duration::from_secs(60);
    let mut producer = camera.create_stream_with_room("preview", set, 8, room).unwrap();
    let mut viewer = connect("viewer")
        .join(&producer.token(1).unwrap(), JoinOptions::latest(1))
        .unwrap();
    let (encoder, token) = (connect("encoder"), producer.token(1).unwrap());
    // The viewer makes no call, and so holds the move up.
    let error = encoder.join(&token, JoinOptions::every_frame(4)).unwrap_err();
    assert!(
        matches!(error, SessionError::Call(CallError::Timeout { .. })),
        "{error}"
    );
    run_until(&mut producer, &mut viewer, 2);
    let members = encoder.state().unwrap().streams[0].members.len();
    assert_eq!(
        members, 2,
        "it was let in meanwhile; the library only now hears of it"
    );
    assert_eq!(encoder.state().unwrap().streams[0].members.len(), 1);
    // Else every later move would wait for it in vain.
    producer.begin_move(&to(4096, 2)).unwrap();
    run_until(&mut producer, &mut viewer, 3);
}

#[test]
fn memory_that_arrives_too_late_for_its_frame_is_given_back() {
    let broker = Embedded::start().unwrap();
    let camera = Session::connect_to(broker.socket_path(), "camera").unwrap();
    let set = camera.allocate(&spec(4096, 3)).unwrap();
    let mut producer = camera.create_stream("preview", set, 8).unwrap();
    let [in_hand, kept] = [(); 2].map(|()| producer.acquire(PATIENCE).unwrap());
    producer.begin_move(&to(8192, 3)).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while producer.generation() < 2 && Instant::now() < until {
        producer
            .wait_for_consumers(1, Some(Duration::from_millis(5)))
            .unwrap();
    }
    let pause = wharf::PATIENCE + Duration::from_millis(400);
    let path = slow_way(broker.socket_path(), "TakeGeneration", pause);
    let late = Session::connect_to(&path, "late").unwrap();
    let mut late = late
        .join(&producer.token(1).unwrap(), JoinOptions::latest(1))
        .unwrap();
    assert_eq!(late.generation(), 2);
    producer.publish(in_hand, &FrameInfo::default()).unwrap();
    // It lies in the generation before, which does not arrive in time.
    assert!(matches!(
        late.receive(PATIENCE),
        Err(ReceiveError::Corrupt { .. })
    ));
    publish(&mut producer);
    assert_eq!(late.receive(PATIENCE).unwrap().generation(), 2);
    drop(kept);
    let until = Instant::now() + Duration::from_secs(10);
    while !camera.state().unwrap().sets[0].old.is_empty() {
        publish(&mut producer);
        thread::sleep(Duration::from_millis(5));
        assert!(
            Instant::now() < until,
            "somebody keeps it: {:?}",
            camera.state().unwrap().sets
        );
    }
}
