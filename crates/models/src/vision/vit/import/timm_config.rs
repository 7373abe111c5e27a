//! What timm's `config.json` beside a weight file says of it.

use std::{fs, path::Path};

use serde::Deserialize;

/// The fields that tensors do not show.
#[derive(Default, Deserialize)]
pub(super) struct TimmConfig {
    global_pool: Option<String>,
    #[serde(default)]
    model_args: ModelArgs,
    #[serde(default)]
    pretrained_cfg: PretrainedConfig,
}

#[derive(Default, Deserialize)]
struct ModelArgs {
    img_size: Option<Size>,
    global_pool: Option<String>,
}

#[derive(Default, Deserialize)]
struct PretrainedConfig {
    /// Channels, height and width.
    input_size: Option<[usize; 3]>,
}

/// One side, or height and width.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    Square(usize),
    Sides([usize; 2]),
}

impl TimmConfig {
    /// Nothing where there is no such file beside the weights, or it is one of another library.
    pub(super) fn beside(weights: &Path) -> Self {
        fs::read(weights.with_file_name("config.json"))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }

    /// Height and width in pixels of the images that the weights were trained on.
    pub(super) fn image_size(&self) -> Option<[usize; 2]> {
        let pretrained = self.pretrained_cfg.input_size;
        match self.model_args.img_size {
            Some(Size::Square(side)) => Some([side, side]),
            Some(Size::Sides(sides)) => Some(sides),
            None => pretrained.map(|[_, height, width]| [height, width]),
        }
    }

    /// How the tokens become a feature vector, in timm's word.
    pub(super) fn pooling(&self) -> Option<&str> {
        (self.model_args.global_pool.as_deref()).or(self.global_pool.as_deref())
    }
}
