//! Where a recording goes.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fstat};

use super::error::OutputError;

/// What a recording needs of the thing that it is written to.
pub trait Storage: Write {
    /// Overwrites `bytes.len()` bytes, `offset_bytes` after the beginning. They have been written before.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn overwrite(&mut self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts everything off behind the first `len_bytes` bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn truncate(&mut self, len_bytes: u64) -> io::Result<()>;

    /// Returns when everything written would survive a power cut.
    ///
    /// # Errors
    ///
    /// What the system says; then it is unknown how much is kept.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is open for recording, but not changed yet.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    path: PathBuf,
    /// A device such as `/dev/null` has no place to go back to, no length to cut and nothing to save.
    regular: bool,
    /// Whether there was no file before.
    is_new: bool,
}

/// A file that was made for a recording, to be removed if nothing gets into it.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    /// Kept open, so that no other file can get its inode number.
    file: File,
}

impl NewFile {
    /// Removes the file, unless another one has its name by now.
    pub fn remove(self) {
        remove_if_same(&self.path, &self.file);
    }
}

impl OutputFile {
    /// Opens `path` for recording; makes the file if there is none. What is in it stays there until the
    /// recording begins.
    ///
    /// `input` is where the pictures come from, if that is a file.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if it cannot be written, is a directory, pipe, socket or disk, or is the same file as
    /// `input`.
    pub fn open(path: &Path, input: Option<BorrowedFd<'_>>) -> Result<Self, OutputError> {
        let path = path.to_path_buf();
        let (file, is_new) = match open_or_make(&path) {
            Ok(opened) => opened,
            Err(source) => return Err(refusal(path, source)),
        };
        let kind = match file.metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(source) => return Err(OutputError::Open { path, source }),
        };
        if !kind.is_file() && !kind.is_char_device() {
            return Err(OutputError::NotAFile {
                path,
                what: name(kind),
            });
        }
        if kind.is_file() && input.is_some_and(|input| same_file(file.as_fd(), input)) {
            return Err(OutputError::IsInput { path });
        }
        Ok(Self {
            file,
            path,
            regular: kind.is_file(),
            is_new,
        })
    }

    /// The file, if there was none before.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new_file(&self) -> io::Result<Option<NewFile>> {
        if !self.is_new {
            return Ok(None);
        }
        Ok(Some(NewFile {
            path: self.path.clone(),
            file: self.file.try_clone()?,
        }))
    }

    /// Leaves everything as it was before: a file that was made by opening it is removed.
    pub fn discard(self) {
        if self.is_new {
            remove_if_same(&self.path, &self.file);
        }
    }

    /// Whether there was no file before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Storage for OutputFile {
    fn overwrite(&mut self, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        if self.regular {
            self.file.write_all_at(bytes, offset_bytes)
        } else {
            Ok(())
        }
    }

    fn truncate(&mut self, len_bytes: u64) -> io::Result<()> {
        if self.regular {
            self.file.set_len(len_bytes)
        } else {
            Ok(())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.regular {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }
}

/// Opens a file, or makes it; tells whether it was made.
fn open_or_make(path: &Path) -> io::Result<(File, bool)> {
    // Without NONBLOCK, opening a pipe would wait for a reader.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flags.bits().cast_signed());
    let is_there = |file| (file, false);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened.map(is_there),
    }
    match options.clone().create_new(true).open(path) {
        // A link to nothing, or a file that somebody else has made just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).truncate(false).open(path).map(is_there)
        }
        made => made.map(|file| (file, true)),
    }
}

/// Says what is at `path` where the system only says that it cannot be opened.
fn refusal(path: PathBuf, source: io::Error) -> OutputError {
    match path.metadata().map(|metadata| metadata.file_type()) {
        Ok(kind) if !kind.is_file() && !kind.is_char_device() => OutputError::NotAFile {
            path,
            what: name(kind),
        },
        _ => OutputError::Open { path, source },
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a disk"
    }
}

/// Removes the file at `path` if it is `file`.
fn remove_if_same(path: &Path, file: &File) {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let there = path.symlink_metadata().map(identity);
    let ours = file.metadata().map(identity);
    if matches!((there, ours), (Ok(there), Ok(ours)) if there == ours) {
        // A file that cannot be removed is an empty one more: nothing is lost.
        let _ = std::fs::remove_file(path);
    }
}

/// Whether two descriptors are of the same file. If the system does not tell, they are not: then nothing
/// worse can happen than what the user asked for.
fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (fstat(a), fstat(b)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
