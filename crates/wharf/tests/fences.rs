//! Frames with fences through a real broker: devices are threads, and those who die are processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use wharf::core::{Deadline, Errno, Fence, FenceContext, FenceStatus, UniqueFence, Usage, Wait};
use wharf::{
    AcquireError, BrokerBuffer, BufferSpec, Consumer, DmaBuf, FrameInfo, JoinOptions, Producer, PublishError,
    ReadyError, ReceiveError, Session, Token,
};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));
const SHORT: Option<Duration> = Some(Duration::from_millis(20));
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const SIZE: usize = 4096;

struct Pair {
    broker: Embedded,
    producer: Producer,
    consumer: Consumer,
}

fn producer(session: &Session, buffers: u32) -> Producer {
    let spec = BufferSpec {
        name: "frames",
        size_bytes: SIZE as u64,
        count: buffers,
    };
    let set = session.allocate(&spec).unwrap();
    session.create_stream("preview", set, 8).unwrap()
}

fn session(broker: &Embedded, label: &str) -> Session {
    Session::connect_to(broker.socket_path(), label).unwrap()
}

impl Pair {
    fn new(buffers: u32, options: JoinOptions) -> Self {
        let broker = Embedded::start().unwrap();
        let mut producer = producer(&session(&broker, "camera"), buffers);
        let token = producer.token(1).unwrap();
        let consumer = session(&broker, "viewer").join(&token, options).unwrap();
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        Self {
            broker,
            producer,
            consumer,
        }
    }

    fn publish_when(&mut self, fence: &Fence) -> u64 {
        let frame = self.producer.acquire(PATIENCE).unwrap();
        self.producer.publish_when(frame, &info(), fence).unwrap()
    }

    fn publish(&mut self) -> u64 {
        let frame = self.producer.acquire(PATIENCE).unwrap();
        self.producer.publish(frame, &info()).unwrap()
    }
}

fn info() -> FrameInfo {
    FrameInfo {
        used_bytes: SIZE as u64,
        ..FrameInfo::default()
    }
}

fn work(number: u64) -> UniqueFence {
    FenceContext::new("soft-device", "queue").fence(number)
}

fn fill(buffer: &DmaBuf, byte: u8) {
    let memory = buffer.exporter::<BrokerBuffer>().unwrap();
    memory
        .mapping()
        .view_mut()
        .unwrap()
        .copy_from(0, &[byte; SIZE])
        .unwrap();
}

fn bytes(buffer: &DmaBuf) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    let memory = buffer.exporter::<BrokerBuffer>().unwrap();
    memory.mapping().view().copy_to(0, &mut bytes).unwrap();
    bytes
}

fn noted(buffer: &DmaBuf, usage: Usage) -> usize {
    buffer.reservation().fences(usage).count()
}

#[test]
fn contents_come_after_the_frame_and_in_any_order() {
    let mut pair = Pair::new(5, JoinOptions::every_frame(4));
    let (first, second) = (work(1), work(2));
    pair.publish_when(&first.fence());
    pair.publish_when(&second.fence());
    pair.publish();
    let frames: Vec<_> = pair.consumer.frames().take(3).map(Result::unwrap).collect();
    assert!(frames[2].acquire_fence().is_none(), "it came with its contents");
    frames[2].wait_ready(AT_ONCE).unwrap();
    assert!(matches!(
        frames[0].wait_ready(SHORT),
        Err(ReadyError::TimedOut { seq: 1, .. })
    ));
    second.signal();
    frames[1].wait_ready(PATIENCE).unwrap();
    assert!(!frames[0].acquire_fence().unwrap().is_signaled());
    thread::scope(|scope| {
        scope.spawn(|| frames[0].wait_ready(PATIENCE).unwrap());
        thread::sleep(Duration::from_millis(10));
        first.signal();
    });
    assert_eq!(frames[0].acquire_fence().unwrap().status(), FenceStatus::Signaled);
}

#[test]
fn bad_contents_are_told_with_their_error() {
    let mut pair = Pair::new(4, JoinOptions::every_frame(3));
    let (late, forgotten, early) = (work(1), work(2), work(3));
    pair.publish_when(&late.fence());
    pair.publish_when(&forgotten.fence());
    let failed = early.fence();
    early.signal_error(Errno::EIO).unwrap();
    pair.publish_when(&failed);
    let frames: Vec<_> = pair.consumer.frames().take(3).map(Result::unwrap).collect();
    late.signal_error(Errno::ETIMEDOUT).unwrap();
    drop(forgotten);
    let errors = frames.iter().map(|frame| frame.wait_ready(PATIENCE).unwrap_err());
    let errors: Vec<_> = errors.collect();
    let expected = [(1, Errno::ETIMEDOUT), (2, Errno::EDEADLK), (3, Errno::EIO)];
    let expected = expected.map(|(seq, errno)| ReadyError::Bad { seq, errno });
    assert_eq!(errors, expected);
}

#[test]
fn callbacks_on_both_sides_need_nobody_who_looks() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    let (fill, read) = (work(1), work(1));
    pair.publish_when(&fill.fence());
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    let (sender, told) = mpsc::channel();
    let other = sender.clone();
    let outcome = frame
        .acquire_fence()
        .unwrap()
        .add_callback(move |fence: &Fence| sender.send(fence.status()).unwrap());
    assert!(outcome.is_added());
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    fill.signal();
    assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(FenceStatus::Signaled));

    frame.release_after(&read.fence());
    pair.publish();
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    let [fence] = frame.release_fences() else {
        panic!("one consumer reads");
    };
    let outcome = fence.add_callback(move |fence: &Fence| other.send(fence.status()).unwrap());
    assert!(outcome.is_added());
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    read.signal();
    assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(FenceStatus::Signaled));
}

#[test]
fn buffer_is_not_filled_while_a_device_reads_it() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let read = work(1);
    pair.publish();
    pair.consumer
        .receive(PATIENCE)
        .unwrap()
        .release_after(&read.fence());
    let error = pair.producer.acquire(SHORT).unwrap_err();
    let AcquireError::TimedOut { consumers, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((consumers[0].label.as_str(), consumers[0].frames), ("viewer", 1));
    thread::scope(|scope| {
        let acquired = scope.spawn(|| pair.producer.acquire(PATIENCE).map(drop));
        thread::sleep(Duration::from_millis(10));
        read.signal();
        acquired.join().unwrap().unwrap();
    });
}

#[test]
fn buffer_on_which_devices_work_is_handed_out_with_their_fences() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let (filled, read) = (work(1), work(1));
    pair.publish_when(&filled.fence());
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert_eq!(noted(frame.buffer(), Usage::Write), 1);
    frame.release_after(&read.fence());
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    assert_eq!(frame.release_fences().len(), 2, "one reads, and one writes");
    assert_eq!(noted(frame.buffer(), Usage::Write), 1);
    assert_eq!(noted(frame.buffer(), Usage::Read), 2);
    assert!(!frame.buffer().reservation().is_signaled(Usage::Read));
    assert!(!frame.wait_idle(SHORT));
    filled.signal();
    assert!(!frame.wait_idle(SHORT));
    read.signal();
    assert!(frame.wait_idle(PATIENCE));
    assert!(frame.buffer().reservation().is_signaled(Usage::Read));
    pair.producer.publish(frame, &info()).unwrap();
}

#[test]
fn frame_that_is_not_idle_is_not_published_and_stays_in_hand() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let read = work(1);
    pair.publish();
    pair.consumer
        .receive(PATIENCE)
        .unwrap()
        .release_after(&read.fence());
    let frame = pair.producer.acquire_async(PATIENCE).unwrap();
    let refused = pair.producer.publish(frame, &info());
    assert!(matches!(refused, Err(PublishError::NotIdle { pending: 1 })));
    let in_hand = pair.producer.acquire_async(SHORT);
    assert!(matches!(in_hand, Err(AcquireError::AllInHand { .. })));
    read.signal();
    // Another thread gives it back.
    let give_up = Instant::now() + PATIENCE.unwrap();
    while let Err(error) = pair.producer.acquire(SHORT) {
        assert!(Instant::now() < give_up, "{error}");
        thread::yield_now();
    }
}

#[test]
fn consumer_stays_until_its_device_is_done() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let read = work(1);
    pair.publish();
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    frame.release_after(&read.fence());
    drop(pair.consumer);
    assert!(pair.producer.acquire(SHORT).is_err());
    assert_eq!(pair.producer.consumers().count(), 1);
    read.signal();
    pair.producer.acquire(PATIENCE).unwrap();
}

#[test]
fn lent_frames_count_against_the_depth() {
    let mut pair = Pair::new(4, JoinOptions::latest(1));
    let read = work(1);
    pair.publish();
    pair.consumer
        .receive(PATIENCE)
        .unwrap()
        .release_after(&read.fence());
    pair.publish();
    let refused = pair.consumer.receive(SHORT);
    assert!(matches!(
        refused,
        Err(ReceiveError::HoldsTooMany { depth: 1, .. })
    ));
    read.signal();
    assert_eq!(pair.consumer.receive(PATIENCE).unwrap().seq(), 2);
}

#[test]
fn contents_of_a_finished_stream_still_come() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    let fill = work(1);
    pair.publish_when(&fill.fence());
    pair.producer.finish().unwrap();
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert!(matches!(
        frame.wait_ready(SHORT),
        Err(ReadyError::TimedOut { .. })
    ));
    fill.signal();
    frame.wait_ready(PATIENCE).unwrap();
    drop(pair.broker);
}

#[test]
fn nothing_grows_on_reservations() {
    let mut pair = Pair::new(3, JoinOptions::every_frame(2));
    for number in 1..=200 {
        let (fill, read) = (work(number), work(number));
        let frame = pair.producer.acquire_async(PATIENCE).unwrap();
        pair.producer.publish_when(frame, &info(), &fill.fence()).unwrap();
        let frame = pair.consumer.receive(PATIENCE).unwrap();
        let buffer = frame.buffer().clone();
        frame.release_after(&read.fence());
        for buffer in pair.producer.buffers().iter().chain([&buffer]) {
            let guard = buffer.reservation().lock(&Wait::forever()).unwrap();
            assert!(guard.fences(Usage::Bookkeep).count() <= 4);
        }
        fill.signal();
        read.signal();
    }
}

#[test]
fn frame_of_a_locked_buffer_is_received_at_once_and_noted_afterwards() {
    let mut pair = Pair::new(2, JoinOptions::every_frame(1));
    let fill = work(1);
    pair.publish_when(&fill.fence());
    let buffer = pair.consumer.buffers()[0].clone();
    let guard = buffer.reservation().lock(&Wait::forever()).unwrap();
    let frame = pair.consumer.receive(PATIENCE).unwrap();
    assert!(frame.acquire_fence().is_some());
    drop(guard);
    assert_eq!(noted(&buffer, Usage::Write), 1);
    let soon = Wait::until(Deadline::after(Duration::from_millis(10)));
    assert!(buffer.reservation().wait(Usage::Write, &soon).is_err());
    fill.signal();
    buffer.reservation().wait(Usage::Write, &Wait::forever()).unwrap();
}

/// A device: works off its jobs in order, each after its fences. Threads that use it never wait.
struct Device(mpsc::Sender<Job>, FenceContext);

struct Job {
    after: Vec<Fence>,
    work: Box<dyn FnOnce() + Send>,
    done: UniqueFence,
}

impl Device {
    fn new(name: &str) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for job in queue {
                job.after
                    .iter()
                    .for_each(|fence| fence.wait(&Wait::forever()).unwrap());
                (job.work)();
                job.done.signal();
            }
        });
        Self(jobs, FenceContext::new("soft-device", name))
    }

    fn start(&self, number: u64, after: Vec<Fence>, work: impl FnOnce() + Send + 'static) -> Fence {
        let done = self.1.fence(number);
        let fence = done.fence();
        let work = Box::new(work);
        self.0.send(Job { after, work, done }).unwrap();
        fence
    }
}

#[test]
fn pipeline_of_devices_never_blocks_a_thread() {
    const FRAMES: u64 = 300;
    let mut pair = Pair::new(4, JoinOptions::every_frame(3));
    let (camera, screen) = (Device::new("camera"), Device::new("screen"));
    let (sender, seen) = mpsc::channel();
    let (mut published, mut received, mut handed_out) = (0, 0, 0);
    let give_up = Instant::now() + Duration::from_secs(60);
    while received < FRAMES {
        assert!(
            Instant::now() < give_up,
            "{published} published, {received} received"
        );
        if published < FRAMES
            && let Ok(frame) = pair.producer.acquire_async(AT_ONCE)
        {
            published += 1;
            handed_out += usize::from(!frame.release_fences().is_empty());
            let (buffer, byte) = (frame.buffer().clone(), published as u8);
            let after = frame.release_fences().to_vec();
            let filled = camera.start(published, after, move || fill(&buffer, byte));
            pair.producer.publish_when(frame, &info(), &filled).unwrap();
        }
        if let Ok(frame) = pair.consumer.receive(AT_ONCE) {
            received += 1;
            let (buffer, byte, sender) = (frame.buffer().clone(), frame.seq() as u8, sender.clone());
            let after = frame.acquire_fence().cloned().into_iter().collect();
            let read = screen.start(received, after, move || {
                let bytes = bytes(&buffer);
                sender.send(bytes.iter().all(|read| *read == byte)).unwrap();
            });
            frame.release_after(&read);
        }
    }
    let seen: Vec<bool> = (0..FRAMES)
        .map(|_| seen.recv_timeout(PATIENCE.unwrap()).unwrap())
        .collect();
    assert!(
        seen.iter().all(|is_whole| *is_whole),
        "a device saw another frame"
    );
    assert!(handed_out > 0, "the producer went ahead of the consumer's device");
}

/// What a process of its own does, if this is one.
#[test]
fn other_process() {
    let Ok(part) = std::env::var("FENCES_PART") else {
        return;
    };
    let socket = std::env::var("FENCES_SOCKET").unwrap();
    let session = Session::connect_to(socket.as_ref(), "victim").unwrap();
    let never = work(1);
    let mut line = String::new();
    if part == "producer" {
        let mut producer = producer(&session, 3);
        println!("\n>{}", producer.token(1).unwrap().reveal());
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        let frame = producer.acquire(PATIENCE).unwrap();
        producer.publish_when(frame, &info(), &never.fence()).unwrap();
        std::io::stdin().read_line(&mut line).unwrap();
    } else {
        std::io::stdin().read_line(&mut line).unwrap();
        let token = Token::new(line.trim().to_owned());
        let mut consumer = session.join(&token, JoinOptions::every_frame(1)).unwrap();
        consumer.receive(PATIENCE).unwrap().release_after(&never.fence());
        println!("\n>lent");
        std::io::stdin().read_line(&mut line).unwrap();
    }
}

struct Victim {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Victim {
    fn start(broker: &Embedded, part: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["other_process", "--exact", "--nocapture"])
            .env("FENCES_PART", part)
            .env("FENCES_SOCKET", broker.socket_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line that it says.
    fn says(&mut self) -> String {
        let lines = (&mut self.lines).lines().map(Result::unwrap);
        let mut said = lines.filter_map(|line| line.strip_prefix('>').map(str::to_owned));
        said.next().unwrap()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn contents_of_a_killed_producer_are_bad() {
    for broker_dies in [false, true] {
        let broker = Embedded::start().unwrap();
        let mut victim = Victim::start(&broker, "producer");
        let token = Token::new(victim.says());
        let mut consumer = session(&broker, "viewer")
            .join(&token, JoinOptions::every_frame(2))
            .unwrap();
        let frame = consumer.receive(PATIENCE).unwrap();
        let (sender, told) = mpsc::channel();
        let callback = move |fence: &Fence| sender.send(fence.status()).unwrap();
        assert!(frame.acquire_fence().unwrap().add_callback(callback).is_added());
        let broker = (!broker_dies).then_some(broker);
        victim.kill();
        let errno = Errno::EOWNERDEAD;
        assert_eq!(frame.wait_ready(PATIENCE), Err(ReadyError::Bad { seq: 1, errno }));
        assert_eq!(
            told.recv_timeout(PATIENCE.unwrap()),
            Ok(FenceStatus::Failed(errno))
        );
        assert!(frame.buffer().reservation().is_signaled(Usage::Write));
        drop(broker);
    }
}

#[test]
fn buffer_that_a_killed_consumer_lent_is_filled_again() {
    for asynchronous in [false, true] {
        let broker = Embedded::start().unwrap();
        let mut producer = producer(&session(&broker, "camera"), 2);
        let mut victim = Victim::start(&broker, "consumer");
        victim.tell(producer.token(1).unwrap().reveal());
        assert!(producer.wait_for_consumers(1, PATIENCE).unwrap());
        let frame = producer.acquire(PATIENCE).unwrap();
        producer.publish(frame, &info()).unwrap();
        assert_eq!(victim.says(), "lent");
        if asynchronous {
            let frame = producer.acquire_async(PATIENCE).unwrap();
            let fence = frame.release_fences()[0].clone();
            let (sender, told) = mpsc::channel();
            let callback = move |fence: &Fence| sender.send(fence.status()).unwrap();
            assert!(fence.add_callback(callback).is_added());
            victim.kill();
            let died = FenceStatus::Failed(Errno::EOWNERDEAD);
            assert_eq!(told.recv_timeout(PATIENCE.unwrap()), Ok(died));
            assert!(frame.wait_idle(PATIENCE));
            producer.publish(frame, &info()).unwrap();
        } else {
            assert!(producer.acquire(SHORT).is_err());
            victim.kill();
            producer.acquire(PATIENCE).unwrap();
        }
    }
}
