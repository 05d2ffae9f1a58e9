//! Pinning needs the reservation too. Contract: L2.
use wharf_core::DynamicAttachment;

fn pin(attachment: &DynamicAttachment) {
    let _ = attachment.pin();
}

fn main() {}
