//! Makes a set of what was read, or says where and what is wrong.

use std::fmt;

use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wharf_core::negotiation::SetFile;

use super::source::{Format, Source};
use crate::failure::Failure;

/// How many mistakes are told: those behind them often follow from the first.
const MAX_MISTAKES: usize = 8;

/// Something wrong in a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Line and column, from 1; none if it is about the whole.
    pub(crate) place: Option<(usize, usize)>,
    /// What it is about, such as `participants[0].label`; empty if it is about the whole.
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl fmt::Display for Mistake {
    /// Writes `3:7: participants[0].label: reason`, to be preceded by a file and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.reason)
    }
}

/// Makes a set of a description.
pub(super) fn parse(source: &Source) -> Result<SetFile, Failure> {
    let parsed = match std::str::from_utf8(&source.bytes) {
        Ok(text) => match source.format {
            Format::Toml => toml(text),
            Format::Json => json(text),
        },
        Err(error) => Err(vec![Mistake {
            place: Some(place(&source.bytes, error.valid_up_to())),
            path: String::new(),
            reason: "this is no UTF-8 text".to_owned(),
        }]),
    };
    parsed.map_err(|mistakes| Failure::NoSet {
        file: source.file.clone(),
        mistakes,
    })
}

fn toml(text: &str) -> Result<SetFile, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistakes = errors.iter().take(MAX_MISTAKES).map(|error| Mistake {
            place: error.span().map(|span| place(text.as_bytes(), span.start)),
            path: String::new(),
            reason: error.message().to_owned(),
        });
        let mut mistakes: Vec<Mistake> = mistakes.collect();
        mistakes.sort_by_key(|mistake| mistake.place);
        return Err(mistakes);
    }
    serde_path_to_error::deserialize(toml::Deserializer::from(table)).map_err(|error| {
        let offset = toml_offset(text, error.path(), error.inner());
        let place = offset.map(|offset| place(text.as_bytes(), offset));
        vec![mistake(error.path(), place, error.inner().message())]
    })
}

fn json(text: &str) -> Result<SetFile, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        json_mistake(&path, &error.into_inner())
    });
    let set = read.map_err(|mistake| vec![mistake])?;
    let root = serde_path_to_error::Track::new().path();
    let end = deserializer.end().map_err(|error| json_mistake(&root, &error));
    end.map(|()| set).map_err(|mistake| vec![mistake])
}

fn json_mistake(path: &Path, error: &serde_json::Error) -> Mistake {
    let place = (error.line() > 0).then(|| (error.line(), error.column()));
    let reason = error.to_string();
    let said = format!(" at line {} column {}", error.line(), error.column());
    mistake(path, place, reason.strip_suffix(&said).unwrap_or(&reason))
}

/// A mistake whose reason does not begin with the field that the path says anyway.
fn mistake(path: &Path, place: Option<(usize, usize)>, reason: &str) -> Mistake {
    let mut keys = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    let behind_field = |key| reason.strip_prefix(key)?.strip_prefix(": ");
    let reason = keys.next_back().and_then(behind_field).unwrap_or(reason);
    let is_root = path.iter().next().is_none();
    Mistake {
        place,
        path: if is_root { String::new() } else { path.to_string() },
        reason: reason.trim().to_owned(),
    }
}

/// Where a mistake is: what the path leads to, or what the error is about, whichever is told more closely. None if it is about the
/// whole.
fn toml_offset(text: &str, path: &Path, error: &toml::de::Error) -> Option<usize> {
    let (table, _) = DeTable::parse_recoverable(text);
    let found = follow(&table, path)?;
    let entry = found
        .get_ref()
        .as_table()
        .and_then(|table| named(table, error.message()));
    let told = error.span().map(|span| span.start);
    let places = [Some(found.span().start), entry, told];
    places.into_iter().flatten().max()
}

/// What the path leads to, as far as it leads.
fn follow<'a, 'i>(table: &'a Spanned<DeTable<'i>>, path: &Path) -> Option<&'a Spanned<DeValue<'i>>> {
    let mut segments = path.iter();
    let Segment::Map { key } = segments.next()? else {
        return None;
    };
    let mut found = table.get_ref().get(key.as_str())?;
    for segment in segments {
        let next = match (segment, found.get_ref()) {
            (Segment::Map { key }, DeValue::Table(table)) => table.get(key.as_str()),
            (Segment::Seq { index }, DeValue::Array(array)) => array.get(*index),
            _ => None,
        };
        match next {
            Some(next) => found = next,
            None => break,
        }
    }
    Some(found)
}

/// Where the entry is that a complaint about its table names first.
fn named(table: &DeTable<'_>, complaint: &str) -> Option<usize> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    let mut words = complaint.split(|character| !is_part(character));
    words.find_map(|word| {
        let entry = table.iter().find(|(key, _)| key.get_ref() == word);
        entry.map(|(key, _)| key.span().start)
    })
}

/// Line and column of a byte, both from 1; columns count characters.
fn place(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count();
    (line + 1, column + 1)
}
