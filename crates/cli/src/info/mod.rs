//! `wharf info`: who is there and who holds what.

mod amounts;
mod report;
mod table;

pub(crate) use amounts::memory;

use crate::args::InfoArgs;
use crate::document::Document;
use crate::failure::Failure;
use crate::look::Looker;
use crate::output::print;

/// Asks the broker for its state, and prints it.
pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let path = args.socket.path()?;
    let mut looker = Looker::new(&path);
    let text = if args.json {
        serde_json::to_string_pretty(&Document::new(&path, &looker.sample()?, None))? + "\n"
    } else {
        report::describe(&path, &looker.state()?)
    };
    print(&text)
}
