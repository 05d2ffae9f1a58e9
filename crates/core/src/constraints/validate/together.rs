//! Fields that contradict each other: the fewest of them are found by leaving out what is not needed for it.

use std::borrow::Cow;

use super::super::{
    Constraints, CpuUse, Field, ImageConstraints, InvalidConstraint, Record, Rules, Scope, Size, StrideRule,
    Tiling, Value, merge, merge_numbers,
};
use crate::PAGE_BYTES;
use crate::constraints::MergeKind;
use crate::dma::DmaLimits;
use crate::layout::{MAX_SIDE_PIXELS, Modifier};

type Statement<'a> = (Field, Cow<'a, Value>);

/// Checks what is stated of device, memory and set.
pub(super) fn check_memory(constraints: &Constraints) -> Result<(), InvalidConstraint> {
    let device = constraints
        .dma
        .fields()
        .map(|(field, value)| (field, Cow::Owned(value)));
    let rest = statements(&constraints.memory).chain(statements(&constraints.set));
    check(device.chain(rest).collect(), memory_is_possible)
}

/// Checks what is stated of one format: the picture, every plane, and each plane with what is stated of it besides.
pub(super) fn check_image(image: &ImageConstraints) -> Result<(), InvalidConstraint> {
    check(statements(&image.image).collect(), picture_is_possible)?;
    check(statements(&image.every_plane).collect(), |record| {
        stride_is_possible(record, 0)
    })?;
    check_rows(image)?;
    for plane in &image.planes {
        let of_plane = statements(&image.every_plane).chain(statements(plane));
        check(of_plane.collect(), |record| {
            stride_is_possible(record, 0) && memory_is_possible(record)
        })?;
        let memories = statements(plane).filter(|(field, _)| field.scope() == Scope::Memory);
        let with_picture = statements(&image.image).chain(memories);
        check(with_picture.collect(), planes_have_memories)?;
    }
    Ok(())
}

/// Checks that rows fit their strides, where it is known how long they are.
fn check_rows(image: &ImageConstraints) -> Result<(), InvalidConstraint> {
    let linear = image.key.tiling == Some(Tiling::Explicit(Modifier::LINEAR));
    let Some(fourcc) = image.key.fourcc.filter(|_| linear) else {
        return Ok(());
    };
    for plane in 0..fourcc.plane_count().unwrap_or(0) {
        let whole = statements(&image.image).chain(statements(&image.every_plane));
        let besides = image.planes.get(plane).into_iter().flat_map(statements);
        check(whole.chain(besides).collect(), |record| {
            let widest = widest_needed(record);
            let row_bytes = widest.and_then(|width| fourcc.row_bytes(plane, width));
            row_bytes.is_some_and(|row_bytes| stride_is_possible(record, row_bytes))
        })?;
    }
    Ok(())
}

fn statements(record: &Record) -> impl Iterator<Item = Statement<'_>> {
    record.iter().map(|(field, value)| (field, Cow::Borrowed(value)))
}

/// Fails with the fewest statements that nothing satisfies, if nothing satisfies all.
fn check(
    mut statements: Vec<Statement<'_>>,
    possible: impl Fn(&Record) -> bool,
) -> Result<(), InvalidConstraint> {
    let fails = |statements: &[Statement<'_>]| merged(statements).is_none_or(|record| !possible(&record));
    if !fails(&statements) {
        return Ok(());
    }
    let mut next = 0;
    while next < statements.len() {
        let left_out = statements.remove(next);
        if !fails(&statements) {
            statements.insert(next, left_out);
            next += 1;
        }
    }
    statements.sort_unstable();
    Err(InvalidConstraint::Contradiction {
        statements: statements
            .into_iter()
            .map(|(field, value)| (field, value.into_owned()))
            .collect(),
    })
}

/// What statements come to; `None` if nothing satisfies those of one field.
fn merged(statements: &[Statement<'_>]) -> Option<Record> {
    let mut record = Record::new();
    for (field, value) in statements {
        let value = match record.get(*field) {
            Some(before) => merge(*field, before, value).ok()?,
            None => value.clone().into_owned(),
        };
        record.set(*field, value);
    }
    Some(record)
}

/// The smallest number from `min` on that is a multiple of `align`, unless it is above `max` or 64 bits.
fn smallest(min: u64, align: u64, max: u64) -> Option<u64> {
    let number = min.max(1).checked_next_multiple_of(align)?;
    (number <= max).then_some(number)
}

fn lcm(one: u64, other: u64) -> Option<u64> {
    merge_numbers(MergeKind::Lcm, one, other)
}

fn memory_is_possible(record: &Record) -> bool {
    let Some(size_bytes) = smallest_buffer(record) else {
        return false;
    };
    let is_protected =
        matches!(record.get(Field::Protection), Some(Value::Text(scheme)) if &**scheme != "none");
    let by_cpu = matches!(
        record.get(Field::CpuAccess),
        Some(Value::CpuUse(CpuUse::Rarely | CpuUse::Often))
    );
    !(is_protected && by_cpu) && set_is_possible(record, size_bytes)
}

/// The size of the smallest buffer that suits size and device; `None` if there is none.
fn smallest_buffer(record: &Record) -> Option<u64> {
    let device = record.iter().filter(|(field, _)| field.scope() == Scope::Device);
    let limits = DmaLimits::default().with_fields(device).ok()?;
    let align = lcm(
        record.number(Field::SizeAlign).unwrap_or(1),
        limits.size_unit_bytes(),
    )?;
    let max = record.number(Field::MaxSize).unwrap_or(u64::MAX);
    let size_bytes = smallest(
        record.number(Field::MinSize).unwrap_or(0),
        align.max(PAGE_BYTES),
        max,
    )?;
    limits.could_hold(size_bytes).then_some(size_bytes)
}

fn set_is_possible(record: &Record, size_bytes: u64) -> bool {
    let number = |field| record.number(field).unwrap_or(0);
    // Each is below 2^32.
    let shares = number(Field::Camping) + number(Field::DedicatedSlack) + number(Field::SharedSlack);
    let count = shares.max(number(Field::MinBuffers)).max(1);
    let total_bytes = u128::from(count) * u128::from(size_bytes);
    let within = |field, number: u128| record.number(field).is_none_or(|most| number <= u128::from(most));
    within(Field::MaxBuffers, u128::from(count)) && within(Field::MaxTotal, total_bytes)
}

/// The bounds of one side of a picture.
struct Side {
    min: u64,
    align: u64,
    max: u64,
}

impl Side {
    fn of_width(record: &Record) -> Self {
        Self::of(record, Field::MinWidth, Field::WidthAlign, Field::MaxWidth)
    }

    fn of(record: &Record, min: Field, align: Field, max: Field) -> Self {
        let most = u64::from(MAX_SIDE_PIXELS);
        Self {
            min: record.number(min).unwrap_or(1),
            align: record.number(align).unwrap_or(1),
            max: record.number(max).unwrap_or(most).min(most),
        }
    }

    fn smallest(&self) -> Option<u64> {
        smallest(self.min, self.align, self.max)
    }

    /// The side of a picture with room for one of `pixels`, which has to be allowed itself.
    fn with_room_for(&self, pixels: u32) -> Option<u64> {
        let pixels = u64::from(pixels);
        (pixels >= self.min).then(|| smallest(pixels, self.align, self.max))?
    }
}

/// The width of the widest picture that needs room; `None` if no picture is possible.
fn widest_needed(record: &Record) -> Option<u32> {
    let width = Side::of_width(record);
    let required = required_sizes(record)
        .iter()
        .map(|size| width.with_room_for(size.width));
    let widest = required
        .chain([width.smallest()])
        .try_fold(0, |widest, one| Some(one?.max(widest)))?;
    widest.try_into().ok()
}

fn required_sizes(record: &Record) -> &[Size] {
    match record.get(Field::RequiredSizes) {
        Some(Value::Sizes(sizes)) => sizes.as_slice(),
        _ => &[],
    }
}

fn picture_is_possible(record: &Record) -> bool {
    let width = Side::of_width(record);
    let height = Side::of(record, Field::MinHeight, Field::HeightAlign, Field::MaxHeight);
    let most = record.number(Field::MaxPixels).unwrap_or(u64::MAX);
    // Both sides are at most 2^15.
    let fits = |sides: (Option<u64>, Option<u64>)| match sides {
        (Some(width), Some(height)) => width * height <= most,
        _ => false,
    };
    let has_room = |size: &Size| fits((width.with_room_for(size.width), height.with_room_for(size.height)));
    fits((width.smallest(), height.smallest())) && required_sizes(record).iter().all(has_room)
}

/// Some stride keeps all bounds, and all rules for some width, for rows of at least `row_bytes`.
fn stride_is_possible(record: &Record, row_bytes: u64) -> bool {
    let empty = Rules::default();
    let rules = match record.get(Field::StrideRules) {
        Some(Value::Rules(rules)) => rules,
        _ => &empty,
    };
    let mut align = record.number(Field::StrideAlign);
    let mut fixed = None;
    for rule in rules.iter() {
        match rule {
            StrideRule::RoundUp(number) => match lcm(align.unwrap_or(1), number) {
                Some(common) => align = Some(common),
                None => return false,
            },
            StrideRule::Fixed(number) if fixed.is_some_and(|other| other != number) => return false,
            StrideRule::Fixed(number) => fixed = Some(number),
        }
    }
    let (min, max) = (
        record.number(Field::MinStride).unwrap_or(0).max(row_bytes),
        record.number(Field::MaxStride).unwrap_or(u64::MAX),
    );
    let align = align.unwrap_or(1);
    match fixed {
        Some(stride) => stride.is_multiple_of(align) && (min..=max).contains(&stride),
        None => smallest(min, align, max).is_some(),
    }
}

/// Planes have needs of memory only where they have memories of their own.
fn planes_have_memories(record: &Record) -> bool {
    let joint = matches!(record.get(Field::PlaneMemory), Some(Value::Text(place)) if &**place == "joint");
    let of_memory = record.iter().any(|(field, _)| field.scope() == Scope::Memory);
    !(joint && of_memory)
}
