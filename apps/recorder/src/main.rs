//! The recorder showcase.

use std::process::ExitCode;

fn main() -> ExitCode {
    recorder::run()
}
