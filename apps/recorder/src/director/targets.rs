//! Which file is next.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::conductor::Target;
use crate::container::{OutputError, OutputFile};

/// The files to record to, one after the other: the one that the user named, which is replaced if it exists, and for further
/// recordings files with a number in their names, of which none is replaced.
#[derive(Debug)]
pub(super) struct Targets {
    first: PathBuf,
    /// What must not be overwritten.
    input: Option<File>,
    /// Number of the next recording, from 1.
    next: u64,
}

impl Targets {
    pub(super) fn new(first: PathBuf, input: Option<File>) -> Self {
        Self {
            first,
            input,
            next: 1,
        }
    }

    /// Checks that the first file can be recorded to. Changes nothing.
    pub(super) fn check(&mut self) -> Result<(), OutputError> {
        self.probe(&self.first).map(drop)
    }

    /// The file for the next recording.
    pub(super) fn next(&mut self) -> Result<Target, OutputError> {
        loop {
            let number = self.next;
            self.next += 1;
            if number == 1 {
                return self.probe(&self.first);
            }
            let path = numbered(&self.first, number);
            if path.symlink_metadata().is_err() {
                return self.probe(&path);
            }
        }
    }

    /// Opens a file for recording, and leaves it as it was.
    fn probe(&self, path: &Path) -> Result<Target, OutputError> {
        let output = OutputFile::open(path, self.input.as_ref().map(File::as_fd))?;
        let is_new = output.is_new();
        output.discard();
        Ok(Target {
            path: path.to_owned(),
            is_new,
        })
    }
}

/// `recording-2.mp4` for `recording.mp4` and 2.
fn numbered(first: &Path, number: u64) -> PathBuf {
    let mut name = first.file_stem().map(OsString::from).unwrap_or_default();
    name.push(format!("-{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn first_file_is_the_named_one_and_others_are_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a.b.mp4");
        fs::write(&named, "old").unwrap();
        fs::write(folder.path().join("a.b-3.mp4"), "precious").unwrap();
        let mut targets = Targets::new(named.clone(), None);
        targets.check().unwrap();
        let mut next = || targets.next().unwrap();
        assert_eq!(
            next(),
            Target {
                path: named.clone(),
                is_new: false
            }
        );
        for name in ["a.b-2.mp4", "a.b-4.mp4"] {
            let target = next();
            assert_eq!(
                target,
                Target {
                    path: folder.path().join(name),
                    is_new: true
                }
            );
            assert!(!target.path.exists(), "only looked at");
        }
        assert_eq!(fs::read(&named).unwrap(), b"old");
    }

    #[test]
    fn names_without_extension_are_numbered_too() {
        assert_eq!(numbered(Path::new("dir/video"), 2), Path::new("dir/video-2"));
        assert_eq!(numbered(Path::new("/tmp/.mp4"), 3), Path::new("/tmp/.mp4-3"));
    }

    #[test]
    fn input_is_never_a_target() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.y4m");
        fs::write(&path, "pixels").unwrap();
        let mut targets = Targets::new(path.clone(), Some(File::open(&path).unwrap()));
        assert!(matches!(targets.check(), Err(OutputError::IsInput { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"pixels");
    }

    #[test]
    fn unwritable_target_is_refused_before_the_run() {
        let mut targets = Targets::new("/nonexistent/a.mp4".into(), None);
        assert!(matches!(targets.check(), Err(OutputError::Open { .. })));
    }
}
