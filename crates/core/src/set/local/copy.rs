//! Carrying contents from old buffers to new ones, whose layout may be another.

use crate::negotiation::{ImagePlan, Plan};
use crate::{DataDirection, DmaBuf, Errno, Refusal, ReservationSet, Vmap, Wait};

/// How much is copied at once, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// A run of bytes that goes from one memory to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: (usize, u64),
    to: (usize, u64),
    bytes: u64,
}

/// Says how contents go from buffers of one plan to those of another.
///
/// # Errors
/// EOPNOTSUPP for pictures of different formats or memories of a different number.
fn pieces(old: &Plan, new: &Plan) -> Result<Vec<Piece>, Refusal> {
    match (&old.image, &new.image) {
        (Some(old), Some(new)) if old.format == new.format && old.planes.len() == new.planes.len() => {
            Ok(rows(old, new))
        }
        (None, None) if old.memories.len() == new.memories.len() => {
            let memories = old.memories.iter().zip(&new.memories).enumerate();
            let whole = memories.map(|(index, (old, new))| Piece {
                from: (index, 0),
                to: (index, 0),
                bytes: old.size_bytes.min(new.size_bytes),
            });
            Ok(whole.collect())
        }
        _ => Err(Refusal::new(
            Errno::EOPNOTSUPP,
            "what the buffers hold cannot be carried to another format",
        )),
    }
}

/// The rows of all planes, as far as both pictures have them.
fn rows(old: &ImagePlan, new: &ImagePlan) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (old, new) in old.planes.iter().zip(&new.planes) {
        let bytes = old.stride_bytes.min(new.stride_bytes);
        for row in 0..old.rows.min(new.rows) {
            pieces.push(Piece {
                from: (
                    old.memory,
                    old.offset_bytes
                        .saturating_add(row.saturating_mul(old.stride_bytes)),
                ),
                to: (
                    new.memory,
                    new.offset_bytes
                        .saturating_add(row.saturating_mul(new.stride_bytes)),
                ),
                bytes,
            });
        }
    }
    pieces
}

/// Copies what buffers hold, while nobody writes it. The fences of both have signaled.
///
/// # Errors
/// The exporter's own refusal, and EOPNOTSUPP if the layouts do not go together.
pub(super) fn copy_all(
    old: (&Plan, &[Vec<DmaBuf>]),
    new: (&Plan, &[Vec<DmaBuf>]),
    guards: &ReservationSet<'_>,
) -> Result<(), Refusal> {
    let pieces = pieces(old.0, new.0)?;
    for (old, new) in old.1.iter().zip(new.1) {
        let old = vmaps(old, guards)?;
        let new = vmaps(new, guards)?;
        for piece in &pieces {
            copy(&old, &new, piece)?;
        }
    }
    Ok(())
}

fn vmaps(memories: &[DmaBuf], guards: &ReservationSet<'_>) -> Result<Vec<Vmap>, Refusal> {
    let map = |buffer: &DmaBuf| {
        let guard = guards.guard(buffer.reservation());
        let guard = guard.ok_or(Refusal::new(Errno::EINVAL, "the buffer is not locked"))?;
        buffer
            .vmap(guard)
            .map_err(|error| Refusal::new(error.errno(), error.to_string()))
    };
    memories.iter().map(map).collect()
}

fn copy(old: &[Vmap], new: &[Vmap], piece: &Piece) -> Result<(), Refusal> {
    let lacks = || Refusal::new(Errno::EINVAL, "the plan names a memory that there is not");
    let from = old.get(piece.from.0).ok_or_else(lacks)?;
    let to = new.get(piece.to.0).ok_or_else(lacks)?;
    let mut bytes = vec![
        0;
        usize::try_from(piece.bytes)
            .unwrap_or(PIECE_BYTES)
            .min(PIECE_BYTES)
    ];
    let mut done = 0;
    while done < piece.bytes {
        let left = usize::try_from(piece.bytes - done).unwrap_or(PIECE_BYTES);
        let length = left.min(bytes.len());
        let part = &mut bytes[..length];
        let failed = |error: crate::CpuBytesError| Refusal::new(error.errno(), error.to_string());
        from.read_at(piece.from.1.saturating_add(done), part)
            .map_err(failed)?;
        to.write_at(piece.to.1.saturating_add(done), part)
            .map_err(failed)?;
        done += length as u64; // CAST: a length of at most 64 KiB.
    }
    Ok(())
}

/// Opens the CPU's windows to buffers; they close when they are dropped.
///
/// # Errors
/// The exporter's own refusal, or ETIMEDOUT when the fences take too long.
pub(super) fn windows<'a>(
    buffers: impl Iterator<Item = &'a DmaBuf>,
    direction: DataDirection,
    wait: &Wait<'_>,
) -> Result<Vec<crate::CpuAccess>, Refusal> {
    let open = |buffer: &DmaBuf| {
        buffer
            .begin_cpu_access_within(.., direction, wait)
            .map_err(|error| Refusal::new(error.errno(), error.to_string()))
    };
    buffers.map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraints::{FormatKey, Size, Tiling};
    use crate::layout::{Fourcc, Modifier};
    use crate::negotiation::PlanePlan;

    fn plane(memory: usize, offset_bytes: u64, stride_bytes: u64, rows: u64) -> PlanePlan {
        PlanePlan {
            memory,
            offset_bytes,
            stride_bytes,
            rows,
            size_bytes: stride_bytes * rows,
        }
    }

    fn image(tiling: Tiling, planes: Vec<PlanePlan>) -> ImagePlan {
        ImagePlan {
            format: FormatKey {
                fourcc: Some(Fourcc::NV12),
                tiling: Some(tiling),
            },
            size: Size {
                width: 100,
                height: 2,
            },
            required: Vec::new(),
            planes,
            color_space: None,
            alpha: None,
        }
    }

    #[test]
    fn pictures_are_carried_row_by_row_where_the_new_layout_has_them() {
        let linear = || Tiling::Explicit(Modifier::LINEAR);
        let old = image(linear(), vec![plane(0, 0, 1920, 2), plane(0, 3840, 1920, 1)]);
        let new = image(linear(), vec![plane(0, 0, 2048, 4), plane(1, 64, 1024, 2)]);
        let piece = |from, to, bytes| Piece { from, to, bytes };
        assert_eq!(
            rows(&old, &new),
            [
                piece((0, 0), (0, 0), 1920),
                piece((0, 1920), (0, 2048), 1920),
                piece((0, 3840), (1, 64), 1024)
            ]
        );
    }
}
