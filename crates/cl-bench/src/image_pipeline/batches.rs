//! Batches that are prepared ahead.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread::{JoinHandle, spawn},
};

use super::ImageTensorData;
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

impl ImageBatches {
    /// The batches of `parts`, of which each worker keeps `prefetch` ready; `loader` makes what a worker loads with.
    pub(super) fn start<L>(
        parts: Vec<Vec<usize>>,
        workers: usize,
        prefetch: usize,
        loader: impl Fn() -> L,
    ) -> Self
    where
        L: FnMut(&[usize]) -> Result<ImageTensorData, DatasetError> + Send + 'static,
    {
        let count = parts.len();
        let parts = Arc::new(parts);
        let workers = workers.min(count);
        let workers = (0..workers)
            .map(|first| {
                let (sender, batches) = sync_channel(prefetch);
                let (mut load, parts) = (loader(), parts.clone());
                let thread = spawn(move || {
                    for part in parts.iter().skip(first).step_by(workers) {
                        let batch = load(part);
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
