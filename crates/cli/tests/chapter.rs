//! The sets in the chapter for those who write devices come out as it says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod support;

use std::fs;
use std::path::Path;

use support::Outcome;
use support::solving::{expected, wharf_on};

const CHAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/declaring.md");

/// The chapter with what is printed of each set in the block behind it.
fn rewritten(chapter: &str) -> (String, usize) {
    let mut told = String::new();
    let mut set: Option<String> = None;
    let mut sets = 0;
    let mut lines = chapter.lines();
    while let Some(line) = lines.next() {
        told = told + line + "\n";
        let mut block = || {
            let lines = lines.by_ref().take_while(|line| *line != "```");
            lines.map(|line| line.to_owned() + "\n").collect::<String>()
        };
        match line {
            "```toml" => {
                let text = block();
                told = told + &text + "```\n";
                assert!(set.replace(text).is_none(), "a set without outcome before {line}");
            }
            "```text" | "```text explain" => {
                block();
                let command = line.strip_prefix("```text ").unwrap_or("solve");
                let set = set.take().expect("an outcome is behind a set");
                let ended = wharf_on(&[command, "-"], &set);
                told = told + &ended.stdout + &ended.stderr + "```\n";
                sets += 1;
            }
            _ => {}
        }
    }
    assert_eq!(set, None, "the last set has an outcome");
    (told, sets)
}

/// `UPDATE_EXPECTED=1` writes what is printed instead: look at every difference.
#[test]
fn sets_of_the_chapter_come_out_as_it_says() -> Outcome {
    let (told, sets) = rewritten(&fs::read_to_string(CHAPTER)?);
    assert!(sets >= 10, "{sets}");
    expected(Path::new(CHAPTER), &told)
}
