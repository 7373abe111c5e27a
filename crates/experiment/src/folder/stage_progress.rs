//! Checkpoints in the middle of a task.
//!
//! ```text
//! <run>/progress/03-000120/  stage 3 after 120 steps: model.safetensors (what is trained),
//!                            optimizer.bpk, method/, checksums.json, cost.json
//! ```
//!
//! One counts once its `cost.json`, written last, is there; the last two are kept, and none once the
//! task's own checkpoint is whole. What begins a task need not be stored: a run that goes on reads
//! the checkpoint before the task, begins the task, and puts this on top.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{optim::ModuleOptimizer, tensor::Device};
use treelora_core::{
    ContinualModel, Error, Learner, Method, TensorFile, load_optimizer, read_json, save_optimizer,
    write_atomically,
};

use crate::{
    event::StageCost,
    folder::{
        checksums,
        trainable_state::{load_trainable_state, trainable_state},
    },
};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const METHOD: &str = "method";
const COST: &str = "cost.json";

/// The training of one stage between two steps.
pub(crate) struct StageProgress<M> {
    pub(crate) learner: Learner<M>,
    pub(crate) optimizer: ModuleOptimizer,
    /// Of the steps so far, which it counts.
    pub(crate) cost: StageCost,
}

/// The folder of such checkpoints.
pub(crate) struct ProgressFolder {
    path: PathBuf,
}

impl ProgressFolder {
    pub(crate) fn of_run(run: &Path) -> Self {
        Self {
            path: run.join("progress"),
        }
    }

    /// # Errors
    /// When writing fails; earlier checkpoints are then whole.
    pub(crate) fn write<M: ContinualModel>(
        &self,
        stage: usize,
        progress: &StageProgress<M>,
        method: &dyn Method<M>,
    ) -> Result<(), Error> {
        let folder = self
            .path
            .join(format!("{stage:02}-{:06}", progress.cost.steps));
        remove(&folder)?;
        let of_method = folder.join(METHOD);
        fs::create_dir_all(&of_method).map_err(|e| Error::io(&of_method, e))?;
        trainable_state(&progress.learner).save(&folder.join(MODEL))?;
        save_optimizer(&progress.optimizer, &folder.join(OPTIMIZER))?;
        method.save_progress(&of_method)?;
        let cost =
            serde_json::to_vec_pretty(&progress.cost).map_err(|e| Error::Data(e.to_string()))?;
        checksums::write(&folder, (COST, &cost))?;
        write_atomically(&folder.join(COST), &cost)?;
        let whole = self.whole();
        whole
            .iter()
            .rev()
            .skip(2)
            .try_for_each(|(_, old)| remove(old))
    }

    /// `fresh`, whose task has begun, brought to the last checkpoint of this stage; as it is, where
    /// there is none.
    ///
    /// # Errors
    /// When the checkpoint does not fit model or method, or is damaged.
    pub(crate) fn go_on<M: ContinualModel>(
        &self,
        stage: usize,
        fresh: StageProgress<M>,
        method: &mut dyn Method<M>,
        device: &Device,
    ) -> Result<StageProgress<M>, Error> {
        let last = self.whole().pop();
        let Some((_, folder)) = last.filter(|((of, _), _)| *of == stage) else {
            return Ok(fresh);
        };
        checksums::verify(&folder)?;
        let state = folder.join(MODEL);
        let learner = load_trainable_state(fresh.learner, &TensorFile::load(&state)?)
            .map_err(|e| Error::format(&state, e.to_string()))?;
        method.load_progress(&folder.join(METHOD), device)?;
        Ok(StageProgress {
            optimizer: load_optimizer(fresh.optimizer, &learner, &folder.join(OPTIMIZER))?,
            learner,
            cost: read_json(&folder.join(COST))?,
        })
    }

    /// The newest checkpoint.
    pub(crate) fn last(&self) -> Option<PathBuf> {
        self.whole().pop().map(|(_, folder)| folder)
    }

    /// # Errors
    /// When something cannot be removed.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        remove(&self.path)
    }

    /// Those that count, oldest first, by stage and steps.
    fn whole(&self) -> Vec<((usize, usize), PathBuf)> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut whole: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.join(COST).is_file())
            .filter_map(|path| {
                let (stage, steps) = path.file_name()?.to_str()?.split_once('-')?;
                Some(((stage.parse().ok()?, steps.parse().ok()?), path))
            })
            .collect();
        whole.sort();
        whole
    }
}

/// A folder with all it holds, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, e)),
        _ => Ok(()),
    }
}
