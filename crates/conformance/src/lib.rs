//! What an implementation of the framework must do, as tests that do not care which implementation it is.
//!
//! A *case* is a generic function that asserts one behaviour. Most mirror a test of the kernel by behaviour, carry its name, and
//! name the file it comes from. A *system under test* implements the traits that a suite's cases need; nothing in a case knows more
//! about it than these traits say. Where the kernel's words and ours differ, the traits use ours.
//!
//! | Suite | Trait | Mirrors | Macro |
//! |---|---|---|---|
//! | [`ww::mutex`] | [`ww::WwSut`] | kernel/locking/test-ww_mutex.c | [`ww_mutex_cases!`] |
//! | [`ww::stress`] | [`ww::WwSut`] | kernel/locking/test-ww_mutex.c | [`ww_stress_cases!`] |
//! | [`ww::selftest`] | [`ww::WwSut`] | lib/locking-selftest.c, the ww part | [`ww_selftest_cases!`] |
//!
//! # Time
//! Cases never assert that something was fast. Whatever could hang is waited for until [`PATIENCE`] is over, and then fails.

#![forbid(unsafe_code)]

use std::time::Duration;

pub mod ww;

/// How long a case waits for what must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a `#[test]` of each of some cases: module of the suite, an expression that makes the system under test, and the cases.
#[macro_export]
macro_rules! cases {
    ($area:ident :: $suite:ident, $sut:expr; $($case:ident),+ $(,)?) => {
        $(
            #[test]
            fn $case() {
                $crate::$area::$suite::$case(&$sut);
            }
        )+
    };
}
