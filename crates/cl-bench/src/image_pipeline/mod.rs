//! From files to normalised pixels, ahead of the model.
//!
//! Decode, resize as torchvision does (the filters of Pillow), crop, flip, normalise. Worker threads
//! keep the next batches ready while the model works on the current one. What a batch contains
//! depends on the configuration, the examples and the [`View`] alone, never on the threads.

mod augmentation;
mod batches;
mod config;
mod geometry;

use std::sync::Arc;

pub use augmentation::{Augmentation, RandomResizedCrop};
pub use batches::ImageBatches;
pub use config::{CHANNELS, ImageConfig, Normalization};
pub use geometry::Interpolation;

use self::geometry::Resizing;
use crate::dataset::{Dataset, DatasetError, Picture};

/// How the pictures of a pass are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Resized and cropped in the centre: for evaluation and statistics.
    Plain,
    /// Changed at random as the configuration says, by the seed, the epoch and the example alone.
    Augmented {
        /// Seed of the run.
        seed: u64,
        /// Epoch: the same picture looks different in the next.
        epoch: u64,
    },
}

/// Normalised pictures on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTensorData {
    /// Pixels, `[n, channels, height, width]`.
    pub data: Vec<f32>,
    /// Number of pictures.
    pub n: usize,
    /// Always [`CHANNELS`].
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Label of each picture in the label space of the stream.
    pub labels: Vec<usize>,
    /// Position of each picture in its data set.
    pub indices: Vec<usize>,
}

impl ImageTensorData {
    /// `[n, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.n, self.channels, self.height, self.width]
    }
}

/// Turns the examples of one data set into pixels for a model of one image size.
///
/// Clones share the data set and the tables.
#[derive(Clone)]
pub struct ImagePipeline {
    dataset: Arc<dyn Dataset>,
    /// Label of each class.
    labels: Arc<[Option<usize>]>,
    image_size: usize,
    config: ImageConfig,
    /// Normalised value of each byte in each channel.
    values: Arc<[[f32; 256]; CHANNELS]>,
}

impl ImagePipeline {
    /// A pipeline for square images of `image_size` pixels. `labels` gives the label of each class
    /// of the data set, see [`Stream::labels`](crate::stream::Stream::labels).
    ///
    /// # Errors
    /// When a setting is out of range or does not fit the image size.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        labels: &[Option<usize>],
        image_size: usize,
        config: &ImageConfig,
    ) -> Result<Self, DatasetError> {
        config.validate_for(image_size)?;
        Ok(Self {
            dataset,
            labels: labels.into(),
            image_size,
            values: Arc::new(config.normalization.table()),
            config: config.clone(),
        })
    }

    /// One batch, prepared on the calling thread.
    ///
    /// # Errors
    /// When an example cannot be read or decoded; the error names the file.
    ///
    /// # Panics
    /// When an example is not in the data set or its class has no label.
    pub fn load(&self, examples: &[usize], view: View) -> Result<ImageTensorData, DatasetError> {
        self.load_with(
            examples,
            view,
            &mut Resizing::new(self.config.interpolation),
        )
    }

    fn load_with(
        &self,
        examples: &[usize],
        view: View,
        resizing: &mut Resizing,
    ) -> Result<ImageTensorData, DatasetError> {
        let pixels = self.image_size * self.image_size;
        let mut data = vec![0.0; examples.len() * CHANNELS * pixels];
        let mut labels = Vec::with_capacity(examples.len());
        for (&example, out) in examples
            .iter()
            .zip(data.chunks_exact_mut(CHANNELS * pixels))
        {
            let class = self.dataset.class(example);
            let Some(label) = self.labels.get(class).copied().flatten() else {
                panic!("example {example} is of class {class}, which has no label in the stream");
            };
            labels.push(label);
            let picture = self.dataset.picture(example)?;
            self.write(&self.seen(&picture, example, view, resizing), out);
        }
        Ok(ImageTensorData {
            data,
            n: examples.len(),
            channels: CHANNELS,
            height: self.image_size,
            width: self.image_size,
            labels,
            indices: examples.to_vec(),
        })
    }

    /// The picture at the model's size.
    fn seen(
        &self,
        picture: &Picture,
        example: usize,
        view: View,
        resizing: &mut Resizing,
    ) -> Picture {
        let size = self.image_size as u32;
        match view {
            View::Augmented { seed, epoch } if self.config.augmentation.is_on() => {
                let seed = crate::seeds::mix(&[seed, epoch, example as u64]);
                let shorter = self.config.shorter_side(self.image_size);
                (self.config.augmentation).apply(picture, size, shorter, seed, resizing)
            }
            _ => resizing.centre(picture, self.config.shorter_side(self.image_size), size),
        }
    }

    /// Bytes `[height, width, channels]` to values `[channels, height, width]`.
    fn write(&self, picture: &Picture, out: &mut [f32]) {
        let plane = out.len() / CHANNELS;
        for (channel, (out, values)) in out
            .chunks_exact_mut(plane)
            .zip(self.values.iter())
            .enumerate()
        {
            let bytes = picture.rgb().iter().skip(channel).step_by(CHANNELS);
            for (value, &byte) in out.iter_mut().zip(bytes) {
                *value = values[usize::from(byte)];
            }
        }
    }
}
