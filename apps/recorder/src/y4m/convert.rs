//! Chroma of other kinds, averaged down to 4:2:0 a row at a time.

/// Averages each two bytes of `upper` and `lower` that stand above each other; the result goes to `upper`.
/// Halves round up.
pub(super) fn halve_vertically(upper: &mut [u8], lower: &[u8]) {
    for (up, &down) in upper.iter_mut().zip(lower) {
        *up = up.midpoint(down) + ((*up ^ down) & 1);
    }
}

/// Averages each 2×2 bytes of `upper` and `lower`; the results go to the first half of `upper`. Halves round
/// up.
pub(super) fn halve_both_ways(upper: &mut [u8], lower: &[u8]) {
    for index in 0..upper.len().min(lower.len()) / 2 {
        let column = 2 * index;
        let sum: u16 = [upper[column], upper[column + 1], lower[column], lower[column + 1]]
            .map(u16::from)
            .iter()
            .sum();
        // CAST: the mean of four bytes is a byte.
        upper[index] = ((sum + 2) / 4) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vertical_mean_rounds_half_up_for_all_pairs() {
        for a in 0..=255_u8 {
            for b in 0..=255_u8 {
                let mut upper = [a];
                halve_vertically(&mut upper, &[b]);
                assert_eq!(u16::from(upper[0]), (u16::from(a) + u16::from(b)).div_ceil(2));
            }
        }
    }

    #[test]
    fn mean_of_four_rounds_half_up() {
        let mut upper = [0, 1, 255, 255, 10, 20];
        halve_both_ways(&mut upper, &[0, 1, 255, 255, 30, 41]);
        assert_eq!(upper[..3], [1, 255, 25]);
    }
}
