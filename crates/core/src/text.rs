//! Numbers and names as people write them in files.

use std::fmt;

use crate::Errno;
use crate::constraints::MAX_NAME_BYTES;

/// The longest part of a wrong text that an error repeats, in characters.
const MAX_SHOWN: usize = 48;

/// A text that is not what it has to be. Blame: who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {need}")]
pub struct InvalidText {
    /// How the text begins.
    pub text: Box<str>,
    /// What it has to be.
    pub need: &'static str,
}

impl InvalidText {
    pub(crate) fn new(text: &str, need: &'static str) -> Self {
        Self {
            text: text.chars().take(MAX_SHOWN).collect::<String>().into(),
            need,
        }
    }

    /// Returns EINVAL.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// Whether a text can be a name: 1 to [`MAX_NAME_BYTES`] bytes without control characters.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control)
}

/// The text with control characters escaped: what anybody calls himself does not steer anybody's terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A name that may be anybody's, in a line for people: without control characters, and no longer than names can be.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        let name: String = characters.by_ref().take(MAX_NAME_BYTES).collect();
        f.write_str(&visible(&name))?;
        match characters.next() {
            Some(_) => f.write_str("..."),
            None => Ok(()),
        }
    }
}

/// Units of bytes, each with the power of two that it is.
const UNITS: [(&str, u32); 6] = [
    (" KiB", 10),
    (" MiB", 20),
    (" GiB", 30),
    (" TiB", 40),
    (" PiB", 50),
    (" EiB", 60),
];

/// Reads `4096` or `0x1000`; no sign, no separators.
pub(crate) fn number(text: &str) -> Option<u128> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let all_digits = digits.chars().all(|character| character.is_digit(radix));
    if !all_digits {
        return None;
    }
    u128::from_str_radix(digits, radix).ok()
}

/// Reads `4096`, `0x1000` or `4 KiB`: up to 2^128 bytes, so that the end of 64-bit addresses can be said.
pub(crate) fn bytes(text: &str) -> Option<u128> {
    let unit = UNITS
        .iter()
        .find_map(|(unit, power)| Some((text.strip_suffix(unit)?, *power)));
    let Some((count, power)) = unit else {
        return number(text);
    };
    if count.starts_with("0x") {
        return None;
    }
    number(count)?.checked_mul(1 << power)
}

/// Reads a number of bytes that fits in 64 bits.
pub(crate) fn bytes_u64(text: &str) -> Option<u64> {
    bytes(text)?.try_into().ok()
}

/// Serialises a type as what it displays, and reads it from what it parses.
macro_rules! by_text {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

pub(crate) use by_text;

/// Numbers of bytes in files: a number, or a text such as `"64 KiB"`. A number that a file cannot hold is written as text.
pub(crate) mod bytes_or_text {
    use std::fmt;

    use serde::de::{Deserializer, Error, Unexpected, Visitor};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*number) {
            Ok(_) => serializer.serialize_u64(*number),
            Err(_) => serializer.collect_str(number),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Number {
            need: "a number of bytes such as 4096 or \"4 KiB\"",
            read: super::bytes_u64,
        })
    }

    /// Numbers that are not of bytes: without units.
    pub(crate) fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Number {
            need: "a number such as 16 or \"0x10\"",
            read: |text| super::number(text)?.try_into().ok(),
        })
    }

    struct Number {
        need: &'static str,
        read: fn(&str) -> Option<u64>,
    }

    impl Visitor<'_> for Number {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.need)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            (self.read)(text).ok_or_else(|| E::custom(super::InvalidText::new(text, self.need)))
        }
    }
}

/// The same for numbers that need not be there.
pub(crate) mod optional_bytes_or_text {
    use serde::de::Deserializer;
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => super::bytes_or_text::serialize(number, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        super::bytes_or_text::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(number("0x1f"), Some(31));
        assert_eq!(number("31"), Some(31));
        for wrong in ["", "0x", "+1", "-1", " 1", "1 ", "1_000", "0X1f", "1f", "٣"] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
        assert_eq!(number(&"9".repeat(60)), None);
    }

    #[test]
    fn names_are_shown_without_control_characters_and_not_at_length() {
        assert_eq!(Shown("a\u{1b}[2J\n\u{e4}").to_string(), "a\\u{1b}[2J\\n\u{e4}");
        assert_eq!(Shown(&"x".repeat(1000)).to_string().len(), 259);
    }

    #[test]
    fn units_multiply() {
        assert_eq!(bytes("64 KiB"), Some(65536));
        assert_eq!(bytes("16 EiB"), Some(1 << 64));
        assert_eq!(bytes_u64("16 EiB"), None);
        for wrong in [
            "64KiB", "64  KiB", "64 kib", "64 KB", "0x40 KiB", " KiB", "1.5 GiB",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong:?}");
        }
    }
}
