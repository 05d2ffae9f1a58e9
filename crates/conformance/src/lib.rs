//! What an implementation of the framework must do, as tests that do not care which implementation it is.
//!
//! A *case* is a generic function that asserts one behaviour. Most mirror a test of the kernel by behaviour, carry its name, and
//! name the file it comes from. A *system under test* implements the traits that a suite's cases need; nothing in a case knows more
//! about it than these traits say. Where the kernel's words and ours differ, the traits use ours.
//!
//! | Suite | Trait | Mirrors | Macro |
//! |---|---|---|---|
//! | [`fence::basic`] | [`fence::FenceSut`] | st-dma-fence.c | [`fence_basic_cases!`] |
//! | [`fence::chain`] | [`fence::ChainSut`] | st-dma-fence-chain.c | [`fence_chain_cases!`] |
//! | [`fence::unwrap`] | [`fence::UnwrapSut`] | st-dma-fence-unwrap.c | [`fence_unwrap_cases!`] |
//! | [`ww::mutex`] | [`ww::WwSut`] | kernel/locking/test-ww_mutex.c | [`ww_mutex_cases!`] |
//! | [`ww::stress`] | [`ww::WwSut`] | kernel/locking/test-ww_mutex.c | [`ww_stress_cases!`] |
//! | [`ww::selftest`] | [`ww::WwSut`] | lib/locking-selftest.c, the ww part | [`ww_selftest_cases!`] |
//! | [`contract`], seventeen suites | [`contract::BufferSut`] and others | the contract, clause by clause | `contract_…_cases!` |
//! | [`resv::basic`], for each usage | [`resv::ResvSut`] | st-dma-resv.c | [`resv_basic_cases!`] |
//!
//! # Adding a system under test
//! Make a test target, implement the traits on a type that can be shared by threads, and name each suite with an expression that makes
//! one. Every case becomes a `#[test]` of its own:
//! ```text
//! mod fence_basic {
//!     wharf_conformance::fence_basic_cases!(super::MySystem::default());
//! }
//! ```
//! A system that can do only some of a suite says so case by case, so that nothing is left out silently:
//! ```text
//! wharf_conformance::cases!(fence::basic, super::MySystem::default(); test_signaling, test_status);
//! ```
//! `tests/core_fence.rs` is the example: it runs all suites of fences against `wharf-core`. `tests/core_contract.rs` runs the suites of the contract
//! once for each kind of exporter.
//!
//! # Adding a case
//! Write the function next to its neighbours, say in its comment what it mirrors, and add it to the suite's macro.
//!
//! # Time
//! Cases never assert that something was fast. Whatever could hang is waited for until [`PATIENCE`] is over, and then fails.

#![forbid(unsafe_code)]

use std::time::Duration;

pub mod contract;
pub mod fence;
pub mod resv;
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

/// Makes a `#[test]` of each case of [`fence::basic`].
#[macro_export]
macro_rules! fence_basic_cases {
    ($sut:expr) => {
        $crate::cases!(
            fence::basic, $sut;
            sanitycheck,
            test_signaling,
            test_add_callback,
            test_late_add_callback,
            test_rm_callback,
            test_late_rm_callback,
            test_status,
            test_error,
            test_wait,
            test_wait_timeout,
            test_stub,
            race_signal_callback,
        );
    };
}

/// Makes a `#[test]` of each case of [`fence::chain`].
#[macro_export]
macro_rules! fence_chain_cases {
    ($sut:expr) => {
        $crate::cases!(
            fence::chain, $sut;
            sanitycheck,
            find_seqno,
            find_signaled,
            find_out_of_order,
            find_gap,
            find_race,
            signal_forward,
            signal_backward,
            wait_forward,
            wait_backward,
            wait_random,
        );
    };
}

/// Makes a `#[test]` of each case of [`fence::unwrap`].
#[macro_export]
macro_rules! fence_unwrap_cases {
    ($sut:expr) => {
        $crate::cases!(
            fence::unwrap, $sut;
            sanitycheck,
            unwrap_array,
            unwrap_chain,
            unwrap_chain_array,
            unwrap_merge,
            unwrap_merge_duplicate,
            unwrap_merge_seqno,
            unwrap_merge_order,
            unwrap_merge_complex,
            unwrap_merge_complex_seqno,
            dedup_empty,
        );
    };
}

/// Makes a `#[test]` of each case of [`resv::basic`] with each usage.
#[macro_export]
macro_rules! resv_basic_cases {
    ($sut:expr) => {
        $crate::resv_basic_cases!($sut; Kernel;
            sanitycheck => sanitycheck_kernel,
            test_signaling => test_signaling_kernel,
            test_for_each => test_for_each_kernel,
            test_for_each_unlocked => test_for_each_unlocked_kernel,
            test_get_fences => test_get_fences_kernel,
        );
        $crate::resv_basic_cases!($sut; Write;
            sanitycheck => sanitycheck_write,
            test_signaling => test_signaling_write,
            test_for_each => test_for_each_write,
            test_for_each_unlocked => test_for_each_unlocked_write,
            test_get_fences => test_get_fences_write,
        );
        $crate::resv_basic_cases!($sut; Read;
            sanitycheck => sanitycheck_read,
            test_signaling => test_signaling_read,
            test_for_each => test_for_each_read,
            test_for_each_unlocked => test_for_each_unlocked_read,
            test_get_fences => test_get_fences_read,
        );
        $crate::resv_basic_cases!($sut; Bookkeep;
            sanitycheck => sanitycheck_bookkeep,
            test_signaling => test_signaling_bookkeep,
            test_for_each => test_for_each_bookkeep,
            test_for_each_unlocked => test_for_each_unlocked_bookkeep,
            test_get_fences => test_get_fences_bookkeep,
        );
    };
    ($sut:expr; $usage:ident; $($case:ident => $test:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                $crate::resv::basic::$case(&$sut, $crate::resv::Usage::$usage);
            }
        )+
    };
}
