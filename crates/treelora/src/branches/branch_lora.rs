//! Branches of tasks that share an adapter: read top to bottom.

use std::path::Path;

use burn::{module::Module, tensor::Device};
use rand::{Rng, RngExt};
use treelora_class_incremental::{GroupMoments, frozen_features};
use treelora_core::{
    Batches, Error, Features, Group, Learner, LearningRates, Method, Seeds, StepInfo, Task, TaskId,
};
use treelora_lora::{AdapterSnapshot, LoraError, Selection, attach, attach_bank, detach, select};

use super::{
    BranchLoraConfig, BranchStart, Branches, Placement,
    probe::{Probed, few_examples, probed},
};
use crate::AdapterStore;

/// One adapter for each domain that the stream turns out to have.
///
/// Before a task, one frozen pass over its training data gives its mean features. They find its nearest relatives in a
/// tree over the past tasks; if the task is not shifted from their branch by more than tasks of one domain are apart, the
/// branch's adapter is trained on, slowly, else a branch is opened with a fresh adapter. After the task, the adapter is
/// kept in its branch. A stream of one domain so has one adapter that learns slowly, a stream of unrelated tasks an adapter
/// a task, and a stream whose domains come back as many as there are domains.
///
/// By itself the newest adapter answers. With `classifier.router` each example is answered by the branch that it is
/// inferred to belong to; so it is with `inference = "routed"`, for images and text.
#[derive(Debug)]
pub struct BranchLora {
    config: BranchLoraConfig,
    seeds: Seeds,
    adapters: AdapterStore,
    branches: Branches,
    current: Option<Current>,
    /// Where the task that ended last was put.
    last: Option<Placement>,
}

/// The task that is being learned.
#[derive(Debug)]
struct Current {
    task: TaskId,
    moments: GroupMoments,
    placement: Placement,
}

impl BranchLora {
    /// With `seed` for the adapters' initial values and random choices.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is out of range.
    pub fn new(config: BranchLoraConfig, seed: u64) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            config,
            seeds: Seeds::new(seed),
            adapters: AdapterStore::default(),
            branches: Branches::default(),
            current: None,
            last: None,
        })
    }

    /// What is remembered of the branches.
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// Where the adapter of a new branch starts.
    fn find_start<M: Features>(
        &self,
        placement: &mut Placement,
        model: &M,
        data: &dyn Batches<M::Batch>,
        mut rng: impl Rng,
    ) -> Result<(), Error> {
        let tree = match self.config.start {
            BranchStart::Fresh => return Ok(()),
            BranchStart::Nearest => {
                placement.start = placement.nearest.or(self.branch());
                return Ok(());
            }
            BranchStart::Last => {
                placement.start = self.branch();
                return Ok(());
            }
            BranchStart::Random => {
                placement.start = Some(rng.random_range(0..self.branches.len()));
                return Ok(());
            }
            BranchStart::Probe => Some(self.branches.arms()?),
            BranchStart::ProbeAll => None,
        };
        let examples = few_examples(model, data, self.config.probe_examples)?;
        let Probed { best, passes } = probed(model, &self.adapters, &examples, tree)?;
        (placement.start, placement.passes) = (best, passes);
        Ok(())
    }

    /// The branch of the task that is being learned, or was learned last.
    fn branch(&self) -> Option<usize> {
        match &self.current {
            Some(current) => Some(current.placement.branch),
            None => self.branches.branch_of().last().copied(),
        }
    }
}

impl<M: Features> Method<M> for BranchLora {
    fn attach(&mut self, model: M) -> Result<Learner<M>, Error> {
        attach(model, &self.config.lora, &mut self.seeds.initialisation())
            .map(Learner::of)
            .map_err(|e| Error::setting("lora", e.to_string()))
    }

    fn begin_task(
        &mut self,
        learner: Learner<M>,
        data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let model = learner.model.valid();
        let moments = GroupMoments::of(&frozen_features(&model, data)?);
        let mut rng = self.seeds.initialisation_for(task.id);
        let mut placement = self.branches.place(&moments, &self.config, &mut rng)?;
        if placement.branch == self.branches.len() && !self.branches.is_empty() {
            self.find_start(&mut placement, &model, data, &mut rng)?;
        }
        let learner = match placement
            .start
            .and_then(|branch| self.adapters.adapter(branch))
        {
            Some(adapter) => learner.try_map_model(|model| adapter.apply(model)),
            // The first task has the adapter that was attached.
            None if self.adapters.is_empty() => Ok(learner),
            None => {
                let mut rng = self.seeds.initialisation_for(task.id);
                learner.try_map_model(|model| attach(detach(model), &self.config.lora, &mut rng))
            }
        };
        self.current = Some(Current {
            task: task.id,
            moments,
            placement,
        });
        learner.map_err(adapter_error)
    }

    fn learning_rates(&self, base: LearningRates, _step: &StepInfo) -> LearningRates {
        match self.branch() {
            Some(branch) if branch < self.branches.len() => {
                let slow = base.of(&Group::ADAPTER) * self.config.slow_learning;
                base.with(Group::ADAPTER, slow)
            }
            _ => base,
        }
    }

    fn end_task(
        &mut self,
        learner: Learner<M>,
        _data: &dyn Batches<M::Batch>,
        task: &Task,
    ) -> Result<Learner<M>, Error> {
        let current = self.current.take();
        let Some(current) = current.filter(|current| current.task == task.id) else {
            return Err(Error::Data(format!(
                "task {} ({}) ended without having begun",
                task.id, task.name
            )));
        };
        let branch = current.placement.branch;
        let adapter = AdapterSnapshot::of(&learner.model);
        self.adapters.put(branch, task.id, adapter);
        self.branches.insert(branch, current.moments);
        self.last = Some(current.placement);
        Ok(learner)
    }

    /// The model with the adapters of all branches, that of the last task selected.
    fn for_evaluation(&self, learner: &Learner<M>) -> Result<Learner<M>, Error> {
        let answering = learner.valid();
        let Some(&branch) = self.branches.branch_of().last() else {
            return Ok(answering);
        };
        let adapters: Vec<AdapterSnapshot> = self.adapters.adapters().cloned().collect();
        let selection = Selection::One(branch);
        answering
            .try_map_model(|model| attach_bank(detach(model), &adapters, selection))
            .map_err(adapter_error)
    }

    fn for_task(&self, answering: &Learner<M>, task: TaskId) -> Result<Option<Learner<M>>, Error> {
        let of_branch = |branch| {
            let learner = answering.clone();
            learner.map_model(|model| select(model, Selection::One(branch)))
        };
        Ok(self.adapters.slot(task).map(of_branch))
    }

    fn adapter_of(&self, task: TaskId) -> TaskId {
        let begun = self.current.as_ref().filter(|current| current.task == task);
        let branch = match begun {
            Some(current) => Some(current.placement.branch),
            None => self.adapters.slot(task),
        };
        match branch {
            Some(branch) if branch < self.adapters.len() => self.adapters.tasks(branch)[0],
            _ => task,
        }
    }

    /// `branches`, how many there are with the current task's, and `shift`, that from the nearest.
    fn log(&self) -> Vec<(String, f64)> {
        let Some(Current { placement, .. }) = &self.current else {
            return Vec::new();
        };
        let branches = self.branches.len().max(placement.branch + 1);
        let mut terms = vec![("branches".to_owned(), branches as f64)];
        terms.extend(placement.shift.map(|shift| ("shift".to_owned(), shift)));
        terms
    }

    /// `branch`: the [`Placement`] of the task.
    fn diagnostics(&self) -> Vec<(String, serde_json::Value)> {
        let placement = self.last.map(serde_json::to_value);
        placement
            .map(|value| ("branch".to_owned(), value.expect("keys are strings")))
            .into_iter()
            .collect()
    }

    fn stored_bytes(&self) -> usize {
        self.adapters.num_bytes() + self.branches.num_bytes()
    }

    fn save(&self, dir: &Path) -> Result<(), Error> {
        self.adapters.save(dir)?;
        self.branches.save(dir)
    }

    fn load(&mut self, dir: &Path, device: &Device) -> Result<(), Error> {
        self.adapters = AdapterStore::load(dir, device)?;
        self.branches = Branches::load(dir)?;
        match self.adapters.len() == self.branches.len() {
            true => Ok(()),
            false => Err(Error::format(
                dir,
                format!(
                    "{} adapters for {} branches",
                    self.adapters.len(),
                    self.branches.len()
                ),
            )),
        }
    }
}

fn adapter_error(error: LoraError) -> Error {
    Error::Data(error.to_string())
}
