//! Where things are kept: `target/guest`, with everything that was fetched or built for the guest.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// The repository.
pub(crate) fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// `target/guest`, there or made.
pub(crate) fn guest() -> Result<PathBuf, Trouble> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    // A path that is not absolute is meant from where cargo was called; for tests that is the package, for people mostly the repository.
    let guest = repository().join(target).join("guest");
    fs::create_dir_all(&guest).map_err(|error| Trouble::at("make", &guest, &error))?;
    Ok(guest)
}

/// Fetches `target/guest/NAME` unless it is there: `fetch` fills a directory, which gets the name only when that is done. One process at a time.
pub(crate) fn kept(name: &str, fetch: impl FnOnce(&Path) -> Result<(), Trouble>) -> Result<PathBuf, Trouble> {
    let guest = guest()?;
    let place = guest.join(name);
    if place.exists() {
        return Ok(place);
    }
    let _one_at_a_time = lock(&guest.join(format!("{name}.lock")))?;
    if !place.exists() {
        let new = tempfile::tempdir_in(&guest)
            .map_err(|error| Trouble::at("make a directory in", &guest, &error))?;
        let filled = new.path().join("new");
        fs::create_dir(&filled).map_err(|error| Trouble::at("make", &filled, &error))?;
        fetch(&filled)?;
        fs::rename(&filled, &place).map_err(|error| Trouble::at("rename to", &place, &error))?;
    }
    Ok(place)
}

/// Locks the file until what is returned is dropped.
fn lock(path: &Path) -> Result<File, Trouble> {
    let file = File::create(path).map_err(|error| Trouble::at("make", path, &error))?;
    file.lock().map_err(|error| Trouble::at("lock", path, &error))?;
    Ok(file)
}
