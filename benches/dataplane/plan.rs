//! Which runs there are, and the tables that their figures go into.

use crate::frame::Content;
use crate::peers::Peer;
use crate::terms::{Exercise, Terms};
use std::time::Duration;

mod costs;
mod fan_out;
mod one_to_one;

/// Bytes of frames.
const SMALL: usize = 4096;
const FULL_HD: usize = 1920 * 1080 * 4;
const UHD: usize = 3840 * 2160 * 3 / 2;

/// Buffers of a stream unless a table says otherwise.
const BUFFERS: u32 = 4;

/// A figure of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) figure: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
}

/// A line of a table: who, and on which terms.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) terms: Terms,
}

#[derive(Debug)]
pub(crate) struct Table {
    /// To be chosen by, and to find figures for ratios by.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) rows: Vec<Row>,
}

impl Table {
    fn new(id: &'static str, title: &'static str, columns: &'static [Column], rows: Vec<Row>) -> Self {
        Self {
            id,
            title,
            columns,
            rows,
        }
    }
}

/// All tables; with turns of a third of their length if it is to be quick.
pub(crate) fn tables(quick: bool) -> Vec<Table> {
    let mut tables = one_to_one::tables();
    tables.extend(fan_out::tables());
    tables.extend(costs::tables());
    if quick {
        for row in tables.iter_mut().flat_map(|table| &mut table.rows) {
            row.terms.turn /= 3;
        }
    }
    tables
}

const fn column(title: &'static str, figure: &'static str, digits: usize) -> Column {
    Column {
        title,
        figure,
        digits,
    }
}

/// Everybody who can carry frames one way.
const ALL: [Peer; 11] = [
    Peer::RingPoll,
    Peer::RingAdaptive,
    Peer::RingSleep,
    Peer::RingEventfd,
    Peer::WharfPoll,
    Peer::WharfAdaptive,
    Peer::WharfSleep,
    Peer::IceoryxPoll,
    Peer::IceoryxEvent,
    Peer::Rights,
    Peer::Socket,
];

impl Row {
    fn new(peer: Peer, exercise: Exercise, frame_bytes: usize, turn_ms: u64) -> Self {
        let mut row = Self {
            label: peer.name().to_owned(),
            terms: Terms {
                peer,
                exercise,
                content: Content::Header,
                frame_bytes,
                buffers: 0,
                depth: 0,
                in_flight: None,
                consumers: 1,
                period: Duration::ZERO,
                turn: Duration::from_millis(turn_ms),
                loaded: false,
            },
        };
        row.set_buffers(BUFFERS);
        row
    }

    /// So many buffers, and as many frames under way as that allows: Wharf's producer always has one for itself.
    fn set_buffers(&mut self, buffers: u32) {
        self.terms.buffers = buffers;
        self.terms.depth = buffers - u32::from(self.terms.peer.is_wharf());
    }

    fn buffers(mut self, buffers: u32) -> Self {
        self.set_buffers(buffers);
        self
    }

    fn full(mut self) -> Self {
        self.terms.content = Content::Full;
        self
    }

    fn every(mut self, period: Duration) -> Self {
        self.terms.period = period;
        self
    }

    fn suffix(mut self, suffix: &str) -> Self {
        self.label.push_str(suffix);
        self
    }
}

fn rows(peers: &[Peer], row: impl Fn(Peer) -> Row) -> Vec<Row> {
    peers.iter().map(|peer| row(*peer)).collect()
}
