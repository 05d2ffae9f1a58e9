// A buffer is mapped for the CPU without its reservation held.

use wharf_core::{DmaBuf, Vmap, VmapError};

fn map(buffer: &DmaBuf) -> Result<Vmap, VmapError> {
    buffer.vmap()
}

fn main() {}
