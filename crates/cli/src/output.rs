//! What the command prints.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints the text. That whoever reads it has seen enough is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// A stranger's text without what would do something to a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The same for names in tables and titles, where what was taken out leaves a mark.
pub(crate) fn marked(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
