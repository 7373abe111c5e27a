//! The part of a shape that a weight file shows.

use crate::{import::WeightFile, vision::vit::VitConfig};

/// The shape of a vision transformer as far as its tensors tell; the number of heads they do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// Shape of the patch embedding, `[width, channels, patch, patch]`.
    patch_embedding: Vec<usize>,
    /// Number of blocks.
    depth: usize,
    /// Hidden features of a block's MLP.
    mlp_width: usize,
    /// Whether half of these gate the other half (SwiGLU), which is not built.
    gated: bool,
}

/// The tensor by which a vision transformer is recognised.
pub(super) const PATCH_EMBEDDING: &str = "patch_embed.proj.weight";

impl Architecture {
    pub(super) fn of_config(config: &VitConfig) -> Self {
        let patch = config.patch_size;
        Self {
            patch_embedding: vec![config.width, config.channels, patch, patch],
            depth: config.depth,
            mlp_width: config.mlp_width,
            gated: false,
        }
    }

    /// `None` when a tensor that tells the shape is missing: then the list of tensors says more.
    pub(super) fn of_file(file: &WeightFile) -> Option<Self> {
        let patch_embedding = file.shape(PATCH_EMBEDDING)?.to_vec();
        let mlp_width = *file.shape("blocks.0.mlp.fc1.bias")?.first()?;
        let depth = file
            .names()
            .filter_map(|name| {
                name.strip_prefix("blocks.")?
                    .split('.')
                    .next()?
                    .parse()
                    .ok()
            })
            .max()
            .map_or(0, |last: usize| last.saturating_add(1));
        let read = file
            .shape("blocks.0.mlp.fc2.weight")
            .and_then(<[usize]>::last);
        Some(Self {
            patch_embedding,
            depth,
            mlp_width,
            gated: read.is_some_and(|read| 2 * read == mlp_width),
        })
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "vision transformer of {} blocks with {}MLP width {} and patch embedding {:?}",
            self.depth,
            if self.gated { "gated (SwiGLU) " } else { "" },
            self.mlp_width,
            self.patch_embedding
        )
    }
}
