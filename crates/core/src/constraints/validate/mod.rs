//! Constraints that nothing could satisfy, or that mean nothing.

mod together;
mod value;

use super::{
    Constraints, Extension, FormatKey, ImageConstraints, InvalidConstraint, MAX_ENTRIES, Record, Scope,
    Tiling,
};
use crate::layout::{Fourcc, MAX_PLANES, Modifier};
use value::{check_extension_value, check_value};

use crate::text::is_name;

/// Checks constraints as a whole; the types of the fields beside the images are checked before.
pub(super) fn checked(constraints: Constraints) -> Result<Constraints, InvalidConstraint> {
    at_most("formats", constraints.images.len(), MAX_ENTRIES)?;
    at_most("extensions", constraints.extensions.len(), MAX_ENTRIES)?;
    if let Some(windows) = constraints.dma.windows() {
        at_most("windows", windows.as_slice().len(), MAX_ENTRIES)?;
    }
    for extension in constraints.extensions.values() {
        check_extension(extension)?;
    }
    together::check_memory(&constraints)?;
    for image in &constraints.images {
        check_image(image)?;
    }
    check_overlap(&constraints.images)?;
    Ok(constraints)
}

/// Checks that all fields of a record belong there and have values that mean something.
pub(super) fn fields(record: &Record, place: Scope, scopes: &[Scope]) -> Result<(), InvalidConstraint> {
    for (field, value) in record.iter() {
        if !scopes.contains(&field.scope()) {
            return Err(InvalidConstraint::Misplaced { field, place });
        }
        if value.value_type() != field.value_type() {
            return Err(InvalidConstraint::Type {
                field,
                value: value.clone(),
                need: field.value_type(),
            });
        }
        check_value(field, value)?;
    }
    Ok(())
}

fn check_image(image: &ImageConstraints) -> Result<(), InvalidConstraint> {
    if let Some(Tiling::Implicit(driver)) = &image.key.tiling {
        name("the driver", driver)?;
    }
    at_most("planes", image.planes.len(), most_planes(&image.key))?;
    fields(&image.image, Scope::Image, &[Scope::Image])?;
    fields(&image.every_plane, Scope::Plane, &[Scope::Plane])?;
    for plane in &image.planes {
        fields(plane, Scope::Plane, &[Scope::Plane, Scope::Memory])?;
    }
    together::check_image(image)
}

/// How many planes can be spoken of: those of the format, where it and its arrangement are known.
fn most_planes(key: &FormatKey) -> usize {
    let linear = key.tiling == Some(Tiling::Explicit(Modifier::LINEAR));
    let known = key.fourcc.filter(|_| linear).and_then(Fourcc::plane_count);
    known.unwrap_or(MAX_PLANES)
}

/// No two entries may mean the same: it would not be said which of them holds.
fn check_overlap(images: &[ImageConstraints]) -> Result<(), InvalidConstraint> {
    for (number, one) in images.iter().enumerate() {
        let overlaps = |other: &&ImageConstraints| one.key.common(&other.key).is_some();
        if let Some(other) = images[number + 1..].iter().find(overlaps) {
            return Err(InvalidConstraint::Formats {
                one: one.key.clone(),
                other: other.key.clone(),
            });
        }
    }
    Ok(())
}

fn check_extension(extension: &Extension) -> Result<(), InvalidConstraint> {
    name("the extension's vendor", &extension.key.vendor)?;
    name("the extension", &extension.key.name)?;
    check_extension_value(extension.kind, &extension.value).map_err(|need| InvalidConstraint::Extension {
        key: extension.key.clone(),
        value: extension.value.clone(),
        kind: extension.kind,
        need,
    })
}

fn name(what: &'static str, name: &str) -> Result<(), InvalidConstraint> {
    if is_name(name) {
        return Ok(());
    }
    Err(InvalidConstraint::Name {
        what,
        name: name.into(),
    })
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), InvalidConstraint> {
    if count <= most {
        return Ok(());
    }
    Err(InvalidConstraint::TooMany { what, count, most })
}
