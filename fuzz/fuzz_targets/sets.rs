//! What a file that claims to describe a set of buffers leads to.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    wharf_fuzz::sets::check(file);
});
