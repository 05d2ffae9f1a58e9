//! What random guests need, and what has to come of it.

use wharf::core::AccessMode;
use wharf::core::attachment::Contract;
use wharf::core::constraints::{Buffers, Bytes, Constraints, ImageConstraints, Record, Rows, Size, key};
use wharf::core::layout::{Fourcc, Modifier};
use wharf::core::negotiation::{Function, Participant, ParticipantId};
use wharf_testkit::Rng;

pub(super) const WIDTH: u32 = 100;

pub(super) const HEIGHT: u32 = 50;

pub(super) const CAMERA_CAMPING: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wish {
    /// Strides and rows that are multiples of this.
    Aligned { stride: u64, rows: u64 },
    /// Buffers smaller than the camera's pictures.
    TooSmall,
    /// Another format than the camera's.
    OtherFormat,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Needs {
    pub(super) wish: Wish,
    pub(super) camping: u64,
    pub(super) pinned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    In,
    Moved,
    Busy,
    Conflict,
}

impl Needs {
    pub(super) fn random(rng: &mut Rng) -> Self {
        let wish = match rng.below(10) {
            0 => Wish::TooSmall,
            1 => Wish::OtherFormat,
            _ => Wish::Aligned {
                stride: [1, 1, 48, 64, 128][index(rng, 5)],
                rows: [1, 1, 16, 32, 12][index(rng, 5)],
            },
        };
        Self {
            wish,
            camping: 1 + rng.below(3),
            pinned: rng.below(5) == 0,
        }
    }

    pub(super) fn depth(&self) -> u32 {
        if self.camping == 1 { 1 } else { 2 }
    }

    pub(super) fn participant(&self, label: &str) -> Box<Participant> {
        let constraints = Constraints::builder().with(key::CAMPING, Buffers(self.camping));
        let constraints = match self.wish {
            Wish::Aligned { stride, rows } => constraints.image(
                picture(Fourcc::NV12)
                    .image(Record::new().with(key::ROWS_ALIGN, Rows(rows)))
                    .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(stride))),
            ),
            Wish::TooSmall => constraints.with(key::MAX_SIZE, Bytes(4096)),
            Wish::OtherFormat => constraints.image(picture(Fourcc::XRGB8888)),
        };
        let contract = if self.pinned {
            Contract::Static
        } else {
            Contract::Dynamic
        };
        let participant = Participant::new(ParticipantId(0), label)
            .access(AccessMode::ReadOnly)
            .contract(contract)
            .function(Function::new("use", constraints.build().unwrap()));
        Box::new(participant)
    }
}

pub(super) fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len as u64)).unwrap()
}

pub(super) fn picture(fourcc: Fourcc) -> ImageConstraints {
    let sizes = [Size {
        width: WIDTH,
        height: HEIGHT,
    }];
    let image = Record::new().with(key::REQUIRED_SIZES, sizes.into_iter().collect());
    ImageConstraints::new(fourcc, Modifier::LINEAR).image(image)
}

pub(super) fn camera() -> Box<Participant> {
    let constraints = Constraints::builder()
        .image(picture(Fourcc::NV12))
        .with(key::CAMPING, Buffers(CAMERA_CAMPING))
        .build()
        .unwrap();
    let camera = Participant::new(ParticipantId(0), "camera")
        .access(AccessMode::ReadWrite)
        .function(Function::new("capture", constraints));
    Box::new(camera)
}

/// The buffers there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    pub(super) stride: u64,
    pub(super) rows: u64,
    pub(super) count: u64,
}

impl Memory {
    /// What suits the camera and these, and nobody else.
    pub(super) fn for_all(guests: &[Needs]) -> Self {
        let mut aligns = (1, 1);
        let mut count = CAMERA_CAMPING;
        for guest in guests {
            if let Wish::Aligned { stride, rows } = guest.wish {
                aligns = (lcm(aligns.0, stride), lcm(aligns.1, rows));
            }
            count += guest.camping;
        }
        Self {
            stride: u64::from(WIDTH).next_multiple_of(aligns.0),
            rows: u64::from(HEIGHT).next_multiple_of(aligns.1),
            count,
        }
    }

    pub(super) fn free(&self, guests: &[Needs]) -> u64 {
        let taken: u64 = guests.iter().map(|guest| guest.camping).sum();
        self.count - CAMERA_CAMPING - taken
    }

    /// What becomes of somebody who comes.
    pub(super) fn outcome(&self, guests: &[Needs], new: Needs) -> Outcome {
        let Wish::Aligned { stride, rows } = new.wish else {
            return Outcome::Conflict;
        };
        let suits = self.stride.is_multiple_of(stride) && self.rows.is_multiple_of(rows);
        if suits && new.camping <= self.free(guests) {
            Outcome::In
        } else if guests.iter().any(|guest| guest.pinned) {
            Outcome::Busy
        } else {
            Outcome::Moved
        }
    }
}

pub(super) fn lcm(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor * other
}
