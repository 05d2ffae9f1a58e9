//! A dynamic importer maps with the reservation held: the guard is a parameter. Contract: L3.
use wharf_core::{DataDirection, DynamicAttachment};

fn map(attachment: &DynamicAttachment) {
    let _ = attachment.map(DataDirection::ToDevice);
}

fn main() {}
