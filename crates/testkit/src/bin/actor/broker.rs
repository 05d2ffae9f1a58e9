//! The broker.

use crate::stage::{Failure, report};
use std::io::stdin;
use std::path::Path;
use std::sync::Arc;
use wharf_broker::{Config, Server};
use wharf_linux::{Heaps, SystemHeap};
use wharf_testkit::GatedHeap;
use wharf_testkit::actor::Report;

/// Serves `socket` until stdin ends, with the heaps of this machine or one that is slow.
pub(crate) fn play(socket: &Path, gate: Option<&Path>) -> Result<(), Failure> {
    let mut server = match gate {
        None => Server::bind(socket, Config::default())?,
        Some(gate) => {
            let mut heaps = Heaps::new();
            heaps.add(Arc::new(GatedHeap::new(SystemHeap, gate.to_owned())))?;
            Server::bind_with_heaps(socket, Config::default(), heaps)?
        }
    };
    report(&Report::Ready)?;
    Ok(server.run(stdin())?)
}
