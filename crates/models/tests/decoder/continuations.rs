//! Likelihoods of given continuations.

use serde::Deserialize;
use treelora_core::read_json;
use treelora_models::decoder::{Decoder, TextBatch, TextExample};

use crate::fixture::{Expected, MODELS, folder, model};

/// Prompts of unequal length; the second is shorter than a window.
fn prompts() -> Vec<Vec<u32>> {
    vec![
        vec![5, 9, 11, 40, 41, 42, 43, 12, 13],
        vec![6],
        vec![90, 91, 92, 93],
        vec![7, 7, 9],
    ]
}

/// Two that share a beginning, one that begins another, one of a single token.
fn continuations() -> Vec<Vec<u32>> {
    vec![
        vec![7, 8, 2],
        vec![7, 8, 9, 10, 2],
        vec![60],
        vec![7, 8],
        vec![30, 31],
    ]
}

fn slices(prompts: &[Vec<u32>]) -> Vec<&[u32]> {
    prompts.iter().map(Vec::as_slice).collect()
}

/// Each pair by itself, whole, without a cache.
fn one_by_one(model: &Decoder, prompt: &[u32], continuation: &[u32]) -> f64 {
    let batch = TextBatch {
        examples: vec![TextExample::new(prompt, continuation)],
    };
    let likelihoods = model.answer_log_likelihoods(&batch).swap_remove(0);
    assert_eq!(likelihoods.len(), continuation.len());
    likelihoods.into_iter().map(f64::from).sum()
}

#[derive(Deserialize)]
struct Choices {
    choices: Vec<Vec<u32>>,
    log_likelihoods: Vec<Vec<f64>>,
}

/// Labels of one token, of several, and one that begins another: `choices.json`, by xtask/golden/generation.py.
#[test]
fn log_likelihoods_are_those_of_transformers() {
    let prompts = Expected::of("llama").rows;
    let theirs: Choices = read_json(&folder("choices.json")).unwrap();
    let ours = model("llama").score_continuations(&slices(&prompts), &theirs.choices);
    let ours = ours.unwrap();
    assert_eq!(ours.len(), theirs.log_likelihoods.len());
    for (prompt, (ours, theirs)) in ours.iter().zip(&theirs.log_likelihoods).enumerate() {
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let difference = (ours.log_likelihood - theirs).abs();
            assert!(
                difference < 1e-4,
                "prompt {prompt}: {ours:?}, transformers {theirs}"
            );
        }
    }
}

#[test]
fn scores_behind_shared_prompts_are_those_of_each_pair_alone() {
    let (prompts, continuations) = (prompts(), continuations());
    for name in MODELS {
        let model = model(name);
        let scores = model
            .score_continuations(&slices(&prompts), &continuations)
            .unwrap();
        assert_eq!(scores.len(), prompts.len());
        for (prompt, scores) in prompts.iter().zip(scores) {
            assert_eq!(scores.len(), continuations.len());
            for (continuation, score) in continuations.iter().zip(scores) {
                let alone = one_by_one(&model, prompt, continuation);
                let difference = (score.log_likelihood - alone).abs();
                assert!(difference < 2e-4, "{name}: {score:?}, alone {alone}");
                assert_eq!(score.tokens, continuation.len());
                assert!(score.log_likelihood < 0.0);
                let mean = alone / continuation.len() as f64;
                assert!((score.mean() - mean).abs() < 2e-4);
            }
        }
    }
}

#[test]
fn a_score_does_not_depend_on_what_else_is_scored() {
    let (prompts, continuations) = (prompts(), continuations());
    let model = model("llama3");
    let together = model
        .score_continuations(&slices(&prompts), &continuations)
        .unwrap();
    for (prompt, together) in prompts.iter().zip(&together) {
        for (continuation, together) in continuations.iter().zip(together) {
            let alone = model
                .score_continuations(&[prompt], std::slice::from_ref(continuation))
                .unwrap()[0][0];
            let difference = (alone.log_likelihood - together.log_likelihood).abs();
            assert!(difference < 2e-5, "{alone:?} {together:?}");
        }
    }
}

#[test]
fn what_cannot_be_scored_is_named() {
    let model = model("llama");
    let refused = |prompts: &[&[u32]], continuations: &[Vec<u32>], part: &str| {
        let error = model.score_continuations(prompts, continuations);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "`{part}` is not in: {error}");
    };
    refused(&[&[5], &[]], &[vec![6]], "prompt 1 has no tokens");
    refused(&[&[5]], &[vec![6], vec![]], "continuation 1 has no tokens");
    refused(&[&[5]], &[vec![101]], "continuation 0 holds token 101");
    refused(&[&[5, 101]], &[vec![6]], "prompt 0 holds token 101");
    let context = model.config().max_position_embeddings;
    let full = vec![5; context];
    refused(&[&full], &[vec![6, 7]], "context");
    assert!(model.score_continuations(&[&full], &[vec![6]]).is_ok());
    assert!(
        model
            .score_continuations(&[], &[vec![6]])
            .unwrap()
            .is_empty()
    );
}
