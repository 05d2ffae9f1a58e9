use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;
use tempfile::TempDir;

use super::*;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wharf-0");
    (directory, path)
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn leave_stale_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[test]
fn second_lock_is_refused_and_names_the_holder() {
    let (_directory, path) = place();
    let _lock = PathLock::acquire(&path).unwrap();
    let error = PathLock::acquire(&path).unwrap_err();
    assert!(matches!(&error, BindError::AlreadyServed { pid: Some(pid), .. } if *pid == std::process::id()));
    assert_eq!(error.errno(), Errno::ADDRINUSE);
    let text = error.to_string();
    assert!(
        text.contains(path.to_str().unwrap()) && text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
}

#[test]
fn holder_is_unknown_when_the_lock_file_says_nonsense() {
    let (_directory, path) = place();
    let _lock = PathLock::acquire(&path).unwrap();
    std::fs::write(path.with_file_name("wharf-0.lock"), "nonsense").unwrap();
    assert!(matches!(
        PathLock::acquire(&path),
        Err(BindError::AlreadyServed { pid: None, .. })
    ));
}

#[test]
fn lock_goes_with_its_holder() {
    let (directory, path) = place();
    drop(PathLock::acquire(&path).unwrap());
    assert_eq!(names(&directory), Vec::<String>::new());
    PathLock::acquire(&path).unwrap();
}

#[test]
fn lock_file_left_by_a_dead_holder_is_taken_over() {
    let (_directory, path) = place();
    std::fs::write(path.with_file_name("wharf-0.lock"), "4194305").unwrap();
    PathLock::acquire(&path).unwrap();
}

#[test]
fn lock_file_of_a_successor_is_not_removed() {
    let (directory, path) = place();
    let lock = PathLock::acquire(&path).unwrap();
    std::fs::remove_file(path.with_file_name("wharf-0.lock")).unwrap();
    let _successor = PathLock::acquire(&path).unwrap();
    drop(lock);
    assert_eq!(names(&directory), ["wharf-0.lock"]);
}

#[test]
fn symbolic_link_is_no_lock_file() {
    let (directory, path) = place();
    let target = directory.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, path.with_file_name("wharf-0.lock")).unwrap();
    let error = PathLock::acquire(&path).unwrap_err();
    assert_eq!(error.errno(), Errno::LOOP);
    assert_eq!(std::fs::read_to_string(target).unwrap(), "precious");
}

#[test]
fn socket_is_private_and_goes_with_its_owner() {
    let (directory, path) = place();
    let (socket, listener) = ListeningSocket::create(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    UnixStream::connect(&path).unwrap();
    drop((socket, listener));
    assert_eq!(names(&directory), Vec::<String>::new());
}

#[test]
fn stale_socket_is_replaced() {
    let (_directory, path) = place();
    leave_stale_socket(&path);
    let _serving = ListeningSocket::create(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn socket_that_somebody_serves_is_left_alone() {
    let (_directory, path) = place();
    let stranger = UnixListener::bind(&path).unwrap();
    let error = ListeningSocket::create(&path).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert_eq!(error.errno(), Errno::ADDRINUSE);
    let _client = UnixStream::connect(&path).unwrap();
    drop(stranger);
}

#[test]
fn socket_of_another_kind_is_left_alone() {
    let (_directory, path) = place();
    let _stranger = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(
        ListeningSocket::create(&path),
        Err(BindError::InUse { .. })
    ));
}

#[test]
fn anything_but_a_socket_is_left_alone() {
    let (directory, path) = place();
    std::fs::write(&path, "precious").unwrap();
    let error = ListeningSocket::create(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    assert_eq!(error.errno(), Errno::NOTSOCK);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(
        ListeningSocket::create(&link),
        Err(BindError::NotASocket { .. })
    ));
    assert!(matches!(
        ListeningSocket::create(directory.path()),
        Err(BindError::NotASocket { .. })
    ));
}

#[test]
fn files_of_another_user_are_left_alone() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let (_directory, path) = place();
    leave_stale_socket(&path);
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    let error = ListeningSocket::create(&path).unwrap_err();
    assert!(
        matches!(
            error,
            BindError::Foreign {
                owner_uid: 12345,
                own_uid: 0,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.errno(), Errno::ACCESS);
    assert_eq!(std::fs::metadata(&path).unwrap().uid(), 12345);

    let lock = path.with_file_name("wharf-0.lock");
    std::fs::write(&lock, "").unwrap();
    std::os::unix::fs::chown(&lock, Some(12345), None).unwrap();
    assert!(matches!(
        PathLock::acquire(&path),
        Err(BindError::Foreign { owner_uid: 12345, .. })
    ));
}

#[test]
fn socket_that_took_the_place_of_ours_is_not_removed() {
    let (_directory, path) = place();
    let (socket, _listener) = ListeningSocket::create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    drop(socket);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn path_beyond_a_socket_address_is_refused_by_its_length() {
    let (directory, _) = place();
    let room = 107 - directory.path().as_os_str().len() - 1;
    let longest = directory.path().join("x".repeat(room));
    drop(ListeningSocket::create(&longest).unwrap());
    let error = ListeningSocket::create(&directory.path().join("x".repeat(room + 1))).unwrap_err();
    assert!(
        matches!(
            error,
            BindError::PathTooLong {
                length_bytes: 108,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.errno(), Errno::NAMETOOLONG);
}

#[test]
fn missing_directory_is_an_error_that_names_the_file() {
    let (directory, _) = place();
    let path = directory.path().join("missing").join("wharf-0");
    for error in [
        PathLock::acquire(&path).unwrap_err(),
        ListeningSocket::create(&path).unwrap_err(),
    ] {
        assert_eq!(error.errno(), Errno::NOENT);
        assert!(error.to_string().contains("missing/wharf-0"), "{error}");
    }
}
