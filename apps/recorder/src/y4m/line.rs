//! Reading one line with a limit.

use std::io::{self, BufRead, Read};

/// How an attempt to read a line ended.
pub(super) enum Line {
    /// A whole line, without its end.
    Whole(Vec<u8>),
    /// The stream ended first; these bytes were there.
    Cut(Vec<u8>),
    /// No end of line within the limit; the line begins with these bytes.
    TooLong(Vec<u8>),
}

/// Reads up to and including the next `\n`, but at most `limit_bytes` bytes before it.
///
/// # Errors
///
/// Whatever the reader reports, except interruptions, which are tried again.
pub(super) fn read_line(input: &mut impl BufRead, limit_bytes: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Line::Whole(line));
    }
    if line.len() > limit_bytes {
        Ok(Line::TooLong(line))
    } else {
        Ok(Line::Cut(line))
    }
}
