//! `wharf top`: what goes on, as it goes on.
//!
//! | file | idea |
//! |---|---|
//! | `view` | what the user wants to see: which table, sorted and filtered how, which row |
//! | `table` | tables: columns, cells with an order, sorting, filtering |
//! | `tabs` | one file for each table: its columns and rows |
//! | `details` | all about one row: who holds what, who is in the way |
//! | `units` | amounts in a few characters |
//! | `keys` | what keys do |
//! | `draw` | the screen |
//! | `screen` | the terminal: taken, given back, and the loop between |
//! | `plain` | the same tables as text |
//!
//! Samples become a [`Document`], a document becomes tables, and those are drawn or printed. Another kind of thing to be shown is a
//! list in the document and a file in `tabs`.

mod args;
mod details;
mod draw;
mod keys;
mod plain;
mod screen;
mod table;
mod tabs;
mod units;
mod view;

pub(crate) use args::TopArgs;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use crate::document::Document;
use crate::failure::Failure;
use crate::look::{Looker, Sample};
use crate::output::print;
use view::View;

/// Shows what goes on at a broker.
pub(crate) fn run(args: &TopArgs) -> Result<(), Failure> {
    let path = args.socket.path()?;
    let view = View::new(args)?;
    let looker = Looker::new(&path);
    if args.json {
        let document = Pace::begin(looker, &path, args.interval)?.next()?;
        return print(&(serde_json::to_string_pretty(&document)? + "\n"));
    }
    match args.batches(io::stdout().is_terminal()) {
        Some(times) => print_often(Pace::begin(looker, &path, args.interval)?, args, &view, times),
        None => screen::show(looker, &path, args, view),
    }
}

/// Looks once an interval.
struct Pace<'a> {
    looker: Looker,
    path: &'a Path,
    interval: Duration,
    last: Sample,
}

impl<'a> Pace<'a> {
    fn begin(mut looker: Looker, path: &'a Path, interval: Duration) -> Result<Self, Failure> {
        let last = looker.sample()?;
        Ok(Self {
            looker,
            path,
            interval,
            last,
        })
    }

    /// Waits for an interval, and tells what happened in it.
    fn next(&mut self) -> Result<Document, Failure> {
        std::thread::sleep(self.interval);
        let now = self.looker.sample()?;
        let document = Document::new(self.path, &now, Some(&self.last));
        self.last = now;
        Ok(document)
    }
}

fn print_often(mut pace: Pace<'_>, args: &TopArgs, view: &View, times: u64) -> Result<(), Failure> {
    for time in 0..times {
        let text = plain::describe(&pace.next()?, view, args.tab);
        print(&if time == 0 { text } else { format!("\n{text}") })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
