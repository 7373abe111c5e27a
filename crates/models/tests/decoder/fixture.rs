//! What `cargo xtask golden` wrote (xtask/golden/decoder.py).

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use treelora_core::TensorFile;
use treelora_models::decoder::{Decoder, TextBatch, TextExample};

/// Every family, and what may vary in it.
pub(crate) const MODELS: [&str; 12] = [
    "llama",
    "llama3",
    "llama_linear",
    "mistral",
    "gemma",
    "qwen2",
    "qwen2_window",
    "qwen3",
    "gemma2",
    "gemma3",
    "phi3",
    "smollm3",
];

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/decoder")
        .join(name)
}

/// `BURN_DEVICE` runs the same tests on another backend.
pub(crate) fn device() -> Device {
    Device::default()
}

pub(crate) fn model(name: &str) -> Decoder {
    Decoder::load(&folder(name), &device()).unwrap()
}

/// Rows of unequal length and their logits.
pub(crate) struct Expected {
    pub(crate) rows: Vec<Vec<u32>>,
    /// `[positions, vocabulary]` of each row.
    pub(crate) logits: Vec<Tensor<2>>,
}

impl Expected {
    pub(crate) fn of(name: &str) -> Self {
        let file = TensorFile::load(&folder(name).join("expected.safetensors")).unwrap();
        let integers = |name| {
            let values = file.integers(name).unwrap();
            values.iter().map(|id| *id as u32).collect::<Vec<_>>()
        };
        let (ids, lengths) = (integers("ids"), integers("lengths"));
        let logits: Tensor<3> = file.tensor("logits", &device()).unwrap();
        let positions = logits.dims()[1];
        let cut = |(row, length): (usize, &u32)| {
            let row = logits.clone().narrow(0, row, 1).squeeze_dim::<2>(0);
            row.narrow(0, 0, *length as usize)
        };
        Self {
            rows: ids
                .chunks(positions)
                .zip(&lengths)
                .map(|(row, length)| row[..*length as usize].to_vec())
                .collect(),
            logits: lengths.iter().enumerate().map(cut).collect(),
        }
    }

    pub(crate) fn slices(&self) -> Vec<&[u32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }
}

pub(crate) fn largest_difference<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>) -> f32 {
    assert_eq!(ours.dims(), theirs.dims());
    (ours - theirs).abs().max().into_scalar()
}

pub(crate) fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// Prompts and answers of unequal length.
pub(crate) fn batch() -> TextBatch {
    TextBatch {
        examples: vec![
            TextExample::new(&[5, 9, 11, 40], &[7, 8, 2]),
            TextExample::new(&[5], &[60, 2]),
            TextExample::new(&[90, 91, 92, 93, 94, 95], &[3, 4, 5, 6]),
        ],
    }
}
