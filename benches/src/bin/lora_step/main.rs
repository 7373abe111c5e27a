//! One adapter training step at a time, on demand: our side of `cargo xtask bench --against-pytorch`.
//!
//! Reads a [`Case`] as one line of JSON, prepares it with warm-up steps and answers
//! `ready TRAINABLE TOTAL`, the numbers of parameters. Then each line `step` is answered by
//! `MILLISECONDS LOSS` and `memory` by `START PEAK`, resident kilobytes before the model was built and at most since
//! it was, or `unknown`. Ends with its input. `xtask/bench/lora_step.py` and
//! `peft_step.py` speak the same in PyTorch.
#![allow(clippy::print_stdout)]

mod case;

mod parameters;

mod training;

mod vision;

mod language;

use std::{
    error::Error,
    io::{BufRead, Write, stdin, stdout},
};

use burn::tensor::Device;
use case::{Architecture, Case};
use training::Steps;
use treelora_benches::{Resident, reset_peak};

/// The first steps fill caches and grow buffers.
const WARM_UP: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = stdin().lock().lines();
    let first = lines.next().ok_or("no case on the input")??;
    let case: Case = serde_json::from_str(&first)?;
    let device = Device::default().autodiff();
    let start = Resident::now();
    let mut steps: Box<dyn Steps> = match case.model {
        Architecture::Vit => Box::new(vision::training(&case, &device)?),
        Architecture::Decoder => Box::new(language::training(&case, &device)?),
    };
    reset_peak();
    for _ in 0..WARM_UP {
        steps.step();
    }
    let [trainable, total] = steps.parameters();
    answer(&format!("ready {trainable} {total}"))?;
    for line in lines {
        match line?.as_str() {
            "step" => {
                let (time, loss) = steps.step();
                answer(&format!("{:.4} {loss:.6}", time.as_secs_f64() * 1e3))?;
            }
            "memory" => match (&start, Resident::now()) {
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
