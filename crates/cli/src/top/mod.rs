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
        let document = Watch::begin(looker, &path)?.after(args.interval)?;
        return print(&(serde_json::to_string_pretty(&document)? + "\n"));
    }
    match args.batches(io::stdout().is_terminal()) {
        Some(times) => print_often(Watch::begin(looker, &path)?, args, &view, times),
        None => screen::show(Watch::begin(looker, &path)?, args, view),
    }
}

/// Looks at a broker again and again.
struct Watch<'a> {
    looker: Looker,
    path: &'a Path,
    last: Sample,
}

impl<'a> Watch<'a> {
    /// Looks for the first time.
    fn begin(mut looker: Looker, path: &'a Path) -> Result<Self, Failure> {
        let last = looker.sample()?;
        Ok(Self { looker, path, last })
    }

    /// What there was when this last looked, and nothing of what happened before.
    fn last(&self) -> Document {
        Document::new(self.path, &self.last, None)
    }

    /// Waits for an interval, and tells what happened in it.
    fn after(&mut self, interval: Duration) -> Result<Document, Failure> {
        std::thread::sleep(interval);
        self.look()
    }

    /// Tells what happened since this last looked.
    fn look(&mut self) -> Result<Document, Failure> {
        let now = self.looker.sample()?;
        let document = Document::new(self.path, &now, Some(&self.last));
        self.last = now;
        Ok(document)
    }
}

fn print_often(mut watch: Watch<'_>, args: &TopArgs, view: &View, times: u64) -> Result<(), Failure> {
    for time in 0..times {
        let text = plain::describe(&watch.after(args.interval)?, view, args.tab);
        print(&if time == 0 { text } else { format!("\n{text}") })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
