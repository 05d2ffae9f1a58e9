//! Turns values into messages and bytes into values. No input or output happens here.
//!
//! A message is a JSON object and one NUL byte. [`Decoder`] cuts a byte stream into messages and gives each the
//! file descriptors that came with it; [`decode_call`] and [`decode_reply`] read a message; the `encode_`
//! functions write one.
//!
//! # Which message a file descriptor belongs to
//!
//! A sender passes descriptors along with the first byte of their message, in a write that carries no other
//! message. Linux then guarantees two things about a read that returns descriptors: it may begin with data of
//! earlier writes, and it ends within the data of the write that carried the descriptors. Hence descriptors
//! belong to the message that the *last* byte of their read is part of. The `zlink` crate keeps to the same rule
//! on both sides.
//!
//! # Why the framing is our own
//!
//! The broker has to hold its memory per peer down and must not wait for any of them (Contract: P1, P4). zlink-core 0.8
//! buffers up to 100 MiB per connection before it refuses a message, does not limit waiting descriptors, and its
//! server awaits each write to a peer. These are reasonable choices for a general library and cannot be changed
//! from outside, so framing, limits and sending are done here; zlink-core checks the interface description in
//! the tests.

mod decode;
mod decoder;
mod encode;

pub use decode::{IncomingCall, RefusedCall, ReplyError, decode_call, decode_reply};
pub use decoder::{DecodeError, Decoder, Message};
pub use encode::{EncodeError, encode_call, encode_error, encode_oneway_call, encode_reply};
