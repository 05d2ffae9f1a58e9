//! What the design promises (DESIGN.md, section 5), and the targets set from the peers' figures.

use crate::Outcome;
use crate::peers::Peer;
use crate::plan::Table;

/// What a figure is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Against {
    /// The same figure of another line: table and label.
    Line(&'static str, &'static str),
    /// Nothing: in this unit.
    Absolute(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) what: &'static str,
    /// Table and label.
    pub(crate) ours: (&'static str, &'static str),
    pub(crate) figure: &'static str,
    pub(crate) against: Against,
    pub(crate) bound: Bound,
}

const ROUND_TRIPS: [&str; 3] = ["rtt-4k", "rtt-1080p", "rtt-uhd"];
const EACH: &str = "each_us";
const RATE: &str = "frames_per_s";
const CPU: &str = "both_cpu_us";

pub(crate) fn all() -> Vec<Budget> {
    let mut budgets = Vec::new();
    for table in ROUND_TRIPS {
        budgets.extend(round_trip(table));
    }
    budgets.extend(size_independence());
    budgets.extend(throughput());
    budgets.extend(pace());
    budgets.extend(rest());
    budgets
}

/// Refuses budgets of lines that no table has.
pub(crate) fn check(tables: &[Table]) -> Outcome<()> {
    let known = |id: &str, label: &str| {
        let mut table = tables.iter().filter(|table| table.id == id);
        table.any(|table| table.rows.iter().any(|row| row.label == label))
    };
    for budget in all() {
        let mut lines = vec![budget.ours];
        if let Against::Line(id, label) = budget.against {
            lines.push((id, label));
        }
        if let Some((id, label)) = lines.into_iter().find(|(id, label)| !known(id, label)) {
            return Err(format!("{}: no line {label:?} in table {id:?}", budget.what).into());
        }
    }
    Ok(())
}

fn ratio(
    what: &'static str,
    figure: &'static str,
    ours: (&'static str, Peer),
    theirs: (&'static str, Peer),
    bound: Bound,
) -> Budget {
    Budget {
        what,
        ours: (ours.0, ours.1.name()),
        figure,
        against: Against::Line(theirs.0, theirs.1.name()),
        bound,
    }
}

fn absolute(
    what: &'static str,
    figure: &'static str,
    ours: (&'static str, Peer),
    unit: &'static str,
    limit: f64,
) -> Budget {
    Budget {
        what,
        ours: (ours.0, ours.1.name()),
        figure,
        against: Against::Absolute(unit),
        bound: Bound::AtMost(limit),
    }
}

fn round_trip(table: &'static str) -> [Budget; 5] {
    let ratio =
        |what, ours, theirs, limit| ratio(what, EACH, (table, ours), (table, theirs), Bound::AtMost(limit));
    [
        ratio("round trip, polling", Peer::WharfPoll, Peer::PingPong, 1.25),
        ratio("round trip, adaptive", Peer::WharfAdaptive, Peer::WharfPoll, 1.1),
        ratio("round trip, blocking", Peer::WharfSleep, Peer::Futex, 1.1),
        ratio("round trip, polling", Peer::WharfPoll, Peer::IceoryxPoll, 1.0),
        ratio("round trip, blocking", Peer::WharfSleep, Peer::IceoryxEvent, 1.0),
    ]
}

fn size_independence() -> [Budget; 3] {
    [Peer::WharfPoll, Peer::WharfAdaptive, Peer::WharfSleep].map(|peer| {
        let (large, small) = (("rtt-uhd", peer), ("rtt-4k", peer));
        ratio("12.4 MB against 4 KiB", EACH, large, small, Bound::AtMost(1.1))
    })
}

fn throughput() -> Vec<Budget> {
    let ratio = |what, table, ours, theirs, limit| {
        ratio(what, RATE, (table, ours), (table, theirs), Bound::AtLeast(limit))
    };
    let full = "every byte, 4 buffers";
    vec![
        ratio(
            "flood, nobody sleeps",
            "flood-4k",
            Peer::WharfPoll,
            Peer::RingPoll,
            0.75,
        ),
        ratio(
            "flood, nobody sleeps",
            "flood-4k",
            Peer::WharfPoll,
            Peer::IceoryxPoll,
            1.0,
        ),
        ratio(full, "flood-full", Peer::WharfPoll, Peer::RingPoll, 1.0),
        ratio(full, "flood-full", Peer::WharfSleep, Peer::RingSleep, 1.0),
        ratio(full, "flood-full", Peer::WharfPoll, Peer::IceoryxPoll, 1.0),
        Budget {
            what: "every byte, 2 in flight",
            ours: ("flood-full", "**wharf, polling**, 2 in flight"),
            figure: RATE,
            against: Against::Line("flood-full", "raw ring, polling (floor), 2 buffers"),
            bound: Bound::AtLeast(1.0),
        },
    ]
}

fn pace() -> [Budget; 5] {
    [
        absolute(
            "1 kHz, adaptive: CPU of the consumer",
            "consumer_cpu_us",
            ("1khz", Peer::WharfAdaptive),
            "µs a frame",
            31.0,
        ),
        ratio(
            "the same",
            "consumer_cpu_us",
            ("1khz", Peer::WharfAdaptive),
            ("1khz", Peer::RingAdaptive),
            Bound::AtMost(1.0),
        ),
        Budget {
            what: "1 kHz, every byte, pool of 16: CPU of both",
            ours: ("1khz-full", Peer::WharfSleep.name()),
            figure: CPU,
            against: Against::Line("1khz-full", "raw ring, futex (floor), 2 buffers"),
            bound: Bound::AtMost(1.1),
        },
        absolute(
            "the same",
            CPU,
            ("1khz-full", Peer::WharfSleep),
            "µs a frame",
            220.0,
        ),
        // 3.3 % of a processor.
        absolute(
            "60 frames/s, every byte: CPU of both",
            CPU,
            ("60fps-full", Peer::WharfSleep),
            "µs a frame",
            550.0,
        ),
    ]
}

fn rest() -> Vec<Budget> {
    let wharf = Peer::WharfPoll;
    vec![
        absolute(
            "connect, allocate, first frame",
            "first_frame_ms",
            ("set-up", Peer::WharfSleep),
            "ms",
            1.0,
        ),
        ratio(
            "publish to 8",
            "publish_ns",
            ("publish-8", wharf),
            ("publish-1", wharf),
            Bound::AtMost(2.0),
        ),
        calls("producer_calls"),
        calls("consumer_calls"),
    ]
}

/// None for a frame; those that look ten times a second whether the other side lives are no frame's.
fn calls(figure: &'static str) -> Budget {
    Budget {
        what: "system calls, nobody sleeps",
        ours: ("calls", "**wharf, polling**, flooding"),
        figure,
        against: Against::Absolute("a frame"),
        bound: Bound::AtMost(0.001),
    }
}
