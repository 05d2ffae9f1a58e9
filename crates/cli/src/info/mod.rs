//! `wharf info`: who is there and who holds what.

mod amounts;
mod report;
mod table;

use std::path::Path;

use wharf::{GetStateReply, PATIENCE};
use wharf_protocol::GetState;
use wharf_protocol::transport::BlockingClient;

use crate::args::InfoArgs;
use crate::failure::Failure;
use crate::output::print;

/// Asks the broker for its state, and prints it.
pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let path = args.socket.path()?;
    let state = ask(&path)?;
    let text = if args.json {
        serde_json::to_string_pretty(&state)? + "\n"
    } else {
        report::describe(&path, &state)
    };
    print(&text)
}

/// Asks without registering: whoever only looks is no session.
fn ask(path: &Path) -> Result<GetStateReply, Failure> {
    let mut client = BlockingClient::connect(path, PATIENCE)?;
    let (state, _) = client.call(GetState {}, &[], PATIENCE)?;
    Ok(state)
}
