//! Reads what describes a set, whole, but no more than a set could need.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest description, in bytes. A participant is some hundred.
const MAX_BYTES: u64 = 16 << 20;

/// A description as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// What it is called in messages.
    pub(super) file: String,
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
}

/// How a set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Json,
}

/// Why a description could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("cannot read {file}: {error}")]
    Io { file: String, error: io::Error },
    #[error("{file} is larger than the 16 MiB that a set may have")]
    TooLarge { file: String },
}

/// Reads a file, or stdin for `-`.
pub(super) fn read(path: &Path) -> Result<Source, Unread> {
    if path == Path::new("-") {
        return read_from(io::stdin().lock(), "stdin".to_owned(), path);
    }
    let file = path.display().to_string();
    match File::open(path) {
        Ok(opened) => read_from(opened, file, path),
        Err(error) => Err(Unread::Io { file, error }),
    }
}

fn read_from(input: impl Read, file: String, path: &Path) -> Result<Source, Unread> {
    let mut bytes = Vec::new();
    match input.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) => Err(Unread::Io { file, error }),
        Ok(read) if read as u64 > MAX_BYTES => Err(Unread::TooLarge { file }),
        Ok(_) => Ok(Source {
            file,
            format: format(path, &bytes),
            bytes,
        }),
    }
}

/// The format that the name says, or else the first character: only JSON begins with a brace.
fn format(path: &Path, bytes: &[u8]) -> Format {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("toml") => Format::Toml,
        Some("json") => Format::Json,
        _ if bytes.trim_ascii_start().starts_with(b"{") => Format::Json,
        _ => Format::Toml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_decides_before_content() {
        for (name, content, expected) in [
            ("set.toml", "{", Format::Toml),
            ("set.JSON", "name = 1", Format::Json),
            ("set", " \n{", Format::Json),
            ("set.conf", "name = 1", Format::Toml),
            ("-", "", Format::Toml),
        ] {
            assert_eq!(format(Path::new(name), content.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn largest_description_is_read_and_a_larger_one_is_not() {
        let read = |bytes| read_from(io::repeat(b' ').take(bytes), "it".to_owned(), Path::new("it"));
        assert!(read(MAX_BYTES).is_ok());
        assert!(matches!(read(MAX_BYTES + 1), Err(Unread::TooLarge { .. })));
        assert!(matches!(read(u64::MAX), Err(Unread::TooLarge { .. })));
    }
}
