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
mod order;
mod outline;
mod scenario;
mod task_identity;

use std::collections::BTreeMap;

use treelora_core::{Task, TaskId};

pub use config::{ClassOrder, StreamConfig, Subset};
pub use error::StreamError;
pub use order::shuffled;
pub use outline::StreamOutline;
pub use scenario::Scenario;
pub use task_identity::TaskIdentity;

use crate::dataset::{Dataset, Splits};

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

/// One of the two halves of a data set.
#[derive(Clone, Copy)]
enum Split {
    Training,
    Test,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Test => "test",
        }
    }
}

/// The examples of a split by class and domain, in file order.
struct Examples {
    split: Split,
    limit: Option<usize>,
    by_class: BTreeMap<(usize, usize), Vec<usize>>,
}

impl Examples {
    fn of(dataset: &dyn Dataset, split: Split, limit: Option<usize>) -> Self {
        let mut by_class: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for index in 0..dataset.len() {
            let key = (dataset.class(index), dataset.domain(index));
            by_class.entry(key).or_default().push(index);
        }
        Self {
            split,
            limit,
            by_class,
        }
    }

    /// At most the configured number of examples of a class, of one domain or of all, ascending.
    fn of_class(&self, class: usize, domain: Option<usize>, subset: Subset) -> Vec<usize> {
        let domains = match domain {
            Some(domain) => (class, domain)..=(class, domain),
            None => (class, 0)..=(class, usize::MAX),
        };
        let mut examples: Vec<usize> = self
            .by_class
            .range(domains)
            .flat_map(|(_, indices)| indices.iter().copied())
            .collect();
        examples.sort_unstable();
        let Some(limit) = self.limit.filter(|limit| *limit < examples.len()) else {
            return examples;
        };
        if let Subset::Sampled(seed) = subset {
            let domain = domain.unwrap_or(0) as u64;
            let part = [seed, self.split as u64, class as u64, domain];
            examples = shuffled(&examples, treelora_core::mix(&part));
        }
        examples.truncate(limit);
        examples.sort_unstable();
        examples
    }
}
