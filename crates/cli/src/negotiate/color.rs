//! When and how words are coloured.

use std::env;
use std::io::{self, IsTerminal};

use clap::ColorChoice;
use wharf_core::negotiation::{Palette, Plain, Role};

/// The sixteen colours that every terminal has.
struct Ansi;

impl Palette for Ansi {
    fn around(&self, role: Role) -> (&str, &str) {
        let before = match role {
            Role::Heading => "\x1b[1m",
            Role::Name => "\x1b[36m",
            Role::Field => "\x1b[33m",
            Role::Good => "\x1b[1;32m",
            Role::Bad => "\x1b[1;31m",
            Role::Detail => "\x1b[2m",
            _ => return ("", ""),
        };
        (before, "\x1b[0m")
    }
}

/// The colours for what is printed to stdout.
pub(super) fn palette(choice: ColorChoice) -> &'static dyn Palette {
    let coloured = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && is_welcome(),
    };
    if coloured { &Ansi } else { &Plain }
}

/// Whether nothing in the environment speaks against colours.
fn is_welcome() -> bool {
    let declined = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    !declined && !dumb
}
