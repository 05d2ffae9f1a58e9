//! Clients of the broker in a [`World`]: connecting, calling, and what most tests begin with.

use wharf_linux::SealFlags;
use wharf_protocol::{
    AllocateBuffers, AllocateBuffersReply, BrokerError, Call, CreateStream, CreateStreamReply, IssueToken,
    IssueTokenReply, JoinStream, JoinStreamReply, ObjectKind, Policy, Register, Reply, SessionId, SetId,
    StreamId, Token,
};
use wharf_stream::{CONSUMER_PAGE_BYTES, RING_PAGE_BYTES};

use super::world::{BROKER_UID, Outcome, World};
use crate::state::{Credentials, Event, FdRef, Inspection, PeerId, ReceivedFd};

impl World {
    /// A descriptor as a peer might send it.
    pub(super) fn received(&mut self, inspection: Inspection) -> ReceivedFd {
        ReceivedFd {
            handle: self.new_fd(),
            inspection,
        }
    }

    /// A page as it should be.
    pub(super) fn page(&mut self, size_bytes: usize) -> ReceivedFd {
        self.received(Inspection::Memfd {
            size_bytes: size_bytes as u64,
            seals: good_seals(),
        })
    }

    pub(super) fn connect(&mut self, uid: u32) -> PeerId {
        self.last_peer += 1;
        let peer = PeerId(self.last_peer);
        self.connected.insert(peer);
        let pid = 100 + u32::try_from(self.last_peer).unwrap();
        self.tell(Event::Connected {
            peer,
            credentials: Credentials { pid, uid },
        });
        peer
    }

    /// Makes a call without waiting for the answer.
    pub(super) fn post(&mut self, peer: PeerId, call: impl Into<Call>, fds: Vec<ReceivedFd>) {
        self.tell(Event::Call {
            peer,
            call: call.into(),
            oneway: false,
            fds,
        });
    }

    /// The oldest answer a peer has not looked at.
    pub(super) fn answer(&mut self, peer: PeerId) -> Option<Outcome> {
        self.answers.get_mut(&peer)?.pop_front()
    }

    /// Makes a call and returns the answer, with a descriptor if one is given.
    pub(super) fn call_with(&mut self, peer: PeerId, call: impl Into<Call>, fds: Vec<ReceivedFd>) -> Outcome {
        self.post(peer, call, fds);
        self.answer(peer).expect("the call is answered")
    }

    pub(super) fn call(&mut self, peer: PeerId, call: impl Into<Call>) -> Outcome {
        self.call_with(peer, call, Vec::new())
    }

    pub(super) fn error(&mut self, peer: PeerId, call: impl Into<Call>) -> BrokerError {
        self.call(peer, call).expect_err("the call is refused")
    }

    /// A registered peer of the broker's own user.
    pub(super) fn client(&mut self, label: &str) -> PeerId {
        self.client_of(BROKER_UID, label)
    }

    pub(super) fn client_of(&mut self, uid: u32, label: &str) -> PeerId {
        let peer = self.connect(uid);
        self.call(
            peer,
            Register {
                label: label.to_owned(),
            },
        )
        .expect("registered");
        peer
    }

    pub(super) fn session(&self, peer: PeerId) -> SessionId {
        self.machine.peers[&peer].session.expect("registered")
    }

    pub(super) fn allocate(
        &mut self,
        peer: PeerId,
        size_bytes: u64,
        count: u32,
    ) -> (AllocateBuffersReply, Vec<FdRef>) {
        match self.call(
            peer,
            AllocateBuffers {
                name: "frames".to_owned(),
                size_bytes,
                count,
            },
        ) {
            Ok((Reply::AllocateBuffers(reply), fds)) => (reply, fds),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn create(
        &mut self,
        peer: PeerId,
        set: SetId,
        max_consumers: u32,
    ) -> Result<StreamId, BrokerError> {
        let page = self.page(RING_PAGE_BYTES);
        match self.call_with(
            peer,
            CreateStream {
                set,
                name: "preview".to_owned(),
                max_consumers,
                room_ms: None,
                polled: None,
                rotation: None,
            },
            vec![page],
        )? {
            (Reply::CreateStream(CreateStreamReply { stream }), _) => Ok(stream),
            other => panic!("{other:?}"),
        }
    }

    /// A new set of `count` buffers and a stream over it.
    pub(super) fn stream(&mut self, peer: PeerId, count: u32, max_consumers: u32) -> StreamId {
        let set = self.allocate(peer, 4096, count).0.set;
        self.create(peer, set, max_consumers).expect("created")
    }

    pub(super) fn token(&mut self, peer: PeerId, kind: ObjectKind, id: u64, uses: u32) -> Token {
        match self.call(peer, IssueToken { kind, id, uses }) {
            Ok((Reply::IssueToken(IssueTokenReply { token }), _)) => token,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn join(
        &mut self,
        peer: PeerId,
        token: &Token,
        depth: u32,
    ) -> Result<(JoinStreamReply, Vec<FdRef>), BrokerError> {
        let page = self.page(CONSUMER_PAGE_BYTES);
        let call = JoinStream::new(token.clone(), depth, Policy::Block);
        match self.call_with(peer, call, vec![page])? {
            (Reply::JoinStream(reply), fds) => Ok((reply, fds)),
            other => panic!("{other:?}"),
        }
    }
}

/// The seals a shared page has to have.
pub(super) fn good_seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL
}
