//! From a configuration to an experiment with its model and data at hand.

use burn::tensor::Device;
use treelora_core::Error;

use crate::{
    config::experiment_config::ExperimentConfig,
    event::Event,
    experiment::{Experiment, Reconfigured},
    text::text_inputs::TextExperiment,
};

impl ExperimentConfig {
    /// Open the data and load (or pre-train) the model.
    ///
    /// # Errors
    /// From data, weights or settings.
    pub fn prepare(
        self,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Box<dyn Experiment>, Error> {
        Ok(match self {
            Self::Images(config) => config.prepare(device, on_event)?,
            Self::Text(config) => Box::new(TextExperiment::prepare(*config, device, on_event)?),
        })
    }

    /// As [`prepare`](Self::prepare), with the model and the data of `earlier` where they are the
    /// same: several methods and seeds then share the work on the frozen backbone.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_after(
        self,
        earlier: Option<Box<dyn Experiment>>,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Box<dyn Experiment>, Error> {
        let config = match earlier {
            None => self,
            Some(earlier) => match earlier.reconfigured(self)? {
                Reconfigured::Ready(experiment) => return Ok(experiment),
                Reconfigured::NeedsOtherInputs(config) => config,
            },
        };
        config.prepare(device, on_event)
    }
}
