//! Tokens: whoever holds one may share what it is for. Contract: P2.

use std::collections::{BTreeMap, HashMap, VecDeque};

use wharf_protocol::{
    BrokerError, EndReason, IssueToken, IssueTokenReply, ObjectKind, Reply, Resource, SetId, StreamId,
    Target, TimelineId, Token,
};

use super::accounts::one_more;
use super::{Answered, Machine, Request, done};

/// How many tokens one object has at most; issuing another revokes the oldest, as if it were used up. Tokens whose
/// receivers died before they used them do not pile up that way.
pub(super) const MAX_TOKENS_PER_OBJECT: usize = 256;

/// How many tokens that can still be used one user has at most.
pub(super) const MAX_TOKENS_PER_USER: usize = 4096;

/// For how many dead tokens the broker remembers why they are dead.
const MAX_REMEMBERED: usize = 1024;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Set(SetId),
    Stream(StreamId),
    Timeline(TimelineId),
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
            Object::Timeline(timeline) => Self {
                kind: ObjectKind::Timeline,
                id: Some(timeline.0),
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

/// The live tokens of an object, oldest first.
#[derive(Debug)]
struct Issued {
    /// The user of the object's owner.
    uid: u32,
    tokens: VecDeque<Token>,
}

/// All tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Looked up, never walked: the order of a hash map is not deterministic. Its keyed hash also keeps a
    /// token's bits from showing in the time a wrong guess takes.
    entries: HashMap<Token, Entry>,
    live: BTreeMap<Object, Issued>,
    dead: VecDeque<Token>,
}

impl Tokens {
    /// Whether user `uid` may have one more token for `object`.
    fn check(&self, uid: u32, object: Object) -> Result<(), BrokerError> {
        let gives_way = |issued: &Issued| issued.tokens.len() >= MAX_TOKENS_PER_OBJECT;
        if self.live.get(&object).is_some_and(gives_way) {
            return Ok(());
        }
        let of_user = self.live.values().filter(|issued| issued.uid == uid);
        let used = of_user.map(|issued| issued.tokens.len()).sum::<usize>();
        one_more(uid, Resource::Tokens, used, MAX_TOKENS_PER_USER)
    }

    /// Adds a token for an object of user `uid`. `None` if there is one of the same text already.
    fn add(&mut self, token: Token, uid: u32, object: Object, uses: u32) -> Option<()> {
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
        let issued = self.live.entry(object).or_insert_with(|| Issued {
            uid,
            tokens: VecDeque::new(),
        });
        issued.tokens.push_back(token);
        if issued.tokens.len() > MAX_TOKENS_PER_OBJECT
            && let Some(oldest) = issued.tokens.pop_front()
        {
            self.remember(oldest, BrokerError::TokenUsedUp);
        }
        Some(())
    }

    /// The stream `token` is for; `expected` is the one the caller believes it to be for.
    pub(super) fn stream(&self, token: &Token, expected: Option<StreamId>) -> Result<StreamId, BrokerError> {
        match self.find(token)? {
            Object::Stream(stream) if expected.is_none_or(|expected| expected == stream) => Ok(stream),
            other => Err(for_other(
                ObjectKind::Stream,
                expected.map(|stream| stream.0),
                other,
            )),
        }
    }

    /// The set `token` is for.
    pub(super) fn set(&self, token: &Token) -> Result<SetId, BrokerError> {
        match self.find(token)? {
            Object::Set(set) => Ok(set),
            other => Err(for_other(ObjectKind::Set, None, other)),
        }
    }

    /// The timeline `token` is for.
    pub(super) fn timeline(&self, token: &Token) -> Result<TimelineId, BrokerError> {
        match self.find(token)? {
            Object::Timeline(timeline) => Ok(timeline),
            other => Err(for_other(ObjectKind::Timeline, None, other)),
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
        if let Some(issued) = self.live.get_mut(&object) {
            issued.tokens.retain(|live| live != token);
            if issued.tokens.is_empty() {
                self.live.remove(&object);
            }
        }
        self.remember(token.clone(), BrokerError::TokenUsedUp);
    }

    /// The stream is over: its tokens say so from now on.
    pub(super) fn end_stream(&mut self, stream: StreamId, reason: EndReason) {
        for token in self.revoke(Object::Stream(stream)) {
            self.remember(token, BrokerError::StreamEnded { reason });
        }
    }

    /// The set is gone: its tokens are unknown from now on.
    pub(super) fn remove_set(&mut self, set: SetId) {
        self.forget(Object::Set(set));
    }

    /// The timeline is over: its tokens are unknown from now on.
    pub(super) fn remove_timeline(&mut self, timeline: TimelineId) {
        self.forget(Object::Timeline(timeline));
    }

    fn forget(&mut self, object: Object) {
        for token in self.revoke(object) {
            self.entries.remove(&token);
        }
    }

    fn revoke(&mut self, object: Object) -> VecDeque<Token> {
        self.live
            .remove(&object)
            .map(|issued| issued.tokens)
            .unwrap_or_default()
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
        self.live
            .iter()
            .map(|(object, issued)| (*object, issued.tokens.len()))
    }

    /// How many tokens are known, dead or alive.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The error of a token that is for something else than its holder believes.
fn for_other(kind: ObjectKind, id: Option<u64>, actual: Object) -> BrokerError {
    BrokerError::TokenForOther {
        expected: Target { kind, id },
        actual: actual.into(),
    }
}

impl Machine {
    /// A token that nobody can guess.
    pub(super) fn new_token(&mut self) -> Result<Token, BrokerError> {
        let bits = u128::from_be_bytes((self.randomness)()?);
        Ok(Token::new(format!("{bits:032x}")))
    }

    pub(super) fn issue_token(&mut self, request: &Request, call: &IssueToken) -> Answered {
        let caller = self.caller(request.peer)?;
        let object = match call.kind {
            ObjectKind::Set => {
                let set = SetId(call.id);
                let is_sealed = self.owned_set(caller, set)?.sealed;
                self.tokens.check(caller.uid, Object::Set(set))?;
                // Sealing can wait for the owner, so it is done now, when only the owner waits. Contract: P1.
                if !is_sealed {
                    return self.seal(request, set);
                }
                Object::Set(set)
            }
            ObjectKind::Stream => {
                let stream = StreamId(call.id);
                self.running_stream_of(caller, stream)?;
                self.tokens.check(caller.uid, Object::Stream(stream))?;
                Object::Stream(stream)
            }
            ObjectKind::Timeline => {
                let timeline = TimelineId(call.id);
                self.owned_timeline(caller, timeline)?;
                self.tokens.check(caller.uid, Object::Timeline(timeline))?;
                Object::Timeline(timeline)
            }
        };
        let token = self.new_token()?;
        self.tokens
            .add(token.clone(), caller.uid, object, call.uses)
            .ok_or_else(|| BrokerError::AllocationFailed {
                errno: rustix::io::Errno::EXIST.raw_os_error(),
                reason: "the random number generator gave the same token twice".to_owned(),
            })?;
        done(Reply::IssueToken(IssueTokenReply { token }))
    }
}
