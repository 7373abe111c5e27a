//! Streams of domains and classes that both change: which pair each task is, and which pictures it takes.

use std::{collections::BTreeSet, sync::Arc};

use treelora_cl_bench::{
    dataset::{Dataset, Rendered, Rendering, Splits},
    stream::{Scenario, Stream, StreamConfig, StreamError, StreamTask, TaskOrder},
};
use treelora_core::{Error, TaskId};

use super::stream::{config, labels, splits};

const RENDERINGS: [Rendering; 3] = [Rendering::Negative, Rendering::Plain, Rendering::Edges];

/// Six classes in groups of two, two training pictures and one test picture of each class and task.
fn versatile(tail: &str) -> StreamConfig {
    let mut config = config(&format!(
        "scenario = 'versatile-incremental'\nclasses_per_task = 2\n{tail}"
    ));
    config.train_per_class.get_or_insert(2);
    config.test_per_class.get_or_insert(1);
    config
}

/// Three domains, each with the pictures of one data set of `6 * per_class`.
fn rendered(per_class: usize) -> Splits {
    let split = || Arc::new(labels_without_domains(per_class));
    let plain = Splits {
        train: split(),
        test: split(),
    };
    Rendered::splits(plain, &RENDERINGS)
}

fn labels_without_domains(per_class: usize) -> impl Dataset {
    let mut labels = labels(6, 1, per_class);
    labels.domain_names.clear();
    labels
}

fn stream(tail: &str) -> Stream {
    Stream::new(&versatile(tail), &rendered(40)).unwrap()
}

/// Domain and first label of each task.
fn pairs(stream: &Stream, splits: &Splits) -> Vec<(usize, usize)> {
    let pair = |task: &StreamTask| {
        let domain = splits.train.domain(task.train[0]);
        let first = task.task.classes[0];
        assert_eq!(task.task.classes, [first, first + 1]);
        for (examples, data) in [(&task.train, &splits.train), (&task.test, &splits.test)] {
            for &example in examples {
                let label = stream.labels()[data.class(example)].unwrap();
                assert_eq!(data.domain(example), domain);
                assert!(task.task.classes.contains(&label));
            }
        }
        (domain, first)
    };
    stream.tasks().iter().map(pair).collect()
}

#[test]
fn interleaved_tasks_see_a_group_in_every_domain_and_come_back() {
    let stream = stream("tasks = 11");
    assert_eq!(stream.scenario(), Scenario::VersatileIncremental);
    assert_eq!(stream.num_labels(), 6);
    let expected: Vec<_> = (0..11).map(|t| (t % 3, t / 3 % 3 * 2)).collect();
    assert_eq!(pairs(&stream, &rendered(40)), expected);
    let names: Vec<_> = stream.tasks().iter().map(|t| &*t.task.name).collect();
    assert_eq!(
        names[..4],
        [
            "negative: c0, c1",
            "plain: c0, c1",
            "edges: c0, c1",
            "negative: c2, c3"
        ]
    );
    assert_eq!(names[9], names[0]);
    assert_eq!(stream.tasks()[9].task.id, TaskId(9));
}

#[test]
fn domains_and_classes_come_in_the_orders_that_are_given() {
    let tail = "tasks = 4\ndomain_order = ['edges', 'negative']\n\
                class_order = { given = [4, 1, 0, 5, 2] }";
    let stream = stream(tail);
    // One class is left over.
    assert_eq!(stream.classes(), [4, 1, 0, 5]);
    assert_eq!(
        pairs(&stream, &rendered(40)),
        [(2, 0), (0, 0), (2, 2), (0, 2)]
    );
    assert_eq!(stream.tasks()[2].task.name, "edges: c0, c5");
    let wide = config(
        "scenario = 'versatile-incremental'\nclasses_per_task = 5\ntasks = 1\n\
         train_per_class = 1\ntest_per_class = 1",
    );
    let wide = Stream::new(&wide, &rendered(40)).unwrap();
    assert_eq!(wide.tasks()[0].task.name, "negative: c0 .. c4");
}

#[test]
fn a_shuffled_order_has_every_pair_once_a_round() {
    let splits = rendered(40);
    let order = |seed| {
        let tail = format!("tasks = 18\ntask_order = {{ shuffled = {seed} }}");
        pairs(&stream(&tail), &splits)
    };
    let orders: BTreeSet<_> = (0..10).map(order).collect();
    assert_eq!(orders.len(), 10);
    assert_eq!(order(3), order(3));
    for order in orders {
        for round in order.chunks(9) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 9);
        }
    }
}

#[test]
fn a_class_that_comes_back_brings_its_next_pictures() {
    // Class c is every sixth example from c; a domain has 240 examples.
    let stream = stream("tasks = 10");
    for (task, domain, slice) in [(0, 0, 0_usize), (1, 1, 1), (2, 2, 2), (9, 0, 3)] {
        let found = &stream.tasks()[task];
        let example = |class: usize, place: usize| domain * 240 + class + 6 * place;
        let train = [
            example(0, 2 * slice),
            example(0, 2 * slice + 1),
            example(1, 2 * slice),
            example(1, 2 * slice + 1),
        ];
        assert_eq!(found.train, train, "task {task}");
        assert_eq!(found.test, [example(0, slice), example(1, slice)]);
    }
    // Another group begins with its own first pictures.
    assert_eq!(stream.tasks()[3].train, [2, 8, 3, 9]);
}

#[test]
fn no_picture_is_used_twice_in_whatever_domain() {
    for subset in ["'file-order'", "{ sampled = 7 }"] {
        for order in ["'interleaved'", "{ shuffled = 5 }"] {
            let stream = stream(&format!(
                "tasks = 20\nsubset = {subset}\ntask_order = {order}"
            ));
            let halves: [fn(&StreamTask) -> &[usize]; 2] = [|task| &task.train, |task| &task.test];
            for (examples, per_task) in halves.into_iter().zip([4, 2]) {
                let mut seen = BTreeSet::new();
                for task in stream.tasks() {
                    let examples = examples(task);
                    assert_eq!(examples.len(), per_task);
                    for example in examples {
                        assert!(seen.insert(example % 240), "{subset} {order} {example}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_sample_is_random_by_its_seed() {
    let taken = |seed| {
        let stream = stream(&format!("tasks = 3\nsubset = {{ sampled = {seed} }}"));
        let tasks = stream.tasks().iter();
        tasks
            .map(|task| task.train.clone())
            .collect::<Vec<Vec<usize>>>()
    };
    assert_eq!(taken(1), taken(1));
    let different: BTreeSet<_> = (0..20).map(taken).collect();
    assert_eq!(different.len(), 20);
    let in_file_order = stream("tasks = 3").tasks()[0].train.clone();
    assert!(different.iter().all(|tasks| tasks[0] != in_file_order));
}

#[test]
fn answers_are_the_labels_seen_in_any_domain_once_each() {
    let stream = stream("tasks = 10");
    for (after, seen) in [(0, 2), (2, 2), (3, 4), (6, 6), (9, 6)] {
        let labels: Vec<usize> = (0..seen).collect();
        assert_eq!(stream.allowed(TaskId(0), TaskId(after)), labels, "{after}");
    }
}

#[test]
fn what_does_not_fit_names_the_key_and_the_values() {
    let missing = |key: &str| {
        let keys = [
            "tasks",
            "classes_per_task",
            "train_per_class",
            "test_per_class",
        ];
        let keys = keys.iter().filter(|other| **other != key);
        let lines: Vec<String> = keys.map(|key| format!("{key} = 1")).collect();
        let text = lines.join("\n");
        config(&format!("scenario = 'versatile-incremental'\n{text}"))
    };
    for key in [
        "tasks",
        "classes_per_task",
        "train_per_class",
        "test_per_class",
    ] {
        let error = Stream::new(&missing(key), &rendered(4)).unwrap_err();
        let message = Error::from(error).within("stream").to_string();
        let said = format!("`stream.{key}`");
        assert!(
            message.contains(&said) && message.contains("missing"),
            "{message}"
        );
    }
    for (config, parts) in [
        (
            config("tasks = 2\ntask_order = 'interleaved'"),
            ["`stream.task_order`", "versatile-incremental"],
        ),
        (
            config("tasks = 2\ndomain_order = ['plain']"),
            ["`stream.domain_order`", "versatile-incremental"],
        ),
        (
            versatile("tasks = 2\nclass_order = { given = [3] }"),
            ["`stream.classes_per_task`", "2 classes, but only 1"],
        ),
        (
            versatile("tasks = 2\ndomain_order = ['plain', 'moon']"),
            ["`stream.domain_order`", "`moon`"],
        ),
        (
            versatile("tasks = 2\ndomain_order = ['plain', 'plain']"),
            ["`stream.domain_order`", "twice"],
        ),
    ] {
        let error = Stream::new(&config, &rendered(40)).unwrap_err();
        let message = Error::from(error).within("stream").to_string();
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let plain = Splits {
        train: Arc::new(labels_without_domains(4)),
        ..splits(6, 1)
    };
    let error = Stream::new(&versatile("tasks = 1"), &plain);
    assert_eq!(error, Err(StreamError::NoDomains));
}

#[test]
fn too_few_examples_are_said_with_the_class_and_the_domain() {
    // Tasks 0, 1, 2 and 9, 10, 11 have the first group: six slices of two, and two less of the first domain.
    let enough = |tasks: usize, per_class| {
        Stream::new(
            &versatile(&format!("tasks = {tasks}")),
            &rendered(per_class),
        )
    };
    assert!(enough(12, 12).is_ok());
    let too_few = |split, domain: &str, key, found, needed| {
        Err(StreamError::TooFewExamples {
            class: 0,
            name: "c0".into(),
            domain: domain.into(),
            split,
            key,
            found,
            needed,
        })
    };
    let error = enough(12, 11);
    assert_eq!(
        error,
        too_few("training", "edges", "train_per_class", 11, 12)
    );
    let message = Error::from(error.unwrap_err()).to_string();
    for part in ["train_per_class", "class 0 (c0)", "`edges`", "11", "12"] {
        assert!(message.contains(part), "{message}");
    }
    // What all tasks need of the domain, not the first that finds too little.
    let error = enough(18, 5);
    assert_eq!(
        error,
        too_few("training", "edges", "train_per_class", 5, 12)
    );
    let mut config = versatile("tasks = 3");
    config.test_per_class = Some(14);
    let error = Stream::new(&config, &rendered(40));
    assert_eq!(error, too_few("test", "edges", "test_per_class", 40, 42));
}

#[test]
fn the_order_of_tasks_survives_toml() {
    for (text, order) in [
        ("", None),
        ("task_order = 'interleaved'", Some(TaskOrder::Interleaved)),
        (
            "task_order = { shuffled = 9 }",
            Some(TaskOrder::Shuffled(9)),
        ),
    ] {
        let config = versatile(&format!("tasks = 2\n{text}"));
        assert_eq!(config.task_order, order);
        let again = toml::to_string(&config).unwrap();
        assert_eq!(again.contains("task_order"), order.is_some());
        assert_eq!(toml::from_str::<StreamConfig>(&again).unwrap(), config);
    }
}
