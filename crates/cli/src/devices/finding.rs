//! One thing that was tried.

use rustix::io::Errno;
use serde::Serialize;
use wharf_linux::KernelError;

use crate::output::printable;

/// One thing that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What kind of thing it is.
    pub(super) area: Area,
    /// Which one; empty where there is one at most.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    /// What came of it.
    pub(super) state: State,
    /// What is known of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Refusal>,
}

/// Kinds of things, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Area {
    DmaHeap,
    Udmabuf,
    SyncFile,
    Drm,
    V4l2,
    UserNamespaces,
    SystemCallListener,
    WharfRun,
    UserFaults,
    FusePassthrough,
    Memory,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// The machine has it and it works.
    Yes,
    /// It works, and `wharf run` stands in for the kernel.
    StandIn,
    /// It cannot be used.
    No,
}

/// Why something cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// The error number.
    pub(super) errno: i32,
    /// Its name.
    pub(super) error: String,
    /// What failed.
    pub(super) reason: String,
    /// What helps.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) advice: String,
}

impl Area {
    /// What people call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::DmaHeap => "dma-heap",
            Self::Udmabuf => "udmabuf",
            Self::SyncFile => "sync_file",
            Self::Drm => "DRM",
            Self::V4l2 => "V4L2",
            Self::UserNamespaces => "user namespaces",
            Self::SystemCallListener => "system call listener",
            Self::WharfRun => "wharf run",
            Self::UserFaults => "user faults",
            Self::FusePassthrough => "FUSE passthrough",
            Self::Memory => "memory",
        }
    }
}

impl State {
    /// Real for the kernel's, a stand-in otherwise.
    pub(super) fn of(is_emulated: bool) -> Self {
        if is_emulated { Self::StandIn } else { Self::Yes }
    }
}

impl Finding {
    pub(super) fn yes(area: Area, name: impl Into<String>, state: State, detail: impl AsRef<str>) -> Self {
        Self {
            area,
            name: printable(&name.into()),
            state,
            detail: printable(detail.as_ref()),
            refusal: None,
        }
    }

    pub(super) fn no(
        area: Area,
        name: impl Into<String>,
        errno: Errno,
        (reason, advice): (impl AsRef<str>, impl AsRef<str>),
    ) -> Self {
        Self {
            area,
            name: printable(&name.into()),
            state: State::No,
            detail: String::new(),
            refusal: Some(Refusal {
                errno: errno.raw_os_error(),
                error: wharf_core::Errno::new(errno.raw_os_error()).to_string(),
                reason: printable(reason.as_ref()),
                advice: printable(advice.as_ref()),
            }),
        }
    }

    pub(super) fn failed(area: Area, name: impl Into<String>, error: &KernelError) -> Self {
        let reason = format!("{} of {}", error.call(), error.object());
        Self::no(
            area,
            name,
            error.errno(),
            (reason, error.advice().unwrap_or_default()),
        )
    }
}
