//! `wharf info`: who is there and who holds what.

mod amounts;
mod report;
mod table;

use std::io::{self, Write};
use std::path::Path;

use wharf::{GetStateReply, PATIENCE};
use wharf_protocol::GetState;
use wharf_protocol::transport::BlockingClient;

use crate::args::InfoArgs;
use crate::failure::Failure;

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

/// Prints the text. That whoever reads it has seen enough is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}
