//! What everybody who has the buffers of a negotiated set is told of a generation.

use serde::{Deserialize, Serialize};
use wharf_core::constraints::Tiling;
use wharf_core::layout::{FrameLayout, Plane};
use wharf_core::negotiation::{ImagePlan, MemoryPlan, Plan, PlanePlan};

use crate::limits::MAX_PLAN_BYTES;

/// How pictures lie in the buffers of one generation, and what memory they are: the part of a
/// [`Plan`] that travels with the generation, as the text `plan` of its replies.
///
/// # Examples
/// ```
/// use wharf_protocol::BufferPlan;
///
/// let nothing = BufferPlan { image: None, memories: Vec::new(), heaps: vec!["memfd".into()] };
/// assert_eq!(BufferPlan::read(&nothing.write()), Some(nothing));
/// assert_eq!(BufferPlan::read(""), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferPlan {
    /// How the picture lies in a buffer, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImagePlan>,
    /// The memories of a buffer.
    pub memories: Vec<MemoryPlan>,
    /// The heap each of them came from.
    pub heaps: Vec<Box<str>>,
}

impl BufferPlan {
    /// Takes what matters out of a plan.
    pub fn of(plan: &Plan, heaps: &[Box<str>]) -> Self {
        Self {
            image: plan.image.clone(),
            memories: plan.memories.clone(),
            heaps: heaps.to_vec(),
        }
    }

    /// Writes it as the text of a generation: at most [`MAX_PLAN_BYTES`] long. What would be longer leaves the memories out, then the
    /// sizes that were asked for, then the picture.
    pub fn write(&self) -> String {
        let mut plan = self.clone();
        let mut text = plan.json();
        if text.len() > MAX_PLAN_BYTES {
            plan.memories.clear();
            plan.heaps.clear();
            text = plan.json();
        }
        if text.len() > MAX_PLAN_BYTES
            && let Some(image) = &mut plan.image
        {
            image.required.clear();
            text = plan.json();
        }
        if text.len() > MAX_PLAN_BYTES {
            plan.image = None;
            text = plan.json();
        }
        text
    }

    fn json(&self) -> String {
        // Numbers, names and lists of them can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of a generation; `None` if it is something else.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns where the samples of the picture are; `None` without a picture, or if it has a memory for each plane, or if the
    /// numbers make no sense.
    pub fn layout(&self) -> Option<FrameLayout> {
        frame_layout(self.image.as_ref()?)
    }
}

fn frame_layout(image: &ImagePlan) -> Option<FrameLayout> {
    let modifier = match image.format.tiling.as_ref()? {
        Tiling::Explicit(modifier) => *modifier,
        Tiling::Implicit(_) => return None,
    };
    let plane = |plane: &PlanePlan| {
        (plane.memory == 0).then_some(())?;
        Some(Plane {
            offset_bytes: plane.offset_bytes.try_into().ok()?,
            stride_bytes: plane.stride_bytes.try_into().ok()?,
        })
    };
    let planes: Option<Vec<Plane>> = image.planes.iter().map(plane).collect();
    let (width, height) = (image.size.width, image.size.height);
    FrameLayout::from_planes(image.format.fourcc?, modifier, width, height, &planes?).ok()
}
