// A user mapping is touched after its end.

use wharf_core::{FaultKind, UserMapping, UserMappingError};

fn touch(mapping: UserMapping) -> Result<(), UserMappingError> {
    mapping.unmap()?;
    mapping.fault(0, FaultKind::Read)
}

fn main() {}
