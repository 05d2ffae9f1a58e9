//! The `wharf` command.
//!
//! | file | idea |
//! |---|---|
//! | `args` | what can be said on the command line |
//! | `serve` | `wharf serve`: a broker as a daemon |
//! | `listener` | which socket the broker serves: its own, or one that systemd passed |
//! | `look` | samples: what the broker says, and what streams count in their pages |
//! | `document` | everything known, with stable names: JSON for programs, and what tables are made of |
//! | `info` | `wharf info`: who is there and who holds what |
//! | `top` | `wharf top`: the same, live, with rates and latencies |
//! | `negotiate` | `wharf solve` and `wharf explain`: memory for a set that a file describes |
//! | `run` | `wharf run`: programs with stand-ins for the kernel's dma-bufs |
//! | `devices` | `wharf devices`: what the machine has, and what is used for what |
//! | `color` | when colours are used |
//! | `output` | what the command prints |
//! | `failure` | why the command failed, in lines of one problem each |

#![forbid(unsafe_code)]

mod args;
mod color;
mod devices;
mod document;
mod failure;
mod info;
mod listener;
mod look;
mod negotiate;
mod output;
mod run;
mod serve;
mod top;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use negotiate::{Answer, Depth};

/// The exit code of a set in which somebody is refused.
const REFUSED: u8 = 3;

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Serve(args) => serve::run(&args).map(|()| Answer::Done),
        Command::Info(args) => info::run(&args).map(|()| Answer::Done),
        Command::Top(args) => top::run(&args).map(|()| Answer::Done),
        Command::Solve(args) => negotiate::run(&args, Depth::What),
        Command::Explain(args) => negotiate::explain(&args),
        Command::Run(args) => run::run(args).map(Answer::Code),
        Command::Devices(args) => devices::run(&args).map(|()| Answer::Done),
        Command::Probe(args) => Ok(Answer::Code(devices::probe(&args))),
        Command::RunPart(args) => run::play(&args).map(Answer::Code),
    };
    match outcome {
        Ok(Answer::Done) => ExitCode::SUCCESS,
        Ok(Answer::Refused) => ExitCode::from(REFUSED),
        Ok(Answer::Code(code)) => ExitCode::from(code),
        Err(failure) => {
            for line in failure.lines() {
                // Nobody is left to be told if stderr is gone.
                let _ = writeln!(std::io::stderr(), "wharf: {line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
