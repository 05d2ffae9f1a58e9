//! Copies between private memory and memory that other processes may write at the same moment.
//!
//! Such memory must not be touched by ordinary Rust accesses: the compiler may assume that nobody else changes it. On
//! x86-64 the copy is one string instruction in an `asm!` block, which the compiler cannot look into and which the
//! processor runs at full memory speed; for a few bytes, elsewhere, and under Miri, it is a loop of volatile accesses. A block that is
//! only looked at is loaded into registers in the same way.

/// Copies `len` bytes from shared memory at `src` to private memory at `dst`.
///
/// # Safety
///
/// `src` must be readable and `dst` writable for `len` bytes, and the two ranges must not overlap.
#[inline]
pub(crate) unsafe fn from_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY:
    // * The caller's promise is exactly what `move_bytes` asks for.
    unsafe { move_bytes(dst, src, len) }
}

/// Copies `len` bytes from private memory at `src` to shared memory at `dst`.
///
/// # Safety
///
/// As for [`from_shared`].
#[inline]
pub(crate) unsafe fn to_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY:
    // * The caller's promise is exactly what `move_bytes` asks for.
    unsafe { move_bytes(dst, src, len) }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
unsafe fn move_bytes(dst: *mut u8, src: *const u8, len: usize) {
    // Starting the string instruction takes as long as a few words.
    if len <= FEW_BYTES {
        // SAFETY:
        // * The caller's promise is exactly what `move_by_words` asks for.
        return unsafe { move_by_words(dst, src, len) };
    }
    // SAFETY:
    // * The caller says both ranges are valid for `len` bytes and do not overlap.
    // * The direction flag is clear by the ABI, and the block changes only the registers named here.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
            options(nostack, preserves_flags)
        );
    }
}

/// So many bytes are copied a word at a time.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const FEW_BYTES: usize = 32;

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
unsafe fn move_bytes(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY:
    // * The caller's promise is exactly what `move_by_words` asks for.
    unsafe { move_by_words(dst, src, len) }
}

/// The 64 bytes of shared memory at `src`, at any alignment.
///
/// # Safety
///
/// `src` must be readable for 64 bytes.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(crate) unsafe fn block_of_shared(src: *const u8) -> [u8; 64] {
    use std::arch::x86_64::__m128i;
    let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
    // SAFETY:
    // * The caller says that 64 bytes can be read.
    // * The instruction belongs to SSE2, which every x86-64 processor has, takes any alignment and changes only the registers named here.
    unsafe {
        std::arch::asm!(
            "movdqu {a}, xmmword ptr [{src}]",
            "movdqu {b}, xmmword ptr [{src} + 16]",
            "movdqu {c}, xmmword ptr [{src} + 32]",
            "movdqu {d}, xmmword ptr [{src} + 48]",
            src = in(reg) src,
            a = out(xmm_reg) a, b = out(xmm_reg) b, c = out(xmm_reg) c, d = out(xmm_reg) d,
            options(nostack, preserves_flags, readonly)
        );
    }
    // SAFETY:
    // * Both are 64 bytes without padding, and any bits are valid for bytes.
    unsafe { std::mem::transmute([a, b, c, d]) }
}

/// The 64 bytes of shared memory at `src`, at any alignment.
///
/// # Safety
///
/// `src` must be readable for 64 bytes.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
pub(crate) unsafe fn block_of_shared(src: *const u8) -> [u8; 64] {
    let mut block = [0; 64];
    // SAFETY:
    // * The caller says that 64 bytes can be read, and `block` has as many.
    unsafe { move_by_words(block.as_mut_ptr(), src, block.len()) };
    block
}

/// Copies `len` bytes in volatile accesses of a word each, the rest byte by byte.
///
/// # Safety
///
/// As for [`from_shared`].
#[inline]
unsafe fn move_by_words(dst: *mut u8, src: *const u8, len: usize) {
    let mut done = 0;
    while len - done >= 8 {
        // SAFETY:
        // * `done + 8 <= len`, so both addresses are inside the ranges the caller vouches for.
        unsafe { move_word(dst.wrapping_add(done), src.wrapping_add(done)) };
        done += 8;
    }
    for offset in done..len {
        // SAFETY:
        // * `offset < len`, so the address is inside the range the caller vouches for.
        let byte = unsafe { src.wrapping_add(offset).read_volatile() };
        // SAFETY:
        // * As above, for the destination.
        unsafe { dst.wrapping_add(offset).write_volatile(byte) };
    }
}

/// Copies eight bytes at any alignment.
///
/// # Safety
///
/// Both addresses must be valid for eight bytes, and the ranges must not overlap.
#[inline]
unsafe fn move_word(dst: *mut u8, src: *const u8) {
    // SAFETY:
    // * Valid for eight bytes by the caller's promise; `[u8; 8]` has no alignment of its own.
    let word = unsafe { src.cast::<[u8; 8]>().read_volatile() };
    // SAFETY:
    // * As above, for the destination.
    unsafe { dst.cast::<[u8; 8]>().write_volatile(word) };
}

/// Stores `byte` into `len` bytes of shared memory at `dst`.
///
/// # Safety
///
/// `dst` must be writable for `len` bytes.
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) unsafe fn fill_shared(dst: *mut u8, byte: u8, len: usize) {
    // SAFETY:
    // * The caller says the range is valid for `len` bytes.
    // * The direction flag is clear by the ABI, and the block changes only the registers named here.
    unsafe {
        std::arch::asm!(
            "rep stosb",
            inout("rcx") len => _, inout("rdi") dst => _, in("al") byte,
            options(nostack, preserves_flags)
        );
    }
}

/// Stores `byte` into `len` bytes of shared memory at `dst`.
///
/// # Safety
///
/// `dst` must be writable for `len` bytes.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) unsafe fn fill_shared(dst: *mut u8, byte: u8, len: usize) {
    for offset in 0..len {
        // SAFETY:
        // * `offset < len`, so the address is inside the range the caller vouches for.
        unsafe { dst.wrapping_add(offset).write_volatile(byte) };
    }
}
