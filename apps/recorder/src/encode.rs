//! H.264 encoding with OpenH264.
//!
//! Rate control is off: the quantizer is fixed, so that quality does not depend on the content, no frame is
//! ever skipped, and a frame costs the same time whatever came before it. The encoder reads pictures in
//! memory of this process's own; copying a frame out of a shared buffer is the caller's business.

use openh264::OpenH264API;
use openh264::encoder::{
    Complexity, Encoder, EncoderConfig, FrameRate as MaxFrameRate, FrameType, IntraFramePeriod, QpRange,
    RateControlMode, UsageType,
};
use openh264::formats::YUVSource;

use crate::nal;
use crate::picture::{Picture, Plane, RowSource};
use crate::rate::FrameRate;
use crate::size::Size;

/// Quantizer of every frame, on H.264's scale of 0 (best) to 51. Detailed pictures come out above 40 dB.
const QUANTIZER: u8 = 26;
/// A key frame, from which playing can start, comes at least every this many seconds.
const KEY_FRAME_SECONDS: u32 = 2;
/// OpenH264 believes in rates up to this many frames per second. With rate control off, the rate only picks
/// the level written to the file.
const MAX_CODEC_HZ: f32 = 60.0;

/// Encodes pictures of one size.
pub struct H264Encoder {
    codec: Encoder,
    size: Size,
    parameter_sets: ParameterSets,
    next_frame: u64,
}

/// What a decoder must know before the first frame. Both are NAL units without start codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter set.
    pub sps: Vec<u8>,
    /// Picture parameter set.
    pub pps: Vec<u8>,
}

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// NAL units, each after its length in 4 bytes, big endian; without parameter sets.
    pub data: Vec<u8>,
    /// Whether playing can start here.
    pub key_frame: bool,
}

impl H264Encoder {
    /// Prepares for pictures of `size` at about `rate`. Encodes one blank picture to learn the parameter sets
    /// and to have everything allocated.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the codec refuses.
    pub fn new(size: Size, rate: FrameRate) -> Result<Self, EncodeError> {
        let key_frame_period = rate.rounded_hz().saturating_mul(KEY_FRAME_SECONDS);
        // CAST: a rate is at most 1000, which f32 holds well.
        let max_rate = MaxFrameRate::from_hz((rate.hz() as f32).clamp(1.0, MAX_CODEC_HZ));
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Off)
            .qp(QpRange::new(QUANTIZER, QUANTIZER))
            .complexity(Complexity::Low)
            .skip_frames(false)
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .max_frame_rate(max_rate)
            .intra_frame_period(IntraFramePeriod::from_num_frames(key_frame_period))
            .num_threads(1);
        let failed = |source| EncodeError::Start { size, source };
        let mut codec = Encoder::with_api_config(OpenH264API::from_source(), config).map_err(failed)?;
        let blank = codec
            .encode(&Source(&Picture::black(size)))
            .map_err(failed)?
            .to_vec();
        let parameter_sets = nal::parameter_sets(&blank).ok_or(EncodeError::NoParameterSets { size })?;
        codec.force_intra_frame();
        Ok(Self {
            codec,
            size,
            parameter_sets,
            next_frame: 0,
        })
    }

    /// What a decoder must know before the first frame.
    #[must_use]
    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.parameter_sets
    }

    /// Encodes the next picture. Takes a few milliseconds for 1280×720.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] names the frame. The encoder can be used further; the frame is lost.
    pub fn encode(&mut self, picture: &Picture) -> Result<EncodedFrame, EncodeError> {
        let frame = self.next_frame;
        self.next_frame += 1;
        if picture.size() != self.size {
            return Err(EncodeError::OtherSize {
                frame,
                got: picture.size(),
                expected: self.size,
            });
        }
        let stream = self
            .codec
            .encode(&Source(picture))
            .map_err(|source| EncodeError::Codec { frame, source })?;
        let key_frame = stream.frame_type() == FrameType::IDR;
        let data = nal::without_parameter_sets(&stream.to_vec());
        if data.is_empty() {
            return Err(EncodeError::NoOutput { frame });
        }
        Ok(EncodedFrame { data, key_frame })
    }
}

/// A picture in the form in which the codec reads it.
struct Source<'a>(&'a Picture);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (
            usize::from(self.0.size().width()),
            usize::from(self.0.size().height()),
        )
    }

    fn strides(&self) -> (usize, usize, usize) {
        let stride = |plane| self.0.size().row_bytes(plane);
        (
            stride(Plane::Luma),
            stride(Plane::ChromaBlue),
            stride(Plane::ChromaRed),
        )
    }

    fn y(&self) -> &[u8] {
        self.0.plane(Plane::Luma)
    }

    fn u(&self) -> &[u8] {
        self.0.plane(Plane::ChromaBlue)
    }

    fn v(&self) -> &[u8] {
        self.0.plane(Plane::ChromaRed)
    }
}

/// Why a picture cannot be encoded. Frames are counted from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec does not start.
    #[error("the H.264 encoder refuses pictures of {size} with code {}", source.native_code())]
    Start {
        /// Size of the pictures.
        size: Size,
        /// What the codec said.
        source: openh264::Error,
    },
    /// The codec gives no parameter sets, so nothing could be decoded.
    #[error("the H.264 encoder gives no parameter sets for pictures of {size}")]
    NoParameterSets {
        /// Size of the pictures.
        size: Size,
    },
    /// The picture has another size than those before.
    #[error("frame {frame} is {got} instead of {expected}")]
    OtherSize {
        /// Which frame.
        frame: u64,
        /// Its size.
        got: Size,
        /// The size that the encoder was made for.
        expected: Size,
    },
    /// The codec fails.
    #[error("the H.264 encoder fails at frame {frame} with code {}", source.native_code())]
    Codec {
        /// Which frame.
        frame: u64,
        /// What the codec said.
        source: openh264::Error,
    },
    /// The codec leaves a frame out, which its settings forbid.
    #[error("the H.264 encoder gives nothing for frame {frame}")]
    NoOutput {
        /// Which frame.
        frame: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testcard::TestCard;

    fn rate(hz: u32) -> FrameRate {
        FrameRate::new(hz, 1).unwrap()
    }

    #[test]
    fn every_allowed_shape_is_encoded() {
        for (width, height) in [(16, 16), (18, 16), (16, 34), (3840, 16), (16, 3840), (62, 66)] {
            let size = Size::new(width, height).unwrap();
            for rate in [FrameRate::new(1, 60).unwrap(), rate(30), rate(1000)] {
                let mut encoder = H264Encoder::new(size, rate).unwrap();
                assert!(
                    encoder.encode(&Picture::black(size)).unwrap().key_frame,
                    "{size} at {rate}"
                );
                assert!(!encoder.encode(&Picture::black(size)).unwrap().data.is_empty());
            }
        }
    }

    #[test]
    fn key_frames_come_every_two_seconds() {
        let size = Size::new(64, 64).unwrap();
        let card = TestCard::new(size);
        let mut encoder = H264Encoder::new(size, rate(5)).unwrap();
        let mut picture = Picture::black(size);
        let mut key_frames = Vec::new();
        for frame in 0..31 {
            card.draw(frame, &mut picture).unwrap();
            if encoder.encode(&picture).unwrap().key_frame {
                key_frames.push(frame);
            }
        }
        assert_eq!(key_frames, [0, 10, 20, 30]);
    }

    #[test]
    fn still_pictures_are_not_skipped() {
        let size = Size::new(64, 64).unwrap();
        let mut encoder = H264Encoder::new(size, rate(30)).unwrap();
        for _ in 0..200 {
            encoder.encode(&Picture::black(size)).unwrap();
        }
    }

    #[test]
    fn picture_of_another_size_is_refused_and_the_next_one_taken() {
        let size = Size::new(64, 64).unwrap();
        let mut encoder = H264Encoder::new(size, rate(30)).unwrap();
        let error = encoder
            .encode(&Picture::black(Size::new(32, 32).unwrap()))
            .unwrap_err();
        assert_eq!(error.to_string(), "frame 0 is 32x32 instead of 64x64");
        assert!(encoder.encode(&Picture::black(size)).is_ok());
    }
}
