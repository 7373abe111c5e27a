//! What can be named in a configuration file.
use treelora_cl_bench::{dataset::DatasetConfig, metrics::Convention, text::TextBenchmark};
use treelora_models::{
    decoder::Family,
    vision::{FamilyRow, VisionFamily},
};

/// A list of names with their meaning.
#[derive(Clone, Debug)]
pub struct Section {
    /// What the names are.
    pub title: &'static str,
    /// Name and meaning.
    pub entries: Vec<(&'static str, &'static str)>,
}

/// Methods, classifiers, data sets, families of models, presets and metrics by their names in files.
pub fn catalogue() -> Vec<Section> {
    vec![
        methods(),
        classifiers(),
        Section {
            title: "data sets of images ([data] name)",
            entries: DatasetConfig::ALL.to_vec(),
        },
        Section {
            title: "data sets of text ([data] name, modality = \"text\")",
            entries: TextBenchmark::ALL.to_vec(),
        },
        Section {
            title: "families of vision models ([model] family)",
            entries: of_families(|row| vec![(row.name, row.meaning)]),
        },
        Section {
            title: "their presets ([model] preset)",
            entries: of_families(|row| row.presets.to_vec()),
        },
        Section {
            title: "families of decoders (model_type of the folder in [model] weights)",
            entries: Family::ALL
                .map(|family| (family.name(), family.meaning()))
                .to_vec(),
        },
        Section {
            title: "metrics (metrics.json)",
            entries: Convention::ALL
                .iter()
                .map(|convention| (convention.name(), convention.formula()))
                .collect(),
        },
    ]
}

fn of_families(
    entries: impl Fn(&FamilyRow) -> Vec<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    VisionFamily::ALL.iter().flat_map(entries).collect()
}

/// What learns.
fn methods() -> Section {
    Section {
        title: "methods ([method] name, --method)",
        entries: vec![
            (
                "tree-lora",
                "TreeLoRA; mode = \"treelora\", \"paper\" or \"reference\"",
            ),
            ("sequential-lora", "one adapter trained task after task"),
            ("joint-lora", "all tasks at once: the ceiling"),
            (
                "hide-lora",
                "one adapter a task, inferred task, aligned head (HiDe-LoRA)",
            ),
            ("ewc", "elastic weight consolidation on the adapter"),
            ("gem", "gradient episodic memory"),
            ("a-gem", "averaged gradient episodic memory"),
            ("ogd", "orthogonal gradient descent"),
            ("lwf", "learning without forgetting: distillation"),
            ("o-lora", "one adapter a task, orthogonal, summed (O-LoRA)"),
        ],
    }
}

/// What answers.
fn classifiers() -> Section {
    Section {
        title: "classifiers ([classifier] discriminant, [floors])",
        entries: vec![
            ("nearest-class-mean", "nearest class mean by cosine"),
            ("lda", "linear discriminant analysis"),
            ("rda", "regularised discriminant analysis"),
            (
                "random-projection",
                "ridge on random ReLU features (RanPAC)",
            ),
        ],
    }
}
