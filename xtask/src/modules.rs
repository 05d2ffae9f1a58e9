//! The kernel's modules: which others each needs, and how they get into the guest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::endian::AnyEndian;
use lzma_rust2::XzReader;

use crate::kernel::Kernel;
use crate::trouble::Trouble;

/// A module that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// As `modprobe` takes them: `n_devs=1 allocators=0`.
    pub(crate) parameters: String,
}

/// A module that is to be loaded.
pub(crate) struct Loaded {
    /// Its file's name, without directory.
    pub(crate) file: String,
    pub(crate) parameters: String,
    /// The file, not compressed.
    pub(crate) contents: Vec<u8>,
}

/// What the guest needs for the modules that somebody asked for.
#[derive(Default)]
pub(crate) struct Plan {
    /// What to load, in this order.
    pub(crate) load: Vec<Loaded>,
    /// Parameters of what is built into the kernel, for its command line.
    pub(crate) kernel_arguments: Vec<String>,
}

impl Plan {
    /// Plans for all of them, with those they depend on.
    pub(crate) fn new(kernel: &Kernel, wanted: &[Wanted]) -> Result<Self, Trouble> {
        let mut plan = Self::default();
        if wanted.is_empty() {
            return Ok(plan);
        }
        let mut files = BTreeMap::new();
        index(&kernel.modules.join("kernel"), &mut files)?;
        let mut seen = BTreeSet::new();
        for module in wanted {
            let name = plain(&module.name);
            if files.contains_key(&name) {
                plan.add(&name, &module.parameters, &files, &mut seen)?;
            } else if is_built_in(kernel, &name)? {
                let parameters = module.parameters.split_whitespace();
                plan.kernel_arguments
                    .extend(parameters.map(|parameter| format!("{name}.{parameter}")));
            } else {
                let kernel = kernel.modules.display();
                return Err(Trouble::Failed(format!(
                    "the kernel has no module {name} (in {kernel})"
                )));
            }
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        name: &str,
        parameters: &str,
        files: &BTreeMap<String, PathBuf>,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), Trouble> {
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        // What is needed but no file is built in.
        let Some(path) = files.get(name) else {
            return Ok(());
        };
        let contents = contents(path)?;
        for needed in needs(&contents).map_err(|error| Trouble::failed(path.display(), error))? {
            self.add(&needed, "", files, seen)?;
        }
        self.load.push(Loaded {
            file: format!("{name}.ko"),
            parameters: parameters.to_owned(),
            contents,
        });
        Ok(())
    }
}

/// Names are written with `-` or `_`, which are the same.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// All modules below a directory, by name.
fn index(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<(), Trouble> {
    let entries = fs::read_dir(directory).map_err(|error| Trouble::at("read", directory, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            index(&path, files)?;
        } else if let Some((name, _)) = entry.file_name().to_str().and_then(|name| name.split_once(".ko")) {
            files.insert(plain(name), path);
        }
    }
    Ok(())
}

/// Whether the kernel has something of this name built in that says something of itself.
fn is_built_in(kernel: &Kernel, name: &str) -> Result<bool, Trouble> {
    let path = kernel.modules.join("modules.builtin.modinfo");
    let about = fs::read(&path).map_err(|error| Trouble::at("read", &path, &error))?;
    let mut entries = about.split(|&byte| byte == 0);
    Ok(entries.any(|entry| {
        let entry = String::from_utf8_lossy(entry);
        entry.split_once('.').is_some_and(|(of, _)| plain(of) == name)
    }))
}

fn contents(path: &Path) -> Result<Vec<u8>, Trouble> {
    let unread = |error| Trouble::at("read", path, &error);
    let mut file = File::open(path).map_err(unread)?;
    let mut contents = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => file.read_to_end(&mut contents).map_err(unread)?,
        Some("xz") => XzReader::new(file, true)
            .read_to_end(&mut contents)
            .map_err(unread)?,
        _ => {
            return Err(Trouble::Failed(format!(
                "{} is compressed in an unknown way",
                path.display()
            )));
        }
    };
    Ok(contents)
}

/// Which modules this one needs, as it says itself.
fn needs(module: &[u8]) -> Result<Vec<String>, elf::ParseError> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(module)?;
    let Some(section) = file.section_header_by_name(".modinfo")? else {
        return Ok(Vec::new());
    };
    let (about, _) = file.section_data(&section)?;
    let entries = about.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let lists = entries.filter_map(|entry| entry.strip_prefix("depends=").map(str::to_owned));
    Ok(lists
        .flat_map(|list| {
            list.split(',')
                .filter(|name| !name.is_empty())
                .map(plain)
                .collect::<Vec<_>>()
        })
        .collect())
}
