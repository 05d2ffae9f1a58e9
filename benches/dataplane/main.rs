//! Wharf's streams, their peers and their limits, in one interleaved run: `cargo bench --manifest-path benches/dataplane/Cargo.toml`.
//!
//! Every run is two or more processes of its own, started from this program: a producer and its consumers, which meet by name. With one
//! consumer the producer is on processor 0 and the consumer on 1. All runs of a repetition come in random order, so that a noisy machine
//! hits everybody alike. Tables give medians over the repetitions and `[smallest–largest]`; ratios are taken within a repetition, and their
//! median is given. A run during which others used more than a fifth of a processor is done again while there is time, and marked as disturbed
//! otherwise. A run that does not end is killed and counted as hung. The p99.9 of paced runs is their slowest frame.
//!
//! All of it takes ten to twelve minutes. `--quick` takes about one: one repetition, short turns. `--only rtt-4k,calls` does the tables named, or those whose name begins so.
//!
//! Peers read and write frames in place. Wharf's consumer reads through copies of 16 KiB at a time, which is what its interface has.

mod budgets;
mod counting;
mod crew;
mod exercises;
mod frame;
mod link;
mod machine;
mod memory;
mod peers;
mod plan;
mod report;
mod results;
mod role;
mod run;
mod statistics;
mod terms;

use clap::Parser;
use plan::{Row, Table};
use results::Results;
use run::Stagehand;
use statistics::Shuffler;
use std::error::Error;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Compares Wharf's streams with their peers and limits.
#[derive(Debug, Parser)]
struct Options {
    /// One repetition with short turns.
    #[arg(long)]
    quick: bool,
    /// Tables to measure, by the beginning of their names, with commas between them.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often everybody takes a turn; 5, or 1 if it is to be quick.
    #[arg(long)]
    repetitions: Option<usize>,
    /// Says which order the runs come in.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn repetitions(&self) -> usize {
        self.repetitions.unwrap_or(if self.quick { 1 } else { 5 })
    }

    fn wants(&self, table: &Table) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| table.id.starts_with(start.as_str()))
    }

    /// Time for doing disturbed runs again.
    fn spare(&self) -> Duration {
        Duration::from_secs(if self.quick { 5 } else { 60 })
    }
}

fn main() -> Outcome<()> {
    if let Some(outcome) = role::play_if_asked() {
        return outcome;
    }
    let options = Options::parse();
    let mut tables = plan::tables(options.quick);
    budgets::check(&tables)?;
    tables.retain(|table| options.wants(table));
    let start = Instant::now();
    let results = measure(&options, &tables)?;
    println!(
        "{} repetitions, order of seed {}, {} processors, {:.0} s in all.\n",
        options.repetitions(),
        options.seed,
        machine::cpu_count(),
        start.elapsed().as_secs_f64()
    );
    for table in &tables {
        report::table(table, &results);
    }
    report::budgets(&budgets::all(), &results);
    report::failures(&results);
    Ok(())
}

fn measure(options: &Options, tables: &[Table]) -> Outcome<Results> {
    let mut results = Results::default();
    let mut stagehand = Stagehand::new(options.spare())?;
    let mut shuffler = Shuffler::new(options.seed);
    let mut rows: Vec<(&Table, &Row)> = Vec::new();
    for table in tables {
        rows.extend(table.rows.iter().map(|row| (table, row)));
    }
    for repetition in 0..options.repetitions() {
        shuffler.shuffle(&mut rows);
        for (table, row) in &rows {
            let ended = stagehand.carry_out(&row.terms)?;
            results.note((table.id, row.label.clone()), repetition, ended);
        }
        eprintln!("repetition {} of {}", repetition + 1, options.repetitions());
    }
    Ok(results)
}
