//! The vision transformer as one family of several.

use burn::tensor::Device;
use rand::Rng;
use treelora_core::Error;
use treelora_lora::peft::ModuleNames;

use super::{HeadSource, VisionTransformer, VitPreset, VitShape};
use crate::{
    Precision,
    vision::{VisionModel, WeightFiles},
};

impl VisionModel for VisionTransformer {
    const NAME: &'static str = "vit";
    const MEANING: &'static str = "vision transformer; weights of timm";
    const PRESETS: &'static [(&'static str, &'static str)] = &VitPreset::MEANINGS;
    const ADAPTED: &'static str = r"attention\.(q|v)\.weight$";

    type Shape = VitShape;

    fn smallest() -> VitShape {
        VitShape {
            preset: VitPreset::Tiny,
            image_size: Some(16),
            patch_size: Some(8),
            width: Some(16),
            depth: Some(2),
            heads: Some(2),
        }
    }

    fn from_scratch(
        shape: &VitShape,
        classes: usize,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Result<Self, Error> {
        shape.config(classes).init(rng, device)
    }

    fn files() -> Option<WeightFiles<Self>> {
        Some(WeightFiles {
            load: |shape, classes, path, device| {
                Self::load(&shape.config(classes), path, HeadSource::Zeros, device)
                    .map_err(|e| Error::Data(e.to_string()))
            },
            uncertainties: |shape, path| super::import::uncertainties(&shape.config(1), path),
            save: |model, folder, mean, std| model.save(folder, mean, std),
        })
    }

    fn module_names() -> ModuleNames {
        ModuleNames::timm_vit()
    }

    fn in_precision(self, precision: Precision) -> Self {
        VisionTransformer::in_precision(self, precision)
    }

    fn positions(&self) -> usize {
        self.config.positions()
    }
}
