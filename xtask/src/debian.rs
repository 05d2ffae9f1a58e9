//! Debian's packages: fetched and unpacked, not installed, so that no privilege is needed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::trouble::Trouble;

/// The first package that one of `metas` depends on and whose name begins with `prefix`.
pub(crate) fn dependency(metas: &[&str], prefix: &str) -> Result<String, Trouble> {
    for meta in metas {
        let listed = tell("apt-cache", ["depends", "--important", meta], Path::new("/"))?;
        let mut names = listed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        if let Some(name) = names.find(|name| name.starts_with(prefix)) {
            return Ok(name.to_owned());
        }
    }
    let metas = metas.join(" or ");
    Err(Trouble::Unavailable(format!(
        "apt knows no {metas} that stands for a package {prefix}…: this takes Debian 12 with its security updates, or Debian 13; \
         `apt-get update` may help"
    )))
}

/// Fetches a package and unpacks it into a directory.
pub(crate) fn unpack(package: &str, into: &Path) -> Result<(), Trouble> {
    let downloads =
        tempfile::tempdir_in(into).map_err(|error| Trouble::at("make a directory in", into, &error))?;
    eprintln!("guest: fetching {package} from Debian");
    tell("apt-get", ["download", "--quiet", package], downloads.path())?;
    let files =
        fs::read_dir(downloads.path()).map_err(|error| Trouble::at("read", downloads.path(), &error))?;
    for file in files.flatten() {
        tell(
            "dpkg-deb",
            [OsStr::new("-x"), file.path().as_os_str(), into.as_os_str()],
            Path::new("/"),
        )?;
    }
    Ok(())
}

/// Runs a tool of Debian's and returns what it prints. Where it fails, this machine cannot have packages now.
fn tell<A: AsRef<OsStr>>(
    tool: &str,
    arguments: impl IntoIterator<Item = A>,
    at: &Path,
) -> Result<String, Trouble> {
    let unavailable = |why: &str| {
        Trouble::Unavailable(format!(
            "{tool} cannot get Debian's packages here: {}",
            why.trim()
        ))
    };
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(at)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unavailable(&error.to_string()))?;
    if !output.status.success() {
        return Err(unavailable(&format!(
            "{}; {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
