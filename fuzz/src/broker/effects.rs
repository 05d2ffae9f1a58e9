//! What the driver does: it executes effects, and checks that each makes sense.

use wharf_broker::state::{Effect, PeerId};
use wharf_protocol::{Call, Reply, Token};

use super::answers::{check_descriptors, check_error, check_reply, resolve};
use super::holdings::Held;
use super::listing::check_privacy;
use super::operations::Work;
use super::world::{BROKER_UID, World};

/// Whose call is being served, and what came of it so far.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) peer: Option<PeerId>,
    pub(super) call: Option<Call>,
    pub(super) oneway: bool,
    pub(super) answers: usize,
    pub(super) operations: usize,
}

impl World {
    pub(super) fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { peer, reply, fds } => {
                self.answer(peer);
                let process = |peer| match self.peers.get(&peer) {
                    Some(peer) => peer.credentials.pid,
                    None => panic!("the process of {peer:?}, which is gone"),
                };
                let sent = resolve(&fds, &self.holdings, process);
                check_descriptors(self.turn.call.as_ref(), &reply, &sent);
                check_reply(&reply);
                self.take_note(peer, &reply);
            }
            Effect::Fail { peer, error } => {
                self.answer(peer);
                check_error(&error);
            }
            Effect::Disconnect { peer } => {
                assert!(self.peers.remove(&peer).is_some(), "{peer:?} is gone already")
            }
            Effect::Drop { handles } => handles
                .into_iter()
                .for_each(|handle| self.holdings.give_up(handle)),
            Effect::DropStatusPage { stream } => self.holdings.drop_page(stream),
            Effect::SetStreamState { stream, state } => self.holdings.set_stream_state(stream, state),
            Effect::SetGenerations { stream, generations } => {
                self.holdings.set_generations(stream, generations)
            }
            // Nobody offers a heap here.
            Effect::AskHeap { request, .. } => panic!("'{}' is asked, which is no heap", request.heap),
            // No script creates a stream that makes room.
            Effect::Wait { peer } | Effect::Resume { peer } => panic!("{peer:?} waits for room"),
            Effect::SetAlarm { operation, .. } => {
                assert!(self.alarms.insert(operation), "{operation:?} has two alarms");
            }
            Effect::CancelAlarm { operation } => drop(self.alarms.remove(&operation)),
            Effect::SetSlot {
                stream,
                slot,
                incarnation,
                state,
            } => {
                self.holdings.set_slot(stream, slot, incarnation, state);
            }
            Effect::Allocate { operation, count, .. } => self.begin(operation, Work::Allocate(count)),
            Effect::CreateStatusPage { operation, stream } => self.begin(operation, Work::StatusPage(stream)),
            Effect::Seal {
                peer,
                operation,
                set,
                buffers,
            } => {
                assert_eq!(Some(peer), self.turn.peer);
                buffers.iter().for_each(|buffer| {
                    assert!(matches!(self.holdings.get(*buffer), Held::Fresh | Held::Sealed))
                });
                match self.turn.call {
                    Some(Call::ReadyGeneration(_)) => {
                        self.begin_alone(operation, peer, Work::Seal(set, buffers));
                    }
                    _ => self.begin(operation, Work::Seal(set, buffers)),
                }
            }
        }
    }

    /// Somebody is answered: only ever who asked.
    fn answer(&mut self, peer: PeerId) {
        assert_eq!(Some(peer), self.turn.peer, "an answer to nothing");
        assert!(
            self.peers.contains_key(&peer),
            "an answer to {peer:?}, which is gone"
        );
        self.turn.answers += 1;
    }

    /// Keeps book of tokens, and of who may see what.
    fn take_note(&mut self, peer: PeerId, reply: &Reply) {
        self.succeeded.extend(self.turn.call.as_ref().map(Call::method));
        match reply {
            Reply::IssueToken(reply) => {
                let text = reply.token.reveal().to_owned();
                assert!(text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let Some(Call::IssueToken(call)) = &self.turn.call else {
                    panic!("nobody asked for a token")
                };
                assert_eq!(
                    self.uses.insert(text, call.uses),
                    None,
                    "a token was issued twice"
                );
                self.tokens.push(reply.token.clone());
            }
            Reply::CreateStream(reply) => {
                let uid = self.peers[&peer].credentials.uid;
                self.produced.insert(reply.stream, uid);
            }
            Reply::ImportBuffers(_) | Reply::JoinStream(_) => {
                let token = self.token_of_turn().reveal().to_owned();
                let uses = self.uses.get_mut(&token).expect("the token was issued");
                *uses = uses.checked_sub(1).expect("the token has uses left");
            }
            Reply::TakeChanges(reply) => {
                let Some(Call::TakeChanges(call)) = &self.turn.call else {
                    panic!("nobody asked for changes");
                };
                let incarnations = reply.joined.iter().map(|member| member.incarnation);
                assert!(
                    [call.after]
                        .into_iter()
                        .chain(incarnations)
                        .is_sorted_by(|a, b| a < b)
                );
            }
            Reply::GetState(state) => {
                let uid = self.peers[&peer].credentials.uid;
                if uid != BROKER_UID {
                    check_privacy(state, uid);
                }
            }
            Reply::WatchStream(_) => {
                let Some(Call::WatchStream(call)) = &self.turn.call else {
                    panic!("nobody asked for pages");
                };
                let uid = self.peers[&peer].credentials.uid;
                if uid != BROKER_UID {
                    let of = self.produced.get(&call.stream);
                    assert_eq!(of, Some(&uid), "{} is another user's", call.stream);
                }
            }
            _ => {}
        }
    }

    /// The token that the current call brought.
    fn token_of_turn(&self) -> &Token {
        match &self.turn.call {
            Some(Call::ImportBuffers(call)) => &call.token,
            Some(Call::JoinStream(call)) => &call.token,
            other => panic!("{other:?} has no token"),
        }
    }
}
