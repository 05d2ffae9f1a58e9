//! Sets that are negotiated, and seats in them.

use super::super::needs::{participant, writer};
use super::super::world::Chair;
use wharf_protocol::{
    AwaitBuffers, CheckSet, CreateSet, ExplainSet, FailureDomain, FirstMap, IssueSeat, LatePolicy, LeaveSeat,
    Object, SealSet, SeatRight, SeatStatus, SetContents, SetStatus, TakeSeat,
};

use super::{Scene, WAIT_MS};

impl Scene<'_> {
    /// What became of a seat, unless its set is over.
    fn status(&self, chair: &Chair) -> Option<SeatStatus> {
        let set = self.state.sets.iter().find(|set| set.set == chair.set)?;
        let negotiation = set.negotiation.as_ref()?;
        let is_over = matches!(negotiation.status, SetStatus::Failed | SetStatus::Dead);
        let mut seats = negotiation.seats.iter();
        let seat = seats.find(|seat| seat.participant == chair.participant)?;
        (!is_over).then_some(seat.status)
    }

    /// The seats that are something to somebody, of sets that are not over.
    pub(super) fn chairs_that_are(&self, wanted: &[SeatStatus]) -> Vec<Chair> {
        let chairs = self.world.chairs.iter();
        let is_wanted = |chair: &&Chair| self.status(chair).is_some_and(|status| wanted.contains(&status));
        chairs.filter(is_wanted).cloned().collect()
    }

    /// More sets than two at a time get nowhere.
    pub(super) fn new_sets(&mut self) {
        let [how, how_much] = self.choices;
        let negotiations = self.state.sets.iter().filter_map(|set| set.negotiation.as_ref());
        let is_over = |status| matches!(status, SetStatus::Failed | SetStatus::Dead);
        if negotiations.filter(|set| !is_over(set.status)).count() >= 2 {
            return;
        }
        for peer in self.registered() {
            let call = CreateSet {
                name: "preview".to_owned(),
                late: [LatePolicy::Reallocate, LatePolicy::Reallocate, LatePolicy::Refuse][how % 3],
                first_map: [FirstMap::Waits, FirstMap::Seals, FirstMap::Forbidden][how / 3 % 3],
                contents: [SetContents::Discard, SetContents::Keep][how / 9 % 2],
                expected: how_much % 8 == 1,
                deadline_ms: (how_much % 3 == 2).then_some(77),
                move_deadline_ms: 1000,
            };
            self.may(peer, call, None);
        }
    }

    pub(super) fn new_seats(&mut self) {
        let [how, how_much] = self.choices;
        let rights = SeatRight::ALL.into_iter().enumerate();
        let granted = rights.filter(|(index, _)| how_much % 2 == 0 || how >> index & 1 == 1);
        let rights: Vec<SeatRight> = granted.map(|(_, right)| right).collect();
        let domains = [
            FailureDomain::Normal,
            FailureDomain::Dispensable,
            FailureDomain::Attached,
        ];
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                let call = IssueSeat {
                    parent: chair.token,
                    label: "guest".to_owned(),
                    rights: rights.clone(),
                    domain: domains[how_much / 2 % 3],
                    expected: how_much / 6 % 2 == 1,
                };
                self.may(peer, call, None);
            }
        }
    }

    /// Whoever has a seat, or finds one, says what it needs.
    pub(super) fn declarations(&mut self) {
        let [how, how_much] = self.choices;
        let registered = self.registered();
        let (new, again) = ([SeatStatus::Expected, SeatStatus::Issued], [SeatStatus::Declared]);
        for chair in self.chairs_that_are(if how % 16 == 15 { &again } else { &new }) {
            let anybody = how_much
                .checked_rem(registered.len())
                .map(|index| registered[index]);
            let mut sets = self.state.sets.iter();
            let is_early = sets.any(|set| set.set == chair.set && set.count == 0);
            let needs = match how % 2 {
                0 if is_early => writer(1 + how as u64 / 4 % 4),
                _ => participant(how / 2, how_much as u64 % 4),
            };
            if let Some(peer) = chair.holder.or(anybody) {
                let (token, participant) = (chair.token, Object(needs));
                self.may(peer, TakeSeat { token, participant }, None);
            }
        }
    }

    pub(super) fn claims(&mut self) {
        let wait_ms = [0, WAIT_MS][self.choices[0] % 2];
        for chair in self.chairs_that_are(&[SeatStatus::Declared, SeatStatus::Joining, SeatStatus::LeftOut]) {
            let (set, participant) = (chair.set, chair.participant);
            if let Some(peer) = chair.holder {
                let call = AwaitBuffers {
                    set,
                    participant,
                    wait_ms,
                };
                self.may(peer, call, None);
            }
        }
    }

    pub(super) fn looks(&mut self) {
        let [how, how_much] = self.choices;
        for chair in self.chairs() {
            let set = chair.set;
            let participant = Object(participant(how, how_much as u64 % 4));
            if let Some(peer) = chair.holder {
                self.may(peer, ExplainSet { set }, None);
                self.may(peer, CheckSet { set, participant }, None);
            }
        }
    }

    pub(super) fn departures(&mut self) {
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                self.may(peer, LeaveSeat { token: chair.token }, None);
            }
        }
    }

    pub(super) fn seals(&mut self) {
        for chair in self.chairs() {
            if let Some(peer) = chair.holder {
                self.may(peer, SealSet { set: chair.set }, None);
            }
        }
    }
}
