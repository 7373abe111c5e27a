//! One generation at a time, on demand: our side of `cargo xtask bench --only generation`.
//!
//! Reads a [`Case`] as one line of JSON, loads its model, continues its prompts once and answers `ready 0 TOTAL`, the
//! numbers of trainable parameters and of all. Then each line `step` is answered by `MILLISECONDS TOKENS`, `tokens` by the
//! new tokens of the last step, and `memory` by `START PEAK`, resident kilobytes before the model was loaded and at most
//! since it was, or `unknown`. Ends with its input. `xtask/bench/transformers_generation.py` and
//! `llama_cpp_generation.py` speak the same.
//!
//! With the arguments `random FOLDER SHAPE` it writes a model of random weights instead.
#![allow(clippy::print_stdout)]

mod case;

mod random;

mod continuation;

use std::{
    env,
    error::Error,
    io::{BufRead, Write, stdin, stdout},
    path::Path,
};

use burn::tensor::Device;
use case::Case;
use continuation::Continuation;
use treelora_benches::{Resident, reset_peak};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => serve(),
        ["random", folder, shape] => random::write(Path::new(folder), shape),
        _ => Err("no arguments, or `random FOLDER SHAPE`".into()),
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let mut lines = stdin().lock().lines();
    let first = lines.next().ok_or("no case on the input")??;
    let case: Case = serde_json::from_str(&first)?;
    let start = Resident::now();
    let mut continuation = Continuation::new(case, &Device::default())?;
    reset_peak();
    // The first fills caches and grows buffers.
    continuation.step()?;
    answer(&format!("ready 0 {}", continuation.parameters()))?;
    for line in lines {
        match line?.as_str() {
            "step" => {
                let (time, tokens) = continuation.step()?;
                answer(&format!("{:.4} {tokens}", time.as_secs_f64() * 1e3))?;
            }
            "tokens" => {
                let tokens = continuation.tokens().iter().map(u32::to_string);
                answer(&tokens.collect::<Vec<_>>().join(" "))?;
            }
            "memory" => match (start, Resident::now()) {
                (Some(start), Some(now)) => answer(&format!("{} {}", start.current, now.peak))?,
                _ => answer("unknown")?,
            },
            other => return Err(format!("no request `{other}`").into()),
        }
    }
    Ok(())
}

fn answer(line: &str) -> std::io::Result<()> {
    println!("{line}");
    stdout().flush()
}
