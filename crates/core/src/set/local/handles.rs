//! Taking part in a set.

use std::fmt;
use std::sync::Arc;
use std::thread;

use super::{Generation, LocalSet, blockers};
use crate::negotiation::Participant;
use crate::set::{Declared, SetError, SetMachine, TokenId, TokenSpec};
use crate::{BufferName, Wait};

/// A token that somebody holds. Dropping it gives it up in good order; dropping it because the thread panics is a failure, as the
/// token's [`FailureDomain`](crate::set::FailureDomain) says.
pub struct SetToken {
    set: LocalSet,
    token: TokenId,
}

/// A participant. Dropping it is as dropping its token.
#[derive(Debug)]
pub struct SetMember {
    token: SetToken,
}

/// A declaration that was refused, with the token, which can be used again.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct DeclareError {
    error: SetError,
    token: SetToken,
}

impl SetToken {
    pub(super) fn new(set: LocalSet, token: TokenId) -> Self {
        Self { set, token }
    }

    /// Returns its number.
    pub fn id(&self) -> TokenId {
        self.token
    }

    /// Returns the set.
    pub fn set(&self) -> &LocalSet {
        &self.set
    }

    /// Issues another token from it; see [`SetMachine::issue`].
    ///
    /// # Errors
    /// As [`SetMachine::issue`].
    pub fn issue(&self, spec: TokenSpec) -> Result<Self, SetError> {
        let token = self.set.act(|machine| machine.issue(self.token, spec))?;
        Ok(Self::new(self.set.clone(), token))
    }

    /// Seals the set; see [`SetMachine::seal`].
    ///
    /// # Blocking
    /// As long as heaps take.
    ///
    /// # Errors
    /// As [`SetMachine::seal`].
    pub fn seal(&self) -> Result<(), SetError> {
        self.set.act(|machine| machine.seal(self.token))
    }

    /// Gives the set a name; see [`SetMachine::set_name`].
    ///
    /// # Errors
    /// As [`SetMachine::set_name`].
    pub fn set_name(&self, priority: u32, name: BufferName) -> Result<bool, SetError> {
        self.set
            .act(|machine| machine.set_name(self.token, priority, name))
    }

    /// Turns it into a participant; see [`SetMachine::declare`]. If memory has to move, it has when this returns.
    ///
    /// # Blocking
    /// While memory is being allocated or moved, within the bounds of `wait`.
    ///
    /// # Errors
    /// As [`SetMachine::declare`], with the token. [`SetError::Settling`]: EAGAIN when the time is over.
    pub fn declare(self, participant: Participant, wait: &Wait<'_>) -> Result<SetMember, DeclareError> {
        match self.declare_within(&participant, wait) {
            Ok(()) => Ok(SetMember { token: self }),
            Err(error) => Err(DeclareError { error, token: self }),
        }
    }

    fn declare_within(&self, participant: &Participant, wait: &Wait<'_>) -> Result<(), SetError> {
        loop {
            let holders = self.set.current().map(|current| blockers::holders(&current));
            let holders = holders.unwrap_or_default();
            let call = |machine: &mut SetMachine| machine.declare(self.token, participant.clone(), &holders);
            match self.set.act(call) {
                Ok(Declared::Collected | Declared::Fits { .. }) => return Ok(()),
                Ok(Declared::Moving { .. }) => return self.await_move(wait),
                Err(SetError::Settling { doing }) => self.set.await_settled(doing, wait)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the memory has moved, or has not.
    fn await_move(&self, wait: &Wait<'_>) -> Result<(), SetError> {
        loop {
            let mut inner = self.set.lock();
            if let Some(error) = inner.refused.remove(&self.token) {
                return Err(error);
            }
            match inner.machine.want_buffers(self.token) {
                Ok(_) => return Ok(()),
                Err(error @ SetError::Settling { .. }) => {
                    self.set.wait_for_change(inner, wait).map_err(|_| error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it up as if its holder had gone away without saying so.
    pub fn fail(self) {
        // Its drop finds it gone.
        let _ = self.set.act(|machine| machine.fail(self.token));
    }
}

impl SetMember {
    /// Returns the token it was made of, with which others can be issued.
    pub fn token(&self) -> &SetToken {
        &self.token
    }

    /// Returns the buffers there are; has them allocated if nobody else is waited for.
    ///
    /// # Blocking
    /// While others are expected and memory is being allocated, within the bounds of `wait`.
    ///
    /// # Errors
    /// As [`SetMachine::want_buffers`]; EAGAIN when the time is over, with the labels of those waited for.
    pub fn buffers(&self, wait: &Wait<'_>) -> Result<Arc<Generation>, SetError> {
        let set = &self.token.set;
        loop {
            let wanted = set.act(|machine| machine.want_buffers(self.token.token));
            let inner = set.lock();
            // What has come of it meanwhile.
            let current = inner.machine.generation();
            match (wanted, current.and_then(|number| inner.generations.get(&number))) {
                (Ok(_) | Err(SetError::Settling { .. } | SetError::Waiting { .. }), Some(current)) => {
                    return Ok(Arc::clone(current));
                }
                (Err(error @ (SetError::Settling { .. } | SetError::Waiting { .. })), None)
                    if inner.machine.failure().is_none() =>
                {
                    set.wait_for_change(inner, wait).map_err(|_| error)?;
                }
                (Err(error), _) if inner.machine.failure().is_none() => return Err(error),
                _ => inner.machine.check_alive()?,
            }
        }
    }

    /// Says whether a generation is the current one. Buffers of another are old: nobody else looks at what is in them.
    ///
    /// # Errors
    /// [`SetError::Stale`]: ESTALE. [`SetError::Over`].
    pub fn check(&self, generation: &Generation) -> Result<(), SetError> {
        let inner = self.token.set.lock();
        inner.machine.check_generation(generation.number())
    }

    /// Ends it as if it had gone away without saying so.
    pub fn fail(self) {
        self.token.fail();
    }
}

impl LocalSet {
    fn current(&self) -> Option<Arc<Generation>> {
        let inner = self.lock();
        let number = inner.machine.generation()?;
        inner.generations.get(&number).cloned()
    }

    /// Waits until nothing is being allocated or moved.
    fn await_settled(&self, doing: &'static str, wait: &Wait<'_>) -> Result<(), SetError> {
        let inner = self.lock();
        if inner.machine.check_settled().is_ok() {
            return Ok(());
        }
        self.wait_for_change(inner, wait)
            .map_err(|_| SetError::Settling { doing })
    }
}

impl DeclareError {
    /// Returns why.
    pub fn error(&self) -> &SetError {
        &self.error
    }

    /// Gives the token back.
    pub fn into_token(self) -> SetToken {
        self.token
    }
}

impl Drop for SetToken {
    fn drop(&mut self) {
        // It may be gone already: with somebody whose failure it shares, or the whole set.
        let _ = self.set.act(|machine| match thread::panicking() {
            true => machine.fail(self.token),
            false => machine.release(self.token),
        });
        self.set.lock().refused.remove(&self.token);
    }
}

impl fmt::Debug for SetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetToken").field(&self.token).finish()
    }
}

impl fmt::Debug for DeclareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclareError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
