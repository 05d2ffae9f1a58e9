//! The inside of the processes that the director starts.

use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use crate::camera;
use crate::consuming::JoinError;
use crate::control::{CONTROL_ENV, Control, Order, Word};
use crate::encoder::{self, EncoderError};
use crate::report::{RefusalReport, Role};
use crate::viewer;

/// The part that the command line of a child names; `None` in a process that the user started.
pub(crate) fn role(mut words: impl Iterator<Item = std::ffi::OsString>) -> Option<Role> {
    std::env::var_os(CONTROL_ENV)?;
    let word = words.nth(1)?;
    [Role::Camera, Role::Viewer, Role::Encoder]
        .into_iter()
        .find(|role| *role.name() == word)
}

/// Plays a part until its end, and tells the director how it went.
pub(crate) fn run(role: Role) -> ExitCode {
    leave_signals_to_the_director();
    set_process_name(role);
    let control = match Control::connect() {
        Ok(control) => control,
        Err(error) => {
            eprintln!("recorder: {error}");
            return ExitCode::FAILURE;
        }
    };
    control.say(&Word::Hello);
    // Told to stop before the first order.
    let Some(order) = control.next_order() else {
        return ExitCode::SUCCESS;
    };
    control.say(&follow(&control, &order));
    ExitCode::SUCCESS
}

/// Does as told; returns the last word.
fn follow(control: &Control, order: &Order) -> Word {
    let failed = |error: &dyn std::fmt::Display| Word::Failed(error.to_string());
    match order {
        Order::Open(order) => camera::run(control, order).map_or_else(|error| failed(&error), Word::Captured),
        Order::View(order) => {
            viewer::run(control, order).map_or_else(|error| not_joined(Role::Viewer, &error), Word::Consumed)
        }
        Order::Record(order) => match encoder::run(control, order) {
            Ok(outcome) => Word::Consumed(outcome),
            Err(EncoderError::Join(error)) => not_joined(Role::Encoder, &error),
            Err(error @ EncoderError::Codec(_)) => failed(&error),
        },
        Order::Begin | Order::ShowRecording(_) | Order::Stop => failed(&"the first order makes no sense"),
    }
}

fn not_joined(role: Role, error: &JoinError) -> Word {
    match error.report() {
        Some(report) => Word::Refused(RefusalReport::of_this_process(role, report)),
        None => Word::Failed(error.to_string()),
    }
}

/// Signals that a terminal or a service manager sends to all processes at once are the director's: it ends the run in order.
fn leave_signals_to_the_director() {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        ignore(signal);
    }
    make_large_files_an_error();
}

/// A file or buffer that is larger than the process may make is an error of the call, and not the end of the process.
pub(crate) fn make_large_files_an_error() {
    ignore(SIGXFSZ);
}

fn ignore(signal: i32) {
    // The flag is of no interest. Where the system refuses, the signal ends the process as it always does.
    let _ = signal_hook::flag::register(signal, Arc::default());
}

/// Makes the part visible in `ps` and `top`.
fn set_process_name(role: Role) {
    let name = match role {
        Role::Recorder => c"wharf-recorder",
        Role::Camera => c"wharf-camera",
        Role::Viewer => c"wharf-viewer",
        Role::Encoder => c"wharf-encoder",
    };
    // Only for people.
    let _ = rustix::thread::set_name(name);
}
