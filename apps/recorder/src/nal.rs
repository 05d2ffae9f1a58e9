//! H.264 byte streams (Annex B) taken apart into NAL units, and put into the form that MP4 wants.

use crate::encode::ParameterSets;

/// Type of a NAL unit with a sequence parameter set.
const SPS: u8 = 7;
/// Type of a NAL unit with a picture parameter set.
const PPS: u8 = 8;

/// The NAL units of a byte stream, without start codes and without the zero bytes that may follow a unit.
/// Bytes before the first start code are left out.
pub(crate) fn units(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = stream[at..].windows(3).position(|window| window == [0, 0, 1]) {
        at += found + 3;
        starts.push(at);
    }
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    let unit = |(&start, end): (&usize, usize)| trim_zeros(&stream[start..end]);
    starts
        .iter()
        .zip(ends)
        .map(unit)
        .filter(|unit| !unit.is_empty())
        .collect()
}

/// The first pair of parameter sets of a byte stream.
pub(crate) fn parameter_sets(stream: &[u8]) -> Option<ParameterSets> {
    let units = units(stream);
    let first = |kind| {
        units
            .iter()
            .find(|unit| unit_type(unit) == kind)
            .map(|unit| unit.to_vec())
    };
    Some(ParameterSets {
        sps: first(SPS)?,
        pps: first(PPS)?,
    })
}

/// All units of a byte stream but the parameter sets, each after its length in 4 bytes, big endian.
pub(crate) fn without_parameter_sets(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stream.len() + 4);
    for unit in units(stream) {
        // A unit is far below 4 GiB: the codec's own lengths are 32 bits and signed.
        let (false, Ok(len)) = (matches!(unit_type(unit), SPS | PPS), u32::try_from(unit.len())) else {
            continue;
        };
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

fn unit_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |first| first & 0x1f)
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let len = unit
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    &unit[..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_kinds_of_start_code_separate_units() {
        let stream = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 9,
        ];
        assert_eq!(
            units(&stream),
            [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 1, 9]]
        );
        let sets = parameter_sets(&stream).unwrap();
        assert_eq!((sets.sps, sets.pps), (vec![0x67, 1, 2], vec![0x68, 3]));
        assert_eq!(without_parameter_sets(&stream), [0, 0, 0, 6, 0x65, 0, 0, 3, 1, 9]);
    }

    #[test]
    fn streams_without_units_give_nothing() {
        for stream in [
            &[][..],
            &[0],
            &[0, 0, 1],
            &[0, 0, 0, 1],
            &[1, 2, 3],
            &[0, 0, 1, 0, 0, 1],
        ] {
            assert!(units(stream).is_empty() && parameter_sets(stream).is_none());
            assert!(without_parameter_sets(stream).is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_panic(stream in proptest::collection::vec(0..4_u8, 0..200)) {
            let total: usize = units(&stream).iter().map(|unit| unit.len() + 3).sum();
            prop_assert!(total <= stream.len());
        }

        #[test]
        fn units_come_back(parts in proptest::collection::vec(proptest::collection::vec(2..=255_u8, 1..20), 0..6)) {
            let stream: Vec<u8> = parts.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect();
            prop_assert_eq!(units(&stream), parts);
        }
    }
}
