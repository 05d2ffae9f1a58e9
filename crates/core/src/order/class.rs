//! Classes of locks.

use std::fmt;

/// Locks that play the same part, such as "an exporter's list of attachments". Order is learnt and checked between classes.
///
/// Classes are statics: two are the same if they are the same static.
///
/// ```
/// use wharf_core::order::LockClass;
///
/// static ATTACHMENTS: LockClass = LockClass::new("attachments");
/// assert_eq!(ATTACHMENTS.to_string(), "lock 'attachments'");
/// ```
///
/// # References
/// `struct lock_class_key` (include/linux/lockdep_types.h, v6.12). Contract: L8.
pub struct LockClass {
    name: &'static str,
    pub(super) kind: Kind,
}

/// What part a class plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lock,
    AcquireContext,
    WwMutex,
    UserMappings,
    Signaling,
}

/// The tables that say what user memory is mapped where, and all locks a page fault takes.
pub static USER_MAPPINGS: LockClass = LockClass::with_kind("", Kind::UserMappings);

/// Held by signaling sections, wanted by whoever waits for a fence.
pub(super) static SIGNALING: LockClass = LockClass::with_kind("", Kind::Signaling);

impl LockClass {
    /// Makes a class; its name appears in reports.
    pub const fn new(name: &'static str) -> Self {
        Self::with_kind(name, Kind::Lock)
    }

    /// The contexts of a ww-class.
    pub(crate) const fn of_contexts(name: &'static str) -> Self {
        Self::with_kind(name, Kind::AcquireContext)
    }

    /// The mutexes of a ww-class.
    pub(crate) const fn of_ww_mutexes(name: &'static str) -> Self {
        Self::with_kind(name, Kind::WwMutex)
    }

    const fn with_kind(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }

    /// Returns the name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for LockClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Lock => write!(f, "lock '{}'", self.name),
            Kind::AcquireContext => write!(f, "acquire context of '{}'", self.name),
            Kind::WwMutex => write!(f, "ww-mutex of '{}'", self.name),
            Kind::UserMappings => f.write_str("user mappings"),
            Kind::Signaling => f.write_str("fence signaling"),
        }
    }
}

impl fmt::Debug for LockClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockClass")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
