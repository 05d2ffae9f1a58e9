//! What each process needs of the buffers that they share, in the words of negotiation.
//!
//! | Who | Needs | Because |
//! |---|---|---|
//! | camera | I420, room for its pictures, rows at multiples of a cache line, memory that the CPU caches | it draws row by row |
//! | viewer | I420, memory that the CPU caches | it reads single rows, wherever they are |
//! | encoder | the same as a viewer, and planes of whole macroblocks, rows at multiples of 64 bytes, chunks of 2 MiB | see below |
//!
//! The encoder stands for one in hardware, of which these needs are the usual ones: it fetches whole macroblocks, so that there
//! must be memory behind the last row, in bursts of 64 bytes, and finds memory through a short table of large pages. Where no such memory is
//! to be had it can work in another way: from any memory, by copying each picture to its own first.

use wharf::AccessMode;
use wharf::core::attachment::Contract;
use wharf::core::constraints::{
    Buffers, Bytes, Constraints, CpuUse, ImageConstraints, InvalidConstraint, Names, Record, Rows, Sizes, key,
};
use wharf::core::negotiation::{Function, InvalidParticipant, Participant, ParticipantId};
use wharf::layout::{Fourcc, Modifier};

use crate::report::Role;
use crate::size::Size;
use crate::{encoder, viewer};

/// Rows that the camera writes begin at multiples of this many bytes: a cache line.
const CAMERA_STRIDE_ALIGN: Bytes = Bytes(64);
/// What a hardware encoder fetches at once from a row.
const ENCODER_STRIDE_ALIGN: Bytes = Bytes(64);
/// The rows of a macroblock.
const ENCODER_ROWS_ALIGN: Rows = Rows(16);
/// A large page.
const ENCODER_MIN_CHUNK: Bytes = Bytes(2 << 20);

/// What an encoder asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EncoderNeeds {
    /// Planes of whole macroblocks, rows at multiples of 64 bytes, chunks of 2 MiB.
    #[default]
    Default,
    /// Another pixel format than the camera's: NV12, which is all that many encoders take.
    Impossible,
}

/// In which way an encoder gets at the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the buffers as it needs them.
    Direct,
    /// From any buffers, by copying.
    Copy,
}

/// Needs that make no sense by themselves, which is a bug of this program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadNeeds {
    /// A value does not.
    #[error(transparent)]
    Constraint(#[from] InvalidConstraint),
    /// The whole does not.
    #[error(transparent)]
    Participant(#[from] InvalidParticipant),
}

/// What the camera needs: room for pictures of a size, and buffers for the frame that is being made, for the viewers that are going to
/// join, and a few more for whoever needs them first.
pub(crate) fn camera(size: Size, viewers: u32) -> Result<Participant, BadNeeds> {
    let size = wharf::core::constraints::Size {
        width: size.width().into(),
        height: size.height().into(),
    };
    let image = ImageConstraints::new(Fourcc::YUV420, Modifier::LINEAR)
        .image(Record::new().with(key::REQUIRED_SIZES, [size].into_iter().collect::<Sizes>()))
        .every_plane(Record::new().with(key::STRIDE_ALIGN, CAMERA_STRIDE_ALIGN));
    let (viewers, slack) = (u64::from(viewers * viewer::DEPTH), u64::from(viewer::DEPTH));
    let constraints = Constraints::builder()
        .image(image)
        .with(key::CPU_ACCESS, CpuUse::Often)
        .with(key::CACHE_MODES, cached())
        .with(key::CAMPING, Buffers(1))
        .with(key::SHARED_SLACK, Buffers(slack))
        .with(key::MIN_BUFFERS, Buffers(1 + viewers + slack))
        .build()?;
    participant(Role::Camera, "capture", constraints, AccessMode::ReadWrite)
}

/// What a viewer needs; one that is pinned cannot follow to other buffers.
pub(crate) fn viewer(pinned: bool) -> Result<Participant, BadNeeds> {
    let constraints = reader(viewer::DEPTH)
        .image(ImageConstraints::new(Fourcc::YUV420, Modifier::LINEAR))
        .build()?;
    let viewer = participant(Role::Viewer, "show", constraints, AccessMode::ReadOnly)?;
    Ok(match pinned {
        true => viewer.contract(Contract::Static),
        false => viewer,
    })
}

/// What an encoder needs.
pub(crate) fn encoder(needs: EncoderNeeds, way: Way) -> Result<Participant, BadNeeds> {
    let fourcc = match needs {
        EncoderNeeds::Default => Fourcc::YUV420,
        EncoderNeeds::Impossible => Fourcc::NV12,
    };
    let image = ImageConstraints::new(fourcc, Modifier::LINEAR);
    let reader = reader(encoder::DEPTH);
    let (function, constraints) = match way {
        Way::Direct => {
            let image = image
                .image(Record::new().with(key::ROWS_ALIGN, ENCODER_ROWS_ALIGN))
                .every_plane(Record::new().with(key::STRIDE_ALIGN, ENCODER_STRIDE_ALIGN));
            (
                "encode",
                reader.image(image).with(key::MIN_CHUNK, ENCODER_MIN_CHUNK),
            )
        }
        Way::Copy => ("encode a copy", reader.image(image)),
    };
    participant(
        Role::Encoder,
        function,
        constraints.build()?,
        AccessMode::ReadOnly,
    )
}

/// What everybody needs who reads with the CPU and has up to `depth` frames.
fn reader(depth: u32) -> wharf::core::constraints::ConstraintsBuilder {
    Constraints::builder()
        .with(key::CPU_ACCESS, CpuUse::Often)
        .with(key::CACHE_MODES, cached())
        .with(key::CAMPING, Buffers(depth.into()))
}

fn cached() -> Names {
    ["cached"].into_iter().collect()
}

fn participant(
    role: Role,
    function: &str,
    constraints: Constraints,
    access: AccessMode,
) -> Result<Participant, BadNeeds> {
    // The broker gives out the numbers.
    let participant = Participant::new(ParticipantId(0), role.name())
        .function(Function::new(function, constraints))
        .pid(std::process::id())
        .access(access);
    Ok(participant.checked()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_make_sense_by_themselves() {
        for viewers in [0, 1, 16] {
            camera(Size::default(), viewers).unwrap();
        }
        assert_eq!(viewer(true).unwrap().contract, Contract::Static);
        assert_eq!(viewer(false).unwrap().contract, Contract::Dynamic);
        for needs in [EncoderNeeds::Default, EncoderNeeds::Impossible] {
            for way in [Way::Direct, Way::Copy] {
                encoder(needs, way).unwrap();
            }
        }
    }
}
