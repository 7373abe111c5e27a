//! From the setting to the records.

use treelora_core::{Error, mix};

use super::{
    dataset::{MissingPart, TextDataset, TextSplit, TextTask},
    dataset_config::{ScoredSplit, TextDatasetConfig, TrainSplit},
    record::TextRecord,
    task_source::{Found, TaskSource},
};
use crate::stream::{Subset, shuffled};

impl TextDatasetConfig {
    /// Read the tasks.
    ///
    /// # Errors
    /// When a setting is out of range, a file is missing (unless that is allowed), or a record is
    /// not what it should be; the message names the file and the record.
    pub fn open(&self) -> Result<TextDataset, Error> {
        let mut dataset = TextDataset {
            tasks: Vec::new(),
            missing: Vec::new(),
        };
        let sources = self.checked_sources()?;
        for (source, visit) in self.in_order(&sources) {
            let reading = Reading {
                config: self,
                source,
                visit,
                missing: &mut dataset.missing,
            };
            if let Some(task) = reading.task()? {
                dataset.tasks.push(task);
            }
        }
        let mut seen = Vec::new();
        dataset.missing.retain(|part| {
            let new = !seen.contains(part);
            seen.push(part.clone());
            new
        });
        match dataset.tasks.is_empty() {
            true => Err(Error::Data("no task of the stream has its files".into())),
            false => Ok(dataset),
        }
    }

    /// Read what the tasks are trained on, and no other file.
    ///
    /// # Errors
    /// As [`open`](Self::open), for the files of the training splits.
    pub fn open_training(&self) -> Result<Vec<TextSplit>, Error> {
        let mut missing = Vec::new();
        let mut splits = Vec::new();
        let sources = self.checked_sources()?;
        for (source, visit) in self.in_order(&sources) {
            let mut reading = Reading {
                config: self,
                source,
                visit,
                missing: &mut missing,
            };
            splits.extend(reading.train()?);
        }
        Ok(splits)
    }

    /// The tasks, round after round, with the number of their visit.
    fn in_order<'s>(
        &self,
        sources: &'s [TaskSource],
    ) -> impl Iterator<Item = (&'s TaskSource, usize)> {
        let order = self.task_order.unwrap_or_default();
        (0..self.visits).flat_map(move |visit| {
            let round = order.round(sources.len(), visit as u64).into_iter();
            round.map(move |number| (&sources[number], visit))
        })
    }

    fn checked_sources(&self) -> Result<Vec<TaskSource>, Error> {
        self.validate()?;
        let sources = self.sources()?;
        for task in self.train_split.keys() {
            // One that this stream leaves out is no mistake: a file may say it of all that it can be run on.
            if !sources.iter().any(|source| source.name() == task) && !self.knows_task(task) {
                let problem = format!("`{task}` is no task of the stream or of any benchmark");
                return Err(Error::setting("train_split", problem));
            }
        }
        Ok(sources)
    }
}

/// One task being read.
struct Reading<'a> {
    config: &'a TextDatasetConfig,
    source: &'a TaskSource,
    /// How often the task came before.
    visit: usize,
    missing: &'a mut Vec<MissingPart>,
}

impl Reading<'_> {
    /// `None` when a part is missing without which there is no task.
    fn task(mut self) -> Result<Option<TextTask>, Error> {
        let (config, name) = (self.config, self.source.name());
        let train_from = self.train_from();
        let train = self.train()?;
        let eval = match train_from {
            TrainSplit::Train => self.split("eval", config.eval_per_task, false, 0)?,
            TrainSplit::Eval => None,
        };
        let test = match config.scored_on {
            ScoredSplit::Test => self.split("test", config.test_per_task, true, self.visit)?,
            ScoredSplit::Eval => match eval.clone() {
                Some(eval) => Some(eval),
                None => self.left_over()?,
            },
        };
        let (Some(train), Some(test)) = (train, test) else {
            return Ok(None);
        };
        Ok(Some(TextTask {
            name: name.to_owned(),
            visit: self.visit,
            train_from,
            train,
            eval: eval.unwrap_or_default(),
            test,
            labels: self.source.labels()?,
        }))
    }

    /// The training records that are not trained on, at most `eval_per_task`; `None` when the file is missing.
    ///
    /// # Errors
    /// When there is none.
    fn left_over(&mut self) -> Result<Option<TextSplit>, Error> {
        let (split, config) = (self.train_from().name(), self.config);
        let Some(records) = self.read(split, true)? else {
            return Ok(None);
        };
        let available = records.len();
        let of_all_visits = |limit: usize| limit.saturating_mul(config.visits);
        let trained = config.train_per_task.map_or(available, of_all_visits);
        let trained = trained.min(available);
        let last = trained.saturating_add(config.eval_per_task.unwrap_or(available));
        let picked = self.order(available, split)[trained..last.min(available)].to_vec();
        match picked.is_empty() {
            false => Ok(Some(TextSplit {
                records: these(records, picked),
                available,
            })),
            true => {
                let problem = format!(
                    "`{}` has no `eval` split, and all its {available} training records are trained on: \
                     `data.train_per_task` leaves some over",
                    self.source.name()
                );
                Err(Error::setting("scored_on", problem))
            }
        }
    }

    /// The split that the task is trained on.
    fn train_from(&self) -> TrainSplit {
        let name = self.source.name();
        let chosen = self.config.train_split.get(name);
        chosen.copied().unwrap_or_default()
    }

    /// What the task is trained on; `None` when it is missing.
    fn train(&mut self) -> Result<Option<TextSplit>, Error> {
        let split = self.train_from().name();
        self.split(split, self.config.train_per_task, true, self.visit)
    }

    fn split(
        &mut self,
        split: &str,
        limit: Option<usize>,
        needed: bool,
        visit: usize,
    ) -> Result<Option<TextSplit>, Error> {
        let Some(records) = self.read(split, needed)? else {
            return Ok(None);
        };
        let available = records.len();
        let records = match limit {
            Some(limit) if limit < available || visit > 0 => {
                let (first, last) = (visit * limit, (visit + 1) * limit);
                if visit > 0 && last > available {
                    let problem = format!(
                        "`{}` has {available} {split} records, and {} visits of {limit} take more",
                        self.source.name(),
                        visit + 1
                    );
                    return Err(Error::setting("visits", problem));
                }
                these(records, self.order(available, split)[first..last].to_vec())
            }
            _ => records,
        };
        Ok(Some(TextSplit { records, available }))
    }

    /// All records of a split; `None` where it is not there and need not be.
    fn read(&mut self, split: &str, needed: bool) -> Result<Option<Vec<TextRecord>>, Error> {
        match self.source.read(split)? {
            Found::Records(records) => Ok(Some(records)),
            Found::NotOffered if needed => {
                let problem = format!("`{}` has no split `{split}`", self.source.name());
                Err(Error::setting("train_split", problem))
            }
            Found::NotOffered => Ok(None),
            // Nothing is learned from or scored on the validation split.
            Found::Missing(file) if self.config.allow_missing || !needed => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                self.missing.push(MissingPart {
                    task: self.source.name().to_owned(),
                    split: split.to_owned(),
                    file: format!("{}/{name}", self.source.name()),
                    task_left_out: needed,
                });
                Ok(None)
            }
            Found::Missing(file) => {
                let task = self.source.name();
                Err(Error::format(
                    file,
                    format!(
                        "the file is missing: it has the {split} split of `{task}`. \
                         `data.allow_missing = true` leaves out what is missing{}",
                        match split {
                            "train" => ", `data.train_split` trains on `eval` instead",
                            _ => "",
                        }
                    ),
                ))
            }
        }
    }

    /// The order in which the records of a split are taken when not all are.
    fn order(&self, records: usize, split: &str) -> Vec<usize> {
        let order: Vec<usize> = (0..records).collect();
        match self.config.subset {
            Subset::Sampled(seed) => {
                // By name, so that the order of the tasks has no influence.
                let name = self.source.name().bytes().chain([0]).chain(split.bytes());
                let parts: Vec<u64> = [seed].into_iter().chain(name.map(u64::from)).collect();
                shuffled(&order, mix(&parts))
            }
            _ => order,
        }
    }
}

/// The records at `picked`, in the order of the file.
fn these(records: Vec<TextRecord>, mut picked: Vec<usize>) -> Vec<TextRecord> {
    picked.sort_unstable();
    let mut records: Vec<Option<TextRecord>> = records.into_iter().map(Some).collect();
    let picked = picked.into_iter();
    picked.filter_map(|index| records[index].take()).collect()
}
