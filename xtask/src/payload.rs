//! The kernel out of its compressed image, as the boot protocol of x86 describes it.

use std::io::Read;

use ruzstd::decoding::StreamingDecoder;

/// Where the image says what it is.
const MAGIC_AT: usize = 0x202;
/// Where it says how many sectors its beginning has, not counting the first.
const SECTORS_AT: usize = 0x1f1;
/// Where it says where the compressed kernel begins, counted from the end of the beginning, and how long it is.
const PAYLOAD_AT: usize = 0x248;

/// The kernel that is in the image, if that is one and the kernel is an ELF file compressed with zstd, as Debian's is.
pub(crate) fn unpack(image: &[u8]) -> Option<Vec<u8>> {
    if image.get(MAGIC_AT..)?.get(..4)? != b"HdrS" {
        return None;
    }
    let begin = (usize::from(*image.get(SECTORS_AT)?) + 1) * 512;
    let number = |at: usize| -> Option<usize> {
        let bytes = image.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let payload = image
        .get(begin + number(PAYLOAD_AT)?..)?
        .get(..number(PAYLOAD_AT + 4)?)?;
    let mut kernel = Vec::new();
    StreamingDecoder::new(payload)
        .ok()?
        .read_to_end(&mut kernel)
        .ok()?;
    kernel.starts_with(b"\x7fELF").then_some(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_not_unpacked() {
        assert_eq!(unpack(b"short"), None);
        assert_eq!(unpack(&[0; 4096]), None);
        let mut cut = vec![0; 4096];
        cut[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(b"HdrS");
        cut[PAYLOAD_AT..PAYLOAD_AT + 8].fill(0xff);
        assert_eq!(unpack(&cut), None);
    }
}
