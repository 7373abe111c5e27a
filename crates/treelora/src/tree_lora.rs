//! TreeLoRA (the paper's Algorithm 1): read top to bottom.

use std::path::Path;

use burn::{
    module::Module,
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use treelora_core::{
    Batches, ContinualModel, Error, Group, Learner, LearningRates, Method, Seeds, StepInfo, Task,
    TaskId, read_json, write_json,
};
use treelora_lora::{
    AdapterSnapshot, LayerVectors, LayerView, Selection, attach_bank, detach, select,
};

use crate::{
    Initialisation, Regulariser, TaskRelatives, TreeLoraConfig, adapter_store::AdapterStore,
    regulariser, relatives::Relatives, signature::SignatureRecorder, sparsity,
};

/// Layer-wise low-rank adapters, guided by a gradient-similarity tree over the past tasks.
///
/// One adapter is trained from task to task; after each task its values are kept, and the mean of
/// its layer vectors becomes the task's signature. While training, a bandit on the tree of
/// signatures picks one past task per layer, and the loss pulls the layer towards it.
#[derive(Debug)]
pub struct TreeLora {
    config: TreeLoraConfig,
    rng: ChaCha8Rng,
    /// Names of the adapted layers, in the order of the layer vectors.
    layers: Vec<String>,
    relatives: Relatives,
    adapters: AdapterStore,
    recorder: SignatureRecorder,
    pending: Option<Pending>,
    chosen: Vec<usize>,
    task: TaskId,
    /// Tasks behind each arm of the current task's bandits.
    arms: Vec<Vec<TaskId>>,
    /// Numbers of the last settled step, for the log; none before it.
    terms: Vec<(String, f64)>,
}

/// Chosen relatives and their costs, still on the device: read back one step late.
#[derive(Debug)]
struct Pending {
    chosen: Vec<usize>,
    costs: Tensor<1>,
    /// [`StepInfo::progress`] of the step.
    progress: f64,
}

impl TreeLora {
    /// With `seed` for initialisation and random choices.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is out of range.
    pub fn new(config: TreeLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            rng: Seeds::new(seed).initialisation(),
            relatives: Relatives::new(&config),
            adapters: AdapterStore::default(),
            layers: Vec::new(),
            recorder: SignatureRecorder::default(),
            pending: None,
            chosen: Vec::new(),
            task: TaskId(0),
            arms: Vec::new(),
            terms: Vec::new(),
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &TreeLoraConfig {
        &self.config
    }

    /// Signatures, tree and arm statistics.
    pub fn relatives(&self) -> &Relatives {
        &self.relatives
    }

    /// The adapters of past tasks.
    pub fn adapters(&self) -> &AdapterStore {
        &self.adapters
    }

    /// The past task that each layer chose at the last step (slots of [`Self::adapters`]).
    pub fn chosen(&self) -> &[usize] {
        &self.chosen
    }

    /// The model with the adapter that was kept for `task`.
    ///
    /// # Errors
    /// When the task was not learned or the adapter does not fit the model.
    pub fn with_adapter_of<M: ContinualModel>(&self, model: M, task: TaskId) -> Result<M, Error> {
        let adapter = self
            .adapters
            .get(task)
            .ok_or_else(|| Error::Data(format!("no adapter is kept for task {task}")))?;
        adapter.apply(model).map_err(adapter_error)
    }

    /// Read the costs of the last choice and add them to the arm statistics.
    ///
    /// # Errors
    /// When a cost is no number.
    fn settle(&mut self) -> Result<(), Error> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let costs: Vec<f64> = pending.costs.into_data().iter::<f64>().collect();
        let sum: f64 = costs.iter().sum();
        self.terms = vec![("mean_cost".into(), sum / costs.len().max(1) as f64)];
        let in_the_loss = self.config.layer_vector == LayerView::FactorA
            && self.config.regulariser == Regulariser::L1;
        if in_the_loss {
            self.terms.push(("pull".into(), self.config.lambda * sum));
        }
        self.relatives
            .observe(&pending.chosen, &costs, pending.progress)
            .map_err(|error| Error::Data(format!("task {}: {error}", self.task)))
    }

    /// Record the layer vectors and choose one past task per layer: the rows of their signatures, and the distances to
    /// them, which settle as costs a step later. `None` without a past task.
    fn choose(
        &mut self,
        vectors: &LayerVectors,
        step: &StepInfo,
    ) -> Result<Option<(Tensor<2>, Tensor<1>)>, Error> {
        self.recorder.record(step.epoch, vectors.tensor());
        if self.relatives.is_empty() {
            return Ok(None);
        }
        self.settle()?;
        self.relatives.set_horizon(step.epochs * step.steps);
        self.chosen = self.relatives.choose(&mut self.rng);
        let rows = self.relatives.rows(&self.chosen);
        let distances = regulariser::distances(self.config.scale, vectors, rows.clone());
        self.pending = Some(Pending {
            chosen: self.chosen.clone(),
            costs: distances.clone().detach(),
            progress: step.progress(),
        });
        Ok(Some((rows, distances)))
    }

    /// Choose relatives by the gradients of the adapter, and pull those towards them.
    fn pulled<M: Module>(
        &mut self,
        model: &M,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        let granularity = self.config.granularity;
        let vectors =
            LayerVectors::gradient_a(model, &gradients, granularity).map_err(adapter_error)?;
        let Some((rows, _)) = self.choose(&vectors, step)? else {
            return Ok(gradients);
        };
        Ok(match self.config.regulariser {
            Regulariser::None => gradients,
            // The step is then the identity, but for rounding.
            _ if self.config.lambda == 0.0 => gradients,
            _ => {
                let lambda = self.config.lambda;
                let pulled = regulariser::pulled_gradients(lambda, vectors.tensor(), rows);
                let mut gradients = gradients;
                vectors.write_gradients(pulled, &mut gradients);
                gradients
            }
        })
    }
}

impl<M: ContinualModel> Method<M> for TreeLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        let model = treelora_lora::attach(model, &self.config.lora, &mut self.rng)
            .map_err(|e| Error::setting("lora", e.to_string()))?;
        let layers = LayerVectors::factor_a(&model, self.config.granularity)
            .map_err(|e| Error::setting("granularity", e.to_string()))?;
        self.layers = layers.names().to_vec();
        self.relatives.set_layers(self.layers.len())?;
        Ok(Learner::of(model))
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.task = task.id;
        self.pending = None;
        self.chosen.clear();
        self.terms.clear();
        self.arms = self.adapters.slots();
        self.relatives.begin_task();
        if self.config.initialisation == Initialisation::Fresh && !self.relatives.is_empty() {
            let fresh =
                |model| treelora_lora::attach(detach(model), &self.config.lora, &mut self.rng);
            return learner.try_map_model(fresh).map_err(adapter_error);
        }
        Ok(learner)
    }

    fn learning_rates(&self, base: LearningRates, step: &StepInfo) -> LearningRates {
        match step.task.0 {
            0 => base,
            _ => {
                let slow = base.of(&Group::ADAPTER) * self.config.slow_learning;
                base.with(Group::ADAPTER, slow)
            }
        }
    }

    /// Steps 1 to 4 of the method, where the layer vector is the value of A.
    fn objective(
        &mut self,
        learner: &Learner<M>,
        batch: &M::Batch,
        step: &StepInfo,
    ) -> Result<Tensor<1>, Error> {
        let steps = step.epochs * step.steps;
        let restarts = self.config.initialisation == Initialisation::Relatives;
        if restarts && !self.relatives.is_empty() && self.config.probe_steps > steps {
            let problem = format!(
                "{} steps before the restart, and task {} has {steps}",
                self.config.probe_steps, step.task
            );
            return Err(Error::setting("probe_steps", problem));
        }
        let loss = learner.model.loss(batch);
        if self.config.layer_vector != LayerView::FactorA {
            return Ok(loss);
        }
        let vectors = LayerVectors::factor_a(&learner.model, self.config.granularity)
            .map_err(adapter_error)?;
        let Some((rows, distances)) = self.choose(&vectors, step)? else {
            return Ok(loss);
        };
        Ok(regulariser::regularised(
            self.config.regulariser,
            self.config.lambda,
            loss,
            &vectors,
            rows,
            distances,
            step,
        ))
    }

    /// Steps 2 to 4, where the layer vector is the gradient; no gradient of a factor that stays.
    fn gradients(
        &mut self,
        learner: &Learner<M>,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<GradientsParams, Error> {
        let gradients = match self.config.layer_vector {
            LayerView::GradientA => self.pulled(&learner.model, gradients, step)?,
            _ => gradients,
        };
        Ok(match self.config.frozen_factor {
            Some(factor) if step.task.0 > 0 => factor.removed_from(gradients, &learner.model),
            _ => gradients,
        })
    }

    /// Step 5, and the restart at the chosen relatives after the probe steps.
    fn after_step(&mut self, learner: Learner<M>, step: &StepInfo) -> Result<Learner<M>, Error> {
        if self.chosen.is_empty() {
            return Ok(learner);
        }
        let restart = self.config.initialisation == Initialisation::Relatives
            && step.step_in_task() + 1 == self.config.probe_steps;
        if restart {
            self.settle()?;
            let best = self.relatives.best();
            let composed = self.adapters.composed(&best, &self.layers);
            return learner
                .try_map_model(|model| composed.apply(model))
                .map_err(adapter_error);
        }
        if self.config.sparsity > 0.0 {
            let factors = LayerVectors::factor_a(&learner.model, self.config.granularity)
                .map_err(adapter_error)?;
            let relatives = self.adapters.factor_rows(&self.chosen);
            let own = factors.tensor().detach().without_autodiff();
            let snapped = sparsity::snapped(own, relatives, self.config.sparsity);
            return Ok(learner.map_model(|model| factors.write_factors(snapped, model)));
        }
        Ok(learner)
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        self.settle()?;
        let Some(signature) = self.recorder.finish() else {
            return Err(Error::Data(format!(
                "task {} ({}) ended without a training step: it has no signature",
                task.id, task.name
            )));
        };
        self.adapters
            .insert(task.id, AdapterSnapshot::of(&learner.model));
        self.relatives.insert(signature)?;
        let budget = self.config.storage_budget.unwrap_or(usize::MAX);
        for merge in self.relatives.merge_to_budget(budget)? {
            self.adapters.merge(&merge).map_err(adapter_error)?;
        }
        Ok(learner)
    }

    /// The model with its newest adapter (the paper's inference), and beside it, not selected, those
    /// of all slots.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        if self.adapters.is_empty() {
            return Ok(answering);
        }
        let newest = AdapterSnapshot::of(&answering.model);
        let adapters: Vec<AdapterSnapshot> = std::iter::once(&newest)
            .chain(self.adapters.adapters())
            .cloned()
            .collect();
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, Selection::One(0)))
            .map_err(adapter_error)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        let of_slot = |slot| {
            let learner = answering.clone();
            learner.map_model(|model| select(model, Selection::One(1 + slot)))
        };
        Ok(self.adapters.slot(task).map(of_slot))
    }

    /// `mean_cost`, the mean distance to the chosen relatives, and `pull`, what they add to the
    /// loss; both of the step before, since costs are read back one step late.
    fn log(&self) -> Vec<(String, f64)> {
        self.terms.clone()
    }

    /// `relatives`: a [`TaskRelatives`].
    fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
        let Some(tree) = self.relatives.tree() else {
            return Vec::new();
        };
        let relatives = TaskRelatives {
            task: self.task,
            layers: self.layers.clone(),
            arms: self.arms.clone(),
            windows: self.relatives.windows(),
            statistics: self.relatives.arm_records(),
            slots: self.adapters.slots(),
            tree: tree.structure().clone(),
        };
        let value = serde_json::to_value(relatives).expect("keys are strings");
        vec![(TaskRelatives::NAME.into(), value)]
    }

    fn stored_bytes(&self) -> usize {
        self.adapters.num_bytes() + self.relatives.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.adapters.save(dir)?;
        self.relatives.save(dir)?;
        let state = State {
            rng: self.rng.clone(),
            task: self.task,
        };
        write_json(&dir.join("treelora.json"), &state)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.adapters = AdapterStore::load(dir, device)?;
        self.relatives.load(dir, device)?;
        let state: State = read_json(&dir.join("treelora.json"))?;
        self.rng = state.rng;
        self.task = state.task;
        Ok(())
    }

    fn save_progress(&self, dir: &Path) -> Result<(), Error> {
        self.recorder.save(dir)?;
        self.relatives.save_progress(dir)?;
        let progress = Progress {
            rng: self.rng.clone(),
            pending: self.pending.as_ref().map(|pending| StoredPending {
                chosen: pending.chosen.clone(),
                costs: pending.costs.to_data().iter::<f32>().collect(),
                progress: pending.progress,
            }),
        };
        write_json(&dir.join(PROGRESS), &progress)
    }

    fn load_progress(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.recorder = SignatureRecorder::load(dir, device)?;
        self.relatives.load_progress(dir)?;
        let progress: Progress = read_json(&dir.join(PROGRESS))?;
        self.rng = progress.rng;
        self.pending = progress.pending.map(|stored| Pending {
            costs: Tensor::from_data(stored.costs.as_slice(), &device.clone().without_autodiff()),
            chosen: stored.chosen,
            progress: stored.progress,
        });
        Ok(())
    }
}

const PROGRESS: &str = "progress.json";

#[derive(Serialize, Deserialize)]
struct State {
    rng: ChaCha8Rng,
    task: TaskId,
}

/// Between two steps, beside recorder and bandits.
#[derive(Serialize, Deserialize)]
struct Progress {
    rng: ChaCha8Rng,
    pending: Option<StoredPending>,
}

#[derive(Serialize, Deserialize)]
struct StoredPending {
    chosen: Vec<usize>,
    costs: Vec<f32>,
    progress: f64,
}

fn adapter_error(error: treelora_lora::LoraError) -> Error {
    Error::Data(error.to_string())
}
