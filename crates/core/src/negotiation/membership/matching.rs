//! Buffers that are to be just like others.

use super::{ActualBuffer, ActualMemory, Verdict, ensure};
use crate::constraints::{
    Bytes, Constraints, Field, ImageConstraints, InvalidConstraint, Names, Pixels, Record, Rules, Size,
    StrideRule, Value, key,
};
use crate::negotiation::{Blame, ImagePlan, Misfit, Participant, PlanePlan};

/// Checks that a buffer is laid out just like another, and is of memory like it: the same picture at the same place, the same sizes, the
/// same cache mode and protection. `who` wants it so.
///
/// # Errors
/// [`Misfit`]: the first field in which they differ; needed is what the model has.
///
/// ```
/// use wharf_core::constraints::Field;
/// use wharf_core::negotiation::{ActualBuffer, ActualMemory, Guarantees, Participant, ParticipantId, must_match};
///
/// let system = Guarantees::default();
/// let of = |size_bytes| ActualBuffer::new(vec![ActualMemory::new("system", &system, size_bytes)], 4);
/// let viewer = Participant::new(ParticipantId(1), "viewer");
/// assert_eq!(must_match(&of(8192), &of(8192), &viewer), Ok(()));
/// assert_eq!(must_match(&of(4096), &of(8192), &viewer).unwrap_err().path.field, Field::Size);
/// ```
pub fn must_match(
    buffer: &ActualBuffer<'_>,
    model: &ActualBuffer<'_>,
    who: &Participant,
) -> Result<(), Box<Misfit>> {
    let blame = || Blame {
        participant: Some(who.id),
        label: who.label.clone(),
        pid: who.pid,
        device: who.device.clone(),
        function: None,
        alternative: None,
        source: who.source.clone(),
    };
    matches(buffer, model).map_err(|unsuitable| unsuitable.of(blame()))
}

fn matches(buffer: &ActualBuffer<'_>, model: &ActualBuffer<'_>) -> Verdict {
    match (buffer.image, model.image) {
        (Some(image), Some(model)) => images_match(image, model)?,
        (have, need) => {
            let format = |image: Option<&ImagePlan>| {
                Value::Names(
                    image
                        .into_iter()
                        .map(|image| image.format.to_string())
                        .collect::<Names>(),
                )
            };
            ensure(have == need, Field::Format, || format(have), || format(need))?;
        }
    }
    same_number(
        Field::PlaneMemory,
        buffer.memories.len() as u64,
        model.memories.len() as u64,
    )?;
    let pairs = buffer.memories.iter().zip(&model.memories);
    pairs
        .into_iter()
        .try_for_each(|(memory, model)| memories_match(memory, model))
}

fn images_match(image: &ImagePlan, model: &ImagePlan) -> Verdict {
    let format = |image: &ImagePlan| Value::Names([image.format.to_string()].into_iter().collect());
    ensure(
        image.format == model.format,
        Field::Format,
        || format(image),
        || format(model),
    )?;
    let size = |size: Size| Value::Sizes([size].into_iter().collect());
    ensure(
        image.size == model.size,
        Field::RequiredSizes,
        || size(image.size),
        || size(model.size),
    )?;
    let text = |text: &Option<Box<str>>| Value::Text(text.as_deref().unwrap_or("not stated").into());
    let spaces = (&image.color_space, &model.color_space);
    ensure(
        spaces.0 == spaces.1,
        Field::ColorSpaces,
        || text(spaces.0),
        || text(spaces.1),
    )?;
    ensure(
        image.alpha == model.alpha,
        Field::Alpha,
        || text(&image.alpha),
        || text(&model.alpha),
    )?;
    same_number(
        Field::Format,
        image.planes.len() as u64,
        model.planes.len() as u64,
    )?;
    for (number, (plane, model)) in image.planes.iter().zip(&model.planes).enumerate() {
        let outcome = planes_match(plane, model);
        outcome.map_err(|unsuitable| unsuitable.in_image(&image.format, Some(number)))?;
    }
    Ok(())
}

fn planes_match(plane: &PlanePlan, model: &PlanePlan) -> Verdict {
    same_number(Field::PlaneMemory, plane.memory as u64, model.memory as u64)?;
    same_number(Field::OffsetAlign, plane.offset_bytes, model.offset_bytes)?;
    same_number(Field::StrideRules, plane.stride_bytes, model.stride_bytes)?;
    same_number(Field::RowsAlign, plane.rows, model.rows)?;
    same_number(Field::PlaneSizeAlign, plane.size_bytes, model.size_bytes)
}

fn memories_match(memory: &ActualMemory<'_>, model: &ActualMemory<'_>) -> Verdict {
    same_number(Field::Size, memory.size_bytes, model.size_bytes)?;
    let modes = |mode: Option<&str>| Value::Names(mode.into_iter().collect());
    let same = memory.cache_mode == model.cache_mode;
    ensure(
        same,
        Field::CacheModes,
        || modes(memory.cache_mode),
        || modes(model.cache_mode),
    )?;
    let schemes = (&memory.guarantees.protection, &model.guarantees.protection);
    let text = |scheme: &str| Value::Text(scheme.into());
    ensure(
        schemes.0 == schemes.1,
        Field::Protection,
        || text(schemes.0),
        || text(schemes.1),
    )
}

fn same_number(field: Field, have: u64, need: u64) -> Verdict {
    let value = |number| match field {
        Field::RowsAlign => Value::Rows(number),
        Field::PlaneMemory | Field::Format => Value::Text(format!("{number}").into()),
        _ => Value::Bytes(number),
    };
    ensure(have == need, field, || value(have), || value(need))
}

/// Returns constraints that leave no choice but a layout like that of a buffer: for who negotiates buffers that must match it. What
/// constraints cannot say, [`must_match`] checks afterwards.
///
/// # Errors
/// [`InvalidConstraint`]: the buffer contradicts itself, as one that a peer described may.
pub fn exactly(buffer: &ActualBuffer<'_>) -> Result<Constraints, InvalidConstraint> {
    let mut builder = Constraints::builder()
        .with(key::MIN_SIZE, Bytes(buffer.size_bytes()))
        .with(key::MAX_SIZE, Bytes(buffer.size_bytes()));
    if let Some(memory) = buffer.memories.first() {
        builder = builder.with(key::PROTECTION, memory.guarantees.protection.clone());
        if let Some(mode) = memory.cache_mode {
            builder = builder.with(key::CACHE_MODES, [mode].into_iter().collect());
        }
    }
    if let Some(image) = buffer.image {
        builder = builder.image(exact_image(image));
    }
    builder.build()
}

fn exact_image(image: &ImagePlan) -> ImageConstraints {
    let (width, height) = (u64::from(image.size.width), u64::from(image.size.height));
    let mut picture = Record::new()
        .with(key::MIN_WIDTH, Pixels(width))
        .with(key::MAX_WIDTH, Pixels(width))
        .with(key::MIN_HEIGHT, Pixels(height))
        .with(key::MAX_HEIGHT, Pixels(height));
    if let Some(space) = &image.color_space {
        picture = picture.with(key::COLOR_SPACES, [&**space].into_iter().collect());
    }
    if let Some(alpha) = &image.alpha {
        picture = picture.with(key::ALPHA, alpha.clone());
    }
    let planes = image.planes.iter().map(|plane| {
        let rule: Rules = [StrideRule::Fixed(plane.stride_bytes)].into_iter().collect();
        Record::new().with(key::STRIDE_RULES, rule)
    });
    ImageConstraints::of(image.format.clone())
        .image(picture)
        .planes(planes.collect())
}
