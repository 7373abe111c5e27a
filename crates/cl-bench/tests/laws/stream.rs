//! Streams: labels, subsets, scenarios, and what cannot be cut into tasks.

use std::{collections::BTreeSet, sync::Arc};

use treelora_cl_bench::{
    dataset::{Dataset, DatasetError, Picture, Splits},
    stream::{ClassOrder, Scenario, Stream, StreamConfig, StreamError, StreamOutline, Subset},
};
use treelora_core::{Error, TaskId};

/// Classes and domains without pictures; the classes take turns, as in a shuffled file.
#[derive(Clone)]
pub(super) struct Labels {
    pub(super) examples: Vec<(usize, usize)>,
    class_names: Vec<String>,
    pub(super) domain_names: Vec<String>,
}

impl Dataset for Labels {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn class(&self, index: usize) -> usize {
        self.examples[index].0
    }

    fn picture(&self, _index: usize) -> Result<Picture, DatasetError> {
        Ok(Picture::new(1, 1, vec![0; 3]))
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn domain(&self, index: usize) -> usize {
        self.examples[index].1
    }

    fn domain_names(&self) -> &[String] {
        &self.domain_names
    }
}

pub(super) fn labels(classes: usize, domains: usize, per_class: usize) -> Labels {
    Labels {
        examples: (0..per_class * classes * domains)
            .map(|index| (index % classes, index / classes % domains))
            .collect(),
        class_names: (0..classes).map(|class| format!("c{class}")).collect(),
        domain_names: (0..domains).map(|domain| format!("d{domain}")).collect(),
    }
}

pub(super) fn splits(classes: usize, domains: usize) -> Splits {
    Splits {
        train: Arc::new(labels(classes, domains, 10)),
        test: Arc::new(labels(classes, domains, 4)),
    }
}

pub(super) fn config(toml: &str) -> StreamConfig {
    toml::from_str(toml).unwrap()
}

fn stream(toml: &str) -> Stream {
    Stream::new(&config(toml), &splits(12, 1)).unwrap()
}

#[test]
fn label_order_is_the_identity() {
    let stream = stream("tasks = 4");
    assert_eq!(stream.num_labels(), 12);
    for (id, task) in stream.tasks().iter().enumerate() {
        assert_eq!(task.task.id, TaskId(id));
        assert_eq!(task.task.classes, [3 * id, 3 * id + 1, 3 * id + 2]);
        assert_eq!((task.train.len(), task.test.len()), (30, 12));
    }
    assert_eq!(stream.tasks()[1].task.name, "c3, c4, c5");
}

#[test]
fn tasks_partition_the_data() {
    for order in ["'label'", "{ shuffled = 1 }", "{ shuffled = 2 }"] {
        let stream = stream(&format!("tasks = 6\nclass_order = {order}"));
        let mut seen = BTreeSet::new();
        for task in stream.tasks() {
            assert!(task.train.iter().all(|index| seen.insert(*index)));
        }
        assert_eq!(seen, (0..120).collect());
        let mut tested = BTreeSet::new();
        for task in stream.tasks() {
            assert!(task.test.iter().all(|index| tested.insert(*index)));
        }
        assert_eq!(tested, (0..48).collect());
    }
}

#[test]
fn a_label_is_the_position_in_the_class_order() {
    let stream = stream("tasks = 2\nclass_order = { given = [7, 2, 11, 0] }");
    assert_eq!(stream.classes(), [7, 2, 11, 0]);
    assert_eq!(stream.labels()[11], Some(2));
    assert_eq!(stream.labels()[5], None);
    assert_eq!(stream.label_names(), ["c7", "c2", "c11", "c0"]);
    let second = &stream.tasks()[1];
    assert_eq!(second.task.classes, [2, 3]);
    let data = labels(12, 1, 10);
    assert!(
        second
            .train
            .iter()
            .all(|i| [11, 0].contains(&data.class(*i)))
    );
}

#[test]
fn a_shuffled_order_depends_on_its_seed_alone() {
    let order = |seed| stream(&format!("tasks = 4\nclass_order = {{ shuffled = {seed} }}"));
    assert_eq!(order(1), order(1));
    assert_ne!(order(1).classes(), order(2).classes());
    let mut sorted = order(1).classes().to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..12).collect::<Vec<_>>());
}

#[test]
fn file_order_takes_the_first_examples_of_each_class() {
    let stream = stream("tasks = 12\ntrain_per_class = 3\ntest_per_class = 1");
    // Class 5 is every twelfth example from 5.
    assert_eq!(stream.tasks()[5].train, [5, 17, 29]);
    assert_eq!(stream.tasks()[5].test, [5]);
    let more = self::stream("tasks = 12\ntrain_per_class = 99");
    assert_eq!(more.tasks()[5].train.len(), 10, "all there are");
}

#[test]
fn a_sample_is_random_by_its_seed_and_in_file_order() {
    let sample = |seed| {
        let toml = format!("tasks = 12\ntrain_per_class = 3\nsubset = {{ sampled = {seed} }}");
        stream(&toml).tasks()[5].train.clone()
    };
    assert_eq!(sample(1), sample(1));
    assert_eq!(sample(1).len(), 3);
    assert!(sample(1).is_sorted() && sample(1).iter().all(|index| index % 12 == 5));
    let different: BTreeSet<_> = (0..20).map(sample).collect();
    assert!(different.len() > 10);
}

#[test]
fn excluded_classes_and_left_over_classes_have_no_label() {
    let stream = stream("tasks = 3\nclasses_per_task = 2\nexclude_classes = [0, 3]");
    assert_eq!(stream.classes(), [1, 2, 4, 5, 6, 7]);
    assert_eq!(stream.labels()[0], None);
    assert_eq!(stream.labels()[8], None);
}

#[test]
fn scenarios_allow_different_answers() {
    let on = TaskId(0);
    let class = stream("tasks = 3");
    assert_eq!(class.allowed(on, TaskId(1)), (0..8).collect::<Vec<_>>());
    let task = stream("tasks = 3\nscenario = 'task-incremental'");
    assert_eq!(task.allowed(on, TaskId(1)), (0..4).collect::<Vec<_>>());
    assert_eq!(task.tasks(), class.tasks());
    let config = config("tasks = 2\nscenario = 'domain-incremental'\ntest_per_class = 2");
    let domain = Stream::new(&config, &splits(3, 4)).unwrap();
    assert_eq!(domain.allowed(on, on), [0, 1, 2]);
}

#[test]
fn a_domain_is_a_task_with_all_classes() {
    let config = config(
        "tasks = 3\nscenario = 'domain-incremental'\ndomain_order = ['d2', 'd0', 'd3']\n\
         train_per_class = 2",
    );
    let splits = splits(3, 4);
    let stream = Stream::new(&config, &splits).unwrap();
    assert_eq!(stream.scenario(), Scenario::DomainIncremental);
    for (task, domain) in stream.tasks().iter().zip([2, 0, 3]) {
        assert_eq!(task.task.name, format!("d{domain}"));
        assert_eq!(task.task.classes, [0, 1, 2]);
        assert_eq!(task.train.len(), 6);
        assert!(task.train.iter().all(|i| splits.train.domain(*i) == domain));
        assert!(task.test.iter().all(|i| splits.test.domain(*i) == domain));
    }
}

#[test]
fn without_a_number_of_tasks_every_domain_is_one() {
    let names = |toml: &str| -> Vec<String> {
        let config = config(&format!("scenario = 'domain-incremental'\n{toml}"));
        let stream = Stream::new(&config, &splits(3, 4)).unwrap();
        let tasks = stream.tasks().iter();
        tasks.map(|task| task.task.name.clone()).collect()
    };
    assert_eq!(names(""), ["d0", "d1", "d2", "d3"]);
    assert_eq!(names("domain_order = ['d2', 'd1']"), ["d2", "d1"]);
    assert_eq!(names("tasks = 1\ndomain_order = ['d2', 'd1']"), ["d2"]);
    let whole = toml::to_string(&config("scenario = 'domain-incremental'")).unwrap();
    assert!(!whole.contains("tasks"), "{whole}");
    let mut splits = splits(3, 1);
    splits.train = Arc::new(Labels {
        domain_names: Vec::new(),
        ..labels(3, 1, 10)
    });
    let error = Stream::new(&config("scenario = 'domain-incremental'"), &splits).unwrap_err();
    assert_eq!(error, StreamError::NoDomains);
    assert!(Error::from(error).to_string().contains("scenario"));
}

#[test]
fn an_outline_answers_as_the_stream_does() {
    for (toml, domains) in [
        ("tasks = 3", 1),
        ("tasks = 3\nscenario = 'task-incremental'", 1),
        ("scenario = 'domain-incremental'", 2),
        (
            "tasks = 5\nscenario = 'versatile-incremental'\nclasses_per_task = 4\n\
             train_per_class = 2\ntest_per_class = 1\ntask_order = { shuffled = 1 }",
            2,
        ),
    ] {
        let stream = Stream::new(&config(toml), &splits(12, domains)).unwrap();
        let outline = toml::to_string(&stream.outline()).unwrap();
        let outline: StreamOutline = toml::from_str(&outline).unwrap();
        assert_eq!(outline.label_names, stream.label_names());
        for after in (0..stream.tasks().len()).map(TaskId) {
            let allowed = outline.allowed(TaskId(0), after);
            assert_eq!(allowed, stream.allowed(TaskId(0), after), "{toml}");
        }
    }
}

#[test]
fn what_cannot_be_cut_is_a_typed_error_that_names_the_key() {
    let domains = |tail: &str| format!("scenario = 'domain-incremental'\n{tail}");
    let cases = [
        ("tasks = 0".into(), StreamError::NoTasks, "tasks"),
        (
            "scenario = 'task-incremental'".into(),
            StreamError::TasksNotSaid,
            "tasks",
        ),
        (
            "tasks = 13".into(),
            StreamError::MoreTasksThanClasses {
                tasks: 13,
                classes: 12,
            },
            "tasks",
        ),
        (
            "tasks = 5".into(),
            StreamError::Uneven {
                tasks: 5,
                classes: 12,
            },
            "tasks",
        ),
        (
            "tasks = 5\nclasses_per_task = 3".into(),
            StreamError::TooFewClasses {
                tasks: 5,
                per_task: 3,
                classes: 12,
            },
            "tasks",
        ),
        (
            "tasks = 1\nclass_order = { given = [] }".into(),
            StreamError::NoClasses { available: 12 },
            "class_order",
        ),
        (
            "tasks = 1\nclass_order = { given = [4, 1, 4] }".into(),
            StreamError::Duplicate {
                key: "class_order",
                entry: "4".into(),
                first: 0,
                second: 2,
            },
            "class_order",
        ),
        (
            "tasks = 1\nclass_order = { given = [4, 12] }".into(),
            StreamError::UnknownClass {
                key: "class_order",
                class: 12,
                available: 12,
            },
            "class_order",
        ),
        (
            "tasks = 1\nexclude_classes = [99]".into(),
            StreamError::UnknownClass {
                key: "exclude_classes",
                class: 99,
                available: 12,
            },
            "exclude_classes",
        ),
        (
            "tasks = 1\ntrain_per_class = 0".into(),
            StreamError::Setting {
                key: "train_per_class",
                problem: "0 is not above 0".into(),
            },
            "train_per_class",
        ),
        (
            domains("tasks = 3"),
            StreamError::MoreTasksThanDomains {
                tasks: 3,
                domains: 2,
            },
            "tasks",
        ),
        (
            domains("tasks = 1\ndomain_order = ['moon']"),
            StreamError::UnknownDomain {
                domain: "moon".into(),
                available: "d0, d1".into(),
            },
            "domain_order",
        ),
    ];
    for (toml, expected, key) in cases {
        let domains = 1 + usize::from(toml.contains("domain"));
        let error = Stream::new(&config(&toml), &splits(12, domains)).unwrap_err();
        assert_eq!(error, expected, "{toml}");
        let message = Error::from(error).to_string();
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn a_class_or_domain_without_examples_is_an_error() {
    let mut test = labels(12, 2, 4);
    test.examples
        .retain(|example| *example != (7, 0) && *example != (7, 1));
    let splits = Splits {
        train: Arc::new(labels(12, 2, 10)),
        test: Arc::new(test.clone()),
    };
    let error = Stream::new(&StreamConfig::with_tasks(3), &splits).unwrap_err();
    let name = "c7".to_owned();
    assert_eq!(
        error,
        StreamError::EmptyClass {
            class: 7,
            name,
            split: "test"
        }
    );

    test.examples.retain(|example| example.1 == 0);
    let splits = Splits {
        test: Arc::new(test),
        ..splits
    };
    let config = config("tasks = 2\nscenario = 'domain-incremental'");
    let error = Stream::new(&config, &splits).unwrap_err();
    assert_eq!(
        error,
        StreamError::EmptyDomain {
            domain: "d1".into(),
            split: "test"
        }
    );
}

#[test]
fn unknown_keys_are_refused_and_settings_survive_toml() {
    let error = toml::from_str::<StreamConfig>("tasks = 2\ntask = 3").unwrap_err();
    assert!(error.to_string().contains("`task`"), "{error}");
    let config = StreamConfig {
        class_order: ClassOrder::Given(vec![3, 1]),
        subset: Subset::Sampled(9),
        train_per_class: Some(50),
        ..StreamConfig::with_tasks(2)
    };
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<StreamConfig>(&text).unwrap(), config);
}
