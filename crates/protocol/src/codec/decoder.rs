//! Cuts a byte stream into messages.

use std::collections::VecDeque;

use crate::BrokerError;
use crate::limits::{MAX_CALL_BYTES, MAX_CALL_FDS, MAX_REPLY_BYTES, MAX_REPLY_FDS};

/// One message, and the file descriptors that came with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<F> {
    /// The message without its terminating NUL. Nothing about its content has been checked.
    pub bytes: Vec<u8>,
    /// The descriptors, in the order they were sent.
    pub fds: Vec<F>,
}

/// Why a byte stream cannot be cut into messages any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A message is longer than the limit.
    #[error("the peer sent a message longer than {limit_bytes} bytes")]
    MessageTooLarge {
        /// The limit, in bytes, the terminating NUL included.
        limit_bytes: usize,
    },
    /// More descriptors wait for the rest of their message than the limit allows.
    #[error("the peer sent {count} file descriptors, {limit} are accepted")]
    TooManyFds {
        /// How many there are.
        count: usize,
        /// How many are accepted.
        limit: usize,
    },
}

impl From<DecodeError> for BrokerError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::MessageTooLarge { limit_bytes } => {
                // CAST: usize is at most 64 bits wide on every platform Rust supports.
                Self::MessageTooLarge {
                    limit_bytes: limit_bytes as u64,
                }
            }
            DecodeError::TooManyFds { .. } => Self::ProtocolViolation {
                reason: error.to_string(),
            },
        }
    }
}

/// Cuts a byte stream into messages, each with its file descriptors of type `F`.
///
/// Call [`push`](Decoder::push) with the outcome of one read, then [`next_message`](Decoder::next_message) until
/// it gives `None`. What then stays behind is less than one message within the limits.
///
/// After an error there is no telling where the next message begins: the decoder has dropped everything it held
/// and drops everything that is pushed later.
///
/// # Examples
///
/// ```
/// use wharf_protocol::codec::Decoder;
///
/// let mut decoder = Decoder::for_calls();
/// decoder.push(b"{}\0{\"meth", vec!["a page"]);
/// let first = decoder.next_message().unwrap().unwrap();
/// assert_eq!(first.bytes, b"{}");
/// assert!(first.fds.is_empty(), "the page came with the write that the read ended in");
/// assert!(decoder.next_message().is_none());
/// ```
#[derive(Debug)]
pub struct Decoder<F> {
    limit_bytes: usize,
    limit_fds: usize,
    buffer: Vec<u8>,
    /// Where the next message begins in `buffer`.
    start: usize,
    /// Up to where `buffer` was searched for the end of the next message.
    searched: usize,
    batches: VecDeque<Batch<F>>,
    failure: Failure,
}

/// The descriptors of one read, and where in the buffer the last byte of that read is.
#[derive(Debug)]
struct Batch<F> {
    at: usize,
    fds: Vec<F>,
}

#[derive(Debug, Clone, Copy)]
enum Failure {
    None,
    Unreported(DecodeError),
    Reported,
}

impl<F> Decoder<F> {
    /// Makes a decoder with the limits the broker has for what a client sends.
    pub fn for_calls() -> Self {
        Self::new(MAX_CALL_BYTES, MAX_CALL_FDS)
    }

    /// Makes a decoder with the limits a client has for what the broker sends.
    pub fn for_replies() -> Self {
        Self::new(MAX_REPLY_BYTES, MAX_REPLY_FDS)
    }

    /// Makes a decoder that accepts messages of up to `limit_bytes` bytes, terminating NUL included, and up to
    /// `limit_fds` descriptors waiting at once.
    pub fn new(limit_bytes: usize, limit_fds: usize) -> Self {
        Self {
            limit_bytes,
            limit_fds,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            batches: VecDeque::new(),
            failure: Failure::None,
        }
    }

    /// Takes in what one read returned: its bytes and its descriptors.
    pub fn push(&mut self, bytes: &[u8], fds: Vec<F>) {
        if !matches!(self.failure, Failure::None) {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        if fds.is_empty() {
            return;
        }
        let count = fds.len() + self.batches.iter().map(|batch| batch.fds.len()).sum::<usize>();
        if count > self.limit_fds {
            self.fail(DecodeError::TooManyFds {
                count,
                limit: self.limit_fds,
            });
            return;
        }
        self.batches.push_back(Batch {
            at: self.buffer.len().saturating_sub(1),
            fds,
        });
    }

    /// Returns the next complete message; `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// If a limit was broken. The error is returned once, `None` from then on.
    pub fn next_message(&mut self) -> Option<Result<Message<F>, DecodeError>> {
        if let Failure::Unreported(error) = self.failure {
            self.failure = Failure::Reported;
            return Some(Err(error));
        }
        match self.find_end() {
            Some(end) if end - self.start < self.limit_bytes => Some(Ok(self.take(end))),
            None if self.buffer.len() - self.start < self.limit_bytes => {
                self.compact();
                None
            }
            _ => {
                self.fail(DecodeError::MessageTooLarge {
                    limit_bytes: self.limit_bytes,
                });
                self.next_message()
            }
        }
    }

    /// Finds the NUL that ends the next message.
    fn find_end(&mut self) -> Option<usize> {
        let found = self.buffer[self.searched..].iter().position(|byte| *byte == 0);
        self.searched = found.map_or(self.buffer.len(), |offset| self.searched + offset);
        found.map(|_| self.searched)
    }

    /// Takes out the message whose NUL is at `end`, with the descriptors that came up to there.
    fn take(&mut self, end: usize) -> Message<F> {
        let bytes = self.buffer[self.start..end].to_vec();
        let came_by_then = self.batches.partition_point(|batch| batch.at <= end);
        let fds = self
            .batches
            .drain(..came_by_then)
            .flat_map(|batch| batch.fds)
            .collect();
        self.start = end + 1;
        self.searched = self.start;
        Message { bytes, fds }
    }

    /// Drops the bytes of messages already taken.
    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        for batch in &mut self.batches {
            batch.at -= self.start;
        }
        self.searched -= self.start;
        self.start = 0;
    }

    fn fail(&mut self, error: DecodeError) {
        let (limit_bytes, limit_fds) = (self.limit_bytes, self.limit_fds);
        *self = Self {
            failure: Failure::Unreported(error),
            ..Self::new(limit_bytes, limit_fds)
        };
    }
}
