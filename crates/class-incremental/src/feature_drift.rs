//! How the feature space moves while a task is learned.

use treelora_core::{Batches, Error, Features};

use crate::{
    feature_rows::FeatureRows,
    feature_transport::{FeatureTransport, TransportConfig},
    with_discriminant::features,
};

/// Follows the drift of the features over a task, where a transport is wanted: the task's images go
/// through the model as it was before the task and as it is after it.
pub(crate) struct FeatureDrift<M> {
    transport: Option<TransportConfig>,
    /// The answering model before the current task.
    before: Option<M>,
    /// Whether there is an earlier task whose statistics could be moved.
    begun: bool,
}

impl<M: Features> FeatureDrift<M> {
    pub(crate) fn new(transport: Option<TransportConfig>) -> Self {
        Self {
            transport,
            before: None,
            begun: false,
        }
    }

    /// Whether statistics follow the features: they then belong to the newest feature space, else
    /// to that of their own task.
    pub(crate) fn is_followed(&self) -> bool {
        self.transport.is_some()
    }

    /// `answering` makes the model that answers before the task.
    pub(crate) fn begin_task(&mut self, answering: impl FnOnce() -> M) {
        if self.is_followed() && self.begun {
            self.before = Some(answering());
        }
    }

    /// The map from the space before the task to that of `after`; `None` where there is nothing to
    /// move.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub(crate) fn end_task(
        &mut self,
        data: &dyn Batches<M::Batch>,
        after: &FeatureRows,
    ) -> Result<Option<FeatureTransport>, Error> {
        self.begun = true;
        let (Some(config), Some(before)) = (&self.transport, self.before.take()) else {
            return Ok(None);
        };
        let before = features(&before, data)?;
        Ok(Some(FeatureTransport::fit(config, &before, after)))
    }

    /// Go on after a checkpoint: a method is saved after a task, never before the first.
    pub(crate) fn resume(&mut self) {
        self.begun = true;
    }
}
