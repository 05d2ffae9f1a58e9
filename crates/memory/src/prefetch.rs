//! Fetching cache lines before they are needed.

/// Asks the processor to fetch the line at an address. A hint: nothing is read, and any address will do.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY:
    // * The instruction belongs to SSE, which every x86-64 processor has.
    // * It reads nothing as far as the program is concerned, and does not fault whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// As [`prefetch`], of a line that is going to be written: it is taken from whoever has it.
#[inline]
pub(crate) fn prefetch_to_store(address: *mut u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY:
    // * Processors that do not know the instruction take it for one that does nothing.
    // * It changes nothing as far as the program is concerned, and does not fault whatever the address.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
