//! A small YUV4MPEG2 writer.

use recorder::picture::Plane;
use recorder::size::Size;

/// Chroma as a file can have it, with the value of its `C` tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Yuv420,
    Yuv422,
    Yuv444,
    Mono,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Yuv420, Self::Yuv422, Self::Yuv444, Self::Mono];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Yuv420 => "420jpeg",
            Self::Yuv422 => "422",
            Self::Yuv444 => "444",
            Self::Mono => "mono",
        }
    }

    /// Width and height of `plane` in the file.
    pub(crate) fn plane(self, size: Size, plane: Plane) -> (usize, usize) {
        let (width, height) = (usize::from(size.width()), usize::from(size.height()));
        match (plane, self) {
            (Plane::Luma, _) | (_, Self::Yuv444) => (width, height),
            (_, Self::Yuv422) => (width / 2, height),
            (_, Self::Yuv420) => (width / 2, height / 2),
            (_, Self::Mono) => (0, 0),
        }
    }

    pub(crate) fn frame_bytes(self, size: Size) -> usize {
        let bytes = |plane| {
            let (width, height) = self.plane(size, plane);
            width * height
        };
        Plane::ALL.into_iter().map(bytes).sum()
    }
}

/// Writes a whole stream; each frame is its planes one after the other, as they are in the file.
pub(crate) fn stream(size: Size, kind: Kind, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!(
        "YUV4MPEG2 W{} H{} F30:1 Ip A1:1 C{}\n",
        size.width(),
        size.height(),
        kind.tag()
    )
    .into_bytes();
    for frame in frames {
        assert_eq!(frame.len(), kind.frame_bytes(size));
        out.extend_from_slice(b"FRAME\n");
        out.extend_from_slice(frame);
    }
    out
}
