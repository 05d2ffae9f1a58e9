//! Tables: columns, cells with an order, sorting and filtering.

use std::cmp::Ordering;

use crate::output::marked;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// What stands above it, and what it is called to sort by it.
    pub(super) heading: &'static str,
    /// Whether it is numbers.
    pub(super) is_number: bool,
}

/// A column of words.
pub(super) const fn words(heading: &'static str) -> Column {
    Column {
        heading,
        is_number: false,
    }
}

/// A column of numbers.
pub(super) const fn numbers(heading: &'static str) -> Column {
    Column {
        heading,
        is_number: true,
    }
}

/// What a cell shows, and where it comes in the order of its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Words come by their text; what has neither words nor a number comes last.
    rank: Option<f64>,
}

impl Cell {
    /// Words, which may come from other processes and shall not move the cursor.
    pub(super) fn words(text: impl Into<String>) -> Self {
        Self {
            text: marked(&text.into()),
            rank: None,
        }
    }

    /// A number, shown as it is.
    pub(super) fn count(value: impl Into<u64>) -> Self {
        let value = value.into();
        // CAST: an order of magnitude is enough to sort by.
        Self::ranked(value.to_string(), value as f64)
    }

    /// A number that is shown in another way.
    pub(super) fn ranked(text: String, rank: f64) -> Self {
        Self {
            text,
            rank: Some(rank),
        }
    }

    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self::words("-")
    }
}

/// What a row is about, so that it is the same row when the next sample is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Stream(u64),
    /// A consumer, by its stream and its incarnation.
    Consumer(u64, u64),
    Session(u64),
    Set(u64),
    Timeline(u64),
    User(u32),
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) cells: Vec<Cell>,
    /// Whether something is wrong with it.
    pub(super) is_alarming: bool,
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: usize,
    pub(super) is_reversed: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// Keeps the rows that have this text in one of their cells, in whatever case.
    pub(super) fn filter(&mut self, text: &str) {
        let wanted = text.to_lowercase();
        let has = |cell: &Cell| cell.text.to_lowercase().contains(&wanted);
        self.rows.retain(|row| row.cells.iter().any(has));
    }

    /// Sorts the rows: largest numbers and first words first, or the other way round; unknowns last. Equal ones stay as they are.
    pub(super) fn sort(&mut self, order: Order) {
        let is_number = self
            .columns
            .get(order.column)
            .is_some_and(|column| column.is_number);
        self.rows.sort_by(|a, b| {
            let (Some(a), Some(b)) = (a.cells.get(order.column), b.cells.get(order.column)) else {
                return Ordering::Equal;
            };
            compare(a, b, is_number, order.is_reversed)
        });
    }

    /// How many characters each column needs.
    pub(super) fn widths(&self) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        let width = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
            let cells = cells.map(|cell| cell.text.chars().count());
            cells.chain([column.heading.chars().count()]).max().unwrap_or(0)
        };
        columns.map(width).collect()
    }
}

fn compare(a: &Cell, b: &Cell, is_number: bool, is_reversed: bool) -> Ordering {
    let order = match (a.rank, b.rank) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (None, None) if !is_number => a.text.to_lowercase().cmp(&b.text.to_lowercase()),
        (a, b) => return a.is_none().cmp(&b.is_none()),
    };
    if is_reversed { order.reverse() } else { order }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[words("NAME"), numbers("SIZE")];

    fn table(rows: &[(&str, Option<u64>)]) -> Table {
        let row = |(name, size): &(&str, Option<u64>)| Row {
            subject: Subject::Set(0),
            cells: vec![Cell::words(*name), size.map_or_else(Cell::unknown, Cell::count)],
            is_alarming: false,
        };
        Table {
            columns: COLUMNS,
            rows: rows.iter().map(row).collect(),
        }
    }

    fn names(table: &Table) -> Vec<&str> {
        table.rows.iter().map(|row| row.cells[0].text.as_str()).collect()
    }

    fn sorted(column: usize, is_reversed: bool) -> Vec<String> {
        let mut table = table(&[("b", Some(9)), ("A", Some(10)), ("d", None), ("c", Some(9))]);
        table.sort(Order { column, is_reversed });
        names(&table).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn largest_numbers_and_first_words_come_first() {
        assert_eq!(sorted(0, false), ["A", "b", "c", "d"]);
        assert_eq!(sorted(1, false), ["A", "b", "c", "d"]);
    }

    #[test]
    fn other_way_round_unknowns_are_still_last_and_equals_stay() {
        assert_eq!(sorted(0, true), ["d", "c", "b", "A"]);
        assert_eq!(sorted(1, true), ["b", "c", "A", "d"]);
    }

    #[test]
    fn column_that_is_not_there_changes_nothing() {
        assert_eq!(sorted(7, false), ["b", "A", "d", "c"]);
    }

    #[test]
    fn filter_looks_at_every_cell_in_whatever_case() {
        let mut found = table(&[("Camera", Some(1)), ("viewer", Some(20)), ("encoder", Some(3))]);
        found.filter("CAM");
        assert_eq!(names(&found), ["Camera"]);
        let mut found = table(&[("Camera", Some(1)), ("viewer", Some(20))]);
        found.filter("20");
        assert_eq!(names(&found), ["viewer"]);
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        assert_eq!(Cell::words("\u{1b}[2J\n").text, "\u{fffd}[2J\u{fffd}");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        assert_eq!(table(&[("é", Some(1_000_000))]).widths(), [4, 7]);
    }
}
