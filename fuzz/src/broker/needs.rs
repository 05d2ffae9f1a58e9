//! What participants of negotiated sets need: a few that suit each other, and a few that do not.

use wharf_core::AccessMode;
use wharf_core::attachment::Contract;
use wharf_core::constraints::{Buffers, Bytes, Constraints, key};
use wharf_core::negotiation::{Function, Guarantees, HeapOffer, Participant, ParticipantId, Presence};

/// The heaps there are: pages, and scarcer memory of large chunks.
pub(super) fn heaps() -> Vec<HeapOffer> {
    let offer = |name: &str, chunk_bytes, cost| HeapOffer {
        name: name.into(),
        guarantees: Guarantees {
            chunk_bytes,
            base_align_bytes: chunk_bytes,
            ..Guarantees::default()
        },
        cost,
        capacity_bytes: None,
    };
    vec![offer("small", 4096, 0), offer("large", 1 << 16, 10)]
}

/// What somebody needs who reads: the writer's pictures from 4 KiB on, and `camping` buffers.
fn reader(label: &str, min_bytes: u64, max_bytes: u64, camping: u64) -> Participant {
    let constraints = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(min_bytes))
        .with(key::MAX_SIZE, Bytes(max_bytes))
        .with(key::CAMPING, Buffers(camping))
        .build();
    Participant::new(ParticipantId(0), label)
        .access(AccessMode::ReadOnly)
        .function(Function::new("use", constraints.expect("a size is a range")))
}

/// The one who writes.
pub(super) fn writer(camping: u64) -> Participant {
    reader("camera", 4096, 1 << 20, camping).access(AccessMode::ReadWrite)
}

/// Somebody who suits nobody.
fn odd(camping: u64) -> Participant {
    reader("odd", 1 << 21, 1 << 22, camping)
}

/// A reader of kind `kind`; most of them suit the writer.
pub(super) fn participant(kind: usize, camping: u64) -> Participant {
    let viewer = |min_bytes| reader("viewer", min_bytes, 1 << 20, camping);
    match kind % 16 {
        0..=4 => viewer(4096),
        5 | 6 => viewer(1 << 14),
        7 => viewer(1 << 17),
        8 => viewer(4096).contract(Contract::Static),
        9 => viewer(4096).contract(Contract::Revocable),
        10 => viewer(4096).presence(Presence::Optional { priority: 1 }),
        11 => odd(camping).presence(Presence::Optional { priority: 1 }),
        12 => viewer(1 << 16).presence(Presence::Phantom),
        13 => odd(camping),
        14 => Participant::new(ParticipantId(0), "of no function"),
        _ => writer(camping),
    }
}
