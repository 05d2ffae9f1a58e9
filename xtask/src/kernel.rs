//! Debian's stock kernel: it has udmabuf and the system heap built in, and vgem and vivid as modules.

use std::fs;
use std::path::{Path, PathBuf};

use crate::debian;
use crate::payload;
use crate::places;
use crate::trouble::Trouble;

/// Packages that stand for the newest kernel of their kind: Debian 12 with security updates, Debian 13.
const METAS: [&str; 2] = ["linux-image-6.12-amd64", "linux-image-amd64"];

/// What the wanted kernel's package begins with.
const PREFIX: &str = "linux-image-6.12.";

/// The kernel as it is in memory. An emulated processor takes a second to unpack it, at each start.
const UNPACKED: &str = "boot/vmlinux";

/// A kernel, fetched.
pub(crate) struct Kernel {
    /// What is booted.
    pub(crate) image: PathBuf,
    /// `/lib/modules/VERSION`.
    pub(crate) modules: PathBuf,
}

impl Kernel {
    /// The kernel that is kept, or the newest that there is.
    ///
    /// # Errors
    ///
    /// [`Trouble::Unavailable`] where there is no apt, or it has no such kernel.
    pub(crate) fn fetch() -> Result<Self, Trouble> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Trouble::Unavailable(
                "the guest is an x86-64 machine, and this is none".into(),
            ));
        }
        let place = places::kept("kernel", |new| {
            debian::unpack(&debian::dependency(&METAS, PREFIX)?, new)?;
            only(&new.join("boot"), "vmlinuz-")
                .map_or(Ok(()), |image| keep_unpacked(&image, &new.join(UNPACKED)))
        })?;
        let modules = ["lib/modules", "usr/lib/modules"]
            .iter()
            .find_map(|path| only(&place.join(path), ""));
        let unpacked = Some(place.join(UNPACKED)).filter(|unpacked| unpacked.exists());
        match (
            unpacked.or_else(|| only(&place.join("boot"), "vmlinuz-")),
            modules,
        ) {
            (Some(image), Some(modules)) => Ok(Self { image, modules }),
            _ => Err(Trouble::Failed(format!(
                "{} has no boot/vmlinuz-… and lib/modules/…: remove it, so that it is fetched again",
                place.display()
            ))),
        }
    }
}

/// Writes the kernel that is in the image, if it can be unpacked here; else the image is booted.
fn keep_unpacked(image: &Path, place: &Path) -> Result<(), Trouble> {
    let compressed = fs::read(image).map_err(|error| Trouble::at("read", image, &error))?;
    match payload::unpack(&compressed) {
        Some(kernel) => fs::write(place, kernel).map_err(|error| Trouble::at("write", place, &error)),
        None => Ok(()),
    }
}

/// What in a directory has a name that begins so.
fn only(directory: &Path, prefix: &str) -> Option<PathBuf> {
    let found = fs::read_dir(directory).ok()?.flatten();
    found.map(|entry| entry.path()).find(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(prefix))
    })
}
