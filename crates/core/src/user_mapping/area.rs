//! What a user asks to be mapped, and which pages of the buffer that is.

use std::fmt;
use std::ops::Range;

use super::{MappingBackend, UserMappingError};
use crate::{AccessMode, DmaBuf, PAGE_BYTES};

/// A piece of a user's address space that is to become a mapping: the kernel's `struct vm_area_struct` on its way through `mmap`.
pub struct UserArea {
    /// First page: of the buffer, or, from its size in pages on, of the second range. An importer's own numbers may
    /// mean something else until [`DmaBuf::redirect_user_mapping`] replaces them.
    pub first_page: u64,
    /// How many pages; at least one.
    pub page_count: u64,
    /// What the user wants to do.
    pub access: AccessMode,
    /// Puts the pages there.
    pub backend: Box<dyn MappingBackend>,
}

impl fmt::Debug for UserArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserArea")
            .field("first_page", &self.first_page)
            .field("page_count", &self.page_count)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// Where an area lies in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// Pages of the buffer, never of the second range.
    pub(super) pages: Range<u64>,
    pub(super) second: bool,
}

/// Checks an area's bounds. Contracts: C1, C4.
pub(super) fn place(
    buffer: &DmaBuf,
    first_page: u64,
    page_count: u64,
) -> Result<Placement, UserMappingError> {
    let pages = size_pages(buffer);
    let buffer = buffer.id();
    if page_count == 0 {
        return Err(UserMappingError::Empty { buffer, first_page });
    }
    let Some(end_page) = first_page.checked_add(page_count) else {
        return Err(UserMappingError::Overflow {
            buffer,
            first_page,
            page_count,
        });
    };
    let second = first_page >= pages;
    // DIFFERENCE: the kernel refuses everything from the size on. The commit message of its mmap support keeps that range
    // for explicitly managed access, which is what it is here. An area that lies in both ranges is in neither.
    let base = if second { pages } else { 0 };
    if end_page - base > pages {
        return Err(UserMappingError::PastEnd {
            buffer,
            first_page,
            page_count,
            pages,
        });
    }
    let pages = first_page - base..end_page - base;
    Ok(Placement { pages, second })
}

/// The size of a buffer in pages.
pub(super) fn size_pages(buffer: &DmaBuf) -> u64 {
    buffer.size_bytes() / PAGE_BYTES
}
