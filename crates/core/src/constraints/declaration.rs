//! Everything that one function of a device needs.

use std::collections::BTreeMap;

use super::{
    Extension, ExtensionKey, Field, ImageConstraints, InvalidConstraint, Record, Scope, Value, validate,
};
use crate::DmaLimits;

/// What one function of a participant needs of a buffer, and of the set it is in.
///
/// # Invariants
/// Every value has the type of its field and makes sense; no field is stated where it does not belong; something exists that
/// satisfies all of it. What is impossible by itself is an error when it is built, so that nobody else is ever blamed for it.
///
/// # Examples
/// ```
/// use wharf_core::constraints::{Bytes, Buffers, Constraints, ImageConstraints, Record, Rows, key};
/// use wharf_core::dma::DmaLimits;
/// use wharf_core::layout::{Fourcc, Modifier};
///
/// let encoder = Constraints::builder()
///     .dma(DmaLimits::builder().address_mask(0xffff_ffff).build()?)
///     .image(
///         ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
///             .image(Record::new().with(key::ROWS_ALIGN, Rows(16)))
///             .every_plane(Record::new().with(key::STRIDE_ALIGN, Bytes(64))),
///     )
///     .with(key::CAMPING, Buffers(3))
///     .build()?;
/// assert_eq!(encoder.images().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    pub(super) dma: DmaLimits,
    pub(super) memory: Record,
    pub(super) set: Record,
    pub(super) images: Vec<ImageConstraints>,
    pub(super) extensions: BTreeMap<ExtensionKey, Extension>,
}

/// Collects constraints; made by [`Constraints::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ConstraintsBuilder {
    dma: DmaLimits,
    fields: Record,
    images: Vec<ImageConstraints>,
    extensions: Vec<Extension>,
}

impl Constraints {
    /// Begins constraints that do not restrict anything yet.
    pub fn builder() -> ConstraintsBuilder {
        ConstraintsBuilder::default()
    }

    /// Returns how the device addresses memory.
    pub fn dma(&self) -> &DmaLimits {
        &self.dma
    }

    /// Returns what is stated of the memory: fields of [`Scope::Memory`].
    pub fn memory(&self) -> &Record {
        &self.memory
    }

    /// Returns what is stated of the set: fields of [`Scope::Set`].
    pub fn set(&self) -> &Record {
        &self.set
    }

    /// Returns the formats, best first; empty if it does not matter what is in the buffer.
    pub fn images(&self) -> &[ImageConstraints] {
        &self.images
    }

    /// Returns the fields that vendors added.
    pub fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.extensions.values()
    }
}

impl ConstraintsBuilder {
    /// States how the device addresses memory. Single fields of [`Scope::Device`] that are stated, too, come instead of those here.
    pub fn dma(mut self, dma: DmaLimits) -> Self {
        self.dma = dma;
        self
    }

    /// States a field of [`Scope::Device`], [`Scope::Memory`] or [`Scope::Set`].
    pub fn with<T: Into<Value>>(mut self, key: super::Key<T>, value: T) -> Self {
        self.fields = self.fields.with(key, value);
        self
    }

    /// States a field of [`Scope::Device`], [`Scope::Memory`] or [`Scope::Set`] whose type is known only when the program runs.
    pub fn set(mut self, field: Field, value: Value) -> Self {
        self.fields.set(field, value);
        self
    }

    /// Adds a format to choose from; the best one first.
    pub fn image(mut self, image: ImageConstraints) -> Self {
        self.images.push(image);
        self
    }

    /// Adds a vendor's field.
    pub fn extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Checks the constraints.
    ///
    /// # Errors
    /// [`InvalidConstraint`], EINVAL: a value means nothing, is of the wrong type or stated where it does not belong, or no buffer at
    /// all could satisfy the fields together. It names the field.
    pub fn build(self) -> Result<Constraints, InvalidConstraint> {
        let of = |scope| -> Record {
            let fields = self.fields.iter().filter(|(field, _)| field.scope() == scope);
            fields.map(|(field, value)| (field, value.clone())).collect()
        };
        validate::fields(
            &self.fields,
            Scope::Memory,
            &[Scope::Device, Scope::Memory, Scope::Set],
        )?;
        let dma = self.dma.with_fields(of(Scope::Device).iter())?;
        let mut extensions = BTreeMap::new();
        for extension in self.extensions {
            let key = extension.key.clone();
            if extensions.insert(key.clone(), extension).is_some() {
                return Err(InvalidConstraint::StatedTwice { key });
            }
        }
        validate::checked(Constraints {
            dma,
            memory: of(Scope::Memory),
            set: of(Scope::Set),
            images: self.images,
            extensions,
        })
    }
}
