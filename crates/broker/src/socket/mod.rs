//! The broker's place in the file system: who owns a socket path, and how a listener gets there.
//!
//! * [`PathLock`] decides between two brokers that want the same path (a lock on `<path>.lock`).
//! * [`ListeningSocket`] is the socket itself, removed again when the broker is done with it.
//! * [`BindError`] says why a path could not be had.

mod error;
mod listening;
mod lock;

pub use error::BindError;
pub(crate) use listening::ListeningSocket;
pub(crate) use lock::PathLock;

#[cfg(test)]
mod tests;
