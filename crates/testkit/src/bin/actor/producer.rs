//! The producer.

use crate::stage::{Chair, Failure, Part, perform, refused, stop_at};
use std::thread::sleep;
use std::time::{Duration, Instant};
use wharf::{
    AcquireError, BufferSpec, FrameInfo, FrameMut, Producer, Reallocation, Session, SessionError,
    StreamTerms, UserData, now_ns,
};
use wharf_testkit::Pattern;
use wharf_testkit::Rng;
use wharf_testkit::actor::{Blocking, Departed, Order, ProducerTerms, Report};

/// How long it waits at once before it looks for orders.
const SLICE: Duration = Duration::from_millis(20);
/// How long it may be kept from publishing before that counts as a hang.
const STALL: Duration = Duration::from_secs(20);
/// Most consumers of a stream over a negotiated set.
const MAX_CONSUMERS: u32 = 8;
/// How long consumers may take to come.
const ARRIVAL: Duration = Duration::from_secs(20);

pub(crate) fn play() -> Result<(), Failure> {
    perform(Cast {
        chair: Chair::default(),
        stream: None,
    })
}

struct Cast {
    chair: Chair,
    stream: Option<Stream>,
}

struct Stream {
    producer: Producer,
    pattern: Pattern,
    size_bytes: u64,
    published: u64,
    /// Longest pause after a frame; `None` while not running.
    pause: Option<Duration>,
    rng: Rng,
    waiting_since: Option<Instant>,
    longest_wait: Duration,
}

impl Part for Cast {
    fn is_busy(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.pause.is_some())
    }

    fn go_on(&mut self) -> Result<(), Failure> {
        self.stream()?.go_on()
    }

    fn obey(&mut self, order: Order, session: &Session) -> Result<Report, Failure> {
        match order {
            Order::Open(terms) => self.open(session, &terms),
            Order::CreateSet { seats } => Ok(self.chair.create(session, &seats)),
            Order::TakeSeat { token, needs } => Ok(self.chair.take(session, &token, *needs)),
            Order::TakeBuffers { patience_ms } => self.chair.keep_buffers(patience_ms),
            Order::OpenSeated { patience_ms, pattern } => self.open_seated(session, patience_ms, pattern),
            Order::Finish => {
                let stream = self.stream.take().ok_or("no stream")?;
                let finished = stream.producer.finish();
                Ok(finished.map_or_else(|error| refused(&error), |_| Report::Done))
            }
            order => self.stream()?.obey(order),
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.stream = None;
        self.chair = Chair::default();
        Ok(())
    }
}

impl Cast {
    fn stream(&mut self) -> Result<&mut Stream, Failure> {
        self.stream.as_mut().ok_or_else(|| "no stream".into())
    }

    fn open_seated(
        &mut self,
        session: &Session,
        patience_ms: u64,
        pattern: Pattern,
    ) -> Result<Report, Failure> {
        let buffers = match self.chair.buffers(patience_ms)? {
            Ok(buffers) => buffers,
            Err(report) => return Ok(report),
        };
        let size_bytes = buffers.buffers().first().ok_or("no buffers")?.size_bytes();
        match session.create_stream("stream", buffers, MAX_CONSUMERS) {
            Ok(producer) => {
                self.stream = Some(Stream::of(producer, pattern, size_bytes));
                Ok(Report::Done)
            }
            Err(error) => Ok(refused(&error)),
        }
    }

    fn open(&mut self, session: &Session, terms: &ProducerTerms) -> Result<Report, Failure> {
        match try_open(session, terms) {
            Ok(producer) => {
                self.stream = Some(Stream::new(producer, terms));
                Ok(Report::Done)
            }
            Err(error) => Ok(refused(&error)),
        }
    }
}

fn try_open(session: &Session, terms: &ProducerTerms) -> Result<Producer, SessionError> {
    let spec = BufferSpec {
        name: "frames",
        size_bytes: terms.size_bytes,
        count: terms.buffers,
    };
    let buffers = session.allocate(&spec)?;
    let mut on = StreamTerms::new(terms.max_consumers);
    if let Some(room) = terms.room_ms.map(Duration::from_millis) {
        on = on.with_room(room);
    }
    if let Some(rotation) = terms.rotation {
        on = on.with_rotation(rotation);
    }
    session.create_stream_on("stream", buffers, on)
}

impl Stream {
    fn new(producer: Producer, terms: &ProducerTerms) -> Self {
        Self::of(producer, terms.pattern, terms.size_bytes)
    }

    fn of(producer: Producer, pattern: Pattern, size_bytes: u64) -> Self {
        Self {
            producer,
            pattern,
            size_bytes,
            published: 0,
            pause: None,
            rng: Rng::new(pattern.seed),
            waiting_since: None,
            longest_wait: Duration::ZERO,
        }
    }

    fn obey(&mut self, order: Order) -> Result<Report, Failure> {
        match order {
            Order::IssueToken { uses } => Ok(self
                .producer
                .token(uses)
                .map_or_else(|error| refused(&error), Report::Token)),
            Order::AwaitConsumers { count } => {
                match self.producer.wait_for_consumers(count, Some(ARRIVAL))? {
                    true => Ok(Report::Done),
                    false => Err(format!("fewer than {count} consumers after {ARRIVAL:?}").into()),
                }
            }
            Order::Run { pause_us } => {
                self.pause = Some(Duration::from_micros(pause_us));
                Ok(Report::Done)
            }
            Order::Pause => {
                self.pause = None;
                self.waiting_since = None;
                Ok(Report::Published { seq: self.published })
            }
            Order::PublishOne { patience_ms } => {
                match self.producer.acquire(Some(Duration::from_millis(patience_ms))) {
                    Ok(frame) => {
                        self.publish(frame)?;
                        Ok(Report::Published { seq: self.published })
                    }
                    Err(error) => blocked(error),
                }
            }
            Order::AcquireAll { patience_ms } => self.acquire_all(Duration::from_millis(patience_ms)),
            Order::Move {
                size_bytes,
                buffers,
                deadline_ms,
            } => Ok(self.begin_move((size_bytes, buffers), Duration::from_millis(deadline_ms))),
            Order::AskMove { generation } => Ok(self.producer.is_moved(generation).map_or_else(
                |error| refused(&error),
                |committed| Report::Moving {
                    generation,
                    committed,
                },
            )),
            Order::StopAt(stage) => {
                self.producer.observe_moves(stop_at(stage));
                Ok(Report::Done)
            }
            Order::Roster => Ok(self.roster()),
            order => Err(format!("{order:?} is not for a producer").into()),
        }
    }

    fn begin_move(&mut self, (size_bytes, count): (u64, u32), deadline: Duration) -> Report {
        let to = Reallocation {
            size_bytes,
            count,
            plan: "",
            deadline,
        };
        match self.producer.begin_move(&to) {
            Ok(generation) => Report::Moving {
                generation,
                committed: false,
            },
            Err(error) => refused(&error),
        }
    }

    /// Publishes a frame, or waits a little for a buffer.
    fn go_on(&mut self) -> Result<(), Failure> {
        let waiting_since = *self.waiting_since.get_or_insert_with(Instant::now);
        let acquired = self.producer.acquire(Some(SLICE));
        let waited = waiting_since.elapsed();
        self.longest_wait = self.longest_wait.max(waited);
        match acquired {
            Ok(frame) => {
                self.waiting_since = None;
                self.publish(frame)?;
                sleep(self.rng.duration_up_to(self.pause.unwrap_or_default()));
                Ok(())
            }
            Err(AcquireError::TimedOut { .. }) if waited < STALL => Ok(()),
            Err(error) => Err(format!("after {} frames and {waited:?}: {error}", self.published).into()),
        }
    }

    fn publish(&mut self, frame: FrameMut) -> Result<(), Failure> {
        let seq = self.published + 1;
        self.pattern.fill(&frame.view_mut()?, seq)?;
        let used_bytes = match frame.generation() {
            1 => self.size_bytes,
            _ => frame.buffer().size_bytes(),
        };
        let info = FrameInfo {
            timestamp_ns: seq * 1000,
            used_bytes,
            user: UserData::new(&seq.to_le_bytes())?,
            ..FrameInfo::default()
        };
        self.published = self.producer.publish(frame, &info)?;
        if self.published != seq {
            return Err(format!("frame {seq} was published as {}", self.published).into());
        }
        Ok(())
    }

    fn acquire_all(&mut self, patience: Duration) -> Result<Report, Failure> {
        let count = self.producer.buffers().len();
        let mut in_hand = Vec::new();
        while in_hand.len() < count {
            match self.producer.acquire(Some(patience)) {
                Ok(frame) => in_hand.push(frame),
                Err(error) => return blocked(error),
            }
        }
        Ok(Report::Acquired {
            count,
            at_ns: now_ns(),
        })
    }

    fn roster(&mut self) -> Report {
        let departed = self
            .producer
            .take_departed()
            .into_iter()
            .map(|consumer| Departed {
                pid: consumer.pid,
                how: consumer
                    .departure
                    .map(|departure| format!("{departure:?}"))
                    .unwrap_or_default(),
            });
        let departed = departed.collect();
        Report::Roster {
            present: self.producer.consumers().map(|consumer| consumer.pid).collect(),
            departed,
            longest_wait_ns: u64::try_from(self.longest_wait.as_nanos()).unwrap_or(u64::MAX),
            bytes_copied: self.producer.stats().bytes_copied,
            trouble: self.producer.take_trouble().map(|trouble| trouble.to_string()),
        }
    }
}

/// What it means for an order that no buffer could be had.
fn blocked(error: AcquireError) -> Result<Report, Failure> {
    let message = error.to_string();
    match error {
        AcquireError::TimedOut { consumers, .. } => {
            let by = consumers.into_iter().map(|consumer| Blocking {
                label: consumer.label,
                pid: consumer.pid,
                frames: consumer.frames,
            });
            Ok(Report::Blocked {
                message,
                by: by.collect(),
            })
        }
        other => Err(other.into()),
    }
}
