//! What random devices and an exporter that does as it likes make of one buffer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| {
    wharf_fuzz::attachments::check(script);
});
