//! Whether a picture lies in a buffer as a participant needs it.

use super::{ActualBuffer, ActualMemory, Unsuitable, Verdict, ensure, memory};
use crate::constraints::{
    Constraints, Field, FormatKey, ImageConstraints, Names, Record, Rules, Scope, Size, Sizes, StrideRule,
    Value,
};
use crate::layout::Fourcc;
use crate::negotiation::{ImagePlan, PlanePlan};

/// Checks the picture, if the participant cares what is in the buffer.
pub(super) fn check(buffer: &ActualBuffer<'_>, constraints: &Constraints) -> Verdict {
    if constraints.images().is_empty() {
        return Ok(());
    }
    let understood = || {
        Value::Names(
            constraints
                .images()
                .iter()
                .map(|image| image.key.to_string())
                .collect(),
        )
    };
    let Some(image) = buffer.image else {
        return Err(Unsuitable::new(
            Field::Format,
            Value::Names(Names::default()),
            understood(),
        ));
    };
    let Some(needs) = constraints
        .images()
        .iter()
        .find(|needs| accepts(&needs.key, &image.format))
    else {
        let have = Value::Names([image.format.to_string()].into_iter().collect());
        return Err(Unsuitable::new(Field::Format, have, understood()));
    };
    let checked = Picture { image, needs };
    checked
        .check()
        .map_err(|unsuitable| unsuitable.in_image(&image.format, None))?;
    for number in 0..image.planes.len() {
        let outcome = checked.check_plane(number, &buffer.memories);
        outcome.map_err(|unsuitable| unsuitable.in_image(&image.format, Some(number)))?;
    }
    Ok(())
}

fn accepts(stated: &FormatKey, have: &FormatKey) -> bool {
    let fourcc = stated.fourcc.is_none() || stated.fourcc == have.fourcc;
    fourcc && (stated.tiling.is_none() || stated.tiling == have.tiling)
}

/// A picture as it is, and what a participant needs of its format.
struct Picture<'a> {
    image: &'a ImagePlan,
    needs: &'a ImageConstraints,
}

impl Picture<'_> {
    fn check(&self) -> Verdict {
        let Size { width, height } = self.image.size;
        let (width, height) = (u64::from(width), u64::from(height));
        for (field, need) in self.needs.image.iter() {
            let pixels = |have, good: fn(u64, u64) -> bool| {
                let number = need_number(need);
                ensure(good(have, number), field, || Value::Pixels(have), || need.clone())
            };
            match (field, need) {
                (Field::MinWidth, _) => pixels(width, |have, need| have >= need)?,
                (Field::MaxWidth, _) => pixels(width, |have, need| have <= need)?,
                (Field::WidthAlign, _) => pixels(width, |have, need| have.is_multiple_of(need))?,
                (Field::MinHeight, _) => pixels(height, |have, need| have >= need)?,
                (Field::MaxHeight, _) => pixels(height, |have, need| have <= need)?,
                (Field::HeightAlign, _) => pixels(height, |have, need| have.is_multiple_of(need))?,
                (Field::MaxPixels, _) => pixels(width.saturating_mul(height), |have, need| have <= need)?,
                (Field::RequiredSizes, Value::Sizes(sizes)) => self.check_sizes(sizes)?,
                (Field::RowsAlign, Value::Rows(align)) => self.check_rows(*align)?,
                (Field::ColorSpaces, Value::Names(names)) => self.check_color_space(names)?,
                (Field::Alpha, Value::Text(meaning)) => {
                    let have = self.image.alpha.as_deref().unwrap_or("not stated");
                    ensure(
                        have == &**meaning,
                        field,
                        || Value::Text(have.into()),
                        || need.clone(),
                    )?;
                }
                (Field::PlaneMemory, Value::Text(place)) => self.check_place(place)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_color_space(&self, names: &Names) -> Verdict {
        let have = self.image.color_space.as_deref();
        let good = have.is_some_and(|name| names.contains(name));
        let have = || Value::Names(have.into_iter().collect());
        ensure(good, Field::ColorSpaces, have, || Value::Names(names.clone()))
    }

    fn check_place(&self, place: &str) -> Verdict {
        let have = match self.image.planes.as_slice() {
            [_] => place,
            planes if planes.iter().all(|plane| plane.memory == planes[0].memory) => "joint",
            planes => {
                let shared = |number: usize| {
                    planes[..number]
                        .iter()
                        .any(|plane| plane.memory == planes[number].memory)
                };
                if (0..planes.len()).any(shared) {
                    "mixed"
                } else {
                    "separate"
                }
            }
        };
        let text = |place: &str| Value::Text(place.into());
        ensure(have == place, Field::PlaneMemory, || text(have), || text(place))
    }

    /// The rows of the first plane are a multiple; those of the others follow from them.
    fn check_rows(&self, align: u64) -> Verdict {
        let Some(first) = self.image.planes.first() else {
            return Ok(());
        };
        let rows = |number| Value::Rows(number);
        ensure(
            first.rows.is_multiple_of(align),
            Field::RowsAlign,
            || rows(first.rows),
            || rows(align),
        )
    }

    /// Each size has room, as it is or with a stride of its own.
    fn check_sizes(&self, sizes: &Sizes) -> Verdict {
        for size in sizes.as_slice() {
            let good = self.image.size.has_room_for(*size) || self.has_room_by_itself(*size);
            let value = |size: Size| Value::Sizes([size].into_iter().collect());
            ensure(
                good,
                Field::RequiredSizes,
                || value(self.image.size),
                || value(*size),
            )?;
        }
        Ok(())
    }

    fn has_room_by_itself(&self, size: Size) -> bool {
        let listed = self.image.required.iter().any(|listed| listed.has_room_for(size));
        let Some(fourcc) = self.image.format.fourcc.filter(|_| listed) else {
            return false;
        };
        let align = self.needs.image.number(Field::RowsAlign).unwrap_or(1);
        let Some(luma_rows) = u64::from(size.height).checked_next_multiple_of(align) else {
            return false;
        };
        self.image.planes.iter().enumerate().all(|(number, plane)| {
            let needs = self.plane_needs(number);
            let rows = u32::try_from(luma_rows)
                .ok()
                .and_then(|rows| fourcc.rows(number, rows));
            let stride = fourcc
                .row_bytes(number, size.width)
                .and_then(|row| shortest_stride(&needs, row));
            let bytes = rows
                .zip(stride)
                .and_then(|(rows, stride)| rows.checked_mul(stride));
            bytes.is_some_and(|bytes| bytes <= plane.size_bytes)
        })
    }

    /// What is stated of a plane: of every plane, and of this one besides.
    fn plane_needs(&self, number: usize) -> Vec<(Field, &Value)> {
        let every = self.needs.every_plane.iter();
        let own = self.needs.planes.get(number).into_iter().flat_map(Record::iter);
        every.chain(own).collect()
    }

    fn check_plane(&self, number: usize, memories: &[ActualMemory<'_>]) -> Verdict {
        let plane = &self.image.planes[number];
        self.check_place_of_plane(number, memories)?;
        let row_bytes = self
            .image
            .format
            .fourcc
            .and_then(|fourcc| self.row_bytes(fourcc, number));
        if let Some(row_bytes) = row_bytes {
            let have = || Value::Bytes(plane.stride_bytes);
            ensure(plane.stride_bytes >= row_bytes, Field::MinStride, have, || {
                Value::Bytes(row_bytes)
            })?;
        }
        for (field, need) in self.plane_needs(number) {
            match need {
                Value::Rules(rules) => check_rules(plane, rules, row_bytes)?,
                need if field.scope() == Scope::Plane => check_number(plane, field, need)?,
                _ => {}
            }
        }
        self.check_own_memory(number, memories)
    }

    fn row_bytes(&self, fourcc: Fourcc, number: usize) -> Option<u64> {
        fourcc.row_bytes(number, self.image.size.width)
    }

    /// The plane has its rows, lies in its memory, and shares no byte with those before it.
    fn check_place_of_plane(&self, number: usize, memories: &[ActualMemory<'_>]) -> Verdict {
        let plane = &self.image.planes[number];
        let bytes = |number| move || Value::Bytes(number);
        let rows = self.rows_needed(number);
        ensure(
            plane.rows >= rows,
            Field::RowsAlign,
            || Value::Rows(plane.rows),
            || Value::Rows(rows),
        )?;
        let of_rows = plane.stride_bytes.saturating_mul(plane.rows);
        ensure(
            plane.size_bytes >= of_rows,
            Field::Size,
            bytes(plane.size_bytes),
            bytes(of_rows),
        )?;
        let end = plane.offset_bytes.saturating_add(plane.size_bytes);
        let memory_bytes = memories.get(plane.memory).map_or(0, |memory| memory.size_bytes);
        ensure(end <= memory_bytes, Field::Size, bytes(memory_bytes), bytes(end))?;
        for before in self.image.planes[..number]
            .iter()
            .filter(|before| before.memory == plane.memory)
        {
            let end_before = before.offset_bytes.saturating_add(before.size_bytes);
            let apart = end_before <= plane.offset_bytes || end <= before.offset_bytes;
            ensure(
                apart,
                Field::OffsetAlign,
                bytes(plane.offset_bytes),
                bytes(end_before),
            )?;
        }
        Ok(())
    }

    /// The rows of the picture in the first plane, and as many of the others as follow from those of the first.
    fn rows_needed(&self, number: usize) -> u64 {
        let height = self.image.size.height;
        match (number, self.image.format.fourcc, self.image.planes.first()) {
            (0, ..) => u64::from(height),
            (_, Some(fourcc), Some(first)) => {
                let rows = u32::try_from(first.rows)
                    .ok()
                    .and_then(|rows| fourcc.rows(number, rows));
                rows.unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// What is stated of the plane's memory holds where it has one of its own.
    fn check_own_memory(&self, number: usize, memories: &[ActualMemory<'_>]) -> Verdict {
        let planes = &self.image.planes;
        let place = planes[number].memory;
        let shared = planes.iter().filter(|plane| plane.memory == place).count() > 1;
        match (self.needs.planes.get(number), memories.get(place)) {
            (Some(needs), Some(memory)) if !shared => {
                memory::check_fields(memory, needs)?;
                memory::check_size(memory.size_bytes, needs)
            }
            _ => Ok(()),
        }
    }
}

fn need_number(need: &Value) -> u64 {
    match need {
        Value::Bytes(number) | Value::Pixels(number) | Value::Rows(number) => *number,
        _ => 0,
    }
}

fn check_number(plane: &PlanePlan, field: Field, need: &Value) -> Verdict {
    let number = need_number(need);
    let behind = plane
        .size_bytes
        .saturating_sub(plane.stride_bytes.saturating_mul(plane.rows));
    let (have, good) = match field {
        Field::MinStride => (plane.stride_bytes, plane.stride_bytes >= number),
        Field::MaxStride => (plane.stride_bytes, plane.stride_bytes <= number),
        Field::StrideAlign => (plane.stride_bytes, plane.stride_bytes.is_multiple_of(number)),
        Field::OffsetAlign => (plane.offset_bytes, plane.offset_bytes.is_multiple_of(number)),
        Field::PlaneSizeAlign => (plane.size_bytes, plane.size_bytes.is_multiple_of(number)),
        Field::TailPad => (behind, behind >= number),
        _ => return Ok(()),
    };
    ensure(good, field, || Value::Bytes(have), || need.clone())
}

/// A rule fixes the stride by the width; for rows of unknown length, none can be kept that depends on it.
fn check_rules(plane: &PlanePlan, rules: &Rules, row_bytes: Option<u64>) -> Verdict {
    for rule in rules.iter() {
        let wanted = match rule {
            StrideRule::Fixed(stride) => Some(stride),
            StrideRule::RoundUp(align) => row_bytes.and_then(|row| row.checked_next_multiple_of(align)),
        };
        let need = || wanted.map_or_else(|| Value::Rules(rules.clone()), Value::Bytes);
        let good = wanted == Some(plane.stride_bytes);
        ensure(
            good,
            Field::StrideRules,
            || Value::Bytes(plane.stride_bytes),
            need,
        )?;
    }
    Ok(())
}

/// The shortest stride that keeps all needs for rows of this length; `None` if there is none.
fn shortest_stride(needs: &[(Field, &Value)], row_bytes: u64) -> Option<u64> {
    let rules = needs.iter().filter_map(|(_, need)| match need {
        Value::Rules(rules) => Some(rules.iter()),
        _ => None,
    });
    if let Some(rule) = rules.flatten().next() {
        return rule.stride_bytes(row_bytes);
    }
    let of = |field| {
        needs
            .iter()
            .filter(move |(stated, _)| *stated == field)
            .map(|(_, need)| need_number(need))
    };
    let least = of(Field::MinStride).max().unwrap_or(0).max(row_bytes);
    of(Field::StrideAlign).try_fold(least, |stride, align| stride.checked_next_multiple_of(align))
}
