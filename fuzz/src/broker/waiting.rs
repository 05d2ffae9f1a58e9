//! Calls that are answered when the broker has news for them.

use wharf_broker::state::PeerId;
use wharf_protocol::Call;

use super::world::World;

/// What a peer's call waits for.
pub(super) enum Waiting {
    /// The report on work of this number.
    Operation(wharf_broker::state::OperationId),
    /// That the broker goes on with it.
    News(Asked),
}

/// A call that waits for news.
pub(super) struct Asked {
    pub(super) call: Option<Call>,
    pub(super) oneway: bool,
}

/// A call that the broker goes on with.
pub(super) struct Resumed {
    pub(super) asked: Asked,
    pub(super) answers: usize,
}

impl World {
    /// A peer is not served until there is news.
    pub(super) fn wait(&mut self, id: PeerId) {
        let asked = match self.resumed.remove(&id) {
            Some(again) => {
                assert_eq!(again.answers, 0, "answered, and waits on");
                again.asked
            }
            None => {
                assert_eq!(Some(id), self.turn.peer, "who did not ask waits");
                Asked {
                    call: self.turn.call.clone(),
                    oneway: self.turn.oneway,
                }
            }
        };
        self.reached.note("waits");
        let peer = self.peers.get_mut(&id).expect("who waits is there");
        match peer.waits_for.replace(Waiting::News(asked)) {
            None => self.turn.operations += 1,
            // Work that was begun for the call, and is not all that has to be done.
            Some(Waiting::Operation(operation)) => {
                if let Some(work) = self.operations.get_mut(&operation) {
                    work.is_waited_for = false;
                }
            }
            // It is about to wait again.
            Some(Waiting::News(_)) => {}
        }
    }

    /// The broker goes on with what a peer asked.
    pub(super) fn resume(&mut self, id: PeerId) {
        let peer = self.peers.get_mut(&id).expect("who is gone is not served");
        // It is served when everything has been told.
        let Some(Waiting::News(asked)) = peer.waits_for.take() else {
            panic!("{id:?} does not wait");
        };
        peer.waits_for = Some(Waiting::News(Asked {
            call: None,
            oneway: true,
        }));
        self.reached.note("resumed");
        let resumed = Resumed { asked, answers: 0 };
        assert!(
            self.resumed.insert(id, resumed).is_none(),
            "{id:?} is served twice"
        );
    }

    /// Serves those again who have waited.
    pub(super) fn serve_resumed(&mut self) {
        while let Some((id, Resumed { asked, answers })) = self.resumed.pop_first() {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            assert_eq!(
                answers == 1,
                !asked.oneway,
                "{answers} answers to {:?}",
                asked.call
            );
            assert!(answers <= 1);
            peer.waits_for = None;
            self.serve(id);
        }
    }

    /// Notes what became of the sets of somebody who has gone, and forgets that it had seats.
    pub(super) fn note_death(&mut self, peer: PeerId) {
        let left = self.chairs.extract_if(.., |chair| chair.holder == Some(peer));
        for chair in left.collect::<Vec<_>>() {
            match self.reached.status(chair.set) {
                Some(status) => self.reached.note(format!("death, set {status:?}")),
                None => self.reached.note("death, set gone"),
            }
        }
    }

    /// The descriptors that calls keep while they wait.
    pub(super) fn kept_by_waiting(&self) -> usize {
        let keeps = |waiting: &Option<Waiting>| {
            let Some(Waiting::News(asked)) = waiting else {
                return false;
            };
            matches!(asked.call, Some(Call::JoinStream(_)))
        };
        self.peers.values().filter(|peer| keeps(&peer.waits_for)).count()
    }
}
