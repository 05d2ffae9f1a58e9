//! Issuing tokens, and what becomes of the tree when they go.

use std::collections::BTreeSet;
use std::mem;

use super::machine::{Phase, check_label};
use super::node::Standing;
use super::{MAX_TOKENS, News, Rights, SetError, SetFailure, SetMachine, Tie, TokenId, TokenSpec};
use crate::BufferName;

impl SetMachine {
    /// Issues a token from another one. It grants no more than that one does: what is asked for besides is refused.
    ///
    /// # Errors
    /// [`SetError::Denied`]: EACCES when the parent cannot issue tokens or lacks rights that are asked for.
    /// [`SetError::TooMany`]: ENOSPC beyond [`MAX_TOKENS`]. [`SetError::Invalid`]: EINVAL for the label. [`SetError::NoSuchToken`], also when the
    /// parent was given up. [`SetError::Over`].
    pub fn issue(&mut self, parent: TokenId, mut spec: TokenSpec) -> Result<TokenId, SetError> {
        self.check_alive()?;
        let node = self.held(parent)?;
        let lacks = node.spec.rights.lacking(Rights::ISSUE | spec.rights);
        if lacks != Rights::NONE {
            return Err(SetError::Denied {
                label: node.label().into(),
                lacks,
            });
        }
        check_label(&spec.label)?;
        if node.spec.tie == Tie::Weak {
            spec.tie = Tie::Weak;
        }
        if self.nodes.len() >= MAX_TOKENS {
            return Err(SetError::TooMany {
                what: "tokens",
                most: MAX_TOKENS,
            });
        }
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children += 1;
        }
        Ok(self.add(spec, Some(parent)))
    }

    /// Gives the set a name, unless it has one of the same or a higher priority. Says whether it did.
    ///
    /// # Errors
    /// [`SetError::Denied`]: EACCES without [`Rights::SEAL`]. [`SetError::NoSuchToken`], [`SetError::Over`].
    ///
    /// # References
    /// fuchsia.sysmem2 `Node.SetName`.
    pub fn set_name(&mut self, token: TokenId, priority: u32, name: BufferName) -> Result<bool, SetError> {
        self.check_alive()?;
        self.check_right(token, Rights::SEAL)?;
        let is_higher = self.name.as_ref().is_none_or(|(before, _)| priority > *before);
        if is_higher {
            self.name = Some((priority, name));
        }
        Ok(is_higher)
    }

    /// Returns the name of the highest priority that anybody gave.
    pub fn name(&self) -> Option<&BufferName> {
        self.name.as_ref().map(|(_, name)| name)
    }

    /// Ends the part of a token's holder in good order. What it declared stays in force, and what it counts on stays reserved, as long
    /// as the memory does that it was allocated for; the tokens issued from it stay too. A phantom leaves nothing behind.
    ///
    /// # Errors
    /// [`SetError::NoSuchToken`], also when it is released already. [`SetError::Over`].
    ///
    /// # References
    /// fuchsia.sysmem2 `Node.Release`.
    pub fn release(&mut self, token: TokenId) -> Result<(), SetError> {
        self.check_alive()?;
        let is_phantom = self.held(token)?.is_phantom();
        let before = self.leave(token, Standing::Released(None));
        if let Some(Standing::Declared(participant)) = before
            && !is_phantom
        {
            self.set_standing(token, Standing::Released(Some(participant)));
        } else {
            self.forget_counts(token);
        }
        self.after_leaving();
        Ok(())
    }

    /// Takes note that a token's holder went away without saying so. Whom that harms its [`FailureDomain`](super::FailureDomain) says;
    /// what those who go count on is free for others.
    ///
    /// # Errors
    /// [`SetError::NoSuchToken`], also when it is released already. [`SetError::Over`].
    pub fn fail(&mut self, token: TokenId) -> Result<(), SetError> {
        self.check_alive()?;
        let node = self.held(token)?;
        let lost = SetFailure::Lost {
            label: node.label().into(),
            pid: node.pid(),
        };
        match self.failing_root(token) {
            Some(root) => {
                let lost = self.subtree(root);
                // Before anybody hears of anything: what they do then may be the last thing that a move was waiting for.
                if self.newcomer().is_some_and(|newcomer| lost.contains(&newcomer)) {
                    self.give_up_move();
                }
                for token in lost {
                    self.lose(token);
                }
                self.after_leaving();
            }
            None => self.end(lost),
        }
        Ok(())
    }

    /// Returns the token whose whole subtree fails with `token`; `None` if the set does.
    fn failing_root(&self, token: TokenId) -> Option<TokenId> {
        let is_allocated = self.is_allocated();
        let mut at = token;
        loop {
            let node = self.nodes.get(&at)?;
            let is_outside = is_allocated && at == token && node.member().is_none();
            if is_outside || node.contains_failure(is_allocated) {
                // With the first token everybody goes, and is to hear why.
                return node.parent.is_some().then_some(at);
            }
            at = node.parent?;
        }
    }

    /// Whether the failure of a token harms nobody but it and those around it, from before there is memory on.
    pub(super) fn is_contained(&self, token: TokenId) -> bool {
        let mut node = self.nodes.get(&token);
        while let Some(at) = node {
            if at.contains_failure(false) {
                return true;
            }
            node = at.parent.and_then(|parent| self.nodes.get(&parent));
        }
        false
    }

    /// Returns a token and everything issued from it, from the top down.
    fn subtree(&self, root: TokenId) -> BTreeSet<TokenId> {
        let mut found = BTreeSet::from([root]);
        // A token has a higher number than the one it was issued from.
        for (token, node) in self.nodes.range(root..) {
            if node.parent.is_some_and(|parent| found.contains(&parent)) {
                found.insert(*token);
            }
        }
        found
    }

    fn lose(&mut self, token: TokenId) {
        let is_held = self.nodes.get(&token).is_some_and(|node| node.is_held());
        self.leave(token, Standing::Failed);
        self.forget_counts(token);
        if is_held {
            self.tell(token, News::Lost);
        }
    }

    /// Changes what became of a token, and returns what it was before. A move for it is given up.
    fn leave(&mut self, token: TokenId, standing: Standing) -> Option<Standing> {
        if matches!(&self.phase, Phase::Moving(moving) if moving.newcomer == token) {
            self.give_up_move();
        }
        self.nodes
            .get_mut(&token)
            .map(|node| mem::replace(&mut node.standing, standing))
    }

    pub(super) fn forget_counts(&mut self, token: TokenId) {
        if let Some(current) = &mut self.current {
            let entries = &mut current.ledger.entries;
            entries.retain(|entry| entry.participant != token.participant());
        }
    }

    /// What follows when somebody has gone.
    fn after_leaving(&mut self) {
        if matches!(self.phase, Phase::Live) {
            self.forget_released();
        }
        self.prune();
        self.end_if_abandoned();
        self.seal_if_complete();
    }

    /// Ends the set if nobody keeps it alive.
    fn end_if_abandoned(&mut self) {
        if !self.nodes.values().any(|node| node.keeps_alive()) {
            self.end(SetFailure::Ended);
        }
    }

    /// Ends a phantom, whose place `by` takes, if it has not gone meanwhile.
    pub(super) fn replace_phantom(&mut self, phantom: Option<TokenId>, by: TokenId) {
        let is_there = |token: &TokenId| self.nodes.get(token).is_some_and(|node| node.is_phantom());
        let Some(phantom) = phantom.filter(is_there) else {
            return;
        };
        self.set_standing(phantom, Standing::Released(None));
        self.forget_counts(phantom);
        let by = by.participant();
        self.tell(phantom, News::Replaced { by });
        self.prune();
        self.end_if_abandoned();
    }

    /// Forgets tokens that are gone, and from which none is left that was issued.
    pub(super) fn prune(&mut self) {
        let tokens: Vec<TokenId> = self.nodes.keys().rev().copied().collect();
        for token in tokens {
            let Some(node) = self.nodes.get(&token) else {
                continue;
            };
            let is_gone = matches!(node.standing, Standing::Released(None) | Standing::Failed);
            if !is_gone || node.children > 0 {
                continue;
            }
            let parent = node.parent;
            self.nodes.remove(&token);
            if let Some(node) = parent.and_then(|parent| self.nodes.get_mut(&parent)) {
                node.children -= 1;
            }
        }
    }

    /// Returns a token that somebody holds.
    pub(super) fn held(&self, token: TokenId) -> Result<&super::node::Node, SetError> {
        let node = self.node(token)?;
        if node.is_held() {
            return Ok(node);
        }
        Err(SetError::NoSuchToken { token })
    }

    pub(super) fn check_right(&self, token: TokenId, right: Rights) -> Result<(), SetError> {
        let node = self.held(token)?;
        if node.has(right) {
            return Ok(());
        }
        Err(SetError::Denied {
            label: node.label().into(),
            lacks: node.spec.rights.lacking(right),
        })
    }
}
