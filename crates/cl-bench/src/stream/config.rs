//! Which classes and examples, in which order.

use serde::{Deserialize, Serialize};

use super::{Scenario, StreamError, TaskOrder, shuffled};

/// The `[stream]` table of an experiment.
///
/// ```
/// use treelora_cl_bench::stream::{ClassOrder, StreamConfig};
///
/// let config: StreamConfig = toml::from_str(
///     "tasks = 10\nclass_order = { shuffled = 1993 }\ntrain_per_class = 50\n",
/// )?;
/// assert_eq!(config.class_order, ClassOrder::Shuffled(1993));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// What distinguishes the tasks.
    #[serde(default)]
    pub scenario: Scenario,
    /// Number of tasks. When absent, a domain-incremental stream has a task for each domain of `domain_order` or of the
    /// data set; the other scenarios need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<usize>,
    /// Classes of each task; the classes left over are not used. When absent, the tasks share all
    /// classes evenly. A versatile-incremental stream needs it, a domain-incremental one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes_per_task: Option<usize>,
    /// Order of the classes.
    #[serde(default)]
    pub class_order: ClassOrder,
    /// Classes that are left out, such as those of pre-training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_classes: Vec<usize>,
    /// Names of the domains in their order; that of the data set when empty. Only for domain-incremental and
    /// versatile-incremental streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain_order: Vec<String>,
    /// Order of the pairs of a domain and a group of classes, interleaved when absent. Only for versatile-incremental
    /// streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_order: Option<TaskOrder>,
    /// Training examples of each class (and domain), at most; all when absent. A versatile-incremental stream needs it:
    /// as many of each class and task, the next ones whenever a class comes back, from whatever domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_per_class: Option<usize>,
    /// Test examples, as `train_per_class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_per_class: Option<usize>,
    /// Which examples are taken when not all are.
    #[serde(default)]
    pub subset: Subset,
}

/// Order of the classes; a class's position is its label in the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassOrder {
    /// As the data set numbers them.
    #[default]
    Label,
    /// Random, by this seed; independent of the seed of the run.
    Shuffled(u64),
    /// These classes in this order, and no other.
    Given(Vec<usize>),
}

/// Which examples of a class are taken when not all are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subset {
    /// The first in the order of the files.
    #[default]
    FileOrder,
    /// A random sample, by this seed.
    Sampled(u64),
}

impl StreamConfig {
    /// All classes in label order over `tasks` class-incremental tasks, with all examples.
    pub fn with_tasks(tasks: usize) -> Self {
        Self {
            scenario: Scenario::default(),
            tasks: Some(tasks),
            classes_per_task: None,
            class_order: ClassOrder::default(),
            exclude_classes: Vec::new(),
            domain_order: Vec::new(),
            task_order: None,
            train_per_class: None,
            test_per_class: None,
            subset: Subset::default(),
        }
    }

    /// Number of tasks; `None` where the domains of the data set say it.
    pub fn num_tasks(&self) -> Option<usize> {
        let ordered = || Some(self.domain_order.len()).filter(|domains| *domains > 0);
        self.tasks.or_else(ordered)
    }

    /// Check what can be checked without the data.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), StreamError> {
        let positive = |key, value| match value {
            Some(0) => Err(StreamError::Setting {
                key,
                problem: "0 is not above 0".into(),
            }),
            _ => Ok(()),
        };
        let domains = self.scenario == Scenario::DomainIncremental;
        match self.tasks {
            Some(0) => return Err(StreamError::NoTasks),
            None if !domains => return Err(StreamError::TasksNotSaid),
            _ => {}
        }
        positive("classes_per_task", self.classes_per_task)?;
        positive("train_per_class", self.train_per_class)?;
        positive("test_per_class", self.test_per_class)?;
        if domains && self.classes_per_task.is_some() {
            return Err(StreamError::Setting {
                key: "classes_per_task",
                problem: "every task of a domain-incremental stream has all classes".into(),
            });
        }
        let versatile = self.scenario == Scenario::VersatileIncremental;
        if versatile {
            self.versatile_sizes()?;
        }
        if !domains && !versatile && !self.domain_order.is_empty() {
            return Err(StreamError::Setting {
                key: "domain_order",
                problem: "only a domain-incremental or versatile-incremental stream has domains"
                    .into(),
            });
        }
        if !versatile && self.task_order.is_some() {
            return Err(StreamError::Setting {
                key: "task_order",
                problem: "only a versatile-incremental stream orders pairs of a domain and classes"
                    .into(),
            });
        }
        if let ClassOrder::Given(classes) = &self.class_order {
            duplicate("class_order", classes)?;
        }
        duplicate("exclude_classes", &self.exclude_classes)
    }

    /// Classes of each task, training and test examples of each class, which a versatile-incremental stream needs.
    pub(super) fn versatile_sizes(&self) -> Result<[usize; 3], StreamError> {
        let needed = |key, value: Option<usize>, what: &str| {
            value.ok_or_else(|| StreamError::Setting {
                key,
                problem: format!("is missing: a versatile-incremental stream needs {what}"),
            })
        };
        Ok([
            needed(
                "classes_per_task",
                self.classes_per_task,
                "the size of its groups of classes",
            )?,
            needed(
                "train_per_class",
                self.train_per_class,
                "the training examples that a task takes of each class",
            )?,
            needed(
                "test_per_class",
                self.test_per_class,
                "the test examples that a task takes of each class",
            )?,
        ])
    }

    /// The classes of the stream in order, of a data set with `available` classes.
    pub(super) fn classes(&self, available: usize) -> Result<Vec<usize>, StreamError> {
        let known = |key, classes: &[usize]| match classes.iter().find(|c| **c >= available) {
            Some(&class) => Err(StreamError::UnknownClass {
                key,
                class,
                available,
            }),
            None => Ok(()),
        };
        known("exclude_classes", &self.exclude_classes)?;
        let all: Vec<usize> = (0..available).collect();
        let mut classes = match &self.class_order {
            ClassOrder::Label => all,
            ClassOrder::Shuffled(seed) => shuffled(&all, *seed),
            ClassOrder::Given(classes) => {
                known("class_order", classes)?;
                classes.clone()
            }
        };
        classes.retain(|class| !self.exclude_classes.contains(class));
        if classes.is_empty() {
            return Err(StreamError::NoClasses { available });
        }
        match self.scenario {
            Scenario::DomainIncremental => Ok(classes),
            Scenario::VersatileIncremental => self.classes_of_groups(classes),
            Scenario::ClassIncremental | Scenario::TaskIncremental => {
                self.classes_of_tasks(classes)
            }
        }
    }

    /// The first classes, as many as whole groups have.
    fn classes_of_groups(&self, mut classes: Vec<usize>) -> Result<Vec<usize>, StreamError> {
        let ([per_task, ..], found) = (self.versatile_sizes()?, classes.len());
        if per_task > found {
            return Err(StreamError::Setting {
                key: "classes_per_task",
                problem: format!("a group of {per_task} classes, but only {found} classes"),
            });
        }
        classes.truncate(found / per_task * per_task);
        Ok(classes)
    }

    /// The first classes, as many as the tasks share.
    fn classes_of_tasks(&self, mut classes: Vec<usize>) -> Result<Vec<usize>, StreamError> {
        let (tasks, found) = (self.class_tasks()?, classes.len());
        if tasks > found {
            return Err(StreamError::MoreTasksThanClasses {
                tasks,
                classes: found,
            });
        }
        match self.classes_per_task {
            None if !found.is_multiple_of(tasks) => Err(StreamError::Uneven {
                tasks,
                classes: found,
            }),
            None => Ok(classes),
            Some(per_task) if tasks.saturating_mul(per_task) > found => {
                Err(StreamError::TooFewClasses {
                    tasks,
                    per_task,
                    classes: found,
                })
            }
            Some(per_task) => {
                classes.truncate(tasks * per_task);
                Ok(classes)
            }
        }
    }

    /// Number of tasks of a stream that does not have one for each domain.
    pub(super) fn class_tasks(&self) -> Result<usize, StreamError> {
        self.tasks.ok_or(StreamError::TasksNotSaid)
    }

    /// Number and name of each domain in order, of a data set with the domains `available`: for a domain-incremental
    /// stream that of each task, for a versatile-incremental one all that it visits.
    pub(super) fn domains(
        &self,
        available: &[String],
    ) -> Result<Vec<(usize, String)>, StreamError> {
        duplicate("domain_order", &self.domain_order)?;
        if available.is_empty() {
            return Err(StreamError::NoDomains);
        }
        let names = match self.domain_order.is_empty() {
            true => available,
            false => &self.domain_order,
        };
        let visited = match (self.scenario, self.tasks) {
            (Scenario::DomainIncremental, Some(tasks)) if tasks > names.len() => {
                return Err(StreamError::MoreTasksThanDomains {
                    tasks,
                    domains: names.len(),
                });
            }
            (Scenario::DomainIncremental, Some(tasks)) => tasks,
            _ => names.len(),
        };
        names[..visited]
            .iter()
            .map(|name| match available.iter().position(|a| a == name) {
                Some(domain) => Ok((domain, name.clone())),
                None => Err(StreamError::UnknownDomain {
                    domain: name.clone(),
                    available: available.join(", "),
                }),
            })
            .collect()
    }
}

/// Whether an entry occurs twice.
fn duplicate<T: PartialEq + ToString>(key: &'static str, items: &[T]) -> Result<(), StreamError> {
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = items[..second].iter().position(|earlier| earlier == item) {
            return Err(StreamError::Duplicate {
                key,
                entry: item.to_string(),
                first,
                second,
            });
        }
    }
    Ok(())
}
