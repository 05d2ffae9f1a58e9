//! Deaths of producers, consumers and brokers while others poll. Contract: S4, S7.

use crate::support::{Fixture, PATIENCE, allocate, info, is_ready, is_ready_now, publish, receive, settle};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use wharf::{JoinOptions, PolledConsumer, ReceiveError, Session, Token};

const ROLE: &str = "WHARF_TEST_ROLE";

/// This test in another process, in a role.
struct Other {
    child: Child,
    hears: ChildStdin,
    says: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(fixture: &Fixture, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deaths::role_in_another_process", "--nocapture"])
            .env(ROLE, role)
            .env("WHARF_SOCKET", fixture.broker.socket_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            hears: child.stdin.take().unwrap(),
            says: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.hears, "{line}").unwrap();
    }

    /// What it says next; what the test runner says is passed over.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "it says nothing more");
            if let Some((_, said)) = line.split_once("> ") {
                return said.trim().to_owned();
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hear_line() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().read_line(&mut line).unwrap() > 0).then(|| line.trim().to_owned())
}

/// No test, but what other processes do that tests start.
#[test]
fn role_in_another_process() {
    match std::env::var(ROLE).as_deref() {
        Ok("producer") => {
            let session = Session::connect("camera").unwrap();
            let set = allocate(&session, 4);
            let mut producer = session.create_stream("preview", set, 4).unwrap();
            println!("> {}", producer.token(4).unwrap().reveal());
            while let Some(wish) = hear_line() {
                if wish == "admit" {
                    assert!(producer.wait_for_consumers(1, Some(PATIENCE)).unwrap());
                    println!("> admitted");
                } else {
                    publish(&mut producer);
                    println!("> published");
                }
            }
        }
        Ok("consumer") => {
            let session = Session::connect("viewer").unwrap();
            let token = Token::new(hear_line().unwrap());
            let mut consumer = session.join(&token, JoinOptions::every_frame(1)).unwrap();
            println!("> joined");
            let held = consumer.receive(Some(PATIENCE)).unwrap();
            println!("> {}", held.seq());
            hear_line();
        }
        _ => {}
    }
}

/// A producer in another process that has published a frame, and a consumer here.
fn watched_producer(fixture: &Fixture) -> (Other, PolledConsumer) {
    let mut producer = Other::start(fixture, "producer");
    let token = Token::new(producer.hear());
    let session = fixture.session("viewer");
    let consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    producer.tell("admit");
    assert_eq!(producer.hear(), "admitted");
    (producer, consumer)
}

#[test]
fn death_of_the_producer_is_ready_after_its_last_frame() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer) = watched_producer(&fixture);
    settle(&mut consumer);
    producer.tell("publish");
    assert_eq!(producer.hear(), "published");
    producer.kill();
    assert_eq!(receive(&mut consumer).unwrap().seq(), 1);
    assert!(matches!(
        receive(&mut consumer),
        Err(ReceiveError::ProducerDied { .. })
    ));
    assert!(is_ready_now(&consumer), "it stays so");
}

#[test]
fn without_a_broker_frames_go_on_and_the_death_of_the_producer_is_ready() {
    let fixture = Fixture::new();
    let (mut producer, mut consumer) = watched_producer(&fixture);
    settle(&mut consumer);
    drop(fixture);
    assert!(is_ready(&consumer, PATIENCE), "the broker hung up");
    settle(&mut consumer);
    assert!(!is_ready_now(&consumer), "once is enough");
    producer.tell("publish");
    assert_eq!(producer.hear(), "published");
    assert_eq!(receive(&mut consumer).unwrap().seq(), 1);
    settle(&mut consumer);
    producer.kill();
    assert!(matches!(
        receive(&mut consumer),
        Err(ReceiveError::ProducerDied { .. })
    ));
}

#[test]
fn consumer_whose_broker_dies_before_it_is_let_in_is_told() {
    let fixture = Fixture::new();
    let producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, JoinOptions::every_frame(2)).unwrap();
    settle(&mut consumer);
    drop(fixture);
    // What the broker says while it ends may come first.
    let error = receive(&mut consumer).unwrap_err();
    assert!(
        matches!(
            error,
            ReceiveError::Stranded { .. } | ReceiveError::ProducerDied { .. }
        ),
        "{error}"
    );
}

#[test]
fn death_of_a_consumer_gives_a_polling_producer_its_buffers_back_with_and_without_a_broker() {
    for without_broker in [false, true] {
        let fixture = Fixture::new();
        let mut producer = fixture.polled_producer(2);
        let mut consumer = Other::start(&fixture, "consumer");
        consumer.tell(producer.token(1).unwrap().reveal());
        assert_eq!(consumer.hear(), "joined");
        assert!(producer.wait_for_consumers(1, Some(PATIENCE)).unwrap());
        let frame = producer.try_acquire().unwrap().unwrap();
        producer.publish(frame, &info()).unwrap();
        assert_eq!(consumer.hear(), "1");
        while producer.try_acquire().unwrap().is_some() {}
        let broker = (!without_broker).then_some(fixture);
        // It tells once that the broker hung up.
        while is_ready_now(&producer) {
            assert!(producer.try_acquire().unwrap().is_none());
        }
        consumer.kill();
        let frame = loop {
            assert!(
                is_ready(&producer, PATIENCE),
                "nobody said that the consumer died"
            );
            if let Some(frame) = producer.try_acquire().unwrap() {
                break frame;
            }
        };
        producer.publish(frame, &info()).unwrap();
        drop(broker);
    }
}

#[test]
fn who_is_cut_off_is_told() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let token = producer.token(1).unwrap();
    let options = JoinOptions::every_frame(1).with_contract(wharf::MoveContract::Revocable);
    let session = fixture.session("viewer");
    let mut consumer = session.join_polled(&token, options).unwrap();
    assert!(producer.wait_for_consumers(1, Some(PATIENCE)).unwrap());
    settle(&mut consumer);
    let to = wharf::Reallocation {
        size_bytes: 20_000,
        count: 4,
        deadline: std::time::Duration::from_millis(50),
        plan: "",
    };
    let generation = producer.begin_move(&to).unwrap();
    while !producer.is_moved(generation).unwrap() {
        drop(producer.acquire(Some(PATIENCE)).unwrap());
    }
    assert!(matches!(receive(&mut consumer), Err(ReceiveError::CutOff { .. })));
}
