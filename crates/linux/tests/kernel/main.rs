//! The kernel's own heaps, buffers and fences: on a machine that has them and in the guest (`cargo xtask guest-test`). The same cases run
//! under `wharf run` in crates/cli/tests/kernel. Where the devices are missing each is skipped, and says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

mod cases;
mod devices;
#[macro_use]
mod list;

/// A test for each case.
macro_rules! tests {
    ($($module:ident { $($case:ident,)* })*) => {$($(
        #[test]
        fn $case() {
            cases::$module::$case();
        }
    )*)*};
}

with_all_cases!(tests);
