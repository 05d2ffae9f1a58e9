//! Moves messages and file descriptors over a Unix stream socket.
//!
//! [`Socket`] does single non-blocking reads and writes, for an event loop such as the broker's. [`BlockingClient`]
//! makes one call at a time and waits for its answer, never longer than the caller says.
//!
//! Senders must keep to the rule of [`codec`](crate::codec) about descriptors: a message that has some goes out in
//! writes of its own, the descriptors with its first byte.

mod client;
mod deadline;
mod error;
mod socket;

pub use client::{BlockingClient, LateAnswer};
pub use error::{CallError, ConnectError, SocketError};
pub use socket::{PeerCredentials, Received, Socket};
