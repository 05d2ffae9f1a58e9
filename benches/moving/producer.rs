//! The producer: publishes at a steady pace and moves the stream now and then.

use crate::consumer::Consumer;
use crate::{BUFFER_BYTES, BUFFERS, Outcome, Span};
use std::thread;
use std::time::{Duration, Instant};
use wharf::{BufferSpec, FrameInfo, Producer, Reallocation, Session, now_ns};
use wharf_broker::Embedded;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
/// Time between the end of a move and the beginning of the next: a stretch as long as a move is measured without one.
const REST: Duration = Duration::from_millis(60);

/// What was measured.
pub(crate) struct Run {
    /// When each frame came, in ascending order.
    pub(crate) frames: Vec<u64>,
    pub(crate) moves: Vec<Span>,
    /// As many stretches without a move, each as long as the move before it.
    pub(crate) quiet: Vec<Span>,
    pub(crate) lost: u64,
}

pub(crate) fn run(moves: usize, period: Duration, writes_all: bool) -> Outcome<Run> {
    let broker = Embedded::start()?;
    let session = Session::connect_to(broker.socket_path(), "producer")?;
    let spec = BufferSpec {
        name: "bench",
        size_bytes: BUFFER_BYTES,
        count: BUFFERS,
    };
    let mut producer = session.create_stream("bench", session.allocate(&spec)?, 4)?;
    let consumer = Consumer::start(broker.socket_path(), &producer.token(1)?)?;
    if !producer.wait_for_consumers(1, PATIENCE)? {
        return Err("the consumer did not join".into());
    }
    let mut pace = Pace::new(period, writes_all);
    let (mut spans, mut quiet) = (Vec::new(), Vec::new());
    pace.publish_for(&mut producer, REST)?;
    for _ in 0..moves {
        let span = move_once(&mut producer, &mut pace)?;
        let length = Duration::from_nanos(span.end_ns - span.begin_ns);
        spans.push(span);
        pace.publish_for(&mut producer, REST)?;
        let begin_ns = now_ns();
        pace.publish_for(&mut producer, length)?;
        let end_ns = now_ns();
        quiet.push(Span { begin_ns, end_ns });
    }
    producer.finish()?;
    let (lost, frames) = consumer.finish()?;
    Ok(Run {
        frames,
        moves: spans,
        quiet,
        lost,
    })
}

/// Moves the stream and goes on publishing until the first frame in the new buffers is out.
fn move_once(producer: &mut Producer, pace: &mut Pace) -> Outcome<Span> {
    let begin_ns = now_ns();
    let to = Reallocation {
        size_bytes: BUFFER_BYTES,
        count: BUFFERS,
        plan: "",
        deadline: Duration::from_secs(5),
    };
    let generation = producer.begin_move(&to)?;
    loop {
        if pace.publish(producer)? == generation {
            let end_ns = now_ns();
            return Ok(Span { begin_ns, end_ns });
        }
        if now_ns() - begin_ns > 10_000_000_000 {
            return Err("a move took longer than ten seconds".into());
        }
    }
}

/// When the next frame is due.
struct Pace {
    period: Duration,
    due: Instant,
    writes_all: bool,
    frame: Vec<u8>,
}

impl Pace {
    fn new(period: Duration, writes_all: bool) -> Self {
        let bytes = if writes_all { BUFFER_BYTES } else { 4096 };
        Self {
            period,
            due: Instant::now(),
            writes_all,
            // CAST: usize is 64 bits wide where benchmarks run.
            frame: vec![0x5a; bytes as usize],
        }
    }

    fn publish_for(&mut self, producer: &mut Producer, time: Duration) -> Outcome<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.publish(producer)?;
        }
        Ok(())
    }

    /// Publishes the frame that is due next; the generation it lies in.
    fn publish(&mut self, producer: &mut Producer) -> Outcome<u64> {
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due = (self.due + self.period).max(Instant::now());
        let frame = producer.acquire(PATIENCE)?;
        frame.view_mut()?.copy_from(0, &self.frame)?;
        let generation = frame.generation();
        let used_bytes = if self.writes_all { BUFFER_BYTES } else { 4096 };
        producer.publish(
            frame,
            &FrameInfo {
                used_bytes,
                ..FrameInfo::default()
            },
        )?;
        Ok(generation)
    }
}
