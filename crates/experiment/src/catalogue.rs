//! What can be named in a configuration file.

use treelora_cl_bench::{
    dataset::{DatasetConfig, Rendering},
    metrics::Convention,
    scorers::{Flavour, TaskMetric},
    text::TextBenchmark,
};
use treelora_models::{
    decoder::Family,
    vision::{FamilyRow, VisionFamily},
};

use crate::methods::rows::method_rows;

/// A list of names with their meaning.
#[derive(Clone, Debug)]
pub struct Section {
    /// What the names are.
    pub title: &'static str,
    /// Name and meaning.
    pub entries: Vec<(&'static str, &'static str)>,
}

/// Everything that a file can name, and the metrics that a run is measured by.
pub fn catalogue() -> Vec<Section> {
    let mut sections = vec![
        section(
            "methods ([method] name, --method; their settings: treelora list METHOD)",
            method_rows().map(|row| (row.name, row.sentence)),
        ),
        section(
            "data sets of images ([data] name)",
            DatasetConfig::ALL.iter().copied(),
        ),
        section(
            "domains made of any of them ([data] domains)",
            Rendering::ALL.map(|rendering| (rendering.name(), rendering.meaning())),
        ),
        section(
            "data sets of text ([data] name, modality = \"text\")",
            TextBenchmark::ALL.iter().copied(),
        ),
        section(
            "families of vision models ([model] family)",
            of_families(|row| vec![(row.name, row.meaning)]),
        ),
        section(
            "their presets ([model] preset)",
            of_families(|row| row.presets.to_vec()),
        ),
        section(
            "families of decoders (model_type of the folder in [model] weights)",
            Family::ALL.map(|family| (family.name(), family.meaning())),
        ),
    ];
    sections.extend(choices().map(|(title, entries)| section(title, entries.iter().copied())));
    sections.extend([
        section(
            "scorers of text, by the name of the task (stream.json, answers/)",
            TaskMetric::ALL.map(|metric| (metric.name(), metric.formula(Flavour::Strict))),
        ),
        section(
            "metrics (metrics.json)",
            Convention::ALL.map(|convention| (convention.name(), convention.formula())),
        ),
    ]);
    sections
}

fn section(
    title: &'static str,
    entries: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Section {
    Section {
        title,
        entries: entries.into_iter().collect(),
    }
}

fn of_families(
    entries: impl Fn(&FamilyRow) -> Vec<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    VisionFamily::ALL.iter().flat_map(entries).collect()
}

type Entries = &'static [(&'static str, &'static str)];

/// Settings that are one of several words, which are in no registry.
fn choices() -> [(&'static str, Entries); 24] {
    [
        ("heads ([classifier])", HEADS),
        (
            "classifiers ([classifier] discriminant, [floors], [routing]: kind)",
            CLASSIFIERS,
        ),
        (
            "transports of class statistics ([classifier] transport: kind)",
            TRANSPORTS,
        ),
        (
            "inference, with an adapter for each task (inference)",
            INFERENCE,
        ),
        (
            "branch of a new task, branch-lora ([method] choice)",
            BRANCH_CHOICES,
        ),
        (
            "start of a new branch, branch-lora ([method] start)",
            BRANCH_STARTS,
        ),
        ("scenarios ([stream] scenario)", SCENARIOS),
        ("orders of the classes ([stream] class_order)", CLASS_ORDERS),
        (
            "orders of tasks that come back ([stream] task_order; of text [data] task_order)",
            TASK_ORDERS,
        ),
        (
            "which examples, where not all are taken ([stream] subset; of text [data] subset)",
            SUBSETS,
        ),
        ("normalisations ([images] normalization)", NORMALIZATIONS),
        ("interpolations ([images] interpolation)", INTERPOLATIONS),
        ("augmentations ([images.augmentation])", AUGMENTATIONS),
        (
            "number formats of the frozen model ([model] precision)",
            PRECISIONS,
        ),
        ("optimisers ([training] optimizer: name)", OPTIMIZERS),
        ("schedules ([training] schedule)", SCHEDULES),
        ("activations ([training] activations)", ACTIVATIONS),
        (
            "what is left out of long prompts ([encoding] truncation)",
            TRUNCATIONS,
        ),
        (
            "what stands in front of a prompt ([encoding] beginning)",
            BEGINNINGS,
        ),
        ("whose scoring of text ([generation] scoring)", SCORINGS),
        ("what is scored after which task ([evaluation] rows)", ROWS),
        ("how text is answered ([generation] answer)", ANSWERS),
        ("when a written answer ends ([generation] stop)", STOPS),
        (
            "how likelihoods of labels are compared ([generation] normalization)",
            LABEL_NORMALIZATIONS,
        ),
    ]
}

const HEADS: Entries = &[
    (
        "discriminant",
        "class statistics answer in the place of the trained head",
    ),
    (
        "transport",
        "they follow the features as the adapter changes",
    ),
    (
        "router",
        "each adapter has its own, and frozen features say whose answers an example",
    ),
    (
        "alignment",
        "the trained head, re-balanced over all classes",
    ),
];

const CLASSIFIERS: Entries = &[
    ("nearest-class-mean", "nearest class mean by cosine"),
    ("lda", "linear discriminant analysis"),
    ("rda", "regularised discriminant analysis"),
    (
        "random-projection",
        "ridge on random ReLU features (RanPAC)",
    ),
];

const TRANSPORTS: Entries = &[
    ("mean-shift", "one shift for all points"),
    ("kernel-shift", "semantic drift compensation"),
    ("linear", "learnable drift compensation in closed form"),
];

const INFERENCE: Entries = &[
    (
        "latest",
        "as the method itself does, mostly the newest adapter",
    ),
    (
        "routed",
        "a discriminant on the frozen backbone or decoder infers the task",
    ),
    ("oracle", "the task is told: an upper bound"),
];

const SCENARIOS: Entries = &[
    (
        "class-incremental",
        "new classes with every task, which is not told",
    ),
    (
        "task-incremental",
        "new classes with every task, which is told",
    ),
    (
        "domain-incremental",
        "the same classes from another domain, a task each",
    ),
    (
        "versatile-incremental",
        "a group of classes from a domain, both of which may come back; the task is not told",
    ),
];

const CLASS_ORDERS: Entries = &[
    ("label", "as the data set numbers them"),
    ("shuffled", "{ shuffled = SEED }"),
    ("given", "{ given = [3, 1, ...] }, and no other class"),
];

const TASK_ORDERS: Entries = &[
    (
        "interleaved",
        "a group of classes in one domain after the other, then the next group",
    ),
    (
        "shuffled",
        "{ shuffled = SEED }: all pairs of a domain and a group, round after round",
    ),
];

const SUBSETS: Entries = &[
    ("file-order", "the first"),
    ("sampled", "{ sampled = SEED }"),
];

const NORMALIZATIONS: Entries = &[
    ("half", "mean 0.5, deviation 0.5"),
    ("imagenet", "mean and deviation of ImageNet"),
    ("cifar-10", "mean and deviation of CIFAR-10"),
    ("cifar-100", "mean and deviation of CIFAR-100"),
    ("none", "values stay in [0, 1]"),
    (
        "custom",
        "{ custom = { mean = [R, G, B], std = [R, G, B] } }",
    ),
];

const INTERPOLATIONS: Entries = &[
    ("bicubic", "as timm for vision transformers"),
    ("bilinear", "triangle"),
];

const AUGMENTATIONS: Entries = &[
    (
        "horizontal_flip",
        "probability that left and right are exchanged",
    ),
    (
        "random_resized_crop",
        "a random part of the area in `scale` and the shape in `ratio`",
    ),
];

const PRECISIONS: Entries = &[("f32", "4 bytes a weight"), ("bf16", "2 bytes a weight")];

const OPTIMIZERS: Entries = &[
    ("adam", "betas 0.9 and 0.999, epsilon 1e-8"),
    ("adamw", "the same with a decoupled `weight_decay`"),
    ("sgd", "stochastic gradient descent"),
];

const SCHEDULES: Entries = &[
    ("constant", "always 1"),
    ("cosine", "half a cosine from 1 to 0 over the task"),
    ("linear", "a line from 1 to 0 over the task"),
];

const ACTIVATIONS: Entries = &[
    ("kept", "until the backward has used them"),
    ("recomputed", "where that is cheap: less memory"),
];

const TRUNCATIONS: Entries = &[
    ("left", "the beginning, instruction or not"),
    ("right", "the end, instruction or not"),
    ("text-left", "the beginning of the text, where it is known"),
    ("text-right", "the end of the text, where it is known"),
    (
        "text-middle",
        "the middle of the text; the beginning of a prompt whose text is not known",
    ),
];

const ROWS: Entries = &[
    ("all", "after each task all tasks so far"),
    ("last", "after each task this one, after the last all"),
];

const ANSWERS: Entries = &[
    ("generate", "the decoder writes them"),
    ("choose", "the likeliest label of the task"),
];

const STOPS: Entries = &[
    ("end", "where the decoder ends it"),
    (
        "no-label",
        "as soon as no label of the task can follow, or nothing that follows counts",
    ),
];

const LABEL_NORMALIZATIONS: Entries = &[
    ("sum", "log-likelihood of the whole label"),
    ("mean", "log-likelihood a token"),
    ("pmi", "log-likelihood less that after a blank prompt"),
];

const BRANCH_CHOICES: Entries = &[
    ("tree", "that of its nearest relatives, or a new one"),
    ("exhaustive", "the same, compared with every branch"),
    ("random", "one at random, where it is not new"),
    ("last", "the last one, where it is not new"),
    ("one", "one branch for all tasks"),
    ("each", "a branch a task"),
];

const BRANCH_STARTS: Entries = &[
    ("fresh", "A random, B zero"),
    ("nearest", "the adapter of the nearest branch"),
    ("last", "the adapter that was trained on last"),
    ("random", "an adapter at random"),
    (
        "probe",
        "the best on a few examples, of those that the tree tries",
    ),
    ("probe-all", "the best on a few examples, of all"),
];

const BEGINNINGS: Entries = &[
    ("as-tokenizer", "what the tokenizer itself puts there"),
    ("token", "the beginning-of-text token"),
    ("nothing", "nothing"),
];

const SCORINGS: Entries = &[
    ("strict", "TRACE: the text as it was generated"),
    (
        "treelora",
        "TreeLoRA's released code, which forgives what follows the answer",
    ),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::de::DeserializeOwned;
    use treelora::branches::{BranchChoice, BranchStart};
    use treelora_cl_bench::{
        image_pipeline::{Augmentation, Interpolation, Normalization},
        stream::{ClassOrder, Scenario, Subset, TaskOrder},
        text::{Beginning, TruncationSide},
    };
    use treelora_class_incremental::{DiscriminantConfig, TransportConfig};
    use treelora_models::Precision;

    use super::*;
    use crate::{
        Activations, AnswerStop, Answering, ClassifierConfig, EvaluationRows, Inference,
        LabelNormalization, Optimizer, Schedule,
    };

    /// The names that a type knows, from its complaint about another: bare, under a key, or as a key.
    fn known<T: DeserializeOwned>(key: Option<&str>) -> Vec<String> {
        let wrong = match key {
            Some("") => serde_json::json!({ "?": 1 }),
            Some(key) => serde_json::json!({ key: "?" }),
            None => "?".into(),
        };
        let problem = serde_json::from_value::<T>(wrong)
            .err()
            .unwrap()
            .to_string();
        let (_, names) = problem.split_once(", expected ").unwrap();
        names
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_choice_that_there_is_is_listed() {
        let known = [
            known::<ClassifierConfig>(Some("")),
            known::<DiscriminantConfig>(Some("kind")),
            known::<TransportConfig>(Some("kind")),
            known::<Inference>(None),
            known::<BranchChoice>(None),
            known::<BranchStart>(None),
            known::<Scenario>(None),
            known::<ClassOrder>(None),
            known::<TaskOrder>(None),
            known::<Subset>(None),
            known::<Normalization>(None),
            known::<Interpolation>(None),
            known::<Augmentation>(Some("")),
            known::<Precision>(None),
            known::<Optimizer>(Some("name")),
            known::<Schedule>(None),
            known::<Activations>(None),
            known::<TruncationSide>(None),
            known::<Beginning>(None),
            known::<Flavour>(None),
            known::<EvaluationRows>(None),
            known::<Answering>(None),
            known::<AnswerStop>(None),
            known::<LabelNormalization>(None),
        ];
        for ((title, entries), mut known) in choices().into_iter().zip(known) {
            let mut listed: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
            listed.sort_unstable();
            known.sort_unstable();
            assert_eq!(listed, known, "{title}");
        }
    }

    #[test]
    fn no_section_is_empty_and_none_has_a_name_twice() {
        for section in catalogue() {
            let mut names: Vec<&str> = section.entries.iter().map(|(name, _)| *name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            let presets = section.title.contains("presets");
            assert!(
                count > 1 && (presets || names.len() == count),
                "{}",
                section.title
            );
        }
    }
}
