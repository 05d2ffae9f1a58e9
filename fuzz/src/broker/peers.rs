//! Peers: how they come and go, and what they send, through the real codec.

use wharf_broker::state::{Credentials, Event, PeerId};
use wharf_protocol::codec::{Decoder, decode_call};
use wharf_protocol::{BrokerError, Fault, GetState};

use super::effects::Turn;
use super::script::Page;
use super::waiting::Waiting;
use super::world::World;

pub(super) struct Peer {
    pub(super) credentials: Credentials,
    decoder: Decoder<Page>,
    /// The second piece of what it last sent.
    owed: Vec<u8>,
    /// What its current call waits for.
    pub(super) waits_for: Option<Waiting>,
}

impl World {
    /// A peer other than the observer.
    pub(super) fn peer(&self, index: usize) -> Option<PeerId> {
        let others = self.peers.len() - 1;
        self.peers.keys().nth(1 + index.checked_rem(others)?).copied()
    }

    pub(super) fn connect(&mut self, uid: u32) -> PeerId {
        self.last_peer += 1;
        let id = PeerId(self.last_peer);
        let pid = 1000 + u32::try_from(self.last_peer).expect("scripts are short");
        let credentials = Credentials { pid, uid };
        let peer = Peer {
            credentials,
            decoder: Decoder::for_calls(),
            owed: Vec::new(),
            waits_for: None,
        };
        self.peers.insert(id, peer);
        self.turn = Turn {
            peer: Some(id),
            ..Turn::default()
        };
        self.tell(Event::Connected {
            peer: id,
            credentials,
        });
        assert_eq!(
            self.turn.answers == 0,
            self.peers.contains_key(&id),
            "who is refused is told so, and sent away"
        );
        id
    }

    pub(super) fn vanish(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.turn = Turn::default();
        self.tell(Event::Disconnected { peer });
        self.note_death(peer);
    }

    /// Something of a peer that is gone was still on its way.
    pub(super) fn echo(&mut self, peer: PeerId, pages: Vec<Page>) {
        if self.peers.contains_key(&peer) {
            return;
        }
        self.vanish(peer);
        let fds = pages
            .into_iter()
            .map(|page| self.holdings.receive(page))
            .collect();
        self.tell(Event::Call {
            peer,
            call: GetState {}.into(),
            oneway: false,
            fds,
        });
        let error = BrokerError::ProtocolViolation {
            reason: "late".to_owned(),
        };
        self.tell(Event::Malformed {
            peer,
            error,
            oneway: false,
        });
    }

    pub(super) fn owe(&mut self, peer: PeerId, bytes: Vec<u8>) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.owed = bytes;
        }
    }

    pub(super) fn complete(&mut self, peer: PeerId) {
        let owed = self
            .peers
            .get_mut(&peer)
            .map(|peer| std::mem::take(&mut peer.owed))
            .unwrap_or_default();
        self.push(peer, &owed, Vec::new());
    }

    /// Reads what a peer sent.
    pub(super) fn push(&mut self, id: PeerId, bytes: &[u8], pages: Vec<Page>) {
        // Descriptors do not travel without a byte.
        if let Some(peer) = self.peers.get_mut(&id)
            && !bytes.is_empty()
        {
            peer.decoder.push(bytes, pages);
            self.serve(id);
        }
    }

    /// Serves what a peer has sent, until it has to wait for an operation.
    pub(super) fn serve(&mut self, id: PeerId) {
        while let Some(peer) = self.peers.get_mut(&id)
            && peer.waits_for.is_none()
            && let Some(message) = peer.decoder.next_message()
        {
            self.turn = Turn {
                peer: Some(id),
                ..Turn::default()
            };
            let event = match message.map(|message| (decode_call(&message.bytes), message.fds)) {
                Ok((Ok(incoming), pages)) => {
                    let fds = pages
                        .into_iter()
                        .map(|page| self.holdings.receive(page))
                        .collect();
                    self.turn.call = Some(incoming.call.clone());
                    Event::Call {
                        peer: id,
                        call: incoming.call,
                        oneway: incoming.oneway,
                        fds,
                    }
                }
                Ok((Err(refused), _)) => Event::Malformed {
                    peer: id,
                    error: refused.error,
                    oneway: refused.oneway,
                },
                Err(error) => Event::Malformed {
                    peer: id,
                    error: error.into(),
                    oneway: false,
                },
            };
            self.tell_of_call(event);
        }
    }

    /// Delivers what a peer sent, and checks that it is answered.
    fn tell_of_call(&mut self, event: Event) {
        let (id, oneway, ends) = match &event {
            Event::Malformed { peer, error, oneway } => (*peer, *oneway, error.fault() == Fault::Peer),
            Event::Call { peer, oneway, .. } => (*peer, *oneway, false),
            other => panic!("{other:?} is not sent by peers"),
        };
        self.turn.oneway = oneway;
        self.tell(event);
        self.check_answered();
        assert_eq!(
            self.peers.contains_key(&id),
            !ends,
            "only who breaks the protocol is sent away"
        );
    }

    /// Each call is answered once, unless it waits for an operation or wants no answer.
    pub(super) fn check_answered(&mut self) {
        let Turn {
            oneway,
            answers,
            mut operations,
            seal,
            ..
        } = self.turn;
        // The first buffers are sealed before the call is answered, those of moves afterwards.
        if let Some(operation) = seal.and_then(|seal| self.operations.get_mut(&seal)) {
            operation.is_waited_for = answers == 0;
            operations += usize::from(answers == 0);
        }
        assert!(
            operations <= 1 && answers <= 1,
            "{operations} operations and {answers} answers for one call"
        );
        assert!(answers == 0 || operations == 0, "answered before it is done");
        assert_eq!(answers == 1, !oneway && operations == 0, "{answers} answers");
    }
}
