//! Properties that hold for every family and every batch.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Distribution, Gradients, Tensor},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_core::{Batch, ContinualModel};
use treelora_lora::{LoraConfig, attach};
use treelora_models::decoder::{
    Decoder, DecoderConfig, KeyValueCache, TextBatch, TextExample, TokenGrid,
};

use crate::fixture::{MODELS, batch, bits, device, folder, largest_difference, model};

/// Adapters on the matching weights, their B no longer zero.
fn adapted(model: Decoder, targets: &str) -> Decoder {
    struct Perturb(Vec<String>);

    impl ModuleMapper for Perturb {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !self.0.iter().any(|name| name == "lora") {
                return param;
            }
            param.map(|value| {
                let noise = Distribution::Normal(0.0, 0.3);
                value.clone() + Tensor::random(value.shape(), noise, &value.device())
            })
        }
    }

    let config = LoraConfig {
        target_modules: vec![targets.to_owned()],
        ..LoraConfig::new(2, 6.0)
    };
    let model = attach(model, &config, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    model.map(&mut Perturb(Vec::new()))
}

#[test]
fn the_loss_is_the_mean_over_answer_tokens_alone() {
    let (model, batch) = (model("llama"), batch());
    let logits = model.logits(&batch);
    let longest = logits.dims()[0] / batch.len();
    let likelihoods = burn::tensor::activation::log_softmax(logits, 1).into_data();
    let likelihoods: Vec<f32> = likelihoods.iter().collect();
    let (mut sum, mut count) = (0.0, 0.0);
    let ours = model.answer_log_likelihoods(&batch);
    for (row, example) in batch.examples.iter().enumerate() {
        for (at, id) in example.answer().iter().enumerate() {
            let position = row * longest + example.answer_start + at - 1;
            let likelihood = likelihoods[position * 101 + *id as usize];
            assert!((ours[row][at] - likelihood).abs() < 1e-5);
            sum -= likelihood;
            count += 1.0;
        }
    }
    let loss: f32 = model.loss(&batch).into_scalar();
    assert!((loss - sum / count).abs() < 1e-5, "{loss} {}", sum / count);

    // A longer row without an answer pads the others and counts nothing.
    let mut padded = batch.clone();
    padded.examples.push(TextExample::new(&[7; 20], &[]));
    let with_padding: f32 = model.loss(&padded).into_scalar();
    assert!((loss - with_padding).abs() < 1e-6, "{loss} {with_padding}");
}

#[test]
fn a_batch_without_answers_has_no_loss_and_no_gradient_but_no_panic() {
    let model = Decoder::load(&folder("llama"), &device().autodiff()).unwrap();
    let batch = TextBatch {
        examples: vec![TextExample::new(&[4, 5], &[]), TextExample::new(&[], &[6])],
    };
    let answers = model.answer_log_likelihoods(&batch);
    assert!(answers.len() == 2 && answers.iter().all(Vec::is_empty));
    let loss = model.loss(&batch);
    assert_eq!(loss.clone().into_scalar::<f32>(), 0.0);
    let gradients = loss.backward();
    let gradient = model.norm.weight.val().grad(&gradients);
    assert!(gradient.is_none());
}

#[test]
fn a_row_scores_the_same_bits_in_every_batch() {
    for name in MODELS {
        let model = model(name);
        let examples = batch().examples;
        let rows: Vec<&[u32]> = examples.iter().map(|e| e.ids.as_slice()).collect();
        let [right, left] = [
            TokenGrid::right_padded(&rows),
            TokenGrid::left_padded(&rows),
        ];
        let mut cache = KeyValueCache::new(model.config());
        let mut parts = vec![model.hidden_cached(&left.columns(0..4), &mut cache)];
        for column in 4..left.positions() {
            let part = left.columns(column..column + 1);
            parts.push(model.hidden_cached(&part, &mut cache));
        }
        let ways = [
            (model.forward(&right), false),
            (model.forward(&left), true),
            (model.score(Tensor::cat(parts, 1)), true),
        ];
        for (row, ids) in rows.iter().enumerate() {
            let alone = model.forward(&TokenGrid::right_padded(&[ids]));
            for (way, (logits, starts_late)) in ways.iter().enumerate() {
                let first = if *starts_late {
                    left.left_padding()[row]
                } else {
                    0
                };
                let ours = logits.clone().narrow(0, row, 1).narrow(1, first, ids.len());
                if device() == Device::flex() {
                    assert_eq!(
                        bits(ours),
                        bits(alone.clone()),
                        "{name}, row {row}, way {way}"
                    );
                } else {
                    // Other devices choose kernels by shape: a row rounds differently in another batch.
                    let difference = largest_difference(ours, alone.clone());
                    assert!(
                        difference < 1e-4,
                        "{name}, row {row}, way {way}: {difference}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_order_of_a_batch_changes_nothing() {
    let (model, batch) = (model("qwen3"), batch());
    let turned = batch.select(&[2, 0, 1]);
    let difference = model.loss(&batch) - model.loss(&turned);
    assert!(difference.abs().into_scalar::<f32>() < 1e-6);
    let (ours, theirs) = (model.logits(&batch), model.logits(&turned));
    let positions = ours.dims()[0] / 3;
    for (row, other) in [(2, 0), (0, 1), (1, 2)] {
        let ours = ours.clone().narrow(0, row * positions, positions);
        let theirs = theirs.clone().narrow(0, other * positions, positions);
        assert_eq!(bits(ours), bits(theirs));
    }
}

#[test]
fn no_position_sees_what_comes_after_it() {
    for name in MODELS {
        let model = model(name);
        let ids: Vec<u32> = (10..30).collect();
        let mut changed = ids.clone();
        changed[12..].fill(3);
        let logits = |ids: &[u32]| model.forward(&TokenGrid::right_padded(&[ids]));
        let (one, other) = (logits(&ids), logits(&changed));
        let until = |logits: &Tensor<3>, end| bits(logits.clone().narrow(1, 0, end));
        assert_eq!(until(&one, 12), until(&other, 12), "{name}");
        assert_ne!(until(&one, 13), until(&other, 13), "{name}");
    }
}

#[test]
fn a_windowed_cache_keeps_no_more_than_the_window() {
    let model = model("mistral");
    let mut cache = KeyValueCache::new(model.config());
    for _ in 0..4 {
        model.hidden_cached(&TokenGrid::right_padded(&[&[5; 6]]), &mut cache);
    }
    assert_eq!(cache.positions(), 24);
    // Four keys and as many values of 2 heads of 8 features in 2 layers, in f32.
    assert_eq!(cache.num_bytes(), 4 * 2 * 2 * 8 * 2 * 4);
}

#[test]
fn what_is_saved_loads_with_the_same_bits() {
    for name in MODELS {
        let (model, batch) = (model(name), batch());
        let dir = tempfile::tempdir().unwrap();
        model.save(dir.path()).unwrap();
        let loaded = Decoder::load(dir.path(), &device()).unwrap();
        assert_eq!(loaded.config(), model.config(), "{name}");
        assert_eq!(
            bits(loaded.logits(&batch)),
            bits(model.logits(&batch)),
            "{name}"
        );
    }
}

#[test]
fn adapters_are_folded_into_what_is_saved() {
    let batch = batch();
    let adapted = adapted(model("llama"), r"(q_proj|down_proj)\.weight");
    let dir = tempfile::tempdir().unwrap();
    adapted.save(dir.path()).unwrap();
    let loaded = Decoder::load(dir.path(), &device()).unwrap();
    let effect = largest_difference(adapted.logits(&batch), model("llama").logits(&batch));
    assert!(effect > 0.1, "the adapters do nothing: {effect}");
    let difference = largest_difference(adapted.logits(&batch), loaded.logits(&batch));
    assert!(difference < 1e-4, "{difference}");
}

/// One adapter of a layer that other families have as two or three.
#[test]
fn the_fused_layers_of_phi_take_adapters() {
    let batch = batch();
    let adapted = adapted(model("phi3"), r"(qkv_proj|gate_up_proj)\.weight");
    assert_eq!(treelora_lora::adapter_parameters(&adapted).len(), 2 * 2 * 2);
    let dir = tempfile::tempdir().unwrap();
    adapted.save(dir.path()).unwrap();
    let loaded = Decoder::load(dir.path(), &device()).unwrap();
    let effect = largest_difference(adapted.logits(&batch), model("phi3").logits(&batch));
    assert!(effect > 0.1, "the adapters do nothing: {effect}");
    let difference = largest_difference(adapted.logits(&batch), loaded.logits(&batch));
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn a_head_of_its_own_changes_no_bit_and_takes_adapters() {
    let batch = batch();
    for name in ["llama3", "gemma2"] {
        let tied = model(name);
        let own = model(name).with_own_head();
        assert!(tied.lm_head.is_none() && own.lm_head.is_some());
        assert_eq!(
            bits(own.logits(&batch)),
            bits(tied.logits(&batch)),
            "{name}"
        );
        // Where gradients are taken it is a parameter like others.
        let learning = Decoder::load(&folder(name), &device().autodiff()).unwrap();
        let learning = learning.with_own_head();
        let gradients = learning.loss(&batch).backward();
        for weight in [
            &learning.embed_tokens.weight,
            &learning.lm_head.as_ref().unwrap().weight,
        ] {
            assert!(weight.val().grad(&gradients).is_some(), "{name}");
        }
        // Adapted, the head moves and the embedding does not.
        let adapted = adapted(own, r"^lm_head\.weight");
        let effect = largest_difference(adapted.logits(&batch), tied.logits(&batch));
        assert!(effect > 0.1, "{name}: the adapter does nothing: {effect}");
        let grid = TokenGrid::right_padded(&[&[5, 6, 7]]);
        assert_eq!(
            bits(adapted.hidden(&grid)),
            bits(tied.hidden(&grid)),
            "{name}"
        );
        // And is saved as what it has become.
        let dir = tempfile::tempdir().unwrap();
        adapted.save(dir.path()).unwrap();
        let loaded = Decoder::load(dir.path(), &device()).unwrap();
        assert!(!loaded.config().tie_word_embeddings && loaded.notes().is_empty());
        let difference = largest_difference(adapted.logits(&batch), loaded.logits(&batch));
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

#[test]
fn frozen_weights_get_no_gradient() {
    let model = adapted(model("llama"), r"layers\.1\.self_attn\.[qv]_proj\.weight").train();
    let gradients = model.loss(&batch()).backward();
    let weight = |param: &Param<Tensor<2>>| param.base().grad(&gradients).is_some();
    assert!(!weight(&model.embed_tokens.weight));
    assert!(!weight(&model.lm_head.as_ref().unwrap().weight));
    for layer in &model.layers {
        let (attention, mlp) = (&layer.self_attn, &layer.mlp);
        let projections = [&attention.q_proj, &attention.k_proj, &attention.v_proj];
        let projections = projections.map(|layer| layer.as_ref().unwrap());
        for layer in projections.into_iter().chain([&mlp.down_proj]) {
            assert!(!weight(&layer.weight));
        }
    }
    let adapters = treelora_lora::adapter_parameters(&model);
    let with_gradient = GradientsParams::from_grads(gradients, &model);
    for id in &adapters {
        assert!(with_gradient.get::<2>(*id).is_some());
    }
    assert_eq!(with_gradient.len(), adapters.len());
    assert_eq!(adapters.len(), 4, "A and B of two weights");
}

/// Parameters without a gradient, or with one of zero.
struct Silent {
    gradients: Gradients,
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Silent {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(&self.gradients);
        let learns = |gradient: Tensor<D>| gradient.abs().max().into_scalar::<f32>() > 0.0;
        if !gradient.is_some_and(learns) {
            self.found.push(self.path.join("."));
        }
    }
}

#[test]
fn every_parameter_learns() {
    for name in MODELS {
        let model = Decoder::load(&folder(name), &device().autodiff()).unwrap();
        let mut silent = Silent {
            gradients: model.loss(&batch()).backward(),
            path: Vec::new(),
            found: Vec::new(),
        };
        model.visit(&mut silent);
        assert!(
            silent.found.is_empty(),
            "{name}: no gradient of {:?}",
            silent.found
        );
    }
}

/// Activations that are computed again in the backward instead of kept.
#[test]
fn gradient_checkpointing_changes_no_gradient() {
    let gradient = |device: Device| {
        let model = Decoder::load(&folder("gemma"), &device).unwrap();
        let gradients = model.loss(&batch()).backward();
        let weight = |model: &Decoder| {
            let gate = model.layers[0].mlp.gate_proj.as_ref();
            gate.unwrap().weight.val()
        };
        bits(weight(&model).grad(&gradients).unwrap())
    };
    let kept = gradient(device().autodiff());
    assert!(kept == gradient(device().autodiff().gradient_checkpointing()));
}

#[test]
fn a_model_from_scratch_follows_its_seed_and_scores_evenly() {
    let config = DecoderConfig {
        num_key_value_heads: 2,
        ..DecoderConfig::llama(50, 32, 2, 4)
    };
    let init = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        config.init(&mut rng, &Device::default()).unwrap()
    };
    let batch = TextBatch {
        examples: vec![TextExample::new(&[3, 4], &[5, 6])],
    };
    let logits = |seed| bits(init(seed).logits(&batch));
    assert_eq!(logits(1), logits(1));
    assert_ne!(logits(1), logits(2));
    let loss: f32 = init(1).loss(&batch).into_scalar();
    assert!((loss - 50_f32.ln()).abs() < 0.3, "{loss}");
    let uneven = DecoderConfig {
        num_key_value_heads: 3,
        ..config.clone()
    };
    let error = uneven.init(&mut ChaCha8Rng::seed_from_u64(0), &Device::default());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("num_attention_heads")
    );
}
