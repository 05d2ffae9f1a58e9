//! The systemd units in `dist/systemd`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Outcome, Place, run};
use wharf_testkit::skip;

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/systemd");

/// What systemd says about units, with `wharf` where it was built instead of where it will be installed.
fn complaints(units: &Path, names: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let place = Place::new();
    for name in names {
        let unit = std::fs::read_to_string(units.join(name))?;
        let built = format!("ExecStart={} serve", env!("CARGO_BIN_EXE_wharf"));
        std::fs::write(
            place.path().join(name),
            unit.replace("ExecStart=wharf serve", &built),
        )?;
    }
    let mut command = Command::new("systemd-analyze");
    command
        .args(["verify", "--user"])
        .args(names.iter().map(|name| place.path().join(name)));
    command.env("XDG_RUNTIME_DIR", place.path());
    let ended = run(command);
    let complaints = ended
        .stderr
        .lines()
        .filter(|line| line.contains("wharf") || !ended.status.success());
    Ok(complaints.map(str::to_owned).collect())
}

fn systemd_is_missing() -> bool {
    let is_missing = Command::new("systemd-analyze").arg("--version").output().is_err();
    if is_missing {
        skip("systemd's opinion of dist/systemd: no systemd-analyze");
    }
    is_missing
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() -> Outcome {
    if systemd_is_missing() {
        return Ok(());
    }
    assert_eq!(
        complaints(Path::new(UNITS), &["wharf.socket", "wharf.service"])?,
        [""; 0]
    );
    Ok(())
}

#[test]
fn mistake_in_a_unit_is_noticed() -> Outcome {
    if systemd_is_missing() {
        return Ok(());
    }
    let place = Place::new();
    let unit = std::fs::read_to_string(Path::new(UNITS).join("wharf.socket"))?;
    std::fs::write(
        place.path().join("wharf.socket"),
        unit.replace("SocketMode=0600", "SocketMode=private"),
    )?;
    let service = std::fs::read(Path::new(UNITS).join("wharf.service"))?;
    std::fs::write(place.path().join("wharf.service"), service)?;
    assert_ne!(
        complaints(place.path(), &["wharf.socket", "wharf.service"])?,
        [""; 0]
    );
    Ok(())
}

/// Clients and the unit look in the same place, and nobody else may connect.
#[test]
fn socket_unit_agrees_with_the_default_path() -> Outcome {
    let unit = std::fs::read_to_string(Path::new(UNITS).join("wharf.socket"))?;
    assert!(unit.lines().any(|line| line == "ListenStream=%t/wharf-0"));
    assert!(unit.lines().any(|line| line == "SocketMode=0600"));
    Ok(())
}
