//! The language of the fuzzer's input: bytes to actions.
//!
//! Numbers are single bytes, taken modulo the number of choices, so that most inputs mean something and a small change of the
//! input is a small change of what happens.

mod calls;
mod timelines;

use arbitrary::Unstructured;
use wharf_protocol::Token;
use wharf_protocol::codec::{encode_call, encode_oneway_call};

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
    /// The time of something is up.
    Alarm { operation: usize },
    /// Somebody does what makes sense as things stand; each number chooses something.
    Apt { choices: [usize; 4] },
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
    /// A timeline's page or a waiter page as it should be.
    Timeline,
    /// A memfd of a size that nobody asked for.
    OddSize,
    /// A memfd that its sender could still change.
    Unsealed,
    /// No memfd.
    File,
}

/// From this number on, somebody does what makes sense.
const FIRST_OF_APT: usize = 192;

/// From this number on, an action is that time passes.
const FIRST_OF_ALARMS: usize = 250;

const PAGES: [Page; 6] = [
    Page::Ring,
    Page::Consumer,
    Page::OddSize,
    Page::Unsealed,
    Page::File,
    Page::Timeline,
];

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
        if kind >= FIRST_OF_APT {
            let choices = std::array::from_fn(|_| self.number(256));
            return Some(Action::Apt { choices });
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
}
