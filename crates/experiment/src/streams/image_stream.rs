//! A stream of image tasks as batches for a vision model.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use treelora_cl_bench::{
    BatchIterator, Stage, StreamData,
    dataset::Splits,
    image_pipeline::{ImageConfig, ImagePipeline, View},
    stream::{Stream, StreamTask},
};
use treelora_core::{Batch, Batches, Error, Task, TaskId, in_context_of};
use treelora_models::vision::{ImageBatch, ImageInput, VisionModel};

/// Images per chunk where the model reads them once in order.
const CHUNK: usize = 64;

/// Image tasks, read on the fly or from activations that were computed once.
pub struct ImageStream {
    stream: Stream,
    tasks: Vec<Task>,
    train: Split,
    test: Split,
    device: Device,
}

struct Split {
    pipeline: ImagePipeline,
    /// Position in the data set of the examples of each task.
    tasks: Vec<Vec<usize>>,
    /// Activations of all examples, tasks one after the other, where they were computed once.
    prefix: Option<ImageBatch>,
}

impl ImageStream {
    /// Images are decoded and transformed while the model works. `device` is the training device.
    ///
    /// # Errors
    /// When a setting of the pipeline does not fit.
    pub fn new(
        stream: Stream,
        splits: &Splits,
        image_size: usize,
        config: &ImageConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let split = |dataset, tasks: Vec<Vec<usize>>| -> Result<Split, Error> {
            Ok(Split {
                pipeline: ImagePipeline::new(dataset, stream.labels(), image_size, config)
                    .map_err(|e| Error::from(e).within("images"))?,
                tasks,
                prefix: None,
            })
        };
        let of_tasks = |examples: fn(&StreamTask) -> &Vec<usize>| {
            stream
                .tasks()
                .iter()
                .map(|task| examples(task).clone())
                .collect()
        };
        Ok(Self {
            train: split(Arc::clone(&splits.train), of_tasks(|task| &task.train))?,
            test: split(Arc::clone(&splits.test), of_tasks(|task| &task.test))?,
            tasks: stream
                .tasks()
                .iter()
                .map(|task| task.task.clone())
                .collect(),
            device: device.clone(),
            stream,
        })
    }

    /// The stream behind the batches.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Bytes that [`with_prefix`](Self::with_prefix) would keep for `model`.
    pub fn prefix_bytes(&self, model: &impl VisionModel) -> usize {
        let images = self.train.len() + self.test.len();
        images * (model.positions() + 1) * model.width() * size_of::<f32>()
    }

    /// Compute the activations that enter block `until_block` and the frozen features once for
    /// every image; `on_images` hears how many are done. Training images are then never augmented.
    ///
    /// # Errors
    /// When an image cannot be read.
    ///
    /// # Panics
    /// When an adapter of the model sits before `until_block`.
    pub fn with_prefix(
        mut self,
        model: &impl VisionModel,
        until_block: usize,
        on_images: &mut dyn FnMut(usize),
    ) -> Result<Self, Error> {
        let frozen = treelora_lora::detach(model.valid());
        for split in [&mut self.train, &mut self.test] {
            split.prefix = Some(split.prefix(&frozen, until_block, on_images)?);
        }
        Ok(self)
    }

    /// Batches of the examples at `order`, places among all examples of the split.
    fn batches<'a>(
        &'a self,
        split: &'a Split,
        order: Vec<usize>,
        batch_size: usize,
        allowed: Option<Arc<[usize]>>,
        view: View,
    ) -> BatchIterator<'a, ImageBatch> {
        let device = self.device.clone();
        let batches: BatchIterator<'a, ImageBatch> = match &split.prefix {
            Some(all) => {
                let chunks: Vec<Vec<usize>> = order.chunks(batch_size).map(<[_]>::to_vec).collect();
                Box::new(chunks.into_iter().map(|chunk| Ok(all.select(&chunk))))
            }
            None => split.read(&order, batch_size, view, &device),
        };
        Box::new(batches.map(move |batch| {
            let mut batch = on_device(batch?, &device);
            batch.allowed.clone_from(&allowed);
            Ok(batch)
        }))
    }
}

impl Split {
    /// Number of examples.
    fn len(&self) -> usize {
        self.tasks.iter().map(Vec::len).sum()
    }

    /// Places of the examples of some tasks among all examples.
    fn order(&self, tasks: &[TaskId]) -> Vec<usize> {
        let start = |task: usize| self.tasks[..task].iter().map(Vec::len).sum::<usize>();
        tasks
            .iter()
            .flat_map(|task| start(task.0)..start(task.0) + self.tasks[task.0].len())
            .collect()
    }

    /// Images at `order`, decoded ahead of the consumer.
    fn read(
        &self,
        order: &[usize],
        batch_size: usize,
        view: View,
        device: &Device,
    ) -> BatchIterator<'static, ImageBatch> {
        let all: Vec<usize> = self.tasks.iter().flatten().copied().collect();
        let examples: Vec<usize> = order.iter().map(|&place| all[place]).collect();
        decoded(&self.pipeline, &examples, batch_size, view, device)
    }

    /// Activations entering `until_block` and features of the frozen model, for all examples.
    fn prefix(
        &self,
        frozen: &impl VisionModel,
        until_block: usize,
        on_images: &mut dyn FnMut(usize),
    ) -> Result<ImageBatch, Error> {
        let device = frozen.head().weight.lazy_device();
        let order: Vec<usize> = (0..self.len()).collect();
        // On the host until complete: joining device tensors would hold all of them twice.
        let (mut tokens, mut features) = (Vec::<f32>::new(), Vec::new());
        let (mut labels, mut shape) = (Vec::new(), [0; 3]);
        for batch in self.read(&order, CHUNK, View::Plain, &device) {
            let batch = batch?;
            let ImageInput::Images(images) = batch.input else {
                continue;
            };
            let hidden = frozen.frozen_prefix(images, until_block);
            shape = hidden.dims();
            if tokens.is_empty() {
                tokens.reserve_exact(self.len() * shape[1] * shape[2]);
            }
            let input = ImageInput::Hidden {
                block: until_block,
                tokens: hidden.clone(),
            };
            let batch = ImageBatch::new(input, batch.labels);
            features.push(frozen.features(&batch));
            tokens.extend(hidden.into_data().iter::<f32>());
            on_images(batch.len());
            labels.extend(batch.labels);
        }
        if labels.is_empty() {
            return Err(Error::Data("a split of the stream has no example".into()));
        }
        let shape = [labels.len(), shape[1], shape[2]];
        let input = ImageInput::Hidden {
            block: until_block,
            tokens: Tensor::from_data(TensorData::new(tokens, shape), &device),
        };
        let mut all = ImageBatch::new(input, labels);
        all.frozen_features = Some(Tensor::cat(features, 0));
        Ok(all)
    }
}

/// Examples of a pipeline as batches of pixels on `device`, outside of autodiff.
pub(crate) fn decoded(
    pipeline: &ImagePipeline,
    examples: &[usize],
    batch_size: usize,
    view: View,
    device: &Device,
) -> BatchIterator<'static, ImageBatch> {
    let device = device.clone().without_autodiff();
    let batches = pipeline.batches(examples, batch_size, view);
    Box::new(batches.map(move |images| {
        let images = images?;
        let shape = images.shape();
        let pixels = Tensor::from_data(TensorData::new(images.data, shape), &device);
        Ok(ImageBatch::of_images(pixels, images.labels))
    }))
}

/// In the autodiff context of `device`, or outside of any.
fn on_device(mut batch: ImageBatch, device: &Device) -> ImageBatch {
    batch.input = match batch.input {
        ImageInput::Images(images) => ImageInput::Images(in_context_of(images, device)),
        ImageInput::Hidden { block, tokens } => ImageInput::Hidden {
            block,
            tokens: in_context_of(tokens, device),
        },
    };
    batch.frozen_features = batch
        .frozen_features
        .map(|features| in_context_of(features, device));
    batch
}

/// Evaluation runs without autodiff.
fn for_evaluation(batches: BatchIterator<'_, ImageBatch>) -> BatchIterator<'_, ImageBatch> {
    Box::new(batches.map(|batch| {
        let batch = batch?;
        let device = match &batch.input {
            ImageInput::Images(images) => images.device(),
            ImageInput::Hidden { tokens, .. } => tokens.device(),
        };
        Ok(on_device(batch, &device.without_autodiff()))
    }))
}

impl StreamData<ImageBatch> for ImageStream {
    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn allowed(&self, on: TaskId, after: TaskId) -> Vec<usize> {
        self.stream.allowed(on, after)
    }

    fn train_len(&self, stage: &Stage) -> usize {
        self.train.order(&stage.members).len()
    }

    fn epoch(
        &self,
        stage: &Stage,
        batch_size: usize,
        order_seed: u64,
        skip: usize,
    ) -> Result<BatchIterator<'_, ImageBatch>, Error> {
        let mut order = self.train.order(&stage.members);
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(order_seed));
        order.drain(..order.len().min(skip * batch_size));
        let allowed: Arc<[usize]> = stage.task.classes.clone().into();
        let view = View::Augmented {
            seed: order_seed,
            epoch: 0,
        };
        Ok(self.batches(&self.train, order, batch_size, Some(allowed), view))
    }

    fn in_order<'a>(&'a self, stage: &Stage) -> Box<dyn Batches<ImageBatch> + 'a> {
        Box::new(InOrder {
            stream: self,
            order: self.train.order(&stage.members),
            allowed: stage.task.classes.clone().into(),
        })
    }

    fn test(
        &self,
        task: TaskId,
        batch_size: usize,
    ) -> Result<BatchIterator<'_, ImageBatch>, Error> {
        let order = self.test.order(&[task]);
        Ok(for_evaluation(self.batches(
            &self.test,
            order,
            batch_size,
            None,
            View::Plain,
        )))
    }
}

struct InOrder<'a> {
    stream: &'a ImageStream,
    order: Vec<usize>,
    allowed: Arc<[usize]>,
}

impl Batches<ImageBatch> for InOrder<'_> {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<ImageBatch, Error>> + '_> {
        let (stream, allowed) = (self.stream, Some(Arc::clone(&self.allowed)));
        let batches = stream.batches(
            &stream.train,
            self.order.clone(),
            CHUNK,
            allowed,
            View::Plain,
        );
        for_evaluation(batches)
    }
}
