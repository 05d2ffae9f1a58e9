//! Sets that are solved.

use wharf_core::constraints::{
    Buffers, Bytes, Constraints, ConstraintsBuilder, ImageConstraints, Record, Rows, Size, key,
};
use wharf_core::dma::DmaLimits;
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    Function, Guarantees, HeapOffer, Participant, ParticipantId, Plan, Policy, Problem, Report, solve,
};

use crate::Outcome;

/// A problem, and what its line in a table is called.
pub(crate) struct Set {
    pub(crate) name: String,
    /// Whether the limit is for it.
    pub(crate) has_limit: bool,
    participants: Vec<Participant>,
    heaps: Vec<HeapOffer>,
    policy: Policy,
}

impl Set {
    fn new(name: impl ToString, participants: Vec<Participant>, heaps: usize) -> Self {
        Self {
            name: name.to_string(),
            has_limit: false,
            participants,
            heaps: (0..heaps).map(heap).collect(),
            policy: Policy {
                max_buffers: 1 << 20,
                ..Policy::default()
            },
        }
    }

    /// Participants that each work in one way.
    pub(crate) fn plain(participants: usize, formats: usize, heaps: usize) -> Outcome<Self> {
        let one = |number| -> Outcome<Participant> {
            let constraints = declared(number, formats)?.build()?;
            Ok(participant(number, Function::new("use", constraints)))
        };
        let all = (0..participants).map(one).collect::<Outcome<_>>()?;
        Ok(Self {
            has_limit: (participants, formats, heaps) == (16, 8, 4),
            ..Self::new(format!("{participants} x {formats}"), all, heaps)
        })
    }

    /// Participants that work in several ways, each of its own cost and alignment.
    pub(crate) fn with_alternatives(participants: usize, alternatives: usize) -> Outcome<Self> {
        let one = |number| -> Outcome<Participant> {
            let mut function = Function {
                name: "use".into(),
                alternatives: Vec::new(),
            };
            for way in 0..alternatives {
                let align = Bytes(64 << (alternatives - 1 - way));
                let constraints = declared(number, 8)?.with(key::SIZE_ALIGN, align).build()?;
                function = function.or(&way.to_string(), way as u32, constraints);
            }
            Ok(participant(number, function))
        };
        let all = (0..participants).map(one).collect::<Outcome<_>>()?;
        Ok(Self::new(alternatives, all, 4))
    }

    /// Participants of which two reach nothing in common.
    pub(crate) fn in_conflict(participants: usize) -> Outcome<Self> {
        let mut set = Self::plain(participants, 8, 4)?;
        for (number, window) in [
            (0, 0..=0xffff_ffff),
            (participants - 1, 0x1_0000_0000..=0x1_ffff_ffff),
        ] {
            let limits = DmaLimits::builder().windows([window]).build()?;
            let constraints = declared(number, 8)?.dma(limits).build()?;
            set.participants[number] = participant(number, Function::new("use", constraints));
        }
        set.has_limit = false;
        Ok(set)
    }

    pub(crate) fn solve(&self) -> Result<Plan, Box<Report>> {
        solve(&Problem {
            participants: &self.participants,
            heaps: &self.heaps,
            policy: &self.policy,
        })
    }

    /// What comes out.
    pub(crate) fn outcome(&self) -> String {
        match self.solve() {
            Ok(plan) => format!(
                "{} buffers of {} bytes, {} merges",
                plan.count(),
                plan.size_bytes(),
                plan.merges
            ),
            Err(report) => format!("{}, {} merges", report.errno(), report.merges),
        }
    }
}

fn participant(number: usize, function: Function) -> Participant {
    Participant::new(ParticipantId(number as u64), &format!("participant {number}")).function(function)
}

/// What one participant states: some layout for each format, and one buffer.
fn declared(number: usize, formats: usize) -> Outcome<ConstraintsBuilder> {
    let limits = DmaLimits::builder().max_segments(64).build()?;
    let mut all = Constraints::builder().dma(limits).with(key::CAMPING, Buffers(1));
    for format in 0..formats {
        let size = Size {
            width: 1920,
            height: 1080,
        };
        let image = Record::new()
            .with(key::REQUIRED_SIZES, [size].into_iter().collect())
            .with(key::ROWS_ALIGN, Rows(1 << (number % 5)));
        let plane = Record::new().with(key::STRIDE_ALIGN, Bytes(16 << (number % 4)));
        let format = ImageConstraints::new(Fourcc::NV12, Modifier::from_raw(format as u64));
        all = all.image(format.image(image).every_plane(plane));
    }
    Ok(all)
}

/// Heaps of which one in two has chunks that are long enough.
fn heap(number: usize) -> HeapOffer {
    HeapOffer {
        name: format!("heap {number}").into(),
        guarantees: Guarantees {
            chunk_bytes: if number.is_multiple_of(2) { 1 << 21 } else { 4096 },
            ..Guarantees::default()
        },
        cost: 10 - number as u32,
        capacity_bytes: None,
    }
}
