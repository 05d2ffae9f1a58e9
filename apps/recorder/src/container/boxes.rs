//! The MP4 boxes of a recording, as bytes.

use mp4_atom::{
    Avc1, Avcc, BufMut, Dinf, Dref, Encode, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex,
    Mvhd, Result, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url, Visual, Vmhd,
};

use super::timeline::TICKS_PER_SECOND;
use crate::encode::ParameterSets;
use crate::size::Size;

const TRACK: u32 = 1;
const MDAT: FourCC = FourCC::new(b"mdat");
/// Bytes of the header of `mdat`.
const MDAT_HEADER_BYTES: usize = 8;
/// Flags of a sample that depends on no other.
const SYNC_SAMPLE: u32 = 0x0200_0000;
/// Flags of a sample that depends on others and where playing cannot start.
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// One frame of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) start_ticks: u64,
    pub(super) size_bytes: u32,
    pub(super) key_frame: bool,
}

/// `ftyp` and `moov`: what a file begins with.
pub(super) fn header(size: Size, parameter_sets: &ParameterSets) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"avc1".into(), b"mp41".into()],
    };
    ftyp.encode(&mut out)?;
    let moov = Moov {
        mvhd: Mvhd {
            timescale: TICKS_PER_SECOND,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![Trex {
                track_id: TRACK,
                default_sample_description_index: 1,
                ..Trex::default()
            }],
        }),
        trak: vec![track(size, parameter_sets)?],
        ..Moov::default()
    };
    moov.encode(&mut out)?;
    Ok(out)
}

fn track(size: Size, parameter_sets: &ParameterSets) -> Result<Trak> {
    Ok(Trak {
        tkhd: Tkhd {
            track_id: TRACK,
            enabled: true,
            in_movie: true,
            width: size.width().into(),
            height: size.height().into(),
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale: TICKS_PER_SECOND,
                language: "und".into(),
                ..Mdhd::default()
            },
            hdlr: Hdlr {
                handler: b"vide".into(),
                name: "Wharf recorder".into(),
            },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf {
                    dref: Dref {
                        entries: vec![Url::default().into()],
                    },
                },
                stbl: samples(size, parameter_sets)?,
                ..Minf::default()
            },
        },
        ..Trak::default()
    })
}

/// Says how samples are coded; there are none before the fragments.
fn samples(size: Size, parameter_sets: &ParameterSets) -> Result<Stbl> {
    let sample_entry = Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: size.width(),
            height: size.height(),
            ..Visual::default()
        },
        avcc: Avcc::new(&parameter_sets.sps, &parameter_sets.pps)?,
        ..Avc1::default()
    };
    Ok(Stbl {
        stsd: Stsd {
            codecs: vec![sample_entry.into()],
        },
        stco: Some(Stco::default()),
        ..Stbl::default()
    })
}

/// What a fragment has at [`NAME_OFFSET_BYTES`] once it is whole.
pub(super) const FINAL_NAME: [u8; 4] = *b"moof";
/// Where in a fragment the name of its first box is.
pub(super) const NAME_OFFSET_BYTES: u64 = 4;

/// `moof` and `mdat`, but with the name `free` instead of `moof`: one fragment. `end_ticks` is when the last
/// frame ends; `data` is all frames, one after the other.
pub(super) fn fragment(number: u32, samples: &[Sample], end_ticks: u64, data: &[u8]) -> Result<Vec<u8>> {
    // The place of the data depends on the length of `moof`, which does not depend on the place.
    let mut moof = Vec::new();
    movie_fragment(number, samples, end_ticks, 0).encode(&mut moof)?;
    let data_offset =
        i32::try_from(moof.len() + MDAT_HEADER_BYTES).map_err(|_| mp4_atom::Error::TooLarge(MDAT))?;
    let mut out = Vec::with_capacity(moof.len() + MDAT_HEADER_BYTES + data.len());
    movie_fragment(number, samples, end_ticks, data_offset).encode(&mut out)?;
    out.set_slice(4, b"free");
    out.encode_atom(MDAT, |out| {
        out.append_slice(data);
        Ok(())
    })?;
    Ok(out)
}

fn movie_fragment(number: u32, samples: &[Sample], end_ticks: u64, data_offset: i32) -> Moof {
    let ends = samples
        .iter()
        .skip(1)
        .map(|next| next.start_ticks)
        .chain([end_ticks]);
    let entry = |(sample, end): (&Sample, u64)| TrunEntry {
        duration: Some(u32::try_from(end - sample.start_ticks).unwrap_or(u32::MAX)),
        size: Some(sample.size_bytes),
        flags: Some(if sample.key_frame {
            SYNC_SAMPLE
        } else {
            NON_SYNC_SAMPLE
        }),
        cts: None,
    };
    let entries: Vec<TrunEntry> = samples.iter().zip(ends).map(entry).collect();
    Moof {
        mfhd: Mfhd {
            sequence_number: number,
        },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: TRACK,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: samples.first().map_or(0, |first| first.start_ticks),
            }),
            trun: vec![Trun {
                data_offset: Some(data_offset),
                samples: entries.into(),
            }],
            ..Traf::default()
        }],
    }
}
