//! A set with a camera in it, and what others need.

use std::time::Duration;
use wharf::core::constraints::{
    Buffers, Bytes, Constraints, ImageConstraints, Record, Rows, Rules, Size, StrideRule, key,
};
use wharf::core::negotiation::{Function, Participant, ParticipantId};
use wharf::core::set::Rights;
use wharf::layout::{Fourcc, Modifier};
use wharf::{AccessMode, NegotiatedSet, Producer, SeatSpec, Session, SetOptions};

use crate::common::{Fixture, PATIENCE};

pub(crate) const SHORT: Option<Duration> = Some(Duration::from_millis(30));

impl Fixture {
    /// A set, with the session that made it.
    pub(crate) fn set(&self, options: &SetOptions<'_>) -> (Session, NegotiatedSet) {
        let session = self.session("recorder");
        let set = session.create_set(options).unwrap();
        (session, set)
    }

    /// A camera that streams into a set it alone is expected in.
    pub(crate) fn preview(&self, set: &NegotiatedSet) -> Producer {
        let token = set.issue(&camera_seat()).unwrap();
        let session = self.session("camera");
        let mut seat = session.take_seat(&token, camera(4)).unwrap();
        let buffers = seat.buffers(PATIENCE).unwrap();
        session.create_stream("preview", buffers, 8).unwrap()
    }
}

pub(crate) fn picture() -> ImageConstraints {
    let sizes = [Size {
        width: 64,
        height: 24,
    }];
    let image = Record::new().with(key::REQUIRED_SIZES, sizes.into_iter().collect());
    ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR).image(image)
}

pub(crate) fn participant(label: &str, function: &str, image: ImageConstraints, camping: u64) -> Participant {
    let constraints = Constraints::builder()
        .image(image)
        .with(key::CAMPING, Buffers(camping))
        .build()
        .unwrap();
    Participant::new(ParticipantId(0), label).function(Function::new(function, constraints))
}

pub(crate) fn camera(camping: u64) -> Participant {
    participant("camera", "capture", picture(), camping)
}

pub(crate) fn camera_seat() -> SeatSpec<'static> {
    SeatSpec::expected("camera").rights(Rights::WRITE)
}

pub(crate) fn viewer(camping: u64) -> Participant {
    let image = picture().every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(64)));
    participant("viewer", "sample", image, camping).access(AccessMode::ReadOnly)
}

/// Wants 32 rows where the picture has 24.
pub(crate) fn encoder(camping: u64) -> Participant {
    let image = picture()
        .image(Record::new().with(key::ROWS_ALIGN, Rows(32)))
        .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(128)));
    participant("encoder", "encode", image, camping).access(AccessMode::ReadOnly)
}

/// Wants a stride that nobody else can do.
pub(crate) fn impossible() -> Participant {
    let only: Rules = [StrideRule::Fixed(96)].into_iter().collect();
    let image = picture().every_plane(Record::new().with(key::STRIDE_RULES, only));
    participant("odd", "scan", image, 1).access(AccessMode::ReadOnly)
}
