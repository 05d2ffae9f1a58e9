//! Where the broker is.

use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variable that names the broker's socket.
pub const SOCKET_ENV: &str = "WHARF_SOCKET";

/// Neither variable that could say where the broker is has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither {SOCKET_ENV} nor XDG_RUNTIME_DIR is set: set {SOCKET_ENV} to the path of the broker's socket"
)]
pub struct NoSocketPath;

/// Where the broker is expected: `$WHARF_SOCKET`, or else `$XDG_RUNTIME_DIR/wharf-0`.
///
/// # Errors
///
/// [`NoSocketPath`] when neither variable is set to anything.
pub fn socket_path() -> Result<PathBuf, NoSocketPath> {
    choose(std::env::var_os(SOCKET_ENV), std::env::var_os("XDG_RUNTIME_DIR"))
}

fn choose(socket: Option<OsString>, runtime_dir: Option<OsString>) -> Result<PathBuf, NoSocketPath> {
    let given = |value: &OsString| !value.is_empty();
    if let Some(socket) = socket.filter(given) {
        return Ok(socket.into());
    }
    let runtime_dir = runtime_dir.filter(given).ok_or(NoSocketPath)?;
    Ok(PathBuf::from(runtime_dir).join("wharf-0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_of_our_own_comes_first() {
        let path = choose(Some("/a/socket".into()), Some("/run/user/7".into()));
        assert_eq!(path, Ok(PathBuf::from("/a/socket")));
    }

    #[test]
    fn empty_variables_count_as_unset() {
        assert_eq!(
            choose(Some("".into()), Some("/run/user/7".into())),
            Ok("/run/user/7/wharf-0".into())
        );
        assert_eq!(choose(None, Some("".into())), Err(NoSocketPath));
    }
}
