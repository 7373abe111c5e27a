//! An experiment made ready, whatever its examples are.

use burn::tensor::Device;
use treelora_cl_bench::{metrics::TaskScore, sha256, stages};
use treelora_core::{ContinualModel, Error, Learner, Method, Task, TaskId};

use crate::{
    config::{experiment_config::ExperimentConfig, experiment_settings::ExperimentSettings},
    event::{Event, RunResult},
    experiment::{Experiment, Reconfigured, take},
    folder::{
        base_loss_change::BaseLossChange,
        checkpoint::RunFolder,
        manifest::Manifest,
        summary::{Floors, RunIdentity, RunSummary, task_names},
    },
    inputs::Inputs,
    run::run_loop::Run,
};

/// A configuration with its model and data at hand.
pub struct PreparedExperiment<I: Inputs> {
    pub(crate) config: I::Settings,
    pub(crate) inputs: I,
    pub(crate) device: Device,
    weights_sha256: Option<String>,
    data_sha256: Option<String>,
    more_data_sha256: Option<String>,
}

/// A model under a method, as a checkpoint left them.
pub struct Restored<M: ContinualModel> {
    /// The method.
    pub method: Box<dyn Method<M>>,
    /// The model with the method's adapters, and what is trained beside it.
    pub learner: Learner<M>,
    /// What the run produced so far.
    pub result: RunResult,
}

impl<I: Inputs> PreparedExperiment<I> {
    /// Open the data, load or pre-train the model, and compute what the settings ask to compute once.
    ///
    /// # Errors
    /// From data, weights or settings.
    pub fn prepare(
        config: I::Settings,
        device: &Device,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Self, Error> {
        let device = config.training().activations.on(device);
        device.seed(config.training().seed);
        Ok(Self {
            inputs: I::open(&config, &device, on_event)?,
            weights_sha256: config.weights().map(sha256).transpose()?,
            data_sha256: config.data().map(sha256).transpose()?,
            more_data_sha256: config.more_data().map(sha256).transpose()?,
            config,
            device,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &I::Settings {
        &self.config
    }

    /// The method and the model at the folder's last checkpoint, or at the start.
    ///
    /// # Errors
    /// When the settings do not fit the model, or the checkpoint is damaged.
    pub fn restored(&self, folder: &RunFolder) -> Result<Restored<I::Model>, Error> {
        let method = self.inputs.method(&self.config)?;
        Restored::from(folder, method, self.inputs.model().clone(), &self.device)
    }

    /// Loss on general text of what answers now, beside that of the frozen model.
    fn base_loss_change(
        &self,
        method: &dyn Method<I::Model>,
        learner: &Learner<I::Model>,
    ) -> Result<Option<BaseLossChange>, Error> {
        let Some(before) = self.inputs.general_loss(self.inputs.model()) else {
            return Ok(None);
        };
        let answering = method.for_evaluation(learner)?;
        let after = self.inputs.general_loss(&answering.model);
        Ok(after.map(|after| BaseLossChange::new(before, after)))
    }
}

impl<M: ContinualModel> Restored<M> {
    /// `method` and `model` at the folder's last checkpoint, or at the start.
    ///
    /// # Errors
    /// When the method does not fit the model, or the checkpoint is damaged.
    pub(crate) fn from(
        folder: &RunFolder,
        mut method: Box<dyn Method<M>>,
        model: M,
        device: &Device,
    ) -> Result<Self, Error> {
        let learner = method.attach(model).map_err(|e| e.within("method"))?;
        let (learner, result) = folder.restore(learner, method.as_mut(), device)?;
        Ok(Self {
            method,
            learner,
            result: result.unwrap_or_default(),
        })
    }

    /// Which of the run's tasks it was trained on last.
    ///
    /// # Errors
    /// When the run has no checkpoint.
    pub(crate) fn last_task(&self, folder: &RunFolder, tasks: &[Task]) -> Result<TaskId, Error> {
        let stages = stages(tasks, self.method.exposure());
        Ok(folder.last_stage(&stages, &self.result)?.task.id)
    }
}

impl<I: Inputs + 'static> Experiment for PreparedExperiment<I> {
    fn reconfigured(self: Box<Self>, config: ExperimentConfig) -> Result<Reconfigured, Error> {
        let config = match I::Settings::try_from(config) {
            Ok(config) if self.config.has_inputs_of(&config) => config,
            Ok(config) => return Ok(Reconfigured::NeedsOtherInputs(config.into())),
            Err(other) => return Ok(Reconfigured::NeedsOtherInputs(other)),
        };
        Ok(match self.inputs.reused(&config)? {
            Some(inputs) => Reconfigured::Ready(Box::new(Self {
                inputs,
                config,
                ..*self
            })),
            None => Reconfigured::NeedsOtherInputs(config.into()),
        })
    }

    fn config_toml(&self) -> Result<String, Error> {
        let config: ExperimentConfig = self.config.clone().into();
        config.to_toml()
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            weights_sha256: self.weights_sha256.clone(),
            data_sha256: self.data_sha256.clone(),
            more_data_sha256: self.more_data_sha256.clone(),
            tasks: task_names(self.inputs.data().tasks()),
            ..Manifest::here(&self.device, self.config.training().seed)
        }
    }

    fn run(
        &self,
        folder: &RunFolder,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<RunSummary, Error> {
        let _lock = take(folder, on_event)?;
        self.inputs.describe(folder)?;
        let Restored {
            mut method,
            learner,
            result,
        } = self.restored(folder)?;
        let scoring = self.inputs.scoring(&self.config, Some(folder));
        let run = Run {
            method: method.as_mut(),
            data: self.inputs.data(),
            training: self.config.training(),
            scoring: scoring.as_ref(),
            rows: self.config.evaluation_rows(),
            device: &self.device,
            folder: Some(folder),
            on_event,
        };
        let (learner, result) = run.train(learner, result)?;
        let base_loss_change = self.base_loss_change(method.as_ref(), &learner)?;
        let identity = RunIdentity {
            label: self.config.label(),
            method: self.config.method_label(),
            seed: self.config.training().seed,
            tasks: task_names(self.inputs.data().tasks()),
        };
        let summary = RunSummary {
            base_loss_change,
            ..RunSummary::new(identity, result, self.floors(on_event)?)
        };
        folder.write_summary(&summary)?;
        Ok(summary)
    }

    fn floors(&self, on_event: &mut dyn FnMut(&Event)) -> Result<Floors, Error> {
        self.inputs.floors(&self.config, &self.device, on_event)
    }

    fn score_again(
        &self,
        folder: &RunFolder,
        shuffle: Option<u64>,
    ) -> Result<Vec<TaskScore>, Error> {
        let restored = self.restored(folder)?;
        let after = restored.last_task(folder, self.inputs.data().tasks())?;
        let method = restored.method.as_ref();
        let answering = method.for_evaluation(&restored.learner)?;
        match shuffle {
            Some(seed) => self
                .inputs
                .score_mixed(&self.config, method, &answering, after, seed),
            None => {
                let scoring = self.inputs.scoring(&self.config, None);
                (0..=after.0)
                    .map(|on| scoring.score(method, &answering, TaskId(on), after))
                    .collect()
            }
        }
    }
}
