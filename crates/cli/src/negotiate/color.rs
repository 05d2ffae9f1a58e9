//! How words are coloured.

use clap::ColorChoice;
use wharf_core::negotiation::{Palette, Plain, Role};

use crate::color;

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
    if color::is_wanted(choice) { &Ansi } else { &Plain }
}
