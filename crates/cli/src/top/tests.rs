//! The screen as text, what keys do to it, and that nothing breaks it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where it cannot go on"
)]

use clap::Parser;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::args::TopArgs;
use super::draw::{Scene, Theme, draw};
use super::keys::{Verdict, press};
use super::tabs::Tab;
use super::view::View;
use crate::args::{Args, Command};
use crate::document::fixture::document;
use crate::document::{Document, Stream};

fn args(arguments: &[&str]) -> TopArgs {
    let arguments = ["wharf", "top"].iter().chain(arguments);
    match Args::parse_from(arguments).command {
        Command::Top(args) => args,
        other => panic!("{other:?}"),
    }
}

fn view(arguments: &[&str]) -> View {
    View::new(&args(arguments)).unwrap()
}

fn screen_of(document: &Document, view: &View, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let scene = Scene {
        document,
        view,
        trouble: None,
        theme: Theme { has_colors: true },
    };
    terminal.draw(|frame| draw(frame, &scene)).unwrap();
    terminal
}

/// The lines of the screen, without what is blank at their ends.
fn lines(document: &Document, view: &View, size: (u16, u16)) -> Vec<String> {
    let terminal = screen_of(document, view, size);
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(size.0));
    let text = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    rows.map(|row| text(row).trim_end().to_owned()).collect()
}

fn type_keys(view: &mut View, document: &Document, keys: &[KeyCode]) -> Verdict {
    let mut verdict = Verdict::Stay;
    for key in keys {
        let table = view.table(view.tab, document);
        verdict = press(view, KeyEvent::new(*key, KeyModifiers::NONE), &table);
    }
    verdict
}

/// The first cells of the rows that are shown.
fn first_cells(view: &View, document: &Document) -> Vec<String> {
    let rows = view.table(view.tab, document).rows;
    rows.into_iter().map(|row| row.cells[0].text.clone()).collect()
}

#[test]
fn streams_are_drawn_with_their_rates() {
    let expected = [
        "broker 0.1.0 at /run/wharf-0, process 100, user 1000, in 1.00 s",
        " 1 Streams   2 Consumers   3 Sessions   4 Sets   5 Timelines   6 Users",
        "STREAM  NAME     PRODUCER  FRAMES/S      P50      P99  QUEUED  HELD  SKIPPED/S  WAITING  CONSUMERS  BLOCKED BY  SET",
        "     1  preview  camera          30  1.01 ms  41.5 ms       2     2        5.0     50 %     2 of 8  encoder       1",
        "     2  packets  encoder          -        -        -       -     0          -        -     0 of 8                2",
        "",
        "q quit  1-6 Tab table  ↑↓ row  Enter details  ←→ sort  r reverse  / filter  Space pause",
    ];
    assert_eq!(lines(&document(), &view(&[]), (120, 7)), expected);
}

#[test]
fn every_table_is_drawn() {
    let expected = [
        ("consumers", "encoder   1 preview  103  block       "),
        ("sessions", "      1  camera   101  1000  31.6 MiB    8"),
        (
            "sets",
            "  1  frames   camera   1000  31.6 MiB        4  7.9 MiB           2  moving to 3  memfd-huge",
        ),
        ("timelines", "       1  rendered      1  camera  1000        1"),
        (
            "users",
            "1000  31.6 MiB  32 MiB  99 %  5 of 1024   3 of 64  2 of 64  25 of 4096",
        ),
    ];
    for (tab, line) in expected {
        let lines = lines(&document(), &view(&["--tab", tab]), (140, 8));
        assert!(
            lines.iter().any(|found| found.starts_with(line)),
            "{line} is not in {lines:#?}"
        );
    }
}

#[test]
fn enter_shows_who_holds_what_and_who_is_in_the_way() {
    let (document, mut view) = (document(), view(&[]));
    type_keys(&mut view, &document, &[KeyCode::Enter]);
    let shown = lines(&document, &view, (100, 30));
    for line in [
        "stream 1 preview",
        "  produced by session 1 camera",
        "  30 frames/s, 50 % of the time waiting for a buffer",
        "  has been waiting for 400 ms: encoder (pid 103) is in the way",
        "  buffer  2  frame 328  encoder (pid 103) for 450 ms",
        "  buffer  3  frame 329  encoder (pid 103) for 450 ms",
        "  the producer waits for it",
    ] {
        assert!(
            shown.iter().any(|found| found == line),
            "{line} is not in {shown:#?}"
        );
    }
    type_keys(&mut view, &document, &[KeyCode::Esc]);
    assert!(lines(&document, &view, (100, 30))[2].starts_with("STREAM"));
}

#[test]
fn every_row_has_details() {
    let document = document();
    for tab in Tab::ALL {
        let mut view = view(&[]);
        view.show(tab);
        for row in view.table(tab, &document).rows {
            view.details = Some(row.subject);
            let lines = view.describe(&document).unwrap();
            assert!(lines.len() > 2, "{:?}: {lines:?}", row.subject);
        }
    }
    let mut timeline = view(&["--tab", "timelines"]);
    type_keys(&mut timeline, &document, &[KeyCode::Enter]);
    let shown = lines(&document, &timeline, (100, 20));
    assert!(
        shown.contains(&"  imported by session 3 encoder".to_owned()),
        "{shown:#?}"
    );
    let mut set = view(&["--tab", "sets"]);
    type_keys(&mut set, &document, &[KeyCode::Enter]);
    let shown = lines(&document, &set, (100, 20));
    assert!(
        shown.contains(&"  1 MiB of generation 1 are kept by session 2 viewer".to_owned()),
        "{shown:#?}"
    );
    assert!(
        shown.contains(&"  moving to generation 3, waits for session 3 encoder".to_owned()),
        "{shown:#?}"
    );
}

#[test]
fn details_of_what_is_gone_say_so() {
    let (mut document, mut view) = (document(), view(&[]));
    type_keys(&mut view, &document, &[KeyCode::Enter]);
    document.streams.clear();
    assert_eq!(lines(&document, &view, (60, 5))[2], "  it is not there any more");
}

#[test]
fn keys_choose_tables_orders_and_rows() {
    let (document, mut view) = (document(), view(&[]));
    assert_eq!(first_cells(&view, &document), ["1", "2"]);
    type_keys(
        &mut view,
        &document,
        &[KeyCode::Left, KeyCode::Left, KeyCode::Char('r')],
    );
    // By name, reversed: preview before packets.
    assert_eq!(first_cells(&view, &document), ["1", "2"]);
    type_keys(&mut view, &document, &[KeyCode::Char('r')]);
    assert_eq!(first_cells(&view, &document), ["2", "1"]);
    type_keys(&mut view, &document, &[KeyCode::Down]);
    let table = view.table(view.tab, &document);
    assert_eq!(view.selected(&table), Some(1));
    type_keys(&mut view, &document, &[KeyCode::Char('r')]);
    let table = view.table(view.tab, &document);
    assert_eq!(view.selected(&table), Some(0), "it is still the same stream");
    for (key, tab) in [
        (KeyCode::Tab, Tab::Consumers),
        (KeyCode::Char('5'), Tab::Timelines),
        (KeyCode::Char('6'), Tab::Users),
        (KeyCode::Tab, Tab::Streams),
        (KeyCode::BackTab, Tab::Users),
        (KeyCode::Char('9'), Tab::Users),
    ] {
        type_keys(&mut view, &document, &[key]);
        assert_eq!(view.tab, tab);
    }
    assert_eq!(
        type_keys(&mut view, &document, &[KeyCode::Char('q')]),
        Verdict::Quit
    );
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    view.is_typing = true;
    assert_eq!(press(&mut view, interrupt, &table), Verdict::Quit);
}

#[test]
fn filter_is_typed_shown_and_forgotten() {
    let (document, mut view) = (document(), view(&[]));
    let keys = [
        KeyCode::Char('/'),
        KeyCode::Char('q'),
        KeyCode::Backspace,
        KeyCode::Char('A'),
        KeyCode::Char('c'),
    ];
    assert_eq!(type_keys(&mut view, &document, &keys), Verdict::Stay);
    assert_eq!(
        lines(&document, &view, (80, 5))[4],
        "filter: Ac_  (Enter keeps it, Esc forgets it)"
    );
    assert_eq!(first_cells(&view, &document), ["2"]);
    type_keys(&mut view, &document, &[KeyCode::Enter]);
    assert!(lines(&document, &view, (80, 5))[4].starts_with("filter: Ac  q quit"));
    type_keys(
        &mut view,
        &document,
        &[KeyCode::Char('/'), KeyCode::Char('x'), KeyCode::Enter],
    );
    assert_eq!(
        lines(&document, &view, (80, 5))[3],
        "no streams that the filter lets through"
    );
    type_keys(&mut view, &document, &[KeyCode::Esc]);
    assert_eq!(first_cells(&view, &document), ["1", "2"]);
}

#[test]
fn command_line_sorts_and_filters() {
    let document = document();
    assert_eq!(first_cells(&view(&["--sort", "name"]), &document), ["2", "1"]);
    assert_eq!(
        first_cells(&view(&["--sort", "stream", "--reverse"]), &document),
        ["1", "2"]
    );
    assert_eq!(
        first_cells(&view(&["--filter", "encoder", "--tab", "consumers"]), &document),
        ["encoder"]
    );
    let refused = View::new(&args(&["--sort", "speed", "--tab", "users"])).unwrap_err();
    assert_eq!(
        refused.lines(),
        ["there is no column 'speed'; there are USER, MEMORY, QUOTA, USED, BUFFERS, SESSIONS, STREAMS, FDS"]
    );
}

/// A document with so many streams.
fn crowded(count: u64) -> Document {
    let mut document = document();
    let model = document.streams[0].clone();
    let streams = (1..=count).map(|stream| Stream {
        stream,
        name: format!("stream-{stream}"),
        ..model.clone()
    });
    document.streams = streams.collect();
    document
}

#[test]
fn selected_row_of_a_thousand_is_on_the_screen() {
    let (document, mut view) = (crowded(1000), view(&["--sort", "stream", "--reverse"]));
    type_keys(&mut view, &document, &[KeyCode::End]);
    let shown = lines(&document, &view, (80, 12));
    assert!(shown[10].starts_with("  1000  stream-1000"), "{shown:#?}");
    type_keys(&mut view, &document, &[KeyCode::Home, KeyCode::PageDown]);
    let shown = lines(&document, &view, (80, 12));
    assert!(shown[10].starts_with("    11  stream-11"), "{shown:#?}");
}

#[test]
fn selection_survives_what_happens_to_its_row() {
    let (mut document, mut view) = (crowded(20), view(&["--sort", "stream", "--reverse"]));
    type_keys(&mut view, &document, &[KeyCode::PageDown]);
    document.streams.retain(|stream| stream.stream != 5);
    let table = view.table(view.tab, &document);
    assert_eq!(
        view.selected(&table),
        Some(9),
        "the same stream, one place higher"
    );
    view.settle(&table);
    document.streams.retain(|stream| stream.stream != 11);
    let table = view.table(view.tab, &document);
    assert_eq!(view.selected(&table), Some(9), "the one in its place");
    document.streams.truncate(3);
    let table = view.table(view.tab, &document);
    assert_eq!(view.selected(&table), Some(2));
}

#[test]
fn no_screen_is_too_small() {
    let document = crowded(30);
    for width in [1, 2, 5, 10, 20, 40] {
        for height in 1..6 {
            for tab in Tab::ALL {
                let mut view = view(&[]);
                view.show(tab);
                screen_of(&document, &view, (width, height));
                type_keys(&mut view, &document, &[KeyCode::Enter, KeyCode::End]);
                screen_of(&document, &view, (width, height));
            }
        }
    }
    let shown = lines(&document, &view(&[]), (20, 6));
    assert_eq!(shown[2], "STREAM  NAME", "columns that do not fit are left out");
}

#[test]
fn without_colours_there_are_none() {
    let document = document();
    let view = view(&[]);
    let mut terminal = Terminal::new(TestBackend::new(100, 8)).unwrap();
    let colored = |terminal: &Terminal<TestBackend>| {
        let cells = &terminal.backend().buffer().content;
        cells
            .iter()
            .any(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset))
    };
    for has_colors in [true, false] {
        let scene = Scene {
            document: &document,
            view: &view,
            trouble: Some("no broker"),
            theme: Theme { has_colors },
        };
        terminal.draw(|frame| draw(frame, &scene)).unwrap();
        assert_eq!(colored(&terminal), has_colors);
    }
}

#[test]
fn names_of_others_do_not_control_the_terminal() {
    let mut document = document();
    document.streams[0].name = "a\u{1b}[2Jb".to_owned();
    document.sessions[0].label = "c\nd".to_owned();
    let mut view = view(&[]);
    for keys in [&[][..], &[KeyCode::Enter]] {
        type_keys(&mut view, &document, keys);
        let shown = lines(&document, &view, (120, 20)).concat();
        assert!(
            !shown.contains(char::is_control) && shown.contains('\u{fffd}'),
            "{shown}"
        );
    }
    let plain = super::plain::describe(&document, &super::View::new(&args(&[])).unwrap(), None);
    assert!(!plain.replace('\n', "").contains(char::is_control));
}

#[test]
fn plain_tables_have_everything_or_what_was_asked_for() {
    let everything = super::plain::describe(&document(), &view(&[]), None);
    for heading in [
        "STREAM  NAME",
        "CONSUMER  STREAM",
        "SESSION  LABEL",
        "SET  NAME",
        "TIMELINE  NAME",
        "USER    MEMORY",
    ] {
        assert!(everything.contains(heading), "{heading} is not in:\n{everything}");
    }
    let users = super::plain::describe(&document(), &view(&[]), Some(Tab::Users));
    assert_eq!(
        users,
        "broker 0.1.0 at /run/wharf-0, process 100, user 1000, in 1.00 s\n\
         \n\
         USER    MEMORY   QUOTA  USED    BUFFERS  SESSIONS  STREAMS         FDS\n\
         1000  31.6 MiB  32 MiB  99 %  5 of 1024   3 of 64  2 of 64  25 of 4096\n"
    );
}
