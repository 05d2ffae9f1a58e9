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
const SET_UP: &[Column] = &[
    column("first frame ms", "first_frame_ms", 3),
    column("PSS added KiB producer", "producer_pss_kib", 0),
    column("consumer", "consumer_pss_kib", 0),
    column("fds producer", "producer_fds", 0),
    column("consumer", "consumer_fds", 0),
    column("threads producer", "producer_threads", 0),
    column("consumer", "consumer_threads", 0),
];
const CALLS: &[Column] = &[
    column("calls/frame producer", "producer_calls", 2),
    column("calls/frame consumer", "consumer_calls", 2),
];

pub(super) fn tables() -> Vec<Table> {
    let table = |id, title, columns, rows| Table {
        id,
        title,
        columns,
        rows,
    };
    vec![
        table(
            "rtt-4k",
            "Round trip, 4 KiB, header only",
            ROUND_TRIP,
            round_trips(SMALL),
        ),
        table(
            "rtt-1080p",
            "Round trip, 1080p RGBA (8.3 MB), header only",
            ROUND_TRIP,
            round_trips(FULL_HD),
        ),
        table(
            "rtt-uhd",
            "Round trip, 4K NV12 (12.4 MB), header only",
            ROUND_TRIP,
            round_trips(UHD),
        ),
        table("flood-4k", "Flood, 4 KiB, header only", FLOOD, floods(SMALL)),
        table(
            "flood-1080p",
            "Flood, 1080p RGBA, header only",
            FLOOD,
            floods(FULL_HD),
        ),
        table(
            "flood-full",
            "Flood, 1080p RGBA, every byte written and read",
            FLOOD,
            full_floods(),
        ),
        table(
            "1khz",
            "1 kHz, 1080p RGBA, header only",
            PACED,
            rows(&ALL, |peer| paced(peer, 700).every(MILLISECOND)),
        ),
        table(
            "1khz-full",
            "1 kHz, 1080p RGBA, every byte written and read, pool of 16",
            PACED,
            pools(),
        ),
        table(
            "60fps-full",
            "60 frames/s, 1080p RGBA, every byte written and read",
            PACED,
            rows(&ALL, video),
        ),
        table(
            "rtt-4k-loaded",
            "Round trip, 4 KiB, header only, a hog on each processor",
            ROUND_TRIP,
            loaded(&round_trips(SMALL)),
        ),
        table(
            "1khz-loaded",
            "1 kHz, 1080p RGBA, header only, a hog on each processor",
            PACED,
            rows(&ALL, |peer| paced(peer, 700).every(MILLISECOND).loaded()),
        ),
        table(
            "60fps-full-loaded",
            "60 frames/s, 1080p RGBA, every byte written and read, a hog on each processor",
            PACED,
            rows(&ALL, |peer| video(peer).loaded()),
        ),
        table(
            "set-up",
            "Connect, allocate 4 buffers of 1080p RGBA, first frame; and what the processes then have",
            SET_UP,
            rows(&ALL, |peer| Row::new(peer, Exercise::SetUp, FULL_HD, 200)),
        ),
        table(
            "calls",
            "System calls a frame at 1 kHz, 4 KiB, header only",
            CALLS,
            rows(&ALL, calls),
        ),
    ]
}

fn round_trips(frame_bytes: usize) -> Vec<Row> {
    let mut peers = vec![Peer::PingPong, Peer::Futex];
    peers.extend(ALL);
    rows(&peers, |peer| {
        Row::new(peer, Exercise::RoundTrip, frame_bytes, 350)
    })
}

fn loaded(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| row.clone().loaded()).collect()
}

fn floods(frame_bytes: usize) -> Vec<Row> {
    rows(&ALL, |peer| Row::new(peer, Exercise::Flood, frame_bytes, 350))
}

/// With 4 buffers, and with as few as still let both sides work at once.
fn full_floods() -> Vec<Row> {
    let flood = |peer| Row::new(peer, Exercise::Flood, FULL_HD, 500).full();
    let mut rows = rows(&ALL, flood);
    for peer in [Peer::RingPoll, Peer::RingAdaptive, Peer::RingSleep] {
        rows.push(flood(peer).buffers(2).suffix(", 2 buffers"));
    }
    for peer in [Peer::WharfPoll, Peer::WharfSleep] {
        let mut row = flood(peer).suffix(", 2 in flight");
        row.terms.depth = 2;
        rows.push(row);
    }
    rows
}

fn paced(peer: Peer, turn_ms: u64) -> Row {
    Row::new(peer, Exercise::Paced, FULL_HD, turn_ms)
}

fn video(peer: Peer) -> Row {
    paced(peer, 1200).every(SIXTIETH).full()
}

/// Pools that are larger than what is under way; two buffers are as good as it gets.
fn pools() -> Vec<Row> {
    let row = |peer| paced(peer, 700).every(MILLISECOND).full().buffers(LARGE_POOL);
    let mut rows = rows(&ALL[..8], row);
    for peer in [Peer::RingPoll, Peer::RingAdaptive, Peer::RingSleep] {
        rows.push(row(peer).buffers(2).suffix(", 2 buffers"));
    }
    rows
}

fn calls(peer: Peer) -> Row {
    Row::new(peer, Exercise::SystemCalls, SMALL, 300).every(MILLISECOND)
}
