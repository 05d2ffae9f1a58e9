//! Names of buffers.

use std::fmt;
use std::str::FromStr;

use crate::Errno;

/// The optional name of a buffer: 1 to 31 bytes of UTF-8 without control characters. Contract: B2.
///
/// It is for people to read, need not be unique and proves nothing.
///
/// ```
/// use wharf_core::BufferName;
/// assert_eq!(BufferName::new("camera preview")?.as_str(), "camera preview");
/// assert!(BufferName::new("a name that is longer than 31 bytes").is_err());
/// # Ok::<(), wharf_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BufferName(Box<str>);

impl BufferName {
    /// The longest name in bytes, as `DMA_BUF_NAME_LEN` less the final NUL.
    pub const MAX_BYTES: usize = 31;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError`]: EINVAL when it is empty, too long, or has a control character (a NUL would end it, others would
    /// reach the terminal of whoever lists buffers).
    pub fn new(name: &str) -> Result<Self, NameError> {
        check(name, Self::MAX_BYTES)?;
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BufferName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl fmt::Display for BufferName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty or too long.
    #[error("name of {len_bytes} bytes; use 1 to {max_bytes} bytes")]
    Length {
        /// Length of the refused name in bytes.
        len_bytes: usize,
        /// The longest name allowed, in bytes.
        max_bytes: usize,
    },
    /// The name has a control character.
    #[error(
        "name has the control character {character:?} at byte {offset_bytes}; use printable characters only"
    )]
    Control {
        /// The character refused.
        character: char,
        /// Where it is, in bytes from the start.
        offset_bytes: usize,
    },
}

impl NameError {
    /// Returns EINVAL, as `DMA_BUF_SET_NAME` does.
    pub fn errno(&self) -> Errno {
        Errno::EINVAL
    }
}

/// The rule for names of buffers and of exporters.
pub(crate) fn check(name: &str, max_bytes: usize) -> Result<(), NameError> {
    if name.is_empty() || name.len() > max_bytes {
        return Err(NameError::Length {
            len_bytes: name.len(),
            max_bytes,
        });
    }
    match name.char_indices().find(|(_, character)| character.is_control()) {
        Some((offset_bytes, character)) => Err(NameError::Control {
            character,
            offset_bytes,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_one_bytes_are_a_name_and_thirty_two_are_not() {
        assert!(BufferName::new(&"x".repeat(31)).is_ok());
        let refused = BufferName::new(&"x".repeat(32));
        assert_eq!(
            refused,
            Err(NameError::Length {
                len_bytes: 32,
                max_bytes: 31
            })
        );
    }

    #[test]
    fn bytes_are_counted_not_characters() {
        assert!(BufferName::new(&"ü".repeat(16)).is_err());
    }

    #[test]
    fn control_characters_are_refused_with_their_place() {
        let refused = BufferName::new("a\u{1b}[2J");
        assert_eq!(
            refused,
            Err(NameError::Control {
                character: '\u{1b}',
                offset_bytes: 1
            })
        );
    }
}
