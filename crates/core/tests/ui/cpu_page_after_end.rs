// A page of a window is used after the window is closed.

use std::error::Error;

use wharf_core::CpuAccess;

fn look(access: CpuAccess) -> Result<(), Box<dyn Error>> {
    let page = access.page(0)?;
    access.end()?;
    page.read_at(0, &mut [0; 16])?;
    Ok(())
}

fn main() {}
