//! Negotiated sets: buffers whose memory is decided by what everybody needs. Contract: N.
//!
//! What a set decides is core's `SetMachine`'s business. Here its orders become effects, and what happens becomes its answers. The
//! memory itself is a [`BufferSet`](super::sets::BufferSet) of the same number as soon as there is any: its owner is the one who
//! writes, its importers and the members of its stream are the others.
//!
//! | file | idea |
//! |---|---|
//! | `seats` | making sets, issuing, taking and leaving seats |
//! | `declaring` | what participants need, and who is told when that is nonsense |
//! | `buffers` | who gets the buffers, and when |
//! | `joining` | streams over negotiated sets, and whoever comes late to them |
//! | `orders`, `memory`, `moves` | what the set wants done: memory, moves, an end |
//! | `waiting` | calls that are answered later, alarms |
//! | `leaving` | those who die, leave or are cut off |
//! | `explaining` | what can be seen of it |
//! | `errors` | the set's errors in the protocol's words |

#[cfg(test)]
mod audit;
mod buffers;
mod declaring;
mod errors;
mod explaining;
mod joining;
mod leaving;
mod memory;
mod moves;
mod orders;
mod seats;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wharf_core::negotiation::{HeapOffer, Policy};
use wharf_core::set::{Negotiator, SetMachine, Solver, TokenId};
use wharf_protocol::{
    Amounts, BrokerError, Incarnation, JoinStream, SessionId, SetId, Slot, StreamId, Token,
};

use super::OperationId;
#[cfg(test)]
pub(super) use memory::NOBODY;
use memory::{Allocation, Memory};

/// How many negotiated sets one user has at most.
pub(super) const MAX_SETS_PER_USER: usize = 64;

/// How hard is looked for what suits everybody, in merges. One takes up to some 20 µs, and the broker serves nobody else meanwhile.
/// Contract: P1.
pub(super) const MAX_MERGES: u64 = 2000;

/// After how long a set is reported that waits for somebody, in milliseconds from its beginning.
const STALLED_AFTER_MS: [u64; 2] = [5_000, 30_000];

/// How long a set stays that nobody has a seat in, in milliseconds: for whoever has a token and is on its way.
pub(super) const ABANDONED_AFTER_MS: u64 = 60_000;

/// How long a place in a stream is kept for somebody whose call ended before the buffers had moved, in milliseconds.
pub(super) const UNCLAIMED_AFTER_MS: u64 = 3_000;

/// Makes whom a new set asks.
pub(super) type MakeSolver = fn() -> Box<dyn Solver>;

/// Makes the solver that brokers use.
pub(super) fn core_solver() -> Box<dyn Solver> {
    Box::new(Negotiator)
}

/// All negotiated sets, and what they have in common.
pub(super) struct Negotiating {
    /// Where memory could come from.
    heaps: Vec<HeapOffer>,
    make_solver: MakeSolver,
    policy: Policy,
    sets: BTreeMap<SetId, NegotiatedSet>,
    /// Looked up, never walked.
    tokens: HashMap<Token, (SetId, TokenId)>,
    /// Who has which seats.
    holders: BTreeMap<SessionId, BTreeSet<(SetId, TokenId)>>,
    /// What the driver was asked to do or to tell later.
    purposes: BTreeMap<OperationId, (SetId, Purpose)>,
    /// What heaps are asked for that nobody wants any more, with who pays for it until they have answered.
    unwanted: BTreeMap<OperationId, (u32, Amounts)>,
    /// Sets with somebody who waits, or with something under way.
    active: BTreeSet<SetId>,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Those who are expected have had time enough.
    Deadline,
    /// The set may have to be reported as waiting for somebody, so many milliseconds after its beginning.
    Stalled(u64),
    /// Nobody has had a seat for a while.
    Abandoned,
    /// Somebody who came late with a stream has not asked again.
    Unclaimed(TokenId),
    /// Memory of a heap.
    Allocation,
    /// A seal that nobody's call waits for.
    Seal,
}

/// A negotiated set.
struct NegotiatedSet {
    machine: SetMachine,
    name: String,
    /// Who pays.
    uid: u32,
    /// Who made it.
    creator: SessionId,
    /// How long a move may take.
    move_deadline_ms: u64,
    /// The text of each token that can still be used.
    tokens: BTreeMap<TokenId, Token>,
    /// The seats somebody has.
    seats: BTreeMap<TokenId, Seat>,
    /// Who writes.
    writer: Option<TokenId>,
    /// How much all participants have declared, as `declaring` counts it.
    declared_bytes: usize,
    /// The same of those who left in good order, and whose needs are in force all the same.
    left_bytes: BTreeMap<TokenId, usize>,
    /// Tells that nobody has had a seat for a while, as long as nobody has.
    abandoned: Option<OperationId>,
    /// Memory a heap was asked for.
    allocation: Option<Allocation>,
    /// Memory that is not in use yet.
    memory: Option<Memory>,
    /// The generation the buffers are being moved to.
    moving_to: Option<u64>,
    /// What those were refused with who came late.
    refusals: BTreeMap<TokenId, BrokerError>,
    /// The calls that wait.
    waiting: BTreeSet<OperationId>,
    /// How it was when they were last looked at.
    seen: Option<waiting::Stage>,
}

/// A seat somebody has.
#[derive(Debug)]
struct Seat {
    session: SessionId,
    place: Place,
    /// How much was declared.
    declared_bytes: usize,
    /// What was asked for by somebody who came with a stream and leaves with it.
    join: Option<Box<Join>>,
}

/// Somebody's wish to join a stream, as a participant of its own.
#[derive(Debug)]
struct Join {
    call: JoinStream,
    /// Tells that the caller has not asked again.
    alarm: Option<OperationId>,
}

/// In which capacity a seat's holder has the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In none.
    Nowhere,
    /// It writes.
    Owner,
    Importer,
    Member(StreamId, Slot, Incarnation),
}

impl Negotiating {
    pub(super) fn new(heaps: Vec<HeapOffer>, make_solver: MakeSolver) -> Self {
        Self {
            heaps,
            make_solver,
            policy: Policy {
                max_merges: MAX_MERGES,
                ..Policy::default()
            },
            sets: BTreeMap::new(),
            tokens: HashMap::new(),
            holders: BTreeMap::new(),
            purposes: BTreeMap::new(),
            unwanted: BTreeMap::new(),
            active: BTreeSet::new(),
        }
    }

    /// Whether the set of this number is negotiated.
    pub(super) fn is_negotiated(&self, set: SetId) -> bool {
        self.sets.contains_key(&set)
    }

    /// Has a set looked at when the event is over.
    pub(super) fn touch(&mut self, set: SetId) {
        if self.sets.contains_key(&set) {
            self.active.insert(set);
        }
    }

    /// The set of this number, if it is negotiated.
    fn set(&self, id: SetId) -> Result<&NegotiatedSet, BrokerError> {
        self.sets.get(&id).ok_or(BrokerError::NoSuchSet { id })
    }

    fn set_mut(&mut self, id: SetId) -> Result<&mut NegotiatedSet, BrokerError> {
        self.sets.get_mut(&id).ok_or(BrokerError::NoSuchSet { id })
    }

    /// The seat with this number, if the session has it.
    fn seat_of(
        &self,
        session: SessionId,
        id: SetId,
        participant: u64,
    ) -> Result<(TokenId, &Seat), BrokerError> {
        let set = self.set(id)?;
        let mut seats = set.seats.iter();
        let found = seats.find(|(token, seat)| token.get() == participant && seat.session == session);
        found
            .map(|(token, seat)| (*token, seat))
            .ok_or(BrokerError::NoSuchSet { id })
    }
}

impl NegotiatedSet {
    /// Whether there is or was memory.
    fn is_late(&self) -> bool {
        self.machine.generation().is_some()
    }
}
