//! Those who die, leave or are cut off. Contract: S4, P5.

use wharf_core::set::TokenId;
use wharf_protocol::{EndReason, SessionId, SetId};

use super::memory::NOBODY;
use super::{ABANDONED_AFTER_MS, Place, Purpose};
use crate::state::Machine;
use crate::state::generations::Participant as Capacity;

impl Machine {
    /// Takes note that a session is over: whoever it was in sets has died, unless it had left before.
    pub(in crate::state) fn leave_seats(&mut self, session: SessionId) {
        let seats = self
            .negotiating
            .holders
            .get(&session)
            .cloned()
            .unwrap_or_default();
        for (id, token) in seats {
            self.settle_move(id);
            self.fail_seat(id, token);
            self.forget_seat(id, token);
            self.remove_if_over(id);
        }
    }

    /// Takes note that the holder of a seat has died.
    pub(super) fn fail_seat(&mut self, id: SetId, token: TokenId) {
        self.lose_place(id, token);
        // A move may have waited for this one only. It is over then, whoever else goes.
        self.settle_move(id);
        if let Ok(set) = self.negotiating.set_mut(id) {
            // One that is over, or has no such token any more, has nothing to note.
            let _ = set.machine.fail(token);
        }
        self.follow_orders(id);
        let is_over = self
            .negotiating
            .set(id)
            .is_ok_and(|set| set.machine.failure().is_some());
        if !is_over {
            self.forget_seat(id, token);
        }
    }

    /// Gives a seat up in good order.
    pub(super) fn release_seat(&mut self, id: SetId, token: TokenId) {
        self.lose_place(id, token);
        self.settle_move(id);
        if let Ok(set) = self.negotiating.set_mut(id) {
            // One that is over has nothing to note.
            let _ = set.machine.release(token);
        }
        self.forget_seat(id, token);
        self.follow_orders(id);
        self.remove_if_over(id);
    }

    /// Takes the buffers from the holder of a seat, in whichever capacity it has them.
    pub(super) fn lose_place(&mut self, id: SetId, token: TokenId) {
        let set = self.negotiating.sets.get_mut(&id);
        let Some(seat) = set.and_then(|set| set.seats.get_mut(&token)) else {
            return;
        };
        let (session, place) = (seat.session, std::mem::replace(&mut seat.place, Place::Nowhere));
        match place {
            Place::Nowhere => {}
            Place::Owner => self.disown(id, session),
            Place::Importer => self.lose_import(id, session),
            Place::Member(stream, slot, incarnation) => {
                let member = self
                    .streams
                    .get(&stream)
                    .and_then(|stream| stream.members.get(&slot));
                if member.is_some_and(|member| member.incarnation == incarnation) {
                    self.remove_member(stream, slot);
                }
            }
        }
    }

    /// Takes the buffers from an importer, unless it has them in another seat too.
    fn lose_import(&mut self, id: SetId, session: SessionId) {
        if let Some(contract) = self.importer_contract(id, session) {
            let memory = self.sets.get_mut(&id);
            if let Some(before) = memory.and_then(|memory| memory.importers.get_mut(&session)) {
                *before = contract;
            }
            return;
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.imported.remove(&id);
        }
        self.remove_importer(id, session);
    }

    /// Leaves the buffers to those who read them.
    fn disown(&mut self, id: SetId, session: SessionId) {
        let Some(memory) = self.sets.get_mut(&id) else {
            return;
        };
        memory.owner = NOBODY;
        let (stream, is_sealed) = (memory.stream, memory.sealed);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.owned.remove(&id);
        }
        if let Some(stream) = stream {
            self.finish_stream(stream, EndReason::ProducerDied);
            let is_empty = |stream: &crate::state::stream::Stream| stream.members.is_empty();
            if self.streams.get(&stream).is_some_and(is_empty) {
                self.remove_stream(stream);
            }
        }
        self.forget_participant(id, Capacity::Owner);
        if !is_sealed {
            self.seal_orphaned(id);
        }
    }

    /// Forgets who had a seat, and its token.
    pub(super) fn forget_seat(&mut self, id: SetId, token: TokenId) {
        self.cancel_unclaimed(id, token);
        self.lose_place(id, token);
        let Ok(set) = self.negotiating.set_mut(id) else {
            return;
        };
        set.refusals.remove(&token);
        if set.writer == Some(token) {
            set.writer = None;
        }
        let text = set.tokens.remove(&token);
        let seat = set.seats.remove(&token);
        let is_empty = set.seats.is_empty();
        if let Some(seat) = &seat {
            set.declared_bytes = set.declared_bytes.saturating_sub(seat.declared_bytes);
            set.left_bytes.insert(token, seat.declared_bytes);
        }
        // Of those who left, only what still has to suit is kept.
        let machine = &set.machine;
        set.left_bytes.retain(|token, _| machine.is_in_force(*token));
        if let Some(text) = text {
            self.negotiating.tokens.remove(&text);
        }
        if let Some(seat) = seat {
            if let Some(held) = self.negotiating.holders.get_mut(&seat.session) {
                held.remove(&(id, token));
            }
            self.negotiating.holders.retain(|_, held| !held.is_empty());
            if is_empty {
                let alarm = self.set_purpose(id, Purpose::Abandoned, ABANDONED_AFTER_MS);
                if let Ok(set) = self.negotiating.set_mut(id) {
                    set.abandoned = Some(alarm);
                }
            }
        }
    }

    /// Takes note of members that are in their stream no more: those who came with it leave the set, too.
    pub(super) fn drop_lost_members(&mut self, id: SetId) {
        let Ok(set) = self.negotiating.set(id) else { return };
        let is_lost = |place: &Place| match place {
            Place::Member(stream, slot, incarnation) => {
                let member = self
                    .streams
                    .get(stream)
                    .and_then(|stream| stream.members.get(slot));
                member.is_none_or(|member| member.incarnation != *incarnation)
            }
            Place::Importer | Place::Owner | Place::Nowhere => false,
        };
        let seats = set.seats.iter().filter(|(_, seat)| is_lost(&seat.place));
        let lost: Vec<_> = seats.map(|(token, seat)| (*token, seat.join.is_some())).collect();
        for (token, came_with_stream) in lost {
            if came_with_stream {
                self.fail_seat(id, token);
            } else {
                self.lose_place(id, token);
            }
        }
    }

    /// Forgets a set that is over when nobody has a seat in it any more.
    pub(super) fn remove_if_over(&mut self, id: SetId) {
        let set = self.negotiating.sets.get(&id);
        if set.is_some_and(|set| set.machine.failure().is_some() && set.seats.is_empty()) {
            self.remove_negotiated(id);
        }
    }

    /// Forgets a set, and gives its memory up.
    pub(super) fn remove_negotiated(&mut self, id: SetId) {
        self.answer_all(id);
        let Some(set) = self.negotiating.sets.get(&id) else {
            return;
        };
        let seats: Vec<TokenId> = set.seats.keys().copied().collect();
        for token in seats {
            self.forget_seat(id, token);
        }
        let generations = self.generations_of(id);
        for generation in generations {
            self.give_up(id, generation);
        }
        let Some(set) = self.negotiating.sets.remove(&id) else {
            return;
        };
        for text in set.tokens.values() {
            self.negotiating.tokens.remove(text);
        }
        self.negotiating.active.remove(&id);
        let purposes = self.negotiating.purposes.iter();
        let purposes: Vec<_> = purposes
            .filter(|(_, (set, _))| *set == id)
            .map(|(operation, _)| *operation)
            .collect();
        for operation in purposes {
            self.cancel_purpose(operation);
        }
    }
}
