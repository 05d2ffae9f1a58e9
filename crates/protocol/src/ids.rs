//! Names of the broker's objects.
//!
//! Every id is chosen by the broker, counts up from 1 and is never used twice during the life of one broker.
//! On the wire an id is a JSON integer below 2^63, because Varlink's `int` is a signed 64-bit number. An id
//! that arrives from a peer is only a claim: whether it names something is for the receiver to look up.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($noun, " {}"), self.0)
            }
        }

        #[cfg(test)]
        impl zlink::introspect::Type for $name {
            const TYPE: &'static zlink::idl::Type<'static> = &zlink::idl::Type::Int;
        }
    };
}

id! {
    /// A client's session with the broker: one connection, from `Register` until hang-up or death.
    SessionId(u64), "session"
}
id! {
    /// A set of equally sized buffers.
    SetId(u64), "buffer set"
}
id! {
    /// A stream of frames over one buffer set.
    StreamId(u64), "stream"
}
id! {
    /// A timeline: a row of points that its owner signals.
    TimelineId(u64), "timeline"
}
id! {
    /// The place of a consumer in a stream's shared pages, from 0 up to the stream's `max_consumers`, exclusive.
    ///
    /// A slot is used again after its consumer left; [`Incarnation`] tells the users of one slot apart.
    Slot(u32), "slot"
}
id! {
    /// Which use of a [`Slot`] is meant. Strictly increasing over the whole broker, from 1.
    Incarnation(u64), "incarnation"
}

/// The secret that lets its holder join a stream or import a buffer set or timeline: 32 hexadecimal digits (128 random bits).
///
/// Holding it is the permission (Contract: P2), so `Debug` and `Display` do not print it, lest it end up
/// in a log; [`reveal`](Token::reveal) does.
///
/// # Examples
///
/// ```
/// use wharf_protocol::Token;
///
/// let token = Token::new("00112233445566778899aabbccddeeff");
/// assert_eq!(format!("{token:?}"), "Token(redacted)");
/// assert_eq!(token.reveal(), "00112233445566778899aabbccddeeff");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps the text of a token. Any text is accepted; one the broker never issued is simply unknown to it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret text, to be handed to whoever shall have the permission.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted token")
    }
}

#[cfg(test)]
impl zlink::introspect::Type for Token {
    const TYPE: &'static zlink::idl::Type<'static> = &zlink::idl::Type::String;
}
