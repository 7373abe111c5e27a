//! One experiment as a file: data, stream, images, model, training, method.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;
use treelora_cl_bench::{
    dataset::{ImageDataConfig, MAX_SIDE},
    image_pipeline::ImageConfig,
    stream::StreamConfig,
};
use treelora_class_incremental::DiscriminantConfig;
use treelora_core::Error;

use crate::{
    config::{
        config_file::ConfigFile,
        evaluation::{EvaluationRows, EvaluationSettings},
        experiment_settings::ExperimentSettings,
        image_pretraining_config::PretrainingConfig,
        inference::Inference,
        method_seed,
        modality::Modality,
        model_config::ModelConfig,
        training::TrainingConfig,
    },
    methods::{classifier_config::ClassifierConfig, method_config::MethodConfig},
};

/// An experiment on images; every key is documented where its type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageExperimentConfig {
    /// Always `images`.
    #[serde(default)]
    pub modality: Modality,
    /// Name of the experiment, the first part of a run's name.
    pub name: String,
    /// Name of the variant that `--method` picked, the second part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Which adapter answers, where the method keeps one a task.
    #[serde(default)]
    pub inference: Inference,
    /// Where the examples come from, and the domains that are made of them.
    pub data: ImageDataConfig,
    /// Which of them, in which order.
    pub stream: StreamConfig,
    /// From files to pixels.
    #[serde(default)]
    pub images: ImageConfig,
    /// The frozen backbone.
    pub model: ModelConfig,
    /// Pre-training of a model without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<PretrainingConfig>,
    /// Optimiser, schedule, seed.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How the adapters learn.
    pub method: MethodConfig,
    /// What answers in the place of the head as it was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierConfig>,
    /// What infers the task of an example with `inference = "routed"`, on the frozen backbone's
    /// features; linear discriminant analysis when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<DiscriminantConfig>,
    /// Floors on the frozen backbone, by name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub floors: std::collections::BTreeMap<String, DiscriminantConfig>,
    /// What is scored after which task.
    #[serde(default, skip_serializing_if = "EvaluationSettings::is_default")]
    pub evaluation: EvaluationSettings,
    /// What is kept instead of computed again.
    #[serde(default)]
    pub cache: CacheConfig,
    /// Tables that `--method NAME` lays over the file: the contenders and ablations.
    #[serde(default, skip_serializing)]
    pub variants: Table,
}

/// What is kept instead of computed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheConfig {
    /// Compute the blocks before the first adapter once per image, if the activations fit into
    /// this many bytes; 0 switches it off. Images are then not augmented.
    pub prefix_bytes: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            prefix_bytes: 4 << 30,
        }
    }
}

impl ImageExperimentConfig {
    /// The experiment of `text`, which came from `path`, with a variant and changes (dotted key, TOML
    /// value) laid over it.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file and the key.
    pub fn parse(
        text: &str,
        path: &Path,
        variant: Option<&str>,
        changes: &[(String, String)],
    ) -> Result<Self, Error> {
        Self::of_file(&ConfigFile::merged(text, path, variant, changes)?)
    }

    /// The experiment of a merged file.
    ///
    /// # Errors
    /// When a key is unknown or a setting is out of range; the message names the file, the line and the key.
    pub(crate) fn of_file(file: &ConfigFile<'_>) -> Result<Self, Error> {
        file.checked(method_seed::refuse(file.table()))?;
        let config: Self = file.typed()?;
        file.checked(config.validate())?;
        Ok(config)
    }

    /// The configuration as TOML, every setting spelled out.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|e| Error::Data(e.to_string()))
    }

    /// Check everything that can be checked without data and weights.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the key.
    pub fn validate(&self) -> Result<(), Error> {
        let data = self.data.validate();
        data.map_err(|e| Error::from(e).within("data"))?;
        let stream = self.stream.validate();
        stream.map_err(|e| Error::from(e).within("stream"))?;
        let images = self.images.validate();
        images.map_err(|e| Error::from(e).within("images"))?;
        let size = self.model.family.image_size();
        if !(1..=MAX_SIDE as usize).contains(&size) {
            let problem = format!("{size} is not between 1 and {MAX_SIDE}");
            return Err(Error::setting("model.image_size", problem));
        }
        let training = self.training.validate();
        training
            .and_then(|()| match self.stream.num_tasks() {
                Some(tasks) => self.training.validate_for(tasks),
                None => Ok(()),
            })
            .map_err(|e| e.within("training"))?;
        self.method.validate().map_err(|e| e.within("method"))?;
        if let Some(classifier) = &self.classifier {
            classifier.validate().map_err(|e| e.within("classifier"))?;
        }
        self.validate_inference()?;
        for (name, floor) in &self.floors {
            let floor = floor.validate().map_err(|e| e.within(name));
            floor.map_err(|e| e.within("floors"))?;
        }
        self.model.validate()?;
        match (&self.model.weights, &self.pretraining) {
            (None, None) => Err(Error::setting(
                "model.weights",
                "no weights (--weights FILE) and no [pretraining] to make some",
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// [`Error::Setting`] when the method or the classifier has no adapter or no statistics of each
    /// task for the kind of inference.
    fn validate_inference(&self) -> Result<(), Error> {
        self.inference
            .validate(self.method.row(), self.routing.as_ref())?;
        let routes = self.classifier.as_ref().and_then(ClassifierConfig::router);
        if routes.is_some() {
            let row = self.method.row();
            let refused = |problem: String| Err(Error::setting("classifier.router", problem));
            if !row.keeps_adapters {
                let problem = format!(
                    "`{}` keeps no adapter that an example could be routed to",
                    row.name
                );
                return refused(problem);
            }
            if self.inference == Inference::Routed {
                let problem =
                    "with it every example is routed: leave `inference` out, or use \"oracle\"";
                return refused(problem.into());
            }
        }
        match &self.classifier {
            Some(classifier)
                if self.inference != Inference::Latest && classifier.has_transport() =>
            {
                Err(Error::setting(
                    "inference",
                    "a transport moves the statistics of every task into the space of the newest \
                     adapter, so that no other adapter can answer with them; leave it out",
                ))
            }
            _ => Ok(()),
        }
    }

    /// What infers the task of an example, where examples are routed.
    pub fn router(&self) -> Option<DiscriminantConfig> {
        self.inference.router(self.routing.as_ref())
    }
}

impl ExperimentSettings for ImageExperimentConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn training(&self) -> &TrainingConfig {
        &self.training
    }

    fn training_mut(&mut self) -> &mut TrainingConfig {
        &mut self.training
    }

    fn weights(&self) -> Option<&Path> {
        self.model.weights.as_deref()
    }

    fn data(&self) -> Option<&Path> {
        self.data.path()
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let data = self.data.path_mut();
        data.into_iter().chain(&mut self.model.weights).collect()
    }

    fn has_inputs_of(&self, other: &Self) -> bool {
        let inputs = |config: &Self| {
            let Self {
                data,
                stream,
                images,
                model,
                pretraining,
                cache,
                ..
            } = config.clone();
            // The run's seed makes a backbone that has no weights.
            let seed = model.weights.is_none().then_some(config.training.seed);
            let activations = config.training.activations;
            (
                data,
                stream,
                images,
                model,
                pretraining,
                cache,
                seed,
                activations,
            )
        };
        inputs(self) == inputs(other)
    }

    fn evaluation_rows(&self) -> EvaluationRows {
        self.evaluation.rows
    }

    /// With the kind of inference where it is not the method's own.
    fn method_label(&self) -> String {
        self.inference.labelled(&self.method.label(&self.variant))
    }
}
