//! A data set cut into tasks.
//!
//! ```
//! use treelora_cl_bench::{dataset::ProceduralConfig, stream::{Stream, StreamConfig}};
//!
//! let splits = ProceduralConfig { classes: 6, ..Default::default() }.generate()?;
//! let stream = Stream::new(&StreamConfig::with_tasks(3), &splits)?;
//! assert_eq!(stream.tasks()[1].task.classes, [2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod error;
mod examples;
mod order;
mod outline;
mod scenario;
mod task_identity;
mod task_order;

use treelora_core::{Task, TaskId};

pub use config::{ClassOrder, StreamConfig, Subset};
pub use error::StreamError;
pub use order::shuffled;
pub use outline::StreamOutline;
pub use scenario::Scenario;
pub use task_identity::TaskIdentity;
pub use task_order::TaskOrder;

use crate::dataset::Splits;

use examples::{Examples, Split};
use task_order::Visit;

/// One task with the positions of its examples in the two splits of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTask {
    /// What a method is told.
    pub task: Task,
    /// Examples of the training split, by label, in file order within a label.
    pub train: Vec<usize>,
    /// Examples of the test split, in the same order.
    pub test: Vec<usize>,
}

/// Tasks in order, and the label space they share.
///
/// A *class* is what the data set calls it; a *label* is its position in the class order of the
/// stream, which is the position of its row in the head. Classes outside the stream have no label.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    scenario: Scenario,
    tasks: Vec<StreamTask>,
    /// Class of each label.
    classes: Vec<usize>,
    label_names: Vec<String>,
    /// Label of each class.
    labels: Vec<Option<usize>>,
}

impl Stream {
    /// Cut a data set into tasks.
    ///
    /// # Errors
    /// When the configuration does not fit the data, or a task would have no example to train on
    /// or to be scored on.
    pub fn new(config: &StreamConfig, splits: &Splits) -> Result<Self, StreamError> {
        config.validate()?;
        let names = splits.train.class_names();
        let classes = config.classes(names.len())?;
        let mut labels = vec![None; names.len()];
        for (label, &class) in classes.iter().enumerate() {
            labels[class] = Some(label);
        }
        let mut stream = Self {
            scenario: config.scenario,
            tasks: Vec::new(),
            label_names: classes.iter().map(|&class| names[class].clone()).collect(),
            classes,
            labels,
        };
        let train = Examples::of(&*splits.train, Split::Training, config.train_per_class);
        let test = Examples::of(&*splits.test, Split::Test, config.test_per_class);
        stream.tasks = match config.scenario {
            Scenario::ClassIncremental | Scenario::TaskIncremental => {
                stream.tasks_of_classes(config, &train, &test)?
            }
            Scenario::DomainIncremental => {
                let domains = config.domains(splits.train.domain_names())?;
                stream.tasks_of_domains(config, &domains, &train, &test)?
            }
            Scenario::VersatileIncremental => {
                let domains = config.domains(splits.train.domain_names())?;
                stream.tasks_of_pairs(config, &domains, &train, &test)?
            }
        };
        Ok(stream)
    }

    /// The tasks in order.
    pub fn tasks(&self) -> &[StreamTask] {
        &self.tasks
    }

    /// What the tasks have in common and what is told at test time.
    pub fn scenario(&self) -> Scenario {
        self.scenario
    }

    /// Size of the label space: rows of the head.
    pub fn num_labels(&self) -> usize {
        self.classes.len()
    }

    /// Class of each label.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// Name of each label.
    pub fn label_names(&self) -> &[String] {
        &self.label_names
    }

    /// Label of each class of the data set; `None` for classes outside the stream.
    pub fn labels(&self) -> &[Option<usize>] {
        &self.labels
    }

    /// The labels that may be answered on task `on` after training up to task `after`, ascending.
    ///
    /// # Panics
    /// When a task is not in the stream.
    pub fn allowed(&self, on: TaskId, after: TaskId) -> Vec<usize> {
        self.outline().allowed(on, after)
    }

    /// The tasks without their examples.
    pub fn outline(&self) -> StreamOutline {
        StreamOutline {
            scenario: self.scenario,
            tasks: self.tasks.iter().map(|task| task.task.clone()).collect(),
            label_names: self.label_names.clone(),
        }
    }

    fn tasks_of_classes(
        &self,
        config: &StreamConfig,
        train: &Examples,
        test: &Examples,
    ) -> Result<Vec<StreamTask>, StreamError> {
        let tasks = config.class_tasks()?;
        let per_task = self.num_labels() / tasks;
        (0..tasks)
            .map(|id| {
                let labels: Vec<usize> = (id * per_task..(id + 1) * per_task).collect();
                let pick = |examples: &Examples| {
                    let mut indices = Vec::new();
                    for &label in &labels {
                        let class = self.classes[label];
                        let picked = examples.of_class(class, None, config.subset);
                        if picked.is_empty() {
                            return Err(StreamError::EmptyClass {
                                class,
                                name: self.label_names[label].clone(),
                                split: examples.split.name(),
                            });
                        }
                        indices.extend(picked);
                    }
                    Ok(indices)
                };
                Ok(StreamTask {
                    train: pick(train)?,
                    test: pick(test)?,
                    task: Task {
                        id: TaskId(id),
                        name: self.name_of(&labels),
                        classes: labels,
                    },
                })
            })
            .collect()
    }

    fn tasks_of_domains(
        &self,
        config: &StreamConfig,
        domains: &[(usize, String)],
        train: &Examples,
        test: &Examples,
    ) -> Result<Vec<StreamTask>, StreamError> {
        domains
            .iter()
            .enumerate()
            .map(|(id, (domain, name))| {
                let pick = |examples: &Examples| {
                    let of_class =
                        |&class: &usize| examples.of_class(class, Some(*domain), config.subset);
                    let indices: Vec<usize> = self.classes.iter().flat_map(of_class).collect();
                    match indices.is_empty() {
                        true => Err(StreamError::EmptyDomain {
                            domain: name.clone(),
                            split: examples.split.name(),
                        }),
                        false => Ok(indices),
                    }
                };
                Ok(StreamTask {
                    train: pick(train)?,
                    test: pick(test)?,
                    task: Task {
                        id: TaskId(id),
                        name: name.clone(),
                        classes: (0..self.num_labels()).collect(),
                    },
                })
            })
            .collect()
    }

    fn tasks_of_pairs(
        &self,
        config: &StreamConfig,
        domains: &[(usize, String)],
        train: &Examples,
        test: &Examples,
    ) -> Result<Vec<StreamTask>, StreamError> {
        let [per_task, per_train_class, per_test_class] = config.versatile_sizes()?;
        let groups = self.num_labels() / per_task;
        let order = config.task_order.unwrap_or_default();
        let visits = order.visits(config.class_tasks()?, domains.len(), groups);
        let task = |(id, visit): (usize, &Visit)| {
            let labels: Vec<usize> =
                (visit.group * per_task..(visit.group + 1) * per_task).collect();
            let (domain, domain_name) = &domains[visit.domain];
            let pick = |examples: &Examples, per_class: usize| {
                let mut indices = Vec::new();
                for &label in &labels {
                    let class = self.classes[label];
                    let slice =
                        examples.slice([class, *domain], config.subset, visit.earlier, per_class);
                    indices.extend(slice.map_err(|found| {
                        let here = |v: &&Visit| (v.domain, v.group) == (visit.domain, visit.group);
                        let last = visits.iter().filter(here).map(|v| v.earlier).max();
                        StreamError::TooFewExamples {
                            class,
                            name: self.label_names[label].clone(),
                            domain: domain_name.clone(),
                            split: examples.split.name(),
                            key: examples.split.limit_key(),
                            found,
                            needed: per_class.saturating_mul(last.unwrap_or(visit.earlier) + 1),
                        }
                    })?);
                }
                Ok(indices)
            };
            Ok(StreamTask {
                train: pick(train, per_train_class)?,
                test: pick(test, per_test_class)?,
                task: Task {
                    id: TaskId(id),
                    name: format!("{domain_name}: {}", self.name_of(&labels)),
                    classes: labels,
                },
            })
        };
        visits.iter().enumerate().map(task).collect()
    }

    /// The names of a task's labels, shortened to the first and the last when there are many.
    fn name_of(&self, labels: &[usize]) -> String {
        let names: Vec<&str> = labels
            .iter()
            .map(|&label| self.label_names[label].as_str())
            .collect();
        match names.as_slice() {
            [first, .., last] if names.len() > 3 => format!("{first} .. {last}"),
            _ => names.join(", "),
        }
    }
}
