//! The tables as text, for scripts and for terminals that are none.

use super::table::Table;
use super::tabs::Tab;
use super::units::duration;
use super::view::View;
use crate::document::Document;

/// Prints one table, or all of them.
pub(super) fn describe(document: &Document, view: &View, only: Option<Tab>) -> String {
    let tabs: Vec<Tab> = only.map_or_else(|| Tab::ALL.to_vec(), |tab| vec![tab]);
    let mut text = title(document);
    for tab in tabs {
        let table = view.table(tab, document);
        if table.rows.is_empty() {
            text += &format!("\nno {}\n", tab.title().to_lowercase());
        } else {
            text += "\n";
            text += &rows(&table);
        }
    }
    text
}

/// Which broker, and how much time it is about.
pub(super) fn title(document: &Document) -> String {
    let interval = document.interval_ns.map(|ns| format!(", in {}", duration(ns)));
    let remark = if document.truncated {
        ", only the first of each kind"
    } else {
        ""
    };
    document.broker.title() + &interval.unwrap_or_default() + remark + "\n"
}

/// Lines of aligned cells, two spaces apart, below their headings.
fn rows(table: &Table) -> String {
    let widths = table.widths();
    let headings = table.columns.iter().map(|column| column.heading).collect();
    let rows = table.rows.iter();
    let rows = rows.map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect());
    let lines = std::iter::once(headings).chain(rows).map(|cells: Vec<&str>| {
        let cells = cells.into_iter().zip(table.columns).zip(&widths);
        let cells = cells.map(|((text, column), width)| match column.is_number {
            true => format!("{text:>width$}"),
            false => format!("{text:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}
