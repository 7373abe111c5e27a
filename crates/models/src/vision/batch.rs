//! Labelled images that go through the model together.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use treelora_core::{Batch, Error, TensorFile};

/// What enters the model.
#[derive(Clone, Debug)]
pub enum ImageInput {
    /// Normalised pixels, `[batch, channels, height, width]`.
    Images(Tensor<4>),
    /// Activations that [`frozen_prefix`](super::VisionModel::frozen_prefix) computed once.
    Hidden {
        /// The block they enter.
        block: usize,
        /// `[batch, positions, width]`.
        tokens: Tensor<3>,
    },
}

/// Labelled images of one task.
#[derive(Clone, Debug)]
pub struct ImageBatch {
    /// What enters the model.
    pub input: ImageInput,
    /// The class of each image, in the label space of the stream.
    pub labels: Vec<usize>,
    /// Classes of the task: the loss ignores the scores of all others. `None` allows every class.
    pub allowed: Option<Arc<[usize]>>,
    /// Features of the frozen backbone, `[batch, width]`, when they were computed before.
    pub frozen_features: Option<Tensor<2>>,
}

impl ImageBatch {
    /// Labelled images, every class allowed.
    ///
    /// # Panics
    /// When there is not one label an image.
    pub fn of_images(images: Tensor<4>, labels: Vec<usize>) -> Self {
        Self::new(ImageInput::Images(images), labels)
    }

    /// Labelled input, every class allowed.
    ///
    /// # Panics
    /// When there is not one label an image.
    pub fn new(input: ImageInput, labels: Vec<usize>) -> Self {
        assert_eq!(
            input.len(),
            labels.len(),
            "images and labels differ in number"
        );
        Self {
            input,
            labels,
            allowed: None,
            frozen_features: None,
        }
    }
}

impl ImageInput {
    fn len(&self) -> usize {
        match self {
            Self::Images(images) => images.dims()[0],
            Self::Hidden { tokens, .. } => tokens.dims()[0],
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Images(images) => Self::Images(select_rows(images, rows)),
            Self::Hidden { block, tokens } => Self::Hidden {
                block: *block,
                tokens: select_rows(tokens, rows),
            },
        }
    }

    fn concat(parts: Vec<Self>) -> Self {
        let (mut images, mut hidden, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part {
                Self::Images(part) => images.push(part),
                Self::Hidden { block, tokens } => {
                    blocks.push(block);
                    hidden.push(tokens);
                }
            }
        }
        blocks.dedup();
        match blocks.as_slice() {
            [] => Self::Images(Tensor::cat(images, 0)),
            [block] if images.is_empty() => Self::Hidden {
                block: *block,
                tokens: Tensor::cat(hidden, 0),
            },
            _ => panic!(
                "{} parts with pixels cannot join activations entering blocks {blocks:?}",
                images.len()
            ),
        }
    }
}

impl Batch for ImageBatch {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn select(&self, indices: &[usize]) -> Self {
        Self {
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
            input: self.input.select(indices),
            allowed: self.allowed.clone(),
            frozen_features: self
                .frozen_features
                .as_ref()
                .map(|x| select_rows(x, indices)),
        }
    }

    /// The joined batch allows the classes that any part allows, and keeps frozen features when
    /// all parts have them.
    fn concat(parts: Vec<Self>) -> Self {
        assert!(!parts.is_empty(), "no batch to concatenate");
        let (mut inputs, mut labels, mut features) = (Vec::new(), Vec::new(), Vec::new());
        let mut allowed = Some(Vec::new());
        for part in parts {
            inputs.push(part.input);
            labels.extend(part.labels);
            features.push(part.frozen_features);
            allowed = allowed.zip(part.allowed).map(|(mut all, new)| {
                all.extend_from_slice(&new);
                all
            });
        }
        let features: Option<Vec<_>> = features.into_iter().collect();
        Self {
            input: ImageInput::concat(inputs),
            labels,
            allowed: allowed.map(|mut classes| {
                classes.sort_unstable();
                classes.dedup();
                classes.into()
            }),
            frozen_features: features.map(|features| Tensor::cat(features, 0)),
        }
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) {
        match &self.input {
            ImageInput::Images(images) => file.insert(format!("{prefix}.images"), images.clone()),
            ImageInput::Hidden { block, tokens } => {
                file.insert(format!("{prefix}.tokens"), tokens.clone());
                file.insert_indices(format!("{prefix}.block"), [*block]);
            }
        }
        file.insert_indices(format!("{prefix}.labels"), self.labels.iter().copied());
        if let Some(allowed) = &self.allowed {
            file.insert_indices(format!("{prefix}.allowed"), allowed.iter().copied());
        }
        if let Some(features) = &self.frozen_features {
            file.insert(format!("{prefix}.frozen_features"), features.clone());
        }
    }

    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error> {
        let has = |field: &str| file.contains(&format!("{prefix}.{field}"));
        let input = match has("tokens") {
            true => ImageInput::Hidden {
                tokens: file.tensor(&format!("{prefix}.tokens"), device)?,
                block: match file.indices(&format!("{prefix}.block"))?.as_slice() {
                    [block] => *block,
                    other => {
                        let count = other.len();
                        let problem = format!("`{prefix}.block` has {count} values, expected 1");
                        return Err(file.unfit(problem).into());
                    }
                },
            },
            false => ImageInput::Images(file.tensor(&format!("{prefix}.images"), device)?),
        };
        let labels = file.indices(&format!("{prefix}.labels"))?;
        if labels.len() != input.len() {
            let (images, labels) = (input.len(), labels.len());
            let problem = format!("`{prefix}`: {images} images, {labels} labels");
            return Err(file.unfit(problem).into());
        }
        let allowed = match has("allowed") {
            true => Some(file.indices(&format!("{prefix}.allowed"))?.into()),
            false => None,
        };
        let frozen_features = match has("frozen_features") {
            true => Some(file.tensor(&format!("{prefix}.frozen_features"), device)?),
            false => None,
        };
        Ok(Self {
            input,
            labels,
            allowed,
            frozen_features,
        })
    }
}

fn select_rows<const D: usize>(tensor: &Tensor<D>, rows: &[usize]) -> Tensor<D> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    let length = rows.len();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [length]), &tensor.device());
    tensor.clone().select(0, rows)
}
