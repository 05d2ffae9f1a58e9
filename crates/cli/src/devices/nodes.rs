//! Graphics and video devices.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::finding::{Area, Finding, State};

/// What to do about a device of this user's machine that this user may not open.
const GROUPS: &str = "be in the group of the device: ls -l shows it (often video or render)";

/// All nodes, by number.
pub(super) fn find() -> Vec<Finding> {
    let mut findings = kind(Area::Drm, "/dev/dri", &["card", "renderD"]);
    findings.extend(kind(Area::V4l2, "/dev", &["video"]));
    findings
}

fn kind(area: Area, directory: &str, prefixes: &[&str]) -> Vec<Finding> {
    let nodes = nodes_in(Path::new(directory), prefixes);
    if nodes.is_empty() {
        let reason = format!("{directory} has no such node");
        let advice = "no driver of the kind is loaded, or it is not in this container";
        return vec![Finding::no(area, "", Errno::NOENT, (reason, advice))];
    }
    nodes.iter().map(|path| node(area, path)).collect()
}

/// The nodes with one of the prefixes and a number, in order.
fn nodes_in(directory: &Path, prefixes: &[&str]) -> Vec<PathBuf> {
    let mut nodes: Vec<(usize, u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let found = prefixes.iter().enumerate().find_map(|(order, prefix)| {
            let number: u32 = name.strip_prefix(prefix)?.parse().ok()?;
            Some((order, number, entry.path()))
        });
        nodes.extend(found);
    }
    nodes.sort();
    nodes.into_iter().map(|(_, _, path)| path).collect()
}

fn node(area: Area, path: &Path) -> Finding {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match can_open(area, path, &name) {
        Ok(()) => Finding::yes(area, &*name, State::Yes, driver(area, &name)),
        Err(errno) => {
            let advice = match errno {
                Errno::ACCESS | Errno::PERM => GROUPS,
                Errno::BUSY => "another process has it to itself",
                Errno::NXIO | Errno::NODEV => "the device is gone, or its driver is",
                _ => "",
            };
            Finding::no(
                area,
                &*name,
                errno,
                (
                    format!("opening {} ({})", path.display(), driver(area, &name)),
                    advice,
                ),
            )
        }
    }
}

/// Whoever opens a graphics card first becomes its master, so that those are only asked whether one could.
fn can_open(area: Area, path: &Path, name: &str) -> Result<(), Errno> {
    if area == Area::Drm && name.starts_with("card") {
        return rustix::fs::accessat(CWD, path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS);
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).map(drop)
}

/// What `/sys` calls the device or its driver.
fn driver(area: Area, name: &str) -> String {
    if area == Area::V4l2 {
        let text = fs::read_to_string(format!("/sys/class/video4linux/{name}/name"));
        return text.map_or_else(|_| "name not known".to_owned(), |text| text.trim().to_owned());
    }
    let device = PathBuf::from(format!("/sys/class/drm/{name}/device"));
    let driver = fs::read_link(device.join("driver")).or_else(|_| fs::canonicalize(&device));
    let driver = driver
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    driver.map_or_else(
        || "driver not known".to_owned(),
        |driver| format!("driver {driver}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_number() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "video10",
            "video2",
            "videoX",
            "v4l",
            "card0",
            "renderD128",
            "card1",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let names = |prefixes: &[&str]| {
            let nodes = nodes_in(directory.path(), prefixes);
            nodes
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["video"]), ["video2", "video10"]);
        assert_eq!(names(&["card", "renderD"]), ["card0", "card1", "renderD128"]);
        assert!(nodes_in(&directory.path().join("none"), &["video"]).is_empty());
    }

    #[test]
    fn node_that_cannot_be_opened_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("video7");
        let finding = node(Area::V4l2, &path);
        assert_eq!(finding.state, State::No);
        assert_eq!(finding.refusal.unwrap().errno, Errno::NOENT.raw_os_error());
    }
}
