//! Streams and their consumers: who they are, what they count, and how fast that changes.

use serde::Serialize;
use wharf_protocol::{Member, Policy, StreamState};
use wharf_stream::stats::{ConsumerLook, Histogram, Hold, ProducerLook, Quantile};

use crate::look::{Sample, StreamLook};

/// The nanoseconds of a second.
const NS_PER_S: f64 = 1e9;

/// A stream.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stream {
    pub(crate) stream: u64,
    pub(crate) name: String,
    /// The session that produces it.
    pub(crate) producer: u64,
    pub(crate) uid: u32,
    pub(crate) set: u64,
    pub(crate) max_consumers: u32,
    /// Whether it is to move because somebody has left who may read the memory in use.
    pub(crate) rotation_due: bool,
    /// What the producer says of itself; none once the stream is over.
    pub(crate) statistics: Option<ProducerStatistics>,
    pub(crate) consumers: Vec<Consumer>,
}

/// What a producer counts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProducerStatistics {
    pub(crate) frames_published: u64,
    /// Times it had to wait for a buffer.
    pub(crate) acquire_waits: u64,
    /// How long it has waited in all.
    pub(crate) acquire_waited_ns: u64,
    /// How long it has been waiting now, if it is.
    pub(crate) waiting_ns: Option<u64>,
    /// Times it went without a buffer.
    pub(crate) acquire_failures: u64,
    /// Frames taken back that a consumer had not claimed.
    pub(crate) frames_taken_back: u64,
    /// Publications for which somebody had to be woken.
    pub(crate) wakes: u64,
    /// From publication to receipt, by all consumers there are.
    pub(crate) latency: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rates: Option<ProducerRates>,
}

/// How fast a producer's counts grow.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProducerRates {
    pub(crate) frames_published_per_s: f64,
    pub(crate) acquire_waits_per_s: f64,
    /// Which part of the time it waited, from 0 to 1.
    pub(crate) waiting_share: f64,
    pub(crate) frames_taken_back_per_s: f64,
    pub(crate) wakes_per_s: f64,
}

/// A consumer of a stream.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Consumer {
    pub(crate) slot: u32,
    pub(crate) incarnation: u64,
    pub(crate) label: String,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    /// The frames it may have queued and held together.
    pub(crate) depth: u32,
    pub(crate) policy: Policy,
    pub(crate) statistics: Option<ConsumerStatistics>,
}

/// What a consumer counts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConsumerStatistics {
    pub(crate) frames_received: u64,
    /// Frames passed over because newer ones were there.
    pub(crate) frames_skipped: u64,
    /// Frames published that it has neither received nor passed over.
    pub(crate) frames_queued: u64,
    /// Times it had to wait for a frame.
    pub(crate) receive_waits: u64,
    /// How long it has waited in all.
    pub(crate) receive_waited_ns: u64,
    /// Whether the producer waits now, and for this consumer.
    pub(crate) blocks_producer: bool,
    /// The frames it holds.
    pub(crate) held: Vec<Held>,
    /// From publication to receipt.
    pub(crate) latency: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rates: Option<ConsumerRates>,
}

/// How fast a consumer's counts grow.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConsumerRates {
    pub(crate) frames_received_per_s: f64,
    pub(crate) frames_skipped_per_s: f64,
    pub(crate) receive_waits_per_s: f64,
}

/// A frame that a consumer holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Held {
    pub(crate) buffer: usize,
    pub(crate) frame: u64,
    pub(crate) held_ns: u64,
}

/// How long frames took: of all counted, or of those of the interval. None where there were none.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) frames: u64,
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) p99_9_ns: Option<u64>,
}

/// Two moments of the same thing.
struct Span<'a, T> {
    now: &'a T,
    now_ns: u64,
    /// What it was before, and when. None if it was not there yet, or nobody looked.
    earlier: Option<(&'a T, u64)>,
}

impl Stream {
    pub(super) fn new(state: &StreamState) -> Self {
        Self {
            stream: state.stream.0,
            name: state.name.clone(),
            producer: state.producer.0,
            uid: state.uid,
            set: state.set.0,
            max_consumers: state.max_consumers,
            rotation_due: state.rotation_due,
            statistics: None,
            consumers: state.members.iter().map(Consumer::new).collect(),
        }
    }

    /// Adds what the stream says of itself.
    pub(super) fn add_statistics(&mut self, now: &Sample, earlier: Option<&Sample>) {
        let id = wharf_protocol::StreamId(self.stream);
        let Some(look) = now.streams.get(&id) else {
            return;
        };
        let before = earlier.and_then(|earlier| Some((earlier.streams.get(&id)?, earlier.taken_ns)));
        let mut all = Histogram::default();
        for consumer in &mut self.consumers {
            let incarnation = wharf_protocol::Incarnation(consumer.incarnation);
            let Some(its) = look.consumers.get(&incarnation) else {
                continue;
            };
            let before = before.and_then(|(look, ns)| Some((look.consumers.get(&incarnation)?, ns)));
            let span = Span {
                now: its,
                now_ns: now.taken_ns,
                earlier: before,
            };
            all = all.plus(&span.latency());
            // CAST: a u32 fits any usize of Linux.
            let blocks = look.producer.is_blocked_by(consumer.slot as usize);
            consumer.statistics = Some(span.consumer(blocks, earlier.is_some()));
        }
        let before = before.map(|(look, ns): (&StreamLook, u64)| (&look.producer, ns));
        let span = Span {
            now: &look.producer,
            now_ns: now.taken_ns,
            earlier: before,
        };
        self.statistics = Some(span.producer(&all, earlier.is_some()));
    }
}

impl Consumer {
    fn new(member: &Member) -> Self {
        Self {
            slot: member.slot.0,
            incarnation: member.incarnation.0,
            label: member.label.clone(),
            pid: member.pid,
            uid: member.uid,
            depth: member.depth,
            policy: member.policy,
            statistics: None,
        }
    }

    /// Whether the producer waits now, and for this consumer.
    pub(crate) fn blocks_producer(&self) -> bool {
        self.statistics.as_ref().is_some_and(|its| its.blocks_producer)
    }
}

impl<T> Span<'_, T> {
    /// How much a count grew in a second. It did not if it went back, as only nonsense does.
    fn per_s(&self, count: impl Fn(&T) -> u64) -> f64 {
        let Some((earlier, earlier_ns)) = self.earlier else {
            return 0.0;
        };
        let grown = count(self.now).saturating_sub(count(earlier));
        let elapsed_ns = self.now_ns.saturating_sub(earlier_ns).max(1);
        // CAST: rates are shown with three digits, of which a double has fifteen.
        grown as f64 * NS_PER_S / elapsed_ns as f64
    }
}

impl Span<'_, ProducerLook> {
    fn producer(&self, latency: &Histogram, with_rates: bool) -> ProducerStatistics {
        let look = self.now;
        let rates = || ProducerRates {
            frames_published_per_s: self.per_s(|look| look.published),
            acquire_waits_per_s: self.per_s(|look| look.waits),
            waiting_share: self.waiting_share(),
            frames_taken_back_per_s: self.per_s(|look| look.taken_back),
            wakes_per_s: self.per_s(|look| look.wakes),
        };
        ProducerStatistics {
            frames_published: look.published,
            acquire_waits: look.waits,
            acquire_waited_ns: look.waited_ns,
            waiting_ns: look
                .waiting_since_ns
                .map(|since_ns| self.now_ns.saturating_sub(since_ns)),
            acquire_failures: look.failures,
            frames_taken_back: look.taken_back,
            wakes: look.wakes,
            latency: Latency::new(latency),
            rates: with_rates.then(rates),
        }
    }

    fn waiting_share(&self) -> f64 {
        let Some((earlier, earlier_ns)) = self.earlier else {
            return 0.0;
        };
        let waited = waited_until(self.now, self.now_ns).saturating_sub(waited_until(earlier, earlier_ns));
        let elapsed = self.now_ns.saturating_sub(earlier_ns).max(1);
        // CAST: as in `per_s`.
        (waited as f64 / elapsed as f64).min(1.0)
    }
}

/// How long a producer has waited in all up to a moment, the wait under way included.
fn waited_until(look: &ProducerLook, now_ns: u64) -> u64 {
    let running = look
        .waiting_since_ns
        .map_or(0, |since| now_ns.saturating_sub(since));
    look.waited_ns.saturating_add(running)
}

impl Span<'_, ConsumerLook> {
    fn latency(&self) -> Histogram {
        match self.earlier {
            Some((earlier, _)) => self.now.latency.since(&earlier.latency),
            None => self.now.latency.clone(),
        }
    }

    fn consumer(&self, blocks_producer: bool, with_rates: bool) -> ConsumerStatistics {
        let look = self.now;
        let rates = || ConsumerRates {
            frames_received_per_s: self.per_s(ConsumerLook::received),
            frames_skipped_per_s: self.per_s(|look| look.skipped),
            receive_waits_per_s: self.per_s(|look| look.waits),
        };
        let held = |hold: &Hold| Held {
            buffer: hold.buffer,
            frame: hold.seq,
            held_ns: self.now_ns.saturating_sub(hold.since_ns),
        };
        ConsumerStatistics {
            frames_received: look.received(),
            frames_skipped: look.skipped,
            frames_queued: look.queued,
            receive_waits: look.waits,
            receive_waited_ns: look.waited_ns,
            blocks_producer,
            held: look.holds.iter().map(held).collect(),
            latency: Latency::new(&self.latency()),
            rates: with_rates.then(rates),
        }
    }
}

impl Latency {
    fn new(histogram: &Histogram) -> Self {
        Self {
            frames: histogram.count(),
            p50_ns: histogram.quantile_ns(Quantile::P50),
            p99_ns: histogram.quantile_ns(Quantile::P99),
            p99_9_ns: histogram.quantile_ns(Quantile::P999),
        }
    }
}
