//! What the CPU finds where it said that it does not read.
//!
//! A bracket for writing only brings nothing in. What a device has changed since the CPU last looked is then, on a real machine, old in the cache or
//! new in it, as chance has it; whoever writes over all of it is right, and whoever leaves it alone, too. But a program that writes what was
//! there before (the same picture again) changes nothing that could be seen, and must not be taken for one that leaves it alone. So these words, and no
//! others, are filled with junk while such a bracket is open: any write is seen then. A word that the CPU left alone gets back what it
//! was, stale, when the bracket ends. (Of a word that it wrote in part the rest is junk in RAM, too, where a real machine may have something stale: one cannot be
//! told from the other byte by byte.)

use super::page::PAGE;

/// A word, in bytes: all of it is junk or nothing.
pub(super) const WORD: usize = 8;
const WORDS: usize = PAGE / WORD;

/// Where a page has junk in it.
#[derive(Debug)]
pub(super) struct Junk {
    /// What was there.
    stale: Box<[u8]>,
    words: [u64; WORDS / 64],
}

impl Junk {
    /// Nowhere yet, in a page with these contents.
    pub(super) fn of(page: &[u8]) -> Self {
        Self {
            stale: page.into(),
            words: [0; WORDS / 64],
        }
    }

    pub(super) fn has(&self, word: usize) -> bool {
        self.words[word / 64] & 1 << (word % 64) != 0
    }

    /// Fills a word of the page, which is at `at` of the buffer, in bytes.
    pub(super) fn fill(&mut self, page: &mut [u8], word: usize, at: u64, salt: u64) {
        let bytes = word * WORD..(word + 1) * WORD;
        self.stale[bytes.clone()].copy_from_slice(&page[bytes.clone()]);
        page[bytes.clone()].copy_from_slice(&junk(at + bytes.start as u64, salt));
        self.words[word / 64] |= 1 << (word % 64);
    }

    /// The CPU has written there.
    pub(super) fn forget(&mut self, word: usize) {
        self.words[word / 64] &= !(1 << (word % 64));
    }

    /// Puts back what was there.
    pub(super) fn restore(&mut self, page: &mut [u8], word: usize) {
        let bytes = word * WORD..(word + 1) * WORD;
        page[bytes.clone()].copy_from_slice(&self.stale[bytes]);
        self.forget(word);
    }
}

/// Eight bytes that nobody writes by chance: none is small, as counts and flags are.
fn junk(at: u64, salt: u64) -> [u8; WORD] {
    // The finalizer of SplitMix64.
    let mut bits = (at ^ salt.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31).to_ne_bytes().map(|byte| byte & 0x5f | 0xa0)
}
