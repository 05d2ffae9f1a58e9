//! The set and the stream beside the model.

use super::super::world::assert_complete;
use wharf::{SeatStatus, SetStatus};
use wharf_testkit::eventually;

use super::model::{CAMERA_CAMPING, Memory};
use super::{Guest, LONGEST, Studio, await_tally};

impl Studio {
    /// Waits until the broker knows that a process is dead, and nothing moves for it.
    pub(super) fn await_gone(&self, pid: u32) {
        let is_there = || {
            let state = self.world.state();
            let set = state.sets.iter().find(|set| set.set == self.set.id()).unwrap();
            let status = set.negotiation.as_ref().unwrap().status;
            let is_known = state.sessions.iter().any(|session| session.pid == pid);
            if is_known || status != SetStatus::Allocated || set.moving.is_some() {
                return Err(format!("process {pid} is not gone: {state:#?}"));
            }
            Ok(())
        };
        eventually(LONGEST, is_there).unwrap();
    }

    /// Shows that the broker has what the model says, and that all frames flow to everybody.
    pub(super) fn assert_as_modelled(&mut self) {
        eventually(LONGEST, || self.compare()).unwrap();
        let plan = self.set.explain().unwrap().plan.unwrap();
        let plane = &plan.image.as_ref().unwrap().planes[0];
        let actual = Memory {
            stride: plane.stride_bytes,
            rows: plane.rows,
            count: plan.count().into(),
        };
        assert_eq!(actual, self.memory, "the plan");
        let generation = self.generation;
        for guest in &mut self.guests {
            let enough = guest.idle.actor.tally().unwrap().received + 2;
            let tally = await_tally(&mut guest.idle, |tally| {
                tally.received >= enough && tally.generation == generation
            });
            assert_complete(&tally, tally.last_seq);
            assert_eq!(tally.ending, None);
        }
    }

    fn compare(&self) -> Result<(), String> {
        let state = self.world.state();
        let set = state.sets.iter().find(|set| set.set == self.set.id()).unwrap();
        let negotiation = set.negotiation.as_ref().unwrap();
        let pid_of = |guest: &Guest| guest.idle.actor.pid();
        let declared = negotiation
            .seats
            .iter()
            .filter(|seat| seat.status == SeatStatus::Declared);
        let mut seats: Vec<_> = declared.map(|seat| (seat.pid, seat.camping.into())).collect();
        let mut wanted = vec![(Some(self.camera.actor.pid()), CAMERA_CAMPING)];
        wanted.extend(
            self.guests
                .iter()
                .map(|guest| (Some(pid_of(guest)), guest.needs.camping)),
        );
        let stream = &state.streams[0];
        let mut members: Vec<_> = stream.members.iter().map(|member| member.pid).collect();
        let mut present: Vec<_> = self.guests.iter().map(pid_of).collect();
        // The recorder and the observer are one process: this.
        let mut sessions: Vec<_> = state.sessions.iter().map(|session| session.pid).collect();
        let here = [std::process::id(), std::process::id(), self.camera.actor.pid()];
        let outside = self.outside.iter().map(|idle| idle.actor.pid());
        let mut alive: Vec<_> = here.into_iter().chain(outside).chain(present.clone()).collect();
        seats.sort_unstable();
        wanted.sort_unstable();
        for pids in [&mut members, &mut present, &mut sessions, &mut alive] {
            pids.sort_unstable();
        }
        let is_settled = negotiation.status == SetStatus::Allocated
            && set.moving.is_none()
            && set.old.is_empty()
            && set.generation == self.generation
            && u64::from(set.count) == self.memory.count;
        if is_settled && seats == wanted && members == present && sessions == alive {
            return Ok(());
        }
        Err(format!(
            "seats {seats:?}, not {wanted:?}; members {members:?}, not {present:?}; sessions {sessions:?}, not {alive:?}; \
             generation {}, {:?}: {set:#?}",
            self.generation, self.memory
        ))
    }

    /// Shows that nobody has missed a frame, and that everything is given back.
    pub(super) fn finish(mut self) -> [u64; 4] {
        let last = self.camera.actor.pause().unwrap();
        for mut guest in self.guests {
            let tally = await_tally(&mut guest.idle, |tally| tally.last_seq == last);
            assert_complete(&tally, last);
            guest.idle.close();
        }
        for idle in self.outside {
            idle.close();
        }
        self.camera.close();
        drop(self.set);
        drop(self.session);
        self.world.finish();
        self.outcomes
    }
}
