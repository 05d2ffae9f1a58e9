//! How a picture lies in memory: one exact layout.

use super::formats::Candidate;
use super::merged::join;
use super::{Failure, FailureKind};
use crate::constraints::{Field, Record, Rules, Scope, Size, Sizes, StrideRule, Value};
use crate::layout::{Fourcc, MAX_SIDE_PIXELS};
use crate::negotiation::{FieldPath, PlanePlan};

/// A picture laid out.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// The widest of the sizes that need room.
    pub(super) size: Size,
    /// All of them.
    pub(super) required: Vec<Size>,
    pub(super) planes: Vec<PlanePlan>,
    /// For each memory, what is needed of it besides, and how many of its bytes are taken.
    pub(super) memories: Vec<(Record, u64)>,
}

/// Lays out pictures of one format.
pub(super) struct Layout<'a> {
    candidate: &'a Candidate,
    fourcc: Fourcc,
}

impl<'a> Layout<'a> {
    /// Fails for a format whose planes are not known.
    pub(super) fn of(candidate: &'a Candidate) -> Result<Self, Failure> {
        let fourcc = candidate
            .key
            .fourcc
            .filter(|fourcc| fourcc.plane_count().is_some());
        match fourcc {
            Some(fourcc) => Ok(Self { candidate, fourcc }),
            None => Err(Failure::new(
                FieldPath {
                    format: Some(candidate.key.clone()),
                    ..FieldPath::from(Field::Format)
                },
                FailureKind::Conflict,
            )),
        }
    }

    /// Lays the picture out. Arrangements other than linear are taken to be as long as their rows of samples, with the stride and
    /// rows that participants state for them.
    pub(super) fn picture(&self) -> Result<Picture, Failure> {
        let required = self.sizes()?;
        let Some(size) = required
            .iter()
            .copied()
            .max_by_key(|size| (size.width, size.height))
        else {
            return Err(self.fail(Field::RequiredSizes, None, FailureKind::Underconstrained));
        };
        let is_separate = matches!(self.candidate.image.get(Field::PlaneMemory), Some(Value::Text(text)) if &**text == "separate");
        let mut picture = Picture {
            size,
            required,
            planes: Vec::new(),
            memories: Vec::new(),
        };
        for plane in 0..self.fourcc.plane_count().unwrap_or(0) {
            if is_separate || picture.memories.is_empty() {
                picture.memories.push((Record::new(), 0));
            }
            self.place(plane, &mut picture)?;
        }
        Ok(picture)
    }

    /// Puts a plane behind what is in the last memory.
    fn place(&self, plane: usize, picture: &mut Picture) -> Result<(), Failure> {
        let record = self.candidate.plane(plane)?;
        let memory = picture.memories.len() - 1;
        let (of_memory, taken) = &mut picture.memories[memory];
        for (field, value) in record.iter() {
            if field.scope() == Scope::Memory {
                join(of_memory, field, value, || self.path(field, Some(plane)))?;
            }
        }
        let over = |field| self.fail(field, Some(plane), FailureKind::Overflow);
        let align = record.number(Field::OffsetAlign).unwrap_or(1).max(1);
        let offset_bytes = taken
            .checked_next_multiple_of(align)
            .ok_or_else(|| over(Field::OffsetAlign))?;
        let mut size_bytes = 0;
        for size in &picture.required {
            size_bytes = size_bytes.max(self.plane_bytes(plane, &record, *size)?);
        }
        *taken = offset_bytes
            .checked_add(size_bytes)
            .ok_or_else(|| over(Field::OffsetAlign))?;
        picture.planes.push(PlanePlan {
            memory,
            offset_bytes,
            stride_bytes: self.stride(plane, &record, picture.size.width)?,
            rows: self.rows(plane, picture.size.height)?,
            size_bytes,
        });
        Ok(())
    }

    /// What a plane of a picture of some size takes, with what is left free behind it.
    fn plane_bytes(&self, plane: usize, record: &Record, size: Size) -> Result<u64, Failure> {
        let stride = self.stride(plane, record, size.width)?;
        let over = |field| self.fail(field, Some(plane), FailureKind::Overflow);
        let bytes = stride
            .checked_mul(self.rows(plane, size.height)?)
            .ok_or_else(|| over(Field::StrideAlign))?;
        let with_pad = bytes
            .checked_add(record.number(Field::TailPad).unwrap_or(0))
            .ok_or_else(|| over(Field::TailPad))?;
        with_pad
            .checked_next_multiple_of(record.number(Field::PlaneSizeAlign).unwrap_or(1).max(1))
            .ok_or_else(|| over(Field::PlaneSizeAlign))
    }

    fn rows(&self, plane: usize, height: u32) -> Result<u64, Failure> {
        let align = self.candidate.image.number(Field::RowsAlign).unwrap_or(1).max(1);
        let rows = u64::from(height).checked_next_multiple_of(align);
        rows.and_then(|rows| u32::try_from(rows).ok())
            .and_then(|rows| self.fourcc.rows(plane, rows))
            .ok_or_else(|| self.fail(Field::RowsAlign, None, FailureKind::Overflow))
    }

    /// The stride for rows of some width: what rules say, and otherwise the shortest that is right.
    fn stride(&self, plane: usize, record: &Record, width: u32) -> Result<u64, Failure> {
        let conflict = |field| self.fail(field, Some(plane), FailureKind::Conflict);
        let row_bytes = self.fourcc.row_bytes(plane, width).unwrap_or(0);
        let align = record.number(Field::StrideAlign).unwrap_or(1).max(1);
        let min = record.number(Field::MinStride).unwrap_or(0);
        let stride = match record.get(Field::StrideRules) {
            Some(Value::Rules(rules)) if !rules.is_empty() => {
                let stride = proposed(rules, row_bytes).ok_or_else(|| conflict(Field::StrideRules))?;
                if !stride.is_multiple_of(align) {
                    return Err(conflict(Field::StrideAlign));
                }
                stride
            }
            _ => row_bytes
                .max(min)
                .checked_next_multiple_of(align)
                .ok_or_else(|| self.fail(Field::StrideAlign, Some(plane), FailureKind::Overflow))?,
        };
        if stride < min {
            return Err(conflict(Field::MinStride));
        }
        if record.number(Field::MaxStride).is_some_and(|max| stride > max) {
            return Err(conflict(Field::MaxStride));
        }
        Ok(stride)
    }

    /// The sizes that need room, rounded to what is allowed; none of them has room in another.
    fn sizes(&self) -> Result<Vec<Size>, Failure> {
        let image = &self.candidate.image;
        let mut sizes: Vec<Size> = match image.get(Field::RequiredSizes) {
            Some(Value::Sizes(sizes)) => sizes.as_slice().to_vec(),
            _ => Vec::new(),
        };
        if sizes.is_empty() {
            let least = |field| image.number(field).and_then(|pixels| u32::try_from(pixels).ok());
            let (Some(width), Some(height)) = (least(Field::MinWidth), least(Field::MinHeight)) else {
                return Ok(sizes);
            };
            sizes.push(Size { width, height });
        }
        let allowed: Result<Sizes, Failure> = sizes.into_iter().map(|size| self.allowed(size)).collect();
        Ok(allowed?.as_slice().to_vec())
    }

    fn allowed(&self, size: Size) -> Result<Size, Failure> {
        let width = self.side(size.width, [Field::MinWidth, Field::WidthAlign, Field::MaxWidth])?;
        let height = self.side(
            size.height,
            [Field::MinHeight, Field::HeightAlign, Field::MaxHeight],
        )?;
        let pixels = u64::from(width) * u64::from(height);
        let most = self.candidate.image.number(Field::MaxPixels);
        if most.is_some_and(|most| pixels > most) {
            return Err(self.fail(Field::MaxPixels, None, FailureKind::Conflict));
        }
        Ok(Size { width, height })
    }

    fn side(&self, pixels: u32, [min, align, max]: [Field; 3]) -> Result<u32, Failure> {
        let image = &self.candidate.image;
        let conflict = |field| Err(self.fail(field, None, FailureKind::Conflict));
        if image.number(min).is_some_and(|least| u64::from(pixels) < least) {
            return conflict(min);
        }
        let side = u64::from(pixels).checked_next_multiple_of(image.number(align).unwrap_or(1).max(1));
        let most = u64::from(MAX_SIDE_PIXELS);
        match side {
            Some(side) if side <= image.number(max).unwrap_or(most).min(most) => {
                u32::try_from(side).or_else(|_| conflict(max))
            }
            Some(_) => conflict(max),
            None => Err(self.fail(align, None, FailureKind::Overflow)),
        }
    }

    fn path(&self, field: Field, plane: Option<usize>) -> FieldPath {
        FieldPath {
            field,
            format: Some(self.candidate.key.clone()),
            plane,
            extension: None,
        }
    }

    fn fail(&self, field: Field, plane: Option<usize>, kind: FailureKind) -> Failure {
        Failure::new(self.path(field, plane), kind)
    }
}

/// The stride that all rules say; `None` if they differ, or leave no room for the row.
fn proposed(rules: &Rules, row_bytes: u64) -> Option<u64> {
    let mut strides = rules.iter().map(|rule: StrideRule| rule.stride_bytes(row_bytes));
    let first = strides.next()??;
    strides.all(|stride| stride == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_to_agree_on_the_stride() {
        let rules: Rules = [StrideRule::RoundUp(256), StrideRule::Fixed(2048)]
            .into_iter()
            .collect();
        assert_eq!(proposed(&rules, 1920), Some(2048));
        assert_eq!(proposed(&rules, 1700), None);
        assert_eq!(proposed(&rules, 2049), None);
    }
}
