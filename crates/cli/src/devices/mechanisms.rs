//! Mechanisms of the kernel that containers like to take away.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsopen};
use rustix::process::{getegid, geteuid};
use wharf_memory::{system_call_listener, user_faults};

use super::finding::{Area, Finding, State};
use super::programs::probe;

/// `FUSE_PASSTHROUGH`, among the flags with which the kernel opens the conversation.
const PASSTHROUGH: u64 = 1 << 37;
/// `FUSE_INIT_EXT`: the upper half of the flags is there.
const MORE_FLAGS: u64 = 1 << 30;

/// All of them.
pub(super) fn find() -> Vec<Finding> {
    vec![namespaces(), listener(), faults(), passthrough()]
}

fn namespaces() -> Finding {
    match probe("namespaces") {
        Ok(()) => Finding::yes(
            Area::UserNamespaces,
            "",
            State::Yes,
            "made one with files of its own",
        ),
        Err(ended) => {
            let advice = "allow them: user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, and the container's \
                          seccomp profile decide; root needs none";
            let why = ("unshare(CLONE_NEWUSER | CLONE_NEWNS)", advice);
            Finding::no(Area::UserNamespaces, "", ended.errno, why)
        }
    }
}

fn listener() -> Finding {
    match system_call_listener() {
        Ok(()) => Finding::yes(
            Area::SystemCallListener,
            "",
            State::Yes,
            "the kernel told the sizes of its messages",
        ),
        Err(errno) => {
            let why = (
                "seccomp(SECCOMP_GET_NOTIF_SIZES)",
                "the kernel needs CONFIG_SECCOMP_FILTER; a container must allow seccomp",
            );
            Finding::no(Area::SystemCallListener, "", errno, why)
        }
    }
}

fn faults() -> Finding {
    match user_faults() {
        Ok(faults) => {
            let whose = if faults.of_the_kernel {
                "of programs and of the kernel"
            } else {
                "of programs only"
            };
            let has = |there: bool| if there { "yes" } else { "no" };
            let detail = format!(
                "{whose}; shared memory: missing pages {}, read-only pages {}",
                has(faults.missing_shared),
                has(faults.read_only_shared)
            );
            Finding::yes(Area::UserFaults, "", State::Yes, detail)
        }
        Err(errno) => {
            let advice = match errno {
                Errno::NOSYS => "the kernel needs CONFIG_USERFAULTFD",
                _ => {
                    "set vm.unprivileged_userfaultfd or give access to /dev/userfaultfd; a container's seccomp profile may forbid it"
                }
            };
            Finding::no(Area::UserFaults, "", errno, ("userfaultfd", advice))
        }
    }
}

fn passthrough() -> Finding {
    match offered_flags() {
        Ok(flags) if flags & MORE_FLAGS != 0 && flags & PASSTHROUGH != 0 && is_real_root() => Finding::yes(
            Area::FusePassthrough,
            "",
            State::Yes,
            "the kernel offers it to a file system of ours",
        ),
        Ok(flags) if flags & PASSTHROUGH != 0 => {
            let why = (
                "files behind FUSE can be opened by root only",
                "run as root of the machine, not of a namespace",
            );
            Finding::no(Area::FusePassthrough, "", Errno::PERM, why)
        }
        Ok(_) => {
            let why = (
                "the kernel does not offer it",
                "the kernel needs CONFIG_FUSE_PASSTHROUGH (6.9)",
            );
            Finding::no(Area::FusePassthrough, "", Errno::OPNOTSUPP, why)
        }
        Err((step, errno)) => {
            let advice = match errno {
                Errno::NOENT | Errno::NODEV => "load the module fuse; a container needs --device=/dev/fuse",
                Errno::PERM | Errno::ACCESS => "run as root: CAP_SYS_ADMIN is needed",
                _ => "",
            };
            Finding::no(Area::FusePassthrough, "", errno, (step, advice))
        }
    }
}

/// Begins a file system that is mounted nowhere, and reads what the kernel offers it. It ends with the descriptors.
fn offered_flags() -> Result<u64, (&'static str, Errno)> {
    let at = |step| move |errno| (step, errno);
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open("/dev/fuse", flags, Mode::empty()).map_err(at("opening /dev/fuse"))?;
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC).map_err(at("fsopen(fuse)"))?;
    let configure = |key, value: String| {
        fsconfig_set_string(context.as_fd(), key, value).map_err(at("fsconfig of a FUSE file system"))
    };
    configure("fd", device.as_raw_fd().to_string())?;
    configure("rootmode", "40000".to_owned())?;
    configure("user_id", geteuid().as_raw().to_string())?;
    configure("group_id", getegid().as_raw().to_string())?;
    // Nobody else may look at it, and nobody finds it.
    let _ = fsconfig_set_flag(context.as_fd(), "default_permissions");
    fsconfig_create(context.as_fd()).map_err(at("making a FUSE file system"))?;
    let mut message = vec![0; 64 << 10];
    let len = rustix::io::read(&device, &mut message).map_err(at("reading from /dev/fuse"))?;
    flags_of(&message[..len]).ok_or(("reading from /dev/fuse", Errno::PROTO))
}

/// The flags in the message `FUSE_INIT`: a head of 40 bytes, then version (8), read-ahead (4), flags (4), and since 5.17 their upper half.
fn flags_of(message: &[u8]) -> Option<u64> {
    const INIT: u32 = 26;
    let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    if word(4)? != INIT {
        return None;
    }
    Some(u64::from(word(52)?) | u64::from(word(56).unwrap_or(0)) << 32)
}

/// Whether this process is root of the machine and not only of a namespace.
fn is_real_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let all: Vec<&str> = map.split_whitespace().collect();
    geteuid().is_root() && all == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_the_message() {
        let mut message = vec![0; 104];
        message[4] = 26;
        message[52..56].copy_from_slice(&0x4000_0001_u32.to_ne_bytes());
        message[56..60].copy_from_slice(&0x20_u32.to_ne_bytes());
        assert_eq!(flags_of(&message), Some(PASSTHROUGH | MORE_FLAGS | 1));
        assert_eq!(
            flags_of(&message[..56]),
            Some(MORE_FLAGS | 1),
            "older kernels send less"
        );
        message[4] = 1;
        assert_eq!(flags_of(&message), None);
        assert_eq!(flags_of(&[]), None);
    }
}
