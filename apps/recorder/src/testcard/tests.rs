//! Tests of the test card.

use super::*;
use crate::picture::Picture;

fn card(size: Size, frame: u64) -> Picture {
    let mut picture = Picture::black(size);
    TestCard::new(size).draw(frame, &mut picture).unwrap();
    picture
}

#[test]
fn every_extreme_size_and_frame_number_is_drawn() {
    for (width, height) in [
        (16, 16),
        (3840, 16),
        (16, 3840),
        (18, 22),
        (64, 62),
        (3840, 2160),
        (1280, 720),
    ] {
        let size = Size::new(width, height).unwrap();
        for frame in [0, 1, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(card(size, frame), card(size, frame));
        }
    }
}

#[test]
fn consecutive_frames_differ() {
    let size = Size::new(64, 64).unwrap();
    for frame in 0..100 {
        assert_ne!(card(size, frame), card(size, frame + 1), "{frame}");
    }
}

#[test]
fn picture_of_another_size_is_refused() {
    let small = Size::new(16, 16).unwrap();
    let card = TestCard::new(Size::new(32, 32).unwrap());
    assert!(card.draw(0, &mut Picture::black(small)).is_err());
}

#[test]
fn strip_shows_the_frame_number() {
    let size = Size::new(128, 64).unwrap();
    let picture = card(size, 0x8000_0005);
    let last_row = &picture.plane(Plane::Luma)[63 * 128..];
    let bits: Vec<bool> = last_row
        .chunks(4)
        .map(|square| square.iter().all(|&luma| luma == WHITE[0]))
        .collect();
    let expected: Vec<bool> = (0..32).map(|bit| [0, 29, 31].contains(&bit)).collect();
    assert_eq!(bits, expected);
}

#[test]
fn top_row_has_the_eight_bars() {
    let size = Size::new(1280, 720).unwrap();
    let picture = card(size, 40);
    for (bar, rgb) in BARS.into_iter().enumerate() {
        let [y, u, v] = Matrix::Bt709.to_yuv(rgb);
        assert_eq!(picture.plane(Plane::Luma)[bar * 160 + 80], y);
        assert_eq!(picture.plane(Plane::ChromaBlue)[bar * 80 + 40], u);
        assert_eq!(picture.plane(Plane::ChromaRed)[bar * 80 + 40], v);
    }
}
