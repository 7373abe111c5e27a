//! A tiny decoder and a tiny stream of text, for tests of whole experiments.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use treelora_cl_bench::text::BytePairTraining;
use treelora_experiment::{
    Experiment, ExperimentConfig, RunFolder, RunSummary, TextExperiment, TextExperimentConfig,
};
use treelora_models::decoder::DecoderConfig;

const LORA: &str = "{ rank = 2, alpha = 8.0, dropout = 0.1, \
                    target_modules = ['\\.(q_proj|v_proj)\\.weight$'] }";

/// Dropout draws from the device's generator, which the whole process shares: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A model folder and a data folder.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
            // A failed test leaves nothing behind that the next could stumble over.
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let mut texts = Vec::new();
        for (task, words) in [
            ("colours", [("sky", "blue"), ("grass", "green")]),
            ("sounds", [("cat", "meow"), ("dog", "bark")]),
            ("counts", [("two", "2"), ("three", "3")]),
        ] {
            let folder = world.data().join(task);
            fs::create_dir_all(&folder).unwrap();
            for (split, count) in [("train", 6), ("eval", 2), ("test", 4)] {
                let records: Vec<serde_json::Value> = (0..count)
                    .map(|number| {
                        let (about, answer) = words[number % 2];
                        let prompt = format!("{split} {number}: what of the {about}? ");
                        texts.push(format!("{prompt}{answer}"));
                        serde_json::json!({ "prompt": prompt, "answer": answer })
                    })
                    .collect();
                let path = folder.join(format!("{split}.json"));
                fs::write(path, serde_json::to_vec(&records).unwrap()).unwrap();
            }
        }
        fs::create_dir_all(world.model()).unwrap();
        let tokenizer = BytePairTraining::new(300)
            .train(texts.iter().map(String::as_str), &world.model())
            .unwrap();
        let special = tokenizer.special();
        let config = DecoderConfig {
            num_key_value_heads: 2,
            max_position_embeddings: 128,
            bos_token_id: special.bos,
            eos_token_ids: special.eos.into_iter().collect(),
            ..DecoderConfig::llama(tokenizer.vocabulary(), 16, 2, 4)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let decoder = config.init(&mut rng, &Device::default()).unwrap();
        decoder.save(&world.model()).unwrap();
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    pub(crate) fn config(&self, method: &str, changes: &[(&str, &str)]) -> TextExperimentConfig {
        self.try_config(method, changes).unwrap()
    }

    pub(crate) fn try_config(
        &self,
        method: &str,
        changes: &[(&str, &str)],
    ) -> Result<TextExperimentConfig, treelora_experiment::Error> {
        let lora = match method.contains("'fix'") || method.contains("name = 'frozen'") {
            true => String::new(),
            false => format!(", lora = {LORA}"),
        };
        let text = format!(
            "modality = 'text'\n\
             name = 'tiny-text'\n\
             data = {{ name = 'folder', path = '{}', tasks = ['colours', 'sounds', 'counts'] }}\n\
             model = {{ weights = '{}' }}\n\
             method = {{ {method}{lora} }}\n\
             encoding = {{ max_prompt = 40, max_answer = 8 }}\n\
             batching = {{ token_budget = 120 }}\n\
             generation = {{ max_new_tokens = 3 }}\n\
             training = {{ epochs = 2, batch_size = 2, accumulation = 2, learning_rate = 1e-2, \
             warm_up = 0.2, gradient_clip = 1.0, evaluation_batch_size = 3, seed = 5, \
             optimizer = {{ name = 'adamw', weight_decay = 0.0 }} }}\n",
            self.data().display(),
            self.model().display(),
        );
        let changes: Vec<(String, String)> = changes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        match ExperimentConfig::parse(&text, Path::new("tiny.toml"), None, &changes)? {
            ExperimentConfig::Text(config) => Ok(*config),
            ExperimentConfig::Images(_) => panic!("the file is about text"),
        }
    }

    pub(crate) fn prepare(&self, method: &str, changes: &[(&str, &str)]) -> TextExperiment {
        TextExperiment::prepare(
            self.config(method, changes),
            &Device::default(),
            &mut |_| (),
        )
        .unwrap()
    }

    pub(crate) fn run(&self, experiment: &TextExperiment, name: &str) -> (RunFolder, RunSummary) {
        let path = self.dir.path().join(name);
        let toml = experiment.config_toml().unwrap();
        let folder = RunFolder::create(&path, &toml, &experiment.manifest()).unwrap();
        let summary = experiment.run(&folder, &mut |_| {}).unwrap();
        (folder, summary)
    }
}
