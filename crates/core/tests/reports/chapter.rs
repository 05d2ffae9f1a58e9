//! What the chapter for those who read refusals shows is what is written.

use crate::{kinds, plans};

const CHAPTER: &str = include_str!("../../../../docs/refusals.md");

/// The blocks that show what is written, by the name behind the word `text`.
fn shown() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut lines = CHAPTER.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("```text ") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((name, block.join("\n")));
        }
    }
    blocks
}

#[test]
fn every_kind_is_shown_as_it_is_written() {
    let reports = kinds::all()
        .into_iter()
        .map(|(name, report)| (name, report.to_string()));
    let expected: Vec<(&str, String)> = reports.chain([("plan", plans::plan().to_string())]).collect();
    let shown = shown();
    for (name, text) in &expected {
        let block = shown.iter().find(|(other, _)| other == name);
        let block = block.unwrap_or_else(|| panic!("no block of {name}"));
        assert_eq!(&block.1, text, "{name}");
    }
    assert_eq!(shown.len(), expected.len());
}
