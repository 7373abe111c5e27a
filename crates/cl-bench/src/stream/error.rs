//! Why a data set cannot be cut into the tasks that were asked for.

use treelora_core::Error;

/// A stream cannot be made; the message names the key and the values that disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A stream without tasks.
    #[error("the stream is empty: it has 0 tasks")]
    NoTasks,
    /// A stream of classes without the number of its tasks.
    #[error(
        "is missing: how many tasks there are (a domain-incremental stream alone needs none, it has a task for each \
         domain)"
    )]
    TasksNotSaid,
    /// A stream of domains over data that does not tell them apart.
    #[error(
        "the data set has no domains; `image-domains` has a folder for each, `data.domains` makes some of any data set"
    )]
    NoDomains,
    /// A stream without classes.
    #[error("the stream is empty: none of the {available} classes of the data set is left")]
    NoClasses {
        /// Classes of the data set.
        available: usize,
    },
    /// A task would have no class.
    #[error("{tasks} tasks, but only {classes} classes")]
    MoreTasksThanClasses {
        /// Tasks asked for.
        tasks: usize,
        /// Classes of the stream.
        classes: usize,
    },
    /// A task would have no domain.
    #[error("{tasks} tasks, but only {domains} domains in the data set or in the order")]
    MoreTasksThanDomains {
        /// Tasks asked for.
        tasks: usize,
        /// Domains of the stream.
        domains: usize,
    },
    /// The classes do not divide evenly.
    #[error(
        "{classes} classes cannot be divided evenly over {tasks} tasks; `classes_per_task` \
         takes a part of them"
    )]
    Uneven {
        /// Tasks asked for.
        tasks: usize,
        /// Classes of the stream.
        classes: usize,
    },
    /// The tasks need more classes than there are.
    #[error("{tasks} tasks of {per_task} classes, but only {classes} classes")]
    TooFewClasses {
        /// Tasks asked for.
        tasks: usize,
        /// Classes of each.
        per_task: usize,
        /// Classes of the stream.
        classes: usize,
    },
    /// A list names the same thing twice.
    #[error("`{entry}` occurs twice, at positions {first} and {second}")]
    Duplicate {
        /// Key of the list.
        key: &'static str,
        /// What occurs twice.
        entry: String,
        /// Where first, from 0.
        first: usize,
        /// Where again.
        second: usize,
    },
    /// A list names a class that does not exist.
    #[error("class {class}, but the data set has {available} classes (0 to {})", available.saturating_sub(1))]
    UnknownClass {
        /// Key of the list.
        key: &'static str,
        /// The class.
        class: usize,
        /// Classes of the data set.
        available: usize,
    },
    /// A list names a domain that does not exist.
    #[error("domain `{domain}`, but the data set has: {available}")]
    UnknownDomain {
        /// The domain.
        domain: String,
        /// Domains of the data set.
        available: String,
    },
    /// A class of the stream has no example in a split.
    #[error("class {class} ({name}) has no {split} example in the data set")]
    EmptyClass {
        /// The class.
        class: usize,
        /// Its name.
        name: String,
        /// The split.
        split: &'static str,
    },
    /// A domain has no example of the stream's classes in a split.
    #[error("domain `{domain}` has no {split} example of the stream's classes")]
    EmptyDomain {
        /// The domain.
        domain: String,
        /// The split.
        split: &'static str,
    },
    /// A class has too few examples in a domain for the tasks that have it, none of which takes those of another.
    #[error(
        "class {class} ({name}) has {found} {split} examples in domain `{domain}`, but {needed} are needed: as many as \
         the key says for every task with the class, in whatever domain, up to the last in this one"
    )]
    TooFewExamples {
        /// The class.
        class: usize,
        /// Its name.
        name: String,
        /// The domain.
        domain: String,
        /// The split.
        split: &'static str,
        /// Key of the limit.
        key: &'static str,
        /// Examples there are.
        found: usize,
        /// Examples needed.
        needed: usize,
    },
    /// A setting is out of range.
    #[error("{problem}")]
    Setting {
        /// Key of the setting.
        key: &'static str,
        /// The value and what is allowed.
        problem: String,
    },
}

impl StreamError {
    /// Key of the setting to change, in the stream's own table; `None` when the data is at fault.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::NoTasks
            | Self::TasksNotSaid
            | Self::MoreTasksThanClasses { .. }
            | Self::MoreTasksThanDomains { .. }
            | Self::Uneven { .. }
            | Self::TooFewClasses { .. } => Some("tasks"),
            Self::NoClasses { .. } => Some("class_order"),
            Self::NoDomains => Some("scenario"),
            Self::UnknownDomain { .. } => Some("domain_order"),
            Self::Duplicate { key, .. }
            | Self::UnknownClass { key, .. }
            | Self::TooFewExamples { key, .. }
            | Self::Setting { key, .. } => Some(key),
            Self::EmptyClass { .. } | Self::EmptyDomain { .. } => None,
        }
    }
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        match error.key() {
            Some(key) => Self::setting(key, error.to_string()),
            None => Self::Data(error.to_string()),
        }
    }
}
