//! What `/proc` tells of a dma-buf.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// What is known of a dma-buf besides its contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KernelNames {
    /// Who exported it: the kernel says so, nobody can forge it.
    pub exporter: String,
    /// Its name, if anybody gave it one. Anybody who has the buffer can: any text without zero.
    pub name: Option<String>,
    /// How many references there are: descriptions, mappings and importers.
    pub references: Option<u64>,
}

/// Reads what is known of the dma-buf `fd`.
pub(super) fn read(fd: BorrowedFd<'_>) -> Result<KernelNames, Errno> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = std::fs::read(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    parse(&String::from_utf8_lossy(&text)).ok_or(Errno::OPNOTSUPP)
}

/// The name stands last and can be any text, more lines too: what looks like a field in it is none.
fn parse(text: &str) -> Option<KernelNames> {
    let mut names = KernelNames::default();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        if let Some(value) = line.strip_prefix("exp_name:\t") {
            names.exporter = value.to_owned();
        } else if let Some(value) = line.strip_prefix("count:\t") {
            names.references = value.trim().parse().ok();
        } else if let Some(first) = rest.strip_prefix("name:\t") {
            names.name = Some(first.strip_suffix('\n').unwrap_or(first).to_owned());
            break;
        }
        rest = after;
    }
    (!names.exporter.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "pos:\t0\nflags:\t02000002\nmnt_id:\t12\nino:\t3\nsize:\t4096\ncount:\t2\nexp_name:\tsystem\n";

    #[test]
    fn fields_are_read() {
        let names = parse(HEAD).unwrap();
        assert_eq!(names.exporter, "system");
        assert_eq!((names.name, names.references), (None, Some(2)));
        let named = parse(&format!("{HEAD}name:\tpreview\n")).unwrap();
        assert_eq!(named.name.as_deref(), Some("preview"));
    }

    #[test]
    fn name_cannot_pretend_to_be_another_field() {
        let forged = parse(&format!("{HEAD}name:\ta\nexp_name:\tvgem\ncount:\t9\n")).unwrap();
        assert_eq!((&*forged.exporter, forged.references), ("system", Some(2)));
        assert_eq!(forged.name.as_deref(), Some("a\nexp_name:\tvgem\ncount:\t9"));
    }

    #[test]
    fn what_is_no_dma_buf_tells_nothing() {
        assert_eq!(parse("pos:\t0\nflags:\t02\nmnt_id:\t12\nino:\t3\n"), None);
        assert_eq!(parse(""), None);
    }
}
