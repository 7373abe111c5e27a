//! The shape of a vision transformer.

use serde::{Deserialize, Serialize};
use treelora_core::Error;

use super::VitVariant;

/// The published sizes of the vision transformer, all with 16 x 16 patches on 224 x 224 images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VitPreset {
    /// ViT-Ti: width 192, 12 blocks, 3 heads, 5.7 million parameters.
    Tiny,
    /// ViT-S: width 384, 12 blocks, 6 heads, 22 million parameters.
    Small,
    /// ViT-B: width 768, 12 blocks, 12 heads, 86 million parameters.
    Base,
    /// ViT-L: width 1024, 24 blocks, 16 heads, 304 million parameters.
    Large,
}

/// Everything that fixes the shape of a [`VisionTransformer`](super::VisionTransformer).
///
/// Start from a preset and override: `VitConfig { classes: 100, ..VitConfig::tiny() }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Height and width of an image, in pixels; a multiple of `patch_size`.
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    pub patch_size: usize,
    /// Colour channels of an image.
    pub channels: usize,
    /// Features of a token; a multiple of `heads`.
    pub width: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Hidden features of a block's MLP.
    pub mlp_width: usize,
    /// Whether the query, key and value projections have a bias.
    pub qkv_bias: bool,
    /// Added to the variance in every layer normalisation.
    pub norm_epsilon: f64,
    /// Outputs of the head.
    pub classes: usize,
    /// What it has beside or in place of the parts of the first vision transformer;
    /// [`load`](super::VisionTransformer::load) sets it as the file says.
    #[serde(default, skip_serializing_if = "VitVariant::is_default")]
    pub variant: VitVariant,
}

impl VitPreset {
    /// Name in files and meaning of each, in the order of this type.
    pub const MEANINGS: [(&'static str, &'static str); 4] = [
        ("tiny", "ViT-Ti/16: width 192, 12 blocks, 3 heads"),
        ("small", "ViT-S/16: width 384, 12 blocks, 6 heads"),
        ("base", "ViT-B/16: width 768, 12 blocks, 12 heads"),
        ("large", "ViT-L/16: width 1024, 24 blocks, 16 heads"),
    ];

    /// The preset's shape, with ImageNet's 1000 classes.
    pub fn config(self) -> VitConfig {
        let (width, depth, heads) = match self {
            Self::Tiny => (192, 12, 3),
            Self::Small => (384, 12, 6),
            Self::Base => (768, 12, 12),
            Self::Large => (1024, 24, 16),
        };
        VitConfig {
            image_size: 224,
            patch_size: 16,
            channels: 3,
            width,
            depth,
            heads,
            mlp_width: 4 * width,
            qkv_bias: true,
            norm_epsilon: 1e-6,
            classes: 1000,
            variant: VitVariant::default(),
        }
    }
}

impl VitConfig {
    /// [`VitPreset::Tiny`]; timm's `vit_tiny_patch16_224`.
    pub fn tiny() -> Self {
        VitPreset::Tiny.config()
    }

    /// [`VitPreset::Small`]; timm's `vit_small_patch16_224`.
    pub fn small() -> Self {
        VitPreset::Small.config()
    }

    /// [`VitPreset::Base`]; timm's `vit_base_patch16_224`.
    pub fn base() -> Self {
        VitPreset::Base.config()
    }

    /// [`VitPreset::Large`]; timm's `vit_large_patch16_224`.
    pub fn large() -> Self {
        VitPreset::Large.config()
    }

    /// Patches along one side of an image.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Tokens of an image: the class token and others in front, and one a patch.
    pub fn positions(&self) -> usize {
        self.variant.leading() + self.patches()
    }

    /// Patches of an image.
    pub fn patches(&self) -> usize {
        self.grid() * self.grid()
    }

    /// Tokens that have a position embedding.
    pub fn embedded_positions(&self) -> usize {
        match self.variant.embeds_leading {
            true => self.positions(),
            false => self.patches(),
        }
    }

    /// Length of the feature vector that the head reads.
    pub fn features(&self) -> usize {
        self.variant.read() * self.width
    }

    /// Values of one patch.
    pub fn patch_values(&self) -> usize {
        self.channels * self.patch_size * self.patch_size
    }

    /// Check that the shape is one a model can have.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first field out of range.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("channels", self.channels),
            ("width", self.width),
            ("depth", self.depth),
            ("heads", self.heads),
            ("mlp_width", self.mlp_width),
            ("classes", self.classes),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::setting(key, "is 0, must be at least 1"));
        }
        let multiples = [
            ("image_size", self.image_size, "patch_size", self.patch_size),
            ("width", self.width, "heads", self.heads),
        ];
        for (key, value, of, divisor) in multiples {
            if value % divisor != 0 {
                let problem = format!("is {value}, must be a multiple of {of} = {divisor}");
                return Err(Error::setting(key, problem));
            }
        }
        if let Some(problem) = self.variant.problem() {
            return Err(Error::setting("variant", problem));
        }
        if !(self.norm_epsilon.is_finite() && self.norm_epsilon > 0.0) {
            let problem = format!("is {}, must be positive", self.norm_epsilon);
            return Err(Error::setting("norm_epsilon", problem));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_have_the_published_shape() {
        for preset in [
            VitPreset::Tiny,
            VitPreset::Small,
            VitPreset::Base,
            VitPreset::Large,
        ] {
            let config = preset.config();
            config.validate().unwrap();
            assert_eq!(config.positions(), 197);
            assert_eq!(config.width / config.heads, 64);
        }
    }

    #[test]
    fn the_meaning_of_a_preset_is_its_shape() {
        for (name, meaning) in VitPreset::MEANINGS {
            let preset: VitPreset = serde_json::from_value(name.into()).unwrap();
            let VitConfig {
                width,
                depth,
                heads,
                ..
            } = preset.config();
            let shape = format!("width {width}, {depth} blocks, {heads} heads");
            assert!(meaning.ends_with(&shape), "{name}: {meaning}, not {shape}");
        }
    }

    #[test]
    fn a_bad_shape_names_its_field() {
        let message = |config: VitConfig| config.validate().unwrap_err().to_string();
        let tiny = VitConfig::tiny;
        assert!(message(VitConfig { depth: 0, ..tiny() }).contains("`depth`"));
        let uneven = message(VitConfig {
            image_size: 225,
            ..tiny()
        });
        assert!(uneven.contains("`image_size`") && uneven.contains("225") && uneven.contains("16"));
        assert!(message(VitConfig { heads: 5, ..tiny() }).contains("`width`"));
        assert!(
            message(VitConfig {
                norm_epsilon: f64::NAN,
                ..tiny()
            })
            .contains("norm_epsilon")
        );
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let mut json = serde_json::to_value(VitConfig::tiny()).unwrap();
        assert_eq!(
            serde_json::from_value::<VitConfig>(json.clone()).unwrap(),
            VitConfig::tiny()
        );
        json["dept"] = 3.into();
        let error = serde_json::from_value::<VitConfig>(json)
            .unwrap_err()
            .to_string();
        assert!(error.contains("dept"), "{error}");
    }
}
