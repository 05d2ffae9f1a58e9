//! What a broker says of a set that is there.

use std::fmt::{self, Write};
use std::path::Path;

use wharf::PATIENCE;
use wharf_core::negotiation::Palette;
use wharf_protocol::transport::BlockingClient;
use wharf_protocol::{ExplainSet, ExplainSetReply, Register, SetId};

use super::{Answer, color};
use crate::args::ExplainArgs;
use crate::failure::Failure;
use crate::output::{print, printable};

/// How the broker's other clients see whoever asks.
const LABEL: &str = "wharf explain";

/// The set meant, if a number is given and there is no file of that name.
pub(super) fn number(file: &Path) -> Option<SetId> {
    let number = file.to_str()?.parse().ok()?;
    (!file.exists()).then_some(SetId(number))
}

/// Prints what was decided for a set and why, and why the last one was refused, if anybody was.
pub(super) fn run(args: &ExplainArgs, set: SetId) -> Result<Answer, Failure> {
    let mut client = BlockingClient::connect(&args.socket.path()?, PATIENCE)?;
    let label = LABEL.to_owned();
    client.call(Register { label }, &[], PATIENCE)?;
    let (reply, _) = client.call(ExplainSet { set }, &[], PATIENCE)?;
    let mut text = String::new();
    if args.set.json {
        text = serde_json::to_string_pretty(&reply)?;
    } else {
        // A string takes everything.
        let _ = write(&mut text, set, &reply, color::palette(args.set.color));
    }
    let _ = text.write_char('\n');
    print(&text)?;
    Ok(match (&reply.plan, &reply.report) {
        (None, Some(_)) => Answer::Refused,
        _ => Answer::Done,
    })
}

fn write(out: &mut String, set: SetId, reply: &ExplainSetReply, palette: &dyn Palette) -> fmt::Result {
    write!(out, "{set} '{}': {}", printable(&reply.name), reply.status)?;
    if reply.generation > 0 {
        write!(out, ", generation {}", reply.generation)?;
    }
    if !reply.heaps.is_empty() {
        write!(out, ", from {}", printable(&reply.heaps.join(", ")))?;
    }
    if !reply.missing.is_empty() {
        write!(out, "\nstill expected: {}", printable(&reply.missing.join(", ")))?;
    }
    if let Some(why) = &reply.over {
        write!(out, "\nit is over: {}", printable(why))?;
    }
    if let Some(plan) = &reply.plan {
        out.push_str("\n\n");
        plan.0.render(out, palette)?;
    }
    if let Some(report) = &reply.report {
        let whose = if reply.plan.is_some() {
            "the last one to come late was refused"
        } else {
            "why"
        };
        write!(out, "\n\n{whose}: ")?;
        report.0.render(out, palette)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sets_and_other_names_are_files() {
        assert_eq!(number(Path::new("12")), Some(SetId(12)));
        for file in ["12.toml", "-", "-3", "", "99999999999999999999999"] {
            assert_eq!(number(Path::new(file)), None, "{file}");
        }
    }
}
