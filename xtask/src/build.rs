//! Programs that need no libraries, so that they run in the guest, too.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::places;
use crate::trouble::Trouble;

/// What programs for the guest are built for.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds a program of this repository for the guest, in `target/guest/build`, and returns where it is.
///
/// # Blocking
///
/// As long as cargo takes.
///
/// # Errors
///
/// [`Trouble::Failed`] if it cannot be built. Cargo has said why on stderr.
pub fn program(package: &str, name: &str) -> Result<PathBuf, Trouble> {
    let mut cargo = cargo("build")?;
    let status = cargo
        .args(["--quiet", "--package", package, "--bin", name])
        .status();
    match status {
        Ok(status) if status.success() => Ok(places::guest()?
            .join("build")
            .join(TARGET)
            .join("debug")
            .join(name)),
        Ok(status) => Err(Trouble::Failed(format!(
            "cargo cannot build {name} of {package} for the guest: {status}"
        ))),
        Err(error) => Err(Trouble::failed("cannot start cargo", error)),
    }
}

/// Has cargo build tests for the guest and run each with a runner: a program and arguments, which the test's path follows. Returns cargo's exit code.
///
/// # Blocking
///
/// As long as cargo and the tests take.
///
/// # Errors
///
/// [`Trouble::Failed`] if cargo cannot be started.
pub fn test(runner: &[String], arguments: &[OsString]) -> Result<u8, Trouble> {
    // Strings in TOML are quoted as those in Rust are, but for what no path or option here has.
    let runner = format!("target.{TARGET}.runner={runner:?}");
    let mut cargo = cargo("test")?;
    let status = cargo.args(["--config", &runner]).args(arguments).status();
    let status = status.map_err(|error| Trouble::failed("cannot start cargo", error))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(125))
}

/// A command of cargo's that builds for the guest.
pub(crate) fn cargo(command: &str) -> Result<Command, Trouble> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo
        .arg(command)
        .args(["--target", TARGET, "--target-dir"])
        .arg(places::guest()?.join("build"))
        .current_dir(places::repository())
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // Everything the guest gets has to be loaded into its memory first.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    Ok(cargo)
}
