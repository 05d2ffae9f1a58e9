//! Turning tokens into participants, before there is memory and after.

use super::machine::{Moving, Phase, required};
use super::node::Standing;
use super::{FirstMap, Joining, Late, LatePolicy, News, Rights, SetError, SetMachine, TokenId};
use crate::AccessMode;
use crate::negotiation::{Blocker, Ledger, Participant, Presence};

/// What became of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// It counts when memory is allocated.
    Collected,
    /// It came late, and the memory there is suits it.
    Fits {
        /// The generation it has.
        generation: u64,
    },
    /// It came late, and the memory moves for it. [`News::Ready`] or [`News::Refused`] follows.
    Moving {
        /// The generation it is to get.
        to: u64,
    },
}

impl SetMachine {
    /// Turns a token into a participant, whose number becomes that of the token. Each token can be used once; one whose holder came late
    /// and was refused can be used again.
    ///
    /// Before the set is sealed this collects, and seals the set if it was the last expected token. When there is memory, the newcomer has to suit
    /// it and its counts have to be free; otherwise the memory moves, if the creator's [`LatePolicy`], the token's
    /// [`Rights::MOVE`], and everybody who has buffers let it. A participant takes the place of a phantom with its label; if it is
    /// refused, the phantom stays.
    ///
    /// `holders` are those who hold the memory in place, as far as the caller knows them and besides participants whose contract is
    /// static: mappings, pins, and fences.
    ///
    /// # Errors
    /// [`SetError::Invalid`]: EINVAL. [`SetError::Denied`]: EACCES for somebody who writes without [`Rights::WRITE`].
    /// [`SetError::Used`]: EALREADY. [`SetError::Settling`]: EAGAIN while memory is being allocated or moved.
    /// [`SetError::Refused`]: EBUSY and the like for a newcomer that does not suit. [`SetError::NoSuchToken`], [`SetError::Over`].
    pub fn declare(
        &mut self,
        token: TokenId,
        participant: Participant,
        holders: &[Blocker],
    ) -> Result<Declared, SetError> {
        self.check_settled()?;
        let participant = self.checked(token, participant)?;
        if !self.is_allocated() {
            let phantom = self.phantom_for(&participant);
            self.set_standing(token, Standing::Declared(participant));
            self.replace_phantom(phantom, token);
            self.seal_if_complete();
            return Ok(Declared::Collected);
        }
        self.come_late(token, participant, holders)
    }

    /// Says whether a token could be turned into a participant now, as far as that can be told without asking what suits everybody. Nothing
    /// changes.
    ///
    /// # Errors
    /// As [`SetMachine::declare`], but for [`SetError::Refused`].
    pub fn check_declaration(&self, token: TokenId, participant: &Participant) -> Result<(), SetError> {
        self.check_settled()?;
        self.checked(token, participant.clone()).map(drop)
    }

    /// Takes a declaration back, so that the token can be used again: before the set is sealed, or for a participant that was left out.
    ///
    /// # Errors
    /// [`SetError::Sealed`]: EBUSY; release the token instead. [`SetError::NoPart`]: EINVAL when nothing was declared.
    /// [`SetError::NoSuchToken`], [`SetError::Over`].
    pub fn undeclare(&mut self, token: TokenId) -> Result<(), SetError> {
        self.check_alive()?;
        let is_open = matches!(self.phase, Phase::Open);
        let node = self.held(token)?;
        match &node.standing {
            Standing::LeftOut(_) => {}
            Standing::Declared(_) if is_open => {}
            Standing::Declared(_) | Standing::Joining(_) => return Err(SetError::Sealed),
            _ => return Err(no_part(node.label(), "has declared nothing")),
        }
        self.set_standing(token, Standing::Issued);
        Ok(())
    }

    /// Says which generation a participant has, when it is about to use the buffers; seals the set if nobody else is waited for.
    ///
    /// # Errors
    /// [`SetError::Waiting`]: EAGAIN as long as others are expected, unless the creator's [`FirstMap`] says otherwise.
    /// [`SetError::Settling`]: EAGAIN while the first memory is being allocated. [`SetError::NoPart`]: EINVAL for a token without a
    /// participant, a phantom, or a participant that was left out. [`SetError::NoSuchToken`], [`SetError::Over`].
    pub fn want_buffers(&mut self, token: TokenId) -> Result<u64, SetError> {
        self.check_alive()?;
        let node = self.held(token)?;
        if node.member().is_none() {
            let why = match &node.standing {
                Standing::Issued => "has declared nothing",
                Standing::LeftOut(_) => "was left out",
                Standing::Joining(_) => return Err(SetError::Settling { doing: "moved" }),
                _ => "is a phantom",
            };
            return Err(no_part(node.label(), why));
        }
        if let Some(generation) = self.generation() {
            return Ok(generation);
        }
        self.check_settled()?;
        let missing = self.missing();
        match self.config.first_map {
            FirstMap::Seals => {}
            FirstMap::Waits if missing.is_empty() => {}
            FirstMap::Waits | FirstMap::Forbidden => return Err(SetError::Waiting { missing }),
        }
        self.allocate_first();
        self.check_settled()?;
        Err(SetError::Settling { doing: "allocated" })
    }

    /// Checks a declaration by itself.
    fn checked(&self, token: TokenId, mut participant: Participant) -> Result<Participant, SetError> {
        let node = self.held(token)?;
        if !matches!(node.standing, Standing::Issued) {
            return Err(SetError::Used {
                label: node.label().into(),
            });
        }
        participant.id = token.participant();
        let mut participant = participant.checked().map_err(SetError::Invalid)?;
        if participant.access == AccessMode::ReadWrite && !node.has(Rights::WRITE) {
            return Err(SetError::Denied {
                label: participant.label,
                lacks: Rights::WRITE,
            });
        }
        if self.is_contained(token) && participant.presence == Presence::Required {
            participant.presence = Presence::Optional { priority: 0 };
        }
        Ok(participant)
    }

    /// Returns the phantom that keeps a place for a participant.
    fn phantom_for(&self, participant: &Participant) -> Option<TokenId> {
        if participant.presence == Presence::Phantom {
            return None;
        }
        let mut nodes = self.nodes.iter();
        let found = nodes.find(|(_, node)| node.is_phantom() && node.label() == &*participant.label);
        found.map(|(token, _)| *token)
    }

    fn come_late(
        &mut self,
        token: TokenId,
        participant: Participant,
        holders: &[Blocker],
    ) -> Result<Declared, SetError> {
        let phantom = self.phantom_for(&participant);
        match self.ask_to_join(token, &participant, phantom, holders)? {
            Joining::Fits { ledger, choices } => {
                self.set_standing(token, Standing::Declared(participant));
                if let Some(current) = &mut self.current {
                    current.ledger = ledger;
                    current.choices.extend(choices);
                }
                let generation = self.generation().unwrap_or(0);
                self.tell(token, News::Ready { generation });
                self.replace_phantom(phantom, token);
                Ok(Declared::Fits { generation })
            }
            Joining::Move { plan, misfit } => {
                self.set_standing(token, Standing::Joining(participant));
                let to = self.next_generation();
                self.phase = Phase::Moving(Box::new(Moving::new(to, *plan, token, phantom, misfit)));
                self.ask_heaps(None);
                Ok(Declared::Moving { to })
            }
        }
    }

    fn ask_to_join(
        &mut self,
        token: TokenId,
        participant: &Participant,
        phantom: Option<TokenId>,
        holders: &[Blocker],
    ) -> Result<Joining, SetError> {
        let Some(current) = &self.current else {
            return Err(SetError::Sealed);
        };
        let staying = self.staying(phantom);
        let may_move = self.node(token)?.has(Rights::MOVE) && participant.presence != Presence::Phantom;
        let late = Late {
            newcomer: &required(participant),
            plan: &current.plan,
            heaps: &current.heaps,
            ledger: &without(&current.ledger, phantom),
            choices: &current.choices,
            others: self.problem(&staying, &self.config.heaps),
            holders,
            policy: if may_move {
                self.config.late
            } else {
                LatePolicy::Refuse
            },
        };
        let answer = self.solver.join(&late);
        answer.map_err(|report| {
            self.last_report = Some(report.clone());
            SetError::Refused(report)
        })
    }
}

fn no_part(label: &str, why: &'static str) -> SetError {
    SetError::NoPart {
        label: label.into(),
        why,
    }
}

/// Returns a ledger without what somebody counts on.
fn without(ledger: &Ledger, somebody: Option<TokenId>) -> Ledger {
    let mut ledger = ledger.clone();
    let somebody = somebody.map(TokenId::participant);
    ledger.entries.retain(|entry| Some(entry.participant) != somebody);
    ledger
}
