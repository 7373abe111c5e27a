//! `train FOLDER f32|bf16 ROWS TOKENS ANSWER DROPOUT STEPS`
use burn::{
    optim::{AdamWConfig, GradientsParams},
    tensor::Device,
};
use rand::SeedableRng;
use std::{error::Error, path::Path, time::Instant};
use treelora_core::ContinualModel;
use treelora_lora::LoraConfig;
use treelora_models::{
    Precision,
    decoder::{Decoder, TextBatch, TextExample},
};

fn main() -> Result<(), Box<dyn Error>> {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let precision = if a[1] == "bf16" {
        Precision::Bf16
    } else {
        Precision::F32
    };
    let (rows, tokens, answer): (usize, usize, usize) =
        (a[2].parse()?, a[3].parse()?, a[4].parse()?);
    let dropout: f64 = a[5].parse()?;
    let steps: usize = a[6].parse()?;
    let device = Device::flex().autodiff();
    let decoder = Decoder::load_in(Path::new(&a[0]), precision, &device)?;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let lora = LoraConfig {
        target_modules: vec![r"\.(q|k|v|o|gate|up)_proj\.weight$".into()],
        dropout,
        ..LoraConfig::new(8, 32.0)
    };
    let model = treelora_lora::attach(decoder, &lora, &mut rng)?;
    let mut optim = AdamWConfig::new().init();
    let batch = TextBatch {
        examples: (0..rows)
            .map(|row| TextExample {
                ids: (0..tokens)
                    .map(|i| (1000 + 37 * i + row) as u32 % 40000)
                    .collect(),
                answer_start: tokens - answer,
            })
            .collect(),
    };
    let mut model = model;
    for _ in 0..steps {
        let start = Instant::now();
        let loss = model.loss(&batch);
        let value: f32 = loss.clone().into_scalar();
        let forward = start.elapsed().as_secs_f64();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let backward = start.elapsed().as_secs_f64();
        model = optim.step(1e-3, model, grads);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status
            .lines()
            .find(|l| l.starts_with("VmHWM"))
            .unwrap_or("");
        println!(
            "loss {value:.4} forward {forward:.3} backward {:.3} all {:.3} {peak}",
            backward - forward,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
