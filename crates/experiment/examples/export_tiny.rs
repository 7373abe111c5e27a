//! A run on two text tasks and its adapter in PEFT's layout, for `xtask/golden/exported.py` to load.
//!
//! ```text
//! cargo run -p treelora-experiment --example export_tiny -- DIR
//! ```
//!
//! `DIR/decoder` is a model folder that is there already (from `pretrain_tiny`). Written: `DIR/run`, the adapter after
//! each task as `DIR/adapter-0` and `DIR/adapter-1`, and in each `expected.json`: ids, and their logits with the adapter.

use std::{error::Error, fs, path::Path};

use burn::tensor::Device;
use serde_json::{Value, json};
use treelora_experiment::{ExperimentConfig, LanguageModel, RunFolder, export_adapter, write_json};
use treelora_models::decoder::TokenGrid;

const CONFIG: &str = r#"
modality = "text"
name = "tiny"
data = { name = "folder", tasks = ["fruit", "sounds"] }
training = { epochs = 4, batch_size = 4, learning_rate = 2e-2, seed = 1 }
generation = { max_new_tokens = 3 }

[method]
name = "tree-lora"
lora = { rank = 4, alpha = 12.0, target_modules = ['\.(q_proj|v_proj)\.weight$', 'layers\.1\.mlp\.up_proj\.weight$'] }
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("a folder is needed")?;
    let folder = Path::new(&folder);
    let (model, data) = (folder.join("decoder"), folder.join("tasks"));
    let answers = [("fruit", "12 apples"), ("sounds", "猫 sat")];
    for (task, answer) in answers {
        write_task(&data.join(task), answer)?;
    }
    let quoted = |path: &Path| format!("'''{}'''", path.display());
    let changes = [
        ("data.path".to_owned(), quoted(&data)),
        ("model.weights".to_owned(), quoted(&model)),
    ];
    let config = ExperimentConfig::parse(CONFIG, "tiny.toml".as_ref(), None, &changes)?;
    let device = Device::default();
    let experiment = config.prepare(&device, &mut |_| {})?;
    let run = folder.join("run");
    let run = RunFolder::create(&run, &experiment.config_toml()?, &experiment.manifest())?;
    experiment.run(&run, &mut |_| {})?;

    for task in 0..answers.len() {
        let out = folder.join(format!("adapter-{task}"));
        export_adapter(&run, task, &out)?;
        let adapter = run.adapter_of(treelora_core::TaskId(task), &device)?;
        let adapted = LanguageModel::load(&model, &device)?.with_adapter(&adapter)?;
        let ids = adapted.tokenizer.encode_with_special("Anna found 猫")?;
        let logits = adapted.decoder.forward(&TokenGrid::right_padded(&[&ids]));
        let expected =
            json!({ "ids": ids, "logits": logits.into_data().iter::<f32>().collect::<Vec<_>>() });
        write_json(&out.join("expected.json"), &expected)?;
    }
    Ok(())
}

fn write_task(folder: &Path, answer: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for (split, count) in [("train", 12), ("eval", 2), ("test", 2)] {
        let records: Vec<Value> = (0..count)
            .map(|n| json!({ "prompt": format!("{split} {n}: Anna found "), "answer": answer }))
            .collect();
        fs::write(
            folder.join(format!("{split}.json")),
            serde_json::to_vec(&records)?,
        )?;
    }
    Ok(())
}
