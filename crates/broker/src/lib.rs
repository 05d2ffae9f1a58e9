//! The Wharf broker: it allocates buffers, brings the producers and consumers of streams together, and gives back what
//! the dead held. Frames never pass through it.
//!
//! * [`Server`] serves a socket: `wharf serve` is little more than this.
//! * [`Embedded`] runs a server in a thread of the process that uses it, without any set-up.
//! * [`state`] is the broker's mind, a state machine without input or output; the rest of this crate is its body.
//!
//! What clients can ask for is described in `wharf_protocol::INTERFACE_DESCRIPTION`.
//!
//! Contracts: P1 to P6 of the broker, S4 (a participant that dies releases what it held), S5 (consumers cannot
//! write what they may only read).

#![forbid(unsafe_code)]

mod config;
mod descriptor_limit;
mod driver;
mod embedded;
mod error;
mod server;
mod socket;
pub mod state;

pub use config::Config;
pub use embedded::{Embedded, EmbeddedError};
pub use error::ServeError;
pub use server::Server;
pub use socket::BindError;
