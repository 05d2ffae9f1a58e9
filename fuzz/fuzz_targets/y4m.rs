//! What the recorder makes of a file that claims to be YUV4MPEG2.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    wharf_fuzz::y4m::check(file);
});
