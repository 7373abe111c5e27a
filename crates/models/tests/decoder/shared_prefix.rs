//! Prompts that go on from what they share.

use std::ops::ControlFlow;

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_models::{
    Precision,
    decoder::{Decoder, DecoderConfig, Finish, GenerationConfig, GenerationRequest, SharedPrefix},
};

use crate::fixture::{MODELS, device, model};

/// Prompts of unequal length that share `shared` tokens: the longest is longer than the shortest by more than these.
fn prompts(shared: usize, longest: usize) -> Vec<Vec<u32>> {
    let id = |seed: usize| 3 + (seed * 31 % 97) as u32;
    let beginning: Vec<u32> = (0..shared).map(id).collect();
    let own = [1, longest / 7 + 1, longest / 2, longest];
    let rows = own.iter().zip(1..);
    rows.map(|(&own, row)| {
        let rest = (0..own).map(|at| id(at * 7 + row * 5));
        beginning.iter().copied().chain(rest).collect()
    })
    .collect()
}

fn slices(prompts: &[Vec<u32>]) -> Vec<&[u32]> {
    prompts.iter().map(Vec::as_slice).collect()
}

fn requests(prompts: &[Vec<u32>]) -> Vec<GenerationRequest> {
    let requests = prompts.iter().zip(0..);
    requests
        .map(|(prompt, stream)| GenerationRequest {
            prompt: prompt.clone(),
            stream,
        })
        .collect()
}

/// Drawn from many tokens, so that a token changes where scores do.
fn drawn() -> GenerationConfig {
    GenerationConfig {
        max_new_tokens: 8,
        temperature: 1.5,
        stop_ids: vec![4, 5, 6],
        seed: 3,
        ..GenerationConfig::default()
    }
}

/// On the CPU, what `model` says behind the prefix is, bit by bit, what it says of whole prompts.
fn check(name: &str, model: &Decoder, prompts: &[Vec<u32>], shared: usize) {
    let rows = slices(prompts);
    let prefix = model.shared_prefix(&rows).unwrap();
    assert_eq!(prefix.ids(), &prompts[0][..shared], "{name}");
    let continuations = [vec![7, 8, 2], vec![60], vec![30, 31, 32, 33]];
    let whole = model.score_continuations(&rows, &continuations).unwrap();
    let behind = model.score_continuations_behind(&prefix, &rows, &continuations);
    let behind = behind.unwrap();
    for (whole, behind) in whole.iter().flatten().zip(behind.iter().flatten()) {
        let difference = (whole.log_likelihood - behind.log_likelihood).abs();
        let most = if device() == Device::flex() {
            0.0
        } else {
            1e-3
        };
        assert!(difference <= most, "{name}: {whole:?} {behind:?}");
    }
    if device() != Device::flex() {
        return;
    }
    let goes_on = |_, _| ControlFlow::Continue(());
    let requests = requests(prompts);
    let whole = model.generate(&requests, &drawn(), |_, _| {}).unwrap();
    let behind = model.generate_behind(&prefix, &requests, &drawn(), goes_on);
    assert_eq!(behind.unwrap(), whole, "{name}");
    for (request, whole) in requests.iter().zip(&whole) {
        let alone = std::slice::from_ref(request);
        let alone = model.generate_behind(&prefix, alone, &drawn(), goes_on);
        assert_eq!(&alone.unwrap()[0], whole, "{name}");
    }
}

#[test]
fn prompts_behind_a_prefix_are_those_that_go_through_whole() {
    for name in MODELS {
        let model = model(name);
        // Shorter and longer than the windows, shorter and longer than the padding.
        for (shared, longest) in [(1, 9), (3, 20), (12, 5), (20, 30)] {
            check(name, &model, &prompts(shared, longest), shared);
        }
    }
}

/// Heads, widths and lengths at which kernels cut their work into parts.
#[test]
fn long_prompts_of_a_wider_model_do_so_too() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let config = DecoderConfig {
        max_position_embeddings: 1024,
        num_key_value_heads: 3,
        ..DecoderConfig::llama(101, 576, 1, 9)
    };
    let model = config.init(&mut rng, &device()).unwrap();
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        let model = model.clone().in_precision(precision);
        check(name, &model, &prompts(173, 300), 173);
        check(name, &model, &prompts(40, 611), 40);
    }
}

#[test]
fn a_prefix_leaves_each_prompt_a_token() {
    let model = model("llama");
    let shared = |prompts: &[&[u32]]| model.shared_prefix(prompts).unwrap().ids().to_vec();
    assert_eq!(shared(&[&[5, 6, 7], &[5, 6, 7]]), [5, 6]);
    assert_eq!(shared(&[&[5, 6, 7], &[5, 6]]), [5]);
    assert_eq!(shared(&[&[5, 6, 7], &[6]]), [0; 0]);
    // Of one prompt nothing is saved.
    assert_eq!(shared(&[&[5, 6, 7]]), [0; 0]);
    assert_eq!(shared(&[]), [0; 0]);
    assert_eq!(SharedPrefix::none().ids(), [0; 0]);

    let refused = |prompts: &[&[u32]]| model.shared_prefix(prompts).unwrap_err().to_string();
    let error = refused(&[&[5, 101, 7], &[5, 101, 8]]);
    assert!(error.contains("token 101"), "{error}");
    let long = [5; 70];
    let error = refused(&[&long, &long]);
    assert!(error.contains("69") && error.contains("64"), "{error}");
}

#[test]
#[should_panic(expected = "prompt 1 of 3 tokens does not go on from a prefix of 2")]
fn a_prompt_that_begins_otherwise_is_a_mistake() {
    let model = model("llama");
    let prefix = model.shared_prefix(&[&[5, 6, 7], &[5, 6, 8]]).unwrap();
    let rows: [&[u32]; 2] = [&[5, 6, 9], &[5, 7, 9]];
    let _ = model.score_continuations_behind(&prefix, &rows, &[vec![9]]);
}

#[test]
fn a_row_of_which_enough_is_said_leaves_the_batch() {
    let model = model("llama");
    let requests = requests(&prompts(3, 9));
    let config = GenerationConfig {
        max_new_tokens: 12,
        ..GenerationConfig::default()
    };
    let whole = model.generate(&requests, &config, |_, _| {}).unwrap();
    let mut heard = vec![0; requests.len()];
    let enough = model.generate_behind(&SharedPrefix::none(), &requests, &config, |row, _| {
        heard[row] += 1;
        match row % 2 == 0 && heard[row] > row {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    assert_eq!(heard, [1, 12, 3, 12]);
    for (row, (enough, whole)) in enough.unwrap().iter().zip(&whole).enumerate() {
        assert_eq!(enough.ids, whole.ids[..heard[row]]);
        let finish = [Finish::Enough, Finish::Length][row % 2];
        assert_eq!(enough.finish, finish);
    }
}
