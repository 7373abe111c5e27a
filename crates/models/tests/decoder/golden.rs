//! The logits of transformers, whatever way the tokens go through the model.

use burn::tensor::Tensor;
use treelora_core::ContinualModel;
use treelora_models::decoder::{Decoder, KeyValueCache, TextBatch, TextExample, TokenGrid};

use crate::fixture::{Expected, MODELS, folder, largest_difference, model};

/// Largest difference that counts as the same logit in `f32`.
const TOLERANCE: f32 = 1e-4;

#[track_caller]
fn assert_same(name: &str, way: &str, ours: Tensor<2>, theirs: Tensor<2>) {
    let difference = largest_difference(ours, theirs);
    assert!(
        difference <= TOLERANCE,
        "{name}, {way}: logits differ by {difference}"
    );
}

/// The columns in parts of `step`, through a cache.
fn in_parts(model: &Decoder, grid: &TokenGrid, step: usize) -> Tensor<3> {
    let mut cache = KeyValueCache::new(model.config());
    let parts = (0..grid.positions()).step_by(step).map(|start| {
        let part = grid.columns(start..grid.positions().min(start + step));
        model.score(model.hidden_cached(&part, &mut cache))
    });
    Tensor::cat(parts.collect(), 1)
}

/// `length` positions of one row from `first` on.
fn cut(logits: &Tensor<3>, row: usize, first: usize, length: usize) -> Tensor<2> {
    let row = logits.clone().narrow(0, row, 1).squeeze_dim::<2>(0);
    row.narrow(0, first, length)
}

#[test]
fn each_row_alone_whole_and_in_parts() {
    for name in MODELS {
        let (model, expected) = (model(name), Expected::of(name));
        for (row, theirs) in expected.rows.iter().zip(&expected.logits) {
            let grid = TokenGrid::right_padded(&[row]);
            let whole = model.forward(&grid).squeeze_dim(0);
            assert_same(name, "alone", whole, theirs.clone());
            for step in [1, 4, 9] {
                let parts = in_parts(&model, &grid, step).squeeze_dim(0);
                assert_same(name, &format!("in parts of {step}"), parts, theirs.clone());
            }
        }
    }
}

#[test]
fn batches_padded_on_either_side() {
    for name in MODELS {
        let (model, expected) = (model(name), Expected::of(name));
        let right = TokenGrid::right_padded(&expected.slices());
        let left = TokenGrid::left_padded(&expected.slices());
        let longest = left.positions();
        let ways = [
            ("padded on the right", model.forward(&right)),
            ("padded on the left", model.forward(&left)),
            (
                "padded on the left, token by token",
                in_parts(&model, &left, 1),
            ),
            ("padded on the left, in parts", in_parts(&model, &left, 7)),
        ];
        for (row, theirs) in expected.logits.iter().enumerate() {
            let length = theirs.dims()[0];
            for (way, logits) in &ways {
                let first = match *way {
                    "padded on the right" => 0,
                    _ => longest - length,
                };
                assert_same(name, way, cut(logits, row, first, length), theirs.clone());
            }
        }
    }
}

#[test]
fn the_logits_of_a_batch_are_those_of_its_positions() {
    let (model, expected) = (model("llama"), Expected::of("llama"));
    let examples = expected.rows.iter().map(|row| TextExample::new(row, &[]));
    let batch = TextBatch {
        examples: examples.collect(),
    };
    let logits = model.logits(&batch);
    let longest = expected.rows[0].len();
    assert_eq!(logits.dims(), [3 * longest, 101]);
    for (row, theirs) in expected.logits.iter().enumerate() {
        let ours = logits.clone().narrow(0, row * longest, theirs.dims()[0]);
        assert_same("llama", "batch", ours, theirs.clone());
    }
}

/// The same weights rounded to bf16, in shards.
#[test]
fn shards_of_bf16_hold_the_model_but_for_rounding() {
    let (sharded, expected) = (model("sharded"), Expected::of("llama"));
    assert!(!folder("sharded").join("model.safetensors").exists());
    assert_eq!(sharded.config(), model("llama").config());
    let ours = sharded.forward(&TokenGrid::right_padded(&[&expected.rows[0]]));
    let difference = largest_difference(ours.squeeze_dim(0), expected.logits[0].clone());
    assert!(
        (1e-3..0.3).contains(&difference),
        "logits differ by {difference}"
    );
}
