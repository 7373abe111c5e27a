//! The training steps that are compared. Both sides read them as JSON, so that their shapes stand here only.

use std::fmt;

use serde_json::{Value, json};

use super::{
    precision::{PRECISIONS, Precision},
    processor::Bf16,
};

/// Model, adapters and batch of a training step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    shape: Shape,
    precision: Precision,
    adapters: Adapters,
    /// Share of the inputs of an adapter that is dropped.
    dropout: f64,
}

/// A model and its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    name: &'static str,
    model: Model,
    width: usize,
    depth: usize,
    heads: usize,
    /// Heads of keys and values, each shared by a group of the others.
    kv_heads: usize,
    mlp_width: usize,
    /// Classes or vocabulary.
    outputs: usize,
    /// Whether a decoder's head is its embedding.
    tied: bool,
    /// The projections of an adapted block that have adapters.
    adapted: &'static [&'static str],
    /// Pixels of an image's side, or tokens of a text.
    size: usize,
    batch: usize,
    opponent: Library,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    Vit,
    Decoder,
}

/// What the other side's model is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Library {
    /// PyTorch's own modules, nothing between them.
    PyTorch,
    /// transformers' model under PEFT's adapters.
    Peft,
}

const QUERY_AND_VALUE: &[&str] = &["q", "v"];

/// Those of the text configurations.
const SIX: &[&str] = &["q", "k", "v", "o", "gate", "up"];

/// The blocks that are adapted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Adapters {
    All,
    /// The last ones, and what enters the first of them is cached on our side.
    Last(usize),
}

const LAST: usize = 5;

/// Of the decoders, which are measured with and without: the published configurations have it.
const DROPOUT: f64 = 0.1;

const fn vit(name: &'static str, width: usize, batch: usize) -> Shape {
    Shape {
        name,
        model: Model::Vit,
        width,
        depth: 12,
        heads: width / 64,
        kv_heads: width / 64,
        mlp_width: 4 * width,
        outputs: 100,
        tied: false,
        adapted: QUERY_AND_VALUE,
        size: 224,
        batch,
        opponent: Library::PyTorch,
    }
}

const fn decoder(size: usize, batch: usize) -> Shape {
    Shape {
        name: "decoder-512",
        model: Model::Decoder,
        width: 512,
        depth: 8,
        heads: 8,
        kv_heads: 8,
        mlp_width: 1536,
        outputs: 8192,
        tied: false,
        adapted: QUERY_AND_VALUE,
        size,
        batch,
        opponent: Library::PyTorch,
    }
}

const VITS: [Shape; 6] = [
    vit("vit-ti", 192, 8),
    vit("vit-ti", 192, 32),
    vit("vit-s", 384, 8),
    vit("vit-s", 384, 32),
    vit("vit-b", 768, 8),
    vit("vit-b", 768, 32),
];

/// What a graphics card is measured with.
const GPU_VITS: [Shape; 3] = [
    vit("vit-b", 768, 64),
    vit("vit-b", 768, 128),
    vit("vit-b", 768, 192),
];

/// As wide and deep as LLaMA 3.2 1B: 1.2 billion parameters.
const GPU_DECODERS: [Shape; 1] = [Shape {
    name: "decoder-1b",
    width: 2048,
    depth: 16,
    heads: 32,
    kv_heads: 32,
    mlp_width: 8192,
    outputs: 32_000,
    ..decoder(1024, 4)
}];

/// 2048 tokens a step each.
const DECODERS: [Shape; 2] = [decoder(256, 8), decoder(1024, 2)];

/// Published models, beside transformers and PEFT: a batch of records that is usual for each.
const PUBLISHED: [Shape; 2] = [
    Shape {
        name: "smollm2-135m",
        model: Model::Decoder,
        width: 576,
        depth: 30,
        heads: 9,
        kv_heads: 3,
        mlp_width: 1536,
        outputs: 49_152,
        tied: true,
        adapted: SIX,
        size: 160,
        batch: 8,
        opponent: Library::Peft,
    },
    Shape {
        name: "llama-3.2-1b",
        model: Model::Decoder,
        width: 2048,
        depth: 16,
        heads: 32,
        kv_heads: 8,
        mlp_width: 8192,
        outputs: 128_256,
        tied: true,
        adapted: QUERY_AND_VALUE,
        size: 512,
        batch: 1,
        opponent: Library::Peft,
    },
];

/// Shows within seconds that both sides work; measured only where it is named.
const TINY_VIT: [Shape; 1] = [Shape {
    width: 32,
    depth: 6,
    heads: 2,
    kv_heads: 2,
    mlp_width: 64,
    outputs: 10,
    size: 32,
    ..vit("tiny-vit", 0, 2)
}];

/// As [`TINY_VIT`].
const TINY_DECODER: [Shape; 1] = [Shape {
    name: "tiny-decoder",
    width: 32,
    depth: 2,
    heads: 2,
    kv_heads: 2,
    mlp_width: 64,
    outputs: 50,
    ..decoder(16, 2)
}];

/// As [`TINY_VIT`], with all that sets the published ones apart.
const TINY_PUBLISHED: [Shape; 2] = [
    Shape {
        name: "tiny-smollm2",
        width: 48,
        depth: 2,
        heads: 3,
        kv_heads: 1,
        mlp_width: 64,
        outputs: 50,
        size: 16,
        batch: 2,
        ..PUBLISHED[0]
    },
    Shape {
        name: "tiny-llama",
        width: 32,
        depth: 2,
        heads: 4,
        kv_heads: 2,
        mlp_width: 64,
        outputs: 50,
        size: 16,
        ..PUBLISHED[1]
    },
];

/// What the cases are sized for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Machine {
    Cpu,
    Gpu,
}

/// The machine's cases whose name contains one of `parts`, in their order; without any, all but the tiny ones.
pub(crate) fn chosen(machine: Machine, parts: &[String]) -> Vec<Case> {
    let all = match machine {
        Machine::Cpu => cases(&VITS, &[&DECODERS, &PUBLISHED]),
        Machine::Gpu => cases(&GPU_VITS, &[&GPU_DECODERS]),
    };
    if parts.is_empty() {
        return all;
    }
    let tiny = match machine {
        Machine::Cpu => cases(&TINY_VIT, &[&TINY_DECODER, &TINY_PUBLISHED]),
        Machine::Gpu => cases(&TINY_VIT, &[&TINY_DECODER]),
    };
    let is_named = |case: &Case| parts.iter().any(|part| case.to_string().contains(part));
    all.into_iter().chain(tiny).filter(is_named).collect()
}

fn cases(vits: &[Shape], decoders: &[&[Shape]]) -> Vec<Case> {
    let of = |shapes: &[Shape], adapters: Adapters, dropout: f64| {
        let with = |shape: &Shape, precision| Case {
            shape: *shape,
            precision,
            adapters,
            dropout,
        };
        let pairs = shapes
            .iter()
            .flat_map(|shape| PRECISIONS.map(|precision| with(shape, precision)));
        pairs.collect::<Vec<_>>()
    };
    let with_and_without =
        |shapes: &&[Shape]| [0.0, DROPOUT].map(|dropout| of(shapes, Adapters::All, dropout));
    [
        of(vits, Adapters::All, 0.0),
        of(vits, Adapters::Last(LAST), 0.0),
        decoders
            .iter()
            .flat_map(with_and_without)
            .flatten()
            .collect(),
    ]
    .concat()
}

impl Case {
    /// The line that our side reads.
    pub(crate) fn line(&self) -> String {
        self.line_in(self.precision)
    }

    /// The line that PyTorch reads: it computes in f32 where bf16 would only slow it down.
    pub(crate) fn opponents_line(&self, bf16: Bf16) -> String {
        self.line_in(match bf16 {
            Bf16::Multiplied => self.precision,
            Bf16::Emulated => Precision::F32,
        })
    }

    fn line_in(&self, precision: Precision) -> String {
        let shape = &self.shape;
        let (first_adapted, prefix) = match self.adapters {
            Adapters::All => (0, "computed"),
            Adapters::Last(count) => (shape.depth - count, "cached"),
        };
        let model = match shape.model {
            Model::Vit => "vit",
            Model::Decoder => "decoder",
        };
        let case: Value = json!({
            "model": model,
            "width": shape.width,
            "depth": shape.depth,
            "heads": shape.heads,
            "kv_heads": shape.kv_heads,
            "mlp_width": shape.mlp_width,
            "outputs": shape.outputs,
            "tied": shape.tied,
            "adapted": shape.adapted,
            "size": shape.size,
            "batch": shape.batch,
            "first_adapted": first_adapted,
            "prefix": prefix,
            "precision": precision.name(),
            "dropout": self.dropout,
        });
        case.to_string()
    }

    /// What the other side's model is made of.
    pub(crate) fn opponent(&self) -> Library {
        self.shape.opponent
    }

    /// What a step processes, and of what.
    pub(crate) fn amount(&self) -> (usize, &'static str) {
        match self.shape.model {
            Model::Vit => (self.shape.batch, "images"),
            Model::Decoder => (self.shape.batch * self.shape.size, "tokens"),
        }
    }
}

/// `vit-b batch 8 bf16 last 5`, `decoder-512 batch 2 x 1024 f32 dropout 0.1`.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            name, batch, size, ..
        } = &self.shape;
        write!(f, "{name} batch {batch}")?;
        if self.shape.model == Model::Decoder {
            write!(f, " x {size}")?;
        }
        write!(f, " {}", self.precision.name())?;
        if let Adapters::Last(count) = self.adapters {
            write!(f, " last {count}")?;
        }
        match self.dropout {
            0.0 => Ok(()),
            dropout => write!(f, " dropout {dropout}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(parts: &[&str]) -> Vec<String> {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        chosen(Machine::Cpu, &parts)
            .iter()
            .map(Case::to_string)
            .collect()
    }

    #[test]
    fn every_target_is_a_case_and_tiny_ones_are_asked_for() {
        let all = names(&[]);
        assert_eq!(all.len(), 2 * (6 + 6 + 2 + 2 + 2 + 2));
        assert!(all.iter().all(|name| !name.contains("tiny")), "{all:?}");
        assert_eq!(
            names(&["vit-b batch 8 "]),
            [
                "vit-b batch 8 f32",
                "vit-b batch 8 bf16",
                "vit-b batch 8 f32 last 5",
                "vit-b batch 8 bf16 last 5"
            ]
        );
        assert_eq!(
            names(&["1024 f32"]),
            [
                "decoder-512 batch 2 x 1024 f32",
                "decoder-512 batch 2 x 1024 f32 dropout 0.1"
            ]
        );
        assert_eq!(
            names(&["smollm2-135m", "llama-3.2-1b"]),
            [
                "smollm2-135m batch 8 x 160 f32",
                "smollm2-135m batch 8 x 160 bf16",
                "llama-3.2-1b batch 1 x 512 f32",
                "llama-3.2-1b batch 1 x 512 bf16",
                "smollm2-135m batch 8 x 160 f32 dropout 0.1",
                "smollm2-135m batch 8 x 160 bf16 dropout 0.1",
                "llama-3.2-1b batch 1 x 512 f32 dropout 0.1",
                "llama-3.2-1b batch 1 x 512 bf16 dropout 0.1",
            ]
        );
        // ViTs with all and with the last adapters, three decoders with and without dropout.
        assert_eq!(names(&["tiny"]).len(), 2 * (2 + 3 * 2));
        assert_eq!(names(&["huge"]), [""; 0]);
        let of_gpu = chosen(Machine::Gpu, &["vit-b batch 192 bf16".to_owned()]);
        assert_eq!(of_gpu.len(), 2);
    }

    #[test]
    fn a_graphics_card_has_one_opponent_whose_script_travels_along() {
        for parts in [&[][..], &["tiny".to_owned()]] {
            let cases = chosen(Machine::Gpu, parts);
            assert!(!cases.is_empty());
            let is_own = |case: &Case| case.opponent() == Library::PyTorch;
            assert!(cases.iter().all(is_own), "{cases:?}");
        }
    }

    #[test]
    fn a_case_is_one_line_of_json() {
        let case = &chosen(Machine::Cpu, &["vit-s batch 32 bf16 last".to_owned()])[0];
        let line = case.line();
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["width"], 384);
        assert_eq!(value["heads"], 6);
        assert_eq!(value["first_adapted"], 7);
        assert_eq!(value["prefix"], "cached");
        assert_eq!(value["precision"], "bf16");
        assert_eq!(case.opponents_line(Bf16::Multiplied), line);
        let emulated = case.opponents_line(Bf16::Emulated);
        assert_eq!(emulated, line.replace("bf16", "f32"));
        assert_eq!(case.amount(), (32, "images"));
        assert_eq!(
            (&value["tied"], &value["kv_heads"]),
            (&json!(false), &json!(6))
        );
        let decoder = &chosen(Machine::Cpu, &["decoder-512".to_owned()])[0];
        assert_eq!(decoder.amount(), (2048, "tokens"));
        assert_eq!(decoder.opponent(), Library::PyTorch);
    }

    #[test]
    fn a_published_model_is_described_with_its_head_and_projections() {
        let case = &chosen(Machine::Cpu, &["smollm2-135m".to_owned()])[0];
        let value: Value = serde_json::from_str(&case.line()).unwrap();
        assert_eq!(
            (&value["heads"], &value["kv_heads"]),
            (&json!(9), &json!(3))
        );
        assert_eq!(value["tied"], true);
        assert_eq!(value["adapted"], json!(["q", "k", "v", "o", "gate", "up"]));
        assert_eq!(case.amount(), (1280, "tokens"));
        assert_eq!(case.opponent(), Library::Peft);
        let larger = &chosen(Machine::Cpu, &["llama-3.2-1b".to_owned()])[0];
        let value: Value = serde_json::from_str(&larger.line()).unwrap();
        assert_eq!(value["adapted"], json!(["q", "v"]));
        assert_eq!(larger.amount(), (512, "tokens"));
    }
}
