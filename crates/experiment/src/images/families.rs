//! From a configuration to an experiment with a model of the family that it names.

use burn::tensor::Device;
use treelora_core::Error;
use treelora_models::vision::{FamilyVisitor, VisionModel};

use crate::{
    config::image_experiment_config::ImageExperimentConfig,
    event::Event,
    images::{image_inputs::ImageInputs, image_prediction::ImageExperiment},
    prepared::PreparedExperiment,
};

impl ImageExperimentConfig {
    /// Open the data, load or pre-train the model, and compute the frozen prefix where the settings ask for it.
    ///
    /// # Errors
    /// From data, weights or settings.
    pub fn prepare(
        self,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Box<dyn ImageExperiment>, Error> {
        let family = self.model.family.clone();
        family.visit(Prepare {
            config: self,
            device,
            on_event,
        })
    }
}

struct Prepare<'a> {
    config: ImageExperimentConfig,
    device: &'a Device,
    on_event: &'a mut dyn FnMut(&Event),
}

impl FamilyVisitor for Prepare<'_> {
    type Output = Result<Box<dyn ImageExperiment>, Error>;

    fn visit<M: VisionModel>(self, _shape: &M::Shape) -> Self::Output {
        let prepare = PreparedExperiment::<ImageInputs<M>>::prepare;
        Ok(Box::new(prepare(self.config, self.device, self.on_event)?))
    }
}
