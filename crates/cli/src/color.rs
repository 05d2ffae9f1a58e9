//! When colours are used.

use std::env;
use std::io::{self, IsTerminal};

use clap::ColorChoice;

/// Whether what is written to stdout is to be coloured.
pub(crate) fn is_wanted(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && is_welcome(),
    }
}

/// Whether nothing in the environment speaks against colours.
fn is_welcome() -> bool {
    let declined = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    !declined && !dumb
}
