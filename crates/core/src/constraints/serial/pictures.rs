//! Sizes of pictures and rules for strides.

use std::borrow::Cow;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::InvalidText;
use crate::constraints::{Rules, Size, Sizes, StrideRule};
use crate::text::{by_text, bytes_u64, number};

impl FromStr for Size {
    type Err = InvalidText;

    /// Reads `1920x1080`.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: it is something else.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let side = |side: &str| number(side).filter(|_| !side.starts_with("0x"))?.try_into().ok();
        let size = || {
            let (width, height) = text.split_once('x')?;
            Some(Self {
                width: side(width)?,
                height: side(height)?,
            })
        };
        size().ok_or_else(|| InvalidText::new(text, "a width and a height such as 1920x1080"))
    }
}

by_text!(Size);

impl Serialize for Sizes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Size>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl FromStr for StrideRule {
    type Err = InvalidText;

    /// Reads `round-up 256` or `fixed 2048`, in bytes; `fixed 2 KiB` means the same.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: it is something else.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let rule = || {
            let (rule, number) = text.split_once(' ')?;
            let number = bytes_u64(number)?;
            match rule {
                "round-up" => Some(Self::RoundUp(number)),
                "fixed" => Some(Self::Fixed(number)),
                _ => None,
            }
        };
        rule().ok_or_else(|| InvalidText::new(text, "a rule such as \"round-up 256\" or \"fixed 2048\""))
    }
}

impl Serialize for StrideRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::RoundUp(number) => serializer.collect_str(&format_args!("round-up {number}")),
            Self::Fixed(number) => serializer.collect_str(&format_args!("fixed {number}")),
        }
    }
}

impl<'de> Deserialize<'de> for StrideRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<StrideRule>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
