//! Where the tokens of one forward pass stand: their rotation and what they see.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use treelora_kernels::AttentionMask;

use super::{DecoderConfig, Rope, Turn};

/// Shared by all layers of a pass.
pub struct Positions {
    rotation: Rotation,
    local_rotation: Option<Rotation>,
    all_before: AttentionMask,
    windowed: Option<AttentionMask>,
}

impl Positions {
    /// `columns` new positions after `seen` earlier ones, in rows whose first `padding` positions are padding.
    pub(super) fn new(
        config: &DecoderConfig,
        columns: usize,
        seen: usize,
        padding: &[usize],
        device: &Device,
    ) -> Self {
        let window = config.sliding_window.as_ref().map(|window| window.size);
        // A windowed layer keeps the keys that its next query still sees, see `LayerCache`.
        let windowed = window.map(|window| {
            let kept = seen.min(window - 1);
            let padding = left_padding(padding, kept + columns, seen - kept, device);
            AttentionMask::SlidingWindow { window, padding }
        });
        let rotation = |rope: &Rope| {
            let angles = rope.scaling.angles(rope.theta, config.head_dim);
            Rotation::new(&angles, columns, seen, padding, device)
        };
        Self {
            rotation: rotation(&config.rope()),
            local_rotation: config.local_rope.as_ref().map(rotation),
            all_before: AttentionMask::Causal {
                padding: left_padding(padding, seen + columns, 0, device),
            },
            windowed,
        }
    }

    /// Turn queries or keys to their positions, as the layer does.
    ///
    /// # Shapes
    /// `[batch, positions, heads, head_dim]` -> the same.
    pub fn rotate(&self, x: Tensor<4>, turn: Turn) -> Tensor<4> {
        match (turn, &self.local_rotation) {
            (Turn::Not, _) => x,
            (Turn::Local, Some(local)) => local.apply(x),
            _ => self.rotation.apply(x),
        }
    }

    /// What the queries of a layer with this window see.
    pub fn mask(&self, window: Option<usize>) -> &AttentionMask {
        match (window, &self.windowed) {
            (Some(_), Some(windowed)) => windowed,
            _ => &self.all_before,
        }
    }
}

/// True at the padding of each row, when the first `dropped` positions are no longer there; `None` without any.
fn left_padding(
    padding: &[usize],
    keys: usize,
    dropped: usize,
    device: &Device,
) -> Option<Tensor<2, Bool>> {
    if padding.iter().all(|padding| *padding <= dropped) {
        return None;
    }
    let row = |padding: &usize| {
        let padded = padding.saturating_sub(dropped);
        (0..keys).map(move |key| key < padded)
    };
    let mask: Vec<bool> = padding.iter().flat_map(row).collect();
    Some(Tensor::from_data(
        TensorData::new(mask, [padding.len(), keys]),
        device,
    ))
}

/// Rotary position embedding: each pair of features, one from either half of a head, turns by its angle at every
/// position. Source: Su et al., <https://arxiv.org/abs/2104.09864>; halves as in Hugging Face's checkpoints.
struct Rotation {
    /// `[batch or 1, positions, 1, head_dim / 2]`.
    cosine: Tensor<4>,
    sine: Tensor<4>,
}

impl Rotation {
    fn new(
        angles: &[f32],
        columns: usize,
        seen: usize,
        padding: &[usize],
        device: &Device,
    ) -> Self {
        // One table serves all rows that start together.
        let starts = match padding.iter().all(|row| *row == padding[0]) {
            true => &padding[..1],
            false => padding,
        };
        let turns = starts.iter().flat_map(|padding| {
            (seen..seen + columns).flat_map(|column| {
                let position = column.saturating_sub(*padding) as f32;
                angles.iter().map(move |angle| position * angle)
            })
        });
        let turns: Vec<f32> = turns.collect();
        let table = |function: fn(f32) -> f32| {
            let values: Vec<f32> = turns.iter().map(|turn| function(*turn)).collect();
            let shape = [starts.len(), columns, 1, angles.len()];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            cosine: table(f32::cos),
            sine: table(f32::sin),
        }
    }

    fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let (cosine, sine) = (self.cosine.clone(), self.sine.clone());
        let turned = [
            first.clone() * cosine.clone() - second.clone() * sine.clone(),
            second * cosine + first * sine,
        ];
        Tensor::cat(turned.into(), 3)
    }
}
