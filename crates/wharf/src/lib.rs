//! Share buffers and streams of frames between processes without copying.
//!
//! A [`Session`] connects a process to the broker. It allocates a [`BufferSet`], turns it into a stream as its [`Producer`], or
//! joins the stream of another process as a [`Consumer`] with a [`Token`]. Frames then pass from process to process through shared
//! memory alone: the broker takes no part, no byte of a frame is copied, and nobody makes a system call unless somebody sleeps.
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf::{BufferSpec, FrameInfo, Session};
//!
//! // The producer's process.
//! let session = Session::connect("camera")?;
//! let buffers = session.allocate(&BufferSpec { name: "preview", size_bytes: 1 << 20, count: 4 })?;
//! let mut producer = session.create_stream("preview", buffers, 8)?;
//! println!("{}", producer.token(1)?.reveal());
//! let frame = producer.acquire(Some(Duration::from_secs(1)))?;
//! frame.view_mut()?.copy_from(0, b"hello")?;
//! producer.publish(frame, &FrameInfo { used_bytes: 5, ..FrameInfo::default() })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```no_run
//! use wharf::{JoinOptions, Session, Token};
//!
//! // The consumer's process.
//! let session = Session::connect("viewer")?;
//! let token = Token::new(std::env::args().nth(1).unwrap_or_default());
//! let mut consumer = session.join(&token, JoinOptions::latest(1))?;
//! let frame = consumer.receive(None)?;
//! let mut text = [0; 5];
//! frame.view()?.copy_to(0, &mut text)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Blocking
//!
//! Calls on [`Session`] ask the broker and block for its answer, some tens of microseconds, at most
//! [`PATIENCE`]. [`Producer::acquire`] and [`Consumer::receive`] block as long as the caller says, asleep. Dropping the last handle on
//! something the broker keeps a record of (a [`BufferSet`], a [`Producer`], a [`Consumer`] and its last [`Frame`], a [`Timeline`], an [`ImportedTimeline`]) tells it, and waits for it
//! at most a tenth of a second. Everything else never blocks. Threads are started by [`Consumer::on_frames`], and one for the process when
//! somebody is to be called back by a fence of another process ([`ImportedTimeline::fence`]). No async runtime is needed.
//!
//! # Event loops and async code
//!
//! | style | consumer | producer |
//! |---|---|---|
//! | blocking | [`Consumer::receive`], [`Consumer::frames`] | [`Producer::acquire`] |
//! | a function on a thread of its own | [`Consumer::on_frames`] | |
//! | poll, epoll | [`Session::join_polled`]: [`PolledConsumer`] | [`Session::create_polled_stream`]: [`PolledProducer`] |
//! | async (features `tokio`, `smol`; `async` for other runtimes) | `AsyncConsumer` over a [`PolledConsumer`] | `AsyncProducer` over a [`PolledProducer`] |
//!
//! Each side chooses for itself; `examples/` has one program for each.
//!
//! # Who may die
//!
//! Anybody, at any moment. A consumer's death gives back what it held; the producer's is
//! [`ReceiveError::ProducerDied`], after the frames it had published; that of a [`Timeline`]'s owner fails its pending points; the broker's leaves running streams as they are, and only new
//! sessions, streams and joins fail (contracts S4, P6).
//!
//! # Fork
//!
//! A session belongs to the process that opened it. A child of `fork` that does not `exec` must not use or drop what it
//! inherited: it would speak for its parent. `std::process::Command` is fine.
//!
//! # Read-only for consumers
//!
//! A buffer is sealed when its stream is created: from then on nobody can map it for writing, not even root, and only the
//! producer's earlier mapping still writes (contract S5). A frame is readable while it is held; its producer should not, but could,
//! change it, so its bytes come as volatile copies, never as a slice (contract C7).
#![forbid(unsafe_code)]

#[cfg(feature = "async")]
mod asynchronous;
mod buffers;
mod connection;
mod consumer;
mod error;
mod fences;
mod frame;
mod generation;
mod liveness;
mod lock;
mod membership;
mod moving;
mod negotiation;
mod options;
mod page;
mod producer;
mod session;
mod socket_path;
mod timeline;
mod watch;

#[cfg(feature = "async")]
pub use asynchronous::*;
pub use buffers::{BrokerBuffer, BufferSet, BufferSpec, Contents, Reallocation};
pub use connection::PATIENCE;
pub use consumer::{Consumer, ConsumerStats, FrameThread, Frames, PolledConsumer};
pub use error::{
    AcquireError, BlockingConsumer, BufferError, PageError, PublishError, ReadyError, ReceiveError,
    SessionError,
};
pub use frame::{Frame, FrameMut};
pub use moving::{MoveStats, MoveStep, MoveTimes};
pub use negotiation::{
    Fit, NegotiatedSet, NegotiationError, Seat, SeatInfo, SeatSpec, SetExplanation, SetOptions,
};
pub use options::JoinOptions;
pub use producer::{ConsumerInfo, PolledProducer, Producer, ProducerStats, StreamTerms};
pub use session::Session;
pub use socket_path::{NoSocketPath, SOCKET_ENV, socket_path};
pub use timeline::{FenceEvent, ImportedTimeline, PointError, Timeline};
pub use wharf_core as core;
pub use wharf_core::layout;
pub use wharf_core::{AccessMode, DmaBuf};
pub use wharf_memory::{Blocks, NotWritable, OutOfBounds, View, ViewMut, now_ns};
pub use wharf_protocol::transport::{CallError, ConnectError};
pub use wharf_protocol::{
    BrokerError, BufferPlan, GetStateReply, Hindrance, MoveBlocker, MoveContract, Role, Rotation, SeatRight,
    SeatStatus, SetId, SetStatus, Token, state,
};
pub use wharf_stream::timeline::SignalPointError;
pub use wharf_stream::{Departure, FrameInfo, MAX_USER_BYTES, Policy, TooMuchUserData, UserData, Waiting};
