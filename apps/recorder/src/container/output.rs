//! Where a recording goes.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
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
        // Without NONBLOCK, opening a pipe would wait for a reader.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(flags.bits().cast_signed())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
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
        })
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

/// Whether two descriptors are of the same file. If the system does not tell, they are not: then nothing
/// worse can happen than what the user asked for.
fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    match (fstat(a), fstat(b)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::fs;

    #[test]
    fn existing_file_is_kept_until_recording_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.mp4");
        fs::write(&path, "precious").unwrap();
        let mut output = OutputFile::open(&path, None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        output.truncate(0).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn input_is_never_overwritten_even_by_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("in.y4m"), folder.path().join("link"));
        fs::write(&path, "pixels").unwrap();
        fs::hard_link(&path, &link).unwrap();
        let input = File::open(&path).unwrap();
        for name in [&path, &link] {
            let error = OutputFile::open(name, Some(input.as_fd())).unwrap_err();
            assert!(matches!(error, OutputError::IsInput { .. }), "{error}");
        }
        assert!(OutputFile::open(&folder.path().join("out.mp4"), Some(input.as_fd())).is_ok());
    }

    #[test]
    fn things_that_are_no_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| OutputFile::open(path, None).unwrap_err();
        let error = refused(folder.path());
        assert!(
            matches!(
                &error,
                OutputError::NotAFile {
                    what: "a directory",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.errno(), Errno::ISDIR);
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        assert!(matches!(
            refused(&pipe),
            OutputError::NotAFile { what: "a pipe", .. }
        ));
        let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        assert!(
            matches!(refused(&pipe), OutputError::NotAFile { what: "a pipe", .. }),
            "with a reader"
        );
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(matches!(
            refused(&socket),
            OutputError::NotAFile { what: "a socket", .. }
        ));
    }

    #[test]
    fn missing_folder_is_refused_with_the_path() {
        let error = OutputFile::open(Path::new("/nonexistent/out.mp4"), None).unwrap_err();
        assert_eq!(error.errno(), Errno::NOENT);
        assert!(
            error
                .to_string()
                .starts_with("cannot open /nonexistent/out.mp4 for recording: No such file"),
            "{error}"
        );
    }

    #[test]
    fn null_device_is_taken() {
        let mut output = OutputFile::open(Path::new("/dev/null"), None).unwrap();
        output.write_all(b"nothing").unwrap();
        output
            .overwrite(0, b"never")
            .and_then(|()| output.truncate(0))
            .and_then(|()| output.sync())
            .unwrap();
    }
}
