//! What is in the guest: an archive that its kernel unpacks into memory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::trouble::Trouble;

/// An archive being written: each file once, its directories before it.
pub(crate) struct Image<W: Write> {
    out: W,
    number: u32,
    there: BTreeSet<String>,
}

impl<W: Write> Image<W> {
    /// An empty one.
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            number: 0,
            there: BTreeSet::new(),
        }
    }

    /// Adds a file of the host's, or a directory with all that is in it, at an absolute path.
    pub(crate) fn add_from(&mut self, source: &Path, place: &Path) -> Result<(), Trouble> {
        let failed = |error| Trouble::at("copy to the guest", source, &error);
        let about = fs::metadata(source).map_err(failed)?;
        if about.is_dir() {
            self.directory(place).map_err(failed)?;
            for entry in fs::read_dir(source).map_err(failed)?.flatten() {
                self.add_from(&entry.path(), &place.join(entry.file_name()))?;
            }
            return Ok(());
        }
        let size = u32::try_from(about.len()).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
        let mode = about.permissions().mode();
        let file = File::open(source).map_err(failed)?;
        self.entry(place, ModeFileType::Regular, mode, size, file)
            .map_err(failed)
    }

    /// Adds a file with these contents.
    pub(crate) fn add(&mut self, place: &Path, contents: &[u8]) -> Result<(), Trouble> {
        let failed = |error| Trouble::at("write for the guest", place, &error);
        let size = u32::try_from(contents.len()).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
        self.entry(place, ModeFileType::Regular, 0o644, size, contents)
            .map_err(failed)
    }

    /// Adds a file of items that each end with a NUL byte.
    pub(crate) fn add_list<'a>(
        &mut self,
        place: &Path,
        items: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<(), Trouble> {
        let mut contents = Vec::new();
        for item in items {
            contents.extend_from_slice(item.as_bytes());
            contents.push(0);
        }
        self.add(place, &contents)
    }

    /// Ends the archive.
    pub(crate) fn finish(self) -> io::Result<()> {
        trailer(self.out)?.flush()
    }

    fn directory(&mut self, place: &Path) -> io::Result<()> {
        if place.parent().is_none() {
            return Ok(());
        }
        self.entry(place, ModeFileType::Directory, 0o755, 0, io::empty())
    }

    fn entry(
        &mut self,
        place: &Path,
        kind: ModeFileType,
        mode: u32,
        size: u32,
        mut contents: impl io::Read,
    ) -> io::Result<()> {
        if let Some(parent) = place.parent() {
            self.directory(parent)?;
        }
        let name = place
            .to_str()
            .ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
        let name = name.trim_start_matches('/');
        if !self.there.insert(name.to_owned()) {
            return Ok(());
        }
        self.number += 1;
        let entry = Builder::new(name)
            .ino(self.number)
            .nlink(1)
            .mode(mode & 0o7777)
            .set_mode_file_type(kind);
        let mut writer = entry.write(&mut self.out, size);
        io::copy(&mut contents, &mut writer)?;
        writer.finish()?;
        Ok(())
    }
}
