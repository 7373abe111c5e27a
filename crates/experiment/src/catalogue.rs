//! What can be named in a configuration file.
use treelora_cl_bench::metrics::Convention;

/// A list of names with their meaning.
#[derive(Clone, Debug)]
pub struct Section {
    /// What the names are.
    pub title: &'static str,
    /// Name and meaning.
    pub entries: Vec<(&'static str, &'static str)>,
}

/// Methods, classifiers, data sets, presets and metrics by their names in files.
pub fn catalogue() -> Vec<Section> {
    vec![
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
        },
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
        },
        Section {
            title: "data sets ([data] name)",
            entries: vec![
                ("cifar-10", "official binary layout"),
                ("cifar-100", "official binary layout"),
                ("image-folder", "ROOT/{train,test}/CLASS/*.jpg|png"),
                ("image-domains", "ROOT/DOMAIN/{train,test}/CLASS/*.jpg|png"),
                ("procedural", "generated pictures, no files"),
            ],
        },
        Section {
            title: "model presets ([model] preset)",
            entries: vec![
                ("tiny", "ViT-Ti/16: width 192, 12 blocks, 3 heads"),
                ("small", "ViT-S/16: width 384, 12 blocks, 6 heads"),
                ("base", "ViT-B/16: width 768, 12 blocks, 12 heads"),
                ("large", "ViT-L/16: width 1024, 24 blocks, 16 heads"),
            ],
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
