//! Whether memory and time stay flat over a long stream: TreeLoRA on many tiny text tasks.
//!
//! ```text
//! cargo run --release -p treelora-experiment --example many_tasks -- OUT [TASKS] [KEY=VALUE ...]
//! ```
//!
//! makes `OUT/{data,model,run}` (a decoder of random weights, 50 tasks of a few records when `TASKS` is left out), runs
//! the stream through the run loop with its checkpoints, prints a line a task and writes all of them to `OUT/tasks.json`.
//! `KEY=VALUE` overrides a setting of the experiment, as in `training.epochs=16`.

use std::{error::Error, fs, io::Write, path::Path};

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;
use treelora_cl_bench::text::BytePairTraining;
use treelora_experiment::{
    Event, Experiment, ExperimentConfig, RunFolder, StageCost, TextExperiment, write_json,
};
use treelora_models::decoder::DecoderConfig;

const EXPERIMENT: &str = r#"
modality = "text"
name = "many-tasks"
data = { name = "folder" }
model = { weights = "" }
encoding = { max_prompt = 32, max_answer = 8 }
generation = { max_new_tokens = 2 }
training = { epochs = 4, batch_size = 4, learning_rate = 1e-2, seed = 1 }

[method]
name = "tree-lora"
lora = { rank = 4, alpha = 8.0, target_modules = ['\.(q_proj|v_proj)\.weight$'] }
"#;

/// What one task cost, and what stays.
#[derive(Serialize)]
struct TaskLine {
    task: usize,
    /// Resident memory of the process after the task, in bytes; none where the system does not tell.
    resident_bytes: Option<u64>,
    /// What the method keeps: adapters, signatures, tree.
    stored_bytes: usize,
    /// The checkpoint after the task.
    checkpoint_bytes: Option<u64>,
    train_seconds: f64,
    end_task_seconds: f64,
    /// On all tasks so far.
    evaluation_seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("a folder is needed")?;
    let (out, tasks) = (
        Path::new(&out),
        arguments.next().map_or(Ok(50), |n| n.parse())?,
    );
    let (data, model, run) = (out.join("data"), out.join("model"), out.join("run"));
    let texts = write_tasks(&data, tasks)?;
    write_model(&model, &texts)?;

    let path = |path: &Path| format!("'''{}'''", path.display());
    let mut changes = vec![
        ("data.path".to_owned(), path(&data)),
        ("model.weights".to_owned(), path(&model)),
    ];
    for setting in arguments {
        let (key, value) = setting.split_once('=').ok_or("settings are KEY=VALUE")?;
        changes.push((key.to_owned(), value.to_owned()));
    }
    let config = ExperimentConfig::parse(EXPERIMENT, "many_tasks".as_ref(), None, &changes)?;
    let ExperimentConfig::Text(config) = config else {
        return Err("the experiment is about text".into());
    };
    let experiment = TextExperiment::prepare(*config, &Device::default(), &mut |_| ())?;
    let folder = RunFolder::create(&run, &experiment.config_toml()?, &experiment.manifest())?;
    let mut lines: Vec<TaskLine> = Vec::new();
    let mut written = Ok(());
    experiment.run(&folder, &mut |event| {
        if let Event::Row { after, cost } = event {
            let line = TaskLine::new(after.0, cost);
            written = show(&line);
            lines.push(line);
        }
    })?;
    written?;
    Ok(write_json(&out.join("tasks.json"), &lines)?)
}

impl TaskLine {
    fn new(task: usize, cost: &StageCost) -> Self {
        Self {
            task,
            resident_bytes: cost.resident_memory_bytes,
            stored_bytes: cost.stored_bytes,
            checkpoint_bytes: cost.checkpoint_bytes,
            train_seconds: cost.train_seconds,
            end_task_seconds: cost.end_task_seconds,
            evaluation_seconds: cost.evaluation_seconds,
        }
    }
}

fn show(line: &TaskLine) -> Result<(), Box<dyn Error>> {
    let line = serde_json::to_string(line)?;
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Tasks of questions with one-word answers of their own; gives all texts.
fn write_tasks(folder: &Path, tasks: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for task in 0..tasks {
        let folder = folder.join(format!("task-{task:03}"));
        fs::create_dir_all(&folder)?;
        for (split, count) in [("train", 8), ("eval", 2), ("test", 2)] {
            let records: Vec<serde_json::Value> = (0..count)
                .map(|number| {
                    let prompt = format!("{split} {number}: which is it in {task}? ");
                    let answer = ["red", "blue"][(number + task) % 2];
                    texts.push(format!("{prompt}{answer}"));
                    json!({ "prompt": prompt, "answer": answer })
                })
                .collect();
            write_json(&folder.join(format!("{split}.json")), &records)?;
        }
    }
    Ok(texts)
}

/// A LLaMA of random weights with a tokenizer of the tasks' texts.
fn write_model(folder: &Path, texts: &[String]) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let texts = texts.iter().map(String::as_str);
    let tokenizer = BytePairTraining::new(320).train(texts, folder)?;
    let special = tokenizer.special();
    let config = DecoderConfig {
        num_key_value_heads: 2,
        max_position_embeddings: 64,
        bos_token_id: special.bos,
        eos_token_ids: special.eos.into_iter().collect(),
        ..DecoderConfig::llama(tokenizer.vocabulary(), 64, 2, 4)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let decoder = config.init(&mut rng, &Device::default())?;
    Ok(decoder.save(folder)?)
}
