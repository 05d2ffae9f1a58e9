//! The shared pages of a stream, from this process's side.

use crate::error::{PageError, SessionError};
use std::os::fd::OwnedFd;
use wharf_linux::Memfd;
use wharf_memory::{Access, Mapping, OwnedWords, ReadOnlyWords};

/// Names a page in errors.
pub(crate) type PageName = &'static str;

/// A page that this process writes, and its memory file to pass on.
pub(crate) struct OwnPage {
    pub(crate) words: OwnedWords,
    pub(crate) memfd: Memfd,
}

/// Makes a page of `cells` cells in `len_bytes` bytes that from here on only this process can write (contract S3).
pub(crate) fn create(name: PageName, len_bytes: usize, cells: usize) -> Result<OwnPage, SessionError> {
    try_create(name, len_bytes, cells).map_err(|source| SessionError::Page { page: name, source })
}

fn try_create(name: PageName, len_bytes: usize, cells: usize) -> Result<OwnPage, PageError> {
    // CAST: usize is at most 64 bits wide on Linux.
    let memfd = Memfd::create(&format!("wharf-{name}"), len_bytes as u64)?;
    let words = OwnedWords::new(Mapping::map(&memfd, len_bytes, Access::ReadWrite)?, cells)?;
    memfd.seal_future_writes()?;
    Ok(OwnPage { words, memfd })
}

/// Maps a page that somebody else writes; the broker must have sent its descriptor.
pub(crate) fn open(
    name: PageName,
    fd: Option<&OwnedFd>,
    len_bytes: usize,
    cells: usize,
) -> Result<ReadOnlyWords, SessionError> {
    let try_open = |fd: &OwnedFd| {
        let mapping = Mapping::map(fd, len_bytes, Access::ReadOnly)?;
        Ok(ReadOnlyWords::new(mapping, cells)?)
    };
    fd.ok_or(PageError::Missing)
        .and_then(try_open)
        .map_err(|source| SessionError::Page { page: name, source })
}
