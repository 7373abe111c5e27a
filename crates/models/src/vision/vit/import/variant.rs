//! Which variant of the vision transformer a file holds.

use std::path::Path;

use super::timm_config::TimmConfig;
use crate::{
    import::{ImportError, WeightFile},
    vision::vit::{VitConfig, VitPooling, VitVariant},
};

pub(super) const CLASS_TOKEN: &str = "cls_token";
pub(super) const DISTILLATION_TOKEN: &str = "dist_token";
pub(super) const REGISTERS: &str = "reg_token";
pub(super) const POSITIONS: &str = "pos_embed";
pub(super) const NORM_OF_MEAN: &str = "fc_norm";

/// Sides of the images of published models, in pixels, which are all square.
const PUBLISHED: [usize; 8] = [224, 256, 288, 336, 384, 448, 512, 518];

/// A variant, and the grid of its position embeddings.
pub(super) struct Found {
    pub(super) variant: VitVariant,
    /// Rows and columns; `None` where no square grid has as many patches.
    pub(super) grid: Option<[usize; 2]>,
    /// Whether nothing but the number of position embeddings speaks for the grid.
    is_guessed: bool,
}

impl Found {
    /// As far as tensors and `config.json` tell; `config` gives sizes.
    ///
    /// # Errors
    /// When the features are a pooling that is not computed.
    pub(super) fn of_file(file: &WeightFile, config: &VitConfig) -> Result<Self, ImportError> {
        let has = |name: &str| file.shape(name).is_some();
        let beside = TimmConfig::beside(file.path());
        let registers = match file.shape(REGISTERS) {
            Some([1, count, width]) if *width == config.width => *count,
            _ => 0,
        };
        let positions = match file.shape(POSITIONS) {
            Some([1, positions, _]) => *positions,
            _ => 0,
        };
        let told = beside
            .image_size()
            .map(|size| size.map(|side| side / config.patch_size));
        let told = |count: usize| {
            told.filter(|grid| count > 0 && grid[0].checked_mul(grid[1]) == Some(count))
        };
        let square = |count: usize| {
            let side = count.isqrt();
            (side > 0 && side * side == count).then_some([side, side])
        };
        // One that is missing leaves position embeddings that are one too many for a grid.
        let is_grid = told(positions).or(square(positions)).is_some();
        let class_token = has(CLASS_TOKEN) || !is_grid;
        let norm_of_mean = has(&format!("{NORM_OF_MEAN}.weight")) && !has("norm.weight");
        let pooling = match beside.pooling() {
            None | Some("token" | "avg" | "") => match norm_of_mean {
                true => VitPooling::NormOfMean,
                false if !class_token || beside.pooling() == Some("avg") => VitPooling::MeanOfNorm,
                false => VitPooling::Token,
            },
            Some(other) => {
                return Err(ImportError::OtherArchitecture {
                    path: file.path().to_owned(),
                    found: format!("vision transformer with `global_pool` {other:?} (config.json)"),
                    expected: "class token or a mean of the patches (\"token\", \"avg\")"
                        .to_owned(),
                });
            }
        };
        let mut variant = VitVariant {
            class_token,
            distillation_token: has(DISTILLATION_TOKEN),
            registers,
            embeds_leading: true,
            layer_scale: has("blocks.0.ls1.gamma"),
            qk_norm: has("blocks.0.attn.q_norm.weight"),
            pooling,
        };
        // In the order of what speaks for a grid, each with embeddings of the tokens in front and without.
        let patches = [positions.checked_sub(variant.leading()), Some(positions)];
        let patches = [(true, patches[0]), (false, patches[1])];
        let sources: [&dyn Fn(usize) -> Option<[usize; 2]>; 3] = [
            &told,
            &|count| square(count).filter(|grid| grid[0] == config.grid()),
            &square,
        ];
        let found = sources.iter().enumerate().find_map(|(rank, grid_of)| {
            patches.into_iter().find_map(|(embeds_leading, count)| {
                let grid = grid_of(count?)?;
                Some((rank, embeds_leading, grid))
            })
        });
        if let Some((_, embeds_leading, _)) = found {
            variant.embeds_leading = embeds_leading;
        }
        Ok(Self {
            variant,
            grid: found.map(|(_, _, grid)| grid),
            is_guessed: found.is_some_and(|(rank, _, _)| rank > 0),
        })
    }
}

/// What neither tensors nor a `config.json` tell of a weight file and is taken for granted, each with the file; none
/// where the file is not one of a vision transformer.
pub fn uncertainties(config: &VitConfig, path: &Path) -> Vec<String> {
    let found = config.validate().is_ok().then(|| {
        let file = WeightFile::read(path).ok()?;
        Found::of_file(&file, config).ok()
    });
    let found = found.flatten();
    let guessed = found.filter(|found| found.is_guessed);
    let Some([rows, columns]) = guessed.and_then(|found| found.grid) else {
        return Vec::new();
    };
    let count = rows * columns;
    let other = (2..rows).rev().find(|rows| count.is_multiple_of(*rows));
    let other = other.map(|rows| [rows, count / rows]);
    match other {
        Some([other_rows, other_columns]) if !PUBLISHED.contains(&(rows * config.patch_size)) => {
            vec![format!(
                "{}: {count} position embeddings are read as {rows} x {columns} patches; if they are not \
                 ({other_rows} x {other_columns}, say), put timm's config.json beside the file",
                path.display()
            )]
        }
        _ => Vec::new(),
    }
}
