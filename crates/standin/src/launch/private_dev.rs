//! A `/dev` with more in it than the machine's.
//!
//! It is a small file system of the program's own, into which each entry of the machine's `/dev` is bound. So nothing that opens, lists or
//! examines files has to be trapped: the kernel does all that, for every program and every way of doing it. The devices that are added
//! are placeholders; who calls is recognised by their numbers.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
};
use rustix::process::{getegid, geteuid};

use super::orders::Device;
use crate::devices::FileId;
use crate::error::{RunError, errno_of};
use crate::options::Options;

/// A file that everybody may use.
const FOR_ALL: Mode = Mode::from_raw_mode(0o666);
const DIRECTORY: Mode = Mode::from_raw_mode(0o755);

/// Makes this process's `/dev` private and adds the devices; tells how to recognise each.
pub(super) fn enter(options: &Options) -> Result<Vec<(FileId, Device)>, RunError> {
    enter_namespaces()?;
    let failed = |errno| RunError::setup("make a private /dev", errno);
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(failed)?;
    let old = rustix::fs::open(
        "/dev",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    let new = small_file_system().map_err(failed)?;
    copy_entries(old.as_fd(), new.as_fd(), options).map_err(failed)?;
    let mut devices = add_devices(new.as_fd(), options).map_err(failed)?;
    put(new.as_fd(), "/dev").map_err(failed)?;
    if options.sw_sync {
        devices.extend(add_debug_directory());
    }
    Ok(devices)
}

/// A mount namespace of this process's own; where that takes a privilege, in a user namespace with the same user.
fn enter_namespaces() -> Result<(), RunError> {
    match apart(CloneFlags::CLONE_NEWNS) {
        Err(Errno::PERM) => {}
        done => return done.map_err(|errno| RunError::setup("get a private view of files", errno)),
    }
    enter_user_namespace()
}

/// Puts this process into a user namespace with the same user, and a mount namespace of its own: what [`run`](crate::run) does without
/// root, for who wants to know whether it works here. The process must have one thread.
///
/// # Errors
/// [`RunError::Setup`]: `EPERM`, `ENOSPC` where the machine or container allows none, with what decides that; `EINVAL`: more than one thread.
pub fn enter_user_namespace() -> Result<(), RunError> {
    let (user, group) = (geteuid(), getegid());
    apart(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|errno| RunError::Setup {
        reason: format!(
            "cannot get a private view of files: {errno}; without root it takes user namespaces, which this machine or container \
             forbids (see user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns and the container's seccomp profile)"
        ),
        errno,
    })?;
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{0} {0} 1", user.as_raw())),
        ("/proc/self/gid_map", format!("{0} {0} 1", group.as_raw())),
    ];
    for (path, text) in maps {
        std::fs::write(path, text).map_err(|error| RunError::io(&format!("write {path}"), &error))?;
    }
    Ok(())
}

fn apart(from: CloneFlags) -> Result<(), Errno> {
    unshare(from).map_err(errno_of)
}

fn small_file_system() -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "mode", "0755")?;
    fsconfig_set_string(context.as_fd(), "source", "wharf")?;
    fsconfig_create(context.as_fd())?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOSUID,
    )
}

/// Puts the mount in place of what is at `path`.
fn put(mount: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    move_mount(mount, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

fn copy_entries(old: BorrowedFd<'_>, new: BorrowedFd<'_>, options: &Options) -> Result<(), Errno> {
    for entry in Dir::read_from(rustix::fs::openat(
        old,
        ".",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours: &[&[u8]] = &[b".", b"..", b"dma_heap", b"udmabuf", b"sw_sync"];
        let is_hidden = options.vgem && name.to_bytes() == b"dri";
        if !ours.contains(&name.to_bytes()) && !is_hidden {
            match copy(old, new, name) {
                // It went away meanwhile, or is not for this user to bind.
                Err(Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::INVAL) | Ok(()) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

fn copy(old: BorrowedFd<'_>, new: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let stat = rustix::fs::statat(old, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(old, name, Vec::new())?;
            return rustix::fs::symlinkat(target.as_c_str(), new, name);
        }
        FileType::Directory => rustix::fs::mkdirat(new, name, DIRECTORY)?,
        _ => drop(rustix::fs::openat(
            new,
            name,
            OFlags::CREATE | OFlags::CLOEXEC,
            FOR_ALL,
        )?),
    }
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(old, name, flags)?;
    move_mount(
        tree.as_fd(),
        "",
        new,
        name,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
}

fn add_devices(new: BorrowedFd<'_>, options: &Options) -> Result<Vec<(FileId, Device)>, Errno> {
    rustix::fs::mkdirat(new, "dma_heap", DIRECTORY)?;
    let heaps = rustix::fs::openat(
        new,
        "dma_heap",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut devices = Vec::new();
    for name in &options.heaps {
        devices.push((placeholder(heaps.as_fd(), name)?, Device::Heap(name.clone())));
    }
    devices.push((placeholder(new, "udmabuf")?, Device::Udmabuf(options.exactness())));
    if options.sw_sync {
        devices.push((placeholder(new, "sw_sync")?, Device::SwSync));
    }
    if options.vgem {
        rustix::fs::mkdirat(new, "dri", DIRECTORY)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let cards = rustix::fs::openat(new, "dri", flags, Mode::empty())?;
        devices.push((placeholder(cards.as_fd(), "card0")?, Device::Vgem));
    }
    Ok(devices)
}

/// A character device that does nothing, or, for who may make none, an empty file.
fn placeholder(directory: BorrowedFd<'_>, name: &str) -> Result<FileId, Errno> {
    let null = rustix::fs::makedev(1, 3);
    match rustix::fs::mknodat(directory, name, FileType::CharacterDevice, FOR_ALL, null) {
        Err(Errno::PERM) => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            drop(rustix::fs::openat(directory, name, flags, FOR_ALL)?);
        }
        made => made?,
    }
    // Whatever the mask for new files is.
    rustix::fs::chmodat(directory, name, FOR_ALL, AtFlags::empty())?;
    let stat = rustix::fs::statat(directory, name, AtFlags::empty())?;
    Ok(FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// `/sys/kernel/debug/sync/sw_sync`, where the directory for it exists.
fn add_debug_directory() -> Option<(FileId, Device)> {
    let new = small_file_system().ok()?;
    rustix::fs::mkdirat(&new, "sync", DIRECTORY).ok()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let sync = rustix::fs::openat(&new, "sync", flags, Mode::empty()).ok()?;
    let id = placeholder(sync.as_fd(), "sw_sync").ok()?;
    put(new.as_fd(), "/sys/kernel/debug").ok()?;
    Some((id, Device::SwSync))
}
