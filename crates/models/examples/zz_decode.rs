//! How fast a decoder in a folder reads a prompt and writes behind it: `decode FOLDER f32|bf16 ROWS PROMPT NEW`.
use std::{error::Error, path::Path, time::Instant};

use burn::tensor::Device;
use treelora_models::{
    Precision,
    decoder::{Decoder, GenerationConfig, GenerationRequest},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, precision, rows, prompt, new] = arguments.as_slice() else {
        return Err("decode FOLDER f32|bf16 ROWS PROMPT NEW".into());
    };
    let precision = match precision.as_str() {
        "bf16" => Precision::Bf16,
        _ => Precision::F32,
    };
    let (rows, prompt, new): (usize, usize, usize) = (rows.parse()?, prompt.parse()?, new.parse()?);
    let decoder = Decoder::load_in(Path::new(folder), precision, &Device::flex())?;
    let request = |row: usize| GenerationRequest {
        prompt: (0..prompt)
            .map(|i| (1000 + 37 * i + row) as u32 % 40000)
            .collect(),
        stream: 0,
    };
    let requests: Vec<_> = (0..rows).map(request).collect();
    for _ in 0..2 {
        let config = GenerationConfig {
            max_new_tokens: new,
            ..GenerationConfig::default()
        };
        let (start, mut times) = (Instant::now(), Vec::new());
        decoder.generate(&requests, &config, |_, _| {
            times.push(start.elapsed().as_secs_f64())
        })?;
        let (first, last) = (times[0], times[times.len() - 1]);
        println!(
            "prefill {:.3} s = {:.1} tokens/s, decode {:.2} tokens/s",
            first,
            (rows * prompt) as f64 / first,
            (times.len() - rows) as f64 / (last - first).max(1e-9)
        );
    }
    Ok(())
}
