//! What people read of reports and plans: plain lines, exact words, the same layout every time.

mod page;
mod plan;
mod report;
mod summary;
mod words;

use std::fmt;

use super::{Plan, Report};

/// What words are, for those who colour them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Nothing special.
    Plain,
    /// What a part is about.
    Heading,
    /// A participant, a heap, an account.
    Name,
    /// A field.
    Field,
    /// A value.
    Value,
    /// What works, or would.
    Good,
    /// What does not.
    Bad,
    /// What helps to find somebody: process, device, place.
    Detail,
}

/// How words look, by their role.
///
/// # Examples
/// ```
/// use wharf_core::negotiation::{Palette, Report, ReportKind, Role};
///
/// struct Bold;
/// impl Palette for Bold {
///     fn around(&self, role: Role) -> (&str, &str) {
///         match role {
///             Role::Bad => ("\x1b[1m", "\x1b[0m"),
///             _ => ("", ""),
///         }
///     }
/// }
///
/// let report = Report::from(ReportKind::Denied { reason: "the token may not seal the set".into() });
/// let mut text = String::new();
/// report.render(&mut text, &Bold)?;
/// assert_eq!(text, "\x1b[1mnot allowed\x1b[0m: the token may not seal the set [EACCES (13)]");
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub trait Palette {
    /// What is written before and after words of a role.
    fn around(&self, role: Role) -> (&str, &str);
}

/// No colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plain;

impl Palette for Plain {
    fn around(&self, _: Role) -> (&str, &str) {
        ("", "")
    }
}

impl Report {
    /// Writes everything that is known, over several lines, without a line feed at the end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn render(&self, out: &mut (impl fmt::Write + ?Sized), palette: &dyn Palette) -> fmt::Result {
        report::page(self).write(out, palette)
    }

    /// Says it in one line.
    ///
    /// ```
    /// use wharf_core::negotiation::{Report, ReportKind};
    /// let report = Report::from(ReportKind::Stalled { missing: vec!["encoder".into()] });
    /// assert_eq!(report.summary(), "still waiting for encoder [ETIMEDOUT (110)]");
    /// ```
    pub fn summary(&self) -> String {
        summary::of(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &Plain)
    }
}

impl std::error::Error for Report {}

impl Plan {
    /// Writes what was decided and why, and which better choices were removed, over several lines, without a line feed at the end.
    /// Contract: N3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn render(&self, out: &mut (impl fmt::Write + ?Sized), palette: &dyn Palette) -> fmt::Result {
        plan::page(self).write(out, palette)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &Plain)
    }
}
