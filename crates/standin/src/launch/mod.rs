//! From the command to the program.
//!
//! | file | idea |
//! |---|---|
//! | `channel` | how the processes talk |
//! | `orders` | what they say |
//! | `part` | starting this executable again as one of the processes |
//! | `private_dev` | a `/dev` with more in it than the machine's |
//! | `stage` | what the program's process does before it is the program |

mod channel;
mod orders;
mod part;
mod private_dev;
mod stage;

pub(crate) use channel::Channel;
pub(crate) use orders::{Device, Report, StageReport};
pub(crate) use part::{Orders, start};
pub use part::{Part, play};
pub use private_dev::enter_user_namespace;
