//! Peers that misuse the doorbells they have an end of. Contract: S7, P4.

use crate::common::{Fixture, PATIENCE, SOON, info};
use crate::support::{is_ready, is_ready_now, publish, settle};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use wharf::{Consumer, JoinOptions, PolledProducer, Token};
use wharf_memory::{Access, Mapping, Ordering, OwnedWords, WriteWords as _};
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{JoinStream, Policy, Register};
use wharf_stream::layout::{POLLING, consumer as own};
use wharf_stream::{CONSUMER_PAGE_BYTES, CONSUMER_PAGE_CELLS};

/// A consumer that does with its descriptors what it likes.
struct Rogue {
    page: OwnedWords,
    /// Its own bell, and the one it rings for the producer.
    bells: [OwnedFd; 2],
    _client: BlockingClient,
}

impl Rogue {
    fn join(fixture: &Fixture, producer: &mut PolledProducer) -> Self {
        let token = producer.token(1).unwrap();
        let rogue = Self::connect(fixture, token);
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        rogue
    }

    fn connect(fixture: &Fixture, token: Token) -> Self {
        let mut client = BlockingClient::connect(fixture.broker.socket_path(), SOON).unwrap();
        let label = "rogue".to_owned();
        client.call(Register { label }, &[], SOON).unwrap();
        let memfd = wharf_linux::Memfd::create("rogue", CONSUMER_PAGE_BYTES as u64).unwrap();
        let mapping = Mapping::map(&memfd, CONSUMER_PAGE_BYTES, Access::ReadWrite).unwrap();
        memfd.seal_future_writes().unwrap();
        let join = JoinStream {
            polled: Some(true),
            ..JoinStream::new(token, 1, Policy::Latest)
        };
        let (reply, mut fds) = client.call(join, &[memfd.as_fd()], SOON).unwrap();
        assert!(reply.producer_polls);
        let bells: Vec<OwnedFd> = fds.drain(3..5).collect();
        Self {
            page: OwnedWords::new(mapping, CONSUMER_PAGE_CELLS).unwrap(),
            bells: bells.try_into().unwrap(),
            _client: client,
        }
    }

    /// Says that it polls, as it may at any time.
    fn poll(&self) {
        self.page.store_u32(own::WAITING, POLLING, Ordering::SeqCst);
    }
}

/// A producer that polls, with a rogue and a consumer of every frame.
fn rogue_and_honest(fixture: &Fixture) -> (PolledProducer, Rogue, Consumer) {
    let mut producer = fixture.polled_producer(4);
    let rogue = Rogue::join(fixture, &mut producer);
    let token = producer.token(1).unwrap();
    let honest = fixture
        .session("viewer")
        .join(&token, JoinOptions::every_frame(1))
        .unwrap();
    assert!(producer.wait_for_consumers(2, PATIENCE).unwrap());
    (producer, rogue, honest)
}

/// Writes until there is no room.
fn fill(bell: &OwnedFd) -> usize {
    let mut written = 0;
    while let Ok(bytes) = rustix::io::write(bell, &[1; 4096]) {
        written += bytes;
    }
    written
}

fn publish_some(producer: &mut PolledProducer) {
    for _ in 0..20 {
        let frame = loop {
            assert!(is_ready(&producer, SOON));
            if let Some(frame) = producer.try_acquire().unwrap() {
                break frame;
            }
        };
        producer.publish(frame, &info(100)).unwrap();
    }
}

#[test]
fn full_bell_does_not_stop_who_rings_it_even_without_the_flag_that_says_so() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let rogue = Rogue::join(&fixture, &mut producer);
    rogue.poll();
    for bell in &rogue.bells {
        assert!(fill(bell) > 0);
        let flags = fcntl_getfl(bell).unwrap();
        fcntl_setfl(bell, flags - OFlags::NONBLOCK).unwrap();
    }
    publish_some(&mut producer);
    // The broker rings, too.
    drop(
        fixture
            .session("other")
            .join(&producer.token(1).unwrap(), JoinOptions::latest(1)),
    );
    publish_some(&mut producer);
}

#[test]
fn closed_bell_does_not_hurt_who_rings_it() {
    let fixture = Fixture::new();
    let mut producer = fixture.polled_producer(4);
    let rogue = Rogue::join(&fixture, &mut producer);
    rogue.poll();
    let Rogue { bells, page, _client } = rogue;
    drop(bells);
    publish_some(&mut producer);
    producer.finish().unwrap();
    drop((page, _client));
}

#[test]
fn flood_costs_the_producer_tries_but_no_buffer() {
    let fixture = Fixture::new();
    let (mut producer, rogue, mut honest) = rogue_and_honest(&fixture);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let flooding = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            fill(&rogue.bells[1]);
        }
        rogue
    });
    let reading = std::thread::spawn(move || {
        for seq in 1..=100 {
            assert_eq!(honest.receive(PATIENCE).unwrap().seq(), seq);
        }
    });
    (0..5).for_each(|_| publish_some(&mut producer));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let rogue = flooding.join().unwrap();
    reading.join().unwrap();
    // Its bell is silenced like any other.
    fill(&rogue.bells[1]);
    let frames: Vec<_> = std::iter::from_fn(|| producer.try_acquire().ok().flatten()).collect();
    drop(frames);
}

#[test]
fn rings_taken_away_by_one_consumer_are_not_those_of_another() {
    let fixture = Fixture::new();
    let (mut producer, rogue, mut honest) = rogue_and_honest(&fixture);
    for _ in 0..100 {
        while let Some(frame) = producer.try_acquire().unwrap() {
            producer.publish(frame, &info(100)).unwrap();
        }
        assert!(!is_ready_now(&producer));
        drop(honest.receive(PATIENCE).unwrap());
        let mut stolen = [0; 4096];
        for bell in &rogue.bells {
            while rustix::io::read(bell, &mut stolen).is_ok_and(|read| read > 0) {}
        }
        assert!(is_ready(&producer, SOON));
    }
}

#[test]
fn consumer_that_rings_itself_or_is_rung_for_nothing_is_silent_again() {
    let fixture = Fixture::new();
    let mut producer = fixture.producer(4);
    let mut consumer = fixture.join_polled(&mut producer, JoinOptions::latest(1));
    for _ in 0..50 {
        settle(&mut consumer);
        assert!(!is_ready_now(&consumer));
        publish(&mut producer);
        assert!(is_ready(&consumer, Duration::from_secs(10)));
    }
}

#[test]
fn who_does_not_poll_costs_no_descriptors_and_who_did_leaves_none() {
    let exe = std::env::current_exe().unwrap();
    let is_alone = std::env::var("WHARF_TEST_COUNT").is_ok();
    if !is_alone {
        // Other tests of this process open descriptors, too.
        let test = "hostile::who_does_not_poll_costs_no_descriptors_and_who_did_leaves_none";
        let mut alone = std::process::Command::new(exe);
        alone.args(["--exact", test]).env("WHARF_TEST_COUNT", "1");
        assert!(alone.status().unwrap().success());
        return;
    }
    let pipes = || {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap();
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("pipe:"))
            .count()
    };
    let fixture = Fixture::new();
    let mut producer = fixture.producer(6);
    let before = pipes();
    let token = producer.token(4).unwrap();
    let session = fixture.session("viewer");
    let quiet = session.join(&token, JoinOptions::latest(1)).unwrap();
    assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
    assert_eq!(pipes(), before);
    let polled = session.join_polled(&token, JoinOptions::latest(1)).unwrap();
    assert!(producer.wait_for_consumers(2, PATIENCE).unwrap());
    // The broker, in this process, has two ends, and each side has one.
    assert_eq!(pipes(), before + 4);
    drop(polled);
    let until = std::time::Instant::now() + SOON;
    while pipes() > before {
        assert!(std::time::Instant::now() < until, "{} are left", pipes() - before);
        publish(&mut producer);
    }
    drop(quiet);
}
