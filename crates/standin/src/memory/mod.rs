//! Memory for buffers: where it comes from, and when nobody has it any more.
//!
//! | file | idea |
//! |---|---|
//! | `broker` | the connection to a broker, of the program or of ours |
//! | `depot` | buffers for the next allocations |
//! | `parts` | parts of the program's own memory files that one buffer shows
//! | `release` | noticing that the program has closed and unmapped a buffer |

mod broker;
mod depot;
mod parts;
mod release;

pub(crate) use broker::Source;
pub(crate) use depot::{Depot, NAME_PREFIX, Piece, STOCK_LIFE};
pub(crate) use parts::{Memories, Parts, Stretch};
pub(crate) use release::{Releases, YOUTH};
