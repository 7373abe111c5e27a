//! Batches that are prepared ahead.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread::{JoinHandle, spawn},
};

use super::{ImagePipeline, ImageTensorData, View, geometry::Resizing};
use crate::dataset::DatasetError;

/// Batches in the order of their examples, prepared ahead by worker threads.
///
/// Worker `w` of `n` prepares the batches `w`, `w + n`, `w + 2n` ... and keeps a bounded number of
/// them in a channel of its own; reading the channels in turn restores the order without any
/// bookkeeping. The first error ends the iterator. Dropping it stops the workers.
pub struct ImageBatches {
    workers: Vec<Worker>,
    next: usize,
    count: usize,
}

struct Worker {
    batches: Receiver<Result<ImageTensorData, DatasetError>>,
    thread: JoinHandle<()>,
}

impl ImagePipeline {
    /// Batches of the examples in the given order, prepared ahead by worker threads. The last batch
    /// may be smaller.
    ///
    /// # Panics
    /// When `batch_size` is 0. The iterator panics when an example is not in the data set or its
    /// class has no label.
    pub fn batches(&self, examples: &[usize], batch_size: usize, view: View) -> ImageBatches {
        assert!(batch_size > 0, "a batch of 0 examples");
        let parts = examples.chunks(batch_size).map(<[usize]>::to_vec).collect();
        ImageBatches::start(self, parts, self.config.workers(), view)
    }
}

impl ImageBatches {
    fn start(pipeline: &ImagePipeline, parts: Vec<Vec<usize>>, workers: usize, view: View) -> Self {
        let count = parts.len();
        let parts = Arc::new(parts);
        let workers = workers.min(count);
        let workers = (0..workers)
            .map(|first| {
                let (sender, batches) = sync_channel(pipeline.config.prefetch);
                let (pipeline, parts) = (pipeline.clone(), parts.clone());
                let thread = spawn(move || {
                    let mut resizing = Resizing::new(pipeline.config.interpolation);
                    for part in parts.iter().skip(first).step_by(workers) {
                        let batch = pipeline.load_with(part, view, &mut resizing);
                        // The receiver is gone when nobody wants further batches.
                        if sender.send(batch).is_err() {
                            return;
                        }
                    }
                });
                Worker { batches, thread }
            })
            .collect();
        Self {
            workers,
            next: 0,
            count,
        }
    }

    /// Batches that are still to come.
    fn remaining(&self) -> usize {
        self.count - self.next
    }
}

impl Iterator for ImageBatches {
    type Item = Result<ImageTensorData, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining() == 0 {
            return None;
        }
        let worker = self.next % self.workers.len();
        self.next += 1;
        match self.workers[worker].batches.recv() {
            Ok(batch) => {
                if batch.is_err() {
                    self.count = self.next;
                }
                Some(batch)
            }
            // The worker ended before its last batch: it panicked, and so does this thread.
            Err(_) => {
                let worker = self.workers.swap_remove(worker);
                self.count = self.next;
                match worker.thread.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("a worker ended before its last batch"),
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error ends the iterator early.
        (self.remaining().min(1), Some(self.remaining()))
    }
}

impl Drop for ImageBatches {
    fn drop(&mut self) {
        for Worker { batches, thread } in self.workers.drain(..) {
            drop(batches);
            // A panic of a worker whose batches nobody asked for is nobody's concern.
            let _ = thread.join();
        }
    }
}
