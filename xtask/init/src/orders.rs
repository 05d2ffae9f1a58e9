//! What the host wants: files in `/guest`, whose items each end with a NUL byte.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A module to load.
pub(crate) struct Module {
    /// Where it is, not compressed.
    pub(crate) path: PathBuf,
    /// Its parameters, as `modprobe` takes them.
    pub(crate) parameters: OsString,
}

/// What the host wants.
pub(crate) struct Orders {
    /// Modules, each after those it depends on.
    pub(crate) modules: Vec<Module>,
    /// The program and its arguments; at least one.
    pub(crate) arguments: Vec<OsString>,
    /// Its environment, in pairs of name and value.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub(crate) directory: PathBuf,
}

impl Orders {
    /// Reads the orders.
    pub(crate) fn read() -> io::Result<Self> {
        let pairs = |items: Vec<OsString>| {
            let mut items = items.into_iter();
            std::iter::from_fn(move || Some((items.next()?, items.next()?))).collect::<Vec<_>>()
        };
        let modules = pairs(items("modules")?).into_iter();
        Ok(Self {
            modules: modules
                .map(|(path, parameters)| Module {
                    path: path.into(),
                    parameters,
                })
                .collect(),
            arguments: items("arguments")?,
            environment: pairs(items("environment")?),
            directory: items("directory")?
                .into_iter()
                .next()
                .unwrap_or_else(|| OsString::from("/"))
                .into(),
        })
    }
}

fn items(file: &str) -> io::Result<Vec<OsString>> {
    let path = format!("/guest/{file}");
    let mut bytes =
        fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    bytes.pop();
    if bytes.is_empty() && file == "modules" {
        return Ok(Vec::new());
    }
    Ok(bytes
        .split(|&byte| byte == 0)
        .map(|item| OsString::from_vec(item.to_vec()))
        .collect())
}
