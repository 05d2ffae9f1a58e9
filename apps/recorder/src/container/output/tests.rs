//! Tests of opening files for recording.

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
fn new_file_can_be_taken_back_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.mp4");
    let made = |path: &Path| OutputFile::open(path, None).unwrap().new_file().unwrap();
    made(&path).unwrap().remove();
    assert!(!path.exists());
    let new = made(&path).unwrap();
    assert!(made(&path).is_none(), "it is there now");
    fs::remove_file(&path).unwrap();
    fs::write(folder.path().join("other"), "precious").unwrap();
    fs::rename(folder.path().join("other"), &path).unwrap();
    new.remove();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let link = folder.path().join("link.mp4");
    std::os::unix::fs::symlink(folder.path().join("target"), &link).unwrap();
    assert!(made(&link).is_none() && folder.path().join("target").exists());
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
