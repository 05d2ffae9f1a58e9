//! The `wharf` command.
//!
//! | file | idea |
//! |---|---|
//! | `args` | what can be said on the command line |
//! | `serve` | `wharf serve`: a broker as a daemon |
//! | `listener` | which socket the broker serves: its own, or one that systemd passed |
//! | `info` | `wharf info`: who is there and who holds what |
//! | `failure` | why the command failed, in one line |

#![forbid(unsafe_code)]

mod args;
mod failure;
mod info;
mod listener;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Info(args) => info::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(std::io::stderr(), "wharf: {}", failure.in_one_line());
            ExitCode::FAILURE
        }
    }
}
