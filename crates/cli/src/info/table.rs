//! Aligned columns of text.

use std::fmt;

use crate::output::marked;

/// A table with a line of headings. Columns are as wide as their widest cell and two spaces apart.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

/// A column's heading, and the side its cells are aligned to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters are replaced: names come from other processes, and shall not move the cursor.
    pub(super) fn add(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| marked(&cell)));
    }

    fn widths(&self) -> [usize; N] {
        std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].as_str());
            let cells = cells.chain([self.columns[column].heading()]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let headings = self.columns.map(|column| column.heading().to_owned());
        for row in [&headings].into_iter().chain(&self.rows) {
            let cells: Vec<String> = (0..N)
                .map(|column| match self.columns[column] {
                    Column::Left(_) => format!("{:<1$}", row[column], widths[column]),
                    Column::Right(_) => format!("{:>1$}", row[column], widths[column]),
                })
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_left_and_numbers_right() {
        let mut table = Table::new([Column::Right("ID"), Column::Left("NAME"), Column::Left("NOTE")]);
        table.add(["1".to_owned(), "camera".to_owned(), "é".to_owned()]);
        table.add(["200".to_owned(), "tv".to_owned(), String::new()]);
        let lines = [" ID  NAME    NOTE", "  1  camera  é", "200  tv", ""];
        assert_eq!(table.to_string(), lines.join("\n"));
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        let mut table = Table::new([Column::Left("NAME")]);
        table.add(["\u{1b}[2J\n".to_owned()]);
        assert_eq!(table.to_string(), "NAME\n\u{fffd}[2J\u{fffd}\n");
    }
}
