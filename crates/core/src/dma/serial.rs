//! How addresses are written in files.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{Window, Windows};
use crate::InvalidText;
use crate::text::{by_text, bytes};

impl FromStr for Window {
    type Err = InvalidText;

    /// Reads a range as Rust writes it: `0x0..=0xffffffff` with its last address, or `0..4 GiB` with the first address after it.
    ///
    /// # Errors
    /// [`InvalidText`], EINVAL: it is something else, empty, or leaves the 64-bit addresses.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let window = || {
            let (first, end) = text.split_once("..")?;
            let last = match end.strip_prefix('=') {
                Some(last) => bytes(last)?,
                None => bytes(end)?.checked_sub(1)?,
            };
            let (first, last) = (bytes(first)?.try_into().ok()?, last.try_into().ok()?);
            (first <= last).then_some(Self { first, last })
        };
        let need =
            "a range of addresses such as \"0..1 GiB\" (without its end) or \"0x0..=0x3fffffff\" (with it)";
        window().ok_or_else(|| InvalidText::new(text, need))
    }
}

by_text!(Window);

impl Serialize for Windows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let windows = Vec::<Window>::deserialize(deserializer)?;
        Ok(windows
            .into_iter()
            .map(|window| window.first..=window.last)
            .collect())
    }
}

/// Offsets in files: a number of bytes, or a text such as `"-3 GiB"`.
pub(super) mod offset {
    use super::{Deserializer, Error, Serializer, Unexpected, Visitor, bytes, fmt};
    use crate::InvalidText;

    pub(in crate::dma) fn serialize<S: Serializer>(offset: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*offset)
    }

    pub(in crate::dma) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_any(Offset)
    }

    struct Offset;

    const NEED: &str = "an offset in bytes such as -4096 or \"3 GiB\"";

    impl Visitor<'_> for Offset {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(NEED)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
            let (digits, sign) = match text.strip_prefix('-') {
                Some(digits) => (digits, -1),
                None => (text, 1),
            };
            let number = bytes(digits).and_then(|number| i128::try_from(number).ok());
            number
                .and_then(|number| i64::try_from(sign * number).ok())
                .ok_or_else(|| E::custom(InvalidText::new(text, NEED)))
        }
    }
}
