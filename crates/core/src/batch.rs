//! Batches of examples and the data of one task.

use burn::tensor::Device;

use crate::{Error, TensorFile};

/// Several examples that go through the model together.
pub trait Batch: Clone + Send + Sized + 'static {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there is no example.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `indices`, in that order.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len).
    fn select(&self, indices: &[usize]) -> Self;

    /// The examples of all `parts`, one after the other.
    ///
    /// # Panics
    /// When `parts` is empty or the parts disagree in the shape of an example.
    fn concat(parts: Vec<Self>) -> Self;

    /// Write the batch under `prefix`, for methods that keep examples (GEM, A-GEM).
    fn save(&self, prefix: &str, file: &mut TensorFile);

    /// Read a batch that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or misshaped.
    fn load(prefix: &str, file: &TensorFile, device: &Device) -> Result<Self, Error>;
}

/// The training data of one task, handed to a method after the task.
pub trait Batches<B> {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there is no example.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One pass over the data in a fixed order, without augmentation, on the training device.
    fn batches(&self) -> Box<dyn Iterator<Item = Result<B, Error>> + '_>;
}

impl<B: Clone> Batches<B> for Vec<B>
where
    B: Batch,
{
    fn len(&self) -> usize {
        self.iter().map(Batch::len).sum()
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<B, Error>> + '_> {
        Box::new(self.iter().cloned().map(Ok))
    }
}
