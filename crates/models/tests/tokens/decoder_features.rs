//! The pooled hidden states of a decoder.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::Tensor,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{Batch, Features, Pooling};
use treelora_lora::{LoraConfig, attach};
use treelora_models::decoder::{Decoder, TextBatch, TextExample, TokenGrid};

use crate::fixture::{
    DECODERS, assert_same, bits, decoder, device, largest_difference, normal, texts,
};

const POOLINGS: [Pooling; 2] = [Pooling::Mean, Pooling::Last];

#[test]
fn features_are_the_pooled_hidden_states_of_the_prompt() {
    let (model, batch) = (decoder("llama", &device()), texts());
    assert_eq!(model.pooling(), Pooling::Mean);
    for pooling in POOLINGS {
        let model = model.clone().with_pooling(pooling);
        let features = model.features(&batch);
        assert_eq!(features.dims(), [4, model.config().hidden_size]);
        for (row, example) in batch.examples.iter().enumerate() {
            let length = example.answer_start;
            let hidden = model.hidden(&TokenGrid::right_padded(&[&example.ids]));
            let expected: Tensor<2> = match pooling {
                Pooling::Mean => hidden.narrow(1, 0, length).mean_dim(1).squeeze_dim(1),
                Pooling::Last => hidden.narrow(1, length - 1, 1).squeeze_dim(1),
            };
            let difference =
                largest_difference(features.clone().narrow(0, row, 1), expected.clone());
            assert!(difference < 1e-5, "{pooling:?}, row {row}: {difference}");
        }
    }
}

#[test]
fn neither_batch_nor_padding_nor_answers_change_features() {
    for name in DECODERS {
        for pooling in POOLINGS {
            let model = decoder(name, &device()).with_pooling(pooling);
            let batch = texts();
            let together = model.features(&batch);
            for row in 0..batch.len() {
                let expected = together.clone().narrow(0, row, 1);
                let what = format!("{name}, {pooling:?}, row {row}");
                let alone = batch.select(&[row]);
                assert_same(model.features(&alone), expected.clone(), &what);
                let mut beside = alone.clone();
                let long: Vec<u32> = (0..40).collect();
                beside.examples.push(TextExample::new(&long, &[]));
                let padded = model.features(&beside).narrow(0, 0, 1);
                assert_same(padded, expected.clone(), &what);
                let prompt = batch.examples[row].prompt();
                let answered = TextBatch {
                    examples: vec![TextExample::new(prompt, &[9; 25])],
                };
                assert_same(model.features(&answered), expected, &what);
            }
        }
    }
}

#[test]
fn an_example_without_a_prompt_has_features_of_zero() {
    let model = decoder("llama", &device());
    let empty = TextExample::new(&[], &[6, 7]);
    let mut batch = texts();
    let before = model.features(&batch);
    batch.examples.push(empty.clone());
    let features = model.features(&batch);
    assert_same(features.clone().narrow(0, 0, 4), before, "the others");
    let zeros = Tensor::zeros([1, model.config().hidden_size], &device());
    assert_same(features.narrow(0, 4, 1), zeros.clone(), "beside others");
    let alone = TextBatch {
        examples: vec![empty],
    };
    assert_same(model.features(&alone), zeros, "alone");
}

/// Adapters whose B is no longer zero.
fn adapted(model: Decoder) -> Decoder {
    struct Fill;

    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            // Of rank 2, B has as many rows.
            param.map(|value| match value.dims()[0] {
                2 => normal(value.dims(), 0.3, 3, &value.device())
                    .set_require_grad(value.is_require_grad()),
                _ => value,
            })
        }
    }

    let config = LoraConfig {
        target_modules: vec![r"self_attn\.[qv]_proj\.weight".into()],
        ..LoraConfig::new(2, 6.0)
    };
    let model = attach(model, &config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    model.map(&mut Fill)
}

#[test]
fn frozen_features_are_those_of_the_base_without_a_gradient() {
    let (base, batch) = (decoder("qwen3", &device().autodiff()), texts());
    let adapted = adapted(base.clone());
    let frozen = adapted.frozen_features(&batch);
    assert!(!frozen.is_require_grad());
    let features = adapted.features(&batch);
    let effect = largest_difference(features.clone(), frozen.clone());
    assert!(effect > 1e-2, "the adapters do nothing: {effect}");
    assert_eq!(bits(frozen), bits(base.features(&batch)));

    let gradients = GradientsParams::from_grads(features.sum().backward(), &adapted);
    for id in treelora_lora::adapter_parameters(&adapted) {
        let gradient = gradients.get::<2>(id).unwrap();
        assert!(gradient.abs().max().into_scalar::<f32>() > 0.0);
    }
}

#[test]
fn all_texts_of_a_task_are_one_group() {
    let (model, batch) = (decoder("llama", &device()), texts());
    assert_eq!(model.groups(&batch), [0; 4]);
}
