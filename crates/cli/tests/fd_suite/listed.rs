//! The tables `[[fd]]` of `docs/compat.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Document {
    fd: Vec<Entry>,
}

/// Cases that end differently in the two worlds, in the same way and for the same reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Names, or `area/*` for what no entry names in an area.
    pub(crate) cases: Vec<String>,
    pub(crate) kernel: String,
    pub(crate) wharf: String,
    /// Without privileges, if that makes a difference.
    pub(crate) unprivileged: Option<String>,
    /// With `--fd-kind fuse`, if that makes a difference.
    pub(crate) fuse: Option<String>,
    /// With `--exact-udmabuf`, if that makes a difference.
    pub(crate) exact: Option<String>,
    pub(crate) why: String,
}

/// How a case is to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) kernel: String,
    pub(crate) wharf: String,
    pub(crate) unprivileged: String,
    pub(crate) fuse: String,
    pub(crate) exact: String,
}

#[derive(Debug)]
pub(crate) struct Listed(Vec<Entry>);

impl Listed {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat.toml");
        let text = std::fs::read_to_string(path).expect("the file is there");
        let document: Document = toml::from_str(&text).expect("it is as it should be");
        let listed = Self(document.fd);
        let names: Vec<&String> = listed.0.iter().flat_map(|entry| &entry.cases).collect();
        let once: BTreeSet<&String> = names.iter().copied().collect();
        assert_eq!(names.len(), once.len(), "a case is listed twice");
        listed
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// How this case is to end: as listed, and else it passes.
    pub(crate) fn of(&self, case: &str) -> Ends {
        let area = case.split_once('/').map(|(area, _)| format!("{area}/*"));
        let named = |name: &str| {
            self.0
                .iter()
                .find(|entry| entry.cases.iter().any(|listed| listed == name))
        };
        let entry = named(case).or_else(|| named(&area?));
        let ends = |ends: fn(&Entry) -> &String| entry.map_or("pass", |entry| ends(entry)).to_owned();
        Ends {
            kernel: ends(|entry| &entry.kernel),
            wharf: ends(|entry| &entry.wharf),
            unprivileged: ends(|entry| entry.unprivileged.as_ref().unwrap_or(&entry.wharf)),
            fuse: ends(|entry| entry.fuse.as_ref().unwrap_or(&entry.wharf)),
            exact: ends(|entry| entry.exact.as_ref().unwrap_or(&entry.wharf)),
        }
    }

    /// What is listed that is the name of no case and of no area.
    pub(crate) fn that_are_none<'a>(&self, cases: impl Iterator<Item = &'a String>) -> Vec<String> {
        let mut known = BTreeSet::new();
        for case in cases {
            known.insert(case.clone());
            known.extend(case.split_once('/').map(|(area, _)| format!("{area}/*")));
        }
        let listed = self.0.iter().flat_map(|entry| &entry.cases);
        listed.filter(|name| !known.contains(*name)).cloned().collect()
    }
}
