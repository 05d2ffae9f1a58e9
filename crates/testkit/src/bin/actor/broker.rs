//! The broker.

use crate::stage::{Failure, report};
use std::io::stdin;
use std::path::Path;
use wharf_broker::{Config, Server};
use wharf_testkit::actor::Report;

/// Serves `socket` until stdin ends.
pub(crate) fn play(socket: &Path) -> Result<(), Failure> {
    let mut server = Server::bind(socket, Config::default())?;
    report(&Report::Ready)?;
    Ok(server.run(stdin())?)
}
