//! The tests' source: out of Debian's package, compiled, and not kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lzma_rust2::XzReader;

use crate::debian;
use crate::places;
use crate::trouble::Trouble;

/// Debian's package of the source.
const PACKAGE: &str = "linux-source-6.12";

/// A test.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Its directory in the kernel's tests; all its sources are one program.
    directory: &'static str,
    /// Options of `wharf run` that it takes.
    pub(crate) options: &'static [&'static str],
}

/// Takes parts of memory files.
pub(crate) const EXACT: &str = "--exact-udmabuf";

/// All of them.
pub(crate) const PROGRAMS: [Program; 3] = [
    Program {
        name: "dmabuf-heap",
        directory: "dmabuf-heaps",
        options: &[],
    },
    Program {
        name: "udmabuf",
        directory: "drivers/dma-buf",
        options: &[EXACT],
    },
    Program {
        name: "sync_test",
        directory: "sync",
        options: &["--sw-sync"],
    },
];

/// What of the source is unpacked, as patterns of `tar`.
const WANTED: [&str; 6] = [
    "*/tools/testing/selftests/dmabuf-heaps",
    "*/tools/testing/selftests/drivers/dma-buf",
    "*/tools/testing/selftests/sync",
    "*/tools/testing/selftests/kselftest.h",
    "*/include/uapi/drm/drm.h",
    "*/include/uapi/drm/drm_mode.h",
];

/// The directory of the compiled programs.
pub(crate) fn programs() -> Result<PathBuf, Trouble> {
    places::kept("selftests", |new| {
        look_for_compiler()?;
        let source = new.join("source");
        fs::create_dir(&source).map_err(|error| Trouble::at("make", &source, &error))?;
        debian::unpack(PACKAGE, &source)?;
        let archive = source.join(format!("usr/src/{PACKAGE}.tar.xz"));
        unpack(&archive, &source)?;
        let tree = source.join(PACKAGE);
        for program in PROGRAMS {
            compile(&program, &tree, new)?;
        }
        fs::remove_dir_all(&source).map_err(|error| Trouble::at("remove", &source, &error))
    })
}

fn look_for_compiler() -> Result<(), Trouble> {
    match Command::new("cc").arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Trouble::Unavailable(
            "there is no C compiler (cc) for the kernel's tests".into(),
        )),
    }
}

/// Unpacks what is wanted.
fn unpack(archive: &Path, into: &Path) -> Result<(), Trouble> {
    let unread = |error| Trouble::at("unpack", archive, &error);
    let mut tar = Command::new("tar")
        .args(["-x", "--wildcards", "-C"])
        .arg(into)
        .args(WANTED)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Trouble::failed("cannot start tar", error))?;
    let mut source = XzReader::new(File::open(archive).map_err(unread)?, true);
    if let Some(mut stdin) = tar.stdin.take() {
        io::copy(&mut source, &mut stdin).map_err(unread)?;
    }
    let status = tar
        .wait()
        .map_err(|error| Trouble::failed("cannot wait for tar", error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Trouble::Failed(format!(
            "tar cannot unpack {}: {status}",
            archive.display()
        )))
    }
}

/// Compiles a test, all of its sources together.
fn compile(program: &Program, tree: &Path, into: &Path) -> Result<(), Trouble> {
    let directory = tree.join("tools/testing/selftests").join(program.directory);
    let entries = fs::read_dir(&directory).map_err(|error| Trouble::at("read", &directory, &error))?;
    let sources = entries.flatten().map(|entry| entry.path());
    let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let output = Command::new("cc")
        .args(["-static", "-O2", "-std=gnu11", "-pthread", "-w", "-o"])
        .arg(into.join(program.name))
        .args(sources)
        // For what the system's headers lack. Those for programs have no such mark.
        .args(["-D__user=", "-idirafter"])
        .arg(tree.join("include/uapi"))
        .output()
        .map_err(|error| Trouble::failed("cannot start cc", error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Trouble::Failed(format!(
        "cc cannot compile the kernel's test {}: {said}",
        program.name
    )))
}
