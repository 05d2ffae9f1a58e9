//! A buffer of the worked example, and needs of it.

use wharf_core::constraints::{Constraints, Field, ImageConstraints, Record, Scope, Size, Value};
use wharf_core::dma::{PhysicalRun, Storage};
use wharf_core::layout::{Fourcc, Modifier};
use wharf_core::negotiation::{
    ActualBuffer, ActualMemory, Function, Guarantees, ImagePlan, Misfit, Participant, ParticipantId,
    PlanePlan, suits,
};

pub(crate) const WIDTH: u32 = 1920;
pub(crate) const STRIDE: u64 = 1920;
pub(crate) const ROWS: u64 = 1088;
pub(crate) const LUMA: u64 = STRIDE * ROWS;
pub(crate) const SIZE: u64 = LUMA * 3 / 2;

/// Makes something about it wrong.
pub(crate) type Spoil = fn(&mut World);

/// Everything of a buffer, for tests to change.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) image: Option<ImagePlan>,
    pub(crate) guarantees: Guarantees,
    pub(crate) heap: String,
    pub(crate) size_bytes: u64,
    pub(crate) storage: Option<Storage>,
    pub(crate) cache_mode: Option<String>,
    pub(crate) count: u32,
    pub(crate) free: u32,
    pub(crate) shared_slack: u32,
    pub(crate) slack: bool,
}

impl World {
    /// NV12 of 1920 x 1088 in contiguous memory below 1 GiB.
    pub(crate) fn example() -> Self {
        let plane = |offset_bytes, rows| PlanePlan {
            memory: 0,
            offset_bytes,
            stride_bytes: STRIDE,
            rows,
            size_bytes: STRIDE * rows,
        };
        Self {
            image: Some(ImagePlan {
                format: "NV12:linear".parse().unwrap(),
                size: Size {
                    width: WIDTH,
                    height: 1080,
                },
                required: vec![Size {
                    width: WIDTH,
                    height: 1080,
                }],
                planes: vec![plane(0, ROWS), plane(LUMA, ROWS / 2)],
                color_space: Some("bt709".into()),
                alpha: Some("none".into()),
            }),
            guarantees: Guarantees {
                windows: Some([0..=0x3fff_ffff].into_iter().collect()),
                contiguous: true,
                ..Guarantees::default()
            },
            heap: "cma".to_owned(),
            size_bytes: SIZE,
            storage: None,
            cache_mode: Some("cached".to_owned()),
            count: 11,
            free: 3,
            shared_slack: 1,
            slack: true,
        }
    }

    /// The same in separate memories for the planes.
    pub(crate) fn buffer(&self) -> ActualBuffer<'_> {
        let memory = ActualMemory {
            storage: self.storage.as_ref(),
            cache_mode: self.cache_mode.as_deref(),
            ..ActualMemory::new(&self.heap, &self.guarantees, self.size_bytes)
        };
        ActualBuffer {
            image: self.image.as_ref(),
            free: self.free,
            shared_slack: self.shared_slack,
            slack: self.slack,
            ..ActualBuffer::new(vec![memory], self.count)
        }
    }

    pub(crate) fn image(&mut self) -> &mut ImagePlan {
        self.image.as_mut().unwrap()
    }

    pub(crate) fn suits(&self, fields: &[(Field, Value)]) -> Result<(), Box<Misfit>> {
        suits(&self.buffer(), &participant(stating(fields))).map(|_| ())
    }
}

/// States fields wherever they belong, of NV12.
pub(crate) fn stating(fields: &[(Field, Value)]) -> Constraints {
    let of = |scope| -> Record {
        let fields = fields.iter().filter(|(field, _)| field.scope() == scope);
        fields.cloned().collect()
    };
    let image = ImageConstraints::new(Fourcc::NV12, Modifier::LINEAR)
        .image(of(Scope::Image))
        .every_plane(of(Scope::Plane));
    let mut builder = Constraints::builder().image(image);
    for (field, value) in fields {
        if !matches!(field.scope(), Scope::Image | Scope::Plane) {
            builder = builder.set(*field, value.clone());
        }
    }
    builder.build().unwrap()
}

pub(crate) fn participant(constraints: Constraints) -> Participant {
    Participant::new(ParticipantId(7), "late")
        .pid(4711)
        .device("display0")
        .function(Function::new("primary", constraints))
}

pub(crate) fn storage<const N: usize>(runs: [(u64, u64); N]) -> Storage {
    let runs = runs.map(|(address, length_bytes)| PhysicalRun {
        address,
        length_bytes,
    });
    Storage::new(runs).unwrap()
}
