//! One producer, several consumers, wherever the scheduler puts them. Who polls lets others run between two looks.

use super::{ALL, Column, Row, SMALL, Table, column, rows};
use crate::peers::Peer;
use crate::terms::Exercise;
use std::time::Duration;

/// Most frames under way to one consumer.
const DEPTH: u32 = 4;

const PUBLISH: &[Column] = &[column("ns/frame", "publish_ns", 0)];
const FLOOD: &[Column] = &[
    column("frames/s", "frames_per_s", 0),
    column("CPU µs/frame producer", "producer_cpu_us", 2),
    column("CPU µs/frame each consumer", "consumer_cpu_us", 2),
];
const PACED: &[Column] = &[
    column("latency µs p50", "p50_us", 1),
    column("p99", "p99_us", 1),
    column("p99.9", "p999_us", 1),
    column("CPU µs/frame producer", "producer_cpu_us", 1),
    column("CPU µs/frame each consumer", "consumer_cpu_us", 1),
];

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table::new(
            "publish-1",
            "Publish to 1 consumer that neither sleeps nor looks, 4 KiB",
            PUBLISH,
            publish(1),
        ),
        Table::new(
            "publish-3",
            "Publish to 3 consumers that neither sleep nor look, 4 KiB",
            PUBLISH,
            publish(3),
        ),
        Table::new(
            "publish-8",
            "Publish to 8 consumers that neither sleep nor look, 4 KiB",
            PUBLISH,
            publish(8),
        ),
        Table::new(
            "flood-to-3",
            "Flood 1→3, 4 KiB, header only",
            FLOOD,
            rows(&ALL, |peer| flood(peer, 3)),
        ),
        Table::new(
            "flood-to-8",
            "Flood 1→8, 4 KiB, header only",
            FLOOD,
            rows(&ALL, |peer| flood(peer, 8)),
        ),
        Table::new(
            "1khz-to-3",
            "1 kHz 1→3, 4 KiB, header only",
            PACED,
            rows(&ALL, |peer| paced(peer, 3)),
        ),
        Table::new(
            "1khz-to-8",
            "1 kHz 1→8, 4 KiB, header only",
            PACED,
            rows(&ALL, |peer| paced(peer, 8)),
        ),
    ]
}

fn row(peer: Peer, exercise: Exercise, consumers: u32, turn_ms: u64) -> Row {
    let mut row = Row::new(peer, exercise, SMALL, turn_ms);
    row.terms.consumers = consumers;
    row.terms.depth = DEPTH;
    if peer.is_wharf() {
        // Each consumer has its share set aside.
        row.terms.buffers = DEPTH * consumers + 1;
    }
    row
}

fn publish(consumers: u32) -> Vec<Row> {
    rows(&[Peer::RingPoll, Peer::WharfPoll, Peer::IceoryxPoll], |peer| {
        row(peer, Exercise::Publish, consumers, 200)
    })
}

fn flood(peer: Peer, consumers: u32) -> Row {
    row(peer, Exercise::Flood, consumers, 400)
}

fn paced(peer: Peer, consumers: u32) -> Row {
    row(peer, Exercise::Paced, consumers, 500).every(Duration::from_millis(1))
}
