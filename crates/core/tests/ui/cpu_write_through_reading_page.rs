//! A page that was had for reading is not written through. Contract: C5.
use wharf_core::{CpuAccess, CpuBytesError};

fn scribble(access: &CpuAccess) -> Result<(), CpuBytesError> {
    access.page(0)?.write_at(0, &[1])
}

fn main() {}
