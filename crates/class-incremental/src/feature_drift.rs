//! How the feature space moves while a task is learned.

use treelora_core::{Batches, Error, Features, Learner};

use crate::{
    feature_rows::{FeatureRows, features},
    feature_transport::{FeatureTransport, TransportConfig},
};

/// Follows the drift of the features over a task, where a transport is wanted: the task's images go
/// through the model as it was before the task and as it is after it.
pub(crate) struct FeatureDrift<M> {
    transport: Option<TransportConfig>,
    /// What answered before the current task.
    before: Option<Learner<M>>,
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

    /// `answering` makes what answers before the task.
    ///
    /// # Errors
    /// Those of `answering`.
    pub(crate) fn begin_task(
        &mut self,
        answering: impl FnOnce() -> Result<Learner<M>, Error>,
    ) -> Result<(), Error> {
        if self.is_followed() && self.begun {
            self.before = Some(answering()?);
        }
        Ok(())
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
        let before = features(&before.model, data)?;
        Ok(Some(FeatureTransport::fit(config, &before, after)))
    }

    /// Go on after a checkpoint: a method is saved after a task, never before the first.
    pub(crate) fn resume(&mut self) {
        self.begun = true;
    }
}
