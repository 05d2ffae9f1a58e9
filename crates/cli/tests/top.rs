//! `wharf top` as a process: on streams that run, that end and that lie, on terminals and on none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;
use support::{Broker, Outcome, PATIENCE, Place, run, wharf};
use wharf::{BufferSpec, Consumer, Frame, FrameInfo, JoinOptions, Producer, Session};
use wharf_linux::Memfd;
use wharf_memory::{Access, Mapping, OwnedWords, WriteWords};
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{
    AllocateBuffers, CreateStream, IssueToken, JoinStream, ObjectKind, Policy, Register, StreamId,
};
use wharf_stream::layout::{MAGIC, MAGIC_CELL};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

/// A producer with buffers for two consumers.
fn camera(broker: &Broker) -> Result<Producer, Box<dyn std::error::Error>> {
    let session = Session::connect_to(&broker.socket(), "camera")?;
    let spec = BufferSpec {
        name: "frames",
        size_bytes: 4096,
        count: 8,
    };
    Ok(session.create_stream("preview", session.allocate(&spec)?, 8)?)
}

fn join(broker: &Broker, producer: &mut Producer, label: &str, terms: JoinOptions) -> Consumer {
    let session = Session::connect_to(&broker.socket(), label).unwrap();
    let consumer = session.join(&producer.token(1).unwrap(), terms).unwrap();
    let count = producer.consumers().count() + 1;
    assert!(producer.wait_for_consumers(count, Some(PATIENCE)).unwrap());
    consumer
}

fn publish(producer: &mut Producer, frames: u64) {
    for _ in 0..frames {
        let frame = producer.acquire(Some(PATIENCE)).unwrap();
        producer.publish(frame, &FrameInfo::default()).unwrap();
    }
}

fn json(broker: &Broker, arguments: &[&str]) -> Value {
    let ended = run(broker.place().wharf(arguments));
    serde_json::from_str(ended.output()).unwrap()
}

#[test]
fn counts_are_what_happened() -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = camera(&broker)?;
    let mut viewer = join(&broker, &mut producer, "viewer", JoinOptions::latest(2));
    let mut encoder = join(&broker, &mut producer, "encoder", JoinOptions::every_frame(3));
    let mut held: Vec<Frame> = Vec::new();
    for number in 0..20 {
        publish(&mut producer, 1);
        let frame = encoder.receive(Some(PATIENCE))?;
        held.push(frame);
        if held.len() == 3 && number < 19 {
            held.clear();
        }
    }
    let seen = viewer.receive(Some(PATIENCE))?;
    publish(&mut producer, 2 - held.len().min(2) as u64);
    let info = json(&broker, &["info", "--json"]);
    let stream = &info["streams"][0];
    let its = &stream["statistics"];
    assert_eq!(its["frames_published"], producer.stats().published);
    assert_eq!(its["acquire_failures"], 0);
    let [of_viewer, of_encoder] = [0, 1].map(|slot| stream["consumers"][slot]["statistics"].clone());
    assert_eq!(of_encoder["frames_received"], 20);
    assert_eq!(of_encoder["latency"]["frames"], 20);
    assert_eq!(of_encoder["frames_skipped"], 0);
    let frames: Vec<_> = of_encoder["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| held["frame"].clone())
        .collect();
    let mut expected: Vec<_> = held.iter().map(Frame::seq).collect();
    expected.sort_unstable();
    let mut frames: Vec<u64> = frames.iter().filter_map(Value::as_u64).collect();
    frames.sort_unstable();
    assert_eq!(frames, expected);
    assert_eq!(of_viewer["frames_received"], 1);
    assert_eq!(of_viewer["frames_skipped"], seen.seq() - 1);
    assert_eq!(
        of_viewer["frames_queued"],
        producer.stats().published - seen.seq()
    );
    assert_eq!(of_viewer["held"][0]["frame"], seen.seq());
    for quantile in ["p50_ns", "p99_ns", "p99_9_ns"] {
        assert!(of_encoder["latency"][quantile].as_u64().unwrap() > 0);
    }
    Ok(())
}

#[test]
fn who_waits_for_whom_is_shown_while_it_lasts_and_counted_after() -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = camera(&broker)?;
    let mut encoder = join(&broker, &mut producer, "encoder", JoinOptions::every_frame(2));
    publish(&mut producer, 2);
    assert!(
        producer.acquire(Some(Duration::ZERO)).is_err(),
        "the encoder has all it may have"
    );
    let blocked = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let waiting = threads.spawn(|| publish(&mut producer, 1));
        let begin = Instant::now();
        // It is asleep once it says that it waits.
        let its = loop {
            let info = json(&broker, &["info", "--json"]);
            if info["streams"][0]["statistics"]["waiting_ns"].is_u64() {
                break info["streams"][0].clone();
            }
            assert!(begin.elapsed() < PATIENCE, "{info}");
        };
        assert_eq!(its["statistics"]["acquire_waits"], 0, "it is not over");
        assert_eq!(its["statistics"]["acquire_failures"], 1);
        assert_eq!(its["consumers"][0]["statistics"]["blocks_producer"], true);
        assert_eq!(its["consumers"][0]["statistics"]["frames_queued"], 2);
        let once = run(broker
            .place()
            .wharf(&["top", "--once", "--interval", "0.1", "--tab", "streams"]));
        let line = once
            .output()
            .lines()
            .find(|line| line.contains("preview"))
            .unwrap();
        assert!(line.contains("100 %") && line.contains("encoder"), "{line}");
        blocked.store(true, Ordering::Relaxed);
        drop(encoder.receive(Some(PATIENCE)).unwrap());
        waiting.join().unwrap();
    });
    assert!(blocked.into_inner());
    let its = json(&broker, &["info", "--json"])["streams"][0].clone();
    assert_eq!(its["statistics"]["acquire_waits"], 1);
    assert!(its["statistics"]["acquire_waited_ns"].as_u64().unwrap() >= 100_000_000);
    assert!(its["statistics"]["waiting_ns"].is_null());
    assert_eq!(its["consumers"][0]["statistics"]["blocks_producer"], false);
    Ok(())
}

#[test]
fn frames_taken_back_and_waits_of_consumers_are_counted() -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = camera(&broker)?;
    let mut viewer = join(&broker, &mut producer, "viewer", JoinOptions::latest(1));
    assert!(viewer.receive(Some(Duration::from_millis(30))).is_err());
    publish(&mut producer, 11);
    let stream = json(&broker, &["info", "--json"])["streams"][0].clone();
    // Eight buffers carried the first eight frames.
    assert_eq!(stream["statistics"]["frames_taken_back"], 3);
    let of_viewer = &stream["consumers"][0]["statistics"];
    assert_eq!(of_viewer["receive_waits"], 1);
    assert!(of_viewer["receive_waited_ns"].as_u64().unwrap() >= 20_000_000);
    assert_eq!(of_viewer["frames_queued"], 11);
    assert_eq!(of_viewer["latency"]["p50_ns"], Value::Null);
    Ok(())
}

/// Publishes until told to stop.
fn paced(producer: &mut Producer, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        publish(producer, 1);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn rates_of_a_running_stream_are_printed() -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = camera(&broker)?;
    let mut viewer = join(&broker, &mut producer, "viewer", JoinOptions::latest(1));
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| paced(&mut producer, &stop));
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(viewer.receive(Some(Duration::from_millis(50))));
            }
        });
        let document = json(&broker, &["top", "--json", "--interval", "0.4"]);
        assert!(document["interval_ns"].as_u64().unwrap() >= 400_000_000);
        let stream = &document["streams"][0];
        assert!(
            stream["statistics"]["rates"]["frames_published_per_s"]
                .as_f64()
                .unwrap()
                > 0.0
        );
        let of_viewer = &stream["consumers"][0]["statistics"];
        assert!(of_viewer["rates"]["frames_received_per_s"].as_f64().unwrap() > 0.0);
        assert!(of_viewer["latency"]["p99_ns"].as_u64().unwrap() > 0);
        let text = run(broker
            .place()
            .wharf(&["top", "--batch", "2", "--interval", "0.1", "--sort", "name"]));
        let text = text.output();
        assert_eq!(text.matches("FRAMES/S").count(), 4, "two tables, twice:\n{text}");
        assert_eq!(text.matches(" preview  camera ").count(), 2, "{text}");
        // Without being asked, because this is no terminal.
        let text = run(broker
            .place()
            .wharf(&["top", "--filter", "nobody", "--interval", "0.1"]));
        assert!(text.output().contains("no streams\n"), "{text:?}");
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}

#[test]
fn stream_that_ended_is_gone() -> Outcome {
    let broker = Broker::start(&[]);
    let producer = camera(&broker)?;
    let once = ["top", "--once", "--interval", "0.1", "--tab", "streams"];
    assert!(run(broker.place().wharf(&once)).output().contains("preview"));
    producer.finish()?;
    assert!(run(broker.place().wharf(&once)).output().contains("no streams"));
    Ok(())
}

#[test]
fn mistakes_are_one_line() -> Outcome {
    let place = Place::new();
    let ended = run(place.wharf(&["top", "--once"]));
    assert!(ended.error_line().starts_with("no broker at "), "{ended:?}");
    let broker = Broker::start(&[]);
    let ended = run(broker.place().wharf(&["top", "--sort", "speed"]));
    assert!(
        ended
            .error_line()
            .starts_with("there is no column 'speed'; there are STREAM, "),
        "{ended:?}"
    );
    for arguments in [
        &["--interval", "0"][..],
        &["--batch", "0"],
        &["--once", "--json"],
        &["--tab", "x"],
    ] {
        let ended = run(wharf(&[&["top"], arguments].concat()));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    }
    Ok(())
}

/// A page full of one number, sealed as it should be.
fn nonsense(size_bytes: usize, number: u64) -> (Memfd, OwnedWords) {
    let memfd = Memfd::create("nonsense", size_bytes as u64).unwrap();
    let mapping = Mapping::map(&memfd, size_bytes, Access::ReadWrite).unwrap();
    let words = OwnedWords::new(mapping, size_bytes / 8).unwrap();
    memfd.seal_future_writes().unwrap();
    for cell in 0..size_bytes / 8 {
        words.store_u64(cell, number, wharf_memory::Ordering::Relaxed);
    }
    words.store_u64(MAGIC_CELL, MAGIC, wharf_memory::Ordering::Relaxed);
    (memfd, words)
}

/// A client that says what it wants.
fn liar(broker: &Broker, label: &str) -> BlockingClient {
    let mut client = BlockingClient::connect(&broker.socket(), PATIENCE).unwrap();
    let label = label.to_owned();
    client.call(Register { label }, &[], PATIENCE).unwrap();
    client
}

#[test]
fn nonsense_in_pages_does_not_stop_anybody_from_looking() {
    let broker = Broker::start(&[]);
    let mut producer = liar(&broker, "producer \u{202e}");
    let mut consumer = liar(&broker, "consumer");
    let mut keep = Vec::new();
    for number in [u64::MAX, 1 << 63, 0x0101_0101_0101_0101] {
        let allocate = AllocateBuffers {
            name: "frames".to_owned(),
            size_bytes: 4096,
            count: 4,
        };
        let (set, _) = producer.call(allocate, &[], PATIENCE).unwrap();
        let ring = nonsense(RING_PAGE_BYTES, number);
        let create = CreateStream {
            set: set.set,
            name: "lies".to_owned(),
            max_consumers: 2,
            room_ms: None,
            polled: None,
            rotation: None,
        };
        let (stream, _) = producer.call(create, &[ring.0.as_fd()], PATIENCE).unwrap();
        let StreamId(id) = stream.stream;
        let issue = IssueToken {
            kind: ObjectKind::Stream,
            id,
            uses: 1,
        };
        let (token, _) = producer.call(issue, &[], PATIENCE).unwrap();
        let page = nonsense(CONSUMER_PAGE_BYTES, number);
        let join = JoinStream::new(token.token, 1, Policy::Block);
        consumer.call(join, &[page.0.as_fd()], PATIENCE).unwrap();
        keep.push((ring, page));
    }
    let info = json(&broker, &["info", "--json"]);
    assert_eq!(info["streams"][0]["statistics"]["frames_published"], u64::MAX);
    let top = json(&broker, &["top", "--json", "--interval", "0.1"]);
    assert_eq!(
        top["streams"][0]["statistics"]["rates"]["frames_published_per_s"],
        0.0
    );
    let once = run(broker.place().wharf(&["top", "--once", "--interval", "0.1"]));
    assert_eq!(once.output().matches("lies").count(), 6, "{once:?}");
}

/// `wharf top` on a terminal of its own.
struct Screen {
    child: Child,
    terminal: File,
    seen: String,
}

impl Screen {
    fn open(
        broker: &Broker,
        arguments: &[&str],
        (columns, rows): (u16, u16),
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size)?;
        let name = ptsname(&terminal, Vec::new())?;
        let side = || {
            File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
        };
        let (input, output): (File, OwnedFd) = (side()?, side()?.into());
        let mut command = broker
            .place()
            .wharf(&[&["top", "--interval", "0.1"], arguments].concat());
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        let child = command
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()?;
        rustix::io::ioctl_fionbio(&terminal, true)?;
        Ok(Self {
            child,
            terminal: File::from(terminal),
            seen: String::new(),
        })
    }

    /// Reads what is there.
    fn read(&mut self) {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = self.terminal.read(&mut piece) {
            self.seen += &String::from_utf8_lossy(&piece[..read]);
        }
    }

    /// Waits until the screen has shown this.
    fn shows(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.seen.contains(text) {
            assert!(begin.elapsed() < PATIENCE, "{text} is not in {:?}", self.seen);
            std::thread::sleep(Duration::from_millis(5));
            self.read();
        }
    }

    fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
        self.seen.clear();
    }

    /// Waits for the end: the terminal is as it was.
    fn ends(mut self) -> bool {
        let begin = Instant::now();
        let status = loop {
            self.read();
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
            if begin.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("it does not end");
            }
        };
        self.read();
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
        assert!(
            self.seen.contains("\u{1b}[?1049l"),
            "the screen is given back: {:?}",
            self.seen
        );
        status.success()
    }
}

#[test]
fn screen_shows_what_goes_on_and_is_given_back() -> Outcome {
    let broker = Broker::start(&[]);
    let mut producer = camera(&broker)?;
    let _viewer = join(&broker, &mut producer, "viewer", JoinOptions::latest(1));
    let mut screen = Screen::open(&broker, &[], (120, 20))?;
    screen.shows("preview");
    screen.press("\r");
    screen.shows("nobody holds a frame");
    screen.press("\u{1b}");
    screen.press("2");
    screen.shows("viewer");
    screen.press("q");
    assert!(screen.ends());
    let mut screen = Screen::open(&broker, &[], (20, 3))?;
    screen.shows("1 Streams");
    screen.press("\u{3}");
    assert!(screen.ends());
    let mut screen = Screen::open(&broker, &["--color", "never"], (100, 10))?;
    screen.shows("preview");
    kill_process(Pid::from_child(&screen.child), Signal::TERM)?;
    assert!(screen.ends());
    Ok(())
}

#[test]
fn stream_that_ends_disappears_and_a_broker_that_dies_is_said_to_be_dead() -> Outcome {
    let broker = Broker::start(&[]);
    let producer = camera(&broker)?;
    let mut screen = Screen::open(&broker, &[], (120, 20))?;
    screen.shows("preview");
    producer.finish()?;
    screen.shows("no streams");
    let _place = broker.kill();
    screen.shows("the broker is gone");
    screen.press("q");
    assert!(screen.ends());
    Ok(())
}
