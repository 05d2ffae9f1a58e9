//! Writes messages.

use serde::Serialize;

use crate::limits::{MAX_CALL_BYTES, MAX_REPLY_BYTES};
use crate::{BrokerError, Call, Reply};

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It would be longer than its receiver accepts.
    #[error("the message has {size_bytes} bytes, its receiver accepts {limit_bytes}")]
    TooLarge {
        /// The message's length, in bytes, the terminating NUL included.
        size_bytes: usize,
        /// The most its receiver accepts, in bytes.
        limit_bytes: usize,
    },
    /// It cannot be written as JSON.
    #[error("the message cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct CallFrame<'a> {
    method: &'static str,
    parameters: &'a Call,
    #[serde(skip_serializing_if = "Option::is_none")]
    oneway: Option<bool>,
}

#[derive(Serialize)]
struct ReplyFrame<'a> {
    parameters: &'a Reply,
}

/// Writes a call that wants an answer, terminating NUL included.
///
/// # Errors
///
/// If it is longer than [`MAX_CALL_BYTES`].
///
/// # Examples
///
/// ```
/// use wharf_protocol::codec::encode_call;
/// use wharf_protocol::{Call, FreeBuffers, SetId};
///
/// let message = encode_call(&Call::from(FreeBuffers { set: SetId(4) }))?;
/// assert_eq!(message, b"{\"method\":\"dev.wharf.Broker.FreeBuffers\",\"parameters\":{\"set\":4}}\0");
/// # Ok::<(), wharf_protocol::codec::EncodeError>(())
/// ```
pub fn encode_call(call: &Call) -> Result<Vec<u8>, EncodeError> {
    encode(
        &CallFrame {
            method: call.method(),
            parameters: call,
            oneway: None,
        },
        MAX_CALL_BYTES,
    )
}

/// Writes a call that wants no answer, neither reply nor error, terminating NUL included.
///
/// # Errors
///
/// If it is longer than [`MAX_CALL_BYTES`].
pub fn encode_oneway_call(call: &Call) -> Result<Vec<u8>, EncodeError> {
    encode(
        &CallFrame {
            method: call.method(),
            parameters: call,
            oneway: Some(true),
        },
        MAX_CALL_BYTES,
    )
}

/// Writes a successful answer, terminating NUL included.
///
/// # Errors
///
/// If it is longer than [`MAX_REPLY_BYTES`].
pub fn encode_reply(reply: &Reply) -> Result<Vec<u8>, EncodeError> {
    encode(&ReplyFrame { parameters: reply }, MAX_REPLY_BYTES)
}

/// Writes an error answer, terminating NUL included.
///
/// # Errors
///
/// If it is longer than [`MAX_REPLY_BYTES`].
pub fn encode_error(error: &BrokerError) -> Result<Vec<u8>, EncodeError> {
    encode(error, MAX_REPLY_BYTES)
}

fn encode(message: &impl Serialize, limit_bytes: usize) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(0);
    if bytes.len() > limit_bytes {
        return Err(EncodeError::TooLarge {
            size_bytes: bytes.len(),
            limit_bytes,
        });
    }
    Ok(bytes)
}
