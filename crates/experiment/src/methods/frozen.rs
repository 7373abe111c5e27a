//! A model that learns nothing.

use treelora_core::{ContinualModel, Error, Learner, Method};

/// The model as it came, without anything to train: what examples in the prompt (FIX) are put in
/// front of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frozen;

impl<M: ContinualModel> Method<M> for Frozen {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        Ok(Learner::of(model.no_grad()))
    }
}
