//! JSON values, one a line, cut out of a stream of bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest line taken, in bytes. Real ones have less than a thousand, but for reports of refusals, which can be as long as one of the
/// broker's replies.
const LIMIT_BYTES: usize = 1 << 20;

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// It is too long.
    #[error("a line has more than the limit of {LIMIT_BYTES} bytes")]
    TooLong,
    /// It is not what it should be.
    #[error("a line makes no sense: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Gathers bytes until a line is whole.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next value, if its line is whole. After an error nothing more can be taken.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') else {
            return match self.bytes.len() {
                0..LIMIT_BYTES => Ok(None),
                _ => Err(LineError::TooLong),
            };
        };
        let value = serde_json::from_slice(&self.bytes[..end]);
        self.bytes.drain(..=end);
        Ok(Some(value?))
    }
}

/// A value as a line.
pub(super) fn to_line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::super::message::{Order, RecordOrder, Source, Word};
    use super::super::{OpenOrder, RecordingState};
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;
    use wharf::{SetId, Token};

    use crate::needs::EncoderNeeds;

    #[test]
    fn values_come_back_however_the_stream_is_cut() {
        let orders = [
            Order::Open(OpenOrder {
                source: Source::TestCard("640x480".parse().unwrap()),
                rate: "30000/1001".parse().ok(),
                time_limit: Some(Duration::from_millis(2500)),
                record_at: None,
                viewers: 1,
            }),
            Order::Record(RecordOrder {
                token: Token::new("secret"),
                size: "16x16".parse().unwrap(),
                rate: "1/60".parse().unwrap(),
                path: OsString::from_vec(b"not\xffutf8\n".to_vec()).into(),
                needs: EncoderNeeds::Impossible,
                set: SetId(7),
            }),
            Order::ShowRecording(RecordingState::Failed("a\nb".into())),
            Order::Stop,
        ];
        let bytes: Vec<u8> = orders.iter().flat_map(|order| to_line(order).unwrap()).collect();
        for size in [1, 7, bytes.len()] {
            let (mut lines, mut got) = (Lines::default(), Vec::new());
            for part in bytes.chunks(size) {
                lines.push(part);
                while let Some(order) = lines.next::<Order>().unwrap() {
                    got.push(order);
                }
            }
            assert_eq!(got, orders);
        }
    }

    #[test]
    fn senseless_and_endless_lines_are_refused() {
        let mut lines = Lines::default();
        lines.push(b"{\"captured\":7}\n");
        assert!(matches!(lines.next::<Word>(), Err(LineError::Malformed(_))));
        let mut lines = Lines::default();
        lines.push(&[b' '; LIMIT_BYTES]);
        assert!(matches!(lines.next::<Word>(), Err(LineError::TooLong)));
    }
}
