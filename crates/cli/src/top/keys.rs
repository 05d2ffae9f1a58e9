//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::table::Table;
use super::tabs::Tab;
use super::view::{View, wrap};

/// Rows of a step by page keys.
const PAGE: usize = 10;

/// What becomes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Stay,
    Quit,
}

/// Does what a key asks for. `table` is what is shown.
pub(super) fn press(view: &mut View, key: KeyEvent, table: &Table) -> Verdict {
    if key.kind == KeyEventKind::Release {
        return Verdict::Stay;
    }
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Verdict::Quit;
    }
    if view.is_typing {
        type_filter(view, key);
        return Verdict::Stay;
    }
    match key.code {
        KeyCode::Char('q') => return Verdict::Quit,
        KeyCode::Char('/') => {
            view.is_typing = true;
            view.details = None;
        }
        KeyCode::Char(' ') => view.is_paused = !view.is_paused,
        KeyCode::Char(digit @ '1'..='9') => show_nth(view, digit),
        KeyCode::Tab => show_next(view, 1),
        KeyCode::BackTab => show_next(view, -1),
        KeyCode::Esc => back(view),
        code if view.details.is_some() => scroll(view, code),
        code => in_table(view, code, table),
    }
    Verdict::Stay
}

fn type_filter(view: &mut View, key: KeyEvent) {
    match key.code {
        KeyCode::Enter => view.is_typing = false,
        KeyCode::Esc => {
            view.is_typing = false;
            view.filter.clear();
        }
        KeyCode::Backspace => drop(view.filter.pop()),
        KeyCode::Char(letter) if !letter.is_control() => view.filter.push(letter),
        _ => {}
    }
}

fn show_nth(view: &mut View, digit: char) {
    let nth = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
    if let Some(tab) = nth.and_then(|nth| Tab::ALL.get(nth.wrapping_sub(1))) {
        view.show(*tab);
    }
}

fn show_next(view: &mut View, places: isize) {
    view.show(Tab::ALL[wrap(view.tab.index(), places, Tab::ALL.len())]);
}

/// Leaves the details, or else forgets the filter.
fn back(view: &mut View) {
    if view.details.take().is_none() {
        view.filter.clear();
    }
}

fn scroll(view: &mut View, code: KeyCode) {
    view.scrolled = match code {
        KeyCode::Up | KeyCode::Char('k') => view.scrolled.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => view.scrolled.saturating_add(1),
        KeyCode::PageUp => view.scrolled.saturating_sub(PAGE),
        KeyCode::PageDown => view.scrolled.saturating_add(PAGE),
        KeyCode::Home => 0,
        KeyCode::End => usize::MAX,
        KeyCode::Enter | KeyCode::Backspace => {
            view.details = None;
            0
        }
        _ => view.scrolled,
    };
}

fn in_table(view: &mut View, code: KeyCode, table: &Table) {
    let selected = view.selected(table).unwrap_or(0);
    match code {
        KeyCode::Up | KeyCode::Char('k') => view.select(table, selected.saturating_sub(1)),
        KeyCode::Down | KeyCode::Char('j') => view.select(table, selected.saturating_add(1)),
        KeyCode::PageUp => view.select(table, selected.saturating_sub(PAGE)),
        KeyCode::PageDown => view.select(table, selected.saturating_add(PAGE)),
        KeyCode::Home => view.select(table, 0),
        KeyCode::End => view.select(table, usize::MAX),
        KeyCode::Enter => view.open(table),
        KeyCode::Left | KeyCode::Char('<') => view.move_order(-1),
        KeyCode::Right | KeyCode::Char('>') => view.move_order(1),
        KeyCode::Char('r') => view.reverse(),
        _ => {}
    }
}
