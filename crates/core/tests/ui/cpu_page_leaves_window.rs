// A page of a window is kept for longer than the window.

use wharf_core::{DataDirection, DmaBuf, Page};

fn header(buffer: &DmaBuf) -> Option<Page<'_>> {
    let access = buffer.begin_cpu_access(.., DataDirection::FromDevice).ok()?;
    access.page(0).ok()
}

fn main() {}
