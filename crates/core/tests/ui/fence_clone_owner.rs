//! There is one owner.

use wharf_core::{FenceContext, UniqueFence};

fn main() {
    let owner = FenceContext::new("driver", "queue").fence(1);
    let _other: UniqueFence = UniqueFence::clone(&owner);
}
