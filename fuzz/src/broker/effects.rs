//! What the driver does: it executes effects, and checks that each makes sense.

use wharf_broker::state::{Effect, FdRef, OperationId, PeerId};
use wharf_protocol::{Call, ObjectKind, Reply, StreamId, Token};

use super::answers::{check_descriptors, check_error, check_reply, resolve};
use super::holdings::Held;
use super::listing::check_privacy;
use super::operations::Work;
use super::world::{BROKER_UID, Chair, World};

/// Whose call is being served, and what came of it so far.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) peer: Option<PeerId>,
    pub(super) call: Option<Call>,
    pub(super) oneway: bool,
    pub(super) answers: usize,
    pub(super) operations: usize,
    /// A seal for which the call may be waiting, or not.
    pub(super) seal: Option<OperationId>,
}

impl World {
    pub(super) fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { peer, reply, fds } => {
                let call = self.answer(peer);
                let process = |peer| match self.peers.get(&peer) {
                    Some(peer) => peer.credentials.pid,
                    None => panic!("the process of {peer:?}, which is gone"),
                };
                let sent = resolve(&fds, &self.holdings, process);
                let is_polled = match &call {
                    Some(Call::TakeChanges(call)) => self.polled.contains(&call.stream),
                    _ => false,
                };
                check_descriptors(call.as_ref(), &reply, &sent, is_polled);
                for fd in fds {
                    if let FdRef::Given(handle) = fd {
                        self.holdings.give_up(handle);
                    }
                }
                check_reply(&reply);
                self.take_note(peer, call.as_ref(), &reply);
            }
            Effect::Fail { peer, error } => {
                self.answer(peer);
                check_error(&error);
                self.reached.note_error(&error);
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
            Effect::AskHeap { operation, request } => self.ask_heap(operation, request),
            Effect::Wait { peer } => self.wait(peer),
            Effect::Resume { peer } => self.resume(peer),
            Effect::MakeBells { operation, ends } => self.begin(operation, Work::Bells(ends)),
            Effect::Ring { bells } => bells
                .into_iter()
                .for_each(|bell| assert_eq!(self.holdings.get(bell), Held::Bell)),
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
            Effect::Allocate {
                operation,
                count,
                size_bytes,
                ..
            } => self.allocate(operation, Work::Allocate { count, size_bytes }),
            Effect::CreateTimelinePage { operation, timeline } => {
                self.begin(operation, Work::TimelinePage(timeline));
            }
            Effect::SetImports { timeline, newest } => self.holdings.set_imports(timeline, newest),
            Effect::EndTimeline { timeline, .. } => self.holdings.end_timeline(timeline),
            Effect::DropTimelinePage { timeline } => self.holdings.drop_timeline_page(timeline),
            Effect::CreateStatusPage { operation, stream } => self.begin(operation, Work::StatusPage(stream)),
            Effect::Seal {
                peer,
                operation,
                set,
                buffers,
            } => self.seal(peer, operation, set, buffers),
        }
    }

    /// Somebody is answered: only ever who asked. Returns what that was.
    fn answer(&mut self, peer: PeerId) -> Option<Call> {
        assert!(
            self.peers.contains_key(&peer),
            "an answer to {peer:?}, which is gone"
        );
        if let Some(resumed) = self.resumed.get_mut(&peer) {
            resumed.answers += 1;
            return resumed.asked.call.clone();
        }
        assert_eq!(Some(peer), self.turn.peer, "an answer to nothing");
        self.turn.answers += 1;
        self.turn.call.clone()
    }

    /// Keeps book of tokens, and of who may see what.
    fn take_note(&mut self, peer: PeerId, call: Option<&Call>, reply: &Reply) {
        self.reached.succeeded.extend(call.map(Call::method));
        self.note_seats(peer, call, reply);
        match reply {
            Reply::IssueToken(reply) => {
                let text = reply.token.reveal().to_owned();
                assert!(text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let Some(Call::IssueToken(call)) = call else {
                    panic!("nobody asked for a token")
                };
                assert_eq!(
                    self.uses.insert(text, call.uses),
                    None,
                    "a token was issued twice"
                );
                self.tokens.push(reply.token.clone());
                if call.kind == ObjectKind::Stream {
                    self.tickets.push((StreamId(call.id), reply.token.clone()));
                }
            }
            Reply::CreateStream(reply) => {
                if matches!(&self.turn.call, Some(Call::CreateStream(call)) if call.polled == Some(true)) {
                    self.polled.insert(reply.stream);
                }
                let uid = self.peers[&peer].credentials.uid;
                self.produced.insert(reply.stream, uid);
            }
            Reply::ImportBuffers(_) | Reply::JoinStream(_) | Reply::ImportTimeline(_) => {
                let token = token_of(call).reveal().to_owned();
                let uses = self.uses.get_mut(&token).expect("the token was issued");
                *uses = uses.checked_sub(1).expect("the token has uses left");
            }
            Reply::TakeChanges(reply) => {
                let Some(Call::TakeChanges(call)) = call else {
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

    /// Keeps book of seats.
    fn note_seats(&mut self, peer: PeerId, call: Option<&Call>, reply: &Reply) {
        match (call, reply) {
            (_, Reply::CreateSet(reply)) => {
                self.tokens.push(reply.token.clone());
                self.chairs.push(Chair {
                    token: reply.token.clone(),
                    set: reply.set,
                    participant: reply.participant,
                    holder: Some(peer),
                });
            }
            (Some(Call::IssueSeat(call)), Reply::IssueSeat(reply)) => {
                self.tokens.push(reply.token.clone());
                let parent = self.chairs.iter().find(|chair| chair.token == call.parent);
                let set = parent.expect("only a seat's holder issues seats").set;
                self.chairs.push(Chair {
                    token: reply.token.clone(),
                    set,
                    participant: reply.participant,
                    holder: None,
                });
            }
            (Some(Call::TakeSeat(call)), Reply::TakeSeat(reply)) => {
                let mut chairs = self.chairs.iter_mut();
                let chair = chairs.find(|chair| chair.token == call.token);
                let chair = chair.expect("only seats there are can be taken");
                assert_eq!((chair.set, chair.participant), (reply.set, reply.participant));
                assert!(
                    chair.holder.is_none_or(|holder| holder == peer),
                    "somebody else has it"
                );
                chair.holder = Some(peer);
            }
            (Some(Call::JoinStream(call)), Reply::JoinStream(_)) => {
                let how = match (&call.needs, call.participant) {
                    (Some(_), _) => "with needs",
                    (None, Some(_)) => "with a seat",
                    (None, None) => "as it is",
                };
                let waited = if Some(peer) == self.turn.peer {
                    ""
                } else {
                    " after a while"
                };
                self.reached.note(format!("joined {how}{waited}"));
            }
            (_, Reply::AwaitBuffers(reply)) => {
                let waited = if Some(peer) == self.turn.peer {
                    ""
                } else {
                    " after a while"
                };
                let how = if reply.writable { "to write" } else { "to read" };
                self.reached.note(format!("buffers {how}{waited}"));
            }
            _ => {}
        }
    }
}

/// The token that a call brought.
fn token_of(call: Option<&Call>) -> &Token {
    match call {
        Some(Call::ImportBuffers(call)) => &call.token,
        Some(Call::JoinStream(call)) => &call.token,
        Some(Call::ImportTimeline(call)) => &call.token,
        other => panic!("{other:?} has no token"),
    }
}
