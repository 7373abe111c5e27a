//! The method of a pre-training.

use treelora_core::{ContinualModel, Method};

/// Trains every parameter of the model on its own loss: all defaults.
pub(super) struct WholeModel;

impl<M: ContinualModel> Method<M> for WholeModel {}
