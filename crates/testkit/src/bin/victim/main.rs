//! Plays a part in a stream until it dies at a store; see `wharf_testkit::dying`.
#![forbid(unsafe_code)]

use rustix::process::{Signal, set_parent_process_death_signal};
use std::process::ExitCode;
use wharf_testkit::dying::{Failure, Fate};

fn main() -> ExitCode {
    match play() {
        Ok(()) => {
            println!("done");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("victim: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<(), Failure> {
    // Whoever started it must not leave it behind, even when killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let fate = std::env::args().nth(1).ok_or("usage: victim FATE")?;
    serde_json::from_str::<Fate>(&fate)?.meet()
}
