//! Tests of what is sent to terminals.

use super::*;
use crate::picture::{Picture, RowSink};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

/// A picture with one color in its upper and another in its lower half.
fn two_colors(size: Size, upper: [u8; 3], lower: [u8; 3]) -> Picture {
    let mut picture = Picture::black(size);
    for (part, plane) in Plane::ALL.into_iter().enumerate() {
        for row in 0..size.rows(plane) {
            let rgb = if row < size.rows(plane) / 2 { upper } else { lower };
            let value = Matrix::for_size(size).to_yuv(rgb)[part];
            picture
                .put_row(plane, row, &vec![value; size.row_bytes(plane)])
                .unwrap();
        }
    }
    picture
}

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

#[test]
fn cell_has_its_upper_and_lower_color() {
    let picture = two_colors(size(16, 16), RED, BLUE);
    let mut renderer = Renderer::new();
    let [up, down] = [RED, BLUE].map(|rgb| {
        Matrix::Bt601
            .to_rgb(Matrix::Bt601.to_yuv(rgb))
            .map(|part| part.to_string())
            .join(";")
    });
    let text = renderer.render(&picture, 2, 2, "ok").unwrap();
    let expected = format!(
        "\x1b[?2026h\x1b[0m\x1b[2J\x1b[1;1H\x1b[38;2;{up}m\x1b[48;2;{down}m▀▀\x1b[0m\x1b[2;1Hok\x1b[K\x1b[?2026l"
    );
    assert_eq!(text, expected);
    let again = renderer.render(&picture, 2, 2, "ok").unwrap();
    assert_eq!(again, expected.replace("\x1b[0m\x1b[2J", ""), "cleared only once");
    assert!(
        renderer.render(&picture, 3, 2, "ok").unwrap().contains("\x1b[2J"),
        "cleared after a resize"
    );
}

#[test]
fn picture_keeps_its_shape_and_is_centered() {
    let wide = size(1280, 720);
    assert_eq!(
        place(wide, 160, 91),
        Some(Place {
            left: 0,
            top: 22,
            columns: 160,
            pixel_rows: 90
        })
    );
    assert_eq!(
        place(wide, 160, 46),
        Some(Place {
            left: 0,
            top: 0,
            columns: 160,
            pixel_rows: 90
        })
    );
    assert_eq!(
        place(wide, 300, 46),
        Some(Place {
            left: 70,
            top: 0,
            columns: 160,
            pixel_rows: 90
        })
    );
    assert_eq!(
        place(size(16, 3840), 80, 25),
        Some(Place {
            left: 39,
            top: 0,
            columns: 1,
            pixel_rows: 48
        })
    );
}

#[test]
fn odd_last_pixel_row_is_padded_with_black() {
    let picture = two_colors(size(32, 16), RED, RED);
    let mut renderer = Renderer::new();
    let text = renderer.render(&picture, 6, 4, "").unwrap();
    assert_eq!(text.matches("\x1b[48;2;0;0;0m").count(), 1, "{text:?}");
    assert_eq!(text.matches(UPPER_HALF).count(), 12);
}

#[test]
fn every_terminal_size_is_served() {
    let picture = two_colors(size(3840, 16), RED, BLUE);
    let mut renderer = Renderer::new();
    for (columns, rows) in [
        (0, 0),
        (0, 9),
        (9, 0),
        (1, 1),
        (1, 2),
        (9, 1),
        (80, 24),
        (u16::MAX, u16::MAX),
    ] {
        let text = renderer.render(&picture, columns, rows, "status").unwrap();
        assert!(text.len() < 4 << 20);
        assert_eq!(
            text.contains("status"),
            columns >= 6 && rows > 0,
            "{columns}x{rows}"
        );
    }
}

#[test]
fn status_is_cut_and_cannot_send_escapes() {
    let picture = two_colors(size(16, 16), RED, RED);
    let mut renderer = Renderer::new();
    let text = renderer.render(&picture, 5, 1, "a\x1b[2Jbcdef").unwrap();
    assert!(text.ends_with("\x1b[1;1Ha?[2J\x1b[K\x1b[?2026l"), "{text:?}");
}
