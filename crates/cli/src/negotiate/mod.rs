//! `wharf solve` and `wharf explain`: memory for a set that a file describes, or that a broker has.
//!
//! | file | idea |
//! |---|---|
//! | `source` | reads a file or stdin, not more than a set could need |
//! | `parse` | makes a set of it, or says where and what is wrong |
//! | `outcome` | solves it |
//! | `late` | lets the late join, one after the other |
//! | `page` | what people read of that |
//! | `participants` | what each participant gets and changes |
//! | `live` | what a broker says of a set that is there |
//! | `color` | when and how words are coloured |

mod color;
mod late;
mod live;
mod outcome;
mod page;
mod parse;
mod participants;
mod source;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::args::{ExplainArgs, SetArgs};
use crate::failure::Failure;
use crate::output::print;
use outcome::Outcome;
pub(crate) use parse::Mistake;
pub(crate) use source::Unread;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What was decided.
    What,
    /// What was decided, and why.
    Why,
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Well.
    Done,
    /// With somebody whose needs cannot be met.
    Refused,
    /// The command ends with this code.
    Code(u8),
}

/// Explains the set that is described, or the one that a broker has.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Answer, Failure> {
    match live::number(&args.set.file) {
        Some(set) => live::run(args, set),
        None => run(&args.set, Depth::Why),
    }
}

/// Solves the set that is described, and prints what came of it.
pub(crate) fn run(args: &SetArgs, depth: Depth) -> Result<Answer, Failure> {
    let set = parse::parse(&source::read(&args.file)?)?;
    let outcome = Outcome::of(&set);
    let mut text = String::new();
    if args.json {
        text = serde_json::to_string_pretty(&outcome)?;
    } else {
        // A string takes everything.
        let _ = page::write(&mut text, &set, &outcome, depth, color::palette(args.color));
    }
    let _ = text.write_char('\n');
    print(&text)?;
    Ok(outcome.answer())
}
