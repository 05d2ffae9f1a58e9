//! Tokens: whoever holds one may share what it is for. Contract: P2.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wharf_protocol::{
    BrokerError, EndReason, IssueToken, IssueTokenReply, ObjectKind, Reply, SetId, StreamId, Target, Token,
};

use super::{Answered, Machine, PeerId, done};

/// How many tokens one object has at most; issuing another revokes the oldest, as if it were used up. Tokens whose
/// receivers died before they used them do not pile up that way.
pub(super) const MAX_TOKENS_PER_OBJECT: usize = 256;

/// For how many dead tokens the broker remembers why they are dead.
const MAX_REMEMBERED: usize = 1024;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Set(SetId),
    Stream(StreamId),
}

impl From<Object> for Target {
    fn from(object: Object) -> Self {
        match object {
            Object::Set(set) => Self {
                kind: ObjectKind::Set,
                id: Some(set.0),
            },
            Object::Stream(stream) => Self {
                kind: ObjectKind::Stream,
                id: Some(stream.0),
            },
        }
    }
}

/// What is known of a token.
#[derive(Debug)]
enum Entry {
    Live { object: Object, uses_left: u32 },
    Dead { because: BrokerError },
}

/// All tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Looked up, never walked: the order of a hash map is not deterministic. Its keyed hash also keeps a
    /// token's bits from showing in the time a wrong guess takes.
    entries: HashMap<Token, Entry>,
    live: BTreeMap<Object, VecDeque<Token>>,
    dead: VecDeque<Token>,
}

impl Tokens {
    /// Adds a token. `None` if there is one of the same text already.
    pub(super) fn add(&mut self, token: Token, object: Object, uses: u32) -> Option<()> {
        if self.entries.contains_key(&token) {
            return None;
        }
        self.entries.insert(
            token.clone(),
            Entry::Live {
                object,
                uses_left: uses,
            },
        );
        let of_object = self.live.entry(object).or_default();
        of_object.push_back(token);
        if of_object.len() > MAX_TOKENS_PER_OBJECT
            && let Some(oldest) = of_object.pop_front()
        {
            self.remember(oldest, BrokerError::TokenUsedUp);
        }
        Some(())
    }

    /// The stream `token` is for; `expected` is the one the caller believes it to be for.
    pub(super) fn stream(&self, token: &Token, expected: Option<StreamId>) -> Result<StreamId, BrokerError> {
        match self.find(token)? {
            Object::Stream(stream) if expected.is_none_or(|expected| expected == stream) => Ok(stream),
            other => Err(BrokerError::TokenForOther {
                expected: Target {
                    kind: ObjectKind::Stream,
                    id: expected.map(|stream| stream.0),
                },
                actual: other.into(),
            }),
        }
    }

    /// The set `token` is for.
    pub(super) fn set(&self, token: &Token) -> Result<SetId, BrokerError> {
        match self.find(token)? {
            Object::Set(set) => Ok(set),
            other @ Object::Stream(_) => Err(BrokerError::TokenForOther {
                expected: Target {
                    kind: ObjectKind::Set,
                    id: None,
                },
                actual: other.into(),
            }),
        }
    }

    fn find(&self, token: &Token) -> Result<Object, BrokerError> {
        match self.entries.get(token) {
            Some(Entry::Live { object, .. }) => Ok(*object),
            Some(Entry::Dead { because }) => Err(because.clone()),
            None => Err(BrokerError::TokenUnknown),
        }
    }

    /// Counts one use. A token that has no more is dead.
    pub(super) fn count_use(&mut self, token: &Token) {
        let Some(Entry::Live { object, uses_left }) = self.entries.get_mut(token) else {
            return;
        };
        *uses_left = uses_left.saturating_sub(1);
        if *uses_left > 0 {
            return;
        }
        let object = *object;
        if let Some(of_object) = self.live.get_mut(&object) {
            of_object.retain(|live| live != token);
            if of_object.is_empty() {
                self.live.remove(&object);
            }
        }
        self.remember(token.clone(), BrokerError::TokenUsedUp);
    }

    /// The stream is over: its tokens say so from now on.
    pub(super) fn end_stream(&mut self, stream: StreamId, reason: EndReason) {
        for token in self.live.remove(&Object::Stream(stream)).unwrap_or_default() {
            self.remember(token, BrokerError::StreamEnded { reason });
        }
    }

    /// The set is gone: its tokens are unknown from now on.
    pub(super) fn remove_set(&mut self, set: SetId) {
        for token in self.live.remove(&Object::Set(set)).unwrap_or_default() {
            self.entries.remove(&token);
        }
    }

    fn remember(&mut self, token: Token, because: BrokerError) {
        self.entries.insert(token.clone(), Entry::Dead { because });
        self.dead.push_back(token);
        if self.dead.len() > MAX_REMEMBERED
            && let Some(oldest) = self.dead.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// The objects that have live tokens, with how many.
    #[cfg(test)]
    pub(super) fn counts(&self) -> impl Iterator<Item = (Object, usize)> {
        self.live.iter().map(|(object, tokens)| (*object, tokens.len()))
    }

    /// How many tokens are known, dead or alive.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Machine {
    pub(super) fn issue_token(&mut self, peer: PeerId, call: &IssueToken) -> Answered {
        let caller = self.caller(peer)?;
        let object = match call.kind {
            ObjectKind::Set => {
                self.owned_set(caller, SetId(call.id))?;
                Object::Set(SetId(call.id))
            }
            ObjectKind::Stream => {
                self.running_stream_of(caller, StreamId(call.id))?;
                Object::Stream(StreamId(call.id))
            }
        };
        let bits = u128::from_be_bytes((self.randomness)()?);
        let token = Token::new(format!("{bits:032x}"));
        self.tokens
            .add(token.clone(), object, call.uses)
            .ok_or_else(|| BrokerError::AllocationFailed {
                errno: rustix::io::Errno::EXIST.raw_os_error(),
                reason: "the random number generator gave the same token twice".to_owned(),
            })?;
        done(Reply::IssueToken(IssueTokenReply { token }))
    }
}
