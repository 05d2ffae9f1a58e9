//! The language of the fuzzer's input: bytes to actions.
//!
//! Numbers are single bytes, taken modulo the number of choices, so that most inputs mean something and a small change of the
//! input is a small change of what happens.

use arbitrary::Unstructured;
use wharf_protocol::codec::{encode_call, encode_oneway_call};
use wharf_protocol::{
    AllocateBuffers, Call, CreateStream, EndReason, EndStream, FreeBuffers, GetGeneration, GetInfo,
    GetInterfaceDescription, GetMove, GetState, ImportBuffers, Incarnation, IssueToken, JoinStream,
    LeaveStream, MoveBuffers, MoveContract, ObjectKind, Policy, ReadyGeneration, Register, ReleaseGeneration,
    ReleaseImport, Role, Seat, SetId, Slot, StreamId, TakeChanges, TakeGeneration, Token, WatchStream,
};

/// Something that happens. Peers and operations are counted among those there are, modulo their number.
#[derive(Debug)]
pub(super) enum Action {
    /// A process of one of three users connects.
    Connect { user: usize },
    /// A peer hangs up, or its process dies.
    Vanish { peer: usize },
    /// A peer sends bytes, in two pieces; descriptors come with the first. Other things can happen between the pieces.
    Send {
        peer: usize,
        pieces: [Vec<u8>; 2],
        pages: Vec<Page>,
    },
    /// A peer sends the second piece it owes.
    Complete { peer: usize },
    /// The driver reports how an operation went.
    Report { operation: usize, succeeds: bool },
    /// The time of one of the moves is up.
    Alarm { operation: usize },
    /// Something is heard of a peer that is gone.
    Echo { peer: usize, pages: Vec<Page> },
}

/// A descriptor as a peer may send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// A ring page as it should be.
    Ring,
    /// A consumer page as it should be.
    Consumer,
    /// A memfd of a size that nobody asked for.
    OddSize,
    /// A memfd that its sender could still change.
    Unsealed,
    /// No memfd.
    File,
}

/// From this number on, calls are about moves.
const FIRST_OF_MOVES: usize = 224;

/// This number is the call that asks for a stream's pages.
const WATCHING: usize = 255;

/// From this number on, an action is that time passes.
const FIRST_OF_ALARMS: usize = 250;

const PAGES: [Page; 6] = [
    Page::Ring,
    Page::Consumer,
    Page::OddSize,
    Page::Unsealed,
    Page::File,
    Page::Ring,
];

const LABELS: [&str; 5] = [
    "camera",
    "viewer",
    "",
    "two\nlines",
    "a label of more than sixty-three bytes, which is one more than fits",
];

const SIZES_BYTES: [u64; 8] = [4096, 1, 5000, 1 << 20, 1 << 40, (1 << 40) + 1, u64::MAX, 0];

const INTERFACES: [&str; 3] = ["dev.wharf.Broker", "org.varlink.service", "org.example.Unknown"];

/// Bytes that become actions.
pub(super) struct Script<'a>(Unstructured<'a>);

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// The next action; `tokens` are those issued so far. `None` at the end of the script.
    pub(super) fn next_action(&mut self, tokens: &[Token]) -> Option<Action> {
        if self.0.is_empty() {
            return None;
        }
        let kind = self.number(256);
        if kind >= FIRST_OF_ALARMS {
            return Some(Action::Alarm {
                operation: kind - FIRST_OF_ALARMS,
            });
        }
        Some(match kind % 10 {
            0 => Action::Connect { user: self.number(3) },
            1 => Action::Vanish {
                peer: self.number(256),
            },
            2 => Action::Complete {
                peer: self.number(256),
            },
            3 => Action::Report {
                operation: self.number(256),
                succeeds: self.number(4) > 0,
            },
            4 => Action::Echo {
                peer: self.number(256),
                pages: self.pages(),
            },
            5 => {
                let bytes = self.bytes();
                self.send(bytes)
            }
            _ => {
                let message = self.message(tokens);
                self.send(message)
            }
        })
    }

    /// A number below `count`, which is at most 256.
    fn number(&mut self, count: usize) -> usize {
        usize::from(self.0.arbitrary::<u8>().unwrap_or(0)) % count
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.number(choices.len())]
    }

    /// The number of an object; most do not exist.
    fn id(&mut self) -> u64 {
        self.number(12) as u64
    }

    fn count(&mut self) -> u32 {
        self.number(70) as u32
    }

    fn bytes(&mut self) -> Vec<u8> {
        let wanted = self.number(256);
        self.0
            .bytes(wanted.min(self.0.len()))
            .unwrap_or_default()
            .to_vec()
    }

    fn pages(&mut self) -> Vec<Page> {
        let count = [0, 0, 0, 1, 1, 1, 2, 9][self.number(8)];
        (0..count).map(|_| self.pick(&PAGES)).collect()
    }

    /// Sends a message at once, or with a pause in the middle.
    fn send(&mut self, mut message: Vec<u8>) -> Action {
        let (peer, pages) = (self.number(256), self.pages());
        let rest = match self.number(4) {
            0 => message.split_off(self.number(256).min(message.len())),
            _ => Vec::new(),
        };
        Action::Send {
            peer,
            pieces: [message, rest],
            pages,
        }
    }

    /// A message as a client would write it, some with a byte changed.
    fn message(&mut self, tokens: &[Token]) -> Vec<u8> {
        let call = self.call(tokens);
        let encoded = if self.number(8) == 0 {
            encode_oneway_call(&call)
        } else {
            encode_call(&call)
        };
        let mut message = encoded.expect("calls made here are short");
        if self.number(8) == 0 {
            let at = self.number(256) % message.len();
            message[at] ^= self.number(256) as u8;
        }
        message
    }

    fn call(&mut self, tokens: &[Token]) -> Call {
        let kind = self.number(256);
        if kind == WATCHING {
            let stream = StreamId(self.id());
            return WatchStream { stream }.into();
        }
        if kind >= FIRST_OF_MOVES {
            return self.moving(kind - FIRST_OF_MOVES);
        }
        match kind % 14 {
            0 => Register {
                label: self.pick(&LABELS).to_owned(),
            }
            .into(),
            1 => {
                let (name, size_bytes) = (self.name(), self.pick(&SIZES_BYTES));
                AllocateBuffers {
                    name,
                    size_bytes,
                    count: self.count(),
                }
                .into()
            }
            2 => FreeBuffers {
                set: SetId(self.id()),
            }
            .into(),
            3 => {
                let (set, name) = (SetId(self.id()), self.name());
                CreateStream {
                    set,
                    name,
                    max_consumers: self.count(),
                    room_ms: None,
                }
                .into()
            }
            4 => {
                let kind = self.pick(&[ObjectKind::Stream, ObjectKind::Set]);
                IssueToken {
                    kind,
                    id: self.id(),
                    uses: self.count(),
                }
                .into()
            }
            5 => ImportBuffers {
                token: self.token(tokens),
                contract: None,
            }
            .into(),
            6 => self.join(tokens).into(),
            7 => {
                let (stream, after) = (StreamId(self.id()), Incarnation(self.id()));
                TakeChanges { stream, after }.into()
            }
            8 => {
                let (stream, slot) = (StreamId(self.id()), Slot(self.count()));
                LeaveStream {
                    stream,
                    slot,
                    incarnation: Incarnation(self.id()),
                }
                .into()
            }
            9 => {
                let (stream, reasons) = (StreamId(self.id()), [EndReason::Ended, EndReason::ProducerDied]);
                EndStream {
                    stream,
                    reason: self.pick(&reasons),
                }
                .into()
            }
            10 => GetState {}.into(),
            11 => GetInfo {}.into(),
            12 => ReleaseImport {
                set: SetId(self.id()),
            }
            .into(),
            _ => GetInterfaceDescription {
                interface: self.pick(&INTERFACES).to_owned(),
            }
            .into(),
        }
    }

    fn name(&mut self) -> String {
        self.pick(&["", "frames", "a name of more than thirty-one bytes"])
            .to_owned()
    }

    fn token(&mut self, tokens: &[Token]) -> Token {
        let index = self.number(tokens.len().min(255) + 1);
        tokens
            .get(index)
            .cloned()
            .unwrap_or_else(|| Token::new("0".repeat(32)))
    }

    fn join(&mut self, tokens: &[Token]) -> JoinStream {
        let (token, depth) = (self.token(tokens), self.count());
        let terms = self.number(256);
        let policy = [Policy::Block, Policy::Latest][terms % 2];
        let contract = match terms / 64 {
            2 => Some(MoveContract::Revocable),
            3 => Some(MoveContract::Pinned),
            _ => None,
        };
        let stream = self.pick(&[None, None, Some(StreamId(1)), Some(StreamId(2))]);
        JoinStream {
            stream,
            contract,
            ..JoinStream::new(token, depth, policy)
        }
    }

    /// A call about moving a set.
    fn moving(&mut self, kind: usize) -> Call {
        let (set, generation) = (SetId(self.id()), self.id());
        let role = self.pick(&[Role::Owner, Role::Importer, Role::Consumer]);
        let seat = (role == Role::Consumer).then(|| Seat {
            slot: Slot(self.count()),
            incarnation: Incarnation(self.id()),
        });
        match kind % 6 {
            0 => MoveBuffers {
                set,
                size_bytes: self.pick(&SIZES_BYTES),
                count: self.count(),
                deadline_ms: generation,
                plan: self.name(),
            }
            .into(),
            1 => GetMove { set, generation }.into(),
            2 => TakeGeneration {
                set,
                generation,
                role,
                seat,
            }
            .into(),
            3 => ReadyGeneration {
                set,
                generation,
                role,
                seat,
                error: self.pick(&[None, None, None, Some("no room")]).map(str::to_owned),
            }
            .into(),
            4 => ReleaseGeneration {
                set,
                generation,
                role,
                seat,
            }
            .into(),
            _ => GetGeneration { set, role, seat }.into(),
        }
    }
}
