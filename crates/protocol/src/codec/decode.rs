//! Reads messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{BrokerError, Call};

/// How much of what a peer sent is repeated in an error, in characters.
const MAX_QUOTE_CHARS: usize = 200;

/// A call, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// The method and its parameters. Their ranges are not checked yet: see [`Call::check`].
    pub call: Call,
    /// The caller wants no answer, neither reply nor error.
    pub oneway: bool,
    /// The caller would take several replies. One, without `continues`, is always a correct answer.
    pub more: bool,
}

/// A call that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct RefusedCall {
    /// What to answer, and by its [`fault`](BrokerError::fault) whether to hang up.
    pub error: BrokerError,
    /// The caller wants no answer, not even the error.
    pub oneway: bool,
}

/// Why the answer to a call is not a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The broker refused the call.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The broker refused the call with an error this version does not know.
    #[error("the broker answered with the unknown error {name} {parameters}")]
    Unknown {
        /// The error's full name.
        name: String,
        /// The beginning of its parameters, as JSON.
        parameters: String,
    },
    /// The answer is not one the method can have.
    #[error("the broker's answer cannot be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct CallFrame<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    oneway: Option<bool>,
    more: Option<bool>,
    upgrade: Option<bool>,
}

#[derive(Deserialize)]
struct ReplyFrame<'a> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    continues: Option<bool>,
}

/// Reads a call from a message without its NUL.
///
/// Parameters may be absent or `null` where a method has none; fields that are not known are ignored.
///
/// # Errors
///
/// `ProtocolViolation` if the message is no call at all, `InterfaceNotFound` or `MethodNotFound` if it names
/// nothing known, `InvalidArgument` if the parameters do not have the method's shape, `InvalidParameter` if it
/// asks to upgrade the connection to another protocol.
pub fn decode_call(message: &[u8]) -> Result<IncomingCall, RefusedCall> {
    let frame: CallFrame<'_> = object(message).map_err(|reason| RefusedCall {
        error: BrokerError::ProtocolViolation {
            reason: format!("the message is no call: {reason}"),
        },
        oneway: false,
    })?;
    let oneway = frame.oneway.unwrap_or(false);
    match call(&frame) {
        Ok(call) => Ok(IncomingCall {
            call,
            oneway,
            more: frame.more.unwrap_or(false),
        }),
        Err(error) => Err(RefusedCall { error, oneway }),
    }
}

/// Reads the answer to a call from a message without its NUL. `T` is the method's reply type.
///
/// # Errors
///
/// The broker's own error if it refused the call; otherwise what is wrong with the answer.
///
/// # Examples
///
/// ```
/// use wharf_protocol::codec::{ReplyError, decode_reply};
/// use wharf_protocol::{BrokerError, CreateStreamReply, StreamId};
///
/// let reply: CreateStreamReply = decode_reply(br#"{"parameters":{"stream":3}}"#)?;
/// assert_eq!(reply.stream, StreamId(3));
///
/// let refused = decode_reply::<CreateStreamReply>(br#"{"error":"dev.wharf.Broker.NotRegistered"}"#);
/// assert_eq!(refused, Err(ReplyError::Broker(BrokerError::NotRegistered)));
/// # Ok::<(), ReplyError>(())
/// ```
pub fn decode_reply<T: DeserializeOwned>(message: &[u8]) -> Result<T, ReplyError> {
    let frame: ReplyFrame<'_> = object(message).map_err(|reason| ReplyError::Malformed { reason })?;
    if let Some(name) = &frame.error {
        return Err(known_error(name, frame.parameters));
    }
    if frame.continues == Some(true) {
        let reason = "it announces further replies, which were not asked for".to_owned();
        return Err(ReplyError::Malformed { reason });
    }
    object(text(frame.parameters).as_bytes()).map_err(|reason| ReplyError::Malformed { reason })
}

fn call(frame: &CallFrame<'_>) -> Result<Call, BrokerError> {
    if frame.upgrade == Some(true) {
        return Err(BrokerError::InvalidParameter {
            parameter: "upgrade".to_owned(),
        });
    }
    let parameters = text(frame.parameters);
    if !parameters.starts_with('{') {
        return Err(BrokerError::invalid("parameters", "they are not a JSON object"));
    }
    match Call::from_parts(&frame.method, parameters) {
        Some(Ok(call)) => Ok(call),
        Some(Err(error)) => Err(BrokerError::invalid("parameters", quote(&error.to_string()))),
        None => Err(unknown_method(&frame.method)),
    }
}

fn unknown_method(method: &str) -> BrokerError {
    let interface = method.rsplit_once('.').map_or(method, |(interface, _)| interface);
    if crate::interface_description(interface).is_some() {
        BrokerError::MethodNotFound {
            method: quote(method),
        }
    } else {
        BrokerError::InterfaceNotFound {
            interface: quote(interface),
        }
    }
}

/// Reads an error by its name. Errors without fields may come with empty parameters or with none.
fn known_error(name: &str, parameters: Option<&RawValue>) -> ReplyError {
    #[derive(serde::Serialize)]
    struct Frame<'a> {
        error: &'a str,
        parameters: &'a RawValue,
    }
    let alone = serde_json::json!({ "error": name });
    let read = serde_json::from_value::<BrokerError>(alone).or_else(|_| {
        let parameters = parameters.unwrap_or(RawValue::NULL);
        serde_json::from_str(&serde_json::to_string(&Frame {
            error: name,
            parameters,
        })?)
    });
    match read {
        Ok(error) => ReplyError::Broker(error),
        Err(_) => ReplyError::Unknown {
            name: quote(name),
            parameters: quote(text(parameters)),
        },
    }
}

/// The text of optional parameters; absent ones are an empty object.
fn text(parameters: Option<&RawValue>) -> &str {
    parameters.map_or("{}", RawValue::get)
}

/// Reads a JSON object. Without the check for the brace, an array of the fields' values would be accepted too.
fn object<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(message).map_err(|error| error.to_string())?;
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| quote(&error.to_string()))
}

/// Repeats the beginning of what a peer sent, without control characters.
fn quote(text: &str) -> String {
    let mut quoted: String = text
        .chars()
        .take(MAX_QUOTE_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_QUOTE_CHARS).is_some() {
        quoted.push('…');
    }
    quoted
}
