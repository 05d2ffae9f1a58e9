//! What there is to pay beside time: to get going, in memory, and in system calls.

use super::{ALL, Column, FULL_HD, Row, SMALL, Table, column, rows};
use crate::peers::Peer;
use crate::terms::Exercise;
use std::time::Duration;

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
    column("calls/frame producer", "producer_calls", 4),
    column("calls/frame consumer", "consumer_calls", 4),
];

pub(super) fn tables() -> Vec<Table> {
    let set_up = rows(&ALL, |peer| Row::new(peer, Exercise::SetUp, FULL_HD, 200));
    let title = "Connect, allocate 4 buffers of 1080p RGBA, first frame; and what the processes then have";
    vec![
        Table::new("set-up", title, SET_UP, set_up),
        Table::new(
            "calls",
            "System calls a frame, 4 KiB, header only",
            CALLS,
            calls(),
        ),
    ]
}

/// Paced, so that who sleeps between frames does; and of those who poll as fast as it goes, so that nobody waits for long.
fn calls() -> Vec<Row> {
    let row = |peer| Row::new(peer, Exercise::SystemCalls, SMALL, 300);
    let mut rows = rows(&ALL, |peer| {
        row(peer).every(Duration::from_millis(1)).suffix(", 1 kHz")
    });
    for peer in [Peer::RingPoll, Peer::WharfPoll, Peer::IceoryxPoll] {
        rows.push(row(peer).suffix(", flooding"));
    }
    rows
}
