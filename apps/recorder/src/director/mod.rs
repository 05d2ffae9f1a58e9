//! The director: the process that the user starts.
//!
//! It sets everything up ([`setup`]), then lets the [`Conductor`](crate::conductor::Conductor) decide and the [`Stage`]
//! carry out until all children are gone, and prints what came of it. Nothing of it stays behind.

mod error;
mod process;
mod setup;
mod signals;
mod stage;
mod targets;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::child;
use crate::cli::{Cli, Request, USAGE_EXIT_CODE};
use crate::conductor::{Conclusion, Conductor};
use crate::report::{ProcessUse, Report, Role};
use error::RunError;
use setup::Setup;
use stage::Stage;

/// The whole program, as the user sees it.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::understand(words) {
        Ok(Request::Run(cli)) => cli,
        Ok(Request::Print(text)) => return print(&text),
        Err(error) => {
            complain(&error);
            return ExitCode::from(USAGE_EXIT_CODE);
        }
    };
    log_to_stderr();
    child::make_large_files_an_error();
    match direct(&cli) {
        Ok(Conclusion::Report(report)) => show(&report, cli.json),
        Ok(Conclusion::Nothing(reason)) => fail(&reason),
        Err(error @ RunError::Usage(_)) => {
            complain(&error);
            ExitCode::from(USAGE_EXIT_CODE)
        }
        Err(error) => fail(&error),
    }
}

/// Lets the broker inside say what it has to say, if the user asks for it with `RUST_LOG`; otherwise only errors.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::ERROR.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}

fn direct(cli: &Cli) -> Result<Conclusion, RunError> {
    let Setup {
        broker,
        plan,
        targets,
        input,
    } = Setup::new(cli)?;
    let mut stage = Stage::new(broker.socket_path(), input, plan.draw)?;
    let mut conductor = Conductor::new(plan, targets);
    stage.perform(&mut conductor)?;
    let usage = ProcessUse::of_this_process(Role::Recorder, 0, 0).ok();
    // The sockets go before the report comes: who reads it finds nothing left.
    drop((stage, broker));
    Ok(conductor.into_findings().conclude(usage))
}

fn show(report: &Report, json: bool) -> ExitCode {
    let text = if json {
        match serde_json::to_string_pretty(report) {
            Ok(text) => text + "\n",
            Err(error) => return fail(&format_args!("cannot write the report as JSON: {error}")),
        }
    } else {
        report.to_string()
    };
    let printed = print(&text);
    // Where both go to the same screen, once is enough.
    if json || !(io::stdout().is_terminal() && io::stderr().is_terminal()) {
        explain_refusals(report);
    }
    match report.problems.split_first() {
        None => printed,
        Some((first, [])) => fail(first),
        Some((first, rest)) => fail(&format_args!("{first} (and {} more, see the report)", rest.len())),
    }
}

/// Says whole why somebody had to be turned away.
fn explain_refusals(report: &Report) {
    for refusal in report
        .refusals
        .iter()
        .filter(|refusal| !refusal.found_another_way)
    {
        let (name, pid) = (refusal.role.name(), refusal.pid);
        complain(&format_args!(
            "the {name} (process {pid}) is refused: {}",
            refusal.report
        ));
    }
}

fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format_args!("cannot print the report: {error}")),
    }
}

fn fail(reason: &dyn std::fmt::Display) -> ExitCode {
    complain(reason);
    ExitCode::FAILURE
}

/// Says what is wrong.
fn complain(reason: &dyn std::fmt::Display) {
    // If there is no standard error, there is nobody to tell.
    let _ = writeln!(io::stderr(), "recorder: {reason}");
}
