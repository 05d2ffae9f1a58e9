//! What a program sees of dma-bufs, case by case: heaps, buffers' descriptors, brackets, names, sync files, timelines, udmabuf.
//!
//! ```text
//! fd-suite [--list] [--only CASE|AREA/]...
//! ```
//! One line per case: `area/case: pass`, `area/case: differs: expected …, got …`, or `area/case: absent: …` where the machine lacks
//! what the case takes. Expected is what Linux 6.12 does. Exit code 0: no case differs; 1: some do; 2: no such case or option.
//!
//! Each case runs in a process of its own, so that one that is killed or never returns is one line and no more. The program needs
//! `/dev`, `/proc` and nothing else, and is made to be linked statically: it runs unchanged in a guest on a kernel that has
//! everything, and under `wharf run` on a machine that has nothing. `docs/compat.toml` lists where the two differ.

mod buffer;
mod case;
mod descriptors;
mod fences;
mod heap;
mod lists;
mod mapping;
mod merge;
mod names;
mod ready;
mod runner;
mod sw_sync;
mod sync;
mod sync_file;
mod sys;
mod things;
mod udmabuf;
mod waits;

use std::process::ExitCode;

use case::Suite;

/// What to do.
struct Arguments {
    list: bool,
    only: Vec<String>,
}

fn arguments(given: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut given = given;
    let mut arguments = Arguments {
        list: false,
        only: Vec::new(),
    };
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--list" => arguments.list = true,
            "--only" => arguments.only.push(given.next()?),
            _ => return None,
        }
    }
    Some(arguments)
}

fn suite() -> Suite {
    let mut suite = Suite::default();
    heap::add(&mut suite);
    buffer::add(&mut suite);
    descriptors::add(&mut suite);
    mapping::add(&mut suite);
    ready::add(&mut suite);
    sync::add(&mut suite);
    waits::add(&mut suite);
    names::add(&mut suite);
    sync_file::add(&mut suite);
    merge::add(&mut suite);
    sw_sync::add(&mut suite);
    udmabuf::add(&mut suite);
    lists::add(&mut suite);
    suite
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(descriptors::INHERITOR) {
        print!("{}", runner::told(descriptors::bracket_stdin()));
        return ExitCode::SUCCESS;
    }
    let Some(arguments) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: fd-suite [--list] [--only CASE|AREA/]...");
        return ExitCode::from(2);
    };
    let suite = suite();
    let cases = suite.cases(&arguments.only);
    if cases.is_empty() {
        eprintln!("fd-suite: no case is called {}", arguments.only.join(" or "));
        return ExitCode::from(2);
    }
    if arguments.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    }
    runner::run_all(&cases)
}
