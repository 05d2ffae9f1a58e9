//! What the bytes from a terminal mean.

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Start or stop recording: `r`.
    Record,
    /// Leave: `q`, Ctrl-C or Ctrl-D.
    Quit,
}

const ESCAPE: u8 = 0x1b;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// Finds the keys of meaning in what a terminal sends. Other keys, and the letters inside the sequences that arrow and function
/// keys send, mean nothing.
#[derive(Debug, Default)]
pub struct Keys {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Plain,
    /// After an escape character.
    Escaped,
    /// In a sequence that ends with a byte from `@` to `~`.
    Sequence,
}

impl Keys {
    /// The keys in the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        let keys = bytes.iter().filter_map(|&byte| self.take(byte)).collect();
        // What a key sends comes at once: an escape character at the end is the key of that name.
        if bytes.last() == Some(&ESCAPE) {
            self.state = State::Plain;
        }
        keys
    }

    fn take(&mut self, byte: u8) -> Option<Key> {
        let (state, key) = match (self.state, byte) {
            (State::Plain | State::Escaped, ESCAPE) => (State::Escaped, None),
            (State::Plain, byte) => (State::Plain, meaning(byte)),
            (State::Escaped, b'[' | b'O') => (State::Sequence, None),
            (State::Sequence, 0x20..=0x3f) => (State::Sequence, None),
            (State::Escaped | State::Sequence, _) => (State::Plain, None),
        };
        self.state = state;
        key
    }
}

fn meaning(byte: u8) -> Option<Key> {
    match byte {
        b'r' | b'R' => Some(Key::Record),
        b'q' | b'Q' | CTRL_C | CTRL_D => Some(Key::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().push(bytes)
    }

    #[test]
    fn keys_have_their_meaning() {
        use Key::{Quit, Record};
        assert_eq!(keys(b"rxRqQ\x03\x04"), [Record, Record, Quit, Quit, Quit, Quit]);
    }

    #[test]
    fn letters_inside_sequences_mean_nothing() {
        // F3, arrow up, F5, Alt-r, and a key on its own after them.
        assert_eq!(keys(b"\x1bOR\x1b[A\x1b[15~\x1brq"), [Key::Quit]);
        assert_eq!(keys(b"\x1b[1;5Rr"), [Key::Record]);
    }

    #[test]
    fn sequence_in_two_parts_is_one() {
        let mut keys = Keys::default();
        assert_eq!(keys.push(b"\x1b["), []);
        assert_eq!(keys.push(b"1R"), []);
        assert_eq!(keys.push(b"r"), [Key::Record]);
    }

    #[test]
    fn escape_key_swallows_nothing() {
        let mut keys = Keys::default();
        assert_eq!(keys.push(b"\x1b"), []);
        assert_eq!(keys.push(b"q"), [Key::Quit]);
    }
}
