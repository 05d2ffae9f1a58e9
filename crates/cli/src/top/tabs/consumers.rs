//! Consumers of streams.

use super::super::table::{Cell, Column, Row, Subject, numbers, words};
use super::{duration, part, quantile, rate};
use crate::document::{Consumer, Document, Held, Stream};

pub(super) const COLUMNS: &[Column] = &[
    words("CONSUMER"),
    words("STREAM"),
    numbers("PID"),
    words("POLICY"),
    numbers("FRAMES/S"),
    numbers("P50"),
    numbers("P99"),
    numbers("P99.9"),
    numbers("QUEUED"),
    numbers("HELD"),
    numbers("HELD FOR"),
    numbers("SKIPPED/S"),
    numbers("WAITS/S"),
    words("BLOCKS"),
];

pub(super) fn rows(document: &Document) -> Vec<Row> {
    let streams = document.streams.iter();
    let rows = |stream: &Stream| {
        let consumers = stream.consumers.iter();
        consumers
            .map(|consumer| row(stream, consumer))
            .collect::<Vec<_>>()
    };
    streams.flat_map(rows).collect()
}

fn row(stream: &Stream, consumer: &Consumer) -> Row {
    let statistics = consumer.statistics.as_ref();
    let rates = statistics.and_then(|statistics| statistics.rates.as_ref());
    let latency = statistics.map(|statistics| &statistics.latency);
    let held = statistics
        .map(|statistics| statistics.held.as_slice())
        .unwrap_or_default();
    let blocks = consumer.blocks_producer();
    let queued = statistics.map(|statistics| statistics.frames_queued);
    let cells = vec![
        Cell::words(&consumer.label),
        Cell::words(format!("{} {}", stream.stream, stream.name)),
        Cell::count(consumer.pid),
        Cell::words(consumer.policy.to_string()),
        rate(rates.map(|rates| rates.frames_received_per_s)),
        quantile(latency, |latency| latency.p50_ns),
        quantile(latency, |latency| latency.p99_ns),
        quantile(latency, |latency| latency.p99_9_ns),
        queued.map_or_else(Cell::unknown, Cell::count),
        part(held.len() as u64, consumer.depth),
        duration(longest(held)),
        rate(rates.map(|rates| rates.frames_skipped_per_s)),
        rate(rates.map(|rates| rates.receive_waits_per_s)),
        Cell::words(if blocks { "producer" } else { "" }),
    ];
    Row {
        subject: Subject::Consumer(stream.stream, consumer.incarnation),
        cells,
        is_alarming: blocks,
    }
}

/// How long it has had the frame that it has had for longest.
fn longest(held: &[Held]) -> Option<u64> {
    held.iter().map(|held| held.held_ns).max()
}
