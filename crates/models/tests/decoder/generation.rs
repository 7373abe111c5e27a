//! Continuations.

use std::path::PathBuf;

use serde_json::{Map, Value};
use treelora_core::read_json;
use treelora_models::decoder::{
    Decoder, Finish, Generation, GenerationConfig, GenerationDefaults, GenerationRequest,
};

use crate::fixture::{Expected, MODELS, device, folder, model};

fn requests(prompts: &[Vec<u32>]) -> Vec<GenerationRequest> {
    let requests = prompts.iter().zip(0..);
    requests
        .map(|(prompt, stream)| GenerationRequest {
            prompt: prompt.clone(),
            stream,
        })
        .collect()
}

fn generate(
    model: &Decoder,
    requests: &[GenerationRequest],
    config: &GenerationConfig,
) -> Vec<Generation> {
    model.generate(requests, config, |_, _| {}).unwrap()
}

fn drawn(max_new_tokens: usize) -> GenerationConfig {
    GenerationConfig {
        max_new_tokens,
        temperature: 0.9,
        top_k: 40,
        top_p: 0.95,
        seed: 11,
        ..GenerationConfig::default()
    }
}

/// Eight prompts of unequal length.
fn prompts() -> Vec<Vec<u32>> {
    (0..8_u32)
        .map(|row| {
            (0..1 + (row * 5) % 11)
                .map(|i| 3 + (row * 31 + i * 7) % 97)
                .collect()
        })
        .collect()
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for name in MODELS {
        let rows = Expected::of(name).rows;
        let theirs: Vec<Vec<u32>> = read_json(&folder(name).join("generation.json")).unwrap();
        let config = GenerationConfig {
            max_new_tokens: 12,
            ..GenerationConfig::default()
        };
        let ours = generate(&model(name), &requests(&rows), &config);
        let ours: Vec<Vec<u32>> = ours.into_iter().map(|generation| generation.ids).collect();
        assert_eq!(ours, theirs, "{name}");
    }
}

/// Continuations under fields of `generation_config.json`: `generation_rules.json`, by xtask/golden/generation.py.
#[test]
fn the_rules_of_a_model_are_followed_as_transformers_does() {
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        fields: Map<String, Value>,
        ends: Vec<u32>,
        continued: Vec<Vec<u32>>,
    }
    let cases: Vec<Case> = read_json(&folder("generation_rules.json")).unwrap();
    let rows = Expected::of("llama").rows;
    let model = model("llama");
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("generation_config.json");
        std::fs::write(file, Value::Object(case.fields).to_string()).unwrap();
        let defaults = GenerationDefaults::load(folder.path(), 64).unwrap();
        assert_eq!(defaults.notes, [""; 0], "{}", case.name);
        let config = GenerationConfig {
            max_new_tokens: 12,
            stop_ids: case.ends,
            rules: defaults.rules,
            ..GenerationConfig::default()
        };
        let ours = generate(&model, &requests(&rows), &config);
        let ours: Vec<Vec<u32>> = ours.into_iter().map(|generation| generation.ids).collect();
        assert_eq!(ours, case.continued, "{}", case.name);
    }
}

#[test]
fn rules_on_tokens_outside_the_vocabulary_are_refused() {
    let model = model("llama");
    let mut config = GenerationConfig::default();
    config.rules.bad_words_ids = vec![vec![3], vec![4, 101]];
    let error = model.generate(&requests(&prompts()), &config, |_, _| {});
    let error = error.unwrap_err().to_string();
    for part in ["bad_words_ids", "token 101", "has 101"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// `TREELORA_MODELS/stories260K`, or that of `../shared/models` beside the workspace.
#[test]
#[allow(clippy::print_stderr)]
fn a_published_model_tells_its_story() {
    let models = std::env::var_os("TREELORA_MODELS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models"),
        PathBuf::from,
    );
    let folder = models.join("stories260K");
    if !folder.exists() {
        eprintln!("skipped: no {}; set TREELORA_MODELS", folder.display());
        return;
    }
    let model = Decoder::load(&folder, &device()).unwrap();
    // "Once upon a time" ", there was a little girl named Lily."
    let request = GenerationRequest {
        prompt: vec![1, 403, 407, 261, 378],
        stream: 0,
    };
    let config = GenerationConfig {
        max_new_tokens: 11,
        ..GenerationConfig::default()
    };
    let story = generate(&model, &[request], &config);
    assert_eq!(
        story[0].ids,
        [432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426]
    );
}

#[test]
fn a_row_is_continued_alike_in_every_batch() {
    for name in ["llama3", "mistral", "qwen3"] {
        let model = model(name);
        let requests = requests(&prompts());
        let config = GenerationConfig {
            // Rows end at different times.
            stop_ids: (3..9).collect(),
            ..drawn(20)
        };
        let together = generate(&model, &requests, &config);
        let ends = |stopped: bool| {
            let is_stop = |g: &&Generation| matches!(g.finish, Finish::Stop(_)) == stopped;
            together.iter().filter(is_stop).count()
        };
        assert!(ends(true) > 0 && ends(false) > 0, "{name}: {together:?}");
        for size in [1, 3] {
            let parts = requests.chunks(size);
            let apart: Vec<_> = parts
                .flat_map(|part| generate(&model, part, &config))
                .collect();
            assert_eq!(apart, together, "{name} in batches of {size}");
        }
        let mut turned = requests.clone();
        turned.reverse();
        let mut turned = generate(&model, &turned, &config);
        turned.reverse();
        assert_eq!(turned, together, "{name} in another order");
    }
}

#[test]
fn seeds_and_streams_draw_differently() {
    let model = model("llama");
    let draw = |config: &GenerationConfig, stream| {
        let prompt = vec![5, 6, 7];
        generate(&model, &[GenerationRequest { prompt, stream }], config)
    };
    let config = drawn(20);
    assert_eq!(draw(&config, 0), draw(&config, 0));
    assert_ne!(draw(&config, 0), draw(&config, 1));
    let other = GenerationConfig {
        seed: 12,
        ..config.clone()
    };
    assert_ne!(draw(&config, 0), draw(&other, 0));
}

#[test]
fn the_callback_hears_every_token_of_every_row_in_order() {
    let model = model("llama");
    let requests = requests(&prompts());
    let mut heard = vec![Vec::new(); requests.len()];
    let config = GenerationConfig {
        stop_ids: (3..20).collect(),
        ..drawn(10)
    };
    let generations = model
        .generate(&requests, &config, |row, id| heard[row].push(id))
        .unwrap();
    let ids: Vec<_> = generations
        .into_iter()
        .map(|generation| generation.ids)
        .collect();
    assert_eq!(heard, ids);
    let stopped = |id: &u32| config.stop_ids.contains(id);
    assert!(
        !ids.iter().flatten().any(stopped),
        "a stop token came through"
    );
}

#[test]
fn a_continuation_ends_where_the_context_does() {
    let model = model("llama");
    let request = |length| GenerationRequest {
        prompt: vec![9; length],
        stream: 0,
    };
    let requests = [request(60), request(64), request(10)];
    let generations = generate(&model, &requests, &drawn(20));
    let ends: Vec<_> = generations
        .iter()
        .map(|g| (g.ids.len(), g.finish))
        .collect();
    // The token chosen at the last position needs no position itself.
    assert_eq!(
        ends,
        [
            (5, Finish::Context),
            (1, Finish::Context),
            (20, Finish::Length)
        ]
    );
}

#[test]
fn prompts_that_cannot_be_continued_are_named() {
    let model = model("llama");
    let refusal = |prompt: Vec<u32>| {
        let requests = [vec![5], prompt].map(|prompt| GenerationRequest { prompt, stream: 0 });
        let error = model.generate(&requests, &drawn(3), |_, _| panic!("a token"));
        error.unwrap_err().to_string()
    };
    for (prompt, parts) in [
        (vec![], ["prompt 1", "no tokens"]),
        (vec![7; 65], ["65 tokens", "64"]),
        (vec![7, 101], ["token 101", "vocabulary has 101"]),
    ] {
        let error = refusal(prompt);
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
    let config = GenerationConfig {
        top_p: 2.0,
        ..drawn(3)
    };
    let error = model.generate(&[], &config, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("top_p"));
    assert_eq!(generate(&model, &[], &drawn(3)), []);
}
