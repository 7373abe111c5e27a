//! A model that learns nothing.

use treelora_core::{ContinualModel, Error, Method};

/// The model as it came, without anything to train: what examples in the prompt (FIX) are put in
/// front of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frozen;

impl<M: ContinualModel> Method<M> for Frozen {
    fn attach(&mut self, model: M) -> Result<M, Error> {
        Ok(model.no_grad())
    }
}
