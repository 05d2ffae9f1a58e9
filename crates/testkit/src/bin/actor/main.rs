//! A real producer, consumer or broker, for tests to command and to kill; see `wharf_testkit::actor`.
#![forbid(unsafe_code)]

mod broker;
mod consumer;
mod intruder;
mod producer;
mod seat;
mod stage;
mod starvation;

use rustix::process::{Signal, set_parent_process_death_signal};
use stage::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("actor: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<(), Failure> {
    // Whoever started it must not leave it behind, even when killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.iter().map(|word| word.to_str()).collect::<Vec<_>>()[..] {
        [Some("broker"), _] => broker::play(arguments[1].as_ref(), None),
        [Some("broker"), _, _] => broker::play(arguments[1].as_ref(), Some(arguments[2].as_ref())),
        [Some("producer")] => producer::play(),
        [Some("consumer")] => consumer::play(),
        [Some("intruder")] => intruder::play(),
        _ => Err("usage: actor broker SOCKET [GATE] | producer | consumer | intruder".into()),
    }
}
