//! How pictures may lie in a buffer.

use std::fmt;
use std::str::FromStr;

use super::Record;
use crate::InvalidText;
use crate::layout::{Fourcc, Modifier};
use crate::text::{Shown, by_text, number};

/// How pixels are arranged, as far as anybody but the driver can know. Equal or not: there is no order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tiling {
    /// As a modifier says, which means the same to everybody.
    Explicit(Modifier),
    /// As this driver does it when nobody says. Never equal to what another driver does.
    Implicit(Box<str>),
}

/// A pixel format in one arrangement; what is not said may be any. Somebody has to say it: if nobody does, nothing is left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatKey {
    /// The pixel format.
    pub fourcc: Option<Fourcc>,
    /// The arrangement.
    pub tiling: Option<Tiling>,
}

/// What a participant needs of a picture in one format. Several of them are alternatives, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConstraints {
    /// The format.
    pub key: FormatKey,
    /// What it needs of the picture: fields of [`Scope::Image`](super::Scope::Image).
    pub image: Record,
    /// What it needs of every plane: fields of [`Scope::Plane`](super::Scope::Plane).
    pub every_plane: Record,
    /// What it needs of single planes besides, from the first on: fields of [`Scope::Plane`](super::Scope::Plane) and, where planes
    /// have memories of their own, of [`Scope::Memory`](super::Scope::Memory).
    pub planes: Vec<Record>,
}

impl ImageConstraints {
    /// Begins with a format that restricts nothing else.
    pub fn new(fourcc: Fourcc, modifier: Modifier) -> Self {
        Self::of(FormatKey {
            fourcc: Some(fourcc),
            tiling: Some(Tiling::Explicit(modifier)),
        })
    }

    /// Begins with a format that need not be said whole.
    pub fn of(key: FormatKey) -> Self {
        Self {
            key,
            image: Record::new(),
            every_plane: Record::new(),
            planes: Vec::new(),
        }
    }

    /// States what the picture has to be like.
    #[must_use]
    pub fn image(mut self, image: Record) -> Self {
        self.image = image;
        self
    }

    /// States what every plane has to be like.
    #[must_use]
    pub fn every_plane(mut self, plane: Record) -> Self {
        self.every_plane = plane;
        self
    }

    /// States what single planes have to be like besides, from the first on.
    #[must_use]
    pub fn planes(mut self, planes: Vec<Record>) -> Self {
        self.planes = planes;
        self
    }
}

impl FormatKey {
    /// Returns what suits both; `None` if nothing does.
    pub fn common(&self, other: &Self) -> Option<Self> {
        Some(Self {
            fourcc: common(self.fourcc.as_ref(), other.fourcc.as_ref())?,
            tiling: common(self.tiling.as_ref(), other.tiling.as_ref())?,
        })
    }

    /// Says whether format and arrangement are both said.
    pub fn is_concrete(&self) -> bool {
        self.fourcc.is_some() && self.tiling.is_some()
    }
}

fn common<T: Clone + PartialEq>(one: Option<&T>, other: Option<&T>) -> Option<Option<T>> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then(|| Some(one.clone())),
        (one, other) => Some(one.or(other).cloned()),
    }
}

impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit(Modifier::LINEAR) => f.write_str("linear"),
            Self::Explicit(modifier) => modifier.fmt(f),
            Self::Implicit(driver) => write!(f, "implicit({})", Shown(driver)),
        }
    }
}

impl fmt::Display for FormatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fourcc {
            Some(fourcc) => fourcc.fmt(f)?,
            None => f.write_str("*")?,
        }
        match &self.tiling {
            Some(tiling) => write!(f, ":{tiling}"),
            None => f.write_str(":*"),
        }
    }
}

impl FromStr for Tiling {
    type Err = InvalidText;

    /// Reads `linear`, a modifier's number such as `0x0100000000000001`, or `implicit(driver)`.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: it is none of these.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let implicit = text
            .strip_prefix("implicit(")
            .and_then(|rest| rest.strip_suffix(')'));
        let tiling = match implicit {
            _ if text == "linear" => Some(Self::Explicit(Modifier::LINEAR)),
            Some(driver) => Some(Self::Implicit(driver.into())),
            None => number(text)
                .filter(|_| text.starts_with("0x"))
                .and_then(|raw| raw.try_into().ok())
                .map(|raw| Self::Explicit(Modifier::from_raw(raw))),
        };
        let need = "`linear`, a modifier such as 0x0100000000000001, or `implicit(driver)`";
        tiling.ok_or_else(|| InvalidText::new(text, need))
    }
}

impl FromStr for FormatKey {
    type Err = InvalidText;

    /// Reads what `Display` writes: `NV12:linear`; a star is any.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: it is something else.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let Some((fourcc, tiling)) = text.split_once(':') else {
            return Err(InvalidText::new(
                text,
                "a format and a modifier such as NV12:linear",
            ));
        };
        Ok(Self {
            fourcc: (fourcc != "*").then(|| fourcc.parse()).transpose()?,
            tiling: (tiling != "*").then(|| tiling.parse()).transpose()?,
        })
    }
}

by_text!(Tiling, FormatKey);
