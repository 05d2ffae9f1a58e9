//! What the user wants to see.

use super::args::TopArgs;
use super::details::{self, Line};
use super::table::{Order, Subject, Table};
use super::tabs::Tab;
use crate::document::Document;
use crate::failure::Failure;

/// What is to be shown of a document.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) tab: Tab,
    orders: [Order; Tab::ALL.len()],
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) is_typing: bool,
    /// Whether what is shown stays as it is.
    pub(super) is_paused: bool,
    /// What is shown in detail.
    pub(super) details: Option<Subject>,
    /// The first line of the details that is shown.
    pub(super) scrolled: usize,
    /// The row that keys are about.
    selected: Option<Subject>,
    /// Where it was when it was last there.
    position: usize,
}

impl View {
    /// What the command line asks for.
    ///
    /// # Errors
    ///
    /// [`Failure::NoColumn`] when no table asked for has the column.
    pub(super) fn new(args: &TopArgs) -> Result<Self, Failure> {
        let mut view = Self {
            tab: args.tab.unwrap_or(Tab::Streams),
            orders: Tab::ALL.map(Tab::order),
            filter: args.filter.clone().unwrap_or_default(),
            is_typing: false,
            is_paused: false,
            details: None,
            scrolled: 0,
            selected: None,
            position: 0,
        };
        if let Some(heading) = &args.sort {
            view.sort_by(heading, args.tab)?;
        }
        for order in &mut view.orders {
            order.is_reversed = args.reverse;
        }
        Ok(view)
    }

    /// Sorts every table that has the column by it.
    fn sort_by(&mut self, heading: &str, only: Option<Tab>) -> Result<(), Failure> {
        let tabs: Vec<Tab> = only.map_or_else(|| Tab::ALL.to_vec(), |tab| vec![tab]);
        let mut found = false;
        for tab in &tabs {
            if let Some(column) = tab.column(heading) {
                self.orders[tab.index()].column = column;
                found = true;
            }
        }
        if found {
            return Ok(());
        }
        let mut known = Vec::new();
        for column in tabs.iter().flat_map(|tab| tab.columns()) {
            if !known.contains(&column.heading) {
                known.push(column.heading);
            }
        }
        Err(Failure::NoColumn {
            heading: heading.to_owned(),
            known: known.join(", "),
        })
    }

    /// In which order the rows of a table come.
    pub(super) fn order(&self, tab: Tab) -> Order {
        self.orders[tab.index()]
    }

    /// A table as it is to be shown.
    pub(super) fn table(&self, tab: Tab, document: &Document) -> Table {
        let mut table = tab.table(document);
        table.filter(&self.filter);
        table.sort(self.order(tab));
        table
    }

    /// The details that are to be shown, if any. What is not there any more has none.
    pub(super) fn describe(&self, document: &Document) -> Option<Vec<Line>> {
        let subject = self.details?;
        let gone = || vec![Line::Alarm("it is not there any more".to_owned())];
        Some(details::describe(document, subject).unwrap_or_else(gone))
    }

    /// The row that keys are about. It stays the same when rows change places; if it goes, the one in its place is next.
    pub(super) fn selected(&self, table: &Table) -> Option<usize> {
        let same = |subject| table.rows.iter().position(|row| row.subject == subject);
        let last = table.rows.len().checked_sub(1)?;
        Some(self.selected.and_then(same).unwrap_or(self.position.min(last)))
    }

    /// Chooses a row; the last one if there are not so many.
    pub(super) fn select(&mut self, table: &Table, index: usize) {
        self.position = index.min(table.rows.len().saturating_sub(1));
        self.selected = table.rows.get(self.position).map(|row| row.subject);
    }

    /// Remembers where the selected row is now.
    pub(super) fn settle(&mut self, table: &Table) {
        if let Some(index) = self.selected(table) {
            self.select(table, index);
        }
    }

    /// Shows another table, from its first row.
    pub(super) fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.details = None;
        self.selected = None;
        self.position = 0;
    }

    /// Shows all about the selected row.
    pub(super) fn open(&mut self, table: &Table) {
        self.settle(table);
        self.details = self.selected(table).map(|index| table.rows[index].subject);
        self.scrolled = 0;
    }

    /// Sorts by a column so many places further.
    pub(super) fn move_order(&mut self, places: isize) {
        let columns = self.tab.columns().len();
        let order = &mut self.orders[self.tab.index()];
        order.column = wrap(order.column, places, columns);
    }

    pub(super) fn reverse(&mut self) {
        let order = &mut self.orders[self.tab.index()];
        order.is_reversed = !order.is_reversed;
    }
}

/// The place so many places further, of `count` in a circle.
pub(super) fn wrap(place: usize, places: isize, count: usize) -> usize {
    // CAST: there are few of anything here.
    (place as isize + places).rem_euclid(count.max(1) as isize) as usize
}
