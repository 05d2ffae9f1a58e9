//! User mappings: pieces of address spaces that show a buffer.
//!
//! What exporters declare ([`CoherencyDeclaration`]), and what that demands. Contract: C2.
//!
//! | Declaration | Who declares it | The exporter must | The user must |
//! |---|---|---|---|
//! | `Coherent` | memory that CPU and devices see alike: memfds on a coherent machine, uncached memory | nothing | nothing |
//! | `FaultTracked` | cached memory beside devices that do not snoop; memory that moves | [`invalidate`] a page at its first touch, [`flush`] what is dirty when a device takes over | nothing |
//! | `Explicit` | cached memory whose users know when they access it: today's kernel contract | work in `begin_cpu_access` and `end_cpu_access` | bracket each access with [`begin_cpu_access`] |
//!
//! And of the second range, which starts at the buffer's size ([`SecondRange`]). Contract: C4.
//!
//! | Declaration | Mappings of the second range |
//! |---|---|
//! | `SameAsFirst` | as those of the first: the fall-back when there is no explicit access |
//! | `Explicit` | explicit, whatever the first range is |
//! | `ExplicitUnlessMixed` | explicit until somebody maps the first range; then all become as that |
//!
//! Where pages are put is a [`MappingBackend`]'s business. Nothing here orders the accesses of CPU and devices: both at the same
//! time give undefined content, never a crash (2012).
//!
//! [`invalidate`]: FaultTrackedExporter::invalidate
//! [`flush`]: FaultTrackedExporter::flush
//! [`begin_cpu_access`]: crate::DmaBuf::begin_cpu_access

mod agree;
mod area;
mod backend;
mod coherency;
mod error;
mod map;
mod mapping;
mod page_set;
mod state;
mod touch;

pub use area::UserArea;
pub use backend::{BackendFault, MappingBackend, PageRun};
pub use coherency::{
    Coherency, CoherencyDeclaration, FaultTrackedExporter, SecondRange, UserMappingExporter,
};
pub use error::{MapUserError, UserMappingError};
pub use mapping::UserMapping;
pub(crate) use state::UserMappings;
pub use touch::FaultKind;
