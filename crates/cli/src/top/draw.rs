//! The screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as TextLine, Span};
use ratatui::widgets::Paragraph;

use super::details::Line;
use super::plain::title;
use super::table::{Column, Order, Row, Table};
use super::tabs::Tab;
use super::view::View;
use crate::document::Document;

/// The columns between two cells.
const GAP: usize = 2;

const HELP: &str = "q quit  1-6 Tab table  ↑↓ row  Enter details  ←→ sort  r reverse  / filter  Space pause";

/// How things look. Without colours they differ by brightness and inversion only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) has_colors: bool,
}

impl Theme {
    fn color(self, color: Color) -> Style {
        if self.has_colors {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn heading(self) -> Style {
        self.color(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    fn alarm(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// What there is to be drawn: the last document, how it is to be seen, and what went wrong since.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) document: &'a Document,
    pub(super) view: &'a View,
    pub(super) trouble: Option<&'a str>,
    pub(super) theme: Theme,
}

/// Draws everything. However small the screen is, what fits is drawn.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let [top, tabs, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(title(scene.document).trim_end().to_owned()), top);
    frame.render_widget(Paragraph::new(tab_line(scene)), tabs);
    frame.render_widget(Paragraph::new(bottom_line(scene)), bottom);
    let lines = match scene.view.describe(scene.document) {
        Some(lines) => detail_lines(&lines, scene, body),
        None => table_lines(scene, body),
    };
    frame.render_widget(Paragraph::new(lines), body);
}

fn tab_line(scene: &Scene<'_>) -> TextLine<'static> {
    let tabs = Tab::ALL.into_iter().enumerate().flat_map(|(index, tab)| {
        let is_shown = tab == scene.view.tab;
        let style = if is_shown {
            scene.theme.selected()
        } else {
            Style::new()
        };
        let title = format!(" {} {} ", index + 1, tab.title());
        [Span::styled(title, style), Span::raw(" ")]
    });
    TextLine::from_iter(tabs)
}

fn bottom_line(scene: &Scene<'_>) -> TextLine<'static> {
    let view = scene.view;
    if let Some(trouble) = scene.trouble {
        return TextLine::styled(trouble.to_owned(), scene.theme.alarm());
    }
    if view.is_typing {
        return TextLine::from(format!(
            "filter: {}_  (Enter keeps it, Esc forgets it)",
            view.filter
        ));
    }
    let mut text = String::new();
    if view.is_paused {
        text += "paused  ";
    }
    if !view.filter.is_empty() {
        text += &format!("filter: {}  ", view.filter);
    }
    TextLine::from(text + HELP)
}

fn detail_lines(lines: &[Line], scene: &Scene<'_>, area: Rect) -> Vec<TextLine<'static>> {
    let height = usize::from(area.height);
    let first = scene.view.scrolled.min(lines.len().saturating_sub(height));
    let lines = lines.iter().skip(first).take(height);
    let draw = |line: &Line| match line {
        Line::Heading(text) => TextLine::styled(text.clone(), scene.theme.heading()),
        Line::Text(text) => TextLine::raw(format!("  {text}")),
        Line::Alarm(text) => TextLine::styled(format!("  {text}"), scene.theme.alarm()),
    };
    lines.map(draw).collect()
}

fn table_lines(scene: &Scene<'_>, area: Rect) -> Vec<TextLine<'static>> {
    let view = scene.view;
    let table = view.table(view.tab, scene.document);
    let widths = fitting(&table.widths(), usize::from(area.width));
    let height = usize::from(area.height).saturating_sub(1);
    let selected = view.selected(&table);
    let first = first_row(selected.unwrap_or(0), height);
    let headings = heading_line(&table, &widths, view.order(view.tab), scene.theme);
    let rows = table.rows.iter().enumerate().skip(first).take(height);
    let rows = rows.map(|(index, row)| {
        let line = row_line(row, table.columns, &widths, scene.theme);
        if Some(index) == selected {
            line.patch_style(scene.theme.selected())
        } else {
            line
        }
    });
    let mut lines: Vec<TextLine<'static>> = std::iter::once(headings).chain(rows).collect();
    if table.rows.is_empty() {
        let which = if view.filter.is_empty() {
            ""
        } else {
            " that the filter lets through"
        };
        lines.push(TextLine::raw(format!(
            "no {}{which}",
            view.tab.title().to_lowercase()
        )));
    }
    lines
}

/// The widths of the columns that fit, from the left. The first one is there in any case.
fn fitting(widths: &[usize], room: usize) -> Vec<usize> {
    let mut used = 0;
    let fits = |width: &&usize| {
        let before = used;
        used += **width + GAP;
        before == 0 || before + **width <= room
    };
    widths.iter().take_while(fits).copied().collect()
}

/// The first row that is shown, so that the selected one is.
fn first_row(selected: usize, height: usize) -> usize {
    (selected + 1).saturating_sub(height)
}

fn heading_line(table: &Table, widths: &[usize], order: Order, theme: Theme) -> TextLine<'static> {
    let cells = table.columns.iter().zip(widths).enumerate();
    let cells = cells.flat_map(|(index, (column, width))| {
        let style = match index == order.column {
            true => theme.heading().add_modifier(Modifier::UNDERLINED),
            false => theme.heading(),
        };
        aligned(column.heading, *column, *width, style)
    });
    TextLine::from_iter(cells)
}

fn row_line(row: &Row, columns: &[Column], widths: &[usize], theme: Theme) -> TextLine<'static> {
    let style = if row.is_alarming {
        theme.alarm()
    } else {
        Style::new()
    };
    let cells = row.cells.iter().zip(columns).zip(widths);
    let cells = cells.flat_map(|((cell, column), width)| aligned(&cell.text, *column, *width, style));
    TextLine::from_iter(cells).patch_style(style)
}

/// A cell and the gap after it. Only the words are styled.
fn aligned(text: &str, column: Column, width: usize, style: Style) -> [Span<'static>; 3] {
    let space = " ".repeat(width.saturating_sub(text.chars().count()));
    let gap = " ".repeat(GAP);
    let text = Span::styled(text.to_owned(), style);
    match column.is_number {
        true => [Span::raw(space), text, Span::raw(gap)],
        false => [text, Span::raw(space), Span::raw(gap)],
    }
}
