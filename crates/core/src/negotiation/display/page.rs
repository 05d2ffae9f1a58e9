//! Lines of words, each with its role, in columns where that helps.

use crate::text::visible;
use std::fmt::{self, Write};

use super::{Palette, Role};

/// Words of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    role: Role,
    text: String,
}

/// Words of one line, or of one cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<Spans>);

/// Between two columns.
const GAP: usize = 2;

impl Spans {
    /// Words of one role.
    pub(super) fn of(role: Role, text: impl fmt::Display) -> Self {
        Self::default().and(role, text)
    }

    /// Ordinary words.
    pub(super) fn plain(text: impl fmt::Display) -> Self {
        Self::of(Role::Plain, text)
    }

    /// The same with more words behind them.
    pub(super) fn and(mut self, role: Role, text: impl fmt::Display) -> Self {
        let text = visible(&text.to_string());
        self.0.push(Span { role, text });
        self
    }

    /// The same with what others say behind it.
    pub(super) fn then(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Several with ordinary words between them.
    pub(super) fn joined(items: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut all = Self::default();
        for (number, item) in items.into_iter().enumerate() {
            if number > 0 {
                all = all.and(Role::Plain, between);
            }
            all = all.then(item);
        }
        all
    }

    fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.chars().count()).sum()
    }
}

impl Page {
    pub(super) fn line(&mut self, spans: Spans) {
        self.0.push(spans);
    }

    /// A line on its own before what follows.
    pub(super) fn heading(&mut self, text: &str) {
        self.line(Spans::default());
        self.line(Spans::of(Role::Heading, text));
    }

    /// A line that begins further in.
    pub(super) fn item(&mut self, spans: Spans) {
        self.line(Spans::plain("  ").then(spans));
    }

    /// Lines that begin further in, in columns.
    pub(super) fn table(&mut self, rows: Vec<Vec<Spans>>) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(Spans::width).max().unwrap_or(0)
            })
            .collect();
        for row in rows {
            let used = row
                .iter()
                .rposition(|cell| cell.width() > 0)
                .map_or(0, |last| last + 1);
            let mut line = Spans::plain("  ");
            for (column, cell) in row.into_iter().take(used).enumerate() {
                // A column in which nobody has anything takes no room.
                let rest = match widths[column] {
                    0 => 0,
                    widest => widest - cell.width() + GAP,
                };
                line = line.then(cell);
                if column + 1 < used && rest > 0 {
                    line = line.and(Role::Plain, " ".repeat(rest));
                }
            }
            self.line(line);
        }
    }

    pub(super) fn write(&self, out: &mut (impl Write + ?Sized), palette: &dyn Palette) -> fmt::Result {
        for (number, line) in self.0.iter().enumerate() {
            if number > 0 {
                out.write_char('\n')?;
            }
            for span in &line.0 {
                let (before, after) = palette.around(span.role);
                write!(out, "{before}{}{after}", span.text)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::negotiation::Plain;

    fn written(page: &Page) -> String {
        let mut text = String::new();
        page.write(&mut text, &Plain).expect("strings take everything");
        text
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_follows_the_last_one() {
        let mut page = Page::default();
        let row = |cells: [&str; 3]| cells.map(Spans::plain).to_vec();
        page.table(vec![
            row(["a", "", "long"]),
            row(["bcd", "", "x"]),
            row(["e", "", ""]),
        ]);
        assert_eq!(written(&page), "  a    long\n  bcd  x\n  e");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut page = Page::default();
        page.line(Spans::plain("a\u{1b}[31m\nb"));
        assert_eq!(written(&page), "a\\u{1b}[31m\\nb");
    }

    #[test]
    fn a_palette_surrounds_words_by_role() {
        struct Marks;
        impl Palette for Marks {
            fn around(&self, role: Role) -> (&str, &str) {
                match role {
                    Role::Name => ("<", ">"),
                    _ => ("", ""),
                }
            }
        }
        let mut page = Page::default();
        page.line(Spans::plain("by ").and(Role::Name, "viewer"));
        let mut text = String::new();
        page.write(&mut text, &Marks).expect("strings take everything");
        assert_eq!(text, "by <viewer>");
    }
}
