//! What the broker makes of the bytes, hang-ups and deaths of several peers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| {
    wharf_fuzz::broker::check(script);
});
