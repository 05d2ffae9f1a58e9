//! Streams.

use super::super::table::{Cell, Column, Row, Subject, numbers, words};
use super::super::units::percent;
use super::{part, quantile, rate};
use crate::document::{Consumer, Document, Stream};

pub(super) const COLUMNS: &[Column] = &[
    numbers("STREAM"),
    words("NAME"),
    words("PRODUCER"),
    numbers("FRAMES/S"),
    numbers("P50"),
    numbers("P99"),
    numbers("QUEUED"),
    numbers("HELD"),
    numbers("SKIPPED/S"),
    numbers("WAITING"),
    numbers("CONSUMERS"),
    words("BLOCKED BY"),
    numbers("SET"),
];

/// How long a producer may wait before it is shown as something wrong.
const ALARMING_WAIT_NS: u64 = 100_000_000;

pub(super) fn rows(document: &Document) -> Vec<Row> {
    document
        .streams
        .iter()
        .map(|stream| row(document, stream))
        .collect()
}

fn row(document: &Document, stream: &Stream) -> Row {
    let statistics = stream.statistics.as_ref();
    let rates = statistics.and_then(|statistics| statistics.rates.as_ref());
    let latency = statistics.map(|statistics| &statistics.latency);
    let waiting_ns = statistics.and_then(|statistics| statistics.waiting_ns);
    let consumers = stream.consumers.len() as u64;
    let cells = vec![
        Cell::count(stream.stream),
        Cell::words(&stream.name),
        Cell::words(document.label(stream.producer).unwrap_or("-")),
        rate(rates.map(|rates| rates.frames_published_per_s)),
        quantile(latency, |latency| latency.p50_ns),
        quantile(latency, |latency| latency.p99_ns),
        fullest_queue(&stream.consumers),
        held(&stream.consumers),
        rate(rates.map(|_| skipped_per_s(&stream.consumers))),
        rates.map_or_else(Cell::unknown, |rates| {
            Cell::ranked(percent(rates.waiting_share), rates.waiting_share)
        }),
        part(consumers, stream.max_consumers),
        Cell::words(blockers(&stream.consumers)),
        Cell::count(stream.set),
    ];
    Row {
        subject: Subject::Stream(stream.stream),
        cells,
        is_alarming: waiting_ns.is_some_and(|ns| ns >= ALARMING_WAIT_NS),
    }
}

/// The queue of the consumer that has most in it.
fn fullest_queue(consumers: &[Consumer]) -> Cell {
    let queued = |consumer: &Consumer| Some(consumer.statistics.as_ref()?.frames_queued);
    consumers
        .iter()
        .filter_map(queued)
        .max()
        .map_or_else(Cell::unknown, Cell::count)
}

/// The frames that consumers hold, each counted for everybody who holds it.
fn held(consumers: &[Consumer]) -> Cell {
    let held = |consumer: &Consumer| Some(consumer.statistics.as_ref()?.held.len() as u64);
    Cell::count(consumers.iter().filter_map(held).sum::<u64>())
}

fn skipped_per_s(consumers: &[Consumer]) -> f64 {
    let skipped =
        |consumer: &Consumer| Some(consumer.statistics.as_ref()?.rates.as_ref()?.frames_skipped_per_s);
    consumers.iter().filter_map(skipped).sum()
}

/// Who is in the producer's way.
fn blockers(consumers: &[Consumer]) -> String {
    let blockers = consumers.iter().filter(|consumer| consumer.blocks_producer());
    let labels: Vec<&str> = blockers.map(|consumer| consumer.label.as_str()).collect();
    labels.join(", ")
}
