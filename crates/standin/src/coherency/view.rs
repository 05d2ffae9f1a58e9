//! All pages of a buffer in two views.

use rustix::io::Errno;
use wharf_core::PAGE_BYTES;

use super::page::{Contents, PAGE, Page, Seen, Step};
use super::store::Store;

/// How much is read at once, in bytes: whole pages.
const BLOCK: usize = 16 * PAGE;

/// What is known of all pages.
#[derive(Debug)]
pub(super) struct View {
    pages: Vec<Page>,
}

impl View {
    /// Of a new buffer: whole pages, zeros on both sides.
    pub(super) fn new(size_bytes: u64) -> Self {
        let count = usize::try_from(size_bytes / PAGE_BYTES).unwrap_or(usize::MAX);
        Self {
            pages: std::iter::repeat_with(Page::default).take(count).collect(),
        }
    }

    /// Looks at all of `stores`, the cache and RAM, and takes a step.
    ///
    /// # Errors
    /// `ENOMEM` and what else memory files say. Some pages have taken the step then, and it can be taken again.
    pub(super) fn pass(&mut self, stores: (&dyn Store, &dyn Store), step: Step) -> Result<Seen, Errno> {
        let mut seen = Seen::default();
        let (mut cache, mut ram) = (vec![0; BLOCK], vec![0; BLOCK]);
        let mut at = 0;
        // Where there is something else than zeros, on either side.
        let next_data = |at| stores.0.next_data(at).min(stores.1.next_data(at));
        let mut data = next_data(0);
        for pages in self.pages.chunks_mut(BLOCK / PAGE) {
            let length = pages.len() * PAGE;
            let end = at + length as u64;
            if data < at {
                data = next_data(at);
            }
            if data >= end && pages.iter().all(Page::was_blank) {
                at = end;
                continue;
            }
            stores.0.read(at, &mut cache[..length])?;
            stores.1.read(at, &mut ram[..length])?;
            let contents = cache.chunks_mut(PAGE).zip(ram.chunks_mut(PAGE));
            for (page, (cache, ram)) in pages.iter_mut().zip(contents) {
                let now = Contents {
                    at,
                    cache,
                    ram,
                    stores,
                };
                page.pass(now, step, &mut seen)?;
                at += PAGE_BYTES;
            }
        }
        Ok(seen)
    }
}
