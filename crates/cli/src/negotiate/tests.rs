//! Files that somebody damaged: an answer or a complaint, never a panic, and never control characters.

use clap::ColorChoice;
use proptest::collection::vec;
use proptest::prelude::*;
use wharf_core::negotiation::SetFile;

use super::outcome::Outcome;
use super::source::{Format, Source};
use super::{Depth, color, page, parse};

/// What the damage is done to.
const SETS: [&str; 4] = [
    include_str!("../../../../sets/worked-example.toml"),
    include_str!("../../../../sets/late-joiners-moved.toml"),
    include_str!("../../../../sets/impossible-windows.toml"),
    include_str!("../../../../sets/exact-pitch.toml"),
];

/// What comes in the place of something else.
const PIECES: [&str; 24] = [
    "0",
    "1",
    "-1",
    "4096",
    "18446744073709551615",
    "9223372036854775807",
    "\"16 EiB\"",
    "\"0x\"",
    "\"0..0\"",
    "\"\\u001b[2J\"",
    "\u{1b}[2J",
    "\u{0}",
    "true",
    "[]",
    "[[",
    "{}",
    "\"",
    "\n",
    "\n[[participants]]\n",
    "late = true\n",
    "contract = \"static\"\n",
    "presence = \"phantom\"\n",
    "fixed 3",
    "{ optional = { priority = 4294967295 } }",
];

/// A change: where, how much goes, and what comes instead.
type Damage = (prop::sample::Index, usize, Option<usize>);

fn damaged(set: usize, as_json: bool, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = SETS[set].as_bytes().to_vec();
    if as_json {
        let set: SetFile = toml::from_str(SETS[set]).expect("it is shipped");
        bytes = serde_json::to_vec_pretty(&set).expect("sets can be written");
    }
    for (place, length, piece) in damages {
        let start = place.index(bytes.len() + 1);
        // Whole words and numbers go more often than halves.
        let word = bytes[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let end = (start + word.max(1) * length).min(bytes.len());
        let piece = piece.map_or("", |piece| PIECES[piece]);
        bytes.splice(start..end, piece.bytes());
    }
    bytes
}

/// Does all that the command does but reading and printing; returns what it would print.
fn outcome(source: &Source) -> Vec<String> {
    let set = match parse::parse(source) {
        Ok(set) => set,
        Err(failure) => return failure.lines(),
    };
    let outcome = Outcome::of(&set);
    let mut told = vec![serde_json::to_string(&outcome).expect("outcomes can be written")];
    for depth in [Depth::What, Depth::Why] {
        let mut text = String::new();
        let palette = color::palette(ColorChoice::Never);
        page::write(&mut text, &set, &outcome, depth, palette).expect("strings take everything");
        told.extend(text.lines().map(str::to_owned));
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_answered_in_visible_words(
        set in 0..SETS.len(),
        as_json: bool,
        damages in vec((any::<prop::sample::Index>(), 0_usize..4, prop::option::of(0..PIECES.len())), 0..4),
    ) {
        let bytes = damaged(set, as_json, &damages);
        let format = if as_json { Format::Json } else { Format::Toml };
        let told = outcome(&Source { file: "it".to_owned(), format, bytes });
        prop_assert!(!told.is_empty());
        for line in told {
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn bytes_are_answered_in_visible_words(bytes: Vec<u8>, as_json: bool) {
        let format = if as_json { Format::Json } else { Format::Toml };
        for line in outcome(&Source { file: "it".to_owned(), format, bytes }) {
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}
