//! One producer, one consumer, each on a processor of its own.

use super::{ALL, Column, FULL_HD, Row, SMALL, Table, UHD, column, rows};
use crate::peers::Peer;
use crate::terms::Exercise;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);
/// A frame of 60 a second.
const SIXTIETH: Duration = Duration::from_nanos(16_666_667);
/// Buffers where it matters which of them is used next.
const LARGE_POOL: u32 = 16;

const ROUND_TRIP: &[Column] = &[
    column("µs each", "each_us", 2),
    column("p50", "p50_us", 2),
    column("p99", "p99_us", 2),
    column("p99.9", "p999_us", 2),
    column("CPU µs producer", "producer_cpu_us", 2),
    column("CPU µs consumer", "consumer_cpu_us", 2),
];
const FLOOD: &[Column] = &[
    column("frames/s", "frames_per_s", 0),
    column("CPU µs/frame producer", "producer_cpu_us", 2),
    column("CPU µs/frame consumer", "consumer_cpu_us", 2),
];
const PACED: &[Column] = &[
    column("latency µs p50", "p50_us", 1),
    column("p99", "p99_us", 1),
    column("p99.9", "p999_us", 1),
    column("CPU µs/frame producer", "producer_cpu_us", 1),
    column("CPU µs/frame consumer", "consumer_cpu_us", 1),
    column("CPU µs/frame both", "both_cpu_us", 1),
];
pub(super) fn tables() -> Vec<Table> {
    let mut tables = round_trip_tables();
    tables.extend(flood_tables());
    tables.extend(paced_tables());
    tables
}

fn round_trip_tables() -> Vec<Table> {
    [
        ("rtt-4k", "Round trip, 4 KiB, header only", round_trips(SMALL)),
        (
            "rtt-1080p",
            "Round trip, 1080p RGBA (8.3 MB), header only",
            round_trips(FULL_HD),
        ),
        (
            "rtt-uhd",
            "Round trip, 4K NV12 (12.4 MB), header only",
            round_trips(UHD),
        ),
        (
            "rtt-4k-loaded",
            "Round trip, 4 KiB, header only, a hog on each processor",
            loaded(round_trips(SMALL)),
        ),
    ]
    .map(|(id, title, rows)| Table::new(id, title, ROUND_TRIP, rows))
    .into()
}

fn flood_tables() -> Vec<Table> {
    [
        ("flood-4k", "Flood, 4 KiB, header only", floods(SMALL)),
        ("flood-1080p", "Flood, 1080p RGBA, header only", floods(FULL_HD)),
        (
            "flood-full",
            "Flood, 1080p RGBA, every byte written and read",
            full_floods(),
        ),
    ]
    .map(|(id, title, rows)| Table::new(id, title, FLOOD, rows))
    .into()
}

fn paced_tables() -> Vec<Table> {
    let headers = || rows(&ALL, |peer| paced(peer, 700).every(MILLISECOND));
    let videos = || rows(&ALL, |peer| paced(peer, 1000).every(SIXTIETH).full());
    [
        ("1khz", "1 kHz, 1080p RGBA, header only", headers()),
        (
            "1khz-full",
            "1 kHz, 1080p RGBA, every byte written and read, pool of 16",
            pools(),
        ),
        (
            "60fps-full",
            "60 frames/s, 1080p RGBA, every byte written and read",
            videos(),
        ),
        (
            "1khz-loaded",
            "1 kHz, 1080p RGBA, header only, a hog on each processor",
            loaded(headers()),
        ),
        (
            "60fps-full-loaded",
            "60 frames/s, 1080p RGBA, every byte written and read, a hog on each processor",
            loaded(videos()),
        ),
    ]
    .map(|(id, title, rows)| Table::new(id, title, PACED, rows))
    .into()
}

fn round_trips(frame_bytes: usize) -> Vec<Row> {
    let mut peers = vec![Peer::PingPong, Peer::Futex];
    peers.extend(ALL);
    rows(&peers, |peer| {
        Row::new(peer, Exercise::RoundTrip, frame_bytes, 300)
    })
}

fn loaded(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.terms.loaded = true;
    }
    rows
}

fn floods(frame_bytes: usize) -> Vec<Row> {
    rows(&ALL, |peer| Row::new(peer, Exercise::Flood, frame_bytes, 300))
}

/// With 4 buffers, and with as few as still let both sides work at once.
fn full_floods() -> Vec<Row> {
    let flood = |peer| Row::new(peer, Exercise::Flood, FULL_HD, 500).full();
    let mut rows = rows(&ALL, flood);
    for peer in [Peer::RingPoll, Peer::RingAdaptive, Peer::RingSleep] {
        rows.push(flood(peer).buffers(2).suffix(", 2 buffers"));
    }
    for peer in [Peer::WharfPoll, Peer::WharfAdaptive, Peer::WharfSleep] {
        let mut row = flood(peer).suffix(", 2 in flight");
        row.terms.in_flight = Some(2);
        rows.push(row);
    }
    rows
}

fn paced(peer: Peer, turn_ms: u64) -> Row {
    Row::new(peer, Exercise::Paced, FULL_HD, turn_ms)
}

/// Pools that are larger than what is under way; two buffers are as good as it gets.
fn pools() -> Vec<Row> {
    let row = |peer| paced(peer, 700).every(MILLISECOND).full().buffers(LARGE_POOL);
    let mut rows = rows(&ALL[..9], row);
    for peer in [Peer::RingPoll, Peer::RingAdaptive, Peer::RingSleep] {
        rows.push(row(peer).buffers(2).suffix(", 2 buffers"));
    }
    rows
}
