//! Conversion between RGB and limited-range Y, U, V.

use crate::size::Size;

/// Which standard relates Y, U, V to RGB. Neither Y4M nor our recordings say, so both ends go by the size, as
/// players do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, for standard-definition pictures.
    Bt601,
    /// ITU-R BT.709, for high-definition pictures.
    Bt709,
}

/// Pictures with at least this many rows, or more than [`HD_WIDTH`] columns, count as high definition.
const HD_HEIGHT: u16 = 720;
const HD_WIDTH: u16 = 1024;

impl Matrix {
    /// What players assume for a size when nothing is said.
    #[must_use]
    pub fn for_size(size: Size) -> Self {
        if size.height() >= HD_HEIGHT || size.width() > HD_WIDTH {
            Self::Bt709
        } else {
            Self::Bt601
        }
    }

    /// Weights of red and blue in luma.
    fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
        }
    }

    /// The Y, U, V of a color given as red, green, blue in 0..=255.
    #[must_use]
    pub fn to_yuv(self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        let (weight_red, weight_blue) = self.weights();
        let [red, green, blue] = [red, green, blue].map(|part| f64::from(part) / 255.0);
        let luma = weight_red * red + (1.0 - weight_red - weight_blue) * green + weight_blue * blue;
        let chroma_blue = (blue - luma) / (2.0 * (1.0 - weight_blue));
        let chroma_red = (red - luma) / (2.0 * (1.0 - weight_red));
        [
            to_byte(16.0 + 219.0 * luma),
            to_byte(128.0 + 224.0 * chroma_blue),
            to_byte(128.0 + 224.0 * chroma_red),
        ]
    }

    /// The red, green, blue in 0..=255 of a color given as Y, U, V; what lies outside is clamped.
    #[must_use]
    pub fn to_rgb(self, [luma, chroma_blue, chroma_red]: [u8; 3]) -> [u8; 3] {
        let (weight_red, weight_blue) = self.weights();
        let luma = (f64::from(luma) - 16.0) / 219.0;
        let chroma_blue = (f64::from(chroma_blue) - 128.0) / 112.0;
        let chroma_red = (f64::from(chroma_red) - 128.0) / 112.0;
        let red = luma + (1.0 - weight_red) * chroma_red;
        let blue = luma + (1.0 - weight_blue) * chroma_blue;
        let green = (luma - weight_red * red - weight_blue * blue) / (1.0 - weight_red - weight_blue);
        [red, green, blue].map(|part| to_byte(255.0 * part))
    }
}

fn to_byte(value: f64) -> u8 {
    // CAST: clamped to the range of a byte just before.
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colors_have_the_standard_values() {
        assert_eq!(Matrix::Bt601.to_yuv([255, 0, 0]), [81, 90, 240]);
        assert_eq!(Matrix::Bt709.to_yuv([255, 0, 0]), [63, 102, 240]);
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            assert_eq!(matrix.to_yuv([0, 0, 0]), [16, 128, 128]);
            assert_eq!(matrix.to_yuv([255, 255, 255]), [235, 128, 128]);
        }
    }

    #[test]
    fn colors_survive_the_round_trip() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            for step in 0..=4096_u32 {
                let rgb = [step % 17, step / 17 % 17, step / 289]
                    .map(|part| u8::try_from(part.min(16) * 15).unwrap());
                let back = matrix.to_rgb(matrix.to_yuv(rgb));
                assert!(
                    rgb.iter().zip(back).all(|(&a, b)| a.abs_diff(b) <= 2),
                    "{rgb:?} {back:?}"
                );
            }
        }
    }

    #[test]
    fn impossible_values_are_clamped() {
        assert_eq!(Matrix::Bt709.to_rgb([255, 128, 128]), [255; 3]);
        assert_eq!(Matrix::Bt709.to_rgb([0, 128, 128]), [0; 3]);
        assert_eq!(Matrix::Bt601.to_rgb([128, 255, 255])[1], 0);
    }

    #[test]
    fn high_definition_uses_709() {
        assert_eq!(Matrix::for_size(Size::new(1280, 720).unwrap()), Matrix::Bt709);
        assert_eq!(Matrix::for_size(Size::new(720, 576).unwrap()), Matrix::Bt601);
    }
}
