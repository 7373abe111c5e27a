//! From files to normalised pixels, ahead of the model.
//!
//! Decode, resize as torchvision does (the filters of Pillow), crop, flip, normalise. Worker threads
//! keep the next batches ready while the model works on the current one. What a batch contains
//! depends on the configuration, the examples and the [`View`] alone, never on the threads.

mod augmentation;
mod batches;
mod config;
mod geometry;
mod interpolation;
mod tensor_data;
mod view;

use std::sync::Arc;

pub use augmentation::{Augmentation, RandomResizedCrop};
pub use batches::ImageBatches;
pub use config::{ImageConfig, Normalization};
pub use interpolation::Interpolation;
pub use tensor_data::{CHANNELS, ImageTensorData};
pub use view::View;

use self::geometry::Resizing;
use crate::dataset::{Dataset, DatasetError, Picture};

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

    /// Batches of the examples in the given order, prepared ahead by worker threads. The last batch
    /// may be smaller.
    ///
    /// # Panics
    /// When `batch_size` is 0. The iterator panics when an example is not in the data set or its
    /// class has no label.
    pub fn batches(&self, examples: &[usize], batch_size: usize, view: View) -> ImageBatches {
        assert!(batch_size > 0, "a batch of 0 examples");
        let parts = examples.chunks(batch_size).map(<[usize]>::to_vec).collect();
        ImageBatches::start(parts, self.config.workers(), self.config.prefetch, || {
            let mut resizing = Resizing::new(self.config.interpolation);
            let pipeline = self.clone();
            move |part: &[usize]| pipeline.load_with(part, view, &mut resizing)
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
                let seed = treelora_core::mix(&[seed, epoch, example as u64]);
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
