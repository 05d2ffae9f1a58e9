//! The tables there are. Each has a file that says what its columns are and makes rows of a document.

mod consumers;
mod sessions;
mod sets;
mod streams;
mod timelines;
mod users;

use clap::ValueEnum;

use super::table::{Cell, Column, Order, Table};
use super::units;
use crate::document::{Document, Latency};
use crate::info::memory;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tab {
    /// Streams: frames per second, latency, queues, who is in the way
    Streams,
    /// Consumers of streams: frames per second, latency, what they hold
    Consumers,
    /// Sessions: who is connected, and what each has
    Sessions,
    /// Buffer sets: memory, heaps, moves
    Sets,
    /// Timelines: who signals each, and how many imported it
    Timelines,
    /// Users: memory and everything else against the quota
    Users,
}

impl Tab {
    /// All of them, in the order in which they are shown.
    pub(super) const ALL: [Self; 6] = [
        Self::Streams,
        Self::Consumers,
        Self::Sessions,
        Self::Sets,
        Self::Timelines,
        Self::Users,
    ];

    /// What stands above it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Streams => "Streams",
            Self::Consumers => "Consumers",
            Self::Sessions => "Sessions",
            Self::Sets => "Sets",
            Self::Timelines => "Timelines",
            Self::Users => "Users",
        }
    }

    /// Its place among all.
    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Streams => streams::COLUMNS,
            Self::Consumers => consumers::COLUMNS,
            Self::Sessions => sessions::COLUMNS,
            Self::Sets => sets::COLUMNS,
            Self::Timelines => timelines::COLUMNS,
            Self::Users => users::COLUMNS,
        }
    }

    /// The order in which its rows come unless another is asked for: what is busiest or largest first.
    pub(super) fn order(self) -> Order {
        let heading = match self {
            Self::Streams | Self::Consumers => "FRAMES/S",
            Self::Sessions | Self::Sets | Self::Users => "MEMORY",
            Self::Timelines => "IMPORTS",
        };
        Order {
            column: self.column(heading).unwrap_or(0),
            is_reversed: false,
        }
    }

    /// The column with this heading, in whatever case.
    pub(super) fn column(self, heading: &str) -> Option<usize> {
        let mut columns = self.columns().iter();
        columns.position(|column| column.heading.eq_ignore_ascii_case(heading))
    }

    /// The table, in the document's order.
    pub(super) fn table(self, document: &Document) -> Table {
        let rows = match self {
            Self::Streams => streams::rows(document),
            Self::Consumers => consumers::rows(document),
            Self::Sessions => sessions::rows(document),
            Self::Sets => sets::rows(document),
            Self::Timelines => timelines::rows(document),
            Self::Users => users::rows(document),
        };
        Table {
            columns: self.columns(),
            rows,
        }
    }
}

/// A rate.
fn rate(per_s: Option<f64>) -> Cell {
    per_s.map_or_else(Cell::unknown, |value| Cell::ranked(units::number(value), value))
}

/// A duration.
fn duration(ns: Option<u64>) -> Cell {
    // CAST: an order of magnitude is enough to sort by.
    ns.map_or_else(Cell::unknown, |ns| Cell::ranked(units::duration(ns), ns as f64))
}

/// A duration that few frames exceeded.
fn quantile(latency: Option<&Latency>, which: impl Fn(&Latency) -> Option<u64>) -> Cell {
    duration(latency.and_then(which))
}

/// An amount of memory.
fn bytes(bytes: u64) -> Cell {
    // CAST: as above.
    Cell::ranked(memory(bytes), bytes as f64)
}

/// How much of something is in use.
fn part(used: u64, limit: impl std::fmt::Display) -> Cell {
    // CAST: as above.
    Cell::ranked(format!("{used} of {limit}"), used as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tab_can_be_sorted_as_it_is_by_default() {
        for tab in Tab::ALL {
            let order = tab.order();
            assert!(tab.columns()[order.column].is_number, "{tab:?}");
            assert_eq!(Tab::ALL[tab.index()], tab);
        }
        assert_eq!(Tab::Streams.column("frames/s"), Some(3));
        assert_eq!(Tab::Users.column("frames/s"), None);
    }
}
