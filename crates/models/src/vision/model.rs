//! What a family of vision models offers to experiments that know none of them by name.

use std::{fmt::Debug, path::Path};

use burn::tensor::{Device, Tensor};
use rand::Rng;
use serde::{Serialize, de::DeserializeOwned};
use treelora_core::{Classifier, Error, Prefixes, TokenModel};
use treelora_lora::peft::ModuleNames;

use super::{ImageBatch, frozen_prefix::Changing};
use crate::Precision;

/// A family of vision models: blocks over tokens of an image, a linear head over their features.
///
/// Its parameters are called `blocks.<i>...` in the blocks, `norm` and `head` behind them; everything else is in front
/// of the blocks. A row in [`VisionFamily`](super::VisionFamily) makes a family known by its name.
pub trait VisionModel: Classifier<Batch = ImageBatch> + TokenModel {
    /// Name in files.
    const NAME: &'static str;
    /// What it is, in a line.
    const MEANING: &'static str;
    /// Published sizes that its shape can name, with their meaning.
    const PRESETS: &'static [(&'static str, &'static str)] = &[];
    /// Pattern of the weights that adapters usually sit on.
    const ADAPTED: &'static str;

    /// What a file says of a model beside weights and precision.
    type Shape: VisionShape;

    /// A shape for tests: seconds on a CPU, at least two blocks.
    fn smallest() -> Self::Shape;

    /// A model to train from scratch; the same `rng` state gives the same weights.
    ///
    /// # Errors
    /// When the shape is not [valid](VisionShape::validate).
    fn from_scratch(
        shape: &Self::Shape,
        classes: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Self, Error>;

    /// How weights are read and written; `None` where models are made in the run alone.
    fn files() -> Option<WeightFiles<Self>> {
        None
    }

    /// Names of its layers in the field's own libraries, for exported adapters.
    fn module_names() -> ModuleNames {
        ModuleNames::identity()
    }

    /// The same model with everything before the head as a frozen base in another number format.
    fn in_precision(self, precision: Precision) -> Self;

    /// Tokens of an image.
    fn positions(&self) -> usize;

    /// The lowest block that carries an adapter, `None` when no block does.
    ///
    /// The activations entering it are the same for every setting of the adapters, so
    /// [`frozen_prefix`](Self::frozen_prefix) can compute them once. Adapters that are attached
    /// but deselected count.
    fn first_adapted_block(&self) -> Option<usize> {
        Changing::of(self).adapted.first_block
    }

    /// The block up to which no adapter and no trained parameter changes the activations; `None` when one changes
    /// those that enter block 0.
    fn frozen_until(&self) -> Option<usize> {
        let Changing {
            adapted, trained, ..
        } = Changing::of(self);
        let first = adapted.first_block.into_iter().chain(trained.first_block);
        let open = !adapted.embedding && !trained.embedding;
        open.then(|| first.min().unwrap_or(self.depth()))
    }

    /// The activations entering block `until_block`, for
    /// [`ImageInput::Hidden`](super::ImageInput::Hidden); detached from any graph.
    ///
    /// # Shapes
    /// `[batch, channels, image_size, image_size]` -> `[batch, positions, width]`; at the depth only the positions that
    /// are read, where the family computes no others.
    ///
    /// # Panics
    /// When an adapter sits before `until_block`, because the activations would go stale, or
    /// `until_block` is above the depth.
    fn frozen_prefix(&self, images: Tensor<4>, until_block: usize) -> Tensor<3> {
        self.assert_frozen_before(until_block);
        let labels = vec![0; images.dims()[0]];
        let tokens = self.embed(&ImageBatch::of_images(images, labels));
        let tokens = self.run(tokens, until_block, &Prefixes::none());
        tokens.states().clone().detach()
    }

    /// Check that activations entering `block` depend on no adapter; for models.
    ///
    /// # Panics
    /// When they do.
    fn assert_frozen_before(&self, block: usize) {
        let adapted = Changing::of(self).adapted;
        assert!(!adapted.embedding, "the patch embedding carries an adapter");
        if let Some(first) = adapted.first_block {
            assert!(
                block <= first,
                "activations entering block {block} depend on the adapter of block {first}"
            );
        }
    }
}

/// The shape of a model as a file says it.
pub trait VisionShape: Clone + Debug + PartialEq + Serialize + DeserializeOwned + 'static {
    /// Side of the images in pixels.
    fn image_size(&self) -> usize;

    /// Check that a model with a head over `classes` classes can have this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the first field out of range.
    fn validate(&self, classes: usize) -> Result<(), Error>;
}

/// A model of a shape with the weights of a file, and a head of zeros over some classes.
pub type LoadWeights<M> = fn(&<M as VisionModel>::Shape, usize, &Path, &Device) -> Result<M, Error>;

/// Writes a model into a folder, with mean and deviation of the channels that it learned from.
pub type SaveWeights<M> = fn(&M, &Path, &[f32], &[f32]) -> Result<(), Error>;

/// How the weights of a family are read and written.
pub struct WeightFiles<M: VisionModel> {
    /// Read them.
    pub load: LoadWeights<M>,
    /// What a file does not tell of itself, for warnings.
    pub uncertainties: fn(&M::Shape, &Path) -> Vec<String>,
    /// Write them.
    pub save: SaveWeights<M>,
}
