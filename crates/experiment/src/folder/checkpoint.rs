//! A run on disk.
//!
//! ```text
//! <run>/config.toml      the experiment, every setting spelled out
//!       manifest.json    format, version, commit, machine, SHA-256 of weights and data
//!       matrix.json      scores so far, rows = time
//!       metrics.json     every convention by name, and the floors
//!       log.jsonl        one event a line
//!       classes.json     images: scenario, tasks and the name of each label
//!       stream.json      text: what was cut, left out, replaced or double
//!       answers/03/01.json  text: what was written on task 1 after task 3
//!       tasks/03/        adapter.safetensors: the adapter after the task; a JSON file for each of
//!                        the method's diagnostics, such as relatives.json
//!       checkpoints/03/  model.safetensors (adapters and head), method/, checksums.json, result.json
//!       progress/        the same in the middle of a task, see `stage_progress`
//!       lock             the process that works on the run
//! ```
//!
//! Every file is written beside its place and renamed. A checkpoint counts once its
//! `result.json`, written last, is there. The last two are kept; one whose files do not have
//! their checksums is set aside as `checkpoints/03.damaged`, and the one before is used.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use treelora_cl_bench::{Stage, files_below};
use treelora_core::{
    ContinualModel, Error, Learner, Method, TaskId, TensorFile, read_json, rename_durably,
    write_atomically, write_json,
};
use treelora_lora::AdapterSnapshot;

use crate::{
    event::RunResult,
    folder::{
        checksums,
        manifest::{FORMAT, Manifest, OLDEST_FORMAT},
        run_lock::RunLock,
        stage_progress::{ProgressFolder, remove},
        summary::RunSummary,
        trainable_state::{load_trainable_state, trainable_state},
    },
};

const ADAPTER: &str = "adapter.safetensors";
const SUMMARY: &str = "metrics.json";
const RESULT: &str = "result.json";

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    stop: Arc<AtomicBool>,
}

impl RunFolder {
    /// Make the folder of a new run.
    ///
    /// # Errors
    /// When it exists and is not empty, or cannot be written.
    pub fn create(path: &Path, config_toml: &str, manifest: &Manifest) -> Result<Self, Error> {
        Self::check_free(path)?;
        // Made beside its place, so that a crash leaves no half-made run in the way; an empty folder
        // that is there (it may be a mount point) is filled where it is.
        let made = match path.exists() {
            true => path.to_owned(),
            false => path.with_added_extension("partial"),
        };
        if made != path {
            remove(&made)?;
        }
        create(&made)?;
        write_atomically(&made.join("config.toml"), config_toml.as_bytes())?;
        write_json(&made.join("manifest.json"), manifest)?;
        if made != path {
            rename_durably(&made, path).map_err(|e| Error::io(path, e))?;
        }
        Ok(Self::at(path))
    }

    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            stop: Arc::default(),
        }
    }

    /// The same folder; a run in it ends after the step during which `stop` becomes true, with a
    /// checkpoint and [`Error::Interrupted`].
    #[must_use]
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// # Errors
    /// [`Error::Interrupted`] when the run is to end here.
    pub(crate) fn check_stop(&self) -> Result<(), Error> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted {
                run: self.path.clone(),
            }),
            false => Ok(()),
        }
    }

    /// Check that a new run may go to `path`.
    ///
    /// # Errors
    /// When it exists and is not empty.
    pub fn check_free(path: &Path) -> Result<(), Error> {
        match fs::read_dir(path)
            .ok()
            .and_then(|mut entries| entries.next())
        {
            None => Ok(()),
            Some(_) => Err(Error::format(
                path,
                "the folder exists and is not empty; choose another with --out (a run is continued \
                 with `treelora resume`)",
            )),
        }
    }

    /// Open the folder of an earlier run.
    ///
    /// # Errors
    /// When it is no run folder or of another format.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let refused = |problem: &str| Err(Error::format(path, problem));
        if !path.exists() {
            return refused("there is no such folder, so there is no run in it");
        }
        if !path.is_dir() {
            return refused("a file, not the folder of a run");
        }
        if !path.join("manifest.json").exists() {
            return refused("no folder of a run: there is no manifest.json in it");
        }
        let folder = Self::at(path);
        let manifest = folder.manifest()?;
        if !(OLDEST_FORMAT..=FORMAT).contains(&manifest.format) {
            return Err(Error::format(
                path.join("manifest.json"),
                format!(
                    "format {} of the run, written by version {}; this program reads \
                     {OLDEST_FORMAT} to {FORMAT}",
                    manifest.format, manifest.version
                ),
            ));
        }
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Provenance of the run.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        self.read_json("manifest.json")
    }

    /// The experiment's TOML.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Take the right to write into the folder.
    ///
    /// # Errors
    /// When another process has it, which is named.
    pub fn lock(&self) -> Result<RunLock, Error> {
        RunLock::take(&self.path)
    }

    /// Rename checkpoints that are damaged, newest first, up to one that is whole; what was wrong
    /// with each.
    ///
    /// # Errors
    /// When one cannot be renamed.
    pub fn set_damaged_aside(&self) -> Result<Vec<Error>, Error> {
        let mut problems = set_aside(|| self.progress().last())?;
        problems.extend(set_aside(|| self.last_checkpoint())?);
        Ok(problems)
    }

    /// Write a value as indented JSON, atomically.
    ///
    /// # Errors
    /// When writing fails; an earlier file is then unchanged.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        write_json(&self.path.join(name), value)
    }

    /// Read a value that [`write_json`](Self::write_json) wrote.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn read_json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, Error> {
        read_json(&self.path.join(name))
    }

    /// Write what a finished run leaves for readers.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_summary(&self, summary: &RunSummary) -> Result<(), Error> {
        self.write_json("matrix.json", &summary.matrix)?;
        self.write_json(SUMMARY, summary)
    }

    /// The numbers of the run, once it is finished.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn summary(&self) -> Result<Option<RunSummary>, Error> {
        match self.path.join(SUMMARY).exists() {
            true => self.read_json(SUMMARY).map(Some),
            false => Ok(None),
        }
    }

    /// Scores and costs of the stages so far, from the last checkpoint; `None` before the first.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn result(&self) -> Result<Option<RunResult>, Error> {
        let checkpoint = self.last_checkpoint();
        checkpoint
            .map(|checkpoint| read_json(&checkpoint.join("result.json")))
            .transpose()
    }

    /// One of the method's diagnostics after a task; `None` where it left none of this name.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn diagnostics<T: for<'de> Deserialize<'de>>(
        &self,
        task: TaskId,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let path = self.task(task).join(format!("{name}.json"));
        match path.exists() {
            true => read_json(&path).map(Some),
            false => Ok(None),
        }
    }

    /// The last stage that the run completed.
    ///
    /// # Errors
    /// When it has completed none.
    pub(crate) fn last_stage<'s>(
        &self,
        stages: &'s [Stage],
        result: &RunResult,
    ) -> Result<&'s Stage, Error> {
        let last = result.costs.len().checked_sub(1);
        last.and_then(|last| stages.get(last))
            .ok_or_else(|| Error::format(&self.path, "no task of the run is complete"))
    }

    /// Keep the answers on task `on` after training up to task `after`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_answers(
        &self,
        after: TaskId,
        on: TaskId,
        answers: &impl Serialize,
    ) -> Result<(), Error> {
        let folder = self.path.join("answers").join(format!("{:02}", after.0));
        create(&folder)?;
        write_json(&folder.join(format!("{:02}.json", on.0)), answers)
    }

    /// Write the checkpoint after stage `index` and the results so far, with its bytes among them.
    ///
    /// # Errors
    /// When writing fails; earlier checkpoints are then whole.
    pub fn write_stage<M: ContinualModel>(
        &self,
        index: usize,
        task: TaskId,
        learner: &Learner<M>,
        method: &dyn Method<M>,
        result: &mut RunResult,
    ) -> Result<(), Error> {
        let state = trainable_state(learner);
        let folder = self.task(task);
        create(&folder)?;
        let answering = method.for_evaluation(learner)?;
        let answering = method.for_task(&answering, task)?.unwrap_or(answering);
        if let Some(adapter) = AdapterSnapshot::of_selection(&answering.model) {
            let path = folder.join(ADAPTER);
            adapter
                .save(&path)
                .map_err(|e| Error::format(&path, e.to_string()))?;
        }

        for (name, value) in method.diagnostics() {
            write_json(&folder.join(format!("{name}.json")), &value)?;
        }

        self.raise_format()?;
        let checkpoint = self.checkpoint(index);
        remove(&checkpoint)?;
        let memory = checkpoint.join("method");
        create(&memory)?;
        state.save(&checkpoint.join("model.safetensors"))?;
        method.save(&memory)?;
        result.costs[index].checkpoint_bytes = Some(bytes_below(&checkpoint)?);
        let numbers = serde_json::to_vec_pretty(result).map_err(|e| Error::Data(e.to_string()))?;
        checksums::write(&checkpoint, (RESULT, &numbers))?;
        write_atomically(&checkpoint.join(RESULT), &numbers)?;
        self.write_json("matrix.json", &result.matrix)?;
        if let Some(old) = index.checked_sub(2) {
            remove(&self.checkpoint(old))?;
        }
        self.progress().clear()
    }

    /// Bring `learner` (as the method attached it) and `method` to the last checkpoint;
    /// `None` when no stage was completed.
    ///
    /// # Errors
    /// When the checkpoint does not fit the model or is damaged.
    pub fn restore<M: ContinualModel>(
        &self,
        learner: Learner<M>,
        method: &mut dyn Method<M>,
        device: &Device,
    ) -> Result<(Learner<M>, Option<RunResult>), Error> {
        let Some(checkpoint) = self.last_checkpoint() else {
            return Ok((learner, None));
        };
        checksums::verify(&checkpoint)?;
        let result: RunResult = read_json(&checkpoint.join(RESULT))?;
        let read = || {
            let path = checkpoint.join("model.safetensors");
            let learner = load_trainable_state(learner, &TensorFile::load(&path)?)
                .map_err(|e| Error::format(&path, e.to_string()))?;
            method.load(&checkpoint.join("method"), device)?;
            Ok(learner)
        };
        match (read(), self.manifest()) {
            (Err(error), Ok(manifest)) => Err(manifest.explained(error)),
            (learner, _) => Ok((learner?, Some(result))),
        }
    }

    /// Note that the files to come are of this format; whatever the run goes on from was readable.
    fn raise_format(&self) -> Result<(), Error> {
        let manifest = self.manifest()?;
        match manifest.format == FORMAT {
            true => Ok(()),
            false => self.write_json(
                "manifest.json",
                &Manifest {
                    format: FORMAT,
                    ..manifest
                },
            ),
        }
    }

    /// The adapter that answered after training on `task`.
    ///
    /// # Errors
    /// When the run has not come so far, or the file is damaged.
    pub fn adapter_of(&self, task: TaskId, device: &Device) -> Result<AdapterSnapshot, Error> {
        let path = self.task(task).join(ADAPTER);
        if !path.exists() {
            let problem = "no adapter: the run has not come so far, or its method has none";
            return Err(Error::format(&path, problem));
        }
        AdapterSnapshot::load(&path, device).map_err(|e| Error::format(&path, e.to_string()))
    }

    fn task(&self, task: TaskId) -> PathBuf {
        self.path.join("tasks").join(format!("{:02}", task.0))
    }

    fn checkpoint(&self, index: usize) -> PathBuf {
        self.path.join("checkpoints").join(format!("{index:02}"))
    }

    /// The checkpoints in the middle of a task.
    pub(crate) fn progress(&self) -> ProgressFolder {
        ProgressFolder::of_run(&self.path)
    }

    fn last_checkpoint(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.path.join("checkpoints")).ok()?;
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.join(RESULT).is_file())
            .filter_map(|path| {
                let index: usize = path.file_name()?.to_str()?.parse().ok()?;
                Some((index, path))
            })
            .max()
            .map(|(_, path)| path)
    }
}

/// Rename the newest checkpoint while it is damaged.
fn set_aside(newest: impl Fn() -> Option<PathBuf>) -> Result<Vec<Error>, Error> {
    let mut problems = Vec::new();
    while let Some(checkpoint) = newest() {
        let Err(problem) = checksums::verify(&checkpoint) else {
            break;
        };
        let aside = checkpoint.with_extension("damaged");
        remove(&aside)?;
        fs::rename(&checkpoint, &aside).map_err(|e| Error::io(&checkpoint, e))?;
        problems.push(problem);
    }
    Ok(problems)
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))
}

/// Sum of the sizes of every file below a folder.
///
/// # Errors
/// When a file cannot be asked.
fn bytes_below(folder: &Path) -> Result<u64, Error> {
    files_below(folder)?.iter().try_fold(0, |sum, (_, path)| {
        let file = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        Ok(sum + file.len())
    })
}
