//! What is told at the end of a run.

use std::fmt;

use super::checked::Record;

/// How many findings are told.
pub(super) const MAX_TOLD: usize = 100;

/// What is told at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    text: String,
    errors: u64,
}

impl Report {
    /// Of `count` buffers, those about which there is something to tell, and `more` errors that are not told.
    pub(super) fn new<'a>(count: u64, records: impl Iterator<Item = &'a Record> + Clone, more: u64) -> Self {
        let findings = || records.clone().flat_map(|record| &record.findings);
        let told = findings().filter(|finding| finding.is_error()).count() as u64;
        let warnings = findings().count() as u64 - told;
        let errors = told + more;
        let concerned = records.clone().count();
        let mut text = format!(
            "wharf: coherency: {}, {} in {concerned} of {count} {}\n",
            counted(errors, "finding"),
            counted(warnings, "warning"),
            if count == 1 { "buffer" } else { "buffers" },
        );
        for record in records {
            text += &buffer(record);
        }
        if more > 0 {
            text += &format!("wharf: and {more} more findings\n");
        }
        Self { text, errors }
    }

    /// Whether something is wrong; warnings do not count.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn counted(count: u64, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

/// A buffer and what is wrong with it.
fn buffer(record: &Record) -> String {
    let Record {
        number,
        heap,
        name,
        size_bytes,
        fds,
        findings,
        ..
    } = record;
    let name = name.as_ref().map_or(String::new(), |name| format!(" {name:?}"));
    let known = fds
        .iter()
        .map(|(process, fd)| format!(", fd {fd} of process {process}"));
    let known: String = known.collect();
    let mut text = format!("wharf: buffer {number}{name} of {heap}, {size_bytes} bytes{known}\n");
    for finding in findings {
        let mark = if finding.is_error() { "error" } else { "warning" };
        for (index, line) in finding.to_string().lines().enumerate() {
            text += &match index {
                0 => format!("wharf:   {mark}: {line}\n"),
                _ => format!("wharf:     {line}\n"),
            };
        }
    }
    text
}
